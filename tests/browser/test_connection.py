"""The server goes away and comes back; nobody who types has to care."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, WebSocketRoute, expect

from tests.browser.conftest import Complaints
from tests.browser.neuroscope_page import NeuroscopePage
from tests.browser.reference import Reference
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
    neuroscope = NeuroscopePage(page, reference).open(mortal.url)
    neuroscope.write(TEXT)
    before = neuroscope.shows(TEXT)
    complaints.allow(r"WebSocket connection to .* failed|/ws\b.*ERR_|ERR_.*/ws\b")

    mortal.kill()
    connection = page.get_by_test_id("connection")
    expect(connection).not_to_have_attribute("data-state", "ready")
    neuroscope.editor.press("ControlOrMeta+End")
    page.keyboard.type(" Nobody answers, but I go on.")
    expect(page.get_by_test_id("connection-help")).to_contain_text("What you type is kept and sent when it is back")
    neuroscope.editor.press("ControlOrMeta+Home")
    page.keyboard.type("So: ")
    text = f"So: {TEXT} Nobody answers, but I go on."
    waiting = neuroscope.read()
    assert waiting.text == text
    expect(page.get_by_test_id("settled")).to_have_text("offline")
    expect(page.get_by_test_id("latency")).to_have_text("\N{EN DASH} ms")
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
        text = f"So: 1, 2: {TEXT} Nobody answers, but I go on."
        neuroscope.shows(text)
        page.reload()
        neuroscope.shows(text, neurons=before.neurons)
    finally:
        again.stop()


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


def test_the_page_can_be_there_before_the_model(page: Page, reference: Reference, mortal: ServerProcess) -> None:
    page.goto(mortal.url)
    editor = page.locator(".cm-content")
    editor.press("ControlOrMeta+a")
    page.keyboard.insert_text(TEXT)
    NeuroscopePage(page, reference).shows(TEXT)
