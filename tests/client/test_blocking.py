"""The client for programs without asyncio: its ends, on a scripted server."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from ws_server.client import Disconnected, ServerError
from ws_server.client.blocking import Client, Document
from ws_server.conformance.scripted import ScriptedServer

TEXT = "one two three"


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    async with ScriptedServer() as server:
        yield server


async def test_a_closed_client_says_so_to_every_verb(server: ScriptedServer) -> None:
    def use() -> None:
        client = Client(server.url)
        document = client.open(TEXT)
        client.close()
        client.close()
        verbs: list[Callable[[], Any]] = [
            lambda: client.subscribe("L0N1"),
            lambda: client.open(TEXT),
            lambda: client.load_model("shallow"),
            lambda: document.append("x"),
            lambda: document.top(0),
            lambda: document.tokens,
            document.values,
            document.to_pandas,
            document.close,
        ]
        for verb in verbs:
            with pytest.raises(Disconnected, match="The client is closed"):
                verb()

    await asyncio.to_thread(use)


async def test_whoever_waits_in_another_thread_is_told(server: ScriptedServer) -> None:
    server.outgoing = lambda m: None if isinstance(m, dict) and m.get("method") == "activations/done" else m
    told: list[BaseException] = []
    waiting = threading.Event()

    def wait(document: Document) -> None:
        waiting.set()
        try:
            document.values()
        except BaseException as error:
            told.append(error)

    def use() -> None:
        client = Client(server.url)
        thread = threading.Thread(target=wait, args=(client.open(TEXT),))
        thread.start()
        waiting.wait()
        client.close()
        thread.join(20)
        assert not thread.is_alive()

    await asyncio.to_thread(use)
    assert [type(error) for error in told] == [Disconnected]


async def test_a_verb_waits_no_longer_than_its_time(server: ScriptedServer) -> None:
    server.outgoing = lambda m: None if isinstance(m, dict) and m.get("method") == "activations/done" else m

    def use() -> None:
        with Client(server.url) as client:
            document = client.open(TEXT)
            client._timeout = 0.5
            with pytest.raises(TimeoutError, match=r"no answer within 0\.5 seconds"):
                document.values()
            client._timeout = 20

    await asyncio.to_thread(use)


async def test_what_could_not_be_computed_is_raised(server: ScriptedServer) -> None:
    def outgoing(message: Any) -> Any:
        if isinstance(message, dict) and message.get("method") == "activations/done":
            data = {"uri": message["params"]["uri"], "version": message["params"]["version"]}
            error = {"method": "document/open", "code": -32603, "message": "The pass failed.", "data": data}
            return {"jsonrpc": "2.0", "method": "$/error", "params": error}
        return message

    server.outgoing = outgoing

    def use() -> None:
        with Client(server.url) as client, pytest.raises(ServerError, match="The pass failed"):
            client.open(TEXT).values()

    await asyncio.to_thread(use)


async def test_a_callback_must_not_wait_for_its_own_thread(server: ScriptedServer) -> None:
    told: list[BaseException] = []

    def use() -> None:
        with Client(server.url) as client:

            def ask(_: Any) -> None:
                try:
                    client.subscribe("L0N1")
                except RuntimeError as error:
                    told.append(error)

            client._client.on_error = ask
            client._do(client._client._notification, "$/error", {"code": -32603, "message": "x"})

    await asyncio.to_thread(use)
    assert "must not wait" in str(told[0])


FORK = """
import os, sys
from ws_server.client import Disconnected
from ws_server.client.blocking import Client

client = Client(sys.argv[1], timeout=30)
client.subscribe("L0N1")
document = client.open("one two three")
child = os.fork()
if child == 0:
    for verb in (document.values, lambda: client.subscribe("L0N2"), lambda: document.append("x")):
        try:
            verb()
        except Disconnected as error:
            print(error)
    client.close()
    with Client(sys.argv[1]) as own:
        print(own.open("one").values().shape)
    sys.stdout.flush()
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
print(document.values().shape)
client.close()
"""


async def test_in_a_forked_process_it_says_so_and_the_first_one_goes_on(server: ScriptedServer) -> None:
    # Python 3.12 and later warn of forking beside threads, which is what is tested here.
    command = [sys.executable, "-W", "error", "-W", "ignore:This process:DeprecationWarning", "-c", FORK, server.url]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, encoding="utf-8", timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert len(lines) == 5
    assert all("os.fork()" in line for line in lines[:3])
    assert lines[3:] == ["(0, 2)", "(1, 4)"]
