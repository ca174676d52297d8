"""The extension in a real Visual Studio Code, in a real browser, on a real server with the embedded model."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from tests.browser import chromium
from tests.support.server import ServerProcess
from tests.support.vsix import package
from tests.vscode.code_server import CodeServer

pytestmark = [pytest.mark.vscode, pytest.mark.timeout(180)]

NOTE = 'It was the best of times.\n"Good morning!" cried he. 🙂\n\nThe end.\n'
OTHER = "She was the worst of guests.\n"
NEURONS = ["L2N99", "L3N40", "oops"]

# Where a view's text is coloured: the boxes under its characters, in pixels.
COLOURED = """
(group) => [...group.querySelectorAll(".view-overlays .cdr[class*=TextEditorDecorationType]")]
  .filter((box) => !["rgba(0, 0, 0, 0)", "transparent"].includes(getComputedStyle(box).backgroundColor))
  .map((box) => [box.parentElement.offsetTop, box.offsetLeft, box.offsetWidth])
"""
# How many line breaks of a view have a coloured sign.
SIGNS = """
(group) => [...group.querySelectorAll(".view-lines span")]
  .map((span) => getComputedStyle(span, "::after"))
  .filter(({ content, backgroundColor }) => content.includes("↵") && backgroundColor !== "rgba(0, 0, 0, 0)").length
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    found = chromium.find()
    assert found is not None, "no browser: make test-vscode installs one"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=found.executable, args=chromium.FLAGS, env={**os.environ, **found.environment}
        )
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    server = ServerProcess(tmp_path_factory.mktemp("server") / "stderr", [])
    yield server
    server.stop()


@pytest.fixture(scope="module")
def vsix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return package(tmp_path_factory.mktemp("vsix"))


class Window:
    """Visual Studio Code in a browser."""

    def __init__(self, page: Page, code: CodeServer) -> None:
        self.page = page
        self.code = code
        self.status = page.locator(r"#interactive-neuroscope\.interactive-neuroscope\.neuroscope")

    def open(self, name: str) -> None:
        self.page.get_by_role("treeitem", name=name).first.dblclick()
        self.view(name).wait_for()

    def view(self, name: str) -> Locator:
        return self.page.locator(f'.monaco-editor[data-uri$="/{name}"]').first

    def group(self, number: int = 0) -> Locator:
        """One of the editors that are seen, from the left."""
        return self.page.locator(".editor-group-container").nth(number)

    def lines(self, number: int = 0) -> Locator:
        return self.group(number).locator(".view-lines").first

    def run(self, command: str, answer: str | None = None) -> None:
        """A command by the palette, and what is typed into the box that it opens."""
        self.page.keyboard.press("F1")
        box = self.page.locator(".quick-input-widget input").first
        box.fill(f">Neuroscope: {command}")
        self.page.locator(".quick-input-list").get_by_text(f"Neuroscope: {command}").first.wait_for()
        self.page.keyboard.press("Enter")
        if answer is not None:
            expect(box).not_to_have_value(re.compile(">"))
            box.fill(answer)
            self.page.keyboard.press("Enter")

    def until(self, what: str, look: Callable[[], bool]) -> None:
        """Looks again whenever the page has drawn something."""
        for _ in range(2000):
            if look():
                return
            self.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 20)))")
        raise AssertionError(f"it did not come: {what}")

    def coloured(self, number: int = 0) -> list[list[int]]:
        found: list[list[int]] = self.group(number).evaluate(COLOURED)
        return found

    def neurons(self) -> object:
        """The setting; None while its file is being written."""
        text = self.code.settings.read_text("utf-8")
        return json.loads(text)["neuroscope.neurons"] if text else None

    def warned(self, words: str) -> Locator:
        return self.page.locator(".notification-toast", has_text=words)


@pytest.fixture
def window(tmp_path: Path, vsix: Path, server: ServerProcess, browser: Browser) -> Iterator[Window]:
    folder = tmp_path / "folder"
    folder.mkdir()
    for name, text in (("note.md", NOTE), ("other.txt", OTHER), (".env", "SECRET=1\n")):
        (folder / name).write_text(text, "utf-8")
    settings = {
        "neuroscope.neurons": NEURONS,
        "workbench.startupEditor": "none",
        "chat.disableAIFeatures": True,
        "editor.minimap.enabled": False,
        "editor.unicodeHighlight.ambiguousCharacters": False,
    }
    machine = {"neuroscope.url": server.url, "neuroscope.connectOnStartup": True}
    with CodeServer(tmp_path / "data", vsix, folder, json.dumps(settings), json.dumps(machine)) as code:
        context = browser.new_context(viewport={"width": 1400, "height": 800})
        context.set_default_timeout(60_000)
        expect.set_options(timeout=60_000)
        page = context.new_page()
        page.goto(code.url)
        yield Window(page, code)
        context.close()


