"""Two texts side by side: values of both, alignment, differences, one cursor, what becomes of the texts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.neuroscope_page import STEPS, TOLERANCE, NeuroscopePage
from tests.browser.reference import Reference
from tests.support.server import ServerProcess

LEFT = "In 1815 there were 12 ships in the bay, and Anne saw them.\nNo more was said."
RIGHT = "In 1815 there were 12 ships in the old bay, and Emma saw them.\nNo more was said."
NEURONS = ["L0N7", "L1N42", "L2N3", "L0N125", "L3N615", "L2N99", "L0N468"]

# Both texts, what belongs together and how the right editor looks, in one go, once all values are there.
READ = """
async ([left, right]) => {
    const end = performance.now() + 30000;
    for (;;) {
        const { settled, text, other } = window.neuroscope ?? {};
        if (settled && text === left && (other?.text ?? null) === right) break;
        if (performance.now() > end) throw new Error(`still ${JSON.stringify({ settled, text, other: other?.text })}`);
        await new Promise((resolve) => setTimeout(resolve, 10));
    }
    await new Promise(requestAnimationFrame);
    await new Promise(requestAnimationFrame);
    const { tokens, other, partners, neurons, focus, values, scale } = window.neuroscope;
    const byNeuron = (read) => Object.fromEntries(neurons.map((key) => [key, read(key)]));
    return {
        left: tokens, leftValues: byNeuron(values), partners, focus, scales: byNeuron(scale),
        right: other?.tokens, rightValues: other && byNeuron(other.values), shown: other && byNeuron(other.shown),
    };
}
"""

# Text, bucket class and marks of every coloured piece of an editor, in order.
PIECES = """
(host) => [...host.querySelectorAll(".neuro-token")].map((token) => ({
    text: token.textContent,
    bucket: [...token.classList].find((name) => /^neuro-([np][0-9]+|z|none)$/.test(name)) ?? null,
    kin: ["alone", "replaced"].find((kin) =>
        token.closest(`.neuro-${kin}`) !== null || token.querySelector(`.neuro-${kin}`) !== null) ?? "same",
}))
"""


@dataclass(frozen=True)
class Read:
    left: list[dict[str, Any]]
    right: list[dict[str, Any]]
    leftValues: dict[str, list[float]]
    rightValues: dict[str, list[float]]
    shown: dict[str, list[float | None]]
    partners: dict[str, list[int]]
    focus: str
    scales: dict[str, dict[str, float]]

    def differences(self, key: str) -> np.ndarray:
        """right - left at the right text's tokens; NaN without partner."""
        left, right = np.array(self.leftValues[key]), np.array(self.rightValues[key])
        partners = np.array(self.partners["rightToLeft"])
        return np.where(partners < 0, np.nan, right - left[partners])

    def same(self) -> np.ndarray:
        """Whether a token of the right text is the text's own, and its partner is the same token."""
        return np.array(
            [
                partner >= 0 and self.left[partner]["id"] == token["id"] and not token["special"]
                for partner, token in zip(self.partners["rightToLeft"], self.right, strict=True)
            ]
        )


class Compare:
    def __init__(self, neuroscope: NeuroscopePage) -> None:
        self.neuroscope = neuroscope
        self.page = neuroscope.page
        self.left = self.page.get_by_test_id("editor")
        self.right = self.page.get_by_test_id("editor-right")

    def read(self, left: str, right: str) -> Read:
        return Read(**self.page.evaluate(READ, [left, right]))

    def write(self, editor: Locator, text: str) -> None:
        editor.locator(".cm-content").press("ControlOrMeta+a")
        self.page.keyboard.insert_text(text)

    def pieces(self, editor: Locator) -> list[dict[str, str]]:
        pieces: list[dict[str, str]] = editor.evaluate(PIECES)
        return pieces

    def token(self, editor: Locator, text: str) -> Locator:
        return editor.locator(".neuro-token", has_text=re.compile(f"^{re.escape(text)}$")).first


@pytest.fixture
def compare(page: Page, server: ServerProcess, reference: Reference) -> Compare:
    """LEFT beside RIGHT."""
    page.route("**/opening.json", lambda route: route.fulfill(json={"text": LEFT, "neurons": NEURONS}))
    compare = Compare(NeuroscopePage(page, reference).open(server.url))
    page.get_by_test_id("toggle-compare").click()
    compare.read(LEFT, LEFT)  # a copy
    compare.write(compare.right, RIGHT)
    return compare


def number(text: str) -> float:
    """A value as it is written for people."""
    return float(text.replace("\N{MINUS SIGN}", "-").replace("+", ""))


def longest_common(a: list[int], b: list[int]) -> int:
    """Length of a longest common subsequence, by its definition."""
    table = np.zeros((len(a) + 1, len(b) + 1), dtype=int)
    for i, one in enumerate(a, 1):
        for j, other in enumerate(b, 1):
            table[i, j] = table[i - 1, j - 1] + 1 if one == other else max(table[i - 1, j], table[i, j - 1])
    return int(table[-1, -1])


