"""What can be done with a row, by keys, mouse and touch; its range and its rank; two hundred of them."""

from __future__ import annotations

import json
from importlib.resources import as_file, files

import numpy as np
import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from safetensors import safe_open
from safetensors.numpy import load_file

from tests.browser.neuroscope_page import NeuroscopePage
from tests.browser.reference import Reference
from tests.browser.test_neurons import add, number, own_values, written_near
from tests.support.server import ServerProcess

TEXT = 'In 1815 there were 12 ships,\n"and no more," said Anne.\n1:3 And God said, Let there be light.'
KEYS = ["L0N125", "L1N748", "L2N99", "L3N615", "L2N519"]


@pytest.fixture
def written(page: Page, server: ServerProcess, reference: Reference) -> NeuroscopePage:
    """A page that opens with TEXT and KEYS, the first in focus and its row with the keyboard."""
    page.route("**/opening.json", lambda route: route.fulfill(json={"text": TEXT, "neurons": KEYS}))
    neuroscope = NeuroscopePage(page, reference).open(server.url)
    neuroscope.row(KEYS[0]).get_by_test_id("neuron-name").click()
    neuroscope.shows(TEXT, neurons=KEYS)
    return neuroscope


def shown_rows(page: Page) -> list[str]:
    """Keys of the rows as they stand one under the other."""
    rows = page.get_by_test_id("neuron-row")
    places = [(row.bounding_box() or {})["y"] for row in rows.all()]
    keys = [row.get_attribute("data-key") or "" for row in rows.all()]
    return [key for _, key in sorted(zip(places, keys, strict=True))]


def caret(neuroscope: NeuroscopePage) -> str:
    """The token at the caret, as the head of the list names it."""
    return neuroscope.page.get_by_test_id("cursor").locator(".mono").inner_text()


def drag(page: Page, grip: Locator, to: float, *, drop: bool = True) -> None:
    """Take a grip with the mouse and move it to a height of the page."""
    box = grip.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    for step in range(1, 7):
        page.mouse.move(x, y + (to - y) * step / 6)
    if drop:
        page.mouse.up()


def middle(locator: Locator) -> float:
    box = locator.bounding_box()
    assert box is not None
    return box["y"] + box["height"] / 2


def test_keys_do_all_of_it(written: NeuroscopePage) -> None:
    page = written.page
    a, b, c, d, e = KEYS
    keyboard = page.keyboard

    # Order: rows change places, the keyboard stays with its own.
    keyboard.press("Alt+ArrowDown")
    written.shows(TEXT, neurons=[b, a, c, d, e])
    keyboard.press("Alt+ArrowDown")
    keyboard.press("Alt+ArrowDown")
    keyboard.press("Alt+ArrowUp")
    assert written.shows(TEXT, neurons=[b, c, a, d, e]).focus == a
    expect(written.row(a).locator(".row")).to_be_focused()
    assert shown_rows(page) == [b, c, a, d, e]

    # A pinned row stands first, and nothing goes before it.
    keyboard.press("End")
    keyboard.press("p")
    written.wait(TEXT, [e, b, c, a, d])
    expect(written.row(e).get_by_role("img", name="pinned")).to_be_visible()
    keyboard.press("ArrowDown")
    keyboard.press("Alt+ArrowUp")
    written.wait(TEXT, [e, b, c, a, d])
    keyboard.press("Home")
    keyboard.press("p")
    expect(written.row(e).get_by_role("img", name="pinned")).to_have_count(0)
    written.wait(TEXT, [e, b, c, a, d])

    # Extremes of the text: the caret goes there, the keyboard stays.
    shown = written.read()
    values, own = own_values(shown, e), [token for token in shown.tokens if not token["special"]]
    for key, index in (("m", int(values.argmax())), ("n", int(values.argmin()))):
        keyboard.press(key)
        written.read()
        visible = own[index]["text"].replace("\n", "↵").replace(" ", "·", 1)
        assert caret(written) == visible
    expect(written.row(e).locator(".row")).to_be_focused()

    # Hidden: no colour in the text, the row stays.
    keyboard.press("h")
    expect(written.row(e).get_by_test_id("swatch")).to_have_attribute("aria-pressed", "false")
    assert {colour for _, colour, _ in written.read().colours()} == {"neuro-none"}
    keyboard.press("h")
    assert {colour for _, colour, _ in written.read().colours()} != {"neuro-none"}

    # Removed, and back where they were, one after the other.
    keyboard.press("ArrowDown")
    keyboard.press("Delete")
    keyboard.press("Delete")
    written.wait(TEXT, [e, a, d])
    keyboard.press("ControlOrMeta+z")
    written.wait(TEXT, [e, c, a, d])
    expect(written.row(c).locator(".row")).to_be_focused()
    keyboard.press("ControlOrMeta+z")
    assert written.shows(TEXT, neurons=[e, b, c, a, d]).focus == b
    expect(page.get_by_test_id("notice")).to_have_count(0)
    keyboard.press("ControlOrMeta+z")  # nothing left to bring back; the text is not meant
    written.shows(TEXT, neurons=[e, b, c, a, d])

    # From the text, without leaving it.
    written.editor.press("ControlOrMeta+Home")
    keyboard.press("Alt+PageDown")
    keyboard.press("Alt+Shift+PageDown")
    keyboard.type("So: ")
    stepped = f"{c.split('N')[0]}N{int(c.split('N')[1]) + 1}"
    assert written.shows("So: " + TEXT, neurons=[e, b, stepped, a, d]).focus == stepped
    keyboard.press("Alt+Shift+PageUp")
    keyboard.press("Alt+PageUp")
    assert written.shows("So: " + TEXT, neurons=[e, b, c, a, d]).focus == b


