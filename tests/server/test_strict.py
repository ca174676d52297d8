"""Limits that are given on the command line: told to clients, and kept to the last one."""

from __future__ import annotations

import asyncio
import socket
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus

from tests.support import models
from tests.support.client import LOADING, TIME_LIMIT, Client, RequestFailed
from tests.support.reference import Reference
from tests.support.server import ServerProcess

IDLE_SECONDS = 3.0
OFFERED = ("gpt2", "llama", "gpt2-without-bos")
LIMITS = {
    "sessions": 3,
    "sessions-per-address": 2,
    "documents": 2,
    "document-characters": 300,
    "document-tokens": 200,
    "subscriptions": 4,
    "frame-bytes": 20_000,
    "messages-per-second": 50,
    "models-loaded": 2,
}


class Strict:
    """The server, and its models computed by themselves."""

    def __init__(self, server: ServerProcess, folders: dict[str, Path]) -> None:
        self.server = server
        self.url = server.url
        self._folders = folders

    async def check(self, client: Client) -> None:
        await client.settled()
        reference = Reference(self._folders[client.model["id"]])
        for document in client.documents.values():
            reference.check(document, client.subscribed)


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Strict]:
    folders = {name: models.make(name, tmp_path_factory.mktemp("strict")) for name in OFFERED}
    options = [word for name, value in LIMITS.items() for word in (f"--max-{name}", str(value))]
    options += ["--cache-memory", "16", "--idle-timeout", str(IDLE_SECONDS), "--resume-timeout", "30"]
    log = tmp_path_factory.mktemp("server") / "stderr"
    server = ServerProcess(log, list(folders.values()), options)
    yield Strict(server, folders)
    server.stop()


async def dial_from(strict: Strict, address: str) -> Client:
    """A client at another address of this machine."""
    connection = socket.socket()
    connection.bind((address, 0))
    connection.setblocking(False)
    await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", strict.server.port))
    return await Client.dial(strict.url, sock=connection)


@asynccontextmanager
async def saying_something(client: Client) -> AsyncIterator[None]:
    """So that it is not sent away for having nothing to do."""

    async def talk() -> None:
        while True:
            await client.notify("$/cancelRequest", {"id": 0})
            await asyncio.sleep(IDLE_SECONDS / 4)

    task = asyncio.ensure_future(talk())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_every_limit_is_told(strict: Strict) -> None:
    async with await Client.open(strict.url) as client:
        limits = dict(client.initialized["limits"])
    assert limits.pop("cacheBytes") == 16 * 1024**2
    assert limits.pop("idleSeconds") == IDLE_SECONDS
    camel = {name: "".join(part.title() if i else part for i, part in enumerate(name.split("-"))) for name in LIMITS}
    assert limits == {camel[name]: value for name, value in LIMITS.items()}


async def test_they_are_kept(strict: Strict) -> None:
    """At each and one past it; those that the tests of the narrow server do not reach by a setting."""
    async with await Client.open(strict.url) as client:
        await client.subscribe(*(f"L0N{number}" for number in range(4)))
        with pytest.raises(RequestFailed) as failure:
            await client.subscribe("L0N4")
        assert failure.value.data == {"limit": "subscriptions", "maximum": 4}
        await client.open_document("one", "the " * 75)
        with pytest.raises(RequestFailed) as failure:
            await client.open_document("one", "the " * 75 + "!", version=2)
        assert failure.value.data == {"limit": "documentCharacters", "maximum": 300}
        await client.open_document("one", "some text", version=3)
        await client.open_document("two", "")
        with pytest.raises(RequestFailed) as failure:
            await client.open_document("three", "")
        assert failure.value.data == {"limit": "documents", "maximum": 2}
        del client.documents["three"]
        await strict.check(client)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs other addresses of this machine, as Linux has")
async def test_sessions_of_an_address(strict: Strict) -> None:
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(await Client.open(strict.url))
        second = await Client.open(strict.url)
        # One more may connect, as it may hold the token of a session; it learns which limit it meets.
        async with await Client.dial(strict.url) as third:
            with pytest.raises(InvalidStatus) as full:
                await Client.dial(strict.url)
            assert full.value.response.status_code == 503
            assert int(full.value.response.headers["Retry-After"]) > 0
            with pytest.raises(RequestFailed) as failure:
                await third.initialize()
            assert failure.value.code == -32013
            assert failure.value.data == {"limit": "sessionsPerAddress", "maximum": 2}
            # Others have nothing to do with it.
            elsewhere = await stack.enter_async_context(await dial_from(strict, "127.0.0.2"))
            await elsewhere.initialize()
            await elsewhere.open_document("one", "some text")
            await elsewhere.settled()
            # A session that nobody holds makes place, and its own may always come back in the place of another.
            second.cut()
            deadline = time.monotonic() + TIME_LIMIT
            while True:
                try:
                    await third.initialize()
                    break
                except RequestFailed:
                    assert time.monotonic() < deadline
            resume = {member: second.initialized[member] for member in ("session", "resumeToken")}
            assert third.initialized["session"] != second.initialized["session"]
            await first.close()
        async with await Client.open(strict.url, resume=resume) as late:
            assert late.initialized["resumed"] is False


async def test_models_in_memory(strict: Strict) -> None:
    """One that no session holds makes place for another; one that is in use does not, and nobody loses what it has."""
    async with (
        await Client.open(strict.url) as one,
        await Client.open(strict.url) as two,
        saying_something(one),
        saying_something(two),
    ):
        for client in (one, two):
            await client.subscribe("L0N1")
            await client.open_document("a", "The keeper counted the waves.")
        await one.load("llama")
        with pytest.raises(RequestFailed) as failure:
            await two.load("gpt2-without-bos")
        assert failure.value.code == -32013
        assert failure.value.data == {"limit": "modelsLoaded", "maximum": 2}
        await asyncio.gather(strict.check(one), strict.check(two))
        assert two.model["id"] == "gpt2"
        await one.load("gpt2")
        await two.load("gpt2-without-bos")
        await asyncio.gather(strict.check(one), strict.check(two))
        with pytest.raises(RequestFailed) as failure:
            await one.load("llama")
        assert failure.value.code == -32013
        loaded = {m["id"]: m["loaded"] for m in (await one.request("models/list"))["models"]}
        assert loaded == {"gpt2": True, "llama": False, "gpt2-without-bos": True}
        assert len(strict.server.workers()) == 2


async def test_who_says_nothing_for_long_is_sent_away(strict: Strict) -> None:
    """And not a moment sooner; who waits for an answer is not idle, nor who goes on typing."""
    async with await Client.open(strict.url) as talker:
        await talker.subscribe("L0N1")
        await talker.open_document("a", "")
        idle = await Client.open(strict.url)
        begun = time.monotonic()
        while idle.close_code is None:
            assert time.monotonic() - begun < LOADING
            await talker.change("a", (0, 0, "x") if len(talker.documents["a"].text) < 100 else (0, 100, ""))
            await talker.settled()
            await asyncio.sleep(0.1)  # slower than it may write
        assert time.monotonic() - begun >= IDLE_SECONDS - 0.5
        assert await idle.closed() == 1000
        # What it had is kept for it as for anybody whose connection ends.
        resume = {member: idle.initialized[member] for member in ("session", "resumeToken")}
        async with await Client.open(strict.url, resume=resume) as again:
            assert again.initialized["resumed"] is True