def test_both_texts_have_their_values_and_their_tokens_belong_together(compare: Compare) -> None:
    reference = compare.neuroscope.reference
    read = compare.read(LEFT, RIGHT)
    for text, tokens, values in ((LEFT, read.left, read.leftValues), (RIGHT, read.right, read.rightValues)):
        ids = reference.ids(text)
        assert [token["id"] for token in tokens] == ids
        expected = reference.values(ids, NEURONS)
        for key in NEURONS:
            assert np.abs(np.array(values[key]) - expected[key]).max() <= TOLERANCE

    there, back = read.partners["leftToRight"], read.partners["rightToLeft"]
    pairs = [(i, j) for i, j in enumerate(there) if j >= 0]
    assert pairs == sorted((i, j) for j, i in enumerate(back) if i >= 0)
    assert [j for _, j in pairs] == sorted(j for _, j in pairs), "partners cross"
    equal = [(i, j) for i, j in pairs if read.left[i]["id"] == read.right[j]["id"]]
    assert len(equal) == longest_common([t["id"] for t in read.left], [t["id"] for t in read.right])
    kinds = [
        "alone" if i < 0 else "same" if read.left[i]["id"] == read.right[j]["id"] else "replaced"
        for j, i in enumerate(back)
    ]
    assert {"alone", "same"} <= set(kinds), "the texts would have to differ so"
    shown = [(kind, token) for kind, token in zip(kinds, read.right, strict=True) if not token["special"]]
    shown = [(kind, token) for kind, token in shown if "\n" not in token["text"]]
    pieces = compare.pieces(compare.right)
    assert [piece["text"] for piece in pieces] == [token["text"] for _, token in shown]
    assert [piece["kin"] for piece in pieces] == [kind for kind, _ in shown]
    alone = kinds.count("alone") + there.count(-1)
    expect(compare.page.get_by_test_id("compare-counts")).to_contain_text(f"{kinds.count('same')} aligned")
    expect(compare.page.get_by_test_id("compare-counts")).to_contain_text(f"{alone} unmatched")


def test_the_right_text_wears_the_differences(compare: Compare) -> None:
    page = compare.page
    read = compare.read(LEFT, RIGHT)
    visible = [i for i, t in enumerate(read.right) if not t["special"] and "\n" not in t["text"]]

    def wear(values: np.ndarray) -> list[str]:
        reach = read.scales[read.focus]["max"]
        classes = []
        for value in values[visible]:
            bucket = 0 if np.isnan(value) else min(STEPS, int(np.floor(abs(value) / reach * STEPS + 0.5)))
            sign = "p" if value > 0 else "n"
            classes.append("neuro-none" if np.isnan(value) else "neuro-z" if bucket == 0 else f"neuro-{sign}{bucket}")
        return classes

    differences = read.differences(read.focus)
    assert np.nanmax(np.abs(differences)) > 0
    assert [piece["bucket"] for piece in compare.pieces(compare.right)] == wear(differences)
    for key in NEURONS:
        shown = np.array([np.nan if v is None else v for v in read.shown[key]])
        assert np.allclose(shown, read.differences(key), atol=1e-5, equal_nan=True)
    page.get_by_test_id("compare-colours").select_option("values")
    again = compare.read(LEFT, RIGHT)
    assert [piece["bucket"] for piece in compare.pieces(compare.right)] == wear(np.array(again.rightValues[read.focus]))
    page.get_by_test_id("compare-colours").select_option("difference")

    # The list: each neuron's largest difference at a token that is the same in both, the largest first.
    same = read.same()
    largest = {key: np.where(same, np.abs(read.differences(key)), 0) for key in NEURONS}
    ranked = sorted((key for key in NEURONS if largest[key].max() > 0), key=lambda key: -largest[key].max())
    items = page.get_by_test_id("departure")
    expect(items).to_have_count(len(ranked))
    for i, key in enumerate(ranked):
        token = int(largest[key].argmax())
        expect(items.nth(i)).to_have_attribute("data-key", key)
        expect(items.nth(i)).to_have_attribute("data-token", str(token))
        written = number(items.nth(i).locator(".difference").inner_text())
        assert abs(written - read.differences(key)[token]) <= 0.0006
    # A click colours both texts by it and goes there.
    items.nth(1).click()
    expect(page.get_by_test_id("focus")).to_have_attribute("data-key", ranked[1])
    token = int(largest[ranked[1]].argmax())
    page.mouse.move(5, 400)
    expect(page.get_by_test_id("cursor")).to_contain_text(f"token {token}")
    # The list is one stop of the Tab key.
    items.nth(0).focus()
    page.keyboard.press("ArrowRight")
    expect(items.nth(1)).to_be_focused()


