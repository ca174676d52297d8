"""What the port serves besides the websocket."""

from __future__ import annotations

import json
import socket
import sys
from pathlib import Path

import pytest

from tests.server.conftest import Fleet
from tests.support.client import Client


def test_page(fleet: Fleet) -> None:
    status, headers, body = fleet.server.get("/")
    assert status == 200
    assert headers["content-type"] == "text/html; charset=utf-8"
    assert b"<!doctype html>" in body[:100].lower()
    policy = dict(rule.split(" ", 1) for rule in headers["content-security-policy"].split("; "))
    origin = f"127.0.0.1:{fleet.server.port}"
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["require-trusted-types-for"].replace("script", "self")
    assert policy["script-src"] == "'self'"
    assert policy["connect-src"] == f"'self' ws://{origin} wss://{origin}"
    assert headers["x-frame-options"] == "DENY"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cross-origin-resource-policy"] == headers["cross-origin-opener-policy"] == "same-origin"
    again = fleet.server.get("/", **{"If-None-Match": headers["etag"]})
    assert (again[0], again[2]) == (304, b"")
    assert fleet.server.get("/?x=1")[0] == 200


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc, which only Linux has")
def test_only_this_machine_can_connect(fleet: Fleet) -> None:
    """Unless told otherwise, the server listens on the loopback address and on no other."""
    listening = []
    for family in ("tcp", "tcp6"):
        for line in Path(f"/proc/{fleet.server.pid}/net/{family}").read_text().splitlines()[1:]:
            address, _, port = line.split()[1].partition(":")
            if line.split()[3] == "0A" and int(port, 16) == fleet.server.port:
                listening.append(address)
    assert [bytes.fromhex(address)[::-1] for address in listening] == [bytes([127, 0, 0, 1])]


def test_pages_of_others_may_load_the_element_and_nothing_else(fleet: Fleet) -> None:
    status, headers, _ = fleet.server.get("/neuro-scope.js", Origin="https://notes.example")
    assert status == 200
    assert headers["access-control-allow-origin"] == "*"
    assert headers["cross-origin-resource-policy"] == "cross-origin"
    for path in ("/", "/page.js", "/opening.json", "/metrics"):
        _, headers, _ = fleet.server.get(path, Origin="https://notes.example")
        assert "access-control-allow-origin" not in headers
        assert headers["cross-origin-resource-policy"] == "same-origin"


def test_health(fleet: Fleet) -> None:
    status, headers, body = fleet.server.get("/healthz")
    assert status == 200
    assert headers["content-type"].startswith("application/json")
    assert json.loads(body) == {"status": "ok"}


async def test_openrpc(fleet: Fleet) -> None:
    status, _, body = fleet.server.get("/openrpc.json")
    assert status == 200
    async with await Client.open(fleet.url) as client:
        assert json.loads(body) == await client.request("rpc.discover")


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/ws/",
        "/healthz/",
        "/../config.py",
        "/..%2f..%2fconfig.py",
        "/static/index.html",
        "//etc/passwd",
        "/%00",
    ],
)
def test_no_other_path(fleet: Fleet, path: str) -> None:
    answer = exchange(fleet, f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{fleet.server.port}\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 404 "), answer[:100]


def test_socket_without_upgrade(fleet: Fleet) -> None:
    assert fleet.server.get("/ws")[0] == 426


def test_host(fleet: Fleet) -> None:
    port = fleet.server.port
    for host, status in (
        (f"127.0.0.1:{port}", 200),
        (f"localhost:{port}", 200),
        (f"LOCALHOST:{port}", 200),
        (f"[::1]:{port}", 200),
        ("evil.example", 403),
        (f"127.0.0.1.evil.example:{port}", 403),
        (f"localhost.evil.example:{port}", 403),
        ("", 403),
        ("[", 403),
    ):
        answer = exchange(fleet, f"GET /healthz HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        assert answer.split()[1] == str(status).encode(), (host, answer[:80])
    assert exchange(fleet, b"GET / HTTP/1.1\r\n\r\n").split()[1] == b"403"  # no Host at all
    twice = f"Host: 127.0.0.1:{port}\r\n" * 2
    assert exchange(fleet, f"GET / HTTP/1.1\r\n{twice}\r\n".encode()).split()[1] == b"403"
    for path in ("//[", "/?%", "/?token=%ff&=&&;", "*", "//127.0.0.1:1/x", "/#x?token="):
        answer = exchange(fleet, f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
        assert answer.split()[1] in (b"200", b"404"), path


@pytest.mark.parametrize(
    "request_",
    [
        b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 3\r\n\r\nabc",
        b"\0\0\0\0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n" + b"X: y\r\n" * 1000 + b"\r\n",
        b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"",
    ],
)
def test_what_is_no_request_of_ours(fleet: Fleet, request_: bytes) -> None:
    """It may be answered or cut off; the next one is served."""
    answer = exchange(fleet, request_, half_close=True)
    assert not answer.startswith(b"HTTP/1.1 200")
    assert fleet.server.get("/healthz")[0] == 200


def exchange(fleet: Fleet, request: bytes, *, half_close: bool = False) -> bytes:
    """The raw answer to raw bytes, of which no more come after a half close."""
    with socket.create_connection(("127.0.0.1", fleet.server.port), timeout=30) as connection:
        connection.sendall(request)
        if half_close:
            connection.shutdown(socket.SHUT_WR)
        answer = b""
        try:
            while block := connection.recv(65536):
                answer += block
        except ConnectionResetError:
            pass
    return answer
