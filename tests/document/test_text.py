"""Text, versions and offsets, against a plain string as oracle."""

from __future__ import annotations

from timeit import repeat

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ws_server.document.text import (
    ImpossibleChange,
    Offsets,
    PositionEncoding,
    Text,
    TextTooLong,
    choose_encoding,
    join_surrogates,
    replace_lone_surrogates,
)
from ws_server.errors import InvalidParams

MANY = 1_000_000
any_text = st.text(alphabet=st.sampled_from("ab \n\t\r\0é中😀👩‍👧\U0010ffff"), max_size=30)
encodings = st.sampled_from(["utf-16", "utf-32"])


def units(text: str, encoding: PositionEncoding) -> list[str]:
    """The text as a client counts it: a list with one element a unit."""
    if encoding == "utf-32":
        return list(text)
    raw = text.encode("utf-16-le", "surrogatepass")
    return [raw[i : i + 2].decode("utf-16-le", "surrogatepass") for i in range(0, len(raw), 2)]


@st.composite
def edits(draw: st.DrawFn) -> tuple[str, PositionEncoding, list[tuple[int, int, str]]]:
    """A text and changes whose ranges do not overlap, in any order, in the client's unit."""
    text, encoding = draw(any_text), draw(encodings)
    offsets = Offsets(text, encoding)
    allowed = [offset for offset in range(offsets.length + 1) if offsets.from_wire(offset) is not None]
    edges = sorted(draw(st.lists(st.sampled_from(allowed), max_size=6, unique=True)))
    if len(edges) % 2:
        edges.pop()
    changes = [(start, stop, draw(any_text)) for start, stop in zip(edges[::2], edges[1::2], strict=True)]
    return text, encoding, draw(st.permutations(changes))


@given(edits())
def test_changes_equal_splicing_a_list_of_units(
    edit: tuple[str, PositionEncoding, list[tuple[int, int, str]]],
) -> None:
    text, encoding, changes = edit
    oracle = units(text, encoding)
    for start, stop, insert in sorted(changes, reverse=True):
        oracle[start:stop] = units(insert, encoding)
    document = Text(1, text, encoding)
    document.change(2, changes, MANY)
    expected = "".join(oracle)
    if encoding == "utf-16":
        expected = expected.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
    assert document.text == expected
    assert document.length == len(units(expected, encoding))


halves = st.text(alphabet=st.sampled_from("a\n中😀\ud83d\ude00"), max_size=8)


@given(halves, encodings, st.lists(st.tuples(st.integers(0, 40), st.integers(0, 3), halves), max_size=8))
def test_a_text_that_was_edited_is_the_same_as_one_that_was_opened(
    start: str, encoding: PositionEncoding, edits: list[tuple[int, int, str]]
) -> None:
    document = Text(0, start, encoding)
    for version, (at, length, insert) in enumerate(edits, start=1):
        length_before = document.length
        first, last = min(at, length_before), min(at + length, length_before)
        whole, oracle = document.text, units(document.text, encoding)
        oracle[first:last] = units(insert, encoding)
        try:
            document.change(version, [(first, first, insert), (first, last, "")], MANY)
        except ImpossibleChange:
            assert encoding == "utf-16"
            assert whole == document.text
            document.version = version
            continue
        fresh = Text(0, "".join(oracle), encoding)
        assert document.text == fresh.text
        assert document.length == fresh.length == len(oracle)
        points = np.arange(len(fresh.text) + 1)
        assert document.offsets.to_wire(points).tolist() == fresh.offsets.to_wire(points).tolist()
        assert [document.offsets.from_wire(offset) for offset in range(len(oracle) + 2)] == [
            fresh.offsets.from_wire(offset) for offset in range(len(oracle) + 2)
        ]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
@pytest.mark.parametrize("filling", ["the café ", "the 😀 "])
def test_an_edit_does_not_look_at_the_whole_text(filling: str, encoding: PositionEncoding) -> None:
    text = (filling * (MANY // len(filling)))[: MANY - 100]
    document = Text(0, text, encoding)
    assert document.length >= len(text)  # what is counted once, when it is opened

    def edit() -> None:
        document.change(document.version + 1, [(0, 0, "x"), (document.length, document.length, "é")], MANY)

    # Copying it is fast, looking at each character is not; both depend on the machine in the same way.
    assert min(repeat(edit, number=1, repeat=20)) < min(repeat(lambda: max(text), number=1, repeat=3)) / 4


@given(any_text, encodings)
def test_offsets_there_and_back(text: str, encoding: PositionEncoding) -> None:
    offsets = Offsets(text, encoding)
    as_units = units(text, encoding)
    assert offsets.length == len(as_units)
    for point in range(len(text) + 1):
        wire = int(offsets.to_wire(np.array([point]))[0])
        assert wire == len(units(text[:point], encoding))
        assert offsets.from_wire(wire) == point


def test_an_offset_inside_a_surrogate_pair_is_none() -> None:
    offsets = Offsets("a😀b", "utf-16")
    assert [offsets.from_wire(offset) for offset in range(-1, 6)] == [None, 0, 1, None, 2, 3, None]


def test_insertions_at_one_place_keep_their_order() -> None:
    text = Text(1, "ab", "utf-16")
    text.change(2, [(1, 1, "x"), (1, 1, "y")], MANY)
    assert text.text == "axyb"


@pytest.mark.parametrize(
    ("version", "changes", "reason"),
    [
        (1, [], "does not follow"),
        (0, [], "does not follow"),
        (2, [(3, 9, "")], "past the end"),
        (2, [(2, 1, "")], "before it starts"),
        (2, [(2, 2, "x")], "inside a surrogate pair"),
        (2, [(0, 1, ""), (0, 1, "")], "overlap"),
        (2, [(0, 3, ""), (1, 4, "")], "overlap"),
    ],
)
def test_an_impossible_change_changes_nothing(version: int, changes: list[tuple[int, int, str]], reason: str) -> None:
    text = Text(1, "a😀bc", "utf-16")
    with pytest.raises(ImpossibleChange, match=reason):
        text.change(version, changes, MANY)
    assert (text.version, text.text) == (1, "a😀bc")


def test_a_text_grows_to_its_limit_and_no_further() -> None:
    text = Text(1, "abc", "utf-16")
    text.change(2, [(3, 3, "de")], 5)
    with pytest.raises(TextTooLong):
        text.change(3, [(5, 5, "f")], 5)
    assert (text.version, text.text) == (2, "abcde")


def test_surrogate_halves_that_meet_become_one_character() -> None:
    text = Text(1, "a\ud83d", "utf-16")
    assert text.length == 2
    text.change(2, [(2, 2, "\ude00b")], MANY)
    assert text.text == "a😀b"
    assert text.length == 4


def test_surrogates_for_the_tokenizer() -> None:
    assert join_surrogates("\ude00\ud83d\ude00\ud83d") == "\ude00😀\ud83d"
    assert replace_lone_surrogates("a\ud83db😀\ude00") == "a\ufffdb😀\ufffd"


def test_the_first_known_encoding_is_chosen() -> None:
    assert choose_encoding([]) == "utf-16"
    assert choose_encoding(["utf-8", "utf-32", "utf-16"]) == "utf-32"
    with pytest.raises(InvalidParams):
        choose_encoding(["utf-8"])
