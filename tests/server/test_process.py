"""The command: it is ready before PyTorch is, ends when told to, and says in one sentence what it cannot do."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from jsonrpc_websocket import Server as ForeignClient

import ws_server
from tests.server.conftest import THOROUGH
from tests.support import models
from tests.support.client import LOADING, TIME_LIMIT, Client, RequestFailed
from tests.support.server import ServerProcess, alive, loads_torch, run_command, run_commands

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc, which only Linux has")

READY_SECONDS = 2.0
ENDED_SECONDS = 2.0
NOISE = 4.0
"""How much slower a machine may be that has other things to do."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return models.gpt2(tmp_path_factory.mktemp("process") / "tiny")


@pytest.fixture
def server(folder: Path, tmp_path: Path) -> Iterator[ServerProcess]:
    server = ServerProcess(tmp_path / "stderr", [folder])
    yield server
    server.stop()


@linux
async def test_from_start_to_end(server: ServerProcess) -> None:
    # Ready: the page and health answer, and the server process has no PyTorch, now or later.
    assert server.seconds_until_ready < READY_SECONDS * NOISE
    assert server.get("/")[0] == server.get("/healthz")[0] == 200
    status, _, body = server.get("/readyz")
    assert (status, json.loads(body)) == (503, {"status": "loading"})
    assert not loads_torch(server.pid)
    early = await Client.dial(server.url)
    refused = early.call("models/list")
    await early.send(refused)
    with pytest.raises(RequestFailed) as failure:
        await early.answer(refused)
    assert failure.value.code == -32002

    # While the model loads, `initialize` waits for it and tells how far it is; others are served.
    waiting = early.call("initialize", {"protocolVersion": 1, "client": {"name": "tests"}, "workDoneToken": "load"})
    await early.send(waiting)
    await early.until(lambda: early.progress, "progress", LOADING)
    assert server.get("/healthz")[0] == 200
    hello = await early.answer(waiting, LOADING)
    assert hello["model"]["id"] == "tiny"
    assert early.progress[0]["value"]["kind"] == "begin"
    assert early.progress[-1]["value"]["kind"] == "end"
    assert server.get("/readyz")[0] == 200
    assert not loads_torch(server.pid)
    assert any(loads_torch(pid) for pid in server.workers())

    # Ctrl-C with connections in all states, a pass at work, and a text that takes many seconds to tokenize.
    busy, idle, silent = await Client.open(server.url), await Client.open(server.url), await Client.dial(server.url)
    foreign = ForeignClient(server.url.replace("http", "ws") + "ws")
    reading = await foreign.ws_connect()
    await busy.subscribe("L2N0")
    await busy.open_document("one", "the waves and the gulls " * 3000)
    await busy.send(busy.opening("two", "😀" * 1_000_000))
    await busy.request("models/list")
    workers = server.workers()
    seconds = await asyncio.to_thread(server.interrupt)
    assert seconds < ENDED_SECONDS * NOISE
    for client in (early, busy, idle, silent):
        assert await client.closed() == 1001
    await asyncio.wait_for(reading, TIME_LIMIT)
    assert not foreign.connected
    assert server.process.returncode == 0
    for pid in workers:  # killed by then; the kernel may still be taking their memory back
        while alive(pid):
            os.sched_yield()


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_ends_in_time_with_connections_that_do_not_answer(folder: Path, tmp_path: Path, sign: signal.Signals) -> None:
    """While PyTorch is being imported, with peers that opened a connection and then went silent."""
    server = ServerProcess(tmp_path / "stderr", [folder])
    with socket.create_connection(("127.0.0.1", server.port)), _handshaken(server.port):
        assert server.interrupt(sign) < ENDED_SECONDS * NOISE
    server.stop()


