"""A model loaded in the test's own process, and the slow way to compute its values."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ws_server.engine.commands import FloatMatrix, IntArray, LoadedModel
from ws_server.engine.runner import Runner

# The models are so small that a second thread costs more than it does.
torch.set_num_threads(1)


@dataclass(frozen=True)
class Loaded:
    """A runner, and the slow way to the same values."""

    runner: Runner
    facts: LoadedModel

    def full_pass(self, ids: IntArray) -> dict[str, FloatMatrix]:
        """All hook points by one plain `run_with_cache` of the whole context, [tokens, width] each."""
        names = list(self.facts.hook_widths)
        with torch.no_grad():
            _, cached = self.runner.bridge.run_with_cache(self.runner.tensor(ids), names_filter=names)
        return {name: cached[name].reshape(len(ids), -1).float().cpu().numpy() for name in names}
