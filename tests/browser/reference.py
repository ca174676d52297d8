"""What the page has to show: a plain TransformerLens pass over the whole text, one neuron after the other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from transformer_lens.model_bridge import TransformerBridge


class Reference:
    """A model in a local folder, used as anybody would use it in a notebook."""

    def __init__(self, folder: str) -> None:
        self.bridge = TransformerBridge.boot_transformers(folder, device="cpu", dtype=torch.float32)
        self.context = int(self.bridge.cfg.n_ctx)

    def ids(self, text: str) -> list[int]:
        """The token ids of a text that fits the context, with what TransformerLens puts before it."""
        ids: list[int] = self.bridge.to_tokens(text)[0].tolist()
        return ids

    def own_ids(self, text: str) -> list[int]:
        """The token ids of a text of any length, with nothing before it."""
        ids: list[int] = self.bridge.tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    def values(self, ids: Sequence[int], keys: Sequence[str]) -> dict[str, np.ndarray]:
        """The activations of neurons, named as L3N42, at each of these tokens: [tokens]."""
        places = {key: tuple(int(number) for number in key.removeprefix("L").split("N")) for key in keys}
        hooks = {f"blocks.{layer}.mlp.hook_post" for layer, _ in places.values()}
        _, cache = self.bridge.run_with_cache(torch.tensor([list(ids)]), names_filter=sorted(hooks))
        return {
            key: cache[f"blocks.{layer}.mlp.hook_post"][0, :, neuron].numpy()  # [tokens]
            for key, (layer, neuron) in places.items()
        }

    def everything(self, ids: Sequence[int]) -> np.ndarray:
        """The activations of all neurons at each of these tokens: [layers, tokens, neurons]."""
        hooks = [f"blocks.{layer}.mlp.hook_post" for layer in range(int(self.bridge.cfg.n_layers))]
        _, cache = self.bridge.run_with_cache(torch.tensor([list(ids)]), names_filter=hooks)
        return np.stack([cache[hook][0].numpy() for hook in hooks])