def _handshaken(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=30)
    connection.sendall(
        f"GET /ws HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    assert b" 101 " in connection.recv(4096)
    return connection


def test_workers_end_with_a_server_that_is_killed(folder: Path, tmp_path: Path) -> None:
    server = ServerProcess(tmp_path / "stderr", [folder])
    while not (workers := server.workers()):
        pass
    server.kill()
    for pid in workers:
        while alive(pid):  # its end is told by a pipe that closes
            os.sched_yield()


# ------------------------------------------------------------------------------------ refusals


def refusal(*arguments: str) -> str:
    """The sentence with which the command refuses."""
    return sentence_of(run_command(*arguments, timeout=120))


def sentence_of(result: subprocess.CompletedProcess[str]) -> str:
    assert result.returncode == 2, result
    assert result.stdout.count("\n") <= 1
    assert not result.stdout or result.stdout.startswith("Neuroscope ready at ")
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("neuroscope: ")
    assert lines[0].endswith(".")
    assert "Traceback" not in result.stderr
    return lines[0]


def test_port_that_is_taken(folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        sentence = refusal("serve", "--no-open", "--port", str(port), "--model", str(folder))
    assert f"127.0.0.1:{port}" in sentence


def test_address_that_is_not_ours(folder: Path) -> None:
    assert "192.0.2.1" in refusal("serve", "--no-open", "--port", "0", "--host", "192.0.2.1", "--model", str(folder))


def test_folders_that_are_no_models(folder: Path, tmp_path: Path) -> None:
    def made(name: str, **files: bytes) -> str:
        parent = tmp_path / name
        parent.mkdir()
        for file, content in files.items():
            (parent / file.replace("__", ".")).write_bytes(content)
        return str(parent)

    config = (folder / "config.json").read_bytes()
    weights = (folder / "model.safetensors").read_bytes()
    for name, words in {
        str(tmp_path / "nowhere"): "nowhere",
        "./nowhere": "nowhere",
        str(folder / "config.json"): "config.json",
        made("empty"): "config.json",
        made("no json", config__json=b"{"): "config.json",
        made("no object", config__json=b"[]"): "config.json",
        made("no weights", config__json=config): "weights",
        made("no tokenizer", config__json=config, model__safetensors=weights): "tokenizer.json",
        "": "",
        "no such*name": "no such*name",
        "a/b/c": "a/b/c",
    }.items():
        assert words in refusal("serve", "--no-open", "--port", "0", "--model", name)
    twice = tmp_path / "twice" / "tiny"
    twice.parent.mkdir()
    twice.symlink_to(folder)
    second = tmp_path / "again" / "tiny"
    second.parent.mkdir()
    second.mkdir()
    for file in folder.iterdir():
        (second / file.name).write_bytes(file.read_bytes())
    assert "tiny" in refusal("serve", "--no-open", "--port", "0", "--model", str(folder), "--model", str(second))


KINDS = ("truncated weights", "no such architecture", "other weights", "no tokenizer inside")


def test_what_only_loading_tells(folder: Path, tmp_path: Path) -> None:
    """It is told as soon as it is known; by then the page had been promised. So for a folder that only looks like a
    model, and for a name that the Hub would have to know, without a network."""
    names = {"nobody/no-such-model": "nobody/no-such-model"}
    for kind in KINDS if THOROUGH else KINDS[:1]:
        broken = tmp_path / kind / "broken"
        broken.mkdir(parents=True)
        names[str(broken)] = "broken"
        for file in folder.iterdir():
            (broken / file.name).write_bytes(file.read_bytes())
        if kind == "truncated weights":
            weights = broken / "model.safetensors"
            weights.write_bytes(weights.read_bytes()[:3000])
        elif kind == "other weights":
            config = json.loads((broken / "config.json").read_bytes())
            (broken / "config.json").write_text(json.dumps({**config, "n_embd": 64}))
        elif kind == "no such architecture":
            (broken / "config.json").write_text('{"model_type": "abacus", "architectures": ["AbacusForCausalLM"]}')
        else:
            (broken / "tokenizer.json").write_text("{}")
    commands = [["serve", "--no-open", "--port", "0", "--model", name] for name in names]
    results = run_commands(commands, timeout=120, environment={"HF_HUB_OFFLINE": "1"})
    for words, result in zip(names.values(), results, strict=True):
        assert words in sentence_of(result)


def test_wrong_options() -> None:
    for arguments in (
        ["serve", "--port", "70000"],
        ["serve", "--port", "x"],
        ["serve", "--dtype", "int3"],
        ["fly"],
        [],
    ):
        result = run_command(*arguments)
        assert result.returncode == 2
        assert result.stdout == ""
        assert "Traceback" not in result.stderr


def test_version_and_models() -> None:
    result = run_command("--version")
    assert (result.returncode, result.stdout, result.stderr) == (0, f"neuroscope {ws_server.__version__}\n", "")
    result = run_command("models")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout
