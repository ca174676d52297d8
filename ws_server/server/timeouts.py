"""When the server gives up a connection that does not read, does not answer, or is idle.

Times are differences of a monotonic clock, so setting the clock changes nothing. After the machine has slept, or the
process was stopped, all time limits start afresh.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from ..config import Settings
from .socket import Socket

LEAST_RATE = 1024
"""Bytes a second that a client has to read of what waits for it, on an average over `Timeouts.slow`."""


class Verdict(Enum):
    """Why a connection is given up."""

    SLOW = "slow"
    """It reads nothing, or next to nothing, of what waits for it."""
    SILENT = "silent"
    """Nothing comes from it, not even an answer to a ping: the peer or the way to it is gone."""
    IDLE = "idle"
    """It sends no messages."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """In seconds; None means no limit."""

    slow: float | None
    silent: float | None
    idle: float | None

    @classmethod
    def of(cls, settings: Settings) -> Timeouts:
        return cls(
            settings.slow_client_seconds or None,
            2 * settings.keepalive_seconds,
            settings.limits.idle_seconds or None,
        )

    async def runs_out(self, socket: Socket, spoke: Callable[[], float]) -> Verdict:
        """Waits until one of the limits is reached; says which.

        Args:
            spoke: returns when the client last sent a message, by the clock of the event loop.
        """
        clock = asyncio.get_running_loop().time
        step = max(0.02, min([1.0, *(limit / 8 for limit in (self.slow, self.silent, self.idle) if limit is not None)]))
        before = awake = clock()
        while True:
            await asyncio.sleep(step)
            now = clock()
            if now - before > 4 * step + 1:
                awake = now
                socket.excuse(now)
            before = now
            socket.look(now, LEAST_RATE * (self.slow or 0.0))
            if self.slow is not None and now - socket.kept_up > self.slow:
                return Verdict.SLOW
            if self.silent is not None and now - socket.alive > self.silent:
                return Verdict.SILENT
            if self.idle is not None and now - max(spoke(), awake) > self.idle:
                return Verdict.IDLE
