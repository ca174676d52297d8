"""The notebook widget as it is seen and typed into: its view in a page, its other half in a real kernel."""

from __future__ import annotations

import json
import struct
from base64 import b64decode
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.neuroscope_page import CHARACTERS, LINES, NeuroscopePage, Shown
from tests.browser.reference import Reference
from tests.support.kernel import Kernel
from tests.support.server import ServerProcess
from tests.support.site import OtherSite

# What a notebook does for the view: it keeps the state, and carries messages.
PAGE = """
<!doctype html><meta charset="utf-8"><title>A notebook</title>
<style>body { margin: 20px; background: white } body.night { background: #111 } section { margin-bottom: 20px }</style>
<section></section><section></section>
<script type="module">
import widget from "/notebook.js";
const listeners = new Map();
const state = {}, changed = {};
const view = (value) => value?.base64 === undefined ? value
    : new DataView(Uint8Array.from(atob(value.base64), (unit) => unit.charCodeAt(0)).buffer);
const tell = (event, ...about) => { for (const listener of [...(listeners.get(event) ?? [])]) listener(...about); };
const model = {
    get: (name) => state[name],
    set(name, value) { state[name] = changed[name] = value; tell(`change:${name}`); tell("change"); },
    save_changes() {
        toKernel({ method: "update", state: { ...changed }, buffer_paths: [] });
        for (const name of Object.keys(changed)) delete changed[name];
    },
    send(content) { toKernel({ method: "custom", content }); },
    on(event, listener) { listeners.set(event, [...(listeners.get(event) ?? []), listener]); },
    off(event, listener) { listeners.set(event, (listeners.get(event) ?? []).filter((other) => other !== listener)); },
};
window.fromKernel = ({ method, state: told = {}, content }) => {
    if (method === "custom") tell("msg:custom", content, []);
    if (method !== "update") return;
    for (const [name, value] of Object.entries(told)) state[name] = view(value);
    for (const name of Object.keys(told)) tell(`change:${name}`);
    tell("change");
};
const { render } = widget();
window.begin = (told) => { for (const [name, value] of Object.entries(told)) state[name] = view(value); };
window.show = (number) => render({ model, el: document.querySelectorAll("section")[number] });
window.loaded = true;
</script>
"""

DRAWN = f"""
async (editor) => {{
    const linesOf = {LINES};
    const frame = () => new Promise(requestAnimationFrame);
    await frame();
    await frame();
    return linesOf(editor);
}}
"""

# The editor's text alone, without the signs in it.
TEXT = f"""(editor) => ({LINES})(editor).map((line) => line.map(([piece]) => piece).join("")).join("\\n")"""


class Notebook:
    """A page with two places for views of one widget, and the kernel that has its other half."""

    def __init__(self, page: Page, kernel: Kernel, reference: Reference) -> None:
        self.page = page
        self.kernel = kernel
        self.widget = ""
        self._checker = NeuroscopePage(page, reference)
        page.expose_function("toKernel", lambda data: kernel.send(self.widget, data))

    def open(self, address: str, source: str) -> None:
        self.page.goto(address)
        self.page.wait_for_function("window.loaded")
        self.kernel.run(source)
        self.widget = self.kernel.run("print(widget.model_id)").strip()
        self.page.evaluate("begin", self.state)
        self.kernel.on_comm = self._told
        self.page.evaluate("void show(0)")

    def _told(self, comm: str, data: dict[str, Any]) -> None:
        if comm == self.widget:
            self.page.evaluate("fromKernel", data)

    @property
    def state(self) -> dict[str, Any]:
        """What the kernel has told of the widget."""
        return self.kernel.state[self.widget]

    def part(self, selector: str, view: int = 0) -> Locator:
        return self.page.locator("section").nth(view).locator(selector)

    def editor(self, view: int = 0) -> Locator:
        return self.part(".cm-content", view)

    def text(self, view: int = 0) -> str:
        text: str = self.editor(view).evaluate(TEXT)
        return text

    def lines(self, view: int = 0) -> list[Any]:
        lines: list[Any] = self.editor(view).evaluate(DRAWN)
        return lines

    def shows(self, text: str, neurons: list[str], view: int = 0) -> None:
        """Waits until the view has this text and all its values: what it shows is then what a plain pass gives."""
        self.kernel.pump(
            lambda: (
                (self.state["text"], self.state["neurons"], self.state["status"]) == (text, neurons, "ready")
                # Neurons that the view sets come back before the status says that they are being computed.
                and [row["key"] for row in self.state["_rows"]] == neurons
                and self.text(view) == text
            )
        )
        rows, tokens = self.state["_rows"], self.state["_tokens"]
        spans = unpacked(self.state["_spans"], "i")
        values = unpacked(self.state["_values"], "f")
        width = len(tokens)
        shown = Shown(
            version=0,
            text=text,
            settled=True,
            neurons=[row["key"] for row in rows],
            focus=self.state["focus"],
            tokens=[
                {"id": number, "text": piece, "special": bool(flags & 1), "segment": bool(flags & 2)}
                | {"from": spans[2 * i], "to": spans[2 * i + 1]}
                for i, (number, piece, flags) in enumerate(tokens)
            ],
            values={row["key"]: list(values[i * width : (i + 1) * width]) for i, row in enumerate(rows)},
            scales={row["key"]: scale(row["statistics"]) for row in rows},
            lines=self.lines(view),
            characters=self.page.evaluate(CHARACTERS, text),
        )
        assert shown.neurons == neurons
        self._checker.check(shown)


