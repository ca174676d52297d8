"""A server that asks for its token: requests without it are refused, wherever it may stand."""

from __future__ import annotations

import os
import select
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from websockets.exceptions import InvalidStatus

from tests.support import models
from tests.support.client import Client
from tests.support.server import ServerProcess, run_command

TOKEN = "a-long-enough-Secret_7"


@dataclass(frozen=True)
class Browser:
    """A program that is started as a browser; `opened` is the end of a pipe that gets the address."""

    program: Path
    opened: int


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    folder = tmp_path_factory.mktemp("browser")
    program, pipe = folder / "browser", folder / "pipe"
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$1" > "{pipe}"\n')
    program.chmod(0o700)
    os.mkfifo(pipe)
    opened = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)  # the program need not wait for a reader
    yield Browser(program, opened)
    os.close(opened)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[ServerProcess]:
    """No test of this file waits until its model is loaded."""
    parent = tmp_path_factory.mktemp("access")
    folder = models.gpt2(parent / "tiny")
    secret = parent / "token"
    secret.write_text(TOKEN + "\n")
    arguments = ["--token-file", str(secret), "--open"]
    server = ServerProcess(parent / "stderr", [folder], arguments, environment={"BROWSER": str(browser.program)})
    yield server
    server.stop()


async def connects(server: ServerProcess, query: str = "", **headers: str) -> bool:
    """Whether the handshake succeeds; a refusal must be the one for a missing token."""
    address = f"{server.url}ws{query}"
    try:
        client = await Client.dial_address(address, additional_headers=headers)
    except InvalidStatus as refused:
        status = refused.response.status_code
    else:
        await client.close()
        status = 101
    assert status in (101, 401)
    return status == 101


def test_line_holds_the_link(server: ServerProcess) -> None:
    assert server.query == f"?token={TOKEN}"


async def test_socket(server: ServerProcess) -> None:
    assert await connects(server, f"?token={TOKEN}")
    assert await connects(server, Authorization=f"Bearer {TOKEN}")
    for query in ("", "?token=", "?token=wrong", f"?token={TOKEN}x", f"?token={TOKEN[:-1]}", f"?Token={TOKEN}"):
        assert not await connects(server, query), query
    for name, value in (
        ("Authorization", "Bearer wrong"),
        ("Authorization", "Bearer "),
        ("Cookie", "neuroscope_token=wrong"),
        ("Cookie", "="),
        ("Cookie", TOKEN),
    ):
        assert not await connects(server, **{name: value}), value


async def test_page(server: ServerProcess) -> None:
    """The link sets a cookie and leads to an address without the secret."""
    for path in ("/", "/index.html", "/metrics", "/openrpc.json", "/opening.json", "/nothing", "/?token=wrong"):
        status, _, body = server.get(path)
        assert status == 401, path
        assert TOKEN.encode() not in body
    for path in ("/healthz", "/page.js", "/page.css"):  # the same wherever the package is installed
        assert server.get(path)[0] == 200
    assert server.get("/readyz")[0] in (200, 503)
    status, headers, _ = server.get(f"/?token={TOKEN}&neurons=L0N1", follow=False)
    assert status == 303
    assert TOKEN not in headers["location"]
    assert urlsplit(headers["location"]).query == "neurons=L0N1"
    cookie, *attributes = headers["set-cookie"].split("; ")
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(attributes)
    status, headers, _ = server.get("/", Cookie=cookie)
    assert status == 200
    assert await connects(server, Cookie=cookie)


def test_the_browser_is_started_with_a_ticket(server: ServerProcess, browser: Browser) -> None:
    """Other users of the machine can see the command line, so the address in it opens the page only once."""
    assert select.select([browser.opened], [], [], 60)[0]
    link = os.read(browser.opened, 4096).decode().strip()
    assert link.startswith(f"{server.url}?token=")
    path = link.removeprefix(server.url)
    assert TOKEN not in link
    assert server.get(path, follow=False)[0] == 303
    assert server.get(path, follow=False)[0] == 401


@pytest.mark.parametrize("content", [b"", b"short", b"with a space in it", b"\xff\xfe" * 10, None])
def test_unusable_tokens(tmp_path: Path, content: bytes | None) -> None:
    secret = tmp_path / "token"
    if content is not None:
        secret.write_bytes(content)
    result = run_command("serve", "--no-open", "--port", "0", "--token-file", str(secret))
    assert (result.returncode, result.stdout) == (2, "")
    assert len(result.stderr.splitlines()) == 1
