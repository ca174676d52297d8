"""The heatmap: its pixels against the values, its orders, its cursor, its zoom, its keys."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import pytest
from playwright.sync_api import Page, WebSocketRoute, expect

from tests.browser.neuroscope_page import STEPS, NeuroscopePage, Shown
from tests.browser.reference import Reference
from tests.support.server import ServerProcess

T = TypeVar("T")

TEXT = 'In 1815 there were 12 ships,\n"and no more," said Anne to the Captain; 12 ships.'
NEURONS = ["L0N7", "L1N42", "L2N3", "L0N125", "L3N615", "L1N748", "L2N99", "L0N468", "L3N1019"]
SLATE = np.array([118, 127, 138])
WHITE = np.array([255, 255, 255])
CURVE, BELOW, FADED = 0.62, 0.6, 0.4
"""How a bucket's strength grows, what of it a negative value gets, and what is left of a stale one."""

# After the frame in which the last change was drawn: where the cells are, and the colours in the middle of each.
READ = """
async (canvas) => {
    await new Promise(requestAnimationFrame);
    await new Promise(requestAnimationFrame);
    const { host } = canvas.getRootNode();
    const geometry = host.geometry;
    const { left, top, keys, x, y, cellWidth, cellHeight } = geometry;
    const density = devicePixelRatio;
    const { data, width } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    const at = (across, down) => {
        const start = (Math.floor(down * density) * width + Math.floor(across * density)) * 4;
        return [...data.subarray(start, start + 3)];
    };
    const columns = Math.min(window.neuroscope.tokens.length, Math.floor(x + (canvas.clientWidth - left) / cellWidth));
    const rows = Math.min(keys.length, Math.floor(y + (canvas.clientHeight - top) / cellHeight));
    const first = { row: Math.ceil(y), column: Math.ceil(x) };
    const middle = (row, column) => at(left + (column + 0.5 - x) * cellWidth, top + (row + 0.5 - y) * cellHeight);
    const cells = [];
    for (let row = first.row; row < rows; row++) {
        cells.push(Array.from({ length: columns - first.column }, (_, i) => middle(row, first.column + i)));
    }
    const swatches = keys.slice(first.row, rows).map((_, i) => at(2, top + (first.row + i + 0.5 - y) * cellHeight));
    return { geometry, first, cells, swatches };
}
"""

EDGES = """
async ([canvas, row, column]) => {
    await new Promise(requestAnimationFrame);
    await new Promise(requestAnimationFrame);
    const { left, top, x, y, cellWidth, cellHeight } = canvas.getRootNode().host.geometry;
    const context = canvas.getContext("2d");
    const at = (x, y) => [...context.getImageData(Math.floor(x), Math.floor(y), 1, 1).data.subarray(0, 3)];
    const edge = { across: left + (column - x) * cellWidth, down: top + (row - y) * cellHeight };
    return {
        column: at(Math.round(edge.across) - 1, edge.down + cellHeight / 2),
        row: at(edge.across + cellWidth / 2, Math.round(edge.down) - 1),
    };
}
"""


@dataclass(frozen=True)
class Picture:
    """What the canvas shows: whole cells only."""

    keys: list[str]
    left: float
    top: float
    x: float
    y: float
    width: float
    height: float
    row: int
    column: int
    cells: np.ndarray
    """[rows, columns, 3], from `row` and `column` on."""
    swatches: np.ndarray
    """[rows, 3]"""

    def middle(self, row: int, column: int) -> dict[str, float]:
        """A point of the canvas, in CSS pixels."""
        return {
            "x": self.left + (column + 0.5 - self.x) * self.width,
            "y": self.top + (row + 0.5 - self.y) * self.height,
        }


