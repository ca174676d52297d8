"""Token lists with spans, and the splices that turn one into the next.

A `TokenList` is a few parallel arrays, so that comparing two lists of tens of thousands of tokens costs
microseconds. Spans are in the client's position encoding, ready for the wire.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

IntArray = np.ndarray[Any, np.dtype[np.int64]]
BoolArray = np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(frozen=True, slots=True)
class TokenList:
    """The tokens of one version of a document, contexts one after another, each with its BOS if it has one."""

    ids: IntArray  # [tokens]
    starts: IntArray  # [tokens], `from` on the wire
    stops: IntArray  # [tokens], `to` on the wire
    special: BoolArray  # [tokens], added by the server
    breaks: tuple[int, ...] = ()
    """Indices of the first tokens of the second and later contexts."""

    def __len__(self) -> int:
        return len(self.ids)

    def contexts(self) -> Iterator[slice]:
        """The contexts as slices of this list; an empty list has none."""
        edges = (0, *self.breaks, len(self))
        for start, stop in pairwise(edges):
            if stop > start:
                yield slice(start, stop)

    def segment_flags(self) -> BoolArray:
        flags = np.zeros(len(self), dtype=np.bool_)
        flags[list(self.breaks)] = True
        return flags


_NONE: IntArray = np.zeros(0, dtype=np.int64)
EMPTY = TokenList(_NONE, _NONE, _NONE, np.zeros(0, dtype=np.bool_))


@dataclass(frozen=True, slots=True)
class Splice:
    """Remove `delete` tokens at `start`, insert `insert` new ones there, shift all spans after them."""

    start: int
    delete: int
    insert: int
    shift: int


def splice_between(old: TokenList, new: TokenList) -> Splice:
    """The smallest single splice that turns `old` into `new`."""
    shift = int(new.stops[-1] - old.stops[-1]) if len(old) and len(new) else 0
    old_flags, new_flags = old.segment_flags(), new.segment_flags()
    limit = min(len(old), len(new))

    def same(from_old: slice, from_new: slice, shifted_by: int) -> BoolArray:
        result: BoolArray = (
            (old.ids[from_old] == new.ids[from_new])
            & (old.starts[from_old] + shifted_by == new.starts[from_new])
            & (old.stops[from_old] + shifted_by == new.stops[from_new])
            & (old.special[from_old] == new.special[from_new])
            & (old_flags[from_old] == new_flags[from_new])
        )
        return result

    prefix = _leading(same(slice(0, limit), slice(0, limit), 0))
    rest = limit - prefix
    tail = same(slice(len(old) - rest, len(old)), slice(len(new) - rest, len(new)), shift)
    suffix = _leading(tail[::-1])
    return Splice(prefix, len(old) - prefix - suffix, len(new) - prefix - suffix, shift if suffix else 0)


def replacement(old: TokenList, new: TokenList) -> Splice:
    """The splice that replaces all tokens, if no value of `old` is valid any more."""
    return Splice(0, len(old), len(new), 0)


def _leading(flags: BoolArray) -> int:
    """How many of `flags` are true before the first false one."""
    return int(np.argmin(flags)) if not flags.all() else len(flags)
