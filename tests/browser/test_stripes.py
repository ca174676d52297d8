"""Stripes lie under the tokens whose values they show, in every frame; hidden rows have none."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.frames import RECORD_SOCKET
from tests.browser.neuroscope_page import NeuroscopePage
from tests.browser.reference import Reference
from tests.browser.stripes import StripeReader, check_strengths
from tests.support.relay import Relay
from tests.support.server import ServerProcess

KEY_MS = 45
TEXT = (
    'The year 1815 began. "My dear Mr. Harding," said Mrs. Dale one morning, and counted 25 carriages since June.\n'
    "\n1:3 And God said, Let there be light: and there was light.\n"
    'def total(values):\n\treturn sum(values)  # "pence"\n'
)
LINES = "".join(
    f'Line {i}: "In 18{i:02}," said Mrs. Dale, "the {i} old ships were counted; and God saw it."\n' for i in range(45)
)

# Drawn two frames later, as a layer would be that waits for its turn.
LATE = "window.queueMicrotask = (task) => requestAnimationFrame(() => requestAnimationFrame(task));"


def scroll(page: Page, by: int) -> None:
    page.locator(".cm-scroller").evaluate("(scroller, by) => scroller.scrollBy(0, by)", by)


def test_stripes_show_the_values_of_the_tokens_they_lie_under(neuroscope: NeuroscopePage) -> None:
    page = neuroscope.page
    neuroscope.write(TEXT)
    shown = neuroscope.shows(TEXT)
    reader = StripeReader(page)
    seen = reader.read()
    assert seen.lanes == shown.neurons[1:]
    assert len(seen.found) >= len(shown.tokens)  # line breaks and BOS have signs
    seen.check()
    drawn = {name for place in seen.found for name, _ in place["runs"]}
    assert len(drawn - {"slate"}) >= 6, "they were chosen to fire on such text"
    assert "slate" in drawn

    # Another in focus: it has the background now, the other a stripe.
    page.keyboard.press("Alt+PageDown")
    neuroscope.wait(TEXT)
    seen = reader.read()
    assert seen.lanes == [shown.neurons[0], *shown.neurons[2:]]
    seen.check()

    # Hidden rows are not drawn; neither are stripes that are switched off, and lines are as low as without.
    hidden = shown.neurons[4]
    neuroscope.row(hidden).get_by_test_id("swatch").click()
    reader.hidden.append(hidden)
    neuroscope.read()
    seen = reader.read()
    assert hidden not in seen.lanes
    seen.check()
    line = page.locator(".cm-line").first
    high = line.evaluate("(line) => parseFloat(getComputedStyle(line).lineHeight)")
    page.keyboard.press("Alt+Shift+S")
    neuroscope.read()
    assert not reader.read().drawn
    low = line.evaluate("(line) => parseFloat(getComputedStyle(line).lineHeight)")
    assert high > low
    expect(page.get_by_test_id("stripes")).to_have_attribute("aria-pressed", "false")
    page.get_by_test_id("stripes").click()

    # The colours follow the theme.
    page.emulate_media(color_scheme="dark")
    neuroscope.read()
    StripeReader(page, [hidden], "dark").read().check()
    assert line.evaluate("(line) => parseFloat(getComputedStyle(line).lineHeight)") == high


def test_a_character_of_several_tokens_has_the_stripes_of_each(
    browser: Browser, server: ServerProcess, reference: Reference
) -> None:
    """On a screen of three pixels a pixel, where each has some width."""
    context = browser.new_context(viewport={"width": 1000, "height": 700}, device_scale_factor=3)
    neuroscope = NeuroscopePage(context.new_page(), reference).open(server.url)
    text = "\n".join(["Say 🙂 twice: 🙂, 漢字 and é.", "\tindented", ""])
    neuroscope.write(text)
    shown = neuroscope.shows(text)
    shared = [
        i
        for i, token in enumerate(shown.tokens[:-1])
        if token["from"] == shown.tokens[i + 1]["from"] and not token["special"]
    ]
    seen = StripeReader(neuroscope.page).read()
    assert {place["token"] for place in seen.found} & set(shared)
    seen.check()

    # Which of them the pointer is on depends on where on the character it is.
    parted = neuroscope.page.locator(".neuro-parted").first
    box = parted.bounding_box()
    assert box is not None
    for part in range(4):
        neuroscope.page.mouse.move(box["x"] + box["width"] * (part + 0.5) / 4, box["y"] + 5)
        byte = ["F0", "9F", "99", "82"][part]
        expect(neuroscope.page.get_by_test_id("token-tooltip")).to_contain_text(
            f"part {part + 1} of 4 of 🙂 (byte {byte} of F0 9F 99 82)"
        )
    neuroscope.page.locator(".neuro-tab").hover()
    expect(neuroscope.page.get_by_test_id("token-tooltip")).to_contain_text("tab")
    neuroscope.page.locator(".neuro-special").hover()
    expect(neuroscope.page.get_by_test_id("token-tooltip")).to_contain_text("added by the server")
    context.close()


@pytest.fixture
def relay(server: ServerProcess) -> Iterator[Relay]:
    """Answers late."""
    with Relay(server.port, 0.15) as relay:
        yield relay


def edit(page: Page, url: str, reference: Reference) -> StripeReader:
    """Type, delete, paste, undo, make the window narrower and wider, all in the midst of a text that wraps."""
    page.set_viewport_size({"width": 900, "height": 620})
    page.add_init_script(RECORD_SOCKET)
    neuroscope = NeuroscopePage(page, reference).open(url)
    neuroscope.write(TEXT)
    neuroscope.wait(TEXT)
    reader = StripeReader(page)
    reader.watch()
    neuroscope.editor.press("ControlOrMeta+Home")
    page.keyboard.type("In truth, ", delay=KEY_MS)
    page.keyboard.press("Enter", delay=KEY_MS)
    page.keyboard.type("and so", delay=KEY_MS)
    neuroscope.paste("pasted words,\n12 of them; ")
    for _ in range(8):
        page.keyboard.press("Backspace", delay=KEY_MS)
    for key in ["ControlOrMeta+z", "ControlOrMeta+y", "Delete", "Delete", "Enter"]:
        page.keyboard.press(key, delay=KEY_MS)
    for width in (860, 940, 900):
        page.set_viewport_size({"width": width, "height": 620})
        page.keyboard.type("1", delay=KEY_MS)
    neuroscope.wait()
    return reader


def test_no_frame_has_a_stripe_under_another_token(page: Page, relay: Relay, reference: Reference) -> None:
    reader = edit(page, relay.url, reference)
    # While scrolling, up and down and far, in a text much longer than the window.
    neuroscope = NeuroscopePage(page, reference)
    neuroscope.write(LINES)
    neuroscope.wait(LINES)
    neuroscope.editor.press("ControlOrMeta+Home")
    for by in [*[70] * 10, -400, 2000, 700, -1900]:
        scroll(page, by)
        page.evaluate("() => new Promise(requestAnimationFrame)")
    neuroscope.read()
    reader.read().check()
    watched = reader.watched()
    assert watched["wrong"] == [], f"{len({frame for frame, *_ in watched['wrong']})} of {watched['judged']} frames"
    assert watched["judged"] > 50
    assert watched["skipped"] < watched["judged"]
    assert watched["places"] > 20 * watched["judged"]
    # Where an answer took long, stripes were faded.
    fresh = {
        bucket: [alpha for alpha in seen if alpha > 0.6 * max(seen)] for bucket, seen in watched["strengths"].items()
    }
    check_strengths(fresh)

    # When an answer takes long, what stands for an older text is faded, from the edit on.
    neuroscope.write(TEXT)
    neuroscope.wait(TEXT)
    page.keyboard.press("ControlOrMeta+Home")
    relay.delay = 2.0
    page.keyboard.type("So ")
    expect(page.locator(".neuro-faded").first).to_be_visible()
    faded = reader.read().check()
    assert len(faded) > 4
    for bucket, seen in faded.items():
        if bucket in fresh:
            assert max(seen) == pytest.approx(0.4 * max(fresh[bucket]), abs=3), bucket
    relay.delay = 0
    page.close()  # before the relay ends


def test_a_layer_that_is_drawn_later_misplaces_them(page: Page, relay: Relay, reference: Reference) -> None:
    """The control: the same, drawn two frames later."""
    page.add_init_script(LATE)
    watched = edit(page, relay.url, reference).watched()
    assert len({frame for frame, *_ in watched["wrong"]}) > watched["judged"] / 10
    page.close()


def test_only_what_is_near_the_window_is_drawn(neuroscope: NeuroscopePage) -> None:
    page = neuroscope.page
    one_line = LINES.replace("\n", " ")
    for text in (LINES, one_line):
        neuroscope.write(text)
        neuroscope.wait(text)
        for place in ("ControlOrMeta+Home", "ControlOrMeta+End"):
            neuroscope.editor.press(place)
            neuroscope.read()
            seen = StripeReader(page).read()
            assert len(seen.found) > 60
            seen.check()
            canvases = page.locator(".neuro-stripes canvas")
            height = sum((canvas.bounding_box() or {"height": 0})["height"] for canvas in canvases.all())
            assert height <= 1700, "the window and some more, not the whole text"
