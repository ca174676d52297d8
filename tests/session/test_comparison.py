"""Which tokens of two versions are compared: held against the words of the rule, and against edits that are known."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ws_server.document.tokens import EMPTY, TokenList
from ws_server.session.comparison import comparable

BOS = 0


def tokens(*contexts: str) -> TokenList:
    """A token a character, each context behind a BOS of its own."""
    text = "".join(contexts)
    ids: list[int] = []
    spans: list[tuple[int, int]] = []
    breaks: list[int] = []
    at = 0
    for number, context in enumerate(contexts):
        if number:
            breaks.append(len(ids))
        ids.append(BOS)
        spans.append((at, at))
        for character in context:
            ids.append(ord(character))
            spans.append((at, at + 1))
            at += 1
    assert at == len(text)
    starts, stops = np.array(spans, dtype=np.int64).T
    return TokenList(np.array(ids, dtype=np.int64), starts, stops, np.array([i == BOS for i in ids]), tuple(breaks))


def compared(old: TokenList, new: TokenList) -> dict[int, list[tuple[int, int]]]:
    """For each context of `new` the tokens that are compared: (in the old context, in the new one)."""
    pairs = comparable(old, new)
    return {pair.context: list(zip(pair.old_at.tolist(), pair.new_at.tolist(), strict=True)) for pair in pairs}


def test_what_stands_behind_an_edit_is_compared_and_nothing_else() -> None:
    assert compared(tokens("abcdef"), tokens("abXYdef")) == {0: [(4, 5), (5, 6), (6, 7)]}
    assert compared(tokens("abcdef"), tokens("abdef")) == {0: [(4, 3), (5, 4), (6, 5)]}
    assert compared(tokens("abc"), tokens("abcd")) == {}
    assert compared(tokens("abc"), tokens("abc")) == {}
    assert compared(tokens("abc"), tokens("xyz")) == {}
    assert compared(tokens("abc"), tokens("")) == compared(EMPTY, tokens("abc")) == compared(EMPTY, EMPTY) == {}


def test_between_the_places_of_one_edit_tokens_stay() -> None:
    assert compared(tokens("one + two + six"), tokens("1 + two + 7")) == {
        0: [(4, 2), (5, 3), (6, 4), (7, 5), (8, 6), (9, 7), (10, 8), (11, 9), (12, 10)]
    }


def test_a_context_is_compared_with_itself_wherever_it_has_moved() -> None:
    old = tokens("abc", "def", "ghi")
    assert compared(old, tokens("abc", "dXf", "ghi")) == {1: [(3, 3)]}
    assert compared(old, tokens("Xbc", "dXf", "ghi")) == {0: [(2, 2), (3, 3)], 1: [(3, 3)]}
    # A new context before it changes nothing in the last; the second begins with other text now.
    assert compared(old, tokens("abc", "XY", "def", "ghi")) == {}
    # The first break has moved: what it is in the second context now cannot see the same beginning.
    assert compared(tokens("abcd", "efgh"), tokens("abXc", "defgh")) == {0: [(3, 4)]}


def leading(one: str, other: str) -> int:
    """How many characters they begin with alike."""
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


EDITS = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 6), st.text("abcdefgh ", max_size=6)), max_size=3)


@settings(max_examples=300)
@given(st.text("abcdefghijklmnop ", max_size=40), EDITS)
def test_the_rule(text: str, edits: list[tuple[int, int, str]]) -> None:
    """Compared are pairs of the same token, in order, none of them before the first difference, and at least all that
    stand behind the last."""
    edited = text
    for at, removed, inserted in edits:
        edited = edited[:at] + inserted + edited[at + removed :]
    old, new = tokens(text), tokens(edited)
    same_start = leading(text, edited)
    same_end = leading(text[same_start:][::-1], edited[same_start:][::-1])
    pairs = comparable(old, new)
    assert sum(len(pair.new_at) for pair in pairs) >= same_end * (text != edited)
    for pair in pairs:
        assert pair.context == 0
        assert (pair.old_ids[pair.old_at] == pair.new_ids[pair.new_at]).all()
        assert (np.diff(pair.old_at) > 0).all()
        assert (np.diff(pair.new_at) > 0).all()
        assert pair.new_at[0] > same_start  # tokens count from the BOS
        assert pair.old_ids.tolist() == old.ids.tolist()[: pair.old_at[-1] + 1]
        assert pair.new_ids.tolist() == new.ids.tolist()[: pair.new_at[-1] + 1]


def test_the_longest_common_part_of_a_large_change_is_found() -> None:
    """Nothing in it is quadratic: with that, this would not end."""
    text = "".join(map(chr, range(0x4E00, 0x4E00 + 20_000)))
    (pair,) = comparable(tokens(text), tokens("x" + text[5000:] + text[:5000] + "y"))
    assert pair.new_at.tolist() == list(range(2, 15_002))
    assert pair.old_at.tolist() == list(range(5001, 20_001))
