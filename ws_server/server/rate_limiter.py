"""A token bucket that limits how much a client may write; a large message counts as several."""

from __future__ import annotations

BYTES_A_MESSAGE = 4 * 1024
"""A frame counts as one more message for each this many bytes."""


class RateLimiter:
    """Allows a burst of one second's messages, then that many a second."""

    def __init__(self, per_second: int) -> None:
        self._rate = float(per_second)
        self._left = self._rate
        self._at: float | None = None
        self._exceeded_since: float | None = None
        self.exceeded_for = 0.0
        """Seconds since the client was last well within its rate, or waited for an answer."""

    def paused(self) -> None:
        """The client sent nothing for a moment: it waits for answers, so slowing it down is enough."""
        self._exceeded_since, self.exceeded_for = None, 0.0

    def take(self, now: float, messages: int = 1) -> float:
        """Counts messages that came; returns how many seconds to wait before acting on them."""
        elapsed = now - self._at if self._at is not None else 0.0
        self._at = now
        refilled = min(self._rate, self._left + elapsed * self._rate)
        self._left = refilled - messages
        # A wait that lasted a little too long leaves a token or two, which does not mean that the client is quieter.
        if refilled >= self._rate / 2:
            self._exceeded_since = None
        elif self._left < 0 and self._exceeded_since is None:
            self._exceeded_since = now
        self.exceeded_for = now - self._exceeded_since if self._exceeded_since is not None else 0.0
        return max(0.0, -self._left / self._rate)
