"""Light and dark, wide and narrow; text is text, whatever it looks like."""

from __future__ import annotations

import gzip
import re

import pytest
from playwright.sync_api import Browser, Locator, Page, Response, expect

from tests.browser.neuroscope_page import NeuroscopePage
from tests.browser.reference import Reference
from tests.support.server import ServerProcess

TEXT = 'In 1815 there were 12 ships,\n"and no more," said Anne.'


def rgba(colour: str) -> tuple[float, float, float, float]:
    """A computed colour, of legacy or modern spelling."""
    red, green, blue, *alpha = (float(number) for number in re.findall(r"[\d.]+(?:e-?\d+)?", colour))
    if colour.startswith("color(srgb "):
        red, green, blue = red * 255, green * 255, blue * 255
    return red, green, blue, alpha[0] if alpha else 1.0


def over(colour: str, page: str) -> tuple[float, ...]:
    """What is seen of a colour that lies over the page."""
    *front, alpha = rgba(colour)
    return tuple(f * alpha + b * (1 - alpha) for f, b in zip(front, rgba(page), strict=False))


def luminance(rgb: tuple[float, ...]) -> float:
    """Relative luminance (WCAG 2.2)."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (value / 255 for value in rgb)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    """Contrast ratio (WCAG 2.2)."""
    lighter, darker = sorted((luminance(a), luminance(b)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def style(locator: Locator, name: str) -> str:
    value: str = locator.evaluate("(element, name) => getComputedStyle(element)[name]", name)
    return value


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_say_sign_and_size_and_leave_the_text_readable(neuroscope: NeuroscopePage, scheme: str) -> None:
    neuroscope.page.emulate_media(color_scheme=scheme)
    opened = neuroscope.read()
    assert opened.focus is not None
    values = [
        float(v or 0) for v, t in zip(opened.values[opened.focus], opened.tokens, strict=True) if not t["special"]
    ]
    # The range of this text, so that all of the palette is in use.
    for bound, value in (("max", max(values)), ("min", min(values))):
        neuroscope.page.get_by_test_id(f"range-{bound}").fill(f"{value:.4f}")
        neuroscope.page.get_by_test_id(f"range-{bound}").press("Enter")
    shown = neuroscope.shows(opened.text)
    page = style(neuroscope.page.locator("html"), "backgroundColor")
    text = rgba(style(neuroscope.editor, "color"))[:3]
    assert (luminance(rgba(page)[:3]) > 0.5) == (scheme == "light")
    strengths: dict[str, dict[int, float]] = {"p": {}, "n": {}}
    for unit, name, colour in shown.colours():
        assert name is not None
        assert colour is not None
        red, _, blue, alpha = rgba(colour)
        assert contrast(text, over(colour, page)) >= 4.5, (unit, name, colour)
        if name == "neuro-z":
            assert alpha == 0
            continue
        sign, bucket = name[len("neuro-")], int(name[len("neuro-p") :])
        assert (red > blue) == (sign == "p"), (unit, name, colour)
        assert strengths[sign].setdefault(bucket, alpha) == alpha
    for by_bucket in strengths.values():
        assert len(by_bucket) > 1
        assert sorted(by_bucket) == sorted(by_bucket, key=lambda bucket: by_bucket[bucket])
        assert len(set(by_bucket.values())) == len(by_bucket)
    # Equal sizes are the same share of the strongest colour, above and below zero.
    ratios = [
        strengths["p"][bucket] / strengths["n"][bucket] for bucket in strengths["p"].keys() & strengths["n"].keys()
    ]
    assert ratios == pytest.approx([ratios[0]] * len(ratios), rel=0.02)


def test_the_theme_button_overrides_the_system(neuroscope: NeuroscopePage) -> None:
    button = neuroscope.page.get_by_test_id("theme")
    html = neuroscope.page.locator("html")
    system = style(html, "backgroundColor")
    seen = {}
    for _ in range(3):
        seen[button.get_attribute("data-theme")] = style(html, "backgroundColor")
        before = button.get_attribute("data-theme")
        button.click()
        expect(button).not_to_have_attribute("data-theme", before or "")
    assert seen.keys() == {"system", "light", "dark"}
    assert seen["system"] == seen["light"] == system
    assert luminance(rgba(seen["dark"])[:3]) < 0.1 < luminance(rgba(seen["light"])[:3])


@pytest.mark.parametrize("width", [390, 820, 1024, 1440])
def test_nothing_is_wider_than_the_window(neuroscope: NeuroscopePage, width: int) -> None:
    neuroscope.page.set_viewport_size({"width": width, "height": 844})
    long_word = "x" * 300
    neuroscope.write(f"{TEXT}\n{long_word}")
    neuroscope.shows(f"{TEXT}\n{long_word}")
    assert neuroscope.page.evaluate("document.scrollingElement.scrollWidth") <= width
    for part in ("editor", "focus", "neurons", "connection", "add-neuron"):
        box = neuroscope.page.get_by_test_id(part).bounding_box()
        assert box is not None
        assert box["width"] > 0
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width, part
    neuroscope.page.keyboard.press("F8")
    neuroscope.page.keyboard.press("Shift+F8")
    expect(neuroscope.page.get_by_test_id("heatmap")).to_be_visible()
    expect(neuroscope.page.get_by_test_id("editor-right")).to_be_visible()
    assert neuroscope.page.evaluate("document.scrollingElement.scrollWidth") <= width


def test_the_page_is_light_and_asks_nobody_else(page: Page, server: ServerProcess) -> None:
    answers: list[Response] = []
    page.on("response", lambda answer: answers.append(answer))
    page.goto(server.url)
    expect(page.get_by_test_id("neuron-row")).not_to_have_count(0)
    for key in ("F8", "Shift+F8", "F1", "Escape", "ControlOrMeta+k"):
        page.keyboard.press(key)
    expect(page.get_by_test_id("palette")).to_be_visible()
    assert all(answer.url.startswith(server.url) for answer in answers), [answer.url for answer in answers]
    scripts = [answer.body() for answer in answers if answer.request.resource_type == "script"]
    assert scripts
    assert sum(len(gzip.compress(script)) for script in scripts) < 200_000


def test_a_phone_can_type(browser: Browser, server: ServerProcess, reference: Reference) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    neuroscope = NeuroscopePage(context.new_page(), reference).open(server.url)
    neuroscope.editor.tap()
    neuroscope.write(TEXT)
    neuroscope.shows(TEXT)
    context.close()


def test_markup_in_the_text_stays_text(neuroscope: NeuroscopePage) -> None:
    markup = '<img src=x onerror="alert(1)">&lt;b&gt;</div><script>throw 1</script>'
    neuroscope.write(markup)
    shown = neuroscope.shows(markup)
    # The editor has images of its own, empty ones beside its widgets.
    assert neuroscope.editor.locator("img:not(.cm-widgetBuffer), script").count() == 0
    index = next(i for i, token in enumerate(shown.tokens) if not token["special"])
    neuroscope.page.locator(".neuro-token").first.hover()
    expect(neuroscope.page.locator(".neuro-tooltip-text")).to_have_text(shown.tokens[index]["text"])


def test_status_tells_what_decides_the_values(neuroscope: NeuroscopePage, page: Page) -> None:
    neuroscope.write(TEXT)
    shown = neuroscope.shows(TEXT)
    expect(page.get_by_test_id("connection")).to_have_text("Connected")
    expect(page.get_by_test_id("token-count")).to_have_text(f"{len(shown.tokens)} tokens")
    expect(page.get_by_test_id("latency")).to_have_text(re.compile(r"^\s*\d+ ms$"))
    expect(page.get_by_test_id("model-facts")).to_contain_text("float32 on")
    expect(page.get_by_test_id("bos")).to_have_text("BOS prepended")


DATA = {
    "tokens": ".neuro-token",
    "signs": ".neuro-sign",
    "swatches": "[class*=neuro-hue] .swatch",
    "scale": ".legend span",
    "values": ".here",
    "status": ".dot",
}
"""Where colours say something."""

COLOURS = """
(selectors) => {
    const found = Object.fromEntries(Object.keys(selectors).map((name) => [name, []]));
    const search = (root) => {
        for (const [name, selector] of Object.entries(selectors)) {
            for (const element of root.querySelectorAll(selector)) {
                const [own, before] = [getComputedStyle(element), getComputedStyle(element, "::before")];
                found[name].push([own.backgroundColor, before.backgroundColor]);
            }
        }
        for (const element of root.querySelectorAll("*")) if (element.shadowRoot !== null) search(element.shadowRoot);
    };
    search(document);
    return found;
}
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_contrast_theme_leaves_the_data_their_colours(neuroscope: NeuroscopePage, scheme: str) -> None:
    page = neuroscope.page
    neuroscope.write(TEXT)
    neuroscope.shows(TEXT)
    page.mouse.move(5, 300)
    page.emulate_media(color_scheme=scheme)
    usual = page.evaluate(COLOURS, DATA)
    assert all(len(set(map(tuple, found))) > 1 for name, found in usual.items() if name != "status")
    page.emulate_media(color_scheme=scheme, forced_colors="active")
    forced = page.evaluate(COLOURS, DATA)
    for name, found in usual.items():
        # Swatches and signs have a button's or a label's own edges besides; what is filled is the data.
        assert [colours[0] for colours in forced[name]] == [colours[0] for colours in found], name
    assert [colours[1] for colours in forced["swatches"]] == [colours[1] for colours in usual["swatches"]]
    # The rest is the theme's, the text on the colours included.
    canvas = style(page.locator("body"), "backgroundColor")
    top = page.locator("neuro-top header")
    assert style(top, "color") == style(neuroscope.editor.locator(".neuro-token").first, "color")
    assert (
        contrast(rgba(style(top, "color"))[:3], rgba(style(page.locator("neuro-top"), "backgroundColor"))[:3]) > 15
    ), canvas


