"""Every way to change the text ends with the tokens, values and colours of a plain pass over it."""

from __future__ import annotations

import pytest

from tests.browser.neuroscope_page import NeuroscopePage

TEXT = 'The year 1815 began.\n\ndef total(values):\n    return sum(values)\n"Yes," said Emma.'
FAMILY = "\N{MAN}\N{ZERO WIDTH JOINER}\N{WOMAN}\N{ZERO WIDTH JOINER}\N{GIRL}"


@pytest.fixture
def written(neuroscope: NeuroscopePage) -> NeuroscopePage:
    neuroscope.write(TEXT)
    neuroscope.shows(TEXT)
    return neuroscope


def test_typing_at_the_end(written: NeuroscopePage) -> None:
    written.page.keyboard.type(" It is a truth")
    written.shows(TEXT + " It is a truth")


def test_each_key_is_answered(written: NeuroscopePage) -> None:
    typed = TEXT
    for key in " 1, 2":
        written.page.keyboard.type(key)
        typed += key
        written.shows(typed)


def test_typing_at_the_beginning(written: NeuroscopePage) -> None:
    written.editor.press("ControlOrMeta+Home")
    written.page.keyboard.type("Once: ")
    written.shows("Once: " + TEXT)


def test_typing_within_a_word_parts_its_tokens(written: NeuroscopePage) -> None:
    written.editor.press("ControlOrMeta+Home")
    for _ in "The ye":
        written.page.keyboard.press("ArrowRight")
    written.page.keyboard.type("xy\nz")
    written.shows(TEXT.replace("The year", "The yexy\nzar"))


def test_typing_faster_than_the_answers_come(written: NeuroscopePage) -> None:
    written.page.keyboard.press("Enter")
    sentence = "We know of 37 ways to say it, and none of them is short. " * 3
    written.page.keyboard.type(sentence)
    for _ in range(20):
        written.page.keyboard.press("Backspace")
    written.shows(f"{TEXT}\n{sentence[:-20]}")


def test_pasting(written: NeuroscopePage) -> None:
    pasted = "And he said,\n\tLet there be <b>light</b> & no \r&amp; here: 3 < 4."
    written.paste(pasted)
    written.shows(TEXT + pasted)


def test_undo_and_redo(written: NeuroscopePage) -> None:
    written.paste(" pasted text")
    written.shows(TEXT + " pasted text")
    written.editor.press("ControlOrMeta+z")
    written.shows(TEXT)
    written.editor.press("ControlOrMeta+y")
    written.shows(TEXT + " pasted text")


def test_selecting_and_replacing(written: NeuroscopePage) -> None:
    written.editor.press("ControlOrMeta+Home")
    for _ in "The ":
        written.page.keyboard.press("ArrowRight")
    for _ in "year 1815":
        written.page.keyboard.press("Shift+ArrowRight")
    written.page.keyboard.type("day")
    written.shows(TEXT.replace("year 1815", "day"))


def test_deleting_everything_and_starting_anew(written: NeuroscopePage) -> None:
    written.editor.press("ControlOrMeta+a")
    written.page.keyboard.press("Delete")
    written.shows("")
    written.page.keyboard.type("A")
    written.shows("A")


def test_characters_beyond_the_basic_plane(written: NeuroscopePage) -> None:
    written.editor.press("ControlOrMeta+Home")
    written.page.keyboard.insert_text(f"😀{FAMILY}e\u0301 漢字 ")
    written.shows(f"😀{FAMILY}e\u0301 漢字 {TEXT}")
    written.page.keyboard.type("x")
    written.shows(f"😀{FAMILY}e\u0301 漢字 x{TEXT}")
    written.editor.press("ControlOrMeta+Home")
    written.page.keyboard.press("Delete")
    written.shows(f"{FAMILY}e\u0301 漢字 x{TEXT}")
    written.write("😀😀")
    written.shows("😀😀")
    written.page.keyboard.press("Backspace")
    written.shows("😀")


def test_several_cursors(written: NeuroscopePage) -> None:
    written.write("one cat, two cat, three cat\nand a cat")
    written.editor.press("ControlOrMeta+Home")
    for _ in "one ":
        written.page.keyboard.press("ArrowRight")
    for _ in "cat":
        written.page.keyboard.press("Shift+ArrowRight")
    for _ in range(3):
        written.editor.press("ControlOrMeta+d")
    written.page.keyboard.type("horses")
    written.shows("one horses, two horses, three horses\nand a horses")
    for _ in "es":
        written.page.keyboard.press("Backspace")
    written.shows("one hors, two hors, three hors\nand a hors")


def test_a_text_longer_than_the_context(neuroscope: NeuroscopePage) -> None:
    line = "In the beginning the 24 sailors counted their boats, one after another.\n"
    many = line * 60
    neuroscope.page.set_viewport_size({"width": 1200, "height": 3400})  # the editor draws what is seen, and some more
    neuroscope.write(many)
    neuroscope.editor.press("ControlOrMeta+Home")
    shown = neuroscope.shows(many)
    starts = [i for i, token in enumerate(shown.tokens) if token["segment"]]
    assert len(starts) > 1
    second = next(start for start in starts if start > 0)
    label = neuroscope.page.locator(".neuro-context").first
    assert label.get_attribute("data-context") == f"context 2 · token {second}"
    lengths = [stop - start for start, stop in zip(starts, [*starts[1:], len(shown.tokens)], strict=True)]
    assert max(lengths) <= neuroscope.reference.context
    written = [token["id"] for token in shown.tokens if not token["special"]]
    assert written == neuroscope.reference.own_ids(many)
    neuroscope.editor.press("ControlOrMeta+Home")
    neuroscope.page.keyboard.type("Well. ")
    neuroscope.shows("Well. " + many)
