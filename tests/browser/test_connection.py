"""The server goes away and comes back; nobody who types has to care."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, WebSocket, WebSocketRoute, expect

from tests.browser.conftest import SERVER_AWAY, Complaints
from tests.browser.neuroscope_page import NeuroscopePage
from tests.browser.reference import Reference
from tests.support import models
from tests.support.server import ServerProcess

TEXT = 'One morning, in 1811, she said: "Come in."'


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[ServerProcess]:
    """A server that a test may end."""
    server = ServerProcess(tmp_path / "stderr", [])
    yield server
    server.kill()


def test_a_killed_server_comes_back(
    page: Page, reference: Reference, complaints: Complaints, mortal: ServerProcess, tmp_path: Path
) -> None:
    sent: list[str] = []

    def watch(socket: WebSocket) -> None:
        def frame_sent(frame: str | bytes) -> None:
            if "document/change" in str(frame):
                sent.append(str(frame))
                if len(sent) == 12:
                    mortal.kill()

        socket.on("framesent", frame_sent)

    page.on("websocket", watch)
    neuroscope = NeuroscopePage(page, reference).open(mortal.url)
    neuroscope.write(TEXT)
    before = neuroscope.shows(TEXT)
    complaints.allow(rf"{SERVER_AWAY}|favicon.*ERR_|ERR_.*favicon")

    # It dies in the middle of a word; the keys that follow find nobody.
    neuroscope.editor.press("ControlOrMeta+End")
    page.keyboard.type(" Typed while it is being killed.", delay=10)
    text = TEXT + " Typed while it is being killed."
    assert mortal.process.returncode is not None
    connection = page.get_by_test_id("connection")
    expect(connection).not_to_have_attribute("data-state", "ready")
    neuroscope.editor.press("ControlOrMeta+End")
    page.keyboard.type(" Nobody answers, but I go on.")
    text += " Nobody answers, but I go on."
    expect(page.get_by_test_id("connection-help")).to_contain_text("What you type is kept and sent when it is back")
    neuroscope.editor.press("ControlOrMeta+Home")
    page.keyboard.type("So: ")
    text = f"So: {text}"
    waiting = neuroscope.read()
    assert waiting.text == text
    expect(page.get_by_test_id("settled")).to_have_text("offline")
    expect(page.get_by_test_id("latency")).to_have_text("\N{EN DASH}")
    assert not waiting.settled
    # What was known keeps its place under the text, as far as no change went through it.
    assert [piece for piece in waiting.colours() if piece[1] is None] != []
    assert "".join(unit for unit, _, _ in waiting.colours()) == text

    again = ServerProcess(tmp_path / "stderr", [], ["--port", str(mortal.port)])
    try:
        after = neuroscope.shows(text, neurons=before.neurons)
        expect(connection).to_have_attribute("data-state", "ready")
        assert after.focus == before.focus
        page.keyboard.type("1, 2: ")
        text = text.replace("So: ", "So: 1, 2: ")
        neuroscope.shows(text)
        page.reload()
        neuroscope.shows(text, neurons=before.neurons)
    finally:
        again.kill()

    # While nobody is there, one may ask for an attempt at once; when somebody is, the page finds out by itself.
    with page.expect_websocket():
        page.get_by_test_id("retry").click()

    # The next one is of another version and has another model, which lacks most of the rows.
    folder = models.gpt2(tmp_path / "gpt2")
    other = ServerProcess(tmp_path / "stderr", [folder], settings={"port": mortal.port, "version": "99.0"})
    try:
        expect(page.get_by_test_id("model-id")).to_have_text("gpt2")
        assert page.evaluate("window.neuroscope.text") == text
        neuroscope.reference = Reference(str(folder))
        field = page.get_by_test_id("add-neuron")
        field.fill("L2N100")
        field.press("Enter")
        expect(neuroscope.row("L2N100")).to_have_count(1)
        neuroscope.editor.press("ControlOrMeta+End")
        page.keyboard.type(" On.")
        assert "L2N100" in neuroscope.shows(text + " On.").neurons
    finally:
        other.stop()


def test_two_tabs_that_resume_the_same_session_end_up_with_one_each(
    page: Page, reference: Reference, server: ServerProcess
) -> None:
    """However the second one came by the first one's token: they do not take it from each other for ever."""
    tickets: list[dict[str, str]] = []
    connections: list[tuple[str, WebSocketRoute]] = []

    def pass_on(route: WebSocketRoute, tab: str) -> None:
        far = route.connect_to_server()
        connections.append((tab, route))

        def from_page(message: str | bytes) -> None:
            said = json.loads(message)
            if tab == "second" and said.get("method") == "initialize":
                said["params"]["resume"] = tickets[0]
            far.send(json.dumps(said))

        def from_server(message: str | bytes) -> None:
            result = json.loads(message).get("result", {})
            if "resumeToken" in result:
                tickets.append({name: result[name] for name in ("session", "resumeToken")})
            route.send(message)

        route.on_message(from_page)
        far.on_message(from_server)

    page.route_web_socket("**/ws", lambda route: pass_on(route, "first"))
    first = NeuroscopePage(page, reference).open(server.url)
    first.write(TEXT)
    first.shows(TEXT)
    other = page.context.new_page()
    other.route_web_socket("**/ws", lambda route: pass_on(route, "second"))
    second = NeuroscopePage(other, reference).open(server.url)
    second.write("Mine.")
    for round_ in ("1", "2"):
        for tab, text in ((first, TEXT), (second, "Mine.")):
            tab.editor.press("ControlOrMeta+End")
            tab.page.keyboard.type(round_)
            tab.shows(text + ("12" if round_ == "2" else "1"))
    assert [tab for tab, _ in connections] == ["first", "second", "first"]
    assert tickets[1]["session"] == tickets[0]["session"] != tickets[2]["session"]
    other.close()