def test_an_export_keeps_its_colours_in_a_contrast_theme(neuroscope: NeuroscopePage, browser: Browser) -> None:
    page = neuroscope.page
    with page.expect_download() as waiting:
        page.keyboard.press("ControlOrMeta+k")
        page.keyboard.type("as html")
        page.keyboard.press("Enter")
    context = browser.new_context(forced_colors="active", color_scheme="dark")
    try:
        exported = context.new_page()
        exported.set_content(waiting.value.path().read_text(encoding="utf-8"))
        text = exported.locator(".text")
        assert style(text, "backgroundColor") == "rgb(255, 255, 255)"
        assert rgba(style(exported.locator(".t").nth(1), "color"))[:3] == (28, 30, 33)
        assert "none" not in {style(exported.locator(".t").nth(i), "backgroundImage") for i in range(3)}
        scale = exported.locator(".scale").first.locator("i")
        assert len({style(scale.nth(i), "backgroundColor") for i in range(scale.count())}) > 20
    finally:
        context.close()


TRANSLATE = """
() => {
    const isExcluded = (node) => {
        for (let at = node.parentNode; at !== null; at = at.parentNode ?? at.host ?? null) {
            if (!(at instanceof Element)) continue;
            if (at.matches("style, script, .notranslate, [translate=no]")) return true;
        }
        return false;
    };
    const translate = (root) => {
        const texts = [];
        const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT | NodeFilter.SHOW_ELEMENT);
        while (walker.nextNode()) {
            const node = walker.currentNode;
            if (node instanceof Text) {
                if (node.data.trim() !== "" && !isExcluded(node)) texts.push(node);
            } else if (node.shadowRoot !== null) {
                translate(node.shadowRoot);
            }
        }
        for (const text of texts) {
            const font = document.createElement("font");
            font.textContent = `\u00a1${text.data}!`;
            text.replaceWith(font);
        }
    };
    translate(document.body);
}
"""
"""What a browser's translation does: other words in other nodes in the place of the page's own."""

