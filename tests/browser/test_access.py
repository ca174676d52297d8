"""Everybody can use the page: axe finds nothing, motion can be refused, values are announced to people who do not see
colours."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.neuroscope_page import NeuroscopePage

AXE = Path(__file__).parents[2] / "web_client" / "node_modules" / "axe-core" / "axe.min.js"

# All of axe's rules, on everything that is open, shadow roots included.
RUN_AXE = """
async (only) => {
    const { violations } = await axe.run(document, only === null ? {} : { runOnly: only });
    return violations.flatMap(({ id, nodes }) =>
        nodes.map(({ target, failureSummary }) => `${id} at ${target.flat().join(" ")}: ${failureSummary}`));
}
"""

# Every animation that runs in the document and its shadow roots.
MOVING = """
() => {
    const roots = [document];
    for (const root of roots) {
        const inner = [...root.querySelectorAll("*")].map(({ shadowRoot }) => shadowRoot);
        roots.push(...inner.filter((root) => root !== null));
    }
    return roots.flatMap((root) => root.getAnimations().map((animation) =>
        `${animation.animationName ?? animation.transitionProperty} of ${animation.effect.target.className}`));
}
"""

TWO_FRAMES = "() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))"

TEXT = 'The year 1815 began.\n"Yes," said Emma, and counted 12 ships.'


def open_nothing(page: Page) -> None:
    pass


def open_discover(page: Page) -> None:
    page.get_by_role("tab", name="Discover").click()


def open_heatmap(page: Page) -> None:
    page.get_by_test_id("toggle-heatmap").click()


def open_compare(page: Page) -> None:
    page.get_by_test_id("toggle-compare").click()
    page.get_by_test_id("editor-right").locator(".cm-content").press("ControlOrMeta+Home")
    page.keyboard.type("So: ")


def open_details(page: Page) -> None:
    page.get_by_test_id("model-about").click()


def open_menu(page: Page) -> None:
    page.get_by_test_id("menu-share").click()


def open_search(page: Page) -> None:
    page.locator(".cm-content").first.press("ControlOrMeta+f")


def open_palette(page: Page) -> None:
    page.keyboard.press("ControlOrMeta+k")
    page.keyboard.type("l1")


def open_help(page: Page) -> None:
    page.keyboard.press("Escape")
    page.keyboard.press("F1")


VIEWS = [
    open_nothing,
    open_details,
    open_menu,
    open_search,
    open_heatmap,
    open_compare,
    open_discover,
    open_palette,
    open_help,
]
"""One after the other: what is open stays open unless it closes by itself."""


@pytest.mark.parametrize(("width", "height", "scheme"), [(1440, 900, "light"), (390, 844, "dark")])
def test_axe_finds_nothing(neuroscope: NeuroscopePage, width: int, height: int, scheme: Any) -> None:
    page = neuroscope.page
    page.set_viewport_size({"width": width, "height": height})
    page.emulate_media(color_scheme=scheme)
    neuroscope.write(TEXT)
    neuroscope.shows(TEXT)
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found: dict[str, list[str]] = {}
    for view in VIEWS:
        view(page)
        page.evaluate(TWO_FRAMES)
        found[view.__name__] = page.evaluate(RUN_AXE, None)
        page.emulate_media(color_scheme="dark" if scheme == "light" else "light")
        found[f"{view.__name__} in other colours"] = page.evaluate(RUN_AXE, ["color-contrast"])
        page.emulate_media(color_scheme=scheme)
    assert {view: problems for view, problems in found.items() if problems} == {}
    # The control: text that is too pale is found, wherever it is.
    page.evaluate("document.documentElement.style.setProperty('--muted', 'light-dark(#aaa, #555)')")
    assert len(page.evaluate(RUN_AXE, ["color-contrast"])) > 3


def test_values_at_the_caret_are_told_when_it_rests(neuroscope: NeuroscopePage) -> None:
    neuroscope.write(TEXT)
    shown = neuroscope.shows(TEXT)
    words = neuroscope.page.get_by_test_id("caret-words")
    assert words.get_attribute("aria-live") == "polite"
    neuroscope.editor.press("ControlOrMeta+Home")
    for _ in "The year":
        neuroscope.page.keyboard.press("ArrowRight")
    index = next(i for i, token in enumerate(shown.tokens) if token["text"] == " year")
    expect(words).to_have_text(re.compile(rf"^year: {shown.focus} .*than on .* held-out tokens"))
    assert shown.focus is not None
    value = shown.values[shown.focus][index]
    assert value is not None
    told = words.inner_text().split()[2].rstrip(",.").replace("\N{MINUS SIGN}", "-")
    assert float(told) == pytest.approx(value, abs=6e-4)
    neuroscope.page.keyboard.press("ControlOrMeta+End")
    expect(words).to_have_text(re.compile(rf"^\.: {shown.focus} "))

    # The other text announces its own caret, and the difference there.
    open_compare(neuroscope.page)
    neuroscope.page.keyboard.press("ControlOrMeta+End")
    there = words.nth(1)
    expect(there).to_have_text(re.compile(rf"^\.: {shown.focus} .*, right minus left "))
    left, right = neuroscope.page.evaluate(
        "(key) => [neuroscope.values(key).at(-1), neuroscope.other.values(key).at(-1)]", shown.focus
    )
    told = there.inner_text().replace("\N{MINUS SIGN}", "-")
    assert float(told.split()[2].rstrip(",.")) == pytest.approx(right, abs=6e-4)
    assert float(told.split("right minus left ")[1].split()[0].rstrip(".")) == pytest.approx(right - left, abs=1.1e-3)
    neuroscope.page.keyboard.press("ControlOrMeta+Home")
    expect(there).to_have_text(re.compile(rf"^S.*: {shown.focus} .*no partner in the left text"))


def test_nothing_moves_for_who_does_not_want_it(neuroscope: NeuroscopePage) -> None:
    page = neuroscope.page
    neuroscope.editor.focus()
    assert page.evaluate(MOVING) != [], "the caret blinks"
    page.emulate_media(reduced_motion="reduce")
    for view in VIEWS:
        view(page)
        assert page.evaluate(MOVING) == []
    page.keyboard.press("Escape")
    neuroscope.editor.first.focus()
    page.evaluate(TWO_FRAMES)
    assert page.evaluate(MOVING) == []