def test_one_cursor_for_both_texts(compare: Compare) -> None:
    page, neuroscope = compare.page, compare.neuroscope
    read = compare.read(LEFT, RIGHT)
    j = next(j for j, token in enumerate(read.right) if token["text"] == " more")
    i = read.partners["rightToLeft"][j]
    compare.token(compare.right, " more").hover()
    expect(compare.left.locator(".neuro-marked")).to_have_text(" more")
    for key in NEURONS[:3]:
        row = neuroscope.row(key)
        left, right = read.leftValues[key][i], read.rightValues[key][j]
        for name, value in (("here", left), ("there", right), ("difference", right - left)):
            written = row.get_by_test_id(f"value-{name}").text_content() or ""
            assert abs(number(written.split(":")[-1].strip()) - value) <= 0.0011, (key, name)
    tooltip = page.get_by_test_id("token-tooltip")
    delta = tooltip.locator(".neuro-tooltip-difference").first.inner_text()
    difference = read.rightValues[NEURONS[0]][j] - read.leftValues[NEURONS[0]][i]
    assert abs(number(delta.removeprefix("Δ ")) - difference) <= 0.0011
    # A token without partner says so, and marks nothing.
    page.mouse.move(5, 400)
    compare.token(compare.right, " old").hover()
    expect(tooltip).to_contain_text("no partner in the left text")
    expect(compare.left.locator(".neuro-marked")).to_have_count(0)
    # The caret too: after a click on the left, the right one's values are announced as well.
    compare.token(compare.left, " saw").click()
    page.mouse.move(5, 400)
    k = next(k for k, token in enumerate(read.left) if token["text"] == " saw")
    expect(page.get_by_test_id("cursor")).to_contain_text(f"token {read.partners['leftToRight'][k]}")

    # The heatmap is of either text, and its cursor is the same one.
    page.keyboard.press("F8")
    page.get_by_test_id("heatmap-side").select_option("right")
    expect(page.get_by_test_id("heatmap")).to_have_attribute("aria-colcount", str(len(read.right)))
    page.get_by_test_id("heatmap").focus()
    page.keyboard.press("Control+Home")
    for _ in range(j):
        page.keyboard.press("ArrowRight")
    expect(compare.left.locator(".neuro-marked")).to_have_text(" more")
    expect(page.get_by_test_id("heatmap-readout")).to_have_attribute("data-token", str(j))
    spoken = page.get_by_test_id("heatmap-cell").inner_text()
    shown = read.shown[NEURONS[0]][j]
    assert shown is not None
    assert abs(number(spoken.rsplit(" ", 1)[1]) - shown) <= 0.0006


def test_texts_are_swapped_copied_and_kept_with_their_histories(compare: Compare) -> None:
    page = compare.page
    compare.read(LEFT, RIGHT)
    page.get_by_test_id("compare-swap").click()
    compare.read(RIGHT, LEFT)
    compare.right.locator(".cm-content").press("ControlOrMeta+z")
    compare.read(RIGHT, RIGHT)
    compare.left.locator(".cm-content").press("ControlOrMeta+z")
    compare.read(LEFT, RIGHT)
    page.get_by_test_id("compare-copy").click()
    compare.read(LEFT, LEFT)
    expect(page.get_by_test_id("departure")).to_have_count(0)
    compare.right.locator(".cm-content").press("ControlOrMeta+z")
    compare.read(LEFT, RIGHT)

    page.get_by_test_id("compare-close").click()
    expect(compare.right).to_have_count(0)
    compare.neuroscope.shows(LEFT, neurons=NEURONS)
    page.keyboard.press("Shift+F8")
    compare.read(LEFT, RIGHT)
    compare.right.locator(".cm-content").press("ControlOrMeta+z")
    compare.read(LEFT, LEFT)
    compare.right.locator(".cm-content").press("ControlOrMeta+Shift+z")
    compare.read(LEFT, RIGHT)

    # The address tells of both texts.
    page.get_by_test_id("compare-colours").select_option("values")
    page.wait_for_url(re.compile("compare=.*values"))
    page.reload()
    read = compare.read(LEFT, RIGHT)
    assert read.shown[NEURONS[0]] == read.rightValues[NEURONS[0]]
    expect(page.get_by_test_id("compare-colours")).to_have_value("values")

    # Side by side where there is room, else one under the other.
    left, right = compare.left.bounding_box(), compare.right.bounding_box()
    assert left is not None
    assert right is not None
    assert right["x"] >= left["x"] + left["width"]
    assert right["y"] == left["y"]
    page.set_viewport_size({"width": 390, "height": 844})
    left, right = compare.left.bounding_box(), compare.right.bounding_box()
    assert left is not None
    assert right is not None
    assert right["y"] >= left["y"] + left["height"]
    # The differences of a row stand side by side.
    row = compare.neuroscope.row(NEURONS[0])
    row.scroll_into_view_if_needed()
    here, furthest = (
        row.get_by_test_id(name).locator(inner)
        for name, inner in (("value-difference", "xpath=."), ("row-departure", ".number"))
    )
    one, other = here.bounding_box(), furthest.bounding_box()
    assert one is not None
    assert other is not None
    assert other["x"] >= one["x"] + one["width"]
    assert page.evaluate("document.scrollingElement.scrollWidth") <= 390