class Heatmap:
    def __init__(self, neuroscope: NeuroscopePage) -> None:
        self.neuroscope = neuroscope
        self.page = neuroscope.page
        self.canvas = self.page.get_by_test_id("heatmap-canvas")
        self.grid = self.page.get_by_test_id("heatmap")
        self.readout = self.page.get_by_test_id("heatmap-readout")

    def read(self) -> Picture:
        read = self.canvas.evaluate(READ)
        geometry, first = read["geometry"], read["first"]
        return Picture(
            geometry["keys"], geometry["left"], geometry["top"], geometry["x"], geometry["y"], geometry["cellWidth"],
            geometry["cellHeight"], first["row"], first["column"], np.array(read["cells"]), np.array(read["swatches"]),
        )  # fmt: skip

    def hover(self, row: int, column: int) -> None:
        self.canvas.hover(position=self.read().middle(row, column))  # type: ignore[arg-type]

    def click(self, row: int, column: int) -> None:
        self.canvas.click(position=self.read().middle(row, column))  # type: ignore[arg-type]

    def edges(self, row: int, column: int) -> dict[str, list[int]]:
        """Colours just beside a cell: left of its column, above its row."""
        return self.page.evaluate(EDGES, [self.canvas.element_handle(), row, column])  # type: ignore[no-any-return]

    def ordered(self, keys: list[str]) -> None:
        """Wait until the rows stand so."""
        self.until(lambda: self.read().keys, lambda found: found == keys)

    def until(self, read: Callable[[], T], holds: Callable[[T], bool]) -> T:
        """Ask until the answer is right; each look takes two frames."""
        for _ in range(300):
            if holds(found := read()):
                return found
        raise AssertionError(f"still {found}")


def expected(values: np.ndarray, reach: np.ndarray, inks: np.ndarray, fade: float = 1) -> np.ndarray:
    """Colours of [rows, tokens], each row on its own reach and in its own ink: [rows, tokens, 3]."""
    buckets = np.minimum(STEPS, np.floor(np.abs(values) / reach[:, None] * STEPS + 0.5))
    strength = (buckets / STEPS) ** CURVE * np.where(values < 0, BELOW, 1) * fade
    colours = np.where((values < 0)[..., None], SLATE, inks[:, None, :])
    mixed: np.ndarray = WHITE + (colours - WHITE) * strength[..., None]
    return mixed


def values_of(shown: Shown, keys: list[str]) -> np.ndarray:
    return np.array([shown.values[key] for key in keys], dtype=float)


def reach_of(shown: Shown, keys: list[str]) -> np.ndarray:
    return np.array([shown.scales[key]["max"] for key in keys])


def check(picture: Picture, shown: Shown, reach: np.ndarray | None = None, fade: float = 1) -> None:
    """Every whole cell has its value's colour, save those beside the cursor's outline."""
    rows, columns = picture.cells.shape[:2]
    keys = picture.keys[picture.row : picture.row + rows]
    values = values_of(shown, keys)[:, picture.column : picture.column + columns]
    colours = expected(values, reach_of(shown, keys) if reach is None else reach, picture.swatches, fade)
    assert np.abs(picture.cells - colours).max() <= 1.5


def clusters(distances: np.ndarray) -> list[set[int]]:
    """Average linkage by its definition: every set of rows that is joined."""
    groups = [{i} for i in range(len(distances))]
    joined = []
    while len(groups) > 1:
        pairs = [(i, j) for i in range(len(groups)) for j in range(i)]
        i, j = min(pairs, key=lambda pair: distances[np.ix_(list(groups[pair[0]]), list(groups[pair[1]]))].mean())
        groups = [group for k, group in enumerate(groups) if k not in (i, j)] + [groups[i] | groups[j]]
        joined.append(groups[-1])
    return joined


@pytest.fixture
def heatmap(page: Page, server: ServerProcess, reference: Reference) -> Heatmap:
    """The heatmap of TEXT and NEURONS, the pointer away from it."""
    page.route("**/opening.json", lambda route: route.fulfill(json={"text": TEXT, "neurons": NEURONS}))
    neuroscope = NeuroscopePage(page, reference).open(server.url)
    page.get_by_test_id("toggle-heatmap").click()
    return Heatmap(neuroscope)


