"""Rows of neurons: added, focused, stepped and removed, each with the values of a plain pass."""

from __future__ import annotations

import json
import re
from importlib.resources import as_file, files

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, WebSocketRoute, expect
from safetensors import safe_open
from safetensors.numpy import load_file

from tests.browser.neuroscope_page import NeuroscopePage, Shown
from tests.browser.reference import Reference
from tests.support.server import ServerProcess

COUNT_PIXELS = r"""
(canvas, [tokens, slate]) => {
    const row = canvas.getRootNode().host.closest("[data-testid=neuron-row]");
    const ink = getComputedStyle(row, "::before").backgroundColor.match(/[\d.]+/g).map(Number);
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    return Array.from({ length: tokens }, (_, token) => {
        const x = Math.floor(((token + 0.4) * canvas.width) / tokens);
        const counts = [0, 0];
        for (let y = 0; y < canvas.height; y++) {
            const [red, green, blue, alpha] = data.subarray((y * canvas.width + x) * 4);
            const near = (colour) => Math.max(...[red, green, blue].map((part, i) => Math.abs(part - colour[i]))) < 24;
            if (alpha > 200 && near(ink)) counts[0]++;
            if (alpha > 200 && near(slate)) counts[1]++;
        }
        return counts;
    });
}
"""

# All values of a neuron are here, whether it has a row or not.
HAS_VALUES = """
async (key) => {
    const end = performance.now() + 30000;
    const here = () => {
        const values = neuroscope.values(key);
        return values.length === neuroscope.tokens.length && !values.includes(null);
    };
    while (!here()) {
        if (performance.now() > end) throw new Error(`no values of ${key}`);
        await new Promise((resolve) => setTimeout(resolve, 10));
    }
}
"""

SLATE = (118, 127, 138)
"""What is below zero has this colour, whichever neuron it is of."""

TEXT = 'In 1815 there were 12 ships,\n"and no more," said Anne.'


@pytest.fixture
def written(page: Page, server: ServerProcess, reference: Reference) -> NeuroscopePage:
    """A page that opens with TEXT, and L0N7, L1N42 and L2N3 in its rows, the first in focus."""
    opening = {"text": TEXT, "neurons": ["L0N7", "L1N42", "L2N3"]}
    page.route("**/opening.json", lambda route: route.fulfill(json=opening))
    neuroscope = NeuroscopePage(page, reference).open(server.url)
    neuroscope.row("L0N7").get_by_test_id("neuron-name").click()
    assert neuroscope.shows(TEXT, neurons=["L0N7", "L1N42", "L2N3"]).focus == "L0N7"
    return neuroscope


def add(page: NeuroscopePage, name: str) -> None:
    page.page.get_by_test_id("add-neuron").fill(name)
    page.page.get_by_test_id("add-neuron").press("Enter")


def number(element: Locator) -> float:
    """A value as it is written for people."""
    return float(element.inner_text().replace("\N{MINUS SIGN}", "-"))


def written_near(value: float, exact: float) -> bool:
    """Whether a value as the page writes it, with three decimals or more digits, is this one."""
    return abs(value - exact) <= max(1e-3, abs(exact) * 1e-3)


def own_values(shown: Shown, key: str) -> np.ndarray:
    """The values of the text's own tokens, without what the model puts before them."""
    return np.array([v for v, token in zip(shown.values[key], shown.tokens, strict=True) if not token["special"]])


def test_the_page_opens_with_the_text_and_neurons_chosen_for_it(neuroscope: NeuroscopePage) -> None:
    opening = json.loads((files("ws_server") / "demo_model" / "opening.json").read_text(encoding="utf-8"))
    shown = neuroscope.shows(opening["text"], neurons=opening["neurons"])
    assert shown.focus == opening["neurons"][0]


@pytest.mark.parametrize(("typed", "key"), [("L3N42", "L3N42"), ("l3n1", "L3N1"), ("1/9", "L1N9")])
def test_adding_by_name(written: NeuroscopePage, typed: str, key: str) -> None:
    add(written, typed)
    shown = written.shows(TEXT, neurons=["L0N7", "L1N42", "L2N3", key])
    assert shown.focus == key


