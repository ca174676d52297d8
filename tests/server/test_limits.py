"""What a server grants: up to each limit all is well, beyond it one thing is refused and everything else goes on."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from tests.server.conftest import NARROW, Fleet
from tests.server.test_watching import metrics
from tests.support.client import TIME_LIMIT, Client, RequestFailed
from tests.support.edits import Editor

PROSE = "The keeper counted the waves, and the girl counted the gulls.\n"


async def check(fleet: Fleet, client: Client, *uris: str) -> None:
    await client.settled(*uris)
    for uri in uris or client.documents:
        fleet.reference("gpt2").check(client.documents[uri], client.subscribed)


@contextmanager
def refused(limit: str) -> Iterator[None]:
    with pytest.raises(RequestFailed) as failure:
        yield
    assert failure.value.code == -32013
    assert failure.value.data == {"limit": limit, "maximum": _maximum(limit)}
    assert str(_maximum(limit)) in failure.value.message


def _maximum(limit: str) -> int:
    return NARROW["".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in limit)]


async def test_limits_are_told(narrow: Fleet) -> None:
    async with await Client.open(narrow.url) as client:
        for limit in ("frameBytes", "documents", "documentCharacters", "documentTokens", "subscriptions"):
            assert client.initialized["limits"][limit] == _maximum(limit)
        assert client.initialized["limits"]["messagesPerSecond"] == NARROW["messages_per_second"]


async def test_documents(narrow: Fleet) -> None:
    async with await Client.open(narrow.url) as client:
        await client.subscribe("L0N0")
        for number in range(NARROW["documents"]):
            await client.open_document(f"{number}", f"text {number}")
        with refused("documents"):
            await client.open_document("one more", "text")
        del client.documents["one more"]
        await client.open_document("1", "another text", version=2)  # no new document
        await client.close_document("0")
        await client.open_document("one more", "text")
        await check(narrow, client)


async def test_subscriptions(narrow: Fleet) -> None:
    async with await Client.open(narrow.url) as client:
        maximum = NARROW["subscriptions"]
        await client.open_document("one", "text")
        keys = [f"L{number % 3}N{number}" for number in range(maximum)]
        await client.subscribe(*keys)
        with refused("subscriptions"):
            await client.subscribe("L2N150")
        await client.subscribe(*keys * 3)  # nothing new
        with refused("subscriptions"):
            await client.subscribe(keys[0], "L2N150")
        await client.unsubscribe(keys[0])
        await client.subscribe("L2N150", "L2N150")
        assert client.subscribed == [*keys[1:], "L2N150"]
        await check(narrow, client)


@pytest.mark.parametrize("letter", ["a", "😀"])
async def test_characters(narrow: Fleet, letter: str) -> None:
    """They are counted in code points, whatever the client counts in. (The tokens of so many emoji are too many.)"""
    maximum = NARROW["document_characters"]
    async with await Client.open(narrow.url) as client:
        await client.subscribe("L0N0")
        await client.open_document("other", "text")
        with refused("documentCharacters"):
            await client.open_document("one", letter * (maximum + 1))
        del client.documents["one"]
        text = letter + " the" * (maximum // 4)
        await client.open_document("one", text[:maximum])
        await check(narrow, client)

        # Beyond by a change: reported, and the text has to be opened again.
        await client.change("one", (0, 0, "\ud83d\ude00" if letter == "😀" else letter))
        await client.until(lambda: client.resyncs and client.errors, "a resync")
        assert [error["code"] for error in client.errors] == [-32013]
        assert client.errors[0]["data"]["limit"] == "documentCharacters"
        assert client.errors[0]["method"] == "document/change"
        assert [resync["uri"] for resync in client.resyncs] == ["one"]
        with refused("documentCharacters"):
            await client.open_document("one", letter + text[:maximum], version=3)
        await client.open_document("one", text[: maximum - 1], version=4)
        await check(narrow, client)


async def test_tokens(narrow: Fleet) -> None:
    maximum = NARROW["document_tokens"]
    async with await Client.open(narrow.url) as client:
        await client.subscribe("L0N0", "L2N0")
        await client.open_document("other", "text")
        digits = "0 1 2 3 4 5 6 7 8 9 " * 200  # at least as many tokens as numbers
        with refused("documentTokens"):
            await client.open_document("one", digits[: 3 * maximum])
        del client.documents["one"]
        # As many tokens as there may be, to the very token.
        low, high = 0, 3 * maximum
        while high - low > 1:
            size = (low + high) // 2
            try:
                await client.open_document("one", digits[:size], version=size)
                low = size
            except RequestFailed:
                high = size
        result = await client.open_document("one", digits[:low], version=1)
        assert result["tokenCount"] <= maximum
        await check(narrow, client)
        await client.change("one", (low, low, digits[low : low + 10]))
        await client.until(lambda: client.resyncs and client.errors, "a resync")
        assert client.errors[0]["code"] == -32013
        assert client.errors[0]["data"]["limit"] == "documentTokens"
        change = {"uri": "one", "version": 900, "changes": []}
        await client.notify("document/change", change)
        await client.open_document("one", digits[: low - 10], version=1000)
        await check(narrow, client)
        assert len(client.resyncs) == 1


async def test_memory(narrow: Fleet) -> None:
    """Far more text than the memory for computed state holds: it is computed again, and right."""
    async with await Client.dial(narrow.url, compression="deflate") as client:
        await client.initialize()
        await client.subscribe("L2N0", "L0N79", "L1N40")
        uris = "abc"
        for uri in uris:
            await client.open_document(uri, PROSE * 40)
        editor = Editor(seed=5, encoding="utf-16", size=2500)
        for _ in range(60):
            uri = editor.random.choice(uris)
            await client.change(uri, *editor.changes(client.documents[uri].text))
            if editor.random.random() < 0.3:
                await check(narrow, client)
        await check(narrow, client)


async def test_frame(narrow: Fleet) -> None:
    maximum = NARROW["frame_bytes"]
    async with await Client.open(narrow.url) as client:
        message = client.call("models/list")
        text = json.dumps(message)
        await client.send_text(text + " " * (maximum - len(text)))
        assert (await client.answer(message))["models"]
        await client.send_text(text + " " * (maximum + 1 - len(text)))
        assert await client.closed() == 1009
    async with await Client.open(narrow.url) as client:  # fragments do not get round it
        await client.socket.send([" " * (maximum // 2)] * 3)
        assert await client.closed() == 1009


async def test_flooding(narrow: Fleet) -> None:
    """A client that writes too fast is slowed down, and disconnected if it goes on; others do not notice."""
    cancels = 'neuroscope_messages_total{method="$/cancelRequest"}'
    async with await Client.open(narrow.url) as client, await Client.open(narrow.url) as other:
        await other.subscribe("L1N1")
        await other.open_document("one", "text")
        before, begun = metrics(narrow).get(cancels, 0), time.monotonic()
        message = json.dumps({"jsonrpc": "2.0", "method": "$/cancelRequest", "params": {"id": 1}})
        for _ in range(10 * NARROW["messages_per_second"]):
            await client.socket.send(message)
        while client.close_code is None:
            await other.change("one", (0, 2, "a "))
            await check(narrow, other)
        assert await client.closed() == 1008
        # What it wrote beyond its rate was not even read; a second's messages may come at once.
        seconds = time.monotonic() - begun
        taken = metrics(narrow)[cancels] - before
        assert 0 < taken <= NARROW["messages_per_second"] * (seconds + 1) + 1
        assert taken < 10 * NARROW["messages_per_second"]


async def test_burst_within_the_rate(narrow: Fleet) -> None:
    async with await Client.open(narrow.url) as client:
        await client.subscribe("L1N1")
        await client.open_document("one", "text")
        for _ in range(NARROW["messages_per_second"] // 2):
            await client.change("one", (0, 0, "ab"))
        await check(narrow, client)


async def test_sessions(narrow: Fleet) -> None:
    """A full server refuses in the handshake; a place that becomes free is given."""
    async with AsyncExitStack() as stack:
        clients = [await _let_in(narrow, stack) for _ in range(NARROW["sessions"])]
        # One more may knock, for it may hold the token of a session that is here.
        async with await Client.dial(narrow.url) as stranger:
            with pytest.raises(InvalidStatus) as full:
                await Client.dial(narrow.url)
            assert full.value.response.status_code == 503
            assert int(full.value.response.headers["Retry-After"]) > 0
            with pytest.raises(RequestFailed) as overloaded:
                await stranger.initialize()
            assert overloaded.value.code == -32014
        assert narrow.server.get("/healthz")[0] == 200
        resume = {member: clients[0].initialized[member] for member in ("session", "resumeToken")}
        await clients[0].close()
        # A session that waits to be resumed makes room for a new one.
        newcomer = await _let_in(narrow, stack)
        await newcomer.subscribe("L0N0")
        await newcomer.open_document("one", "text")
        await check(narrow, newcomer)
        await newcomer.close()
        late = await _let_in(narrow, stack, resume=resume)
        assert late.initialized["resumed"] is False
        for client in clients[1:]:
            await client.request("models/list")


async def test_a_full_house_lets_its_own_back_in(narrow: Fleet) -> None:
    """The former connection may be half open; whoever has the token is the client."""
    async with AsyncExitStack() as stack:
        clients = [await _let_in(narrow, stack) for _ in range(NARROW["sessions"])]
        resume = {member: clients[0].initialized[member] for member in ("session", "resumeToken")}
        returned = await _let_in(narrow, stack, resume=resume)
        assert returned.initialized["resumed"] is True
        assert await clients[0].closed() == 1000


async def _let_in(narrow: Fleet, stack: AsyncExitStack, **params: Any) -> Client:
    """A client as soon as there is a place: the server may notice a little later that a connection has gone."""
    deadline = asyncio.get_running_loop().time() + TIME_LIMIT
    while True:
        assert asyncio.get_running_loop().time() < deadline
        with suppress(InvalidStatus):
            client = await Client.dial(narrow.url)
            try:
                await client.initialize(**params)
            except RequestFailed as failure:
                await client.close()
                if failure.code != -32014:
                    raise
            else:
                return await stack.enter_async_context(client)


async def test_a_huge_paste_is_refused_and_nobody_else_waits(fleet: Fleet) -> None:
    """Five million characters: far more than this server takes, and less than a frame may have."""
    async with await Client.open(fleet.url) as client, await Client.open(fleet.url) as other:
        await client.subscribe("L0N0")
        await other.subscribe("L0N0")
        await client.open_document("one", "my text")
        await other.open_document("one", "their text")
        await client.settled()
        text: dict[str, Any] = {"from": 3, "to": 3, "insert": "paste " * 833_333}
        await client.notify("document/change", {"uri": "one", "version": 2, "changes": [text]})
        await other.change("one", (0, 0, "and "))
        await check(fleet, other)
        await client.until(lambda: client.resyncs and client.errors, "a resync")
        assert client.errors[0]["code"] == -32013
        assert client.errors[0]["data"] == {
            "limit": "documentCharacters",
            "maximum": client.initialized["limits"]["documentCharacters"],
            "uri": "one",
            "version": 2,
        }
        await client.open_document("one", "my text again", version=3)
        await check(fleet, client)