def test_mouse(written: NeuroscopePage) -> None:
    page = written.page
    a, b, c, d, e = KEYS

    # Dragged by its grip; Escape puts it back; the row in focus opens again.
    drag(page, written.row(d).get_by_test_id("grip"), middle(written.row(a)) - 40)
    written.shows(TEXT, neurons=[d, a, b, c, e])
    assert shown_rows(page) == [d, a, b, c, e]
    assert written.read().focus == a
    drag(page, written.row(d).get_by_test_id("grip"), middle(written.row(e)) + 60, drop=False)
    written.wait(TEXT, [a, b, c, e, d])
    page.keyboard.press("Escape")
    page.mouse.up()
    written.wait(TEXT, [d, a, b, c, e])

    # Removed by accident: the notice offers it back.
    written.row(b).hover()
    written.row(b).get_by_test_id("remove").click()
    written.wait(TEXT, [d, a, c, e])
    expect(page.get_by_test_id("notice")).to_contain_text(f"{b} removed")
    page.get_by_test_id("notice-action").click()
    written.shows(TEXT, neurons=[d, a, b, c, e])

    # Pin, hide and steps of the row in focus; sorting.
    written.row(a).get_by_test_id("pin").click()
    written.wait(TEXT, [a, d, b, c, e])
    shown = written.read()
    by_max = sorted([d, b, c, e], key=lambda key: -own_values(shown, key).max())
    page.get_by_test_id("sort").select_option("max")
    written.wait(TEXT, [a, *by_max])
    page.get_by_test_id("sort").select_option("name")
    written.wait(TEXT, [a, b, c, e, d])
    page.get_by_test_id("sort").select_option("added")
    written.wait(TEXT, [a, b, c, d, e])
    written.row(a).get_by_test_id("row-layer-up").click()
    written.shows(TEXT, neurons=["L1N125", b, c, d, e])
    written.row("L1N125").get_by_test_id("row-neuron-down").click()
    written.shows(TEXT, neurons=["L1N124", b, c, d, e])
    written.row("L1N124").get_by_test_id("hide").click()
    expect(written.row("L1N124").get_by_test_id("hide")).to_have_attribute("aria-pressed", "true")

    # The strongest and the lowest token, with their values; a click goes there and colours by that neuron.
    shown = written.read()
    own = [token for token in shown.tokens if not token["special"]]
    values = own_values(shown, c)
    assert written_near(number(written.row(c).get_by_test_id("min-value")), values.min())
    for which, index in (("max", int(values.argmax())), ("min", int(values.argmin()))):
        written.row(c).get_by_test_id(which).click()
        assert written.read().focus == c
        assert caret(written) == own[index]["text"].replace("\n", "↵").replace(" ", "·", 1)


