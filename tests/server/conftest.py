"""One server with models of every architecture for all tests of this folder that do not stop or limit it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.support import models
from tests.support.client import Client
from tests.support.reference import Reference
from tests.support.server import ServerProcess

THOROUGH = os.environ.get("NEUROSCOPE_THOROUGH", "") not in ("", "0")
"""Whether to take the time for ten times as many edits, and for all architectures."""

OFFERED = tuple(models.ARCHITECTURES) if THOROUGH else ("gpt2", "llama", "gpt-neox", "mistral", "gemma2")


class Fleet:
    """The shared server, its models' folders, and an independent computation of each."""

    def __init__(self, server: ServerProcess, folders: dict[str, Path]) -> None:
        self.server = server
        self.folders = folders
        self._references: dict[str, Reference] = {}

    def reference(self, model: str) -> Reference:
        if model not in self._references:
            self._references[model] = Reference(self.folders[model])
        return self._references[model]

    @property
    def references(self) -> dict[str, Reference]:
        return self._references


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    parent = tmp_path_factory.mktemp("models")
    return {name: models.make(name, parent) for name in OFFERED}


@pytest.fixture(scope="session")
def fleet(folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    torch.set_num_threads(1)
    server = ServerProcess(tmp_path_factory.mktemp("server") / "stderr", list(folders.values()))
    fleet = Fleet(server, folders)
    asyncio.run(_load_all(server.url, list(folders)))
    yield fleet
    server.stop()


async def _load_all(url: str, names: list[str]) -> None:
    """Loads every model, side by side, so that no test's patience is spent on that."""

    async def load(name: str) -> None:
        async with await Client.open(url) as client:
            await client.load(name)

    await asyncio.gather(*(load(name) for name in names))
