"""`<neuro-scope>` in a page of somebody else: another origin, a strict content policy, nothing else on it."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Complaints
from tests.browser.neuroscope_page import CHARACTERS, LINES, NeuroscopePage, Shown
from tests.browser.reference import Reference
from tests.support.server import ServerProcess
from tests.support.site import OtherSite

EXAMPLE = Path(__file__).parents[2] / "web_client" / "example" / "index.html"
SERVER_OF_EXAMPLE = "127.0.0.1:8740"

# Beside what the example's own policy says; nothing may be evaluated, written as markup or sent anywhere.
POLICY = (
    "default-src 'none'; script-src http://{server}; connect-src ws://{server}; base-uri 'none'; form-action 'none'; "
    "require-trusted-types-for 'script'"
)

SETTLED = f"""
async (element, [text, neurons]) => {{
    const linesOf = {LINES};
    const frame = () => new Promise(requestAnimationFrame);
    const end = performance.now() + 30000;
    const right = (now) => now.settled && now.text === text && `${{now.neurons}}` === `${{neurons}}`;
    while (!right(element.shown)) {{
        if (performance.now() > end) throw new Error(`still ${{JSON.stringify(element.shown)}}`);
        await frame();
    }}
    await frame();
    const lines = linesOf(element.shadowRoot.querySelector(".cm-content"));
    return {{ ...element.shown, version: 0, lines, characters: {CHARACTERS}(text) }};
}}
"""


class Element:
    """An element of a page, driven as its visitors and its author do."""

    def __init__(self, page: Page, reference: Reference) -> None:
        self.page = page
        self.locator = page.locator("neuro-scope")
        self._checker = NeuroscopePage(page, reference)

    @property
    def editor(self) -> Locator:
        return self.locator.locator(".cm-content")

    @property
    def status(self) -> Locator:
        return self.locator.get_by_test_id("status")

    def button(self, key: str) -> Locator:
        return self.locator.locator(f"[data-testid=neuron][data-key={key}]")

    def set(self, **attributes: str | None) -> None:
        for name, value in attributes.items():
            change = "element.removeAttribute(name)" if value is None else "element.setAttribute(name, value)"
            self.locator.evaluate(f"(element, [name, value]) => {change}", [name, value])

    def shows(self, text: str, neurons: list[str]) -> Shown:
        """Waits until all values are there; tokens, values and colours are those of a plain pass."""
        state: dict[str, Any] = self.locator.evaluate(SETTLED, [text, neurons])
        shown = Shown(**state)
        assert shown.neurons == neurons
        self._checker.check(shown)
        return shown


@pytest.fixture
def element(page: Page, server: ServerProcess, reference: Reference, elsewhere: OtherSite) -> Element:
    """The example page of the documentation, on another origin."""
    example = EXAMPLE.read_text(encoding="utf-8").replace(SERVER_OF_EXAMPLE, f"127.0.0.1:{server.port}")
    page.goto(elsewhere.add("/notes.html", example, POLICY.format(server=f"127.0.0.1:{server.port}")))
    return Element(page, reference)


def test_the_example_page_and_every_attribute(element: Element, server: ServerProcess) -> None:
    text = re.search('text="([^"]+)"', EXAMPLE.read_text(encoding="utf-8"))
    assert text is not None
    page, sentence = element.page, html.unescape(text[1])
    assert element.shows(sentence, ["L2N99", "L1N748"]).focus == "L2N99"
    expect(element.button("L2N99")).to_have_attribute("aria-pressed", "true")
    expect(element.status).to_have_text("neuroscope-demo")

    # A peer types, and chooses what colours the text.
    element.locator.evaluate("(element) => { element.heard = []; element.onsettled = null; }")
    element.locator.evaluate("(e) => e.addEventListener('settled', ({ detail }) => e.heard.push(detail.text))")
    element.editor.press("ControlOrMeta+End")
    page.keyboard.type(" In 1812 too.")
    sentence += " In 1812 too."
    element.shows(sentence, ["L2N99", "L1N748"])
    assert element.locator.evaluate("(element) => element.heard.at(-1)") == sentence
    element.button("L1N748").click()
    assert element.shows(sentence, ["L2N99", "L1N748"]).focus == "L1N748"

    # Attributes are reactive, and what they replace can be undone.
    element.set(neurons="L3N615 l2n99, 0/125")
    assert element.shows(sentence, ["L3N615", "L2N99", "L0N125"]).focus == "L3N615"
    element.set(text='"Yes," said Emma in 1816.')
    element.shows('"Yes," said Emma in 1816.', ["L3N615", "L2N99", "L0N125"])
    element.editor.press("ControlOrMeta+z")
    element.shows(sentence, ["L3N615", "L2N99", "L0N125"])
    element.set(neurons="L3N615 and more")
    expect(element.status).to_contain_text("and is not a neuron")
    element.set(neurons="L3N615 L99N1")
    element.shows(sentence, ["L3N615"])
    element.set(model="no-such-model")
    expect(element.status).to_contain_text("no-such-model could not be loaded")
    element.set(model=None)
    element.shows(sentence, ["L3N615"])
    element.set(src="mailto:nobody")
    expect(element.status).to_contain_text("not the address of a Neuroscope server")
    element.set(src=None)  # the server that the script came from
    element.shows(sentence, ["L3N615"])

    # It can be moved, and gives its session up where it goes.
    element.locator.evaluate("(element) => { document.body.prepend(element); }")
    element.shows(sentence, ["L3N615"])
    element.locator.evaluate("(element) => { element.text = ''; element.remove(); document.body.append(element); }")
    element.shows("", ["L3N615"])


BACKGROUNDS = """
(element) => {
    const drawn = [...element.shadowRoot.querySelectorAll(".neuro-token, .swatch")];
    return drawn.map((each) => getComputedStyle(each).backgroundColor);
}
"""


def test_contrast_themes_leave_the_colours_of_the_data(element: Element) -> None:
    sentence = element.locator.evaluate("(element) => element.text")
    element.shows(sentence, ["L2N99", "L1N748"])
    before = element.locator.evaluate(BACKGROUNDS)
    assert len(set(before)) > 5
    element.page.emulate_media(forced_colors="active")
    assert element.page.evaluate("matchMedia('(forced-colors: active)').matches")
    assert element.locator.evaluate(BACKGROUNDS) == before


def test_an_origin_that_is_not_allowed_is_told_so(
    element: Element, complaints: Complaints, elsewhere: OtherSite
) -> None:
    complaints.allow("WebSocket connection to .* failed")
    element.page.goto(f"http://localhost:{elsewhere.port}/notes.html")
    expect(element.status).to_contain_text("No connection, trying again")
    expect(element.editor).to_contain_text("said Mrs. Dale")
