"""The notebook widget in a real kernel, with the real server: the example as a person runs it, and both directions."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient

from tests.server.conftest import Fleet
from tests.support.reference import parse_key

EXAMPLE = Path(__file__).parents[2] / "ws_server" / "notebook" / "example.ipynb"
SERVER_OF_EXAMPLE = "http://127.0.0.1:8740/"

# What a cell prints of the widget, for the test to hold against a plain computation.
STATE = """
import json
print(json.dumps({
    "values": widget.values.tolist(), "status": widget.status,
    "text": widget.text, "neurons": widget.neurons, "focus": widget.focus,
    "dtype": str(widget.values.dtype), "columns": list(widget.data.columns),
    "tokens": [[token.id, token.text, token.start, token.stop] for token in widget.tokens],
}))
"""


class Notebook:
    """A notebook whose cells are executed one by one, and the state of its widgets as a browser has it."""

    def __init__(self, client: NotebookClient) -> None:
        self.client = client

    async def run(self, source: str) -> str:
        """What the cell printed; it must not fail."""
        cell = nbformat.v4.new_code_cell(source)
        self.client.nb.cells.append(cell)
        await self.client.async_execute_cell(cell, len(self.client.nb.cells) - 1)
        return "".join(output.get("text", "") for output in cell.outputs)

    async def fails(self, source: str) -> str:
        """The error that the cell ends with, as it prints it."""
        return await self.run(f"try:\n    {source}\nexcept Exception as error:\n    print(type(error).__name__, error)")

    def browser_state(self, widget: str) -> dict[str, Any]:
        """The widget's state as a browser has received it; binary traits are separate buffers."""
        state: dict[str, Any] = self.client.widget_state[widget]
        return state

    def buffers(self, widget: str) -> dict[str, bytes]:
        from base64 import b64decode

        return {"".join(path): b64decode(b["data"]) for path, b in self.client.widget_buffers[widget].items()}

    def send(self, widget: str, **data: Any) -> None:
        """A message as the widget's browser side sends it."""
        assert self.client.kc is not None
        message = self.client.kc.session.msg("comm_msg", {"comm_id": widget, "data": data})
        self.client.kc.shell_channel.send(message)


@pytest.fixture
async def notebook(fleet: Fleet) -> AsyncIterator[Notebook]:
    """The example, executed against the server of these tests."""
    source = EXAMPLE.read_text(encoding="utf-8")
    assert SERVER_OF_EXAMPLE in source
    document = nbformat.reads(source.replace(SERVER_OF_EXAMPLE, fleet.url), as_version=4)
    nbformat.validate(document)
    client = NotebookClient(document, timeout=60)
    async with client.async_setup_kernel(cwd=str(EXAMPLE.parents[2])):
        for number, cell in enumerate(document.cells):
            await client.async_execute_cell(cell, number)
        yield Notebook(client)


def check(state: dict[str, Any], fleet: Fleet) -> None:
    """Ids are the tokenizer's, spans cover the text, values are those of a plain pass."""
    reference = fleet.reference()
    ids = [number for number, *_ in state["tokens"]]
    own = [token for token in state["tokens"] if token[2] < token[3]]
    assert [token[0] for token in own] == reference.ids(state["text"])
    assert [own[0][2], own[-1][3]] == [0, len(state["text"])]
    values = np.array(state["values"], np.float32)
    assert values.shape == (len(state["neurons"]), len(ids))
    assert state["columns"][-len(state["neurons"]) :] == state["neurons"]
    expected = reference.activations(ids)
    for row, key in zip(values, state["neurons"], strict=True):
        hook, index = parse_key(key)
        np.testing.assert_allclose(row, expected[hook][:, index], atol=1e-4)


