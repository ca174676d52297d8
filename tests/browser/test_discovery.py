"""The tab that finds neurons, held against plain passes over the whole text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import as_file, files
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect
from safetensors.numpy import load_file

from tests.browser.neuroscope_page import NeuroscopePage
from tests.browser.reference import Reference
from tests.support.server import ServerProcess

TEXT = "Mr. Harding had counted the carriages since June, and the old house was let at last."

# Waits until a list that is of the text and the caret as they are names these neurons; gives what it shows, in one go.
READ = """
async (section, wanted) => {
    const end = performance.now() + 30000;
    for (;;) {
        const items = [...section.querySelectorAll("li")];
        const keys = items.map((item) => item.dataset.key);
        if (section.dataset.current === "true" && JSON.stringify(keys) === JSON.stringify(wanted)) {
            return items.map((item) => ({
                key: item.dataset.key,
                bar: Number(item.querySelector("rect").getAttribute("width")),
                ...Object.fromEntries(["value", "share", "before", "after", "where"].map((name) =>
                    [name, item.querySelector(`[data-testid=discover-${name}]`)?.textContent ?? null])),
            }));
        }
        if (performance.now() > end) throw new Error(`still ${keys}, not ${wanted}`);
        await new Promise((resolve) => setTimeout(resolve, 10));
    }
}
"""


def section(page: Page, name: str) -> Locator:
    """One of the two lists, when it is of the text and the caret as they are."""
    return page.locator(f"[data-testid=discover-{name}][data-current=true]")


def listed(page: Page, name: str, keys: list[str]) -> list[dict[str, Any]]:
    """What a list shows of these neurons, once it does."""
    return page.get_by_test_id(f"discover-{name}").evaluate(READ, keys)  # type: ignore[no-any-return]


def highest(ranked: np.ndarray, count: int) -> list[tuple[int, int]]:
    """Layer and number of the highest of `ranked` [layers, neurons]."""
    best = np.argsort(-ranked.ravel(), kind="stable")[:count]
    return [divmod(int(index), ranked.shape[1]) for index in best]


def keys_of(neurons: list[tuple[int, int]]) -> list[str]:
    return [f"L{layer}N{neuron}" for layer, neuron in neurons]


def number(text: str) -> float:
    return float(text.replace("\u2212", "-").removesuffix(" %"))


def put_caret(page: NeuroscopePage, at: int, select: int = 0) -> None:
    page.editor.press("ControlOrMeta+Home")
    for _ in range(at):
        page.page.keyboard.press("ArrowRight")
    for _ in range(select):
        page.page.keyboard.press("Shift+ArrowRight")


@dataclass
class Oracle:
    """What must be listed of one text."""

    values: np.ndarray  # [layers, tokens, neurons]
    maxima: np.ndarray  # [layers, neurons]

    def check(
        self, page: Page, token: int, layers: Sequence[int] | None = None, by_ratio: bool = False, count: int = 10
    ) -> list[str]:
        """The list is what is highest at `token`; returns its keys."""
        values = self.values[:, token]
        ranked = values / self.maxima if by_ratio else values
        if layers is not None:
            ranked = np.where(np.isin(np.arange(len(values)), layers)[:, None], ranked, -np.inf)
        best = highest(ranked, count)
        for row, place in zip(listed(page, "top", keys_of(best)), best, strict=True):
            assert number(row["value"]) == pytest.approx(float(values[place]), abs=0.006)
            assert number(row["share"]) == pytest.approx(float(100 * values[place] / self.maxima[place]), abs=0.51)
            assert row["bar"] == pytest.approx(float(100 * ranked[place] / ranked[best[0]]), abs=0.1)
        return keys_of(best)


def test_the_neurons_at_the_caret(neuroscope: NeuroscopePage) -> None:
    """They follow the caret, a selection and the options; a click, or a key, adds them."""
    page, reference = neuroscope.page, neuroscope.reference
    with as_file(files("ws_server") / "demo_model" / "statistics.safetensors") as path:
        maxima = load_file(path)["max"]
    oracle = Oracle(reference.everything(reference.ids(TEXT)), maxima)
    page.get_by_test_id("tab-discover").click()
    neuroscope.write(TEXT)
    neuroscope.wait(TEXT)
    tokens = page.evaluate("neuroscope.tokens")
    shown = section(page, "top")
    for word in (".", "counted", "last"):
        token = next(i for i, one in enumerate(tokens) if one["to"] >= TEXT.index(word) + len(word))
        put_caret(neuroscope, tokens[token]["to"])
        oracle.check(page, token)
        expect(shown).to_contain_text(f"token {token}")

    # Of a selection, it is the token at which the neuron in focus is strongest.
    focus = page.evaluate("neuroscope.focus")
    start, stop = TEXT.index(" had"), TEXT.index(" June")
    values = page.evaluate("neuroscope.values(neuroscope.focus)")
    selected = [i for i, one in enumerate(tokens) if one["from"] < stop and one["to"] > start]
    strongest = max(selected, key=lambda i: values[i])
    put_caret(neuroscope, start, select=stop - start)
    expect(shown).to_contain_text(f"token {strongest}, where {focus} is strongest in the selection")
    oracle.check(page, strongest)

    # One layer, ranked by the share of the neuron's own maximum, and more of them.
    page.get_by_test_id("discover-layer").select_option("2")
    oracle.check(page, strongest, layers=[2])
    page.get_by_test_id("discover-by").select_option("ratio")
    oracle.check(page, strongest, layers=[2], by_ratio=True)
    page.get_by_test_id("discover-count").select_option("50")
    oracle.check(page, strongest, layers=[2], by_ratio=True, count=50)
    page.get_by_test_id("discover-count").select_option("10")
    page.get_by_test_id("discover-by").select_option("activation")
    page.get_by_test_id("discover-layer").select_option("")
    keys = oracle.check(page, strongest)

    # A click adds one and colours the text by it.
    before = page.evaluate("neuroscope.neurons")
    assert not set(keys) & set(before)
    shown.locator("li").nth(1).get_by_role("button").click()
    neuroscope.wait(TEXT, [*before, keys[1]])
    assert page.evaluate("neuroscope.focus") == keys[1] != focus
    expect(shown.locator("li").nth(1)).to_have_class(re.compile("here"))
    # So does a key.
    shown.locator("li").nth(1).get_by_role("button").press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    neuroscope.wait(TEXT, [*before, keys[1], keys[3]])
    # The Tab key comes back to where it was, and to the first when that is gone.
    stops = shown.locator("li [tabindex='0']")
    expect(stops).to_have_count(1)
    expect(stops).to_have_attribute("data-key", keys[3])
    # All at once, each once; the strongest is looked at.
    page.get_by_test_id("add-all-top").click()
    rest = [key for key in keys if key not in (keys[1], keys[3])]
    neuroscope.shows(TEXT, neurons=[*before, keys[1], keys[3], *rest])
    assert page.evaluate("neuroscope.focus") == keys[0]
    expect(page.get_by_test_id("add-all-top")).to_be_disabled()


def test_what_the_last_edit_changed(page: Page, server: ServerProcess, reference: Reference) -> None:
    """A word typed in the middle: the neurons that it moved most, in what stands behind it."""
    page.route("**/opening.json", lambda route: route.fulfill(json={"text": TEXT, "neurons": ["L0N7"]}))
    neuroscope = NeuroscopePage(page, reference).open(server.url)
    page.get_by_test_id("tab-discover").click()
    expect(page.get_by_test_id("discover-changed")).to_contain_text("Edit the text")
    at = TEXT.index(" house")
    put_caret(neuroscope, at)
    page.keyboard.type(" empty", delay=30)
    edited = TEXT[:at] + " empty" + TEXT[at:]
    neuroscope.wait(edited)
    old, new = reference.ids(TEXT), reference.ids(edited)
    behind = next(i for i in range(len(old)) if old[-1 - i] != new[-1 - i])
    before, after = reference.everything(old)[:, -behind:], reference.everything(new)[:, -behind:]
    change = after - before  # [layers, compared, neurons]
    size = np.abs(change).max(axis=1)
    best = highest(size, 10)
    rows = listed(page, "changed", keys_of(best))
    shown = section(page, "changed")
    expect(shown).to_contain_text(f"in {behind} tokens")
    tokens = page.evaluate("neuroscope.tokens")
    places = [int(np.abs(change[layer, :, neuron]).argmax()) for layer, neuron in best]
    for row, (layer, neuron), place in zip(rows, best, places, strict=True):
        assert number(row["before"]) == pytest.approx(float(before[layer, place, neuron]), abs=0.006)
        assert number(row["after"]) == pytest.approx(float(after[layer, place, neuron]), abs=0.006)
        assert row["where"].replace("·", " ") == tokens[len(new) - behind + place]["text"]
        assert row["bar"] == pytest.approx(float(100 * size[layer, neuron] / size[best[0]]), abs=0.1)

    # A click on the token puts the caret there, one on the neuron adds it.
    shown.get_by_test_id("discover-where").first.click()
    expect(section(page, "top")).to_contain_text(f"token {len(new) - behind + places[0]}")
    rows_before = page.evaluate("neuroscope.neurons")
    shown.locator("li").first.locator(".row").click()
    neuroscope.shows(edited, neurons=[*rows_before, rows[0]["key"]])

    # At the end of the text nothing stands behind an edit, once a pause has made it another one.
    neuroscope.editor.press("ControlOrMeta+End")
    page.wait_for_timeout(1100)
    page.keyboard.type(" Yes.", delay=30)
    expect(page.get_by_test_id("discover-nothing")).to_contain_text("no token follows the edit")
