"""The Python client on a scripted server that does what it likes with the connection and the messages."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest

from ws_server.client import Client, Disconnected, ServerError
from ws_server.conformance.scripted import ScriptedServer

TEXT = "one two three \U0001f600 four"


async def values_afresh(server: ScriptedServer, text: str, *keys: str) -> np.ndarray[Any, Any]:
    async with Client(server.url) as client:
        await client.subscribe(*keys)
        return (await (await client.open(text)).settled()).values()


async def test_a_dropped_connection_is_made_again_and_the_session_resumed() -> None:
    async with ScriptedServer() as server, Client(server.url) as client:
        await client.subscribe("L0N1", "L1N2")
        document = await client.open(TEXT)
        await document.settled()
        server.disconnect()
        document.append(" five")  # goes nowhere, or to the next connection
        await asyncio.wait_for(document.settled(), 20)
        assert [neuron["key"] for neuron in client.neurons] == ["L0N1", "L1N2"]
        expected = await values_afresh(server, TEXT + " five", "L0N1", "L1N2")
        np.testing.assert_array_equal(document.values(), expected)


async def test_where_the_session_is_gone_everything_is_brought_back() -> None:
    async with ScriptedServer() as server, Client(server.url) as client:
        await client.subscribe("L0N1", "L1N2")
        document = await client.open(TEXT)
        await document.settled()
        server._sessions.clear()
        server.disconnect()
        document.replace(0, 3, "1")
        await asyncio.wait_for(document.settled(), 20)
        expected = await values_afresh(server, document.text, "L0N1", "L1N2")
        np.testing.assert_array_equal(document.values(), expected)


async def test_a_lost_splice_is_noticed_and_the_document_opened_again() -> None:
    lost: list[Any] = []

    def lose_one_splice(message: Any) -> Any:
        if (
            isinstance(message, dict)
            and message.get("method") == "document/tokens"
            and message["params"]["start"] > 0
            and not lost
        ):
            lost.append(message)
            return None
        return message

    async with ScriptedServer(outgoing=lose_one_splice) as server, Client(server.url) as client:
        await client.subscribe("L0N1")
        document = await client.open(TEXT)
        document.append(" five")  # its splice is lost, and its values do not fit
        document.append(" six")
        await asyncio.wait_for(document.settled(), 20)
        assert lost
        np.testing.assert_array_equal(document.values(), await values_afresh(server, document.text, "L0N1"))


async def test_who_waits_is_told_when_the_connection_goes() -> None:
    mute = ScriptedServer(outgoing=lambda m: None if isinstance(m, dict) and m.get("id") == 2 else m)
    async with mute as server, Client(server.url) as client:
        asking = asyncio.ensure_future(client.subscribe("L0N1"))
        await asyncio.sleep(0)
        server.disconnect()
        with pytest.raises(Disconnected):
            await asyncio.wait_for(asking, 20)


async def test_a_text_that_the_server_does_not_take_is_a_problem_until_it_changes() -> None:
    def too_long(message: Any) -> Any:
        if (
            isinstance(message, dict)
            and message.get("method") == "document/open"
            and "bad" in message["params"]["text"]
        ):
            return {**message, "method": "nothing"}
        return message

    async with ScriptedServer(incoming=too_long) as server, Client(server.url) as client:
        with pytest.raises(ServerError, match="nothing"):
            await client.open("bad")
        document = await client.open("good")
        document.set_text("bad")
        server.disconnect()
        while document.problem is None:
            await asyncio.wait_for(anext(document.updates()), 20)
        with pytest.raises(ServerError, match="nothing"):
            await document.settled()
        document.set_text("good again")
        assert (await asyncio.wait_for(document.settled(), 20)).problem is None