def test_a_broken_connection_is_taken_up_again(page: Page, reference: Reference, server: ServerProcess) -> None:
    connections: list[WebSocketRoute] = []

    def pass_on(route: WebSocketRoute) -> None:
        connections.append(route)
        route.connect_to_server()

    page.route_web_socket("**/ws", pass_on)
    neuroscope = NeuroscopePage(page, reference).open(server.url)
    neuroscope.write(TEXT)
    before = neuroscope.shows(TEXT)
    connections[0].close(code=4000)
    page.keyboard.type(" And")
    neuroscope.shows(TEXT + " And", neurons=before.neurons)
    assert len(connections) == 2


def test_a_server_that_stops_answering_is_noticed_and_taken_up_again(
    page: Page, reference: Reference, complaints: Complaints, mortal: ServerProcess
) -> None:
    """Its connections stay open, and the machine even accepts new ones: only its silence tells."""
    neuroscope = NeuroscopePage(page, reference).open(mortal.url)
    neuroscope.write(TEXT)
    before = neuroscope.shows(TEXT)
    complaints.allow(SERVER_AWAY)
    connection = page.get_by_test_id("connection")
    os.kill(mortal.process.pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        neuroscope.editor.press("ControlOrMeta+End")
        page.keyboard.type(" Still?")
        expect(page.get_by_test_id("connection-help")).to_contain_text("stopped answering")
        assert time.monotonic() - began < 9  # 5 s of silence; the machine may be busy
        expect(connection).not_to_have_attribute("data-state", "ready")
        page.keyboard.type(" Anybody?")
        text = f"{TEXT} Still? Anybody?"
        assert page.evaluate("window.neuroscope.text") == text
    finally:
        os.kill(mortal.process.pid, signal.SIGCONT)
    neuroscope.shows(text, neurons=before.neurons)
    expect(connection).to_have_attribute("data-state", "ready")
    expect(page.get_by_test_id("connection-help")).to_have_count(0)


# The server comes first, so that it outlives the page, which would complain.
def test_the_page_can_be_there_before_the_model(mortal: ServerProcess, page: Page, reference: Reference) -> None:
    page.goto(mortal.url)
    editor = page.locator(".cm-content")
    editor.press("ControlOrMeta+a")
    page.keyboard.insert_text(TEXT)
    NeuroscopePage(page, reference).shows(TEXT)
