"""Normalisation, the readers' small parts, and the split of the corpus."""

from __future__ import annotations

import struct

import pytest

from ws_server.demo_model.training.corpus import (
    Document,
    chapters,
    normalise,
    plain_rst,
    r_string_vector,
    split,
    unwrap,
)


def test_normalisation_straightens_quotes_and_trims_lines() -> None:
    assert normalise("\u201cIt\u2019s\u201d  \r\n\n\n\n\n\nend\t\n\n") == '"It\'s"\n\n\nend\n'


def test_unwrapping_keeps_paragraphs() -> None:
    assert unwrap("one\ntwo\n\n  three\n four\n") == "one two\n\nthree four"


def test_a_novel_is_cut_at_its_chapters() -> None:
    lines = ["NOVEL", "", "CHAPTER I", "", "It _was_", "so.", *["More of it."] * 30, "", "Chapter II", *["Words."] * 40]
    first, second = dict(chapters("novel", lines)).values()
    assert first.startswith("CHAPTER I\n\nIt was so. More of it.")
    assert second.startswith("Chapter II Words.")


def test_markup_of_documentation_is_taken_out() -> None:
    text = ".. module:: json\n   :synopsis: x\n\nUse :func:`~json.dump` or ``load``, see :ref:`there <label>`::\n"
    text += "\n    a = 1\n"
    assert plain_rst(text).strip() == "Use json.dump or load, see there:\n\n    a = 1"


def r_vector(strings: list[str | None]) -> bytes:
    """R's binary serialisation of a character vector, written independently of the reader; None is NA."""
    items = b"".join(
        struct.pack(">ii", 9, -1) if s is None else struct.pack(">ii", 0x40009, len(s.encode())) + s.encode()
        for s in strings
    )
    return (
        b"X\n"
        + struct.pack(">iiii", 3, 0x040201, 0x030500, 5)
        + b"UTF-8"
        + struct.pack(">ii", 16, len(strings))
        + items
    )


def test_r_character_vectors_are_read() -> None:
    assert r_string_vector(r_vector(["Emma", "", None, "naïve"])) == ["Emma", "", "naïve"]


def test_other_r_data_is_refused() -> None:
    with pytest.raises(ValueError, match="not R"):
        r_string_vector(b"RDX3\n")
    numbers = r_vector([]).replace(struct.pack(">ii", 16, 0), struct.pack(">ii", 13, 0))
    with pytest.raises(ValueError, match="type 13"):
        r_string_vector(numbers)


def test_the_split_is_by_documents_and_keeps_its_share() -> None:
    documents = [Document("s", f"d{i}", f"text {i} " * 20) for i in range(500)]
    kept, held_out = split(documents)
    assert sorted([*kept, *held_out], key=documents.index) == documents
    assert 0.03 < sum(len(d.text) for d in held_out) / sum(len(d.text) for d in documents) < 0.05


def test_the_split_depends_on_names_alone() -> None:
    documents = [Document("s", f"d{i}", "same length") for i in range(100)]
    changed = [Document("s", d.name, "SAME LENGTH") for d in reversed(documents)]
    assert {d.name for d in split(documents)[1]} == {d.name for d in split(changed)[1]}


def test_one_huge_document_is_not_all_that_is_held_out() -> None:
    documents = [Document("s", "huge", "x" * 100_000), *(Document("s", f"d{i}", "y" * 100) for i in range(200))]
    assert "huge" not in {d.name for d in split(documents)[1]}
