"""The peer: what a notebook with a text box does at each change, for one neuron.

It is the way of TransformerLens's demonstration "Interactive Neuroscope", written anew for TransformerLens 4: run the
whole text through the model with a hook on the neuron's layer, logits included, and make HTML with one coloured element
a token. What Gradio adds (a request, a queue, an answer) is left out.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

import torch
from transformer_lens.model_bridge import TransformerBridge


class Notebook:
    """The callback of one text box.

    Args:
        folder: the model's.
    """

    def __init__(self, folder: str) -> None:
        self._bridge = TransformerBridge.boot_transformers(folder, device="cpu", dtype=torch.float32)

    def activations(self, text: str, layer: int, neuron: int) -> list[float]:
        """One value a token, the BOS first."""
        kept: list[float] = []

        def keep(activation: torch.Tensor, hook: Any) -> None:  # [1, tokens, d_mlp]
            kept[:] = activation[0, :, neuron].tolist()

        with torch.no_grad():
            self._bridge.run_with_hooks(text, fwd_hooks=[(f"blocks.{layer}.mlp.hook_post", keep)])
        return kept

    def picture(self, text: str, layer: int, neuron: int) -> str:
        """What the text box's change puts beside it: the tokens as HTML."""
        values = self.activations(text, layer, neuron)
        tokens = self._bridge.to_str_tokens(text)
        return _coloured(tokens, values)


def _coloured(tokens: Sequence[str], values: Sequence[float]) -> str:
    low, high = min(values), max(values)
    spans = []
    for token, value in zip(tokens, values, strict=True):
        faint = round(255 * (1 - (value - low) / ((high - low) or 1)))
        style = f"background-color: rgb(255, {faint}, {faint}); white-space: pre-wrap"
        spans.append(f'<span style="{style}">{html.escape(token)}</span>')
    return f"<p>max {high:.4f}, min {low:.4f}</p><p>{''.join(spans)}</p>"
