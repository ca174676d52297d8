"""The command: it is ready before PyTorch is, ends when told to, and says in one sentence what it cannot do."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from jsonrpc_websocket import Server as ForeignClient

import ws_server
from tests.support import models
from tests.support.client import LOADING, TIME_LIMIT, Client, RequestFailed
from tests.support.server import ROOT, Ends, ServerProcess, alive, loads_torch, run_command

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
    server = ServerProcess(tmp_path / "stderr", [folder], afresh=True)
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
    fork_server = server.fork_server()
    assert all(loads_torch(pid) for pid in (fork_server, *server.workers()))
    # What a fork must not find: threads, which would be gone, and a GPU's driver, which does not survive it.
    assert len(list(Path(f"/proc/{fork_server}/task").iterdir())) == 1
    assert "libcuda.so" not in Path(f"/proc/{fork_server}/maps").read_text()

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
    assert not [pid for pid in (fork_server, *workers) if alive(pid)]


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_ends_in_time_with_connections_that_do_not_answer(folder: Path, tmp_path: Path, sign: signal.Signals) -> None:
    """While PyTorch is being imported, with peers that opened a connection and then went silent."""
    server = ServerProcess(tmp_path / "stderr", [folder], afresh=True)
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


@linux
async def test_no_process_outlives_a_server_that_is_killed(folder: Path, tmp_path: Path) -> None:
    """Neither while the libraries are being imported, nor later."""
    server = ServerProcess(tmp_path / "stderr", [folder], afresh=True)
    with Ends(server.fork_server()) as ends:
        server.kill()
        ends.wait()
    server = ServerProcess(tmp_path / "stderr", [folder])
    async with await Client.open(server.url):
        with Ends(server.fork_server(), *server.workers()) as ends:
            server.kill()
            ends.wait()


@linux
async def test_a_fork_server_that_ends_is_replaced(folder: Path, tmp_path: Path) -> None:
    """Its workers go on without it; one that dies later comes from the next."""
    server = ServerProcess(tmp_path / "stderr", [folder])
    async with await Client.open(server.url) as client:
        (worker,) = server.workers()
        fork_server = server.fork_server()
        with Ends(fork_server) as ends:
            os.kill(fork_server, signal.SIGKILL)
            ends.wait()
        await client.subscribe("L2N0")
        await client.open_document("a", "The waves and the gulls.")
        await client.settled()
        with Ends(worker) as ends:
            os.kill(worker, signal.SIGKILL)
            ends.wait()
        await client.change("a", (0, 0, "More of "))
        await client.settled()
        assert server.fork_server() != fork_server
    server.stop()


# ------------------------------------------------------------------------------------ surroundings


def command_line(tmp_path: Path, port: int) -> list[str]:
    """The command as an installed package has it: a script that is in no folder to import from."""
    script = tmp_path / "bin" / "neuroscope"
    script.parent.mkdir(exist_ok=True)
    script.write_text("import sys\nfrom ws_server.cli import main\nsys.exit(main())\n")
    return [sys.executable, str(script), "--log-level", "info", "serve", "--no-open", "--port", str(port)]


@linux
@pytest.mark.parametrize("place", ["closed stderr, foreign modules", "full stdout, deleted folder", "nobody reads"])
async def test_wherever_it_is_started(folder: Path, tmp_path: Path, place: str) -> None:
    """Without standard streams, or such as cannot be written to; in a folder that is gone, or full of modules with
    the names of Python's own, none of which is ever imported."""
    current = tmp_path / "current"
    current.mkdir()
    imported = tmp_path / "imported"
    for name in ("types", "signal", "json", "socket", "torch", "numpy", "orjson", "ws_server", "usercustomize"):
        (current / f"{name}.py").write_text(f"open({str(imported)!r}, 'a').write({name!r})")
    redirected = {"closed stderr, foreign modules": "2>&-", "full stdout, deleted folder": "> /dev/full"}
    shell = f'exec "$@" {redirected.get(place, ">&-")}'
    if "deleted" in place:
        shell = f'rm -r "$PWD"; {shell}'
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        ["sh", "-c", shell, "sh", *command_line(tmp_path, port), "--model", str(folder)],
        cwd=current,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    assert process.stdout is not None
    assert process.stderr is not None
    with process, process.stdout, process.stderr:
        announced = process.stdout if "stderr" in place else process.stderr
        while not re.search(r"ready at|server started", line := announced.readline()):
            assert line, "it has ended"
        if place == "nobody reads":
            process.stderr.close()
        async with await Client.open(f"http://127.0.0.1:{port}/") as client:
            await client.subscribe("L2N0")
            await client.open_document("a", "The waves and the gulls.")
            await client.settled()
        process.send_signal(signal.SIGINT)
        await asyncio.to_thread(process.wait, 60)
        assert process.returncode == 0
    assert not imported.exists()


def test_the_module_looks_for_others_elsewhere_than_in_the_current_folder(tmp_path: Path) -> None:
    """`python -m ws_server`, which Python itself starts with the current folder in its import path."""
    for name in ("argparse", "json", "orjson", "socket", "subprocess"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('imported')")
    command = [sys.executable, "-m", "ws_server", "models"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, encoding="utf-8", timeout=60)
    assert (result.returncode, result.stderr) == (0, "")


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


def test_what_only_loading_tells(folder: Path, tmp_path: Path) -> None:
    """It is reported as soon as it is known; by then the page had been announced. So for a folder that only looks like
    a model, and for a name that the Hub would have to know, without a network."""
    names = {"nobody/no-such-model": "nobody/no-such-model"}
    for kind in ("truncated weights", "no such architecture", "other weights", "no tokenizer inside"):
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
    for name, words in names.items():
        assert words in refusal("serve", "--no-open", "--port", "0", "--model", name)


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
    result = run_command("--version", afresh=True)
    assert (result.returncode, result.stdout, result.stderr) == (0, f"neuroscope {ws_server.__version__}\n", "")
    result = run_command("models", afresh=True)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout
