"""A text of one long line: coloured where it is seen, wherever that is, and no more than that."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.browser.neuroscope_page import NeuroscopePage

LINE = ("It was the best of times, it was the worst of times, it was the age of wisdom. " * 760)[:60_000]

# How many places of what is seen of the text are in no token's mark, of how many.
UNCOLOURED = """
async (content) => {
    const frame = () => new Promise(requestAnimationFrame);
    for (let i = 0; i < 3; i++) await frame();
    const root = content.getRootNode();
    const { left, right } = content.querySelector(".cm-line").getBoundingClientRect();
    const { top, bottom } = content.closest(".cm-scroller").getBoundingClientRect();
    let [all, bare] = [0, 0];
    for (let y = Math.max(0, top) + 4; y < Math.min(innerHeight, bottom); y += 7) {
        for (let x = left + 60; x < right - 200; x += 50) {
            const range = document.caretPositionFromPoint(x, y, { shadowRoots: [root] });
            const node = range?.offsetNode;
            if (!(node instanceof Text) || !content.contains(node)) continue;
            all++;
            if (node.parentElement.closest(".neuro-token") === null) bare++;
        }
    }
    return [bare, all];
}
"""


def check(neuroscope: NeuroscopePage) -> None:
    bare, seen = neuroscope.editor.evaluate(UNCOLOURED)
    assert seen > 300
    assert bare == 0
    marks = neuroscope.editor.locator(".neuro-token").count()
    assert marks < 1500, f"{marks} marks cost every key as much time"


def scroll_to(page: Page, share: float) -> None:
    page.locator(".cm-scroller").evaluate(
        "(scroller, share) => { scroller.scrollTop = share * (scroller.scrollHeight - scroller.clientHeight); }", share
    )


def test_what_is_seen_of_a_long_line_is_coloured(neuroscope: NeuroscopePage) -> None:
    page = neuroscope.page
    neuroscope.write(LINE)
    neuroscope.wait(LINE)
    check(neuroscope)
    for place in (0, 0.02, 0.5, 0.51, 1, 0.3):
        scroll_to(page, place)
        check(neuroscope)
    neuroscope.editor.press("ControlOrMeta+Home")
    check(neuroscope)
    page.keyboard.type("Well. ")
    neuroscope.wait("Well. " + LINE)
    check(neuroscope)
    neuroscope.editor.press("ControlOrMeta+End")
    page.keyboard.type(" So.")
    neuroscope.wait("Well. " + LINE + " So.")
    check(neuroscope)
    # Lower stripes show more of the line.
    page.get_by_test_id("stripes").click()
    expect(page.get_by_test_id("stripes")).to_have_attribute("aria-pressed", "false")
    check(neuroscope)