@pytest.mark.parametrize("typed", ["L99N0", "L0N999999", "neuron"])
def test_what_is_no_neuron_is_told_at_the_field_and_changes_nothing(written: NeuroscopePage, typed: str) -> None:
    before = written.read()
    add(written, typed)
    field, problem = (written.page.get_by_test_id(name) for name in ("add-neuron", "add-problem"))
    expect(problem).to_be_visible()
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_have_accessible_description(problem.inner_text())
    expect(written.page.get_by_test_id("notice")).to_have_count(0)
    after = written.shows(TEXT)
    assert (after.neurons, after.focus, after.values) == (before.neurons, before.focus, before.values)
    field.press("End")
    field.press("Backspace")
    expect(problem).to_be_hidden()
    expect(field).to_have_attribute("aria-invalid", "false")


def test_adding_several_at_once(written: NeuroscopePage) -> None:
    many = [f"L1N{neuron}" for neuron in range(100, 112)]
    add(written, "L3N5, 2/7 " + " ".join(many))
    shown = written.shows(TEXT, neurons=["L0N7", "L1N42", "L2N3", "L3N5", "L2N7", *many])
    assert shown.focus == many[-1]
    expect(written.row(many[-1])).to_be_in_viewport()


def test_the_tab_key_passes_the_controls_of_the_row_in_focus_and_leaves_the_focus(written: NeuroscopePage) -> None:
    written.page.get_by_test_id("add-button").focus()
    written.page.keyboard.press("Tab")
    expect(written.row("L0N7").locator(".row")).to_be_focused()
    for stop in ("max", "min", "range-statistics", "range-min", "range-max"):
        written.page.keyboard.press("Tab")
        expect(written.row("L0N7").get_by_test_id(stop)).to_be_focused()
    written.page.keyboard.press("Tab")
    for key in ("L0N7", "L1N42", "L2N3"):
        expect(written.row(key).locator(":focus")).to_have_count(0)
    assert written.shows(TEXT).focus == "L0N7"
    for _ in range(6):
        written.page.keyboard.press("Shift+Tab")
    expect(written.row("L0N7").locator(".row")).to_be_focused()
    written.page.keyboard.press("ArrowDown")
    expect(written.row("L1N42").locator(".row")).to_be_focused()
    assert written.shows(TEXT).focus == "L1N42"
    written.page.keyboard.press("Backspace")
    written.shows(TEXT, neurons=["L0N7", "L2N3"])
    expect(written.row("L2N3").locator(".row")).to_be_focused()


def test_adding_while_a_text_is_typed(written: NeuroscopePage) -> None:
    written.editor.press("ControlOrMeta+End")
    written.page.keyboard.type(" And 3")
    add(written, "L3N5")
    written.editor.press("ControlOrMeta+End")
    written.page.keyboard.type(" more.")
    written.shows(TEXT + " And 3 more.", neurons=["L0N7", "L1N42", "L2N3", "L3N5"])


def test_removing(written: NeuroscopePage) -> None:
    written.row("L0N7").get_by_test_id("remove").click()
    assert written.shows(TEXT, neurons=["L1N42", "L2N3"]).focus == "L1N42"
    written.row("L2N3").get_by_test_id("remove").click()
    written.row("L1N42").get_by_test_id("remove").click()
    shown = written.shows(TEXT, neurons=[])
    assert shown.focus is None
    expect(written.page.get_by_test_id("neuron-row")).to_have_count(0)


def test_a_click_focuses(written: NeuroscopePage) -> None:
    written.row("L2N3").get_by_test_id("neuron-name").click()
    assert written.shows(TEXT).focus == "L2N3"
    expect(written.page.get_by_test_id("focus")).to_have_attribute("data-key", "L2N3")


