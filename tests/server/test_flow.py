"""Nothing piles up: not for clients that do not read, not for those that write too much, and not for others."""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import struct
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.server.conftest import NARROW_SETTINGS, Fleet
from tests.support.cable import Cable
from tests.support.client import TIME_LIMIT, Client, RequestFailed

PROSE = "The keeper counted the waves, and the girl counted the gulls.\n"
MANY = [f"L{layer}N{neuron}" for layer in range(3) for neuron in range(192)]


def given_up(fleet: Fleet, reason: str) -> float:
    """How many connections the server has closed for a reason."""
    pattern = rf'^neuroscope_given_up_connections_total{{reason="{reason}"}} (\S+)$'
    match = re.search(pattern, fleet.server.get("/metrics")[2].decode(), re.MULTILINE)
    return float(match[1]) if match else 0.0


async def until(condition: Any, what: str) -> None:
    """Waits for something that no client sees."""
    deadline = time.monotonic() + TIME_LIMIT
    while not await asyncio.to_thread(condition):
        assert time.monotonic() < deadline, what


async def works(fleet: Fleet, client: Client, uri: str = "one") -> None:
    """An edit is answered, and rightly."""
    await client.change(uri, (0, 0, "a "))
    await client.settled(uri)
    fleet.reference("gpt2").check(client.documents[uri], client.subscribed)


async def neighbour(fleet: Fleet) -> Client:
    client = await Client.open(fleet.url)
    await client.subscribe("L0N0", "L2N7")
    await client.open_document("one", PROSE)
    await client.settled()
    return client


def resident(pid: int) -> int:
    """Bytes of memory that a process holds (Linux)."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


# ------------------------------------------------------------------------------------ clients that do not read


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc, which only Linux has")
async def test_who_does_not_read_costs_one_pending_update(fleet: Fleet) -> None:
    """Hundreds of edits of a long text, each of which changes a megabyte of values: what is sent in the end is little,
    what is kept meanwhile as well, and the client then has exactly what the server has."""
    async with await neighbour(fleet) as other, await Client.open(fleet.url) as client:
        await client.subscribe(*MANY)
        await client.open_document("one", PROSE * 40)
        await client.settled()
        document = client.documents["one"]
        before, memory = document.values_received, resident(fleet.server.pid)
        once = len(document.tokens) * len(MANY)
        edits = 300
        client.pause()
        for number in range(edits):
            await client.change("one", (0, 1, "T" if number % 2 else "t"))
            if number % 20 == 0:
                await works(fleet, other)
        assert resident(fleet.server.pid) - memory < 64 * 1024**2
        client.go_on()
        await client.settled()
        fleet.reference().check(document, MANY[::50])
        # What the network took before it was full, what was on its way then, and the newest version.
        assert document.values_received - before < 40 * once
        assert document.done_versions[-1] == document.version
        await works(fleet, other)
        await client.settled()


async def dial_narrow_window(fleet: Fleet) -> Client:
    """A client for which the network keeps almost nothing, so that the server notices at once what it does not read."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    connection.setblocking(False)
    await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", fleet.server.port))
    client = await Client.dial(fleet.url, sock=connection, max_queue=1)
    await client.initialize()
    return client


async def test_who_reads_nothing_for_long_is_sent_away(narrow: Fleet) -> None:
    """After as long as the server has patience, and not before; its session waits for it."""
    before = given_up(narrow, "slow")
    client = await dial_narrow_window(narrow)
    await client.subscribe(*MANY[:20])
    await client.open_document("one", PROSE * 25)
    await client.settled()
    client.pause()
    # Answers to this are more than the network between takes, and than the server keeps.
    for _ in range(20):
        await client.notify("$/cancelRequest", {"id": 1})
        await client.socket.send(json.dumps({"jsonrpc": "2.0", "id": 7, "method": "rpc.discover"}))
    async with await neighbour(narrow) as other:
        asked = time.monotonic()
        while given_up(narrow, "slow") == before:
            assert time.monotonic() < asked + TIME_LIMIT, "it was not sent away"
            await works(narrow, other)
        assert time.monotonic() - asked > NARROW_SETTINGS["slow_client_seconds"] / 2
    client.cut()
    async with await Client.open(narrow.url, resume=ticket(client)) as again:
        assert again.initialized["resumed"] is True
        assert again.subscribed == MANY[:20]
        await again.open_document("one", client.documents["one"].text, version=50)
        await again.settled()
        narrow.reference("gpt2").check(again.documents["one"], MANY[:20])