def unpacked(trait: dict[str, str], kind: str) -> tuple[Any, ...]:
    data = b64decode(trait["base64"])
    return struct.unpack(f"<{len(data) // 4}{kind}", data)


def scale(statistics: dict[str, Any]) -> dict[str, float]:
    """As far as the lowest quantile from 0.999 on, or its counterpart below."""
    level = min((level for level in statistics["quantiles"] if float(level) >= 0.999), key=float)
    below = [value for name, value in statistics["quantiles"].items() if abs(float(name) - 1 + float(level)) < 1e-9]
    reach = max(abs(value) for value in [statistics["quantiles"][level], *below])
    return {"min": -reach, "max": reach}


@pytest.fixture
def kernel() -> Iterator[Kernel]:
    kernel = Kernel()
    yield kernel
    kernel.stop()


def test_a_view_and_its_kernel(
    page: Page, kernel: Kernel, server: ServerProcess, reference: Reference, elsewhere: OtherSite
) -> None:
    script = (files("ws_server") / "static" / "notebook.js").read_bytes()
    elsewhere.pages["/notebook.js"] = {"Content-Type": "text/javascript"}, script
    elsewhere.pages["/notebook.html"] = {"Content-Type": "text/html; charset=utf-8"}, PAGE.encode()
    notebook = Notebook(page, kernel, reference)
    text, keys = '"Good morning!" cried he.', ["L2N99", "L1N748"]
    notebook.open(
        elsewhere.origin + "/notebook.html",
        f"import ws_server.notebook as neuroscope\nwidget = neuroscope.Widget({text!r}, {keys!r}, url={server.url!r})",
    )
    notebook.shows(text, keys)
    expect(notebook.part("[data-testid=status]")).to_have_text("neuroscope-demo")

    # Typing reaches Python, and the values that Python has come back as colours.
    notebook.editor().press("ControlOrMeta+End")
    page.keyboard.type(" In 1812,\n\tat Kellynch")
    page.keyboard.insert_text(" \U0001f600!")
    text += " In 1812,\n\tat Kellynch \U0001f600!"
    notebook.shows(text, keys)
    told = json.loads(kernel.run("import json; print(json.dumps([widget.text, widget.values.tolist()]))"))
    drawn = unpacked(notebook.state["_values"], "f")
    assert told == [text, [list(drawn[: len(drawn) // 2]), list(drawn[len(drawn) // 2 :])]]

    # Keys are no commands of the notebook, but the one that saves it.
    editor = notebook.part("div").first
    expect(editor).to_have_attribute("data-lm-suppress-shortcuts", "")
    page.evaluate("addEventListener('keydown', (event) => event.preventDefault(), { once: true })")
    page.keyboard.press("Control+s")
    expect(editor).not_to_have_attribute("data-lm-suppress-shortcuts", "")

    # While the kernel hears nothing, colours stay with their tokens, and a message says so.
    before = [piece for line in notebook.lines() for piece in line]
    notebook.editor().press("ControlOrMeta+Home")
    page.keyboard.type("Then ")
    page.keyboard.press("Delete")
    text = "Then " + text[1:]
    expect(notebook.part("[data-testid=status]")).to_contain_text("The kernel is busy")
    after = [piece for line in notebook.lines() for piece in line]
    assert notebook.text() == text
    drawn_before = [(unit, colour) for piece, colour, _ in before for unit in piece]
    drawn_after = [(unit, colour) for piece, colour, _ in after for unit in piece]
    assert drawn_after[len("Then ") :] == drawn_before[1:]

    # Meanwhile Python edits, too: neither edit is lost, and both sides have the same text.
    kernel.run("widget.text = widget.text.replace('cried', 'said') + ' So be it.'")
    text = text.replace("cried", "said") + " So be it."
    notebook.shows(text, keys)
    assert kernel.run("print(widget.text == " + repr(text) + ")") == "True\n"

    # What was typed here can be undone; what Python did stays.
    notebook.editor().press("ControlOrMeta+z")
    kernel.pump(lambda: notebook.text() != text)
    text = notebook.text()
    assert "said he" in text
    assert text.endswith(" So be it.")
    notebook.shows(text, keys)

    # Another view of the same widget, which both edit.
    page.evaluate("void (window.end = show(1))")
    notebook.shows(text, keys, view=1)
    notebook.editor(1).press("ControlOrMeta+End")
    page.keyboard.type(" Twice.")
    notebook.shows(text + " Twice.", keys, view=0)
    notebook.shows(text + " Twice.", keys, view=1)
    text += " Twice."
    page.evaluate("end()")
    expect(page.locator("section").nth(1)).to_be_empty()

    # Neurons: a click brings one into focus, more are added and taken away; Python and the view agree.
    notebook.part("[data-key=L1N748]").click()
    kernel.pump(lambda: notebook.state["focus"] == "L1N748")
    notebook.part("input").fill("no neuron")
    page.keyboard.press("Enter")
    expect(notebook.part("[data-testid=status]")).to_contain_text("is not a neuron")
    notebook.part("input").fill("3/615, L0N125-126")
    page.keyboard.press("Enter")
    keys = ["L2N99", "L1N748", "L3N615", "L0N125", "L0N126"]
    notebook.shows(text, keys)
    notebook.part("[aria-label='Remove L1N748']").click()
    keys.remove("L1N748")
    notebook.shows(text, keys)
    assert kernel.run("print(widget.focus, widget.neurons)") == f"L2N99 {keys}\n"
    kernel.run("widget.neurons = ['L2N99', 'L7N1']")
    kernel.pump(lambda: "L7N1 does not exist" in notebook.state["problem"])
    notebook.shows(text, keys)
    expect(notebook.part("[data-testid=status]")).to_contain_text("L7N1 does not exist")

    # A tooltip stands outside of the output, and all follows a notebook that turns dark.
    notebook.part(".neuro-token").nth(3).hover()
    tooltip = page.get_by_test_id("token-tooltip")
    expect(tooltip).to_contain_text("L0N126")
    light = tooltip.evaluate("(element) => getComputedStyle(element).backgroundColor")
    page.evaluate("document.body.className = 'night'")
    expect(notebook.editor()).to_have_css("color-scheme", "dark")
    assert tooltip.evaluate("(element) => getComputedStyle(element).backgroundColor") != light

    # The end of the widget is reported, too; what it shows stays.
    kernel.run("widget.close()")
    kernel.pump(lambda: notebook.state["status"] == "closed")
    expect(notebook.part("[data-testid=status]")).to_have_text("Closed")
    expect(notebook.part("[data-testid=neuron]")).to_have_count(len(keys))

    # Without a server there are the text, the neurons, and what to do.
    kernel.run("widget = neuroscope.Widget('Nobody answers.', ['L2N99', 'L1N748'], url='http://127.0.0.1:9/')")
    notebook.widget = kernel.run("print(widget.model_id)").strip()
    kernel.pump(lambda: notebook.state["status"] == "waiting")
    page.reload()
    page.wait_for_function("window.loaded")
    page.evaluate("begin", notebook.state)
    page.evaluate("void show(0)")
    expect(notebook.part("[data-testid=status]")).to_contain_text("start one with `neuroscope serve`")
    expect(notebook.part("[data-testid=neuron]")).to_have_count(2)
    assert notebook.text() == "Nobody answers."
