"""The terminal frontend, driven by Textual's pilot; on a scripted server, whose values are known."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from timeit import repeat
from typing import Any

import numpy as np
import pytest
from rich.style import Style
from textual.geometry import Region
from textual.pilot import Pilot
from textual.widgets import Input, Static

from tests.support.server import run_command
from ws_server.client import Client, Document
from ws_server.conformance.scripted import LAYERS, NEURONS, ScriptedServer
from ws_server.tui.app import NeuroscopeTerminal
from ws_server.tui.colour import GROUND, INKS, SLATE, bars, reach, wash

TEXT = "one two three\nfour \U0001f600 five"
KEYS = ["L0N1", "L1N2"]


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    async with ScriptedServer() as server:
        yield server


async def until(pilot: Pilot[str | None], condition: Callable[[], bool]) -> None:
    """Lets the app run until the condition holds."""
    deadline = asyncio.get_running_loop().time() + 20
    while not condition():
        assert asyncio.get_running_loop().time() < deadline
        await pilot.pause()


def settled(app: NeuroscopeTerminal) -> Document:
    assert app.document is not None
    assert app.document.is_settled
    return app.document


async def opened(app: NeuroscopeTerminal, pilot: Pilot[str | None]) -> None:
    await until(pilot, lambda: app.document is not None and app.document.is_settled)
    await pilot.pause()


def shown(app: NeuroscopeTerminal, name: str) -> str:
    return str(app.query_one(f"#{name}", Static).render())


def check_colours(app: NeuroscopeTerminal) -> None:
    """Every character of the editor has the colour of its token's value."""
    document, key = settled(app), app.focus_key
    assert key is not None
    values = document.values([key])[0]
    row = app.keys.index(key)
    strongest = reach(app._client.neurons[row], values)
    expected = {}
    for token, value in zip(document.tokens, values.tolist(), strict=True):
        for offset in range(token.start, token.stop):
            expected[offset] = wash(value, strongest, INKS[row])
    coloured = 0
    # What is drawn, short lines in a wide terminal: a row a line. The cell under the caret has the caret's colours.
    for number, text in enumerate(app.editor.document.lines):
        drawn = [(character, segment.style) for segment in app.editor.render_line(number) for character in segment.text]
        for column, (character, style) in enumerate(drawn[: len(text)]):
            assert character == text[column]
            if (number, column) == app.editor.cursor_location:
                continue
            wanted = expected[app.editor.offset_of(number) + column].bgcolor
            assert style is not None
            if wanted is not None:
                assert style.bgcolor == wanted
                coloured += 1
    assert coloured > 5


async def test_typing_colours_the_text_and_fills_the_rows(server: ScriptedServer) -> None:
    app = NeuroscopeTerminal(Client(server.url), TEXT, KEYS)
    async with app.run_test(size=(120, 30)) as pilot:
        await opened(app, pilot)
        check_colours(app)
        await pilot.press("ctrl+end", "space", "s", "i", "x")
        await opened(app, pilot)
        assert settled(app).text == app.editor.text == TEXT + " six"
        check_colours(app)
        side = shown(app, "side")
        last = settled(app).values()[:, -1]
        assert "at ' six', token" in side
        for key, value in zip(KEYS, last, strict=True):
            assert f"{key:<10}{value:9.3f}" in side
        assert "connected" in shown(app, "status")
        await pilot.press("ctrl+home", "enter", "enter")
        await opened(app, pilot)
        check_colours(app)