FIGURES = ["token-count", "value-here", "max-value", "min-value", "max-token", "cursor", "text-max", "text-min", "rank"]
FIGURES += [
    "neuron-name",
    "connection",
    "model-facts",
    "discover-value",
    "range-origin",
    "departures",
    "value-difference",
]


def figures(page: Page) -> dict[str, list[str]]:
    """What the page says in figures and token texts."""
    return {name: page.get_by_test_id(name).all_inner_texts() for name in FIGURES}


def test_a_translated_page_shows_the_figures_of_the_text_as_it_is(neuroscope: NeuroscopePage) -> None:
    page = neuroscope.page
    editor = page.get_by_test_id("editor").locator(".cm-content")

    def settle() -> None:
        neuroscope.wait(TEXT)
        editor.press("ControlOrMeta+End")
        editor.press("ControlOrMeta+Home")
        page.mouse.move(5, 300)
        page.evaluate("new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))")

    page.get_by_test_id("toggle-compare").click()
    neuroscope.wait()
    page.evaluate(TRANSLATE)
    expect(page.get_by_test_id("stripes")).to_have_text("\u00a1Stripes!")  # its words are translated
    editor.press("ControlOrMeta+a")
    page.keyboard.insert_text(TEXT)
    settle()
    translated = figures(page)
    page.reload()
    settle()
    assert translated == figures(page)
