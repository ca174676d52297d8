"""A server as one would leave it running for others: TLS, a base path, behind a reverse proxy, with its token."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import signal
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from tests.support import models
from tests.support.client import TIME_LIMIT, Client
from tests.support.proxy import ReverseProxy
from tests.support.reference import Reference
from tests.support.server import ServerProcess, run_command

TOKEN = "a-long-enough-Secret_7"
BASE = "/lab/neuro"
SECRET_TEXT = "The abbess keeps the xylograph under lock and key."


class House:
    """The server, the authority that signed its certificate, and its model's folder."""

    def __init__(self, parent: Path) -> None:
        self.folder = models.gpt2(parent / "tiny")
        self.authority = trustme.CA()
        self.trust = ssl.create_default_context()
        self.authority.configure_trust(self.trust)
        self.certificate, self.key = parent / "cert.pem", parent / "key.pem"
        self.certify()
        secret = parent / "token"
        secret.write_text(TOKEN + "\n")
        self.server = ServerProcess(
            parent / "stderr",
            [self.folder],
            [
                *("--token-file", str(secret)),
                *("--tls-cert", str(self.certificate), "--tls-key", str(self.key)),
                *("--base-path", BASE, "--trusted-proxy", "127.0.0.1"),
                *("--allow-host", "lab.example", "--allow-origin", "https://notebook.example"),
                *("--allow-embed", "https://course.example"),
                *("--log-level", "debug", "--log-format", "json"),
            ],
            trust=self.trust,
        )

    def certify(self) -> int:
        """A new certificate in the server's files; its serial number."""
        issued = self.authority.issue_cert("127.0.0.1", "localhost", "lab.example", "evil.example")
        issued.private_key_pem.write_to_path(self.key)
        for number, blob in enumerate(issued.cert_chain_pems):
            blob.write_to_path(self.certificate, append=number > 0)
        return self.serial()

    def serial(self) -> int:
        """Of the certificate in the file."""
        decoded = ssl._ssl._test_decode_cert(str(self.certificate))  # type: ignore[attr-defined]
        return int(decoded["serialNumber"], 16)

    def shown(self) -> int:
        """The serial number of the certificate that a new connection sees."""
        with (
            socket.create_connection(("127.0.0.1", self.server.port), timeout=TIME_LIMIT) as plain,
            self.trust.wrap_socket(plain, server_hostname="127.0.0.1") as encrypted,
        ):
            certificate = encrypted.getpeercert()
            assert certificate is not None
            return int(str(certificate["serialNumber"]), 16)

    async def handshake(self, name: str = "lab.example", port: int | None = None, **options: Any) -> ClientConnection:
        """A websocket to the server, or to what listens on `port`, asked for by `name`."""
        at = port or self.server.port
        options = {"host": "127.0.0.1", "port": at, "ssl": self.trust, "open_timeout": TIME_LIMIT, **options}
        address = f"wss://{name}:{at}{BASE}/ws?token={TOKEN}"
        return await connect(address, **options)

    async def status(self, **options: Any) -> int:
        try:
            connection = await self.handshake(**options)
        except InvalidStatus as refused:
            return refused.response.status_code
        await connection.close()
        return 101


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    house = House(tmp_path_factory.mktemp("house"))
    yield house
    house.server.stop()
    house.server.events()  # every line is JSON


@pytest.fixture(scope="module")
def reference(house: House) -> Reference:
    return Reference(house.folder)


async def typed(client: Client, reference: Reference) -> None:
    """A short conversation, held against a plain computation."""
    async with client:
        await client.initialize(client={"name": "gate", "version": "7"})
        await client.subscribe("L2N1")
        await client.open_document("one", SECRET_TEXT)
        await client.change("one", (4, 10, "abbot"))
        await client.settled()
        reference.check(client.documents["one"], client.subscribed)


def test_the_link(house: House) -> None:
    assert house.server.url == f"https://127.0.0.1:{house.server.port}{BASE}/"
    assert house.server.query == f"?token={TOKEN}"