async def test_neurons_are_added_stepped_and_removed(server: ScriptedServer) -> None:
    app = NeuroscopeTerminal(Client(server.url), TEXT, KEYS)
    async with app.run_test(size=(120, 30)) as pilot:
        await opened(app, pilot)
        assert app.focus_key == "L1N2"
        await pilot.press("f2", *"L0N5", "enter")
        await until(pilot, lambda: app.keys == [*KEYS, "L0N5"])
        assert app.focus_key == "L0N5"
        assert app.focused is app.editor
        await pilot.press("alt+right")
        await until(pilot, lambda: app.keys == [*KEYS, "L0N6"])
        await pilot.press("alt+up", "alt+up")
        assert app.focus_key == "L0N1"
        await pilot.press("f8")
        await until(pilot, lambda: app.keys == ["L1N2", "L0N6"])
        assert app.focus_key == "L1N2"
        await opened(app, pilot)
        check_colours(app)
        await pilot.press("f2", *"L9N9", "enter")
        await until(pilot, lambda: "L9N9 does not exist" in shown(app, "status"))
        assert app.keys == ["L1N2", "L0N6"]
        await pilot.press("f2", "x", "escape")
        assert app.query_one("#add", Input).value == ""
        assert app.focused is app.editor


async def test_the_top_neurons_at_the_caret_are_added(server: ScriptedServer) -> None:
    app = NeuroscopeTerminal(Client(server.url), TEXT, KEYS[:1])
    async with app.run_test(size=(120, 30)) as pilot:
        await opened(app, pilot)
        await pilot.press("ctrl+home", "right")
        await pilot.press("f4")
        await until(pilot, lambda: len(app.keys) > 1)
        column: dict[str, float] = {}
        async with Client(server.url) as other:
            document = await other.open(TEXT)
            for layer in range(LAYERS):  # not all at once: it limits subscriptions
                keys = [f"L{layer}N{neuron}" for neuron in range(NEURONS)]
                await other.subscribe(*keys)
                column |= zip(keys, (await document.settled()).values(keys)[:, 1].tolist(), strict=True)
                await other.unsubscribe(*keys)
        best = sorted(column, key=lambda key: -column[key])[:5]
        assert set(best) <= set(app.keys)
        assert app.keys[1:] == [key for key in best if key != KEYS[0]]


async def test_a_lost_connection_is_said_and_nothing_typed_is_lost(server: ScriptedServer) -> None:
    app = NeuroscopeTerminal(Client(server.url), TEXT, KEYS)
    async with app.run_test(size=(120, 30)) as pilot:
        await opened(app, pilot)
        server.disconnect()
        await until(pilot, lambda: "connected" not in shown(app, "status"))
        await pilot.press("ctrl+end", "x")
        await opened(app, pilot)
        assert settled(app).text == TEXT + "x"
        check_colours(app)


async def test_keys_pressed_while_it_reconnects_wait_for_the_connection(server: ScriptedServer) -> None:
    app = NeuroscopeTerminal(Client(server.url), TEXT, KEYS)
    async with app.run_test(size=(120, 30)) as pilot:
        await opened(app, pilot)
        server.disconnect()
        await until(pilot, lambda: app._client.state != "ready")
        await pilot.press("f8", "f2", *"L0N5", "enter", "alt+right", "f4", "ctrl+end", "x")
        await until(pilot, lambda: not app._requests)
        await opened(app, pilot)
        assert app.is_running
        assert app.keys[:2] == ["L0N1", "L0N6"]
        assert len(app.keys) > 2
        assert settled(app).text == TEXT + "x"
        check_colours(app)


async def test_without_a_server_keys_are_refused_in_time_and_the_text_stays(server: ScriptedServer) -> None:
    app = NeuroscopeTerminal(Client(server.url), TEXT, KEYS)
    async with app.run_test(size=(120, 30)) as pilot:
        await opened(app, pilot)
        await until(pilot, lambda: app.keys == KEYS)
        app._client.timeout = 0.3
        await server.__aexit__()
        await until(pilot, lambda: app._client.state != "ready")
        await pilot.press("f8", "ctrl+end", "x")
        await until(pilot, lambda: "no connection within 0.3 seconds" in shown(app, "status"))
        assert app.is_running
        assert app.editor.text == TEXT + "x"
        assert app.keys == KEYS


