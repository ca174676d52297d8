"""Splices of token lists: a client that applies them has exactly the server's tokens."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ws_server.document.tokens import EMPTY, Splice, TokenList, replacement, splice_between


@st.composite
def token_lists(draw: st.DrawFn) -> TokenList:
    """Tokens that tile some text, few kinds of them so that lists have much in common."""
    count = draw(st.integers(0, 12))
    ids = draw(st.lists(st.integers(0, 2), min_size=count, max_size=count))
    special = [identifier == 0 for identifier in ids]
    lengths = np.array([0 if flag else identifier for identifier, flag in zip(ids, special, strict=True)], dtype=int)
    stops = np.cumsum(lengths)
    breaks = tuple(index for index in range(1, count) if special[index])
    return TokenList(np.array(ids, dtype=np.int64), stops - lengths, stops, np.array(special, dtype=bool), breaks)


Plain = tuple[int, int, int, bool, bool]


def plain(tokens: TokenList) -> list[Plain]:
    rows = zip(tokens.ids, tokens.starts, tokens.stops, tokens.special, tokens.segment_flags(), strict=True)
    return [(int(i), int(a), int(b), bool(s), bool(f)) for i, a, b, s, f in rows]


def apply(held: list[Plain], splice: Splice, new: TokenList) -> list[Plain]:
    """What a client does, by the words of the protocol."""
    inserted = plain(new)[splice.start : splice.start + splice.insert]
    after = [(i, a + splice.shift, b + splice.shift, s, f) for i, a, b, s, f in held[splice.start + splice.delete :]]
    return held[: splice.start] + inserted + after


@given(token_lists(), token_lists())
def test_applying_the_splice_gives_the_new_list(old: TokenList, new: TokenList) -> None:
    assert apply(plain(old), splice_between(old, new), new) == plain(new)
    assert apply(plain(old), replacement(old, new), new) == plain(new)


@given(token_lists(), token_lists())
def test_no_smaller_splice_would_do(old: TokenList, new: TokenList) -> None:
    splice = splice_between(old, new)
    if splice.delete and splice.insert:
        before, after = plain(old), plain(new)
        assert before[splice.start] != after[splice.start]
        last_old, last_new = before[splice.start + splice.delete - 1], after[splice.start + splice.insert - 1]
        shift = (after[-1][2] - before[-1][2]) if before and after else 0
        assert (last_old[0], last_old[1] + shift, last_old[2] + shift, *last_old[3:]) != last_new


def test_nothing_changed_is_an_empty_splice() -> None:
    tokens = TokenList(np.array([5, 6]), np.array([0, 2]), np.array([2, 3]), np.array([False, False]))
    assert splice_between(tokens, tokens) == Splice(2, 0, 0, 0)
    assert splice_between(EMPTY, EMPTY) == Splice(0, 0, 0, 0)


def test_contexts_are_the_stretches_between_breaks() -> None:
    zeros = np.zeros(5, dtype=np.int64)
    tokens = TokenList(zeros, zeros, zeros, np.zeros(5, dtype=bool), (2, 4))
    assert list(tokens.contexts()) == [slice(0, 2), slice(2, 4), slice(4, 5)]
    assert list(EMPTY.contexts()) == []
