"""What the page has to show: whole texts by the plain model, one neuron after the other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tests.support import reference
from tests.support.reference import parse_key


class Reference:
    """A model in a local folder, without the server and without TransformerLens."""

    def __init__(self, folder: str) -> None:
        self._plain = reference.Reference(Path(folder))
        self.context = int(self._plain.model.config.max_position_embeddings)

    def ids(self, text: str) -> list[int]:
        """The token ids of a text that fits the context, after the BOS token where the tokenizer has one."""
        bos = self._plain.tokenizer.bos_token_id
        return [*([] if bos is None else [bos]), *self.own_ids(text)]

    def own_ids(self, text: str) -> list[int]:
        """The token ids of a text of any length, with nothing before it."""
        return self._plain.ids(text)

    def values(self, ids: Sequence[int], keys: Sequence[str]) -> dict[str, np.ndarray]:
        """The activations of neurons, named as L3N42, at each of these tokens: [tokens]."""
        computed = self._plain.activations(ids)
        places = {key: parse_key(key) for key in keys}
        return {key: computed[hook][:, neuron] for key, (hook, neuron) in places.items()}

    def everything(self, ids: Sequence[int]) -> np.ndarray:
        """The activations of all neurons at each of these tokens: [layers, tokens, neurons]."""
        computed = self._plain.activations(ids)
        return np.stack([computed[f"blocks.{layer}.mlp.hook_post"] for layer in range(self._plain.layers)])
