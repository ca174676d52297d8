"""Tokens in the text: invisible parts are explained; marks move nothing, can be found, and share a cursor with
plots."""

from __future__ import annotations

import re

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.neuroscope_page import NeuroscopePage, units

# Where each character of the first line begins, px from the first one.
PLACES = """
(content) => {
    const line = content.querySelector(".cm-line");
    const places = [];
    const walker = document.createTreeWalker(line, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const node = walker.currentNode;
        if (node.parentElement.closest(".neuro-sign") !== null) continue;
        for (let i = 0; i < node.data.length; i++) {
            const range = document.createRange();
            range.setStart(node, i);
            range.setEnd(node, i + 1);
            places.push(range.getBoundingClientRect().left);
        }
    }
    return places.map((place) => place - places[0]);
}
"""

# How much of each token's column is painted along the strip's upper edge, where no bar reaches: only the cursor does.
UPPER_EDGE = """
async ([canvas, tokens]) => {
    await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, 1);
    const at = (token) => Math.floor(((token + 0.5) * canvas.width) / tokens);
    return Array.from({ length: tokens }, (_, token) => data[4 * at(token) + 3]);
}
"""


def hovered(page: Page, token: Locator) -> Locator:
    """The tooltip of a token."""
    page.mouse.move(5, 300)
    expect(page.get_by_test_id("token-tooltip")).to_have_count(0)
    token.hover()
    return page.get_by_test_id("token-tooltip")


def test_what_cannot_be_seen_is_told(neuroscope: NeuroscopePage) -> None:
    page = neuroscope.page
    text = "An \N{GRINNING FACE} here,\n\ttwice\N{NO-BREAK SPACE}so."
    neuroscope.write(text)
    shown = neuroscope.shows(text)
    start = len(units("An "))
    parts = [i for i, token in enumerate(shown.tokens) if (token["from"], token["to"]) == (start, start + 2)]
    assert len(parts) == 4, "every byte of it should be a token of its own"
    token = neuroscope.editor.locator(".neuro-parted", has_text="\N{GRINNING FACE}")
    facts = hovered(page, token).inner_text()
    index = int((re.search(r"token (\d+)", facts) or pytest.fail(facts))[1])
    part = parts.index(index) + 1
    byte = "\N{GRINNING FACE}".encode()[part - 1]
    assert f"part {part} of 4 of \N{GRINNING FACE} (byte {byte:02X} of F0 9F 98 80)" in facts

    sign = neuroscope.editor.locator(".neuro-sign")
    expect(hovered(page, sign.filter(has_text="BOS"))).to_contain_text("added by the server, not part of the text")
    expect(hovered(page, sign.filter(has_text="↵"))).to_contain_text("line break")
    tab = neuroscope.editor.locator(".neuro-tab")
    assert tab.evaluate("(tab) => getComputedStyle(tab, '::before').content") == '"⇥"'
    expect(hovered(page, tab)).to_contain_text("tab")


def test_borders_and_colours_move_nothing(neuroscope: NeuroscopePage) -> None:
    line = "In 1815 the keepers counted 12 waves."
    neuroscope.write(line)
    neuroscope.shows(line)
    places = np.array(neuroscope.editor.evaluate(PLACES))
    # The font is of one pitch: each character stands where it would stand in a line without tokens.
    pitch = neuroscope.editor.evaluate(
        "(content) => Object.assign(document.createElement('canvas').getContext('2d'),"
        " { font: getComputedStyle(content).font }).measureText('n'.repeat(100)).width / 100"
    )
    assert np.abs(places - pitch * np.arange(len(line))).max() < 0.2


def test_find_and_replace(neuroscope: NeuroscopePage) -> None:
    page = neuroscope.page
    text = "One ship, two ships.\nNo ship at 12."
    neuroscope.write(text)
    neuroscope.shows(text)
    page.keyboard.press("ControlOrMeta+f")
    page.keyboard.type("ship")
    expect(neuroscope.editor.locator(".cm-searchMatch")).to_have_count(3)
    page.keyboard.press("Enter")
    expect(neuroscope.editor.locator(".cm-searchMatch-selected")).to_have_count(1)
    panel = page.locator(".cm-search")
    panel.locator("[name=replace]").nth(0).fill("boat")
    panel.get_by_role("button", name="replace all").click()
    neuroscope.shows(text.replace("ship", "boat"))
    page.keyboard.press("Escape")
    expect(panel).to_have_count(0)
    expect(neuroscope.editor).to_be_focused()
    page.keyboard.press("ControlOrMeta+z")
    neuroscope.shows(text)


def test_plots_and_text_share_a_cursor(neuroscope: NeuroscopePage) -> None:
    page = neuroscope.page
    text = "In 1815 there were 12 ships, and Anne saw them."
    neuroscope.write(text)
    shown = neuroscope.shows(text)
    index = next(i for i, token in enumerate(shown.tokens) if token["text"] == " Anne")
    key = shown.neurons[2]
    strip = neuroscope.row(key).get_by_test_id("strip")
    box = strip.bounding_box()
    assert box is not None
    place = {"x": box["width"] * (index + 0.5) / len(shown.tokens), "y": 10}

    # From the plot to the text.
    strip.hover(position=place)
    expect(neuroscope.editor.locator(".neuro-marked")).to_have_text(" Anne")
    expect(page.get_by_test_id("cursor")).to_contain_text(f"token {index}")
    strip.click(position=place)
    assert neuroscope.read().focus == key
    page.mouse.move(5, 300)
    expect(neuroscope.editor.locator(".neuro-marked")).to_have_count(0)
    expect(page.get_by_test_id("cursor")).to_contain_text("at the caret")
    expect(page.get_by_test_id("cursor")).to_contain_text(f"token {index}")

    # From the text to the plot: the column of the token has the cursor, and no other.
    other = next(i for i, token in enumerate(shown.tokens) if token["text"] == " were")
    canvas = strip.locator("canvas").element_handle()
    neuroscope.editor.locator(".neuro-token", has_text=re.compile("^ were$")).hover()
    painted = page.evaluate(UPPER_EDGE, [canvas, len(shown.tokens)])
    assert [i for i, alpha in enumerate(painted) if alpha > 0] == [other]
