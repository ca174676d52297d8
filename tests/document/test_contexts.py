"""Where long documents are divided."""

from __future__ import annotations

import re
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ws_server.document.contexts import break_points
from ws_server.document.tokens import IntArray


def spans(text: str) -> tuple[IntArray, IntArray]:
    """One token a word or line end, as many tokenizers have it."""
    found = [match.span() for match in re.finditer(r"\n| ?[^ \n]+| +", text)]
    return np.array([a for a, _ in found], dtype=np.int64), np.array([b for _, b in found], dtype=np.int64)


texts = st.lists(st.sampled_from(["a", " b", "\n", "\n\n", " ccc"]), max_size=80).map("".join)


@given(texts, st.integers(1, 20))
def test_contexts_fit_and_leave_nothing_out(text: str, limit: int) -> None:
    starts, stops = spans(text)
    breaks = break_points(text, starts, stops, limit)
    edges = [0, *breaks, len(starts)]
    sizes = [b - a for a, b in pairwise(edges)]
    assert sum(sizes) == len(starts)
    assert all(0 < size <= limit for size in sizes[:-1])
    assert sizes[-1] <= limit
    if breaks:
        assert all(size > limit - limit // 4 - 1 for size in sizes[:-1])


@given(texts, st.integers(4, 20))
def test_a_context_ends_at_the_last_paragraph_else_line_end_of_its_last_quarter(text: str, limit: int) -> None:
    starts, stops = spans(text)
    breaks = break_points(text, starts, stops, limit)
    start = 0
    for point in breaks:
        window = range(start + limit - limit // 4, start + limit + 1)
        paragraphs = [i for i in window if text[: stops[i - 1]].endswith("\n\n")]
        lines = [i for i in window if text[: stops[i - 1]].endswith("\n")]
        assert point == (paragraphs or lines or [start + limit])[-1]
        start = point


def test_a_short_document_is_one_context() -> None:
    starts, stops = spans("a b\nc")
    assert break_points("a b\nc", starts, stops, len(starts)) == []


def test_an_edit_moves_no_break_before_it_and_few_after() -> None:
    text = "".join(f"line {number} of it\n" for number in range(200))
    before = break_points(text, *spans(text), 64)
    place = text.index("line 50 ")
    edited = text[:place] + "another " + text[place:]
    after = break_points(edited, *spans(edited), 64)
    added = len(spans(edited)[0]) - len(spans(text)[0])
    moved = {point + added for point in before} ^ set(after)
    assert [point for point in before if point < 100] == [point for point in after if point < 100]
    assert len(moved) <= 8  # those before the edit (which do not move by `added`), and a few around it


def test_no_break_inside_a_character_that_tokens_share() -> None:
    # Tokens 7 and 8 are two halves of one character.
    starts = np.array([0, 1, 2, 3, 4, 5, 6, 7, 7, 8], dtype=np.int64)
    stops = np.array([1, 2, 3, 4, 5, 6, 7, 8, 8, 9], dtype=np.int64)
    assert break_points("abcdefghi", starts, stops, 8) == [7]
