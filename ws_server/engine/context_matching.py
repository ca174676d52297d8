"""Which context of a new version continues which context of the old one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .commands import IntArray


def common_prefix(old: IntArray, new: IntArray) -> int:
    """How many leading ids two contexts share. In a causal model, the values of these tokens are the same."""
    limit = min(len(old), len(new))
    differs = old[:limit] != new[:limit]
    return int(np.argmax(differs)) if differs.any() else limit


def pair_contexts(old: Sequence[IntArray], new: Sequence[IntArray]) -> list[int | None]:
    """For each new context the index of the old one whose computed state it takes over, or None.

    Equal contexts are paired from both ends, as an edit does not change those before and after it; the ones between
    are paired in order.
    """
    limit = min(len(old), len(new))
    head = 0
    while head < limit and np.array_equal(old[head], new[head]):
        head += 1
    tail = 0
    while tail < limit - head and np.array_equal(old[-1 - tail], new[-1 - tail]):
        tail += 1
    between = min(len(old), len(new)) - head - tail
    missing = len(new) - head - tail - between
    return [
        *range(head + between),
        *[None] * missing,
        *range(len(old) - tail, len(old)),
    ]