async def test_a_text_that_the_server_does_not_take_is_a_sentence(server: ScriptedServer) -> None:
    def too_long(message: Any) -> Any:
        opens = message.get("method") == "document/open" and message["params"]["text"]
        return {**message, "method": "nothing"} if opens else message

    server.incoming = too_long
    app = NeuroscopeTerminal(Client(server.url), TEXT, KEYS)
    async with app.run_test(size=(120, 30)) as pilot:
        await until(pilot, lambda: app.document is not None and app.keys == KEYS)
        server.disconnect()  # from now on the whole text is opened at once
        await until(pilot, lambda: "There is no method" in shown(app, "status"))
        assert app.editor.text == TEXT


@pytest.mark.parametrize("newline", ["\n", " "], ids=["lines", "one line"])
async def test_drawing_a_long_text_costs_what_is_seen(
    server: ScriptedServer, newline: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    coloured = 0

    def counting(*arguments: Any) -> Style:
        nonlocal coloured
        coloured += 1
        return wash(*arguments)

    monkeypatch.setattr("ws_server.tui.app.wash", counting)
    text = f"the quick brown fox jumps over the lazy dog{newline}" * 1100
    app = NeuroscopeTerminal(Client(server.url), text, KEYS)
    async with app.run_test(size=(100, 30)) as pilot:
        await opened(app, pilot)
        document = settled(app)
        assert len(document.tokens) > 9000
        coloured = 0
        app._draw()
        app.editor.render_lines(Region(0, 0, app.editor.size.width, app.editor.size.height))
        assert 100 < coloured < 1000
        # Beside it, listing the tokens once costs more.
        assert min(repeat(app._draw, number=1, repeat=5)) < min(repeat(lambda: document.tokens, number=1, repeat=5))


@pytest.mark.parametrize(("columns", "editor", "side"), [(40, 38, 38), (80, 42, 30), (120, 60, 50)])
async def test_the_editor_has_room_in_any_terminal(
    server: ScriptedServer, columns: int, editor: int, side: int
) -> None:
    app = NeuroscopeTerminal(Client(server.url), TEXT, KEYS)
    async with app.run_test(size=(columns, 24)) as pilot:
        await opened(app, pilot)
        panel = app.query_one("#side", Static)
        assert app.editor.content_size.width >= editor
        assert app.editor.content_size.height >= 10
        assert panel.content_size.width >= side
        assert panel.content_size.height >= 5
        assert all(len(line) <= panel.content_size.width for line in shown(app, "side").splitlines()[2::2])


async def test_without_a_server_it_ends_and_says_why() -> None:
    app = NeuroscopeTerminal(Client("http://127.0.0.1:9/"))
    async with app.run_test() as pilot:
        await until(pilot, lambda: app.return_value is not None)
    assert app.return_value is not None
    assert app.return_value.startswith("There is no server at ws://127.0.0.1:9/ws")


def test_washes_and_bars() -> None:
    ink = INKS[0]
    assert wash(float("nan"), 1.0, ink).bgcolor is None
    assert wash(0.0, 1.0, ink).bgcolor is None
    strong, weak, below = (wash(value, 1.0, ink).bgcolor for value in (2.0, 0.1, -1.0))
    assert strong is not None
    assert weak is not None
    assert below is not None
    distance = [sum(abs(a - b) for a, b in zip(c.get_truecolor(), GROUND, strict=True)) for c in (strong, weak)]
    assert distance[0] > distance[1] > 0
    assert strong.get_truecolor().red - GROUND.red > SLATE.red - GROUND.red > 0
    assert bars([0.0, -1.0, 0.5, 1.0, 9.0, np.nan], 1.0, 6) == "  ▄██ "
    assert bars([0.0, 1.0, 0.0, 0.0], 1.0, 2) == "█ "
    assert bars([], 1.0, 5) == ""


def test_an_address_that_is_none_is_told() -> None:
    done = run_command("tui", "--url", "file:///x")
    assert done.returncode == 2
    assert "not a server's address" in done.stderr
