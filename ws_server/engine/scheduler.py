"""Decides whose work comes next and how much of it one pass takes. Pure decisions: no torch, no clock.

The seconds computed for each session are counted, and the session with the fewest comes first. So a short edit comes
before the rest of another session's long text, and no session waits for ever. Idle time earns no credit: a session
starts at the smallest count among those that have work.
"""

from __future__ import annotations

from collections.abc import Iterable

FIRST_CHUNK = 32
"""Tokens of the first pass after an edit: few, so that the values near the edit come quickly."""
LARGEST_CHUNK = 256
"""Tokens of the largest pass. Between passes, newer edits and other sessions get their turn."""

MOST_TOGETHER = 16
"""The most documents in one pass."""


def chunk_size(chunks_done: int) -> int:
    """How many tokens the next pass of an evaluation takes at most."""
    return int(min(LARGEST_CHUNK, FIRST_CHUNK << min(chunks_done, 16)))


def room_for_others(tokens: int) -> int:
    """How many tokens of other documents may join a pass of `tokens` without slowing it down much."""
    return min(max(FIRST_CHUNK, tokens), LARGEST_CHUNK - tokens)


class FairShare:
    """Counts the seconds of work done for each session that has work to do."""

    def __init__(self) -> None:
        self._spent: dict[str, float] = {}
        self._last: str | None = None

    def next(self, waiting: Iterable[str]) -> str:
        """Of the sessions that have work (at least one), the one to serve now."""
        names = list(dict.fromkeys(waiting))
        floor = min((self._spent[name] for name in names if name in self._spent), default=0.0)
        self._spent = {name: self._spent.get(name, floor) for name in names}
        self._last = min(names, key=lambda name: (self._spent[name], name == self._last))
        return self._last

    def charge(self, name: str, seconds: float) -> None:
        self._spent[name] = self._spent.get(name, 0.0) + seconds
