"""What the page tells of itself: how long an edit took and where, and what belongs to an older text."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.neuroscope_page import NeuroscopePage
from tests.browser.reference import Reference
from tests.support.relay import Relay
from tests.support.server import ServerProcess

TEXT = 'The year 1815 began.\n"Yes," said Emma, and no more.'
PARTS = ["network", "queue", "tokens", "model", "server", "paint"]


@pytest.fixture
def relay(server: ServerProcess) -> Iterator[Relay]:
    with Relay(server.port, 0) as relay:
        yield relay


def test_latency_and_stale_values(page: Page, relay: Relay, reference: Reference) -> None:
    neuroscope = NeuroscopePage(page, reference).open(relay.url)
    neuroscope.write(TEXT)
    neuroscope.shows(TEXT)

    # A server 200 ms away, as seen and as told: every part is there, and they add up.
    relay.delay = 0.2
    neuroscope.editor.press("ControlOrMeta+End")
    begun = time.monotonic()
    page.keyboard.type("!")
    neuroscope.shows(TEXT + "!")
    seen_ms = (time.monotonic() - begun) * 1e3
    details = page.get_by_test_id("latency-parts")
    expect(page.get_by_test_id("latency")).to_have_text(re.compile(r"^[2-9]\d\d ms$|^\d{4,} ms$"))
    expect(details).to_be_hidden()
    page.get_by_role("button", name="Latency of the last edit").focus()
    page.keyboard.press("Enter")
    expect(details).to_be_visible()
    figures = details.locator("dd").all_inner_texts()
    assert [cell.get_attribute("data-part") for cell in details.locator("dd").all()] == PARTS
    parts = {part: float(figure.removesuffix(" ms")) for part, figure in zip(PARTS, figures, strict=True)}
    latency = page.evaluate("neuroscope.latency")
    assert parts == pytest.approx(latency["parts"], abs=0.051)
    assert latency["totalMs"] == pytest.approx(sum(latency["parts"].values()), abs=0.01)
    assert 200 <= parts["network"] <= latency["totalMs"] <= seen_ms
    assert parts["model"] > 0
    assert parts["paint"] > 0
    widths = page.get_by_test_id("latency-bar").locator("span").evaluate_all("(all) => all.map((s) => s.offsetWidth)")
    assert widths.index(max(widths)) == figures.index(max(figures, key=lambda f: float(f.removesuffix(" ms"))))
    page.keyboard.press("Escape")
    expect(details).to_be_hidden()
    page.get_by_test_id("latency").hover()
    expect(details).to_be_visible()

    # Values that take long are drawn as those of an older text, from the edit on; what is before it stands.
    relay.delay = 2.0
    neuroscope.editor.press("ControlOrMeta+Home")
    for _ in "The year":
        page.keyboard.press("ArrowRight")
    page.keyboard.type("s")
    faded = page.locator(".cm-content .neuro-faded")
    expect(faded).not_to_have_count(0)
    assert "Emma" in "".join(faded.all_inner_texts())
    assert "The" not in faded.all_inner_texts()
    neuroscope.shows(TEXT.replace("year", "years") + "!")
    expect(faded).to_have_count(0)
    page.close()  # before the relay ends


def test_a_text_that_is_too_long_is_told_once_and_as_long_as_it_is(neuroscope: NeuroscopePage) -> None:
    page = neuroscope.page
    told: list[str] = []
    page.on("console", lambda message: told.append(message.text))
    text = "#@%^~" * 40_000  # 200,000 characters, each a token: more than a document may have
    neuroscope.write(text)
    limit = re.compile(r"at most 65,?536 tokens")
    expect(page.get_by_test_id("problem")).to_have_text("not computed")
    expect(page.get_by_test_id("token-count")).to_have_count(0)
    expect(page.get_by_test_id("notice").filter(has_text=limit)).to_have_count(1)
    assert page.get_by_test_id("notice").count() == 1
    assert [line for line in told if "lost" in line] == []
    neuroscope.write("One")
    neuroscope.shows("One")
    expect(page.get_by_test_id("notice")).to_have_count(0)
    expect(page.get_by_test_id("token-count")).to_have_text(f"{len(neuroscope.read().tokens)} tokens")
