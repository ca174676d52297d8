"""What breaks, breaks for one: passes that fail, memory that ends, workers and servers that die, wires that are cut."""

from __future__ import annotations

import asyncio
import json
import os
import re
import resource
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import GPT2Config, GPT2LMHeadModel
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.support import models
from tests.support.cable import Cable
from tests.support.client import LOADING, TIME_LIMIT, Client
from tests.support.reference import Reference
from tests.support.server import ServerProcess, alive

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc and sets limits of a process")

PROSE = "The keeper counted the waves, and the girl counted the gulls.\n"
LAST = 480
"""The first token of `short` that its model has no embedding of."""
HARMLESS = "0 1 2 3, 4 5 6 7"
"""A text without such tokens."""
SETTINGS: dict[str, Any] = {"resume_seconds": 60.0, "keepalive_seconds": 1.0, "drain_seconds": 8.0}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    parent = tmp_path_factory.mktemp("faults")
    return {"wide": _wide(parent), "short": _short(parent)}


def _short(parent: Path) -> Path:
    """A tokenizer with more tokens than the model has embeddings: people do put such folders together."""
    folder = models.gpt2(parent / "short")
    weights = load_file(folder / "model.safetensors")
    embeddings = weights["transformer.wte.weight"]
    assert len(embeddings) > LAST
    weights["transformer.wte.weight"] = embeddings[:LAST].clone()
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((folder / "config.json").read_bytes())
    (folder / "config.json").write_text(json.dumps({**config, "vocab_size": LAST}))
    # Such a folder is refused, unless the tokens are said to be added ones, which a model need not know.
    file = folder / "tokenizer.json"
    tokenizer = json.loads(file.read_bytes())
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized", "special"), False)
    beyond = {number: content for content, number in tokenizer["model"]["vocab"].items() if number >= LAST}
    tokenizer["added_tokens"] += [{"id": number, "content": beyond[number], **flags} for number in sorted(beyond)]
    file.write_text(json.dumps(tokenizer))
    return folder


def _wide(parent: Path) -> Path:
    """So many neurons that a long text takes much memory."""
    folder = models.gpt2(parent / "wide", context=512)
    config = GPT2Config.from_pretrained(folder, n_inner=12_000, n_layer=2)
    torch.manual_seed(0)
    GPT2LMHeadModel(config).save_pretrained(folder)
    return folder


class Place:
    """A server that a test may do everything to."""

    def __init__(self, tmp_path: Path, folders: dict[str, Path]) -> None:
        self._tmp_path = tmp_path
        self._folders = folders
        self._references: dict[str, Reference] = {}
        self.server = self._started()

    def start(self, folders: dict[str, Path] | None = None, **settings: Any) -> None:
        """Another server, in the place of this one."""
        self.end()
        self._folders = folders or self._folders
        self.server = self._started(**settings)

    def end(self) -> None:
        self.server.kill()

    def _started(self, **settings: Any) -> ServerProcess:
        values = {**SETTINGS, **settings}
        return ServerProcess(self._tmp_path / "stderr", list(self._folders.values()), settings=values, limits={})

    async def check(self, client: Client, *uris: str) -> None:
        """What the client has is what a plain computation gives."""
        model = client.model["id"]
        if model not in self._references:
            self._references[model] = Reference(self._folders[model])
        await client.settled(*uris)
        for uri in uris or client.documents:
            self._references[model].check(client.documents[uri], client.subscribed)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, folders: dict[str, Path]) -> Iterator[Place]:
    place = Place(tmp_path_factory.mktemp("server"), folders)
    yield place
    place.end()


def ticket(client: Client) -> dict[str, Any]:
    return {member: client.initialized[member] for member in ("session", "resumeToken")}


async def typist(place: Place, model: str = "wide") -> Client:
    client = await Client.open(place.server.url)
    if model != client.model["id"]:
        await client.load(model)
    await client.subscribe("L0N0", "L1N7")
    await client.open_document("one", HARMLESS if model == "short" else PROSE)
    await place.check(client)
    return client


async def complaint(client: Client) -> dict[str, Any]:
    await client.until(lambda: client.errors, "word of what failed", LOADING)
    return client.errors.pop()


# ------------------------------------------------------------------------------------ workers