async def test_encrypted_from_end_to_end(house: House, reference: Reference) -> None:
    address = f"{house.server.url}ws?token={TOKEN}"
    await typed(await Client.dial_address(address, ssl=house.trust), reference)
    with socket.create_connection(("127.0.0.1", house.server.port), timeout=TIME_LIMIT) as plain:
        plain.sendall(f"GET {BASE}/healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        with contextlib.suppress(ConnectionResetError):
            assert b"HTTP" not in plain.recv(65536)


def test_a_renewed_certificate_is_shown_after_sighup(house: House) -> None:
    former = house.shown()
    renewed = house.certify()
    assert former == house.shown() != renewed
    house.server.process.send_signal(signal.SIGHUP)
    _until(lambda: house.shown() == renewed)
    kept = house.key.read_bytes()
    house.key.write_text("nothing")
    house.server.process.send_signal(signal.SIGHUP)
    _until(lambda: any(event["level"] == "error" for event in house.server.events()))
    assert house.shown() == renewed
    house.key.write_bytes(kept)


def _until(condition: Callable[[], bool]) -> None:
    """Each look at the condition asks the server or the disk, which is what this waits with."""
    deadline = time.monotonic() + TIME_LIMIT
    while not condition():
        assert time.monotonic() < deadline, "it does not come"


# ------------------------------------------------------------------------------------ paths and cookies


def test_nothing_is_served_beside_the_base_path(house: House) -> None:
    for path in ("/", "/healthz", "/ws", "/lab", "/lab/", f"{BASE}ws", f"{BASE}x/", f"/x{BASE}/", "/lab/./neuro/"):
        assert _get(house, path)[0] == _get(house, path, Authorization=f"Bearer {TOKEN}")[0] == 404, path
    status, headers, _ = _get(house, f"{BASE}?token={TOKEN}&neurons=L0N1")
    assert (status, headers["location"]) == (308, f"./neuro/?token={TOKEN}&neurons=L0N1")
    assert _get(house, f"{BASE}/healthz")[0] == 200


def test_the_cookie_is_for_encrypted_connections_to_this_path(house: House) -> None:
    status, headers, _ = _get(house, f"{BASE}/?token={TOKEN}&neurons=L0N1")
    assert (status, headers["location"]) == (303, "./?neurons=L0N1")
    cookie, *attributes = headers["set-cookie"].split("; ")
    assert set(attributes) == {"HttpOnly", "SameSite=Strict", "Secure", f"Path={BASE}/"}
    assert TOKEN not in cookie
    assert _get(house, f"{BASE}/metrics", Cookie=f"a=b;; ;x=[{{,}}]; {cookie}")[0] == 200
    for wrong in (cookie[:-1], cookie.partition("=")[0] + "=" + TOKEN, cookie + "0", "neuroscope_=" + TOKEN):
        assert _get(house, f"{BASE}/metrics", Cookie=wrong)[0] == 401
    # The cookie's value does not work as a link.
    assert _get(house, f"{BASE}/?token={cookie.partition('=')[2]}")[0] == 401


def _get(house: House, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    """Of a path from the server's root, without following."""
    with (
        socket.create_connection(("127.0.0.1", house.server.port), timeout=TIME_LIMIT) as plain,
        house.trust.wrap_socket(plain, server_hostname="127.0.0.1") as encrypted,
    ):
        given = {"Host": "127.0.0.1", **headers}
        lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in given.items())
        encrypted.sendall(f"GET {path} HTTP/1.1\r\n{lines}\r\n".encode())
        answer = b""
        while block := encrypted.recv(65536):
            answer += block
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *fields = head.decode().split("\r\n")
    return int(status.split()[1]), {f.partition(": ")[0].lower(): f.partition(": ")[2] for f in fields}, body


# ------------------------------------------------------------------------------------ names and frames


async def test_origins_and_hosts(house: House) -> None:
    port = house.server.port
    assert await house.status() == 101  # no browser
    for origin, status in {
        f"https://lab.example:{port}": 101,
        "https://notebook.example": 101,
        "https://notebook.example:8443": 403,
        f"http://lab.example:{port}": 403,  # somebody between could have written that page
        "https://lab.example": 403,
        "https://course.example": 403,  # may show the page, not connect
        "https://evil.example": 403,
        "null": 403,
    }.items():
        assert await house.status(origin=origin) == status, origin
    assert await house.status(name="evil.example") == 403
    assert await house.status(name="evil.example", origin=f"https://evil.example:{port}") == 403
    assert _get(house, f"{BASE}/", Host="evil.example", Authorization=f"Bearer {TOKEN}")[0] == 403


def test_what_every_answer_forbids(house: House) -> None:
    for path, status in {
        f"{BASE}/": 401,
        f"{BASE}/page.js": 200,
        f"{BASE}/nothing": 401,
        f"{BASE}/ws?token={TOKEN}": 426,
        "/nothing?token=" + TOKEN: 404,
        f"{BASE}/healthz": 200,
    }.items():
        found, headers, _ = _get(house, path)
        assert found == status, path
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["content-security-policy"].endswith("; frame-ancestors 'self' https://course.example")
        assert "x-frame-options" not in headers
    upgrade = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec_WebSocket_Version": "1"}
    assert "content-security-policy" in _get(house, f"{BASE}/ws?token={TOKEN}", **upgrade)[1]


def test_a_framed_page_keeps_its_token_for_want_of_cookies(house: House) -> None:
    status, headers, body = _get(house, f"{BASE}/?token={TOKEN}", Sec_Fetch_Dest="iframe", Sec_Fetch_Site="cross-site")
    assert status == 200
    assert "set-cookie" not in headers
    assert b"<!doctype html>" in body[:100].lower()
    assert _get(house, f"{BASE}/", Sec_Fetch_Dest="iframe")[0] == 401
    for name in ("opening.json", "metrics"):  # what it fetches then, and what programs ask for
        assert _get(house, f"{BASE}/{name}?token={TOKEN}")[0] == 200


# ------------------------------------------------------------------------------------ behind a proxy


async def test_behind_a_proxy(house: House, reference: Reference) -> None:
    """Client addresses are the proxy's word where it is trusted, and nobody else's."""
    certificate = house.authority.issue_cert("lab.example")
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate.configure_cert(tls)
    forged = {"X-Forwarded-For": "192.0.2.66", "X-Forwarded-Proto": "http"}
    async with ReverseProxy(house.server.port, tls=tls, upstream=house.trust) as proxy:
        known = len(house.server.events())
        far = {"local_addr": ("127.0.0.9", 0)}
        connection = await house.handshake(
            port=proxy.port, additional_headers=forged, origin=f"https://lab.example:{proxy.port}", **far
        )
        await typed(Client(connection), reference)
        assert await house.status(additional_headers=forged, **far) == 101
        addresses = [e["address"] for e in house.server.events()[known:] if e["event"] == "connection opened"]
        assert addresses == ["127.0.0.9", "127.0.0.9"]


async def test_a_proxy_that_ends_tls_and_cuts_the_path(tmp_path: Path) -> None:
    """As many do: the server speaks plain HTTP and does not know where it is. The page's addresses are relative, so it
    works all the same; a token is required, since a trusted proxy is there to let others in."""
    folder = models.gpt2(tmp_path / "tiny")
    authority = trustme.CA()
    tls, trust = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    authority.configure_trust(trust)
    server = ServerProcess(tmp_path / "stderr", [folder], ["--trusted-proxy", "127.0.0.0/8"])
    assert re.fullmatch(r"\?token=[\w-]{30,}", server.query)
    async with ReverseProxy(server.port, tls=tls, strip="/deep/down") as proxy:
        address = f"wss://127.0.0.1:{proxy.port}/deep/down/ws"
        with pytest.raises(InvalidStatus):
            await connect(address, ssl=trust)
        async with connect(address + server.query, ssl=trust, origin=f"https://127.0.0.1:{proxy.port}"):
            pass
        with pytest.raises(InvalidStatus):  # the page was encrypted, the proxy says
            await connect(address + server.query, ssl=trust, origin=f"http://127.0.0.1:{proxy.port}")
        reader_writer = await _asked(proxy.port, trust, f"/deep/down/{server.query}")
        assert b"Secure" in reader_writer
        assert b"Location: ./\r\n" in reader_writer
    server.stop()


async def _asked(port: int, trust: ssl.SSLContext, path: str) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trust)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
    answer = await asyncio.wait_for(reader.read(), TIME_LIMIT)
    writer.transport.abort()
    return answer


