"""Which tokens of two versions of a document can be compared: the same token, in the same context, after an edit.

An edit cannot change the values of tokens before it, as the model is causal, and inserted or deleted tokens have no
counterpart.
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
    """The contexts of `new` with tokens after a difference, each paired with its old version."""
    partners = _partners(old, new)
    former = {context.start: context for context in old.contexts()}
    pairs: list[ContextPair] = []
    for number, context in enumerate(new.contexts()):
        # A context with another beginning than before has no old version: all that its tokens attend to is new.
        origin = former.get(0 if number == 0 else int(partners[context.start]))
        if origin is None:
            continue
        before, after = old.ids[origin], new.ids[context]
        at = partners[context] - origin.start  # [tokens of the context], indices in its old version
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
    # One edit can have several places, as with several cursors; tokens between them stay, too.
    within_old = _names(old)[splice.start : splice.start + splice.delete]
    within_new = _names(new)[splice.start : behind]
    for first, second, count in _common_runs(within_old, within_new):
        partners[splice.start + second : splice.start + second + count] = splice.start + first + np.arange(count)
    return partners


def _names(tokens: TokenList) -> IntArray:
    """A number for each token; tokens that cannot be the same have different ones, [tokens]."""
    return tokens.ids * 4 + tokens.special * _SPECIAL + tokens.segment_flags()


def _common_runs(old: IntArray, new: IntArray) -> list[tuple[int, int, int]]:
    """Runs `(in old, in new, length)` that both have in the same order, around tokens that are unique in each, as in a
    patience diff. Takes time n log n for any text; misses runs in which every token is repeated elsewhere."""
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
    """Indices, in each, of what occurs exactly once in each; in the order of `old`. All BOS tokens are alike, so they
    mark no place."""
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
    """A longest subsequence of pairs in which both `first` and `second` increase."""
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
