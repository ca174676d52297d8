"""Who may enter: Host, Origin and token."""

from __future__ import annotations

import hmac
import socket
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.datastructures import Headers
from websockets.http11 import Request

from ws_server.cli import main
from ws_server.config import Settings
from ws_server.engine.catalog import resolve_models
from ws_server.protocol.messages import Resume
from ws_server.server.access import Access, Refusal, is_loopback, without_token
from ws_server.server.app import Server
from ws_server.server.forwarded import Proxies
from ws_server.server.gate import RequestGate
from ws_server.server.launcher import Launcher
from ws_server.server.site import Site

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
        ("127.0.0.1:8740, 127.0.0.1:8740", False),
        ("127.0.0.1:x", False),
        ("127.0.0.1/x", False),
        ("user@127.0.0.1", False),
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
        ("http://127.0.0.1:8740/page", False),
        ("http://127.0.0.1:x", False),
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


SIGNS = [*"/?#&=:;@[].,%", "//", "..", "token=", TOKEN, "127.0.0.1", "::1", "evil.example", "http", "ws", "%ed%a0%80"]
ANY_TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=3)
PIECES = st.lists(st.sampled_from(SIGNS) | ANY_TEXT, max_size=8).map("".join)
HOSTS = st.sampled_from(["127.0.0.1:8740", "[::1]", "localhost"]) | PIECES


async def _secret() -> tuple[int, bytes]:
    return 200, b"the secret"


@settings(max_examples=400)
@given(
    path=PIECES,
    hosts=st.lists(HOSTS, max_size=2),
    origins=st.lists(PIECES, max_size=2),
    cookie=PIECES,
    bearer=PIECES,
    forwarded=st.lists(PIECES, max_size=2),
    base=st.sampled_from(["", "/a/b"]),
)
async def test_any_request_is_answered_or_refused(
    path: str, hosts: list[str], origins: list[str], cookie: str, bearer: str, forwarded: list[str], base: str
) -> None:
    """Never with what only the token gives, and never by an exception."""
    headers = Headers({"Cookie": cookie, "Authorization": bearer, "Upgrade": "websocket"})
    for name, values in (("Host", hosts), ("Origin", origins), ("X-Forwarded-For", forwarded)):
        for value in values:  # any of them may come several times
            headers[name] = value
    headers["X-Forwarded-Proto"] = cookie
    asked = Request(f"{base}/{path}", headers)
    peer = Proxies(("127.0.0.1",)).peer("127.0.0.1", False, headers)
    site = Site({f"/{name}": ("text/plain", _secret) for name in ("", "ws", "http")}, {}, Path("nowhere"))
    gate = RequestGate(
        Settings(base_path=base, embedders=("https://course.example",)), Access("127.0.0.1", (), TOKEN), site
    )
    answer = await gate.answer(asked, peer)
    gate.stamp(asked, headers if answer is None else answer.headers)
    if TOKEN not in path + bearer:
        assert answer is not None
        assert answer.status_code != 303
        assert b"secret" not in (answer.body or b"")
    assert peer.address


