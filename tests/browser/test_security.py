"""What a browser lets nobody do: run what was typed, show the page in a strange frame, connect from a strange page."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import SERVER_AWAY, TIMEOUT_MS, Complaints
from tests.browser.neuroscope_page import NeuroscopePage
from tests.browser.reference import Reference
from tests.support import models
from tests.support.server import ServerProcess
from tests.support.site import OtherSite

RUN = "<img src=x onerror=window.harm=1>"
"""Markup that runs when it is read as markup, without a character that JSON or a file name would escape."""

TEXTS = [
    f"{RUN} and {RUN}",
    "<script>window.harm=2</script><svg onload=window.harm=3></svg>",
    '"><iframe srcdoc="<script>parent.harm=4</script>"></iframe><a href="javascript:window.harm=5">x</a>',
    "<style>*{display:none}</style><base href=//evil.example><meta http-equiv=refresh content=0;url=//evil.example>",
    "</textarea><!-- ${window.harm=6} {{constructor.constructor('window.harm=7')()}} \u2028\u2029\u202e\u0000",
]


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ServerProcess, Path]]:
    """A server with TLS, a base path and a token; its model's name, vocabulary and opening are full of markup."""
    parent = tmp_path_factory.mktemp("hostile")
    folder = models.gpt2(parent / RUN)
    for file in folder.glob("*.json"):
        file.write_text(file.read_text().replace("<|endoftext|>", RUN))
    opening = {"text": TEXTS[0], "neurons": ["L0N1", "L2N3", f"{RUN}/1"]}
    (folder / "opening.json").write_text(json.dumps(opening))
    authority = trustme.CA()
    pair = parent / "pair.pem"
    issued = authority.issue_cert("127.0.0.1")
    pair.write_bytes(issued.private_key_pem.bytes() + b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    arguments = ["--tls-cert", str(pair), "--base-path", "/lab/neuro", "--allow-host", "neuro.example"]
    environment = {"NEUROSCOPE_TOKEN": "a-token-of-the-environment"}
    server = ServerProcess(parent / "stderr", [folder], arguments, trust=trust, environment=environment)
    yield server, folder
    server.stop()


Start = Callable[..., ServerProcess]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a server with a token and further arguments. Asked for before the page, it ends after it."""
    servers: list[ServerProcess] = []

    def begin(token: str, *arguments: str) -> ServerProcess:
        server = ServerProcess(tmp_path / "stderr", [], arguments, environment={"NEUROSCOPE_TOKEN": token})
        servers.append(server)
        return server

    yield begin
    for server in servers:
        server.kill()


def unharmed(page: Page) -> None:
    """Nothing has run, and nothing of what was typed has become an element."""
    assert page.evaluate("window.harm") is None
    found = page.evaluate(
        """() => {
            const roots = [document];
            for (const root of roots)
                for (const { shadowRoot } of root.querySelectorAll("*")) if (shadowRoot) roots.push(shadowRoot);
            const suspects = "img[src], iframe, base, meta[http-equiv], script:not([src]), [onerror], [onload], a";
            return roots.flatMap((root) => [...root.querySelectorAll(suspects)].map((element) => element.outerHTML));
        }"""
    )
    assert found == []


def test_nothing_that_is_typed_or_named_becomes_markup(
    browser: Browser, hostile: tuple[ServerProcess, Path], complaints: Complaints
) -> None:
    """Texts, tokens, the model's name and neurons' names; every view of them. Any error on the console fails the test,
    and a script that the content policy stops is one."""
    server, folder = hostile
    context = browser.new_context(viewport={"width": 1440, "height": 900}, ignore_https_errors=True)
    context.set_default_timeout(TIMEOUT_MS)
    page = context.new_page()
    complaints.watch(page)
    neuroscope = NeuroscopePage(page, Reference(str(folder))).open(server.url + server.query)

    # The link's token is in a cookie that no script sees, and nowhere else; all goes on over TLS.
    assert page.url.partition("#")[0] == server.url
    assert page.evaluate("document.cookie") == ""
    (cookie,) = context.cookies()
    assert (cookie["httpOnly"], cookie["secure"], cookie["sameSite"]) == (True, True, "Strict")
    assert cookie["path"] == "/lab/neuro/"
    page.reload()

    neuroscope.shows(TEXTS[0], neurons=["L0N1", "L2N3"])
    token = next(token for token in neuroscope.read().tokens if token["text"] == RUN and not token["special"])
    assert token["to"] - token["from"] == len(RUN)  # typed as text, and one token of the vocabulary
    unharmed(page)
    for text in TEXTS[1:]:
        neuroscope.write(text)
        neuroscope.shows(text.replace("\r", "\n"))
        unharmed(page)

    # The tooltip of a token, the messages of the Add field, notices, and each tab beside the editor.
    neuroscope.write(TEXTS[0])
    neuroscope.shows(TEXTS[0])
    page.locator(".neuro-token").first.hover()
    expect(page.locator(".neuro-tooltip")).to_contain_text(RUN)
    unharmed(page)
    field = page.get_by_test_id("add-neuron")
    field.fill(f"{RUN}/1")
    field.press("Enter")
    expect(page.get_by_test_id("add-problem")).to_be_visible()
    for tab in page.get_by_role("tab").all():
        tab.click()
        neuroscope.wait()
        unharmed(page)
    expect(page.locator("neuro-page")).to_contain_text(RUN)
    page.close()
    context.close()
    assert complaints.found == []


# Later, so that it runs as the page's own code does; what is evaluated for a debugger is spared some checks.
TRY = """(code) => new Promise((resolve) => setTimeout(() => {
    try { code(); resolve(null); } catch (error) { resolve(error.message); }
}))"""


def test_strings_cannot_become_code_or_markup(neuroscope: NeuroscopePage, complaints: Complaints) -> None:
    """Not even by a mistake of ours: the browser forbids it."""
    complaints.allow("Trusted|Content Security Policy|trusted-types")
    for code in (
        "document.body.innerHTML = '<b>bold</b>'",
        "document.body.insertAdjacentHTML('beforeend', '<b>bold</b>')",
        "new DOMParser().parseFromString('<b>bold</b>', 'text/html')",
        "eval('1')",
        "new Function('return 1')()",
        "trustedTypes.createPolicy('other', {createHTML: (text) => text})",
        "document.createElement('script').src = 'https://evil.example/x.js'",
    ):
        said = neuroscope.page.evaluate(TRY.replace("code()", code))
        assert said is not None, code
        assert "rusted" in said or "Content Security Policy" in said, said
    neuroscope.page.evaluate("() => { document.body.textContent = '<b>bold</b>'; }")  # text may be anything


def test_a_server_that_came_back_with_another_token(
    start: Start, page: Page, reference: Reference, complaints: Complaints
) -> None:
    """The page says why it is not let in; opening the new link anywhere in the browser lets it in again."""
    server = start("the-token-of-server-1")
    neuroscope = NeuroscopePage(page, reference).open(server.url + server.query)
    neuroscope.write("Kept.")
    neuroscope.shows("Kept.")
    complaints.allow(rf"{SERVER_AWAY}|status of 401|favicon.*ERR_|ERR_.*favicon")
    server.kill()
    again = start("the-token-of-server-2", "--port", str(server.port))
    page.keyboard.type(" And more.")
    expect(page.get_by_test_id("connection")).to_contain_text("This server requires its token")
    tab = page.context.new_page()
    tab.goto(again.url + again.query)
    tab.close()
    neuroscope.shows("Kept. And more.")


# ------------------------------------------------------------------------------------ other sites


@pytest.fixture
def other_site() -> Iterator[OtherSite]:
    """A site that is not allowed."""
    with OtherSite() as site:
        yield site


CONNECT = """(url) => new Promise((resolve) => {
    const socket = new WebSocket(url);
    socket.onopen = () => resolve("open");
    socket.onerror = () => resolve("refused");
})"""


def test_pages_of_another_site(
    page: Page, server: ServerProcess, other_site: OtherSite, complaints: Complaints
) -> None:
    """They can neither talk to the server, nor read what it says, nor show its page."""
    other_site.add("/", f"<!doctype html><title>other</title><iframe src='{server.url}'></iframe>")
    complaints.allow(
        "frame-ancestors|X-Frame-Options|ERR_BLOCKED_BY_RESPONSE|CORS policy|WebSocket connection|ERR_FAILED"
    )
    page.goto(other_site.localhost)
    assert page.evaluate(CONNECT, server.url.replace("http", "ws") + "ws") == "refused"
    for name in ("opening.json", "metrics", "openrpc.json"):
        with pytest.raises(Exception, match="Failed to fetch"):
            page.evaluate("(url) => fetch(url).then((answer) => answer.text())", server.url + name)
    expect(page.frame_locator("iframe").locator("neuro-page")).to_have_count(0)
    with page.expect_console_message(lambda message: "frame-ancestors" in message.text):
        page.reload()


def test_a_site_that_may_embed_the_page(start: Start, page: Page, other_site: OtherSite) -> None:
    """In its frame the page works, token and all, though the browser gives it no cookies there."""
    server = start("a-token-of-the-environment", "--allow-embed", other_site.localhost)
    link = server.url + server.query
    other_site.add("/", f"<!doctype html><title>other</title><iframe src='{link}' width=1000 height=700></iframe>")
    page.goto(other_site.localhost)
    frame = page.frame_locator("iframe")
    expect(frame.get_by_test_id("connection")).to_have_attribute("data-state", "ready")
    expect(frame.get_by_test_id("settled")).to_have_text("settled")
