"""Who may enter: Host, Origin and token."""

from __future__ import annotations

from pathlib import Path

import pytest
from websockets.datastructures import Headers
from websockets.http11 import Request

from ws_server.cli import main
from ws_server.config import Settings
from ws_server.engine.catalog import resolve_models
from ws_server.server.access import Access, Refusal, is_loopback, without_token
from ws_server.server.app import Server

TOKEN = "a-long-enough-secret"


def request(path: str = "/", host: str = "127.0.0.1:8740", **headers: str) -> Request:
    return Request(path, Headers({"Host": host, **headers}))


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("127.0.0.1:8740", True),
        ("localhost:8740", True),
        ("[::1]:8740", True),
        ("192.168.1.7", True),  # an address cannot be rebound
        ("lab.example", True),  # the operator's own name
        ("evil.example", False),
        ("localhost.evil.example:8740", False),
        ("[::1", False),
        ("", False),
    ],
)
def test_hosts(host: str, allowed: bool) -> None:
    access = Access("127.0.0.1", ("https://lab.example",), None)
    if allowed:
        access.check_source(request(host=host), opens_socket=False)
    else:
        with pytest.raises(Refusal) as refusal:
            access.check_source(request(host=host), opens_socket=False)
        assert refusal.value.status == 403


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("http://127.0.0.1:8740", True),
        ("https://lab.example", True),
        ("http://127.0.0.1:9999", False),
        ("http://evil.example", False),
        ("null", False),
        ("file://", False),
        ("", False),
    ],
)
def test_origins_of_pages_that_open_the_socket(origin: str, allowed: bool) -> None:
    access = Access("127.0.0.1", ("https://lab.example/",), None)
    if allowed:
        access.check_source(request(Origin=origin), opens_socket=True)
    else:
        with pytest.raises(Refusal):
            access.check_source(request(Origin=origin), opens_socket=True)
    Access("127.0.0.1", ("*",), None).check_source(request(Origin=origin), opens_socket=True)


def test_the_token_in_each_place() -> None:
    access = Access("127.0.0.1", (), TOKEN)
    assert access.check_token(request(f"/?a=1&token={TOKEN}")) is True
    assert access.check_token(request(Authorization=f"Bearer {TOKEN}")) is False
    cookie = access.cookie().partition(";")[0]
    assert access.check_token(request(Cookie=f"other=1; {cookie}")) is False
    assert "HttpOnly" in access.cookie()
    assert "SameSite=Strict" in access.cookie()
    assert Access("127.0.0.1", (), None).check_token(request()) is False


@pytest.mark.parametrize(
    "wrong",
    [
        request(),
        request("/?token="),
        request(f"/?token={TOKEN[:-1]}"),
        request(f"/?token={TOKEN}x"),
        request("/?token=%ed%a0%80"),
        request(Authorization="Bearer "),
        request(Authorization="Basic abc"),
        request(Cookie="neuroscope=nothing"),
        request(Cookie=f"{Access('127.0.0.1', (), TOKEN).cookie().partition('=')[0]}={TOKEN}"),
        request(Cookie="=;;,"),
    ],
)
def test_a_missing_or_wrong_token_is_401(wrong: Request) -> None:
    with pytest.raises(Refusal) as refusal:
        Access("127.0.0.1", (), TOKEN).check_token(wrong)
    assert refusal.value.status == 401


def test_the_token_leaves_the_address() -> None:
    assert without_token(f"/?token={TOKEN}") == "./"
    assert without_token(f"/?text=a%20b&token={TOKEN}&x=1") == "./?text=a+b&x=1"
    assert without_token(f"//evil.example/?token={TOKEN}") == "./"


async def test_where_others_can_connect_a_token_is_made() -> None:
    specs = resolve_models(())
    assert Server(Settings(), specs).token is None
    made = Server(Settings(host="0.0.0.0"), specs).token
    assert made is not None
    assert len(made) >= 30
    assert Server(Settings(host="0.0.0.0", token=TOKEN), specs).token == TOKEN
    assert [is_loopback(host) for host in ("localhost", "::1", "127.0.0.9", "0.0.0.0", "lab")] == [True] * 3 + [
        False
    ] * 2


@pytest.mark.parametrize("content", ["", "short", "with space in it", "semi;colon;here", "\udcff"])
def test_a_token_file_that_holds_no_token(content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "token"
    file.write_text(content, encoding="utf-8", errors="surrogateescape")
    assert main(["serve", "--port", "0", "--token-file", str(file)]) == 2
    assert main(["serve", "--port", "0", "--token-file", str(tmp_path / "nothing")]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert len(printed.err.splitlines()) == 2
