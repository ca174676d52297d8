"""A real browser, a real server, and a page that must report no errors."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.resources import as_file, files
from pathlib import Path

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Error,
    Page,
    Playwright,
    Request,
    expect,
    sync_playwright,
)

from tests.browser import chromium
from tests.browser.neuroscope_page import NeuroscopePage
from tests.browser.reference import Reference
from tests.support.server import ServerProcess
from tests.support.site import OtherSite

# Models are loaded meanwhile, and the machine may be busy. Nothing waits that long unless the test fails.
TIMEOUT_MS = 60_000
expect.set_options(timeout=TIMEOUT_MS)

ICON = "/favicon.ico"
"""Some builds of Chromium ask each site for it by themselves, whenever they like; no page of ours names it."""

SERVER_AWAY = r"WebSocket connection to .* failed|/ws\b.*ERR_|ERR_.*/ws\b|status of 426 .*/ws\b"
"""What a browser says of a page whose server is away for a while. When the websocket fails the page asks why by a plain
request; a server that is back by then answers that one with 426."""

FAILURES = Path(__file__).resolve().parent / "failures"


@dataclass
class Complaints:
    """The errors of a page: on its console, exceptions, policy violations, failed requests."""

    found: list[str] = field(default_factory=list)
    allowed: list[re.Pattern[str]] = field(default_factory=list)

    def watch(self, page: Page) -> None:
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.add(error.stack or error.message))
        page.on("requestfailed", self._request_failed)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.add(f"{message.text} ({message.location['url']})")

    def _request_failed(self, request: Request) -> None:
        # What was still under way when its page was closed or left; some builds load the icon that late.
        if request.failure != "net::ERR_ABORTED":
            self.add(f"{request.url}: {request.failure}")

    def add(self, complaint: str) -> None:
        if ICON not in complaint and not any(pattern.search(complaint) for pattern in self.allowed):
            self.found.append(complaint)

    def allow(self, pattern: str) -> None:
        """From here on, errors that match are expected: the test provokes them."""
        self.allowed.append(re.compile(pattern))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).resolve().parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    report: pytest.TestReport = yield  # type: ignore[misc,assignment]
    page = getattr(item, "funcargs", {}).get("page")
    if report.failed and report.when == "call" and isinstance(page, Page):
        FAILURES.mkdir(exist_ok=True)
        picture = FAILURES / (re.sub(r"[^\w.-]+", "-", item.name) + ".png")
        with suppress(Error):  # the page is closed, or the browser has ended
            page.screenshot(path=picture, timeout=10_000)
            report.sections.append(("page when the test failed", str(picture)))
    return report  # type: ignore[return-value]


# Playwright keeps an event loop running in this thread. It must end with the tests of this folder, or `asyncio.run`
# would be refused in the others.
@pytest.fixture(scope="package")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as playwright:
        yield playwright


def launch(playwright: Playwright, found: chromium.Chromium) -> Browser:
    return playwright.chromium.launch(
        executable_path=found.executable, args=chromium.FLAGS, env={**os.environ, **found.environment}
    )


@pytest.fixture(scope="package")
def browser(playwright: Playwright) -> Iterator[Browser]:
    found = chromium.find()
    assert found is not None, "no browser: run `python tests/browser/chromium.py` (make test does)"
    browser = launch(playwright, found)
    yield browser
    browser.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 1200, "height": 800}, color_scheme="light")
    context.set_default_timeout(TIMEOUT_MS)
    yield context
    context.close()


@pytest.fixture
def complaints() -> Complaints:
    return Complaints()


@pytest.fixture
def page(context: BrowserContext, complaints: Complaints) -> Iterator[Page]:
    """An empty page. The test fails if anything that it loads reports an error."""
    page = context.new_page()
    complaints.watch(page)
    yield page
    page.close()
    assert complaints.found == []


@pytest.fixture(scope="package")
def elsewhere() -> Iterator[OtherSite]:
    """Another site, whose pages may connect to the server."""
    with OtherSite() as site:
        yield site


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory, elsewhere: OtherSite) -> Iterator[ServerProcess]:
    """One server with the embedded model for all tests that do not stop it."""
    arguments = ["--allow-origin", elsewhere.origin]
    server = ServerProcess(tmp_path_factory.mktemp("server") / "stderr", [], arguments)
    yield server
    server.stop()


@pytest.fixture(scope="package")
def reference() -> Iterator[Reference]:
    """The embedded model."""
    with as_file(files("ws_server") / "demo_model") as folder:
        yield Reference(str(folder))


@pytest.fixture
def neuroscope(page: Page, server: ServerProcess, reference: Reference) -> NeuroscopePage:
    """The page of the embedded model, opened, with all values shown."""
    return NeuroscopePage(page, reference).open(server.url)