def test_arrow_keys_step_through_neighbours_and_rows(written: NeuroscopePage) -> None:
    written.page.keyboard.press("ArrowRight")
    written.shows(TEXT, neurons=["L0N8", "L1N42", "L2N3"])
    written.page.keyboard.press("Shift+ArrowRight")
    written.shows(TEXT, neurons=["L1N8", "L1N42", "L2N3"])
    written.page.keyboard.press("ArrowLeft")
    assert written.shows(TEXT, neurons=["L1N7", "L1N42", "L2N3"]).focus == "L1N7"
    written.page.keyboard.press("ArrowDown")
    assert written.shows(TEXT).focus == "L1N42"
    written.page.keyboard.press("Delete")
    written.shows(TEXT, neurons=["L1N7", "L2N3"])


def test_stepping_quickly_ends_at_the_last_neuron(written: NeuroscopePage) -> None:
    for _ in range(25):
        written.page.keyboard.press("ArrowRight")
    written.shows(TEXT, neurons=["L0N32", "L1N42", "L2N3"])


def test_neighbours_are_there_before_the_server_answers(written: NeuroscopePage) -> None:
    page = written.page
    held: list[tuple[WebSocketRoute, str | bytes]] = []
    holding = False

    def pass_on(socket: WebSocketRoute) -> None:
        behind = socket.connect_to_server()
        behind.on_message(lambda message: held.append((socket, message)) if holding else socket.send(message))

    page.route_web_socket("**/ws", pass_on)
    page.reload()
    written.row("L0N7").get_by_test_id("neuron-name").click()
    page.keyboard.press("ArrowRight")
    written.shows(TEXT, neurons=["L0N8", "L1N42", "L2N3"])
    for key in ("L0N7", "L0N9", "L0N10"):
        page.evaluate(HAS_VALUES, key)
    holding = True
    for key, number in (("ArrowRight", 9), ("ArrowLeft", 8), ("ArrowLeft", 7)):
        page.keyboard.press(key)
        assert written.shows(TEXT, neurons=[f"L0N{number}", "L1N42", "L2N3"]).focus == f"L0N{number}"
    holding = False
    for socket, message in held:
        socket.send(message)
    # Values that nobody has a row for come with those of an edit, and are in nobody's way.
    written.editor.press("ControlOrMeta+End")
    page.keyboard.type(" And 3 more.")
    shown = written.shows(TEXT + " And 3 more.", neurons=["L0N7", "L1N42", "L2N3"])
    assert list(shown.values) == shown.neurons


def test_there_is_nothing_before_the_first_and_after_the_last_neuron(written: NeuroscopePage) -> None:
    add(written, "L0N0")
    written.shows(TEXT, neurons=["L0N7", "L1N42", "L2N3", "L0N0"])
    written.page.get_by_test_id("step-down").click()
    written.shows(TEXT, neurons=["L0N7", "L1N42", "L2N3", "L0N0"])
    written.page.get_by_test_id("step-up").click()
    written.shows(TEXT, neurons=["L0N7", "L1N42", "L2N3", "L0N1"])


def test_layer_and_number_can_be_typed(written: NeuroscopePage) -> None:
    written.page.get_by_test_id("focus-layer").fill("3")
    written.page.get_by_test_id("focus-layer").press("Enter")
    written.shows(TEXT, neurons=["L3N7", "L1N42", "L2N3"])
    written.page.get_by_test_id("focus-neuron").fill("500")
    written.page.get_by_test_id("focus-neuron").press("Enter")
    assert written.shows(TEXT, neurons=["L3N500", "L1N42", "L2N3"]).focus == "L3N500"


def test_header_and_rows_tell_the_extremes_of_the_text(written: NeuroscopePage) -> None:
    shown = written.shows(TEXT)
    focused = own_values(shown, "L0N7")
    assert written_near(number(written.page.get_by_test_id("text-max")), focused.max())
    assert written_near(number(written.page.get_by_test_id("text-min")), focused.min())
    own = [token for token in shown.tokens if not token["special"]]
    for key in shown.neurons:
        values = own_values(shown, key)
        assert written_near(number(written.row(key).get_by_test_id("max-value")), values.max())
        strongest = own[int(values.argmax())]["text"]
        visible = re.sub(r"^ +| +$", lambda spaces: "·" * len(spaces[0]), strongest.replace("\n", "↵"))
        expect(written.row(key).get_by_test_id("max-token")).to_have_text(visible)


