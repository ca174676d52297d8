"""A model loaded in the test's own process, and the slow way to compute its values."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch

from tests.support.reference import Reference
from ws_server.engine.commands import FloatMatrix, IntArray, LoadedModel
from ws_server.engine.runner import Runner

# The models are so small that a second thread costs more than it does.
torch.set_num_threads(1)


@dataclass(frozen=True)
class Loaded:
    """A runner, and the slow way to the same values."""

    runner: Runner
    facts: LoadedModel

    @cached_property
    def reference(self) -> Reference:
        """The model read again from its folder, by transformers alone."""
        folder = Path(self.runner.trunk.model.name_or_path)
        return Reference(folder, getattr(torch, self.facts.dtype))

    def full_pass(self, ids: IntArray) -> dict[str, FloatMatrix]:
        """All hook points by one plain pass of the whole context, [tokens, width] each."""
        return self.reference.activations(ids.tolist())
