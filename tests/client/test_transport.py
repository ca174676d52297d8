"""Ways to a server, and what is said where there is none."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trustme

from ws_server.client import Client, Disconnected
from ws_server.client.transport import websocket_address
from ws_server.conformance.checks import Target
from ws_server.conformance.scripted import ScriptedServer


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the machine that runs the tests has set."""
    for scheme in ("http", "https", "ws", "wss", "socks", "all", "no"):
        for name in (f"{scheme}_proxy", f"{scheme}_proxy".upper()):
            monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("url", "address", "token"),
    [
        ("http://127.0.0.1:8740/", "ws://127.0.0.1:8740/ws", None),
        ("127.0.0.1:8740", "ws://127.0.0.1:8740/ws", None),
        ("https://lab.example/scope/?token=s3cret", "wss://lab.example/scope/ws", "s3cret"),
        ("ws://[::1]:9/ws", "ws://[::1]:9/ws", None),
    ],
)
def test_addresses(url: str, address: str, token: str | None) -> None:
    assert websocket_address(url) == (address, token)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "http://", "http://:80/", "http://a:b/", "http://a:99999/"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="not a server's address"):
        websocket_address(url)


async def refusal(url: str) -> str:
    """What is said of a server that cannot be reached."""
    with pytest.raises(Disconnected) as caught:
        await asyncio.wait_for(Client(url).__aenter__(), 30)
    return str(caught.value)


@pytest.mark.parametrize("proxy", ["http://127.0.0.1:9", "socks5://127.0.0.1:9", "127.0.0.1:9"])
async def test_no_proxy_stands_before_this_machine(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", proxy)
    monkeypatch.setenv("all_proxy", proxy)
    monkeypatch.setenv("ws_proxy", proxy)
    async with ScriptedServer() as server:
        for host in ("127.0.0.1", "localhost", "[::ffff:127.0.0.1]"):
            async with Client(server.url.replace("127.0.0.1", host)) as client:
                assert client.state == "ready"
        target = Target(websocket_address(server.url)[0], {})
        assert await target.get("healthz") == (200, b"scripted\n")
        await target.dial()
        await target.hang_up()


@pytest.mark.parametrize(
    ("proxy", "words"),
    [
        ("http://someone:s3cret@127.0.0.1:9", ["The proxy http://127.0.0.1:9 could not connect", "no_proxy"]),
        ("127.0.0.1:9", ["The environment's proxy, 127.0.0.1:9, is not a valid address", "no_proxy"]),
        ("socks5://someone:s3cret@127.0.0.1:9", ["roxy socks5://127.0.0.1:9", "no_proxy"]),
        ("http://[::1", ["The environment's proxy, http://[::1, is not a valid address", "no_proxy"]),
        ("http://127.0.0.1:99999", ["http://127.0.0.1:99999, is not a valid address", "no_proxy"]),
    ],
)
@pytest.mark.parametrize("variable", ["http_proxy", "all_proxy"])
async def test_a_proxy_that_does_not_work_is_named(
    variable: str, proxy: str, words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, proxy)
    told = await refusal("http://server.invalid/")
    assert all(word in told for word in words), told
    assert "s3cret" not in told
    monkeypatch.setenv("no_proxy", "server.invalid")
    assert "proxy" not in await refusal("http://server.invalid/")


async def test_a_proxy_that_refuses_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    async with answering(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n") as port:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{port}")
        assert f"The proxy http://127.0.0.1:{port} could not connect" in await refusal("http://server.invalid/")


@asynccontextmanager
async def answering(answer: bytes, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A server that says this to everybody; gives its port."""

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_https_to_a_server_without_tls() -> None:
    async with ScriptedServer() as server:
        told = await refusal(server.url.replace("http:", "https:"))
    assert "does not use TLS" in told
    assert "http://" in told
    assert "start one" not in told


async def test_a_certificate_that_is_not_trusted_and_http_to_a_server_with_tls() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    async with answering(b"", context) as port:
        told = await refusal(f"https://127.0.0.1:{port}/")
        assert "certificate" in told
        assert "not trusted" in told
        assert "SSL_CERT_FILE" in told
        assert "start one" not in told
        told = await refusal(f"http://127.0.0.1:{port}/")
        assert "https://" in told
        assert "start one" not in told


@pytest.mark.parametrize(
    ("head", "body", "words"),
    [
        ("502 Bad Gateway\r\nContent-Type: text/html", "<html><h1>Bad Gateway</h1></html>" * 100, "502 Bad Gateway"),
        ("403 Forbidden\r\nContent-Type: text/plain", "Pages of this origin may not connect.\n", "may not connect."),
        ("200 OK\r\nContent-Type: text/html", "<title>Something else</title>", "not a Neuroscope server"),
        ("503 Service Unavailable\r\nContent-Type: text/plain", "x" * 3000, "503 Service Unavailable"),
        ("599 Whatever", "", "599"),
    ],
)
async def test_other_answers_are_told_in_one_line(head: str, body: str, words: str) -> None:
    async with answering(f"HTTP/1.1 {head}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()) as port:
        told = await refusal(f"http://127.0.0.1:{port}/")
    assert words in told
    assert "<" not in told
    assert len(told) < 300
    assert "\n" not in told


async def test_what_is_no_web_server_and_no_name() -> None:
    async with answering(b"220 mail.example ESMTP\r\n") as port:
        assert "not a Neuroscope server" in await refusal(f"http://127.0.0.1:{port}/")
    for url in ("http://server.invalid/", "http://a..b/"):
        told = await refusal(url)
        assert told.startswith("There is no server at ws://"), told


@pytest.mark.parametrize("token", ["s3cret\n", "s3cret\0", "s3cret\ud800"])
async def test_a_token_that_cannot_be_sent(token: str) -> None:
    """The server is not to blame, and the token is not repeated."""
    async with ScriptedServer() as server:
        with pytest.raises(Disconnected) as caught:
            await asyncio.wait_for(Client(server.url, token=token).__aenter__(), 30)
    assert "token" in str(caught.value)
    assert "s3cret" not in str(caught.value)
    assert "not a Neuroscope server" not in str(caught.value)
