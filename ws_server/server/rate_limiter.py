"""How much a client may write: a token bucket of messages, large ones counting for several."""

from __future__ import annotations

BYTES_A_MESSAGE = 4 * 1024
"""A frame counts as one message for each so many bytes begun."""


class RateLimiter:
    """A second's messages at once, then as many a second."""

    def __init__(self, per_second: int) -> None:
        self._rate = float(per_second)
        self._left = self._rate
        self._at: float | None = None
        self._exceeded_since: float | None = None
        self.exceeded_for = 0.0
        """Seconds since the client was last well within its rate, or waited for an answer."""

    def paused(self) -> None:
        """The client had nothing more to say for a moment: it waits for answers, so slowing it down is enough."""
        self._exceeded_since, self.exceeded_for = None, 0.0

    def take(self, now: float, messages: int = 1) -> float:
        """Counts what came; returns how long to wait before acting on it."""
        elapsed = now - self._at if self._at is not None else 0.0
        self._at = now
        refilled = min(self._rate, self._left + elapsed * self._rate)
        self._left = refilled - messages
        # A wait that lasted a little longer than asked for leaves a token or two; that is no sign of a quieter client.
        if refilled >= self._rate / 2:
            self._exceeded_since = None
        elif self._left < 0 and self._exceeded_since is None:
            self._exceeded_since = now
        self.exceeded_for = now - self._exceeded_since if self._exceeded_since is not None else 0.0
        return max(0.0, -self._left / self._rate)
