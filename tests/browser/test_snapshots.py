"""The main views look as they did when somebody last looked at them and found them right.

Browsers draw differently from build to build: some round the width of a letter to whole pixels. So the pictures are
made in one browser only, the one from npm, whichever the other tests use. Fonts differ from machine to machine, so the
page is shown in a font of boxes. Pictures are compared at a quarter of their size, with a tolerance for smoothed edges.
After a change on purpose, run `pytest tests/browser/test_snapshots.py --update-snapshots`, and look at the pictures.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, Playwright, Route

from tests.browser import chromium
from tests.browser.conftest import FAILURES, launch
from tests.browser.neuroscope_page import NeuroscopePage
from tests.browser.reference import Reference
from tests.support.boxes import FAMILY, boxes
from tests.support.server import ServerProcess

SNAPSHOTS = Path(__file__).with_name("snapshots")
SMALLER = 4

VISIBLE = 40
"""Of 255: less is how an edge is smoothed."""
MOST_DIFFERENT = 0.004
"""Share of the picture that may differ visibly: less than a button."""

# Two frames later, in the font of boxes.
DRAWN = """
async () => {
    await document.fonts.ready;
    await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
}
"""

Look = Callable[[str], None]


@pytest.fixture(scope="module")
def browser(playwright: Playwright) -> Iterator[Browser]:
    found = chromium.from_npm()
    if found is None or chromium.version(found) is None:
        pytest.skip("the browser from npm, in which the pictures were made, is not there or does not start")
    browser = launch(playwright, found)
    yield browser
    browser.close()


@pytest.fixture
def boxed(page: Page, server: ServerProcess, reference: Reference) -> NeuroscopePage:
    """The page in the font of boxes, with nothing on it that is another each time."""

    def in_boxes(route: Route) -> None:
        css = route.fetch().text()
        face = f'@font-face {{ font-family: "{FAMILY}"; src: url("boxes.ttf"); }}'
        route.fulfill(
            body=f"{css}\n{face}\n:root {{ --sans: {FAMILY}; --mono: {FAMILY}; }}",
            content_type="text/css",
        )

    page.route("**/page.css", in_boxes)
    page.route("**/boxes.ttf", lambda route: route.fulfill(body=boxes(), content_type="font/ttf"))
    neuroscope = NeuroscopePage(page, reference).open(server.url)
    page.locator("neuro-latency").evaluate("(latency) => { latency.style.visibility = 'hidden'; }")
    return neuroscope


@pytest.fixture
def looks(boxed: NeuroscopePage, request: pytest.FixtureRequest) -> Look:
    """Holds what is seen against the snapshot of a name."""
    update = request.config.getoption("--update-snapshots")

    def look(name: str) -> None:
        boxed.wait()
        boxed.page.evaluate(DRAWN)
        picture = Image.open(io.BytesIO(boxed.page.screenshot(animations="disabled"))).convert("RGB").reduce(SMALLER)
        kept = SNAPSHOTS / f"{name}.png"
        if update:
            SNAPSHOTS.mkdir(exist_ok=True)
            picture.save(kept, optimize=True)
            return
        different = differing(picture, Image.open(kept))
        if different > MOST_DIFFERENT:
            FAILURES.mkdir(exist_ok=True)
            picture.save(FAILURES / f"snapshot-{name}.png")
        assert different <= MOST_DIFFERENT, f"{name}: {different:.2%} look different, see {FAILURES}"

    return look


def differing(one: Image.Image, other: Image.Image) -> float:
    """The share of two pictures that is visibly different; all of it where their sizes are."""
    if one.size != other.size:
        return 1.0
    a, b = (np.asarray(image.convert("RGB"), dtype=np.int16) for image in (one, other))  # [height, width, 3]
    return float((np.abs(a - b).max(axis=2) > VISIBLE).mean())


def test_wide_and_light(boxed: NeuroscopePage, looks: Look) -> None:
    page = boxed.page
    page.set_viewport_size({"width": 1440, "height": 900})
    looks("neurons")
    page.get_by_test_id("latency").evaluate("(latency) => latency.blur()")
    page.get_by_test_id("toggle-heatmap").click()
    page.mouse.move(0, 0)
    looks("heatmap")
    page.keyboard.press("ControlOrMeta+k")
    page.keyboard.type("l1n5")
    looks("palette")
    page.keyboard.press("Escape")
    page.get_by_test_id("toggle-heatmap").click()
    page.get_by_test_id("toggle-compare").click()
    right = page.get_by_test_id("editor-right").locator(".cm-content")
    right.press("ControlOrMeta+Home")
    page.keyboard.type("So: ")
    right.blur()
    looks("compare")


def test_narrower_and_dark(boxed: NeuroscopePage, looks: Look) -> None:
    page = boxed.page
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": 1024, "height": 768})
    looks("neurons-dark")
    page.get_by_role("tab", name="Discover").click()
    page.mouse.move(0, 0)
    page.get_by_test_id("discover-value").first.wait_for()
    looks("discover-dark")
    page.get_by_role("tab", name="Neurons").click()
    page.set_viewport_size({"width": 390, "height": 844})
    page.mouse.move(0, 0)
    looks("phone-dark")


def test_a_change_is_seen(boxed: NeuroscopePage, looks: Look, request: pytest.FixtureRequest) -> None:
    """The control: one wrong hue, or one part too wide, is more than the tolerance."""
    if request.config.getoption("--update-snapshots"):
        pytest.skip("snapshots are being made")
    page = boxed.page
    page.set_viewport_size({"width": 1440, "height": 900})
    page.locator("neuro-side").evaluate("(side) => { side.style.paddingLeft = '12px'; }")
    with pytest.raises(AssertionError, match="look different"):
        looks("neurons")
