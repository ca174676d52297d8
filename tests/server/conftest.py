"""Two servers for all tests of this folder that do not end one: a roomy one with models of several architectures,
and a narrow one whose limits can be reached."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.support import models
from tests.support.client import Client
from tests.support.reference import Reference
from tests.support.server import ServerProcess
from ws_server.engine.statistics import NeuronStatistics, weights_digest

THOROUGH = os.environ.get("NEUROSCOPE_THOROUGH", "") not in ("", "0")
"""Whether to take the time for ten times as many edits, and for all architectures."""

OFFERED = tuple(models.ARCHITECTURES) if THOROUGH else ("gpt2", "llama", "gpt-neox", "gemma2")

NARROW = {
    "sessions": 6,
    "sessions_per_address": 6,
    "frame_bytes": 64 * 1024,
    "documents": 3,
    "document_characters": 4000,
    "document_tokens": 1200,
    "subscriptions": 20,
    "messages_per_second": 300,
    "cache_bytes": 1024**2,
}
INFINITE, UNDEFINED = 5, 6
"""Two neurons of the last layer of the narrow server's `gpt2`."""
CANARY = "a canary of the narrow server's environment"
NARROW_SETTINGS = {
    "resume_seconds": 2.0,
    "flood_seconds": 1.0,
    "worker_seconds": 1.0,
    "slow_client_seconds": 2.0,
    "keepalive_seconds": 1.0,
    "compression": True,
    "allowed_origins": ["https://lab.example"],
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The first test that needs a server also waits for PyTorch to be imported, once for each model."""
    here = Path(__file__).resolve().parent
    for item in items:
        if here in item.path.parents and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(400))


_account: list[str] = []


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workeroutput"):  # one of several processes
        session.config.workeroutput["account"] = _account


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Another process of the tests has ended."""
    _account.extend(getattr(node, "workeroutput", {}).get("account", []))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """With -v: what was compared."""
    if _account and terminalreporter.verbosity > 0:
        terminalreporter.section("values compared with a plain computation")
        for line in _account:
            terminalreporter.write_line(line)


class Fleet:
    """A server, its models' folders, and an independent computation of each."""

    def __init__(self, server: ServerProcess, folders: dict[str, Path]) -> None:
        self.server = server
        self.url = server.url
        self.folders = folders
        self._references: dict[str, Reference] = {}

    def reference(self, model: str = "gpt2") -> Reference:
        if model not in self._references:
            self._references[model] = Reference(self.folders[model])
        return self._references[model]

    def account(self) -> list[str]:
        """What has been compared, a line a model."""
        return [
            f"{name}: {reference.compared} values compared, largest difference {reference.worst:.1e}"
            for name, reference in self._references.items()
        ]


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    parent = tmp_path_factory.mktemp("models")
    return {name: models.make(name, parent) for name in OFFERED}


@pytest.fixture(scope="session")
def fleet(folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    torch.set_num_threads(1)
    server = ServerProcess(tmp_path_factory.mktemp("server") / "stderr", list(folders.values()))
    fleet = Fleet(server, folders)
    try:
        yield fleet
    finally:
        server.stop()
        _account.extend([*fleet.account(), f"{Client.edits} edits sent"])


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """`gpt2` has statistics and two neurons that overflow, `llama` is not loaded at the start, `broken` cannot be."""
    parent = tmp_path_factory.mktemp("narrow")
    folders = {name: models.make(name, parent, seed=1) for name in ("gpt2", "llama")}
    _overflow(folders["gpt2"])
    _add_statistics(folders["gpt2"], layers=3, neurons=192)
    broken = folders["broken"] = models.gpt2(parent / "broken")
    weights = broken / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])
    server = ServerProcess(
        tmp_path_factory.mktemp("server") / "stderr",
        list(folders.values()),
        limits=NARROW,
        settings=NARROW_SETTINGS,
        environment={"NEUROSCOPE_CANARY": CANARY},
    )
    yield Fleet(server, folders)
    server.stop()


def _overflow(folder: Path) -> None:
    """Makes two neurons of the last layer useless."""
    path = folder / "model.safetensors"
    weights = load_file(path)
    bias = weights["transformer.h.2.mlp.c_fc.bias"]
    bias[INFINITE], bias[UNDEFINED] = float("inf"), float("-inf")
    save_file(weights, path, metadata={"format": "pt"})


def _add_statistics(folder: Path, layers: int, neurons: int) -> None:
    """Figures that nobody measured, but all different."""
    figures = np.random.default_rng(0).uniform(0.5, 3, (layers, neurons)).astype(np.float32)
    NeuronStatistics(
        max=figures,
        min=-figures / 2,
        mean=figures / 8,
        std=figures / 4,
        density=figures / 4,
        quantiles=np.stack([figures / 2, figures * 0.9], axis=-1),
        levels=(0.5, 0.99),
        tokens=1000,
        weights=weights_digest(folder),
        text="none",
    ).save(folder)