def test_touch(browser: Browser, server: ServerProcess, reference: Reference) -> None:
    """On a phone, where the page scrolls: a grip drags, anything else does not."""
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    neuroscope = NeuroscopePage(context.new_page(), reference).open(server.url)
    page = neuroscope.page
    before = page.evaluate("neuroscope.neurons")
    neuroscope.row(before[3]).get_by_test_id("neuron-name").tap()
    assert neuroscope.read().focus == before[3]
    # The strip: a tap goes to the token.
    strip = neuroscope.row(before[3]).get_by_test_id("strip")
    box = strip.bounding_box()
    assert box is not None
    tokens = page.evaluate("neuroscope.tokens.length")
    strip.tap(position={"x": box["width"] * 20.5 / tokens, "y": 10})
    neuroscope.read()
    expect(page.get_by_test_id("cursor")).to_contain_text("token 20")
    touch = context.new_cdp_session(page)

    def swipe(x: float, start: float, end: float) -> None:
        points = [start + (end - start) * step / 8 for step in range(9)]
        touch.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": points[0]}]})
        for y in points[1:]:
            touch.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [{"x": x, "y": y}]})
        touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

    neuroscope.row(before[1]).get_by_test_id("grip").scroll_into_view_if_needed()
    grip = neuroscope.row(before[1]).get_by_test_id("grip").bounding_box()
    assert grip is not None
    scrolled = page.evaluate("scrollY")
    swipe(grip["x"] + grip["width"] / 2, grip["y"] + 30, grip["y"] + 30 - 68)
    neuroscope.wait(None, [before[1], before[0], *before[2:]])
    assert page.evaluate("scrollY") == scrolled
    order = page.evaluate("neuroscope.neurons")
    name = neuroscope.row(before[2]).get_by_test_id("neuron-name").bounding_box()
    assert name is not None
    swipe(name["x"] + 20, name["y"] + 8, name["y"] - 200)
    assert page.evaluate("neuroscope.neurons") == order
    context.close()


def test_ranges(written: NeuroscopePage) -> None:
    page = written.page
    row = written.row(KEYS[0])
    statistics = written.shows(TEXT).scales[KEYS[0]]

    # This text: the widest value of it, and it follows.
    row.get_by_test_id("range-text").check()
    shown = written.shows(TEXT)
    widest = float(np.abs(own_values(shown, KEYS[0])).max())
    assert shown.scales[KEYS[0]] == {"min": pytest.approx(-widest), "max": pytest.approx(widest)}
    buckets = page.evaluate("(key) => neuroscope.tokens.map((_, i) => neuroscope.bucket(key, i))", KEYS[0])
    assert 16 in [bucket for bucket, token in zip(buckets, shown.tokens, strict=True) if not token["special"]]
    expect(page.get_by_test_id("range-origin")).to_have_text("widest of this text")
    written.write("Ships.")
    shown = written.shows("Ships.")
    widest = float(np.abs(own_values(shown, KEYS[0])).max())
    assert shown.scales[KEYS[0]]["max"] == pytest.approx(widest)
    written.write(TEXT)

    # Typed: begins with what it was, and the fields are ready.
    written.wait(TEXT)
    row.get_by_test_id("range-typed").check()
    expect(row.get_by_test_id("range-max")).to_be_focused()
    page.keyboard.type("0.5")
    page.keyboard.press("Enter")
    shown = written.shows(TEXT)
    assert shown.scales[KEYS[0]]["max"] == 0.5
    assert shown.scales[KEYS[0]]["min"] < 0
    expect(page.get_by_test_id("range-origin")).to_have_text("typed")
    # Each neuron has its own, and keeps it.
    written.row(KEYS[1]).get_by_test_id("neuron-name").click()
    expect(written.row(KEYS[1]).get_by_test_id("range-statistics")).to_be_checked()
    written.row(KEYS[0]).get_by_test_id("neuron-name").click()
    expect(row.get_by_test_id("range-typed")).to_be_checked()
    assert row.get_by_test_id("range-max").input_value() == "0.5"

    row.get_by_test_id("range-statistics").check()
    assert written.shows(TEXT).scales[KEYS[0]] == statistics
    assert row.get_by_test_id("range-max").input_value() == ""
    expect(page.get_by_test_id("range-origin")).to_have_text("99.9 % of held-out text")


