"""Loaded models of the engine tests, one of each architecture a test session."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest

from tests.support.models import make
from ws_server.engine.catalog import LoadOptions, ModelSpec
from ws_server.engine.commands import FloatMatrix, IntArray, LoadedModel
from ws_server.engine.loading import load_model
from ws_server.engine.runner import Runner


@dataclass(frozen=True)
class Loaded:
    """A runner, and the slow way to the same values."""

    runner: Runner
    facts: LoadedModel

    def full_pass(self, ids: IntArray) -> dict[str, FloatMatrix]:
        """All hook points by one plain `run_with_cache` of the whole context, [tokens, width] each."""
        import torch

        names = list(self.facts.hook_widths)
        with torch.no_grad():
            _, cached = self.runner._bridge.run_with_cache(torch.from_numpy(ids)[None], names_filter=names)
        return {name: cached[name].reshape(len(ids), -1).float().numpy() for name in names}


@pytest.fixture(scope="session")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Loaded]:
    """Loads the tiny model of an architecture."""

    @cache
    def load(name: str) -> Loaded:
        folder = make(name, tmp_path_factory.mktemp("models"))
        spec = ModelSpec(name, name, str(folder))
        return Loaded(*load_model(spec, LoadOptions(device="cpu"), lambda percentage, message: None))

    return load


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(7)
