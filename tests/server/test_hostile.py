"""Input that is meant to do harm: it is refused, costs little, and tells nothing of the machine."""

from __future__ import annotations

import json
import os
import re
import secrets
import socket
import struct
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.server.conftest import CANARY, NARROW, Fleet
from tests.support.client import LOADING, Client, RequestFailed

TEXT, CONTINUATION, CLOSE, PING = 0x1, 0x0, 0x8, 0x9
FINAL, COMPRESSED = 0x80, 0x40

# ------------------------------------------------------------------------------------ frames


class Wire:
    """A websocket of which a test writes the bytes itself."""

    def __init__(self, fleet: Fleet, extensions: str = "") -> None:
        self._socket = socket.create_connection(("127.0.0.1", fleet.server.port), timeout=30)
        key = "dGhlIHNhbXBsZSBub25jZQ=="
        self._socket.sendall(
            (
                f"GET /ws HTTP/1.1\r\nHost: 127.0.0.1:{fleet.server.port}\r\nUpgrade: websocket\r\n"
                f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
                + (f"Sec-WebSocket-Extensions: {extensions}\r\n" if extensions else "")
                + "\r\n"
            ).encode()
        )
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += self._socket.recv(4096)
        assert b" 101 " in answer
        self.compresses = b"permessage-deflate" in answer
        self._rest = answer.partition(b"\r\n\r\n")[2]

    def send(self, first: int, payload: bytes, *, length: int | None = None, masked: bool = True) -> None:
        """A frame: its first byte, its payload, and the length that it claims to have."""
        size = len(payload) if length is None else length
        mask = secrets.token_bytes(4)
        if size < 126:
            head = bytes([first, 0x80 * masked | size])
        elif size < 1 << 16:
            head = struct.pack("!BBH", first, 0x80 * masked | 126, size)
        else:
            head = struct.pack("!BBQ", first, 0x80 * masked | 127, size)
        repeated = (mask * (len(payload) // 4 + 1))[: len(payload)]
        body = bytes(a ^ b for a, b in zip(payload, repeated, strict=True)) if masked else payload
        with _its_end():
            self._socket.sendall(head + (mask if masked else b"") + body)

    def close_code(self) -> int:
        """Of the frame with which the server ends; messages before it are passed over."""
        data = self._rest
        with _its_end():
            while block := self._socket.recv(65536):
                data += block
        self._socket.close()
        while data:
            size, start = data[1] & 0x7F, 2
            if size == 126:
                size, start = struct.unpack_from("!H", data, 2)[0], 4
            elif size == 127:
                size, start = struct.unpack_from("!Q", data, 2)[0], 10
            if data[0] & 0xF == CLOSE:
                return int(struct.unpack_from("!H", data, start)[0])
            data = data[start + size :]
        raise AssertionError("the server ended without a close frame")


@contextmanager
def _its_end() -> Iterator[None]:
    """The server may have hung up before all was written."""
    with suppress(BrokenPipeError, ConnectionResetError):
        yield


def deflated(size: int) -> bytes:
    """A compressed message of this many spaces; a thousandth of that in bytes."""
    compress = zlib.compressobj(9, wbits=-15)
    data = b"".join(compress.compress(b" " * 2**20) for _ in range(size // 2**20))
    return (data + compress.flush(zlib.Z_SYNC_FLUSH)).removesuffix(b"\x00\x00\xff\xff")


def resident(fleet: Fleet) -> int:
    """Bytes that the server process has in memory (Linux)."""
    return int(Path(f"/proc/{fleet.server.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize(
    ("first", "length", "masked", "code"),
    [
        (FINAL | TEXT, NARROW["frame_bytes"] + 1, True, 1009),
        (FINAL | TEXT, 2**40, True, 1009),
        (FINAL | TEXT, 2**63 - 1, True, 1009),
        (FINAL | TEXT, 2**63, True, 1009),  # not allowed to be that long in any case
        (FINAL | PING, 126, True, 1002),
        (FINAL | TEXT, 5, False, 1002),
        (FINAL | CONTINUATION, 5, True, 1002),
        (FINAL | 0x20 | TEXT, 5, True, 1002),
        (FINAL | 0x3, 5, True, 1002),
    ],
)
def test_frames_that_no_client_sends(narrow: Fleet, first: int, length: int, masked: bool, code: int) -> None:
    """They are refused by what they announce: nothing of what would follow is waited for."""
    wire = Wire(narrow)
    wire.send(first, b"hello" if length > 200 else bytes(length), length=length, masked=masked)
    assert wire.close_code() == code


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc, which only Linux has")
def test_compressed_bombs(narrow: Fleet) -> None:
    """As much is unpacked as a frame may have; then the connection is closed, and the memory given back."""
    bomb = deflated(40 * 2**20)
    assert len(bomb) < NARROW["frame_bytes"] < 40 * 2**20
    before = resident(narrow)
    for _ in range(20):
        wire = Wire(narrow, "permessage-deflate; client_no_context_takeover")
        assert wire.compresses
        wire.send(FINAL | COMPRESSED | TEXT, bomb)
        assert wire.close_code() == 1009
    # In pieces, each of which unpacks to less than a frame may have.
    small = deflated(2**20)
    wire = Wire(narrow, "permessage-deflate")
    wire.send(COMPRESSED | TEXT, small)
    for _ in range(50):
        wire.send(CONTINUATION, small)
    assert wire.close_code() == 1009
    assert resident(narrow) - before < 20 * 2**20


def test_compression_that_was_not_agreed_on(narrow: Fleet) -> None:
    wire = Wire(narrow)
    wire.send(FINAL | COMPRESSED | TEXT, deflated(2**20))
    assert wire.close_code() == 1002


async def test_json_bombs(narrow: Fleet) -> None:
    """What is cheap to write and could be dear to read."""
    size = NARROW["frame_bytes"] - 10
    async with await Client.open(narrow.url) as client:
        for text in ("[" * size, '{"a":' * (size // 5), '["' + "\\u0000" * (size // 6), "9" * size, "1e" + "9" * 1000):
            await client.send_text(text)
        await client.request("models/list")
        assert [orphan["error"]["code"] for orphan in client.orphans] == [-32700] * 5


# ------------------------------------------------------------------------------------ what is revealed


async def test_nothing_of_the_machine_is_told(narrow: Fleet) -> None:
    """No path, no trace and no variable of the environment, whatever a client does wrong."""
    said: list[str] = []
    async with await Client.open(narrow.url) as client:
        said.append(json.dumps(client.initialized))
        await client.open_document("file:///etc/passwd", "{{7*7}} %s ${HOME} {0.__class__}")  # a name like any other
        for method, params in [
            ("model/load", {"model": "broken"}),
            ("model/load", {"model": "../broken"}),
            ("model/load", {"model": "/etc/passwd"}),
            ("model/load", {"model": "~"}),
            ("model/load", {"model": "$HOME"}),
            ("model/load", {"model": "file:///etc/passwd"}),
            ("model/load", {"model": "\\\\host\\share"}),
            ("model/load", {"model": "broken/../gpt2"}),
            ("model/load", {"model": "nobody/unlisted-model"}),
            ("model/load", {"model": 3}),
            ("document/open", {"uri": "a", "version": "x", "text": None}),
            ("document/close", {"uri": "file:///etc/shadow"}),
            ("neurons/subscribe", {"neurons": ["blocks.0.mlp.hook_post/__class__"]}),
            ("neurons/subscribe", {"neurons": [{"hook": "../../x", "index": 0}]}),
            ("neurons/top", {"uri": "file:///etc/passwd", "token": 10**9, "k": 1}),
            ("neurons/top", {"uri": "file:///etc/passwd", "token": 0, "k": -1}),
            ("__init__", {}),
            ("os.system", ["id"]),
        ]:
            with pytest.raises(RequestFailed) as failure:
                await client.request(method, params, patience=LOADING)
            assert failure.value.code in (-32010, -32011, -32012, -32601, -32602)
            said.append(json.dumps([failure.value.message, failure.value.data]))
        await client.settled()
        assert client.documents.keys() == {"file:///etc/passwd"}
        assert client.model["id"] == "gpt2"
    for path in ("/", "/metrics", "/openrpc.json", "/readyz", "/healthz", "/../x", "/%2e%2e/x", "/ws", "/opening.json"):
        _, headers, body = narrow.server.get(path)
        said.append(f"{headers} {body.decode()}")
    forbidden = [
        *(CANARY, "Traceback", "site-packages", "File \\", "root:", sys.prefix),
        *(str(folder.parent) for folder in narrow.folders.values()),
        *(str(path) for path in (Path.home(), Path(__file__).parents[2]) if len(path.parts) > 2),
    ]
    for text in said:
        for word in forbidden:
            assert word not in text, word
        assert re.search(r"\w\.py\b", text) is None


async def test_resume_tokens_cannot_be_guessed(narrow: Fleet) -> None:
    """Each has more than 128 random bits, and tells nothing of the next or of its session's name."""
    found = []
    for _ in range(5):
        client = await Client.open(narrow.url)
        found.append((client.initialized["session"], client.initialized["resumeToken"]))
        await client.close()
    for session, token in found:
        assert re.fullmatch(r"[\w-]{32,}", token)  # 6 bits each
        assert session not in token
    tokens = [token for _, token in found]
    assert len(set(tokens)) == len(tokens)
    for place in range(0, len(tokens[0]), 4):
        assert len({token[place : place + 4] for token in tokens}) == len(tokens)