def ticket(client: Client) -> dict[str, str]:
    return {member: client.initialized[member] for member in ("session", "resumeToken")}


async def test_who_reads_slowly_is_served(narrow: Fleet) -> None:
    """Longer than the patience for those who read nothing at all, and to the end."""
    client = await dial_narrow_window(narrow)
    async with client:
        await client.subscribe(*MANY[:20])
        await client.open_document("one", PROSE * 25)
        begun = time.monotonic()
        edits = 0
        while time.monotonic() - begun < 1.5 * NARROW_SETTINGS["slow_client_seconds"]:
            client.pause()
            for _ in range(10):
                await client.change("one", (0, 1, "t" if edits % 2 else "T"))
                edits += 1
            await asyncio.sleep(NARROW_SETTINGS["slow_client_seconds"] / 10)
            frames = client.frames
            client.go_on()
            await client.until(lambda frames=frames: client.frames > frames, "anything")
        await client.settled()
        narrow.reference("gpt2").check(client.documents["one"], client.subscribed)


# ------------------------------------------------------------------------------------ clients that write too much


def masked(head: int, payload: bytes) -> bytes:
    """A frame as a client sends it; its mask is zero."""
    size = len(payload)
    if size < 126:
        header = struct.pack("!BB", head, 0x80 | size)
    elif size < 2**16:
        header = struct.pack("!BBH", head, 0x80 | 126, size)
    else:
        header = struct.pack("!BBQ", head, 0x80 | 127, size)
    return header + bytes(4) + payload


