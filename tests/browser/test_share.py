"""Links, memory, exports, samples and dropped files: what leaves the page and comes back is what the page shows."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import numpy as np
import pytest
from playwright.sync_api import Browser, BrowserContext, Download, Page, expect

from tests.browser.conftest import Complaints
from tests.browser.neuroscope_page import STEPS, NeuroscopePage, Shown, units
from tests.browser.reference import Reference
from tests.browser.test_appearance import over
from tests.support.server import ServerProcess

TEXT = 'In 1815 there were 12 ships,\n"and no more," said Anne.'
AWKWARD = (
    "<script>alert(1)</script> & \"12\" 'b'\n\ttabs, 漢字 e\N{COMBINING ACUTE ACCENT}"
    " \N{SLIGHTLY SMILING FACE}\n\x0b\x1b]]>"
)

# The page writes its address and its memory a moment after it changed.
WAIT_FOR_ADDRESS = """
async (parts) => {
    const end = performance.now() + 20000;
    while (!parts.every((part) => decodeURIComponent(location.hash).includes(part))) {
        if (performance.now() > end) throw new Error(`the address is still ${location.href}`);
        await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return location.href;
}
"""


WAIT_FOR_CLIPBOARD = """
async () => {
    for (;;) {
        const text = await navigator.clipboard.readText();
        if (text !== "") return text;
        await new Promise((resolve) => setTimeout(resolve, 20));
    }
}
"""

COUNT_WRITES = """
() => {
    const { replaceState } = history;
    window.written = 0;
    history.replaceState = (...all) => {
        window.written++;
        replaceState.apply(history, all);
    };
}
"""

FILL_STORAGE = """
() => {
    for (let room = 6e6; room > 100; room /= 2) {
        try {
            localStorage.setItem(`full ${room}`, "x".repeat(room));
        } catch {
            // no room for that much
        }
    }
}
"""


def address(page: NeuroscopePage, *parts: str) -> str:
    """The page's address as soon as it holds these."""
    href: str = page.page.evaluate(WAIT_FOR_ADDRESS, list(parts))
    return href


def choose(page: Page, menu: str, command: str) -> None:
    page.get_by_test_id(f"menu-{menu}").click()
    page.locator(f"[data-command='{command}']").click()


def copied_link(page: NeuroscopePage) -> str:
    page.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.page.evaluate("navigator.clipboard.writeText('')")
    choose(page.page, "share", "share.link")
    link: str = page.page.evaluate(WAIT_FOR_CLIPBOARD)
    expect(page.page.get_by_test_id("notice").filter(has_text="The link was copied")).to_be_visible()
    return link


def compare(one: Shown, other: Shown) -> None:
    """Two pages show the same."""
    assert (other.text, other.neurons, other.focus) == (one.text, one.neurons, one.focus)
    assert other.scales == one.scales
    assert [name for _, name, _ in other.colours()] == [name for _, name, _ in one.colours()]
    for key in one.neurons:
        np.testing.assert_allclose(np.array(other.values[key], float), np.array(one.values[key], float), atol=1e-4)


@pytest.fixture
def written(page: Page, server: ServerProcess, reference: Reference) -> NeuroscopePage:
    """A page that was opened by a link: to TEXT, and neurons with a pin, a typed range, a hue, one of them hidden."""
    rows = "L2N3;pinned,L0N7;max=1.5,L3N9;hidden,L1N42;hue=8"
    link = f"{server.url}#text={quote_plus(TEXT)}&neurons={rows}&focus=L0N7&view=neurons&v=1"
    return NeuroscopePage(page, reference).open(link)


def test_a_link_reproduces_the_page(
    written: NeuroscopePage, browser: Browser, server: ServerProcess, reference: Reference, complaints: Complaints
) -> None:
    page = written.page
    page.set_viewport_size({"width": 1200, "height": 1800})  # all of the long text is drawn
    order = ["L2N3", "L0N7", "L3N9", "L1N42"]
    shown = written.shows(TEXT, neurons=order)
    assert shown.focus == "L0N7"
    assert shown.scales["L0N7"]["max"] == 1.5
    state = page.evaluate("window.neuroscope.rows")
    assert [(row["key"], row["pinned"], row["hidden"]) for row in state] == [
        ("L2N3", True, False), ("L0N7", False, False), ("L3N9", False, True), ("L1N42", False, False)
    ]  # fmt: skip
    assert state[3]["hue"] == 8

    # What is done on the page goes to its address, without a trail behind the Back button and without a flood.
    page.evaluate(COUNT_WRITES)
    before = page.evaluate("history.length")
    written.editor.press("ControlOrMeta+End")
    page.keyboard.type(" And 30 boats; one sank in May.", delay=10)
    written.row("L1N42").get_by_test_id("neuron-name").click()
    text = TEXT + " And 30 boats; one sank in May."
    shown = written.shows(text, neurons=order)
    href = address(written, "May", "focus=L1N42", "model=neuroscope-demo")
    assert "text=In+1815+there+were" in href
    assert page.evaluate("history.length") == before
    assert page.evaluate("window.written") <= 4
    link = copied_link(written)
    assert link == href

    # Long texts are packed. Both kinds of link show the same to somebody who was never here.
    for wanted in (text, text + "\nAgain: " + text * 20):
        if wanted != text:
            written.write(wanted)
            shown = written.shows(wanted, neurons=order)
            link = copied_link(written)
            assert re.search(r"#z=[\w-]+&v=1$", link)
            assert len(link) < len(wanted)
        context = browser.new_context(viewport={"width": 1200, "height": 1800})
        other = context.new_page()
        complaints.watch(other)
        opened = NeuroscopePage(other, reference).open(link)
        compare(shown, opened.shows(wanted, neurons=order))
        assert other.evaluate("window.neuroscope.rows") == page.evaluate("window.neuroscope.rows")
        context.close()

    # A link that is put into the address of the open page is opened too; the previous state can be restored.
    page.evaluate("(hash) => { location.hash = hash }", "text=Come+in.&neurons=L0N7,L3N9&focus=L3N9&v=1")
    shown = written.shows("Come in.", neurons=["L0N7", "L3N9"])
    assert shown.focus == "L3N9"
    written.editor.press("ControlOrMeta+z")
    written.shows(wanted, neurons=["L0N7", "L3N9"])
    page.get_by_test_id("notice-action").click()
    assert written.shows(wanted, neurons=order).focus == "L1N42"


def test_links_by_hand_and_links_that_cannot_be_followed(
    page: Page, browser: Browser, server: ServerProcess, reference: Reference
) -> None:
    neuroscope = NeuroscopePage(page, reference)
    neuroscope.open(f"{server.url}?model=Demo/Neuroscope-Demo&layer=1&neuron=42&text=It%20was%201815.%0AAnne+came.")
    assert neuroscope.shows("It was 1815.\nAnne came.", neurons=["L1N42"]).focus == "L1N42"
    assert "?" not in address(neuroscope, "model=neuroscope-demo")

    notice = page.get_by_test_id("notice")
    opening = page.evaluate("fetch('opening.json').then((response) => response.json())")
    for link, reason in [
        ("#text=Come+in.&neurons=L0", "incomplete"),
        ("?layer=1&text=Come+in.", "a layer without a neuron"),
    ]:
        fresh = browser.new_context()
        other = NeuroscopePage(fresh.new_page(), reference).open(server.url + link)
        expect(other.page.get_by_test_id("notice")).to_contain_text(reason)
        assert other.shows(opening["text"]).neurons == opening["neurons"]
        fresh.close()

    # A model that the server does not have: a notice, and the rest of the link.
    page.goto(server.url + "?model=gpt2&layer=2&neuron=3&text=Come+in.")
    neuroscope.shows("Come in.", neurons=["L2N3"])
    expect(notice).to_contain_text("gpt2, which this server does not have")
    # With the page open, a bad link leaves what there is, and the address becomes the page's again.
    page.evaluate("() => { location.hash = 'section-2' }")
    expect(notice.filter(has_text="not a Neuroscope link")).to_be_visible()
    address(neuroscope, "Come+in.", "v=1")
    neuroscope.shows("Come in.", neurons=["L2N3"])


def test_the_last_state_is_there_again_until_one_starts_over(
    neuroscope: NeuroscopePage,
    server: ServerProcess,
    reference: Reference,
    context: BrowserContext,
    complaints: Complaints,
) -> None:
    page = neuroscope.page
    opening = neuroscope.shows(page.evaluate("window.neuroscope.text"))
    neuroscope.write(TEXT)
    neuroscope.shows(TEXT)
    address(neuroscope, "ships")
    # Reloaded in the middle of a word: nothing is lost.
    neuroscope.editor.press("ControlOrMeta+End")
    page.keyboard.type(" More")
    page.reload()
    shown = neuroscope.shows(TEXT + " More", neurons=opening.neurons)

    # Another tab has a state of its own; each is reloaded with its own, and a new one opens with the last.
    other = NeuroscopePage(context.new_page(), reference)
    complaints.watch(other.page)
    other.open(server.url)
    compare(shown, other.shows(TEXT + " More"))
    other.write("The other tab.")
    other.shows("The other tab.")
    address(other, "other+tab")
    page.reload()
    neuroscope.shows(TEXT + " More")
    third = NeuroscopePage(context.new_page(), reference).open(server.url)
    third.shows("The other tab.")
    # A link wins over what is kept.
    third.page.goto(server.url + "#text=Linked.&v=1")
    third.shows("Linked.")
    third.page.close()
    other.page.close()

    neuroscope.row(opening.neurons[0]).get_by_test_id("remove").click()
    neuroscope.wait(TEXT + " More", opening.neurons[1:])
    choose(page, "text", "page.start-over")
    compare(opening, neuroscope.shows(opening.text, neurons=opening.neurons))
    address(neuroscope, opening.text[:20].replace(" ", "+"))
    kept = page.evaluate("Object.entries({ ...localStorage, ...sessionStorage }).map(String).join()")
    assert "1815" not in kept
    page.get_by_test_id("notice-action").click()
    neuroscope.shows(TEXT + " More", neurons=opening.neurons[1:])

    # A browser without room: a word about it, and all goes on.
    page.evaluate(FILL_STORAGE)
    neuroscope.write("One more text. " * 400)
    expect(page.get_by_test_id("notice").filter(has_text="no room to keep")).to_be_visible()
    neuroscope.shows("One more text. " * 400)


@pytest.mark.parametrize("method", ["getItem", "setItem", "removeItem"])
def test_damaged_storage_is_as_none(page: Page, server: ServerProcess, reference: Reference, method: str) -> None:
    page.add_init_script(
        f"Storage.prototype.{method} = () => {{ throw new DOMException('damaged', 'UnknownError'); }};"
    )
    neuroscope = NeuroscopePage(page, reference).open(server.url)
    neuroscope.write(TEXT)
    neuroscope.shows(TEXT)
    choose(page, "text", "page.start-over")
    neuroscope.wait()
    assert neuroscope.read().text != TEXT


def export(page: Page, kind: str) -> Path:
    with page.expect_download() as waiting:
        choose(page, "share", f"export.{kind}")
    download: Download = waiting.value
    assert download.suggested_filename == f"neuroscope-demo-L0N7.{kind}"
    return Path(download.path())


def text_of(path: Path) -> str:
    return path.read_bytes().decode("utf-8")


def test_exports_are_what_the_page_shows(
    written: NeuroscopePage, context: BrowserContext, complaints: Complaints, tmp_path: Path
) -> None:
    page = written.page
    written.write(AWKWARD)
    shown = written.shows(AWKWARD)
    tokens = shown.tokens
    values = {key: np.array(shown.values[key], np.float32) for key in shown.neurons}

    rows = list(csv.reader(io.StringIO(text_of(export(page, "csv")), newline="")))
    assert rows[0] == ["index", "id", "text", "from", "to", *shown.neurons]
    assert [row[:5] for row in rows[1:]] == [
        [str(i), str(token["id"]), token["text"], str(token["from"]), str(token["to"])]
        for i, token in enumerate(tokens)
    ]
    for column, key in enumerate(shown.neurons, 5):
        np.testing.assert_array_equal(np.array([row[column] for row in rows[1:]], np.float32), values[key])

    exported: dict[str, Any] = json.loads(text_of(export(page, "json")))
    [document] = exported["documents"]
    assert (exported["model"]["id"], exported["focus"], document["text"]) == ("neuroscope-demo", "L0N7", AWKWARD)
    assert [neuron["key"] for neuron in exported["neurons"]] == shown.neurons
    assert {neuron["key"]: neuron["range"] for neuron in exported["neurons"]} == shown.scales
    assert [neuron["key"] for neuron in exported["neurons"] if neuron.get("hidden")] == ["L3N9"]
    assert [(t["id"], t["text"], t["from"], t["to"]) for t in document["tokens"]] == [
        (t["id"], t["text"], t["from"], t["to"]) for t in tokens
    ]
    for key in shown.neurons:
        np.testing.assert_array_equal(np.array(document["values"][key], np.float32), values[key])

    # The page's colours over white, unit by unit, against those of the HTML file and the pictures.
    white = (255.0, 255.0, 255.0)
    on_page = [over(colour or "rgba(0, 0, 0, 0)", "rgb(255, 255, 255)") for _, _, colour in shown.colours()]

    viewer = context.new_page()
    complaints.watch(viewer)
    html = export(page, "html")
    viewer.goto(html.rename(tmp_path / "text.html").as_uri())
    assert viewer.locator("script, img, link, iframe, object").count() == 0
    lines = viewer.locator(".line").evaluate_all("(lines) => lines.map((line) => line.textContent)")
    visible = AWKWARD.replace("\x0b", "\u240b").replace("\x1b", "\u241b")
    assert lines == visible.split("\n")
    pieces = viewer.locator(".line .t").evaluate_all(
        "(spans) => spans.map((span) => [span.textContent, getComputedStyle(span).getPropertyValue('--b')])"
    )
    # A character of several tokens has the colours of all in the file, and the strongest on the page.
    in_file = [
        [hex_colour(stop) for stop in re.findall("#[0-9a-f]{6}", colour)] or [white]
        for text, colour in pieces
        for _ in units(text)
    ]
    assert len(in_file) == len(on_page)
    for colours, seen_there in zip(in_file, on_page, strict=True):
        assert min(max(abs(a - b) for a, b in zip(colour, seen_there, strict=True)) for colour in colours) <= 2
    # Stripes: each neuron's own ink, as strong as the value is on its scale.
    for stripe, key in enumerate(["L2N3", "L1N42"]):
        ink = written.row(key).get_by_test_id("swatch").evaluate(
            "(swatch) => getComputedStyle(swatch, '::before').backgroundColor"
        )  # fmt: skip
        told = viewer.locator(".line .t").evaluate_all(
            "(spans, name) => spans.map((span) => [span.title, getComputedStyle(span).getPropertyValue(name)])",
            f"--s{stripe}",
        )
        seen = 0
        for title, colour in told:
            indices = [int(index) for index in re.findall(r"· token (\d+) ·", title)]
            value = float(values[key][indices[0]])
            bucket = min(STEPS, math.floor(value / shown.scales[key]["max"] * STEPS + 0.5))
            if len(indices) > 1 or bucket <= 0:
                continue
            expected = over(ink.replace(")", f" / {(bucket / STEPS) ** 0.62})"), "rgb(255, 255, 255)")
            assert max(abs(a - b) for a, b in zip(hex_colour(colour), expected, strict=True)) <= 2, (key, title)
            seen += 1
        assert seen > 0
    legend = viewer.locator(".legend").inner_text()
    assert "L0N7" in legend
    assert "1.5" in legend
    assert "neuroscope-demo" in legend
    assert "L3N9" not in legend  # hidden

    svg = export(page, "svg").rename(tmp_path / "text.svg")
    viewer.goto(svg.as_uri())
    drawn = viewer.evaluate(
        "() => ({ root: document.documentElement.localName, text: document.documentElement.textContent,"
        " foreign: document.querySelectorAll('script, foreignObject, a, image').length })"
    )
    assert drawn["root"] == "svg"
    assert drawn["foreign"] == 0
    for word in ("<script>alert(1)</script>", "漢字", "\u2039ESC\u203a", "L1N42", "background"):
        assert re.sub(r"\s", "", word) in re.sub(r"\s", "", drawn["text"])

    choose(page, "share", "export.width.60")
    png = export(page, "png").rename(tmp_path / "text.png")
    viewer.goto(png.as_uri())
    width = viewer.evaluate("document.images[0].naturalWidth")
    assert width > 1000
    picture = viewer.evaluate(PIXELS, svg.read_text(encoding="utf-8"))
    assert picture["corner"] == [255, 255, 255]
    drawn_colours = {tuple(colour) for colour in picture["colours"]}
    wanted = {tuple(round(part) for part in colour) for colours in in_file for colour in colours}
    assert all(
        any(max(abs(a - b) for a, b in zip(one, other, strict=True)) <= 2 for other in drawn_colours) for one in wanted
    )
    viewer.close()


# Draws an SVG and reads back the colours that it has.
PIXELS = """
async (svg) => {
    const image = new Image();
    image.src = `data:image/svg+xml,${encodeURIComponent(svg)}`;
    await image.decode();
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [image.width, image.height];
    const context = canvas.getContext("2d");
    context.drawImage(image, 0, 0);
    const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
    const colours = new Map();
    for (let i = 0; i < data.length; i += 4) {
        const colour = [...data.subarray(i, i + 3)];
        colours.set(String(colour), colour);
    }
    return { corner: [...data.subarray(0, 3)], colours: [...colours.values()] };
}
"""


def hex_colour(colour: str) -> tuple[float, float, float]:
    red, green, blue = (float(int(colour.strip()[at : at + 2], 16)) for at in (1, 3, 5))
    return red, green, blue


DROP = """
([name, content]) => {
    const transfer = new DataTransfer();
    transfer.items.add(new File([Uint8Array.from(content)], name));
    const target = window.neuroscopeDropTarget ?? document.body;
    for (const type of ["dragenter", "dragover", "drop"]) {
        const options = { dataTransfer: transfer, bubbles: true, cancelable: true, composed: true };
        target.dispatchEvent(new DragEvent(type, options));
    }
}
"""


def test_samples_and_files(neuroscope: NeuroscopePage, tmp_path: Path) -> None:
    page = neuroscope.page
    before = page.evaluate("window.neuroscope.text")
    # The menu by keyboard: opened, walked through, left, entered by typing a title.
    button = page.get_by_test_id("menu-text")
    button.focus()
    page.keyboard.press("ArrowDown")
    items = page.locator("[data-command]")
    expect(items.first).to_be_focused()
    page.keyboard.press("ArrowUp")
    expect(items.last).to_be_focused()
    page.keyboard.press("Escape")
    expect(items).to_have_count(0)
    expect(button).to_be_focused()
    expect(button).to_have_attribute("aria-expanded", "false")
    page.keyboard.press("Enter")
    page.keyboard.type("many")
    expect(page.locator("[data-command='sample.languages']")).to_be_focused()
    page.keyboard.press("Enter")
    expect(items).to_have_count(0)
    text = page.evaluate("window.neuroscope.text")
    assert "漢" not in text
    assert "猫" in text
    neuroscope.shows(text)
    page.get_by_test_id("menu-share").click()
    page.mouse.click(300, 500)
    expect(items).to_have_count(0)

    # On a telephone the menus are there as a whole.
    page.set_viewport_size({"width": 390, "height": 844})
    for menu in ("text", "share"):
        page.get_by_test_id(f"menu-{menu}").click()
        box = page.get_by_role("menu").bounding_box()
        assert box is not None
        assert 0 <= box["x"] <= box["x"] + box["width"] <= 390
        page.keyboard.press("Escape")
    page.set_viewport_size({"width": 1200, "height": 800})

    # A dropped file takes the place of the text, wherever it falls, and can be undone.
    notice = page.get_by_test_id("notice")
    story = "Anne read until 12.\r\nThen she slept.\n"
    neuroscope.editor.evaluate("(editor) => { window.neuroscopeDropTarget = editor }")
    page.evaluate(DROP, ["story.txt", list(story.encode())])
    story = story.replace("\r\n", "\n")
    neuroscope.shows(story)
    expect(notice.filter(has_text="story.txt")).to_be_visible()
    page.evaluate(DROP, ["picture.png", [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A, 0, 0, 0, 13]])
    expect(notice.filter(has_text="picture.png is not a text file.")).to_be_visible()
    page.evaluate("() => { window.neuroscopeDropTarget = document.body }")
    limit = 1_000_000
    page.evaluate(DROP, ["long.txt", list(b"word " * 10)])
    neuroscope.shows("word " * 10)
    chosen = tmp_path / "huge.txt"
    chosen.write_text("word " * (limit // 5) + "!", encoding="utf-8")
    with page.expect_file_chooser() as waiting:
        choose(page, "text", "text.open")
    waiting.value.set_files(chosen)
    expect(notice.filter(has_text="huge.txt has 1,000,001 characters")).to_be_visible()
    neuroscope.shows("word " * 10)
    neuroscope.editor.press("ControlOrMeta+z")
    neuroscope.shows(story)
    neuroscope.editor.press("ControlOrMeta+z")
    neuroscope.shows(text)
    neuroscope.editor.press("ControlOrMeta+z")
    neuroscope.shows(before)


BACKGROUNDS = """
(root) => [...root.querySelectorAll(".neuro-token")]
    .map((token) => [token.textContent, getComputedStyle(token).backgroundColor])
"""

BOTH = """
async ([left, right]) => {
    const end = performance.now() + 30000;
    for (;;) {
        const { settled, text, other } = window.neuroscope ?? {};
        const right_now = other?.text ?? null;
        if (settled && right_now !== null && text === (left ?? text) && right_now === (right ?? right_now)) break;
        if (performance.now() > end) throw new Error(`still ${text} beside ${other?.text}`);
        await new Promise((resolve) => setTimeout(resolve, 10));
    }
    await new Promise(requestAnimationFrame);
    await new Promise(requestAnimationFrame);
    const { text, other, neurons } = window.neuroscope;
    return [text, other.text, other.tokens.length, Object.fromEntries(neurons.map((key) => [key, other.values(key)]))];
}
"""


def test_two_texts_travel_together(
    written: NeuroscopePage, browser: Browser, reference: Reference, complaints: Complaints, tmp_path: Path
) -> None:
    page = written.page
    choose(page, "text", "sample.agreement")
    left, right, count, values = page.evaluate(BOTH, [None, None])
    assert left != right
    assert left.startswith("The key to")

    context = browser.new_context(viewport={"width": 1200, "height": 800}, color_scheme="light")
    other = context.new_page()
    complaints.watch(other)
    other.goto(copied_link(written))
    assert other.evaluate(BOTH, [left, right])[:3] == [left, right, count]
    on_page = other.get_by_test_id("editor-right").evaluate(BACKGROUNDS)
    assert on_page == page.get_by_test_id("editor-right").evaluate(BACKGROUNDS)

    rows = list(csv.DictReader(io.StringIO(text_of(export(page, "csv")), newline="")))
    mine = [row for row in rows if row["document"] == "Right"]
    assert len(mine) == count < len(rows)
    for key, expected in values.items():
        np.testing.assert_array_equal(np.array([row[key] for row in mine], np.float32), np.array(expected, np.float32))
    html = export(page, "html").rename(tmp_path / "two.html")
    other.goto(html.as_uri())
    assert other.locator("h2").all_inner_texts() == ["Left", "Right: difference from the left"]
    pieces = other.locator(".text").nth(1).locator(".t:not(.special, .break)").evaluate_all(
        "(spans) => spans.map((span) => [span.textContent, getComputedStyle(span).getPropertyValue('--b')])"
    )  # fmt: skip
    assert [text for text, _ in pieces] == [text for text, _ in on_page]
    for (text, colour), (_, background) in zip(pieces, on_page, strict=True):
        drawn = hex_colour(colour) if colour else (255.0, 255.0, 255.0)
        seen = over(background, "rgb(255, 255, 255)")
        assert max(abs(a - b) for a, b in zip(drawn, seen, strict=True)) <= 2, text
    context.close()

    # A file goes into the text that it falls on.
    page.get_by_test_id("editor-right").locator(".cm-content").evaluate(
        "(editor) => { window.neuroscopeDropTarget = editor }"
    )
    page.evaluate(DROP, ["other.txt", list(b"Dropped on the right.")])
    page.evaluate(BOTH, [left, "Dropped on the right."])
