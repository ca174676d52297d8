"""A short soak: nothing is lost or wrong. `make soak` also measures lag and memory."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.soak import Load, soak
from tests.support.server import ServerProcess


@pytest.mark.timeout(400)
def test_many_typists_some_of_whom_misbehave(tmp_path: Path) -> None:
    load = Load(
        seconds=4, warm_up=0.5, typists=10, slow=2, cutting=2, cut_every=1, pasting=1, paste_tokens=2000, rest=0
    )
    server = ServerProcess(tmp_path / "stderr", [])
    try:
        figures = asyncio.run(soak(server, load))
    finally:
        server.stop()
    assert figures.lost() == []
    assert figures.documents == load.typists
    assert figures.compared > 0
    assert min(figures.edits, figures.pastes, figures.cuts) > 0
    assert figures.lag_ms > 0