# ------------------------------------------------------------------------------------ the log


async def test_a_line_a_connection_event(house: House, reference: Reference) -> None:
    known = len(house.server.events())
    await typed(Client(await house.handshake()), reference)
    assert await house.status(origin="https://evil.example") == 403
    number = next(e["connection"] for e in house.server.events()[known:] if e["event"] == "session begun")

    def events() -> list[dict[str, Any]]:
        return [e for e in house.server.events()[known:] if e.get("connection") == number]

    _until(lambda: len(events()) == 3)
    opened, begun, closed = events()
    assert [e["event"] for e in events()] == ["connection opened", "session begun", "connection closed"]
    (refused,) = (e for e in house.server.events()[known:] if e["event"] == "request refused")
    assert (opened["address"], opened["secure"]) == ("127.0.0.1", True)
    assert (begun["client"], begun["client_version"]) == ("gate", "7")
    assert (closed["session"], closed["code"], closed["messages"]) == (begun["session"], 1000, 4)
    assert 0 < closed["seconds"] < TIME_LIMIT
    assert (refused["status"], refused["origin"]) == (403, "https://evil.example")
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", event["time"]) for event in events())
    assert {event["level"] for event in [*events(), refused]} == {"info"}


async def test_texts_and_tokens_are_not_logged(house: House, reference: Reference) -> None:
    """Even where everything else is (`--log-level debug`), and where the client errs."""
    client = Client(await house.handshake(additional_headers={"Authorization": f"Bearer {TOKEN}"}))
    await client.initialize(client={"name": "multi\nline \x1b[31m" + "x" * 230})
    secrets = [TOKEN, client.initialized["resumeToken"], client.initialized["session"]]
    await client.open_document("one", SECRET_TEXT)
    await client.notify("document/change", {"uri": "one", "version": SECRET_TEXT, "changes": SECRET_TEXT})
    await client.send_text(json.dumps(SECRET_TEXT)[:-1])
    await client.request("models/list")
    await client.socket.close(1000, SECRET_TEXT)
    cookie = _get(house, f"{BASE}/?token={TOKEN}")[1]["set-cookie"].partition(";")[0]
    _get(house, f"{BASE}/", Cookie=cookie)
    _get(house, f"{BASE}/?token={TOKEN[:-1]}")
    log = house.server.log.read_text()
    for secret in [*secrets, cookie.partition("=")[2], TOKEN[:-1], *SECRET_TEXT.split()]:
        if len(secret) > 5:
            assert secret not in log
    assert "\x1b" not in log
    named = next(e for e in reversed(house.server.events()) if e["event"] == "session begun")
    assert named["client"] == "multi\nline \x1b[31m" + "x" * 184 + "..."


