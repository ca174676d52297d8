"""The Python client on a scripted server that does what it likes with the connection and the messages."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ws_server.client import Client, Disconnected, ServerError, transport
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


async def lost(client: Client) -> None:
    """Waits until the client has noticed that its connection is gone."""
    while client.state == "ready":
        await asyncio.sleep(0)


async def test_a_request_whose_connection_is_lost_is_sent_again_on_the_next() -> None:
    mute = True
    mute_server = ScriptedServer(
        outgoing=lambda m: None if mute and isinstance(m, dict) and m.get("id") == 2 and "result" in m else m
    )
    async with mute_server as server, Client(server.url) as client:
        asking = asyncio.ensure_future(client.subscribe("L0N1"))
        await asyncio.sleep(0)
        mute = False
        server.disconnect()
        assert [neuron["key"] for neuron in await asyncio.wait_for(asking, 20)] == ["L0N1"]


async def test_whoever_waits_for_a_client_that_is_closed_is_told() -> None:
    async with ScriptedServer(outgoing=all_but_answers_to("neurons/subscribe")) as server:
        client = await Client(server.url).__aenter__()
        asking = asyncio.ensure_future(client.subscribe("L0N1"))
        await asyncio.sleep(0.01)
        await client.close()
        with pytest.raises(Disconnected, match="client is closed"):
            await asyncio.wait_for(asking, 20)


def all_but_answers_to(*methods: str) -> Callable[[Any], Any]:
    """Loses what a client gets for a subscription or an open; requests are told by the members of their results."""
    members = {"neurons/subscribe": "neurons", "document/open": "tokenCount"}

    def outgoing(message: Any) -> Any:
        result = message.get("result") if isinstance(message, dict) else None
        return None if result and any(members[method] in result for method in methods) else message

    return outgoing


async def test_verbs_wait_for_a_connection_that_is_lost() -> None:
    async with ScriptedServer() as server, Client(server.url) as client:
        server.disconnect()  # as after a cell that blocked for long: the client has not noticed yet
        await client.subscribe("L0N1")
        server.disconnect()
        await lost(client)
        document = await client.open(TEXT)
        server.disconnect()
        await lost(client)
        await client.subscribe("L1N2")
        np.testing.assert_array_equal(
            (await document.settled()).values(), await values_afresh(server, TEXT, "L0N1", "L1N2")
        )


async def test_requests_end_when_their_time_is_over() -> None:
    cancelled = asyncio.Event()

    def incoming(message: Any) -> Any:
        if isinstance(message, dict) and message.get("method") == "$/cancelRequest":
            cancelled.set()
        return message

    lossy = ScriptedServer(incoming=incoming, outgoing=all_but_answers_to("neurons/subscribe", "document/open"))
    async with lossy as server, Client(server.url) as client:
        client.timeout = 0.2
        with pytest.raises(TimeoutError, match=r"no answer within 0\.2 seconds"):
            await client.subscribe("L0N1")
        await asyncio.wait_for(cancelled.wait(), 20)
        with pytest.raises(TimeoutError, match="no answer within"):
            await client.open(TEXT)
        assert client.documents == {}
        server.outgoing = lambda message: message
        client.timeout = 20
        assert (await client.open(TEXT)).uri in client.documents


async def test_without_a_server_requests_say_so_when_their_time_is_over() -> None:
    async with ScriptedServer() as server:
        client = await Client(server.url).__aenter__()

    async def tried() -> None:
        while "There is no server" not in str(client._obstacle):
            await asyncio.sleep(0.01)

    await asyncio.wait_for(tried(), 20)
    client.timeout = 0.1
    with pytest.raises(TimeoutError, match=r"no connection within 0\.1 seconds: There is no server at ws://"):
        await client.subscribe("L0N1")
    await client.close()
    with pytest.raises(Disconnected):
        await client.subscribe("L0N1")


async def test_a_callback_that_raises_is_reported_and_nothing_ends() -> None:
    reported: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: reported.append(context))

    def fail(value: Any) -> None:
        raise RuntimeError(f"{value!r}")

    async with ScriptedServer() as server, Client(server.url) as client:
        client.on_state = client.on_error = fail
        await client.subscribe("L0N1")
        document = await client.open(TEXT)
        client._progress["t"] = fail
        client._notification("$/progress", {"token": "t", "value": {"kind": "begin"}})
        client._notification("$/error", {"method": "x", "code": -32603, "message": "oh"})
        server.disconnect()
        await lost(client)
        document.append(" five")
        await asyncio.wait_for(document.settled(), 20)
        assert client.state == "ready"
    texts = [str(context["exception"]) for context in reported]
    assert "{'kind': 'begin'}" in texts
    assert any("oh" in text for text in texts)
    assert {"'waiting'", "'connecting'", "'ready'"} <= set(texts)
    assert all("callback" in context["message"] for context in reported)


async def test_after_a_reconnection_neurons_are_subscribed_in_one_request() -> None:
    asked: list[list[str]] = []

    def incoming(message: Any) -> Any:
        if isinstance(message, dict) and message.get("method") == "neurons/subscribe":
            asked.append(message["params"]["neurons"])
        return message

    keys = [f"L{layer}N{number}" for layer in (1, 0) for number in range(8)]
    async with ScriptedServer(incoming=incoming) as server, Client(server.url) as client:
        await client.subscribe(*keys)
        document = await client.open(TEXT)
        asked.clear()
        server.disconnect()  # the session is resumed with what it had
        await lost(client)
        await client.subscribe("L1N9")
        assert asked == [["L1N9"]]
        asked.clear()
        server._sessions.clear()
        server.disconnect()
        await lost(client)
        await asyncio.wait_for(document.settled(), 20)
        assert asked == [[*keys, "L1N9"]]
        assert [neuron["key"] for neuron in client.neurons] == [*keys, "L1N9"]
        np.testing.assert_array_equal(document.values(), await values_afresh(server, TEXT, *keys, "L1N9"))


async def test_after_a_reconnection_only_the_neurons_that_are_gone_are_missed() -> None:
    asked: list[list[str]] = []
    gone: set[str] = set()

    def incoming(message: Any) -> Any:
        if isinstance(message, dict) and message.get("method") == "neurons/subscribe":
            asked.append(message["params"]["neurons"])
            if gone & set(asked[-1]):
                return {**message, "method": "refused"}
        return message

    keys = [f"L{layer}N{number}" for layer in (1, 0) for number in range(8)]
    async with ScriptedServer(incoming=incoming) as server, Client(server.url) as client:
        await client.subscribe(*keys)
        asked.clear()
        gone.add("L0N3")
        server._sessions.clear()
        server.disconnect()
        await lost(client)
        document = await client.open(TEXT)
        assert [neuron["key"] for neuron in client.neurons] == [key for key in keys if key != "L0N3"]
        assert len(asked) <= 9  # twice the logarithm of 16, and one
        await asyncio.wait_for(document.settled(), 20)


async def test_a_version_that_could_not_be_computed_raises_and_the_next_is_tried() -> None:
    broken = True

    def outgoing(message: Any) -> Any:
        if broken and isinstance(message, dict) and message.get("method") == "activations/done":
            params = message["params"]
            data = {"uri": params["uri"], "version": params["version"]}
            error = {"method": "document/change", "code": -32603, "message": "The pass failed.", "data": data}
            return {"jsonrpc": "2.0", "method": "$/error", "params": error}
        return message

    told: list[str] = []
    async with ScriptedServer(outgoing=outgoing) as server, Client(server.url) as client:
        client.on_error = lambda error: told.append(error.message)
        await client.subscribe("L0N1")
        document = await client.open(TEXT)
        for _ in range(2):  # asked again it says so again
            with pytest.raises(ServerError, match="The pass failed"):
                await asyncio.wait_for(document.settled(), 20)
        assert told == ["The pass failed."]
        document.append(" five")
        with pytest.raises(ServerError, match="The pass failed"):
            await asyncio.wait_for(document.settled(), 20)
        document.append("")
        with pytest.raises(ServerError, match="The pass failed"):  # nothing has changed, so nothing is computed
            await asyncio.wait_for(document.settled(), 20)
        broken = False
        document.append(" six")
        await asyncio.wait_for(document.settled(), 20)
        np.testing.assert_array_equal(document.values(), await values_afresh(server, document.text, "L0N1"))
        # A subscription has it tried again, too.
        client._notification(
            "$/error",
            {"method": "x", "code": -32603, "message": "x", "data": {"uri": document.uri, "version": document.version}},
        )
        assert document.problem is not None
        await client.subscribe("L1N2")
        assert (await asyncio.wait_for(document.settled(), 20)).problem is None
        # An error of an older version does not concern this one.
        client._notification(
            "$/error",
            {"method": "x", "code": -32603, "message": "x", "data": {"uri": document.uri, "version": 1}},
        )
        assert document.problem is None


async def test_messages_of_another_model_are_dropped() -> None:
    async with ScriptedServer() as server, Client(server.url) as client:
        await client.subscribe("L0N1")
        document = await (await client.open(TEXT)).settled()
        before = document.values()
        update = {
            "uri": document.uri, "version": document.version, "start": 0, "count": 1, "neurons": ["L0N1"],
            "values": [[7.5]],
        }  # fmt: skip
        client._notification("activations/update", {**update, "model": "another"})
        np.testing.assert_array_equal(document.values(), before)
        client._notification("activations/update", {**update, "model": "scripted"})
        assert document.values()[0, 0] == 7.5


async def test_a_message_that_cannot_be_read_costs_a_connection_and_no_more() -> None:
    reported: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: reported.append(context["message"]))
    garbage: list[Any] = [[1], "text", {"method": 3, "params": []}]

    def outgoing(message: Any) -> Any:
        if garbage and isinstance(message, dict) and message.get("method") == "activations/done":
            return garbage.pop()
        return message

    async with ScriptedServer(outgoing=outgoing) as server, Client(server.url) as client:
        await client.subscribe("L0N1")
        document = await client.open(TEXT)
        while garbage:
            document.append(" more")
            await asyncio.sleep(0.01)
        document.append(" last")
        await asyncio.wait_for(document.settled(), 20)
        np.testing.assert_array_equal(document.values(), await values_afresh(server, document.text, "L0N1"))
    assert reported == ["Neuroscope client: error in a message of the server"] * 2


async def test_what_is_larger_than_a_frame_may_be_is_refused_here() -> None:
    """On the wire it would end the connection, and so would the next attempt."""
    async with ScriptedServer() as server, Client(server.url) as client:
        with pytest.raises(ServerError, match="the server accepts at most 262144") as caught:
            await client.open("\U0001f600" * 70_000)
        assert caught.value.code == -32013
        document = await client.open(TEXT)
        document.append("\U0001f600" * 70_000)
        with pytest.raises(ServerError, match="the server accepts at most"):
            await asyncio.wait_for(document.settled(), 20)
        document.set_text("short")
        await asyncio.wait_for(document.settled(), 20)
        assert client.state == "ready"


async def test_a_document_closed_without_a_connection_is_closed_on_the_next() -> None:
    async with ScriptedServer() as server, Client(server.url) as client:
        document, other = await client.open(TEXT), await client.open(TEXT)
        server.disconnect()
        await document.close()  # not noticed yet
        server.disconnect()
        await lost(client)
        await other.close()
        await client.subscribe("L0N1")
        assert client.documents == {}


async def test_a_silent_server_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert transport.PING_SECONDS + transport.PONG_SECONDS <= 10
    monkeypatch.setattr(transport, "PING_SECONDS", 0.3)
    monkeypatch.setattr(transport, "PONG_SECONDS", 0.5)
    silent = asyncio.Event()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            if not silent.is_set():  # else the bytes go nowhere, as when a machine has lost its power
                writer.write(data)
        writer.close()

    async with ScriptedServer() as server:
        target = int(server.url.rsplit(":", 1)[1].strip("/"))

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            there, back = await asyncio.open_connection("127.0.0.1", target)
            await asyncio.gather(relay(reader, back), relay(there, writer))

        listener = await asyncio.start_server(accept, "127.0.0.1", 0)
        port = listener.sockets[0].getsockname()[1]
        async with listener, Client(f"http://127.0.0.1:{port}/") as client:
            states: list[str] = []
            client.on_state = states.append
            await client.subscribe("L0N1")
            silent.set()
            await asyncio.wait_for(lost(client), 20)
            assert states[0] == "waiting"
            silent.clear()
            await client.subscribe("L1N2")
            assert [neuron["key"] for neuron in client.neurons] == ["L0N1", "L1N2"]


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