def test_cells_have_the_colours_of_their_values(heatmap: Heatmap) -> None:
    page = heatmap.page
    shown = heatmap.neuroscope.shows(TEXT, neurons=NEURONS)
    picture = heatmap.read()
    assert picture.keys == NEURONS
    assert picture.cells.shape == (len(NEURONS), len(shown.tokens), 3)
    check(picture, shown)
    # Nine rows, nine hues.
    assert len({tuple(swatch) for swatch in picture.swatches}) == len(NEURONS)

    page.get_by_test_id("heatmap-scale").select_option("common")
    check(heatmap.read(), shown, np.full(len(NEURONS), reach_of(shown, NEURONS).max()))
    page.get_by_test_id("heatmap-scale").select_option("own")

    # Every edit is in it.
    heatmap.neuroscope.editor.press("ControlOrMeta+End")
    page.keyboard.type(" 1815")
    longer = heatmap.neuroscope.shows(f"{TEXT} 1815", neurons=NEURONS)
    check(heatmap.read(), longer)

    # A hidden row is left out, a typed range colours its row.
    page.locator("neuro-page").evaluate("(page, key) => page.workbench.rows.hide(key, true)", NEURONS[1])
    page.locator("neuro-page").evaluate(
        "(page, key) => page.workbench.rows.setRange(key, {min: null, max: 0.1})", NEURONS[0]
    )
    picture = heatmap.read()
    assert picture.keys == [NEURONS[0], *NEURONS[2:]]
    reach = reach_of(longer, picture.keys)
    values = values_of(longer, picture.keys)
    positive = np.where(values >= 0, values, 0)
    reach[0] = 0.1
    colours = expected(positive, reach, picture.swatches)
    assert np.abs((picture.cells - colours)[values >= 0]).max() <= 1.5
    page.get_by_test_id("heatmap-close").click()
    expect(heatmap.grid).to_have_count(0)


def test_rows_stand_by_maximum_or_like_beside_like(heatmap: Heatmap) -> None:
    page = heatmap.page
    shown = heatmap.neuroscope.shows(TEXT, neurons=NEURONS)
    own = [i for i, token in enumerate(shown.tokens) if not token["special"]]
    values = values_of(shown, NEURONS)[:, own]

    page.get_by_test_id("heatmap-sort").select_option("max")
    heatmap.ordered([NEURONS[i] for i in np.argsort(-values.max(axis=1), kind="stable")])
    check(heatmap.read(), shown)

    page.get_by_test_id("heatmap-sort").select_option("similarity")
    joined = clusters(1 - np.corrcoef(values))

    def together(keys: list[str]) -> bool:
        places = [keys.index(key) for key in NEURONS]
        spans = [[places[i] for i in group] for group in joined]
        return all(max(span) - min(span) == len(span) - 1 for span in spans)

    assert not together(NEURONS), "the rows would have to be sorted"
    found = heatmap.until(lambda: heatmap.read().keys, together)
    check(heatmap.read(), shown)

    # While the text changes rows keep their places; when it rests, the order is the new text's.
    heatmap.neuroscope.write("12 ships, 12 ships, and the Captain said no")
    again = heatmap.neuroscope.shows("12 ships, 12 ships, and the Captain said no", neurons=NEURONS)
    own = [i for i, token in enumerate(again.tokens) if not token["special"]]
    joined = clusters(1 - np.corrcoef(values_of(again, NEURONS)[:, own]))
    assert not together(found), "the order would have to change"
    heatmap.until(lambda: heatmap.read().keys, together)

    page.get_by_test_id("heatmap-sort").select_option("order")
    heatmap.ordered(NEURONS)