def test_the_rank_is_that_of_the_statistics(neuroscope: NeuroscopePage) -> None:
    with as_file(files("ws_server") / "demo_model" / "statistics.safetensors") as path:
        statistics = load_file(path)
        with safe_open(path, "numpy") as file:
            levels = json.loads(file.metadata()["levels"])
    places = {}
    for text in (neuroscope.page.evaluate("neuroscope.text"), "a", TEXT):
        neuroscope.write(text)
        shown = neuroscope.shows(text)
        for key in shown.neurons:
            layer, neuron = (int(part) for part in key.removeprefix("L").split("N"))
            value = own_values(shown, key).max()
            quantiles = statistics["quantiles"][layer, neuron]
            exceeded = [level for level, quantile in zip(levels, quantiles, strict=True) if value > quantile]
            record = value > statistics["max"][layer, neuron]
            expected = 1 if record else max(exceeded, default=0)
            rank = neuroscope.row(key).get_by_test_id("rank")
            rank.scroll_into_view_if_needed()
            assert float(rank.get_attribute("data-level") or "nan") == expected, key
            words = rank.get_attribute("title") or ""
            if record:
                assert "stronger than on any held-out token" in words
            elif exceeded:
                assert f"stronger than on {expected * 100:g} % of held-out tokens" in words
            # The bar is filled as far as the level, or further, and not to the next.
            width = float(rank.locator(".fill").get_attribute("width") or "nan") / 64
            nines = [-np.log10(1 - level) / 4 for level in levels if level >= 0.5]
            passed = [
                place for level, place in zip([x for x in levels if x >= 0.5], nines, strict=True) if level <= expected
            ]
            assert width >= max(passed, default=0) - 0.01
            assert width <= min([place for place in [*nines, 1.0] if place not in passed], default=1) + 0.02
            places[key, text] = (value, width)
    assert len({width for _, width in places.values()}) > 8


def test_two_hundred_rows(neuroscope: NeuroscopePage) -> None:
    page = neuroscope.page
    opening = page.evaluate("neuroscope.neurons")
    neuroscope.write(TEXT)
    add(neuroscope, "L1N0-191")
    keys = [*opening, *(f"L1N{neuron}" for neuron in range(192))]
    neuroscope.shows(TEXT, neurons=keys)
    rows = page.get_by_test_id("neuron-row")
    expect(neuroscope.row(keys[-1])).to_be_in_viewport()
    assert rows.count() < 40, "only those near the window stand in the page"
    expect(neuroscope.row(keys[-1])).to_have_attribute("aria-posinset", "200")

    # Any place of the list can be reached; each row there is the one that belongs there, with its values.
    scroller = page.locator("neuro-neurons .list")
    for share in (0.5, 0.25, 1, 0):
        scroller.evaluate(
            "(list, share) => { list.scrollTop = share * (list.scrollHeight - list.clientHeight); }", share
        )
        shown = neuroscope.read()
        seen = [row for row in rows.all() if row.get_attribute("data-key") != shown.focus]
        positions = [int(row.get_attribute("aria-posinset") or 0) for row in seen]
        assert positions == list(range(positions[0], positions[0] + len(positions)))
        box = scroller.bounding_box()
        assert box is not None
        covered = [row.bounding_box() or {} for row in seen]
        assert covered[0]["y"] <= box["y"] + 140
        assert covered[-1]["y"] + covered[-1]["height"] >= min(box["y"] + box["height"], 10_000) - 140
        for row, position in zip(seen, positions, strict=True):
            key = keys[position - 1]
            assert row.get_attribute("data-key") == key
            assert written_near(number(row.get_by_test_id("max-value")), own_values(shown, key).max())

    # The row in focus keeps the keyboard, however far away it is scrolled.
    neuroscope.row(keys[0]).locator(".row").click()
    scroller.evaluate("(list) => { list.scrollTop = 6000; }")
    neuroscope.read()
    expect(neuroscope.row(keys[0]).locator(".row")).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(neuroscope.row(keys[1])).to_be_in_viewport()
    page.keyboard.press("End")
    expect(neuroscope.row(keys[-1]).locator(".row")).to_be_focused()
    expect(neuroscope.row(keys[-1])).to_be_in_viewport()

    # Typing, and a tooltip that names only the strongest.
    neuroscope.editor.press("ControlOrMeta+End")
    page.keyboard.type(" And 3")
    neuroscope.shows(TEXT + " And 3", neurons=keys)
    page.locator(".neuro-token").first.hover()
    expect(page.get_by_test_id("token-tooltip")).to_contain_text("and 164 weaker ones")
    expect(page.get_by_test_id("token-tooltip").locator(".neuro-tooltip-row")).to_have_count(36)