def test_a_person_at_work(window: Window, server: ServerProcess) -> None:
    page = window.page
    window.open("note.md")
    expect(window.status).to_contain_text("L2N99")
    window.until("colours", lambda: bool(window.coloured()))
    assert all(width > 0 for _, _, width in window.coloured())

    # An entry that cannot be read is said to be one, and stays where it is.
    expect(window.status).to_have_attribute("aria-label", re.compile("L2N99"))
    window.run("Add neuron", "L0N931")  # it is highest at line breaks
    window.until("the setting", lambda: window.neurons() == [*NEURONS, "L0N931"])
    expect(window.status).to_contain_text("L0N931")
    page.get_by_role("button", name="Neurons Section").click()
    rows = page.locator('[id="workbench.view.explorer"]').get_by_role("treeitem", name=re.compile(r"^L\d"))
    expect(rows.first).to_contain_text("max")  # the others are below, where the list is not drawn
    expect(rows.first).to_have_attribute("aria-setsize", "3")
    window.until("signs of line breaks", lambda: bool(window.group().evaluate(SIGNS)))

    # A character of several tokens tells all of them.
    window.lines().click()
    for key in ("ControlOrMeta+Home", "ArrowDown", "End", "ArrowLeft"):
        page.keyboard.press(key)
    page.keyboard.press("ControlOrMeta+k")
    page.keyboard.press("ControlOrMeta+i")
    hover = page.locator(".monaco-hover-content", has_text="L0N931").first
    hover.wait_for()
    assert len(re.findall(r"token \d+, id \d+", hover.inner_text())) >= 3

    # Two texts side by side, both coloured; what the settings exclude is not sent.
    window.lines().click()
    page.keyboard.press("ControlOrMeta+Backslash")
    window.open("other.txt")
    window.until("both coloured", lambda: bool(window.coloured(0)) and bool(window.coloured(1)))
    texts = {window.lines(number).inner_text().replace("\xa0", " ").strip()[:7] for number in (0, 1)}
    assert texts == {NOTE[:7], OTHER[:7]}
    window.open(".env")
    expect(window.status).to_contain_text("text not sent")
    assert window.coloured(1) == []
    assert window.coloured(0)
    window.lines(0).click()
    expect(window.status).to_contain_text("L0N931")

    # The cursor goes through the strong tokens.
    page.keyboard.press("ControlOrMeta+Home")
    window.run("Next strong token")
    expect(page.locator(r"#status\.editor\.selection")).not_to_contain_text("Ln 1, Col 1)")


def test_settings_that_are_put_right(window: Window, server: ServerProcess) -> None:
    """An address that is none, and a model that is not there, stand in the way only as long as they are written."""
    window.open("note.md")
    window.until("colours", lambda: bool(window.coloured()))
    machine = {"neuroscope.connectOnStartup": True, "neuroscope.neurons": ["L2N99"]}

    def write(**changed: str) -> None:
        window.code.machine.write_text(
            json.dumps({**machine, **{f"neuroscope.{name}": changed[name] for name in changed}})
        )

    write(url="nonsense")
    expect(window.status).to_contain_text("no connection")
    window.warned("nonsense").get_by_role("button", name="Open settings").wait_for()
    write(url=server.url)
    expect(window.status).to_contain_text("L2N99")
    window.until("colours again", lambda: bool(window.coloured()))
    expect(window.status).not_to_have_attribute("aria-label", re.compile("warning"))

    write(url=server.url, model="no-such-model")
    expect(window.status).to_have_attribute("aria-label", re.compile("warning"))
    label = window.status.locator("a").get_attribute("aria-label") or window.status.get_attribute("aria-label") or ""
    assert "no-such-model could not be loaded" in label
    write(url=server.url)
    expect(window.status).not_to_have_attribute("aria-label", re.compile("warning"))
