"""What the README says works as it is written."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A server with the embedded model, started by its command."""
    server = subprocess.Popen(
        [sys.executable, "-m", "ws_server", "serve", "--port", "0", "--no-open"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None
        yield server.stdout.readline().split()[-1]
    finally:
        server.terminate()
        server.communicate(timeout=20)


def test_the_frontends_of_the_readme_run_against_the_embedded_model(address: str) -> None:
    raw, packaged, widget = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    raw = raw.replace("ws://127.0.0.1:8740/ws", address.replace("http", "ws") + "ws")
    packaged = packaged.replace("http://127.0.0.1:8740/", address)
    widget = widget.replace("http://127.0.0.1:8740/", address) + "print(widget.values.shape, widget.status)"
    done, table, shown = (
        subprocess.run([sys.executable, "-c", example], capture_output=True, text=True, timeout=90)
        for example in (raw, packaged, widget)
    )
    assert done.returncode == table.returncode == 0, done.stderr + table.stderr
    assert shown.stdout == "(2, 8) ready\n", shown.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("'<|endoftext|>' L1N5 ")
    assert len(lines) > 5
    assert table.stdout.startswith("[[")
    assert re.search(r"^0 +0 +<\|endoftext\|> ", table.stdout, re.MULTILINE)
    assert all(re.fullmatch(r"'.*' L1N5 -?\d+\.\d{3} L2N42 -?\d+\.\d{3}", line) for line in lines)


EACH_TIME = {"session", "resumeToken", "version", "timing", "cacheBytes"}
"""Members that differ from conversation to conversation, or from machine to machine."""


def agree(written: Any, said: Any, path: str = "") -> None:
    """The server sent what is written, numbers to within rounding; only hook points may be left out."""
    if isinstance(written, dict):
        assert written.keys() == said.keys(), path
        for name in written.keys() - (EACH_TIME if path != ".params" else {"timing"}):
            agree(written[name], said[name], f"{path}.{name}")
    elif isinstance(written, list):
        count = len(written) if path.endswith(".hooks") else len(said)
        assert len(written) == count, path
        for one, other in zip(written, said[:count], strict=True):
            agree(one, other, path + "[]")
    elif isinstance(written, float):
        assert said == pytest.approx(written, abs=1e-4), path
    else:
        assert written == said, path


async def test_the_first_conversation_of_the_protocol_goes_as_it_is_written(address: str) -> None:
    document = (ROOT / "ws_server" / "protocol" / "README.md").read_text(encoding="utf-8")
    section = document.split("## A first conversation")[1].split("\n## ")[0]
    written = [json.loads(frame) for frame in re.findall(r"```json\n(.*?)```", section, re.DOTALL)]
    golden = json.loads((ROOT / "tests" / "golden" / "conversation.json").read_text(encoding="utf-8"))
    assert [entry["frame"] for entry in golden] == written
    assert [entry["direction"] for entry in golden].count("client") == 4
    async with connect(address.replace("http", "ws") + "ws") as socket:
        for entry in golden:
            if entry["direction"] == "client":
                await socket.send(json.dumps(entry["frame"]))
            else:
                agree(entry["frame"], json.loads(await asyncio.wait_for(socket.recv(), 60)))


@pytest.mark.parametrize("name", ["README.md", "ws_server/protocol/README.md", "web_client/README.md"])
def test_every_file_that_a_readme_links_to_exists(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if not link.startswith("http")]
    assert links
    for link in links:
        assert ((ROOT / name).parent / link).is_file(), link


def test_the_commands_and_options_exist() -> None:
    from ws_server.cli import _parser

    for line in re.findall(r"^neuroscope .*$", README, re.MULTILINE):
        _parser().parse_args(line.split()[1:])
    targets = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"^make (\w+)$", README, re.MULTILINE):
        assert f"\n{target}:" in targets
