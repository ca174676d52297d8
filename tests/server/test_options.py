"""What the command's options change about the values."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import models
from tests.support.client import Client
from tests.support.edits import Editor
from tests.support.reference import Reference
from tests.support.server import ServerProcess

PROSE = "The keeper counted the waves, and the girl counted the gulls.\n"


async def typed(server: ServerProcess, info: dict[str, object], reference: Reference, tolerance: float) -> None:
    async with await Client.open(server.url) as client:
        assert info.items() <= client.model.items()
        await client.subscribe("L2N0", "L0N79", "L1N40")
        await client.open_document("a", PROSE * 3)
        editor = Editor(seed=5, encoding="utf-16")
        for _ in range(30):
            await client.change("a", *editor.changes(client.documents["a"].text))
        await client.settled()
        reference.check(client.documents["a"], client.subscribed, tolerance)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
async def test_half_precision(tmp_path: Path, dtype: str) -> None:
    """Told in `ModelInfo`, and near to full precision, which is all that can be asked of it."""
    folder = models.gpt2(tmp_path / "half")
    server = ServerProcess(tmp_path / "stderr", [folder], ["--dtype", dtype])
    await typed(server, {"dtype": dtype}, Reference(folder), tolerance=0.5)
    server.stop()


async def test_shorter_contexts(tmp_path: Path) -> None:
    folder = models.llama(tmp_path / "short")
    server = ServerProcess(tmp_path / "stderr", [folder], ["--context-tokens", "40", "--cache-memory", "1"])
    await typed(server, {"contextTokens": 40}, Reference(folder), tolerance=1e-4)
    server.stop()
