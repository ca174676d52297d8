"""Characters that nobody would see, and those that consist of several: shown, coloured, pointed at, exported."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.neuroscope_page import NeuroscopePage, units
from tests.support.server import ServerProcess

HIDDEN = "abc\u202e def\u202c ghi\u200b\u200d\u2060j\u00adk\ufeff\u2028\v\f\0x\ry"
SIGNS = ["RLO", "PDF", "ZWSP", "ZWJ", "WJ", "SHY", "BOM", "LS", "VT", "FF", "NUL", "CR"]


@pytest.fixture
def hidden(neuroscope: NeuroscopePage) -> NeuroscopePage:
    neuroscope.write(HIDDEN)
    neuroscope.shows(HIDDEN)
    return neuroscope


def token_at(page: Page, place: Locator) -> int:
    """The token that the tooltip is about, with the pointer on the left edge of `place`."""
    page.mouse.move(5, 300)
    expect(page.get_by_test_id("token-tooltip")).to_have_count(0)
    box = place.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 1, box["y"] + box["height"] / 2)
    found = re.search(r"token (\d+)", page.get_by_test_id("token-tooltip").inner_text())
    assert found is not None
    return int(found[1])


def test_what_has_no_width_has_a_sign_with_its_colour(hidden: NeuroscopePage) -> None:
    signs = hidden.editor.locator(".neuro-hidden")
    assert signs.all_inner_texts() == SIGNS
    shown = hidden.read()
    for i in range(len(SIGNS)):
        sign = signs.nth(i)
        box = sign.bounding_box()
        assert box is not None
        assert box["width"] > 8
        token = shown.tokens[token_at(hidden.page, sign)]
        where = HIDDEN.index(sign.get_attribute("data-text") or "none")
        assert token["from"] <= where < token["to"]
    assert hidden.editor.locator(".neuro-token .neuro-hidden").count() == len(SIGNS)


def test_an_override_is_shown_and_not_obeyed(hidden: NeuroscopePage) -> None:
    places = hidden.editor.evaluate(
        """(content) => {
            const places = [];
            const walker = document.createTreeWalker(content, NodeFilter.SHOW_TEXT);
            while (walker.nextNode()) {
                const { currentNode: node } = walker;
                if (node.parentElement.closest(".neuro-sign, .neuro-hidden") !== null) continue;
                for (let i = 0; i < node.data.length; i++) {
                    const range = document.createRange();
                    range.setStart(node, i);
                    range.setEnd(node, i + 1);
                    places.push(range.getBoundingClientRect().left);
                }
            }
            return places;
        }"""
    )
    assert places == sorted(places)


def test_the_caret_and_deleting_go_by_characters(hidden: NeuroscopePage) -> None:
    hidden.editor.press("ControlOrMeta+Home")
    for _ in "abc\u202e":
        hidden.page.keyboard.press("ArrowRight")
    hidden.page.keyboard.press("Backspace")
    hidden.shows(HIDDEN.replace("\u202e", ""))


def test_several_tokens_of_one_character_are_each_pointed_at(neuroscope: NeuroscopePage) -> None:
    people = "\N{MAN}\u200d\N{WOMAN}\u200d\N{GIRL}"
    text = f"cafe\u0301 {people} end"
    neuroscope.page.evaluate("document.documentElement.style.setProperty('--editor-size', '64px')")  # a few pixels each
    neuroscope.write(text)
    shown = neuroscope.shows(text)
    family = neuroscope.editor.locator(".neuro-parted", has_text="\N{MAN}")
    expect(family).to_have_text(people)
    start = text.index(people)
    parts = [i for i, token in enumerate(shown.tokens) if start <= token["from"] < start + len(units(people))]
    met = set()
    for step in range(2 * len(parts)):
        box = family.bounding_box()
        assert box is not None
        neuroscope.page.mouse.move(
            box["x"] + box["width"] * (step + 0.5) / (2 * len(parts)), box["y"] + box["height"] / 2
        )
        tooltip = neuroscope.page.get_by_test_id("token-tooltip").inner_text()
        met.add(int((re.search(r"token (\d+)", tooltip) or pytest.fail(tooltip))[1]))
    assert met >= set(parts)


def test_one_kind_of_line_break(neuroscope: NeuroscopePage) -> None:
    neuroscope.write("")
    neuroscope.paste("one\r\ntwo\r\n\r\nthree")
    neuroscope.shows("one\ntwo\n\nthree")
    transfer = neuroscope.page.evaluate_handle(
        "() => { const data = new DataTransfer(); data.setData('text/plain', ' four\\r\\nfive'); return data; }"
    )
    end = neuroscope.editor.locator(".cm-line").last.bounding_box()
    assert end is not None
    place = {"clientX": end["x"] + end["width"] - 30, "clientY": end["y"] + end["height"] / 2}
    neuroscope.editor.dispatch_event("drop", {"dataTransfer": transfer, **place})
    neuroscope.shows("one\ntwo\n\nthree four\nfive")
    # One press of an arrow key crosses a line's end.
    neuroscope.editor.press("ControlOrMeta+Home")
    for _ in "one\n":
        neuroscope.page.keyboard.press("ArrowRight")
    neuroscope.page.keyboard.type("x")
    neuroscope.shows("one\nxtwo\n\nthree four\nfive")


def test_links_have_one_kind_of_line_break(neuroscope: NeuroscopePage, server: ServerProcess) -> None:
    neuroscope.page.goto("about:blank")
    neuroscope.open(f"{server.url}#text=one%0D%0Atwo%0Dthree&v=1")
    neuroscope.shows("one\ntwo\rthree")