def test_the_cursor_is_shared_with_the_text_and_the_rows(heatmap: Heatmap) -> None:
    page, neuroscope = heatmap.page, heatmap.neuroscope
    shown = neuroscope.shows(TEXT, neurons=NEURONS)
    token = next(i for i, t in enumerate(shown.tokens) if t["text"] == " there")
    row = 4
    page_colour = list(WHITE)
    heatmap.hover(row, token)
    expect(neuroscope.editor.locator(".neuro-marked")).to_have_text(" there")
    expect(neuroscope.row(NEURONS[row])).to_have_class(re.compile("pointed"))
    expect(heatmap.readout).to_have_attribute("data-key", NEURONS[row])
    expect(heatmap.readout).to_contain_text(f"token {token}")
    value = shown.values[NEURONS[row]][token]
    assert value is not None
    written = page.get_by_test_id("heatmap-value").inner_text().replace("\N{MINUS SIGN}", "-")
    assert abs(float(written) - value) <= 0.0006
    expect(neuroscope.row(NEURONS[row]).get_by_test_id("value-here")).to_have_text(
        page.get_by_test_id("heatmap-value").inner_text()
    )
    edges = heatmap.edges(row, token)
    assert edges["row"] != page_colour
    assert edges["column"] != page_colour

    heatmap.click(row, token)
    expect(page.get_by_test_id("focus")).to_have_attribute("data-key", NEURONS[row])
    page.mouse.move(5, 5)
    expect(heatmap.readout).to_have_attribute("data-token", str(token))  # the keyboard is on the cell
    expect(page.get_by_test_id("cursor")).to_contain_text("·there")  # the caret is there now
    expect(page.get_by_test_id("cursor")).to_contain_text("at the caret")

    # The other way round: the text's token is a column.
    other = next(i for i, t in enumerate(shown.tokens) if t["text"] == " more")
    accent = heatmap.edges(0, token)["column"]
    assert heatmap.edges(0, other)["column"] != accent
    page.locator(".neuro-token", has_text=re.compile("^ more$")).hover()
    assert heatmap.edges(0, other)["column"] == accent
    # And a row of the list is a row.
    neuroscope.row(NEURONS[2]).get_by_test_id("neuron-name").hover()
    assert heatmap.edges(2, 0)["row"] == accent


def test_zoom_keeps_what_the_pointer_is_on_and_dragging_moves(heatmap: Heatmap) -> None:
    page = heatmap.page
    shown = heatmap.neuroscope.shows(TEXT, neurons=NEURONS)
    whole = heatmap.read()
    heatmap.hover(3, 9)
    for _ in range(12):
        page.keyboard.down("Control")
        page.mouse.wheel(0, -120)
        page.keyboard.up("Control")
    near = heatmap.until(heatmap.read, lambda picture: picture.width > 2 * whole.width)
    expect(heatmap.readout).to_have_attribute("data-token", "9")
    page.mouse.move(5, 5)
    check(heatmap.read(), shown)

    box = heatmap.canvas.bounding_box()
    assert box is not None
    start = (box["x"] + box["width"] / 2, box["y"] + box["height"] - 12)
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(start[0] - 3 * near.width, start[1], steps=6)
    page.mouse.up()
    moved = heatmap.read()
    assert moved.x == pytest.approx(near.x + 3, abs=0.1)
    expect(page.get_by_test_id("focus")).to_have_attribute("data-key", shown.focus or "")
    page.mouse.move(*start)
    page.mouse.wheel(-10_000, 0)
    assert heatmap.until(heatmap.read, lambda picture: picture.x == 0).width == near.width
    page.mouse.move(5, 5)
    check(heatmap.read(), shown)
    page.get_by_test_id("heatmap-fit").click()
    assert heatmap.read().width == whole.width