def raw_websocket(port: int, window: int | None = None) -> socket.socket:
    connection = socket.socket()
    if window is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
    connection.settimeout(TIME_LIMIT)
    connection.connect(("127.0.0.1", port))
    connection.sendall(
        f"GET /ws HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    assert b" 101 " in connection.recv(4096)
    return connection


async def test_who_pings_without_reading_is_cut_off(narrow: Fleet) -> None:
    """Answers to pings would pile up; no frame of the protocol is needed for it."""
    ping = struct.pack("!BB", 0x89, 0x80 | 125) + bytes(4) + bytes(125)

    def flood() -> int:
        sent = 0
        with raw_websocket(narrow.server.port) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            try:
                while sent < 256 * 1024**2:
                    connection.sendall(ping * 1000)
                    sent += 1000 * len(ping)
            except (ConnectionError, TimeoutError):
                return sent
        return sent

    async with await neighbour(narrow) as other:
        flooding = asyncio.ensure_future(asyncio.to_thread(flood))
        while not flooding.done():
            await works(narrow, other)
        assert await flooding < 256 * 1024**2, "it was not cut off"


async def test_who_reads_a_trickle_is_sent_away(narrow: Fleet) -> None:
    """Neither a byte now and then nor a ping is enough where a whole list of tokens waits."""
    before = given_up(narrow, "slow")
    hello = {"protocolVersion": 1, "client": {"name": "trickle"}}
    frames = [
        {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello},
        *[{"jsonrpc": "2.0", "id": number, "method": "rpc.discover"} for number in range(100)],
    ]

    over = threading.Event()

    def trickle() -> None:
        with raw_websocket(narrow.server.port, window=4096) as connection:
            for frame in frames:
                connection.sendall(masked(0x81, json.dumps(frame).encode()))
            try:
                while not over.wait(0.05):  # the trickle itself
                    connection.sendall(masked(0x89, b"still here"))
                    connection.recv(2)
            except ConnectionError:
                pass

    begun = time.monotonic()
    async with await neighbour(narrow) as other:
        reading = asyncio.ensure_future(asyncio.to_thread(trickle))
        try:
            while given_up(narrow, "slow") == before:
                assert time.monotonic() < begun + TIME_LIMIT, "it was not sent away"
                await works(narrow, other)
        finally:
            over.set()
            await reading
    assert time.monotonic() - begun > NARROW_SETTINGS["slow_client_seconds"] / 2


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc, which only Linux has")
@pytest.mark.parametrize("kind", ["batches", "faulty notifications", "changes of unknown documents"])
async def test_what_is_not_read_is_not_asked_for(fleet: Fleet, kind: str) -> None:
    """Whatever is answered by much, the server reads no more of it than its client reads of the answers."""
    if kind == "batches":
        frame = json.dumps([{"jsonrpc": "2.0", "id": number, "method": "rpc.discover"} for number in range(100)])
        frames = [frame] * 100
    elif kind == "faulty notifications":
        call = {"jsonrpc": "2.0", "method": "m" * 1000, "params": {}}
        frames = [json.dumps(call)] * 20_000
    else:
        change = {"jsonrpc": "2.0", "method": "document/change", "params": {"version": 1, "changes": []}}
        frames = [
            json.dumps({**change, "params": {**change["params"], "uri": f"{number:04}" * 1000}})
            for number in range(4000)
        ]

    def ask() -> None:
        with raw_websocket(fleet.server.port, window=4096) as connection:
            hello = {"protocolVersion": 1, "client": {"name": "greedy"}}
            hello_frame = {"jsonrpc": "2.0", "id": "hello", "method": "initialize", "params": hello}
            connection.sendall(masked(0x81, json.dumps(hello_frame).encode()))
            connection.settimeout(2)
            try:
                for frame in frames:
                    connection.sendall(masked(0x81, frame.encode()))
            except TimeoutError:
                pass  # it is not read any more
            grown.append(resident(fleet.server.pid) - memory)

    grown: list[int] = []
    async with await neighbour(fleet) as other:
        memory = resident(fleet.server.pid)
        asking = asyncio.ensure_future(asyncio.to_thread(ask))
        while not asking.done():
            await works(fleet, other)
        await asking
        await works(fleet, other)
    assert grown[0] < 24 * 1024**2, f"{grown[0] // 1024**2} MiB more"


async def test_answers_of_a_batch_fit_into_a_frame(fleet: Fleet) -> None:
    """What is beyond is refused in its place, without being acted on where that can be known."""
    async with await Client.open(fleet.url) as client:
        asked = [client.call("rpc.discover") for _ in range(99)]
        await client.send([*asked, client.call("neurons/subscribe", {"neurons": ["L0N0"]})])
        answered, refused = 0, []
        for message in asked:
            try:
                answered += bool(await client.answer(message))
            except RequestFailed as failure:
                refused.append((failure.code, failure.data["maximum"]))
        assert answered > 5
        assert len(refused) > 50
        assert set(refused) == {(-32013, 1024 * 1024)}
        assert (await client.request("neurons/subscribe", {"neurons": ["L0N1"]}))["neurons"][0]["key"] == "L0N1"
        # The same of answers that come later.
        await client.open_document("one", PROSE * 3)
        asked = [client.call("neurons/top", {"uri": "one", "token": n % 40, "k": 500}) for n in range(60)]
        await client.send(asked)
        codes = set()
        for message in asked:
            try:
                await client.answer(message)
            except RequestFailed as failure:
                codes.add(failure.code)
        assert codes == {-32013}


async def test_questions_have_a_bound(fleet: Fleet) -> None:
    """One frame with more requests than may wait: those beyond are refused at once, the others are answered."""
    async with await Client.open(fleet.url) as client:
        await client.open_document("one", PROSE * 3)
        asked = [client.call("neurons/top", {"uri": "one", "token": n % 40, "k": 3}) for n in range(100)]
        await client.send(asked)
        codes: list[int] = []
        for message in asked:
            try:
                await client.answer(message)
            except RequestFailed as failure:
                codes.append(failure.code)
        assert set(codes) == {-32014}
        assert 0 < len(codes) <= 36
        await client.request("neurons/top", {"uri": "one", "token": 2, "k": 3})


async def test_a_frame_of_millions_of_items_is_refused_in_no_time(fleet: Fleet) -> None:
    """It fits into the largest frame. To say of each item what is wrong with it took more than a minute."""
    hostile = [
        ("document/change", {"uri": "one", "version": 2, "changes": [0] * 5_000_000}),
        ("document/change", {"uri": "one", "version": 2, "changes": [{"from": 0, "to": 0, "insert": ""}] * 300_000}),
        ("neurons/subscribe", {"neurons": ["L0N1"] * 1_500_000}),
        ("neurons/top", {"uri": "one", "token": 0, "k": 1, "layers": [0] * 5_000_000}),
    ]
    waits = []
    over = asyncio.Event()

    async def type_on(other: Client) -> None:
        while not over.is_set():
            begun = time.monotonic()
            await works(fleet, other)
            waits.append(time.monotonic() - begun)

    async def refused(method: str, params: dict[str, Any]) -> int:
        """The code. Such a frame counts for many: the server rests before it looks into it."""
        async with await Client.open(fleet.url) as client:
            await client.open_document("one", "text")
            if method == "document/change":
                await client.notify(method, params)
                await client.until(lambda: client.errors, "a refusal", 60)
                return int(client.errors.pop()["code"])
            with pytest.raises(RequestFailed) as failure:
                await client.request(method, params, patience=60)
            return failure.value.code

    async with await neighbour(fleet) as other:
        typing = asyncio.ensure_future(type_on(other))
        codes = await asyncio.gather(*(refused(method, params) for method, params in hostile))
        assert codes == [-32602] * len(hostile)
        over.set()
        await typing
        assert max(waits) < 5


async def test_a_long_text_is_tokenized_beside_the_short_ones(fleet: Fleet) -> None:
    """Two sessions with a million emoji each, which take seconds: who types meanwhile does not notice. They are
    refused long before all their tokens are known."""
    async with (
        await neighbour(fleet) as other,
        await Client.open(fleet.url) as one,
        await Client.open(fleet.url) as two,
    ):
        asked = [(client, client.opening("long", "😀" * 1_000_000)) for client in (one, two)]
        for client, message in asked:
            await client.send(message)
        slowest = 0.0
        pending = [asyncio.ensure_future(client.answer(message)) for client, message in asked]
        while not all(task.done() for task in pending):
            begun = time.monotonic()
            await works(fleet, other)
            slowest = max(slowest, time.monotonic() - begun)
        for task in pending:
            failure = task.exception()
            assert isinstance(failure, RequestFailed)
            assert failure.data == {"limit": "documentTokens", "maximum": one.initialized["limits"]["documentTokens"]}
        assert slowest < 3, slowest


# ------------------------------------------------------------------------------------ who says nothing


async def test_a_half_open_connection_is_noticed(narrow: Fleet) -> None:
    """Nothing reports that the network is gone: the server finds out by itself, keeps the session for a while, and the
    client takes it up on a new connection."""
    before = given_up(narrow, "silent")
    with Cable(narrow.server.port) as cable:
        client = await Client.open(cable.url)
        await client.subscribe("L1N1")
        await client.open_document("one", PROSE)
        await client.settled()
        cable.stall()
        await client.change("one", (0, 3, "A"))  # never arrives
        lost = time.monotonic()
        await until(lambda: given_up(narrow, "silent") > before, "it was not noticed")
        assert time.monotonic() - lost > NARROW_SETTINGS["keepalive_seconds"]
        async with await Client.open(narrow.url, resume=ticket(client)) as again:
            assert again.initialized["resumed"] is True
            await again.open_document("one", client.documents["one"].text, version=9)
            await again.settled()
            done = again.documents["one"].done
            assert done is not None
            narrow.reference("gpt2").check(again.documents["one"], ["L1N1"])
        client.cut()


async def test_a_network_that_rests_for_a_moment_is_no_reason_to_part(narrow: Fleet) -> None:
    with Cable(narrow.server.port) as cable:
        async with await Client.open(cable.url) as client:
            await client.subscribe("L1N1")
            await client.open_document("one", PROSE)
            await client.settled()
            cable.stall()
            for number in range(10):
                await client.change("one", (0, 0, f"{number} "))
            cable.go_on()
            await client.settled()
            narrow.reference("gpt2").check(client.documents["one"], ["L1N1"])
        assert cable.accepted == 1