def test_the_scale_is_the_neurons_and_not_the_texts(written: NeuroscopePage) -> None:
    with as_file(files("ws_server") / "demo_model" / "statistics.safetensors") as path:
        statistics = load_file(path)
        with safe_open(path, "numpy") as file:
            given = json.loads(file.metadata()["levels"])
    levels = [given.index(0.001), given.index(0.999)]
    shown = written.shows(TEXT)
    for key, scale in shown.scales.items():
        layer, neuron = (int(n) for n in key.removeprefix("L").split("N"))
        reach = float(np.abs(statistics["quantiles"][layer, neuron][levels]).max())
        assert scale == {"min": pytest.approx(-reach), "max": pytest.approx(reach)}
    expect(written.page.get_by_test_id("range-origin")).to_have_text("99.9 % of held-out text")
    written.write("1815 1815 1815")
    assert written.shows("1815 1815 1815").scales == shown.scales


def test_a_typed_range_colours_the_text_and_empty_is_automatic_again(written: NeuroscopePage) -> None:
    automatic = written.shows(TEXT).scales["L0N7"]
    for bound, value in (("max", "0.05"), ("min", "-0.02")):
        written.page.get_by_test_id(f"range-{bound}").fill(value)
        written.page.get_by_test_id(f"range-{bound}").press("Enter")
    shown = written.shows(TEXT)
    assert shown.scales["L0N7"] == {"min": -0.02, "max": 0.05}
    for bound in ("max", "min"):
        written.page.get_by_test_id(f"range-{bound}").fill("")
        written.page.get_by_test_id(f"range-{bound}").press("Enter")
    assert written.shows(TEXT).scales["L0N7"] == automatic


def test_pointing_at_a_token_tells_all_of_its_values(written: NeuroscopePage) -> None:
    shown = written.shows(TEXT)
    index = next(i for i, token in enumerate(shown.tokens) if token["text"] == " there")
    written.page.locator(".neuro-token", has_text=re.compile("^ there$")).hover()
    tooltip = written.page.get_by_test_id("token-tooltip")
    expect(tooltip.locator(".neuro-tooltip-text")).to_have_text("·there")
    expect(tooltip.locator(".neuro-tooltip-facts")).to_contain_text(f"token {index} · id {shown.tokens[index]['id']}")
    rows = tooltip.locator(".neuro-tooltip-row")
    assert rows.locator(".neuro-tooltip-key").all_inner_texts() == shown.neurons
    for i, key in enumerate(shown.neurons):
        value = shown.values[key][index]
        assert value is not None
        assert written_near(number(rows.nth(i).locator(".neuro-tooltip-value")), value)
        assert written_near(number(written.row(key).get_by_test_id("value-here")), value)


def test_strips_draw_every_neuron_at_once(neuroscope: NeuroscopePage) -> None:
    shown = neuroscope.read()
    scrolled_to = neuroscope.page.get_by_test_id("neuron-row")
    for i, key in enumerate(shown.neurons):
        scrolled_to.nth(i).scroll_into_view_if_needed()
        # Per token: how many pixels in the middle of its column have the row's colour, and how many slate.
        columns = neuroscope.row(key).locator("neuro-strip canvas").evaluate(COUNT_PIXELS, [len(shown.tokens), SLATE])
        reach = shown.scales[key]["max"]
        drawn = 0
        for value, token, (own, below) in zip(shown.values[key], shown.tokens, columns, strict=True):
            assert value is not None
            if not token["special"] and value >= reach / 8:
                drawn += 1
                assert own > 2, (key, token, value, own, below)
                assert below == 0
            elif value < 0:
                assert own == 0, (key, token, value, own, below)
        assert drawn > 0, f"{key} was chosen to fire on this text"
        strongest = int(
            np.argmax([0 if t["special"] else v for v, t in zip(shown.values[key], shown.tokens, strict=True)])
        )
        assert columns[strongest][0] == max(own for own, _ in columns)
