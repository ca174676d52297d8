"""Runs the checks and reports their results."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from websockets.exceptions import InvalidHandshake

from ..client.transport import websocket_address
from .checks import CHECKS, NotApplicable, Target
from .clauses import CLAUSES
from .peer import Broken

LONGEST = 180.0
"""Seconds that one check may take; a large model may have to be loaded first."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one clause."""

    clause: str
    result: Literal["kept", "broken", "not applicable"]
    detail: str = ""

    @property
    def sentence(self) -> str:
        return CLAUSES[self.clause]


async def check_server(
    url: str,
    *,
    token: str | None = None,
    clauses: Iterable[str] | None = None,
    tell: Callable[[Outcome], None] = lambda outcome: None,
) -> list[Outcome]:
    """Checks a server, clause by clause.

    Args:
        url: its page or its websocket.
        token: its access token, if it requires one.
        clauses: numbers to check; all when None.
        tell: called with each outcome.

    Raises:
        ValueError: `url` is not an address, or there is no such clause.
        OSError: there is no server.
    """
    address, in_url = websocket_address(url)
    token = token if token is not None else in_url
    target = Target(address, {} if token is None else {"Authorization": f"Bearer {token}"})
    wanted = list(CHECKS if clauses is None else clauses)
    unknown = [number for number in wanted if number not in CHECKS]
    if unknown:
        raise ValueError(f"there is no clause {unknown[0]}")
    await _greet(target)
    outcomes = []
    for number in wanted:
        outcome = await _check(number, target)
        tell(outcome)
        outcomes.append(outcome)
    return outcomes


async def _greet(target: Target) -> None:
    """Checks that there is a server, so that its absence is not reported once per clause."""
    try:
        await target.dial()
        await target.hang_up()
    except (Broken, InvalidHandshake) as error:
        raise ConnectionError(f"the server refused the connection: {error}") from None


async def _check(number: str, target: Target) -> Outcome:
    try:
        await asyncio.wait_for(CHECKS[number](target), LONGEST)
    except NotApplicable as reason:
        return Outcome(number, "not applicable", f"{reason}")
    except Broken as complaint:
        return Outcome(number, "broken", f"{complaint}")
    except asyncio.TimeoutError:
        return Outcome(number, "broken", f"not done within {LONGEST:.0f} seconds")
    except Exception as error:  # whatever a strange server does to a check is the server's fault
        return Outcome(number, "broken", f"{type(error).__name__}: {error}")
    finally:
        await target.hang_up()
    return Outcome(number, "kept")
