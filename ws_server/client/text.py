"""Changes of a text and what they do to spans; offsets count code points, as Python strings do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

Offsets = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True, slots=True, order=True)
class Change:
    """Replace `[start, stop)` by `insert`; offsets in the text before all changes of its message."""

    start: int
    stop: int
    insert: str


def normalized(changes: Iterable[Change], length: int) -> tuple[Change, ...]:
    """The same changes by position; adjacent ones are merged.

    Raises:
        ValueError: they overlap, leave a text of `length` characters, or hold a lone surrogate, which has no UTF-8.
    """
    result: list[Change] = []
    for change in sorted(changes, key=lambda change: (change.start, change.stop)):
        if not (result[-1].stop if result else 0) <= change.start <= change.stop <= length:
            raise ValueError(f"[{change.start}, {change.stop}) overlaps another change or leaves the text of {length}")
        check_text(change.insert)
        if result and result[-1].stop == change.start:
            result[-1] = Change(result[-1].start, change.stop, result[-1].insert + change.insert)
        else:
            result.append(change)
    return tuple(result)


def check_text(text: str) -> None:
    """Raises `ValueError` for a lone surrogate."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"half a surrogate pair at character {error.start} cannot be sent") from None


def applied(text: str, changes: Sequence[Change]) -> str:
    """The text after normalized changes."""
    pieces, end = [], 0
    for change in changes:
        pieces += [text[end : change.start], change.insert]
        end = change.stop
    return "".join([*pieces, text[end:]])


def difference(old: str, new: str) -> tuple[Change, ...]:
    """The change from `old` to `new`: what is between their common prefix and their common suffix; none if equal."""
    if old == new:
        return ()
    shorter = min(len(old), len(new))
    head = _common(old, new, shorter)
    tail = _common(old[::-1], new[::-1], shorter - head)
    return (Change(head, len(old) - tail, new[head : len(new) - tail]),)


def _common(one: str, other: str, most: int) -> int:
    """Length of the common prefix, at most `most`. By bisection: comparing slices is fast, a loop is not."""
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if one[low:middle] == other[low:middle] else (low, middle - 1)
    return low


def map_spans(starts: Offsets, stops: Offsets, changes: Sequence[Change]) -> tuple[Offsets, Offsets]:
    """Ascending spans after normalized changes.

    A span keeps those of its characters that were not replaced, and what was inserted strictly inside it. What was
    inserted at its edge does not belong to it. A span that loses all its characters becomes empty.
    """
    mapped_stops = _map(stops, changes, after=False)
    return np.minimum(_map(starts, changes, after=True), mapped_stops), mapped_stops


def _map(offsets: Offsets, changes: Sequence[Change], *, after: bool) -> Offsets:
    """Moves offsets within or at the edge of a replacement to its end or its start."""
    mapped: Offsets = offsets.copy()
    side: Literal["left", "right"] = "left" if after else "right"
    shift, done = 0, 0
    for change in changes:
        first = int(np.searchsorted(offsets, change.start, side))
        last = max(first, int(np.searchsorted(offsets, change.stop, side)))
        mapped[done:first] += shift
        mapped[first:last] = change.start + shift + (len(change.insert) if after else 0)
        shift += len(change.insert) - (change.stop - change.start)
        done = last
    mapped[done:] += shift
    return mapped