def test_it_is_a_grid_for_the_keyboard(heatmap: Heatmap) -> None:
    page, neuroscope = heatmap.page, heatmap.neuroscope
    shown = neuroscope.shows(TEXT, neurons=NEURONS)
    last = len(shown.tokens) - 1
    heatmap.grid.focus()
    cell = page.get_by_test_id("heatmap-cell")

    def at(row: int, column: int) -> None:
        key = NEURONS[row]
        value = shown.values[key][column]
        assert value is not None
        expect(cell).to_have_attribute("aria-colindex", str(column + 1))
        expect(cell).to_contain_text(f"token {column}, {key}: ")
        written = float(cell.inner_text().rsplit(" ", 1)[1].replace("\N{MINUS SIGN}", "-"))
        assert abs(written - value) <= 0.0006
        expect(heatmap.grid).to_have_attribute("aria-activedescendant", cell.get_attribute("id") or "")
        expect(heatmap.readout).to_have_attribute("data-token", str(column))

    page.keyboard.press("Control+Home")
    at(0, 0)
    low = len(NEURONS) - 1
    for key, row, column in [
        ("ArrowRight", 0, 1),
        ("ArrowDown", 1, 1),
        ("ArrowLeft", 1, 0),
        ("ArrowLeft", 1, 0),
        ("End", 1, last),
        ("ArrowUp", 0, last),
        ("Control+End", low, last),
        ("Home", low, 0),
        ("ArrowUp", low - 1, 0),
    ]:
        page.keyboard.press(key)
        at(row, column)
    page.keyboard.press("Control+ArrowRight")
    at(len(NEURONS) - 2, 10)
    text = shown.tokens[10]["text"]
    expect(neuroscope.editor.locator(".neuro-marked")).to_have_text(text)
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("focus")).to_have_attribute("data-key", NEURONS[-2])
    # Zoomed in, the cell stays in view wherever it goes.
    for _ in range(8):
        page.keyboard.press("+")
    near = heatmap.read()
    assert near.width > 40
    page.keyboard.press("End")
    seen = heatmap.until(heatmap.read, lambda picture: picture.x > near.x)
    assert seen.column + seen.cells.shape[1] == last + 1
    page.keyboard.press("0")
    assert heatmap.until(heatmap.read, lambda picture: picture.width < near.width).x == 0

    # The dock's edge is moved by keys too.
    before = heatmap.canvas.bounding_box()
    page.get_by_test_id("dock-handle").press("ArrowUp")
    heatmap.until(heatmap.canvas.bounding_box, lambda box: (box or {})["height"] > (before or {})["height"])
    page.keyboard.press("F8")
    expect(heatmap.grid).to_have_count(0)


def test_late_values_are_drawn_faded(page: Page, server: ServerProcess, reference: Reference) -> None:
    page.route("**/opening.json", lambda route: route.fulfill(json={"text": TEXT, "neurons": NEURONS}))
    held: list[str | bytes] = []
    holding = False

    def between(socket: WebSocketRoute) -> None:
        upstream = socket.connect_to_server()

        def downwards(message: str | bytes) -> None:
            if holding and json.loads(message).get("method", "").startswith("activations/"):
                held.append(message)
            else:
                socket.send(message)

        upstream.on_message(downwards)

    page.route_web_socket(re.compile(r"/ws$"), between)
    heatmap = Heatmap(NeuroscopePage(page, reference).open(server.url))
    page.keyboard.press("F8")
    before = heatmap.neuroscope.shows(TEXT, neurons=NEURONS)
    check(heatmap.read(), before)
    holding = True
    heatmap.neuroscope.editor.press("ControlOrMeta+Home")
    page.keyboard.type("x")
    # What stands after the edit is of an older text; the new token has no value yet.
    texts = heatmap.until(
        lambda: [token["text"] for token in heatmap.neuroscope.read().tokens], lambda texts: texts[1].startswith("x")
    )
    changed = len(texts)
    shift = changed - len(before.tokens)
    keys = NEURONS
    stale = values_of(before, keys)[:, 6:]

    def faded(picture: Picture) -> bool:
        colours = expected(stale, reach_of(before, keys), picture.swatches, FADED)
        return picture.cells.shape[1] == changed and bool(np.abs(picture.cells[:, 6 + shift :] - colours).max() <= 1.5)

    heatmap.until(heatmap.read, faded)
