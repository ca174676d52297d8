"""Which tokens of two versions of a document can be compared: the same token, in the same context, after an edit.

An edit cannot move what stands before it, as the model is causal, and what it wrote or deleted has no counterpart.
"""

from __future__ import annotations

from bisect import bisect_left

import numpy as np

from ..document.tokens import IntArray, TokenList, splice_between
from ..engine.commands import ContextPair
from ..engine.context_matching import common_prefix

_NOWHERE = -1
_SPECIAL = 2
"""Bit of a token's name; see `_names`."""


def comparable(old: TokenList, new: TokenList) -> tuple[ContextPair, ...]:
    """The contexts of `new` in which something stands after what an edit made different, with their former selves."""
    partners = _partners(old, new)
    former = {context.start: context for context in old.contexts()}
    pairs: list[ContextPair] = []
    for number, context in enumerate(new.contexts()):
        # A context whose beginning is another one than before has no former self: all that its tokens can see is new.
        origin = former.get(0 if number == 0 else int(partners[context.start]))
        if origin is None:
            continue
        before, after = old.ids[origin], new.ids[context]
        at = partners[context] - origin.start  # [tokens of the context], in its former self
        compared = np.flatnonzero((at >= 0) & (at < len(before)))
        compared = compared[compared >= common_prefix(before, after)]
        if len(compared):
            at = at[compared]
            pairs.append(ContextPair(number, before[: at[-1] + 1], after[: compared[-1] + 1], at, compared))
    return tuple(pairs)


def _partners(old: TokenList, new: TokenList) -> IntArray:
    """For each token of `new` the index of the same token in `old`, or -1, [tokens]."""
    splice = splice_between(old, new)
    partners = np.full(len(new), _NOWHERE, dtype=np.int64)
    partners[: splice.start] = np.arange(splice.start)
    behind = splice.start + splice.insert
    partners[behind:] = np.arange(behind, len(new)) + splice.delete - splice.insert
    # One edit can have several places, as with several cursors; between them tokens stay as well.
    within_old = _names(old)[splice.start : splice.start + splice.delete]
    within_new = _names(new)[splice.start : behind]
    for first, second, count in _common_runs(within_old, within_new):
        partners[splice.start + second : splice.start + second + count] = splice.start + first + np.arange(count)
    return partners


def _names(tokens: TokenList) -> IntArray:
    """A number that tells tokens apart that cannot be the same, [tokens]."""
    return tokens.ids * 4 + tokens.special * _SPECIAL + tokens.segment_flags()


def _common_runs(old: IntArray, new: IntArray) -> list[tuple[int, int, int]]:
    """Runs `(in old, in new, length)` that both have in the same order: around what is unique in each, as a patience
    diff has it. Takes time n log n whatever the text; misses runs in which every token is repeated elsewhere."""
    runs: list[tuple[int, int, int]] = []
    old_end = new_end = 0
    for first, second in _increasing(*_unique_in_both(old, new)):
        if first < old_end:
            continue
        back = min(first - old_end, second - new_end)
        back = common_prefix(old[first - back : first][::-1], new[second - back : second][::-1])
        ahead = common_prefix(old[first:], new[second:])
        runs.append((first - back, second - back, back + ahead))
        old_end, new_end = first + ahead, second + ahead
    return runs


def _unique_in_both(old: IntArray, new: IntArray) -> tuple[IntArray, IntArray]:
    """Places, in each, of what occurs exactly once in each; in the order of `old`. A BOS is like any other, and so says
    nothing of where it is."""
    places = []
    for values in (old, new):
        names, first, counts = np.unique(values, return_index=True, return_counts=True)
        telling = (counts == 1) & (names & _SPECIAL == 0)
        places.append((names[telling], first[telling]))
    (old_names, old_first), (new_names, new_first) = places
    _, in_old, in_new = np.intersect1d(old_names, new_names, assume_unique=True, return_indices=True)
    order = np.argsort(old_first[in_old])
    return old_first[in_old][order], new_first[in_new][order]


def _increasing(first: IntArray, second: IntArray) -> list[tuple[int, int]]:
    """The most pairs of which `second` grows as `first` does: a longest increasing subsequence."""
    ends: list[int] = []  # the smallest end of a subsequence of each length
    indices: list[int] = []
    links: list[int] = []
    for index, value in enumerate(second.tolist()):
        length = bisect_left(ends, value)
        links.append(indices[length - 1] if length else _NOWHERE)
        if length == len(ends):
            ends.append(value)
            indices.append(index)
        else:
            ends[length], indices[length] = value, index
    chain: list[tuple[int, int]] = []
    index = indices[-1] if indices else _NOWHERE
    while index != _NOWHERE:
        chain.append((int(first[index]), int(second[index])))
        index = links[index]
    return chain[::-1]