@linux
async def test_memory_that_ends_in_a_pass(place: Place) -> None:
    """The worker may use little more than it has: a long text does not fit, and everything else goes on."""
    async with await typist(place) as other, await typist(place) as client:
        (worker,) = place.server.workers()[:1]
        now = int(Path(f"/proc/{worker}/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        unlimited = resource.prlimit(worker, resource.RLIMIT_AS, (now + 48 * 1024**2, resource.RLIM_INFINITY))
        try:
            await client.send(client.opening("long", PROSE * 60))
            error = await complaint(client)
            assert (error["method"], error["code"]) == ("document/open", -32603)
            assert "not enough memory" in error["message"]
            await other.change("one", (0, 3, "A"))
            await place.check(other)
        finally:
            resource.prlimit(worker, resource.RLIMIT_AS, unlimited)
        await client.change("one", (0, 3, "One"))
        await place.check(client, "one")
        await client.change("long", (0, 3, "One"))
        await place.check(client)
        assert place.server.workers() == [worker, *place.server.workers()[1:]]
        assert alive(worker)


@linux
async def test_a_worker_that_dies_of_a_text_again_and_again(place: Place) -> None:
    """It is replaced; everyone else with a text there gets its values, and the text that kills it is not tried for
    ever."""
    async with await typist(place) as other, await Client.open(place.server.url) as client:
        await client.subscribe("L0N0")
        await client.send(client.opening("deadly", PROSE * 400))
        document = client.documents["deadly"]
        deaths = 0
        while not client.errors:
            assert deaths < 6, "it is tried for ever"
            updates = document.updates
            await client.until(lambda u=updates: document.updates > u or client.errors, "values", LOADING)
            if not client.errors:
                for pid in place.server.workers():
                    os.kill(pid, signal.SIGKILL)
                deaths += 1
                await other.change("one", (0, 0, "x"))
                await client.request("models/list")  # what was on its way from the dead one has come
        assert deaths >= 2
        error = await complaint(client)
        assert (error["method"], error["code"]) == ("document/open", -32603)
        assert error["data"] == {"uri": "deadly", "version": 1}
        assert "worker died" in error["message"]
        await place.check(other)
        await client.change("deadly", (100, len(document.text), ""))
        await place.check(client)
        counted = re.search(r'worker_deaths_total\{model="wide"\} (\d+)', place.server.get("/metrics")[2].decode())
        assert counted is not None
        assert 2 <= int(counted[1]) <= deaths


# ------------------------------------------------------------------------------------ descriptors


@linux
async def test_file_descriptors_that_run_out(place: Place) -> None:
    """Connected clients do not notice. One line says why nobody else gets in, and they do when there is room."""
    logged = place.server.log.stat().st_size
    async with await typist(place) as client:
        highest = max(int(file.name) for file in Path(f"/proc/{place.server.pid}/fd").iterdir())
        before = resource.prlimit(place.server.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(place.server.pid, resource.RLIMIT_NOFILE, (highest + 4, before[1]))
        with ExitStack() as idle:
            for _ in range(80):
                idle.enter_context(socket.create_connection(("127.0.0.1", place.server.port)))
            await client.change("one", (0, 0, "Still here. "))
            await place.check(client)
        resource.prlimit(place.server.pid, resource.RLIMIT_NOFILE, before)
    async with await typist(place):  # what lay in wait before it has been accepted or refused
        log = place.server.log.read_bytes()[logged:].decode()
    assert log.count("No connection can be accepted for now: Too many open files.") == 1
    assert "Traceback" not in log


# ------------------------------------------------------------------------------------ wires that are cut


async def test_cut_in_the_middle_of_an_update(place: Place) -> None:
    """At any byte of what is on its way: the session is taken up again and the client has what the server has."""
    with Cable(place.server.port) as cable:
        client = await Client.open(cable.url)
        await client.subscribe("L0N0", "L1N7", "L1N11999")
        await client.open_document("one", PROSE * 6)
        await client.settled()
        text, version = client.documents["one"].text, 1
        for step, count in enumerate((0, 1, 2, 30, 150, 400, 700, 1000, 3000, 5000, 9000)):
            cable.cut_after(count)
            while client.close_code is None:
                try:
                    await client.change("one", (0, 1, "Tt"[step % 2]))
                    await client.until(lambda c=client: c.close_code is not None or c.documents["one"].done, "the end")
                except ConnectionClosed:
                    pass  # it ends where nobody expects it
            text, version = client.documents["one"].text, version + 100
            client = await Client.open(cable.url, resume=ticket(client))
            assert client.initialized["resumed"] is True
            await client.open_document("one", text, version)
            await client.change("one", (1, 1, f"{step}"))
            await place.check(client)
            text = client.documents["one"].text
            version = client.documents["one"].version
        await client.close()


async def test_a_second_one_that_resumes_the_same_session(place: Place) -> None:
    """The last one has it; the first learns so from its close code and does not come back by itself."""
    async with await typist(place) as first, await Client.open(place.server.url, resume=ticket(first)) as second:
        assert second.initialized["resumed"] is True
        assert await first.closed() == 1000
        assert first.close_reason == "resumed by another connection"
        await second.open_document("one", PROSE + "more", version=7)
        await place.check(second)
        assert first.documents["one"].done_versions == [1]


@linux
async def test_a_server_that_was_asleep(place: Place) -> None:
    """Longer than any of its patience, as when a laptop is closed: nobody is sent away for having been silent."""
    async with await typist(place) as client, await typist(place) as silent:
        os.kill(place.server.pid, signal.SIGSTOP)
        try:
            await client.change("one", (0, 3, "A"))
            await asyncio.sleep(4 * SETTINGS["keepalive_seconds"])  # so long it sleeps: that is what is tried
        finally:
            os.kill(place.server.pid, signal.SIGCONT)
        await place.check(client)
        await silent.change("one", (0, 3, "A"))
        await place.check(silent)
    # The delay is not one look at the loop that came late, but as many as were due.
    text = place.server.get("/metrics")[2].decode()
    lag = dict(re.findall(r"^neuroscope_event_loop_lag_seconds_(\S+) (\S+)$", text, re.MULTILINE))
    longer = float(lag["count"]) - float(lag['bucket{le="1.0"}'])
    assert longer > (4 * SETTINGS["keepalive_seconds"] - 1) / 0.02 / 2


# ------------------------------------------------------------------------------------ passes that fail


async def test_a_pass_that_fails(place: Place, folders: dict[str, Path]) -> None:
    """A token that the model has no embedding of: its session gets an error, with the method that failed, and can go
    on."""
    async with await typist(place, "short") as other, await typist(place, "short") as client:
        word = _word_past(Reference(folders["short"]))
        before = client.documents["one"].text
        await client.change("one", (3, 3, word))
        error = await complaint(client)
        assert (error["method"], error["code"]) == ("document/change", -32603)
        assert error["data"] == {"uri": "one", "version": 2}
        assert "forward pass failed" in error["message"]
        await other.change("one", (0, 1, "9"))
        await place.check(other)
        # Another document of the same session is not concerned, and a correction is answered.
        await client.open_document("two", "1 2 1 2")
        await place.check(client, "two")
        await client.change("one", (3, 3 + len(word), ""))
        assert client.documents["one"].text == before
        await place.check(client)
        await client.send(client.opening("three", word))
        error = await complaint(client)
        assert (error["method"], error["data"]) == ("document/open", {"uri": "three", "version": 1})
        assert client.resyncs == other.errors == []


def _word_past(reference: Reference) -> str:
    """A text whose token has no embedding."""
    for number in range(LAST, len(reference.tokenizer)):
        text: str = reference.tokenizer.decode([number])
        if reference.ids(text) == [number]:
            return text
    raise AssertionError("every token can be computed")


# ------------------------------------------------------------------------------------ servers that end


async def test_a_server_that_is_told_to_end_answers_first(place: Place) -> None:
    """SIGTERM: pending requests are answered, new ones are refused, nobody waits longer than the deadline."""
    async with await typist(place) as client, await typist(place) as other:
        await client.send(client.opening("long", PROSE * 150))
        long = client.documents["long"]
        await client.until(lambda: long.updates, "the first values")
        place.server.process.send_signal(signal.SIGTERM)
        begun = time.monotonic()
        while place.server.get("/readyz")[0] != 503:
            assert time.monotonic() - begun < TIME_LIMIT
        assert json.loads(place.server.get("/readyz")[2])["status"] == "shutting down"
        with pytest.raises(InvalidStatus) as refused:
            await Client.dial(place.server.url)
        assert refused.value.response.status_code == 503
        assert int(refused.value.response.headers["Retry-After"]) > 0
        assert long.done is None, "the text is too short for this machine"
        assert await client.closed() == await other.closed() == 1001
        await place.check(client)
        assert long.done is not None
    await ended(place.server)


async def ended(server: ServerProcess) -> None:
    assert await asyncio.to_thread(server.process.wait, TIME_LIMIT) == 0
    assert server.rest_of_output() == ""


async def test_a_server_that_is_told_to_end_does_not_wait_for_ever(place: Place) -> None:
    """For a text that takes far longer than the deadline; and told twice, it ends at once."""
    place.start(drain_seconds=1.0)
    client = await Client.open(place.server.url)
    await client.subscribe("L1N0")
    await client.send(client.opening("long", PROSE * 2000))
    await client.until(lambda: client.documents["long"].updates, "the first values", LOADING)
    begun = time.monotonic()
    place.server.process.send_signal(signal.SIGTERM)
    assert await client.closed() == 1001
    await ended(place.server)
    assert 0.9 < time.monotonic() - begun < 10


async def test_a_server_that_comes_back_as_another(place: Place, folders: dict[str, Path]) -> None:
    """Killed while somebody types, and started again at the same place with another model: the session is gone, and
    a client that does as the protocol says has the right values of what there is now."""
    place.start()
    port = place.server.port
    client = await Client.open(place.server.url)
    await client.subscribe("L1N7", "L2N100" if client.model["layers"] > 2 else "L1N11999")
    await client.open_document("one", HARMLESS)
    await place.check(client)
    for _ in range(5):
        await client.change("one", (0, 0, "8 "))
    os.kill(place.server.pid, signal.SIGKILL)
    assert await client.closed() == 1006
    place.end()
    with pytest.raises(ConnectionRefusedError):
        await Client.dial(place.server.url)
    place.start({"short": folders["short"]}, port=port)
    async with await Client.open(place.server.url, resume=ticket(client)) as again:
        assert again.initialized["resumed"] is False
        assert again.model["id"] == "short"
        assert again.subscribed == []
        await again.subscribe("L1N7")
        await again.open_document("one", client.documents["one"].text, version=99)
        await place.check(again)
    await asyncio.to_thread(place.server.interrupt)
    with socket.create_server(("127.0.0.1", port)):
        pass