async def test_the_example_and_both_directions(notebook: Notebook, fleet: Fleet) -> None:
    # The example's cells have shown what they tell of.
    outputs = [cell.get("outputs", []) for cell in notebook.client.nb.cells]
    views = [
        output["data"]["application/vnd.jupyter.widget-view+json"]["model_id"]
        for cell in outputs
        for output in cell
        if "application/vnd.jupyter.widget-view+json" in output.get("data", {})
    ]
    assert len(views) == 2
    widget = views[0]
    assert re.match(r"\(2, \d+\)\n", outputs[3][0]["text"])

    state = json.loads(await notebook.run(STATE))
    assert state["text"] == "It was the best of times. It was the worst of times."
    assert state["neurons"] == ["L1N5", "L2N42", "L2N40", "L2N41"]
    assert (state["focus"], state["status"], state["dtype"]) == ("L2N42", "ready", "float32")
    check(state, fleet)

    # What Python has set is in the browser, and so is what its editors draw.
    there = notebook.browser_state(widget)
    assert {name: there[name] for name in ("text", "neurons", "focus", "status", "problem")} == {
        "text": state["text"], "neurons": state["neurons"], "focus": "L2N42", "status": "ready", "problem": "",
    }  # fmt: skip
    assert [row["key"] for row in there["_rows"]] == state["neurons"]
    assert [token[:2] for token in there["_tokens"]] == [token[:2] for token in state["tokens"]]
    drawn = np.frombuffer(notebook.buffers(widget)["_values"], "<f4").reshape(4, -1)
    assert np.array_equal(drawn, np.array(state["values"], np.float32))

    # What a browser sends is in Python: edits as changes, neurons and focus as state. Observers are notified of each.
    await notebook.run("""
heard = []
widget.observe(lambda change: heard.append((change["name"], str(change["new"]))), ["text", "neurons", "focus"])
widget.observe(lambda change: heard.append(("values", change["new"].shape)), "values")
""")
    revision = there["_revision"]
    updates = [[{"from": 0, "to": 2, "insert": "\U0001f600 Here"}], [{"from": 7, "to": 7, "insert": "!"}]]
    edit = {"kind": "edit", "author": "a", "revision": revision, "updates": updates}
    notebook.send(widget, method="custom", content=edit)
    notebook.send(widget, method="custom", content=edit)  # on a text that is gone: it is not taken twice
    notebook.send(widget, method="update", state={"neurons": ["L2N42", "L0N3"]}, buffer_paths=[])
    notebook.send(widget, method="update", state={"focus": "L0N3"}, buffer_paths=[])
    after = json.loads(await notebook.run(STATE))
    assert after["text"] == "\U0001f600 Here! was the best of times. It was the worst of times."
    assert (after["neurons"], after["focus"]) == (["L2N42", "L0N3"], "L0N3")
    check(after, fleet)
    heard = json.loads(await notebook.run("print(json.dumps(heard))"))
    assert ["text", after["text"]] in heard
    assert ["focus", "L0N3"] in heard
    assert ["values", [2, len(after["tokens"])]] in heard
    assert await notebook.run("print(widget._revision)") == f"{revision + 2}\n"

    # What cannot be is refused in words, and nothing is lost.
    assert "L9N1 does not exist" in await notebook.fails("widget.neurons = ['L9N1']; widget.values")
    assert "is not a neuron" in await notebook.fails("widget.neurons = ['seven']")
    assert "not among the neurons" in await notebook.fails("widget.focus = 'L1N1'")
    assert "surrogate" in await notebook.fails("widget.text = '\\ud800'")
    notebook.send(
        widget, method="custom",
        content={**edit, "revision": revision + 2, "updates": [[{"from": 1, "to": 999, "insert": ""}]]},
    )  # fmt: skip
    again = json.loads(await notebook.run(STATE))
    assert {**again, "focus": None} == {**after, "focus": None}

    # Several widgets at once, each by itself; a closed one stays as it was, and a missing server is reported.
    told = await notebook.run(f"""
from ws_server.client import Disconnected
other = neuroscope.Widget("Another text \\U0001f600.", "L0N7", url={fleet.url!r})
print(other.values.shape[0], widget.values.shape[0], other.tokens[-1].stop == len(other.text))
other.close()
print(other.status)
lost = neuroscope.Widget("x", "L0N7", url="http://127.0.0.1:9/")
try:
    lost.values
except Disconnected as error:
    print(error)
print(lost.status, lost.problem, lost.neurons)
lost.close()
""")
    lines = told.splitlines()
    assert lines[:2] == ["1 2 True", "closed"]
    assert all("no server at ws://127.0.0.1:9/ws" in line and "neuroscope serve" in line for line in lines[2:])
    assert lines[3].startswith("waiting ")
    assert lines[3].endswith("['L0N7']")

    # While a cell holds the kernel, nothing is lost; between cells the loop is free, and observers hear without a read.
    held = await notebook.run("""
import asyncio, time
heard.clear()
came = asyncio.Event()
widget.observe(lambda change: came.set(), "values")
widget.text = "Held for a moment."
time.sleep(0.2)  # the cell that holds it
before = list(heard)
await asyncio.wait_for(came.wait(), 10)
print(before == [("text", "Held for a moment.")], heard[-1][0])
""")
    assert held == "True values\n"


async def test_the_example_is_kept_without_what_it_shows() -> None:
    cells = json.loads(EXAMPLE.read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert code
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
