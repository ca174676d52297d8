"""The sessions of a server: who holds which, and when one that nobody holds ends."""

from __future__ import annotations

import asyncio
import hmac
import logging
from collections.abc import Callable, Collection
from functools import partial
from typing import Protocol

from websockets.frames import CloseCode

from ..config import Settings
from ..engine.commands import Key, Result
from ..errors import LimitExceeded, Overloaded
from ..logs import about
from ..model import ServedModel
from ..protocol.messages import Resume
from ..session import Session
from .effect_runner import EffectRunner
from .metrics import Metrics
from .models import Models
from .tokenizing import Tokenizing

_log = logging.getLogger(__name__)

_MOST_CRASHES = 3
"""Workers that one session's documents may crash before it is ended."""


class Holder(Protocol):
    """A connection that holds a session."""

    runner: EffectRunner | None
    """Its session."""
    address: str
    """The client's address."""

    async def close(self, code: int, reason: str) -> None: ...


class Sessions:
    """All sessions, connected or waiting to be resumed."""

    def __init__(
        self, settings: Settings, models: Callable[[], Models], tokenizing: Tokenizing, metrics: Metrics
    ) -> None:
        self._settings = settings
        self._models = models
        self._tokenizing = tokenizing
        self._metrics = metrics
        self._runners: dict[str, EffectRunner] = {}
        self._holders: dict[str, Holder] = {}
        self._addresses: dict[str, str] = {}
        self._expiry: dict[str, asyncio.TimerHandle] = {}
        self._farewells: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._runners)

    @property
    def full(self) -> bool:
        """Whether no further session can begin: the most sessions are connected."""
        return len(self._holders) >= self._settings.limits.sessions

    def crowded(self, address: str) -> bool:
        """Whether no further session from this address can begin."""
        held = sum(self._addresses[session_id] == address for session_id in self._holders)
        return held >= self._settings.limits.sessions_per_address

    def begin(self, model: ServedModel, connection: Holder) -> EffectRunner:
        """A new session; if necessary, the one that has waited longest to be resumed is ended.

        Raises:
            Overloaded: the most sessions exist, all connected.
            LimitExceeded: the same for the connection's address.
        """
        limits = self._settings.limits
        if self.full:
            raise Overloaded("This server has no room for another session; try again later.")
        address = connection.address
        if self.crowded(address):
            maximum = limits.sessions_per_address
            raise LimitExceeded(
                f"One address can have {maximum} sessions here; close one first.",
                limit="sessionsPerAddress",
                maximum=maximum,
            )
        while len(self._runners) >= limits.sessions:
            self._end(next(iter(self._expiry)))
        while sum(other == address for other in self._addresses.values()) >= limits.sessions_per_address:
            self._end(next(session_id for session_id in self._expiry if self._addresses[session_id] == address))
        session = Session(model, limits, lambda: self._models().summaries())
        runner = EffectRunner(
            session, self._models(), self._tokenizing, self._metrics, partial(self._expel, session.id, "internal error")
        )
        self._runners[session.id] = runner
        self._holders[session.id] = connection
        self._addresses[session.id] = address
        return runner

    def resume(self, resume: Resume, connection: Holder) -> EffectRunner | None:
        """The session of a dropped connection; None if it is gone or the token is wrong.

        A connection that still holds it is considered half open and is closed: whoever has the token is the client.
        """
        runner = self._runners.get(resume.session)
        if runner is None or not hmac.compare_digest(
            resume.resume_token.encode("utf-8", "surrogatepass"), runner.session.resume_token.encode()
        ):
            return None
        former = self._holders.pop(resume.session, None)
        if former is not None:
            self._part(runner, former, CloseCode.NORMAL_CLOSURE, "resumed by another connection")
            if resume.session not in self._runners:  # it has failed at this
                return None
        if (timer := self._expiry.pop(resume.session, None)) is not None:
            timer.cancel()
        self._holders[resume.session] = connection
        self._addresses[resume.session] = connection.address
        return runner

    def release(self, connection: Holder) -> None:
        """A connection has ended; its session is kept for a while."""
        runner, connection.runner = connection.runner, None
        if runner is None:
            return
        session_id = runner.session.id
        runner.outbox = None
        self._holders.pop(session_id, None)
        runner.react(runner.session.detach)
        if session_id not in self._runners:
            return
        timer = asyncio.get_running_loop().call_later(self._settings.resume_seconds, self._end, session_id)
        self._expiry[session_id] = timer

    def computed(self, result: Result) -> None:
        """Passes an engine's result to its session."""
        runner = self._runners.get(result.key[0])
        if runner is not None:
            runner.react(lambda: runner.session.computed(result))

    def models_in_use(self) -> set[str]:
        """The ids of the models that sessions hold."""
        return {runner.session.model.id for runner in self._runners.values()}

    @property
    def quiet(self) -> bool:
        """Whether all requests have been answered and the answers sent."""
        return not any(runner.busy for runner in self._runners.values() if runner.outbox is not None)

    def engine_lost(self, model_id: str, at_work: Collection[Key]) -> None:
        """The worker of a model has died during a pass for the documents `at_work`."""
        for runner in list(self._runners.values()):
            session = runner.session
            if session.model.id != model_id:
                continue
            uris = [uri for session_id, uri in at_work if session_id == session.id]
            runner.react(partial(session.engine_lost, uris))
            if session.crashes >= _MOST_CRASHES:
                _log.error("session ended because its documents crash workers", extra=about(session=session.id[:6]))
                self._expel(session.id, "these documents crash the model's workers")

    def engine_replaced(self, model_id: str) -> None:
        """There is a new worker, with nothing computed."""
        for runner in list(self._runners.values()):
            if runner.session.model.id == model_id:
                runner.react(runner.session.engine_replaced)

    def _part(self, runner: EffectRunner, connection: Holder, code: int, reason: str) -> None:
        """Takes a session from a connection, and closes that."""
        connection.runner = None
        runner.react(runner.session.detach)
        runner.outbox = None
        farewell = asyncio.ensure_future(connection.close(code, reason))
        self._farewells.add(farewell)
        farewell.add_done_callback(self._farewells.discard)

    def _expel(self, session_id: str, reason: str) -> None:
        """Ends a session that does harm or has failed; called again if ending it fails, too."""
        if (connection := self._holders.pop(session_id, None)) is not None:
            self._part(self._runners[session_id], connection, CloseCode.INTERNAL_ERROR, reason)
        self._end(session_id)

    def _end(self, session_id: str) -> None:
        runner = self._runners.pop(session_id, None)
        if runner is None:
            return
        del self._addresses[session_id]
        if (timer := self._expiry.pop(session_id, None)) is not None:
            timer.cancel()
        runner.end()
        _log.info("session ended", extra=about(session=session_id[:6]))