# ------------------------------------------------------------------------------------ options that are wrong


def test_options_that_cannot_be_meant(tmp_path: Path) -> None:
    authority = trustme.CA()
    certificate, other = authority.issue_cert("localhost"), authority.issue_cert("localhost")
    paths = {name: str(tmp_path / name) for name in ("cert", "key", "text", "locked", "missing")}
    certificate.cert_chain_pems[0].write_to_path(paths["cert"])
    other.private_key_pem.write_to_path(paths["key"])
    (tmp_path / "text").write_text("no PEM")
    (tmp_path / "locked").write_bytes(_locked(certificate.private_key_pem.bytes()))
    wrong = {
        ("--tls-key", paths["key"]): "--tls-cert",
        ("--tls-cert", paths["missing"]): "missing",
        ("--tls-cert", paths["cert"]): "private key",
        ("--tls-cert", paths["text"]): "text",
        ("--tls-cert", paths["cert"], "--tls-key", paths["key"]): "private key",
        ("--tls-cert", paths["cert"], "--tls-key", paths["locked"]): "encrypted",
        ("--trusted-proxy", "lab.example"): "lab.example",
        ("--allow-origin", "lab.example"): "https://lab.example",
        ("--allow-origin", "https://lab.example/page"): "/page",
        ("--allow-embed", "https://a.example; script-src *"): "script-src",
        ("--allow-host", "https://lab.example"): "https:",
        ("--base-path", "/a/../b"): "..",
        ("--base-path", "/a b"): "a b",
    }
    for arguments, words in wrong.items():
        result = run_command("serve", "--no-open", "--port", "0", *arguments)
        assert result.returncode == 2, arguments
        assert result.stdout == ""
        assert words in result.stderr.splitlines()[-1], arguments
        assert "Traceback" not in result.stderr


def _locked(key: bytes) -> bytes:
    from cryptography.hazmat.primitives import serialization

    loaded = serialization.load_pem_private_key(key, None)
    return loaded.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"a password"),
    )