async def test_secrets_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of them, and to the end."""
    compared: list[tuple[bytes, bytes]] = []
    compare = hmac.compare_digest

    def watched(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return compare(one, other)

    monkeypatch.setattr(hmac, "compare_digest", watched)
    access = Access("127.0.0.1", (), TOKEN)
    name, _, value = access.cookie().partition(";")[0].partition("=")
    ticket = access.ticket()
    assert ticket is not None
    for wrong in (
        request("/?token=1"),
        request(Authorization="Bearer 2"),
        request(Cookie=f"{name}=3"),
    ):
        with pytest.raises(Refusal):
            access.check_token(wrong)
    sessions = Server(Settings(), resolve_models(()), Launcher()).sessions
    sessions._runners["s"] = SimpleNamespace(session=SimpleNamespace(resume_token="the resume token"))  # type: ignore
    assert sessions.resume(Resume(session="s", resume_token="4"), SimpleNamespace()) is None  # type: ignore[arg-type]
    assert (b"4", b"the resume token") in compared
    for guess, secret in ((b"1", TOKEN), (b"1", ticket), (b"2", TOKEN), (b"3", value)):
        assert (guess, secret.encode()) in compared


def test_a_ticket_is_good_once() -> None:
    access = Access("127.0.0.1", (), TOKEN)
    ticket = access.ticket()
    assert ticket is not None
    assert ticket != TOKEN
    assert access.check_token(request(f"/?token={ticket}")) is True
    with pytest.raises(Refusal):
        access.check_token(request(f"/?token={ticket}"))
    assert Access("127.0.0.1", (), None).ticket() is None


def test_cookies_of_servers_on_one_machine_do_not_meet() -> None:
    """Browsers send cookies to all ports of a machine."""
    names = {Access("127.0.0.1", (), token).cookie().partition("=")[0] for token in (TOKEN, TOKEN + "x")}
    assert len(names) == 2


def test_names_of_a_server_that_others_can_reach() -> None:
    name = socket.gethostname()
    Access("0.0.0.0", (), TOKEN).check_source(request(host=f"{name}:8740"), opens_socket=False)
    Access("127.0.0.1", (), None, ("lab",)).check_source(request(host="LAB:8740"), opens_socket=False)
    with pytest.raises(Refusal):
        Access("0.0.0.0", (), TOKEN).check_source(request(host="evil.example"), opens_socket=False)


@pytest.mark.parametrize(
    ("peer", "headers", "expected"),
    [
        ("192.0.2.1", [], "192.0.2.1"),
        ("192.0.2.1", ["198.51.100.7"], "192.0.2.1"),  # nobody trusts it
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.7"], "198.51.100.7"),
        ("10.0.0.1", ["203.0.113.9, 198.51.100.7"], "198.51.100.7"),  # what the client wrote itself stands left
        ("10.0.0.1", ["203.0.113.9, 198.51.100.7, 10.0.0.2"], "198.51.100.7"),
        ("10.0.0.1", ["203.0.113.9, 198.51.100.7", "10.0.0.2"], "198.51.100.7"),
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ("10.0.0.1", ["203.0.113.9, not an address"], "10.0.0.1"),
        ("10.0.0.1", [""], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.7:4711"], "198.51.100.7"),
        ("10.0.0.1", ["[2001:db8::1]:4711"], "2001:db8::1"),
        ("10.0.0.1", ["2001:db8::1"], "2001:db8::1"),
        ("::ffff:10.0.0.1", ["198.51.100.7"], "198.51.100.7"),
        ("::1", ["198.51.100.7"], "198.51.100.7"),
        ("fe80::1%eth0", ["198.51.100.7"], "fe80::1%eth0"),
        ("", ["198.51.100.7"], ""),
    ],
)
def test_forwarded_addresses(peer: str, headers: list[str], expected: str) -> None:
    given = Headers([("X-Forwarded-For", header) for header in headers])
    assert Proxies(("10.0.0.0/8", "::1")).peer(peer, False, given).address == expected
    assert Proxies(()).peer("10.0.0.1", False, given).address == "10.0.0.1"


def test_forwarded_protocols() -> None:
    proxies = Proxies(("10.0.0.1",))

    def secure(peer: str, own: bool, *headers: str) -> bool:
        return proxies.peer(peer, own, Headers([("X-Forwarded-Proto", header) for header in headers])).secure

    assert secure("10.0.0.1", False, "https")
    assert secure("10.0.0.1", False, "http", "http, HTTPS")
    assert not secure("10.0.0.1", True, "http")
    assert secure("10.0.0.1", True)
    assert not secure("192.0.2.1", False, "https")
    assert secure("192.0.2.1", True, "http")


async def test_where_others_can_connect_a_token_is_made() -> None:
    specs = resolve_models(())
    assert Server(Settings(), specs, Launcher()).token is None
    made = Server(Settings(host="0.0.0.0"), specs, Launcher()).token
    assert made is not None
    assert len(made) >= 30
    assert Server(Settings(host="0.0.0.0", token=TOKEN), specs, Launcher()).token == TOKEN
    assert Server(Settings(host="0.0.0.0"), specs, Launcher()).token != made
    assert Server(Settings(trusted_proxies=("127.0.0.1",)), specs, Launcher()).token is not None
    assert [is_loopback(host) for host in ("localhost", "::1", "127.0.0.9", "0.0.0.0", "lab")] == [True] * 3 + [
        False
    ] * 2


@pytest.mark.parametrize("content", ["", "fifteen-letters", "with some space in it", "semi;colon;here", "\udcff"])
def test_a_token_file_that_holds_no_token(content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "token"
    file.write_text(content, encoding="utf-8", errors="surrogateescape")
    assert main(["serve", "--port", "0", "--token-file", str(file)]) == 2
    assert main(["serve", "--port", "0", "--token-file", str(tmp_path / "nothing")]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert len(printed.err.splitlines()) == 2
