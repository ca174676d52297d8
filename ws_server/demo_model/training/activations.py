"""Neuron activations of any model folder over whole documents, in the contexts in which the product evaluates them.

Documents are cut into tokens and contexts by the product's own tokenizer, so BOS stands at the head of each context;
BOS positions are left out of what comes back. The passes are plain TransformerLens passes with hooks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from rich.progress import track
from transformer_lens.model_bridge import TransformerBridge

from ws_server.document.tokenizer import ContextRule, Tokenizer
from ws_server.document.tokens import TokenList

Activations = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Evaluated:
    """Documents with their tokens, and what the neurons do there; BOS is left out everywhere."""

    texts: tuple[str, ...]
    document: npt.NDArray[np.int64]  # [tokens] index into texts
    ids: npt.NDArray[np.int64]  # [tokens]
    starts: npt.NDArray[np.int64]  # [tokens] span in the document, in code points
    stops: npt.NDArray[np.int64]
    values: Activations  # [layers, neurons, tokens], so that one neuron's values are contiguous

    def around(self, token: int, before: int = 40, after: int = 20) -> tuple[str, str, str]:
        """The text before a token, the token's own, and the text after it."""
        text = self.texts[self.document[token]]
        start, stop = int(self.starts[token]), int(self.stops[token])
        return text[max(0, start - before) : start], text[start:stop], text[stop : stop + after]


def boot(folder: Path) -> TransformerBridge:
    """The model of a folder, float32, on the CPU."""
    bridge: TransformerBridge = TransformerBridge.boot_transformers(str(folder), device="cpu", dtype=torch.float32)
    bridge.eval()
    return bridge


def tokenize(folder: Path, bridge: TransformerBridge, texts: Sequence[str]) -> list[TokenList]:
    """Tokens of each text in the contexts that the product forms."""
    bos = bridge.tokenizer.bos_token_id
    if bos is not None and bridge.to_tokens("a")[0, 0] != bos:
        bos = None  # TransformerLens prepends none for this model
    rule = ContextRule(tokens=int(bridge.cfg.n_ctx), bos=bos)
    tokenizer = Tokenizer((folder / "tokenizer.json").read_text(encoding="utf-8"), rule)
    return [tokenizer.tokenize(text, "utf-32") for text in texts]


def evaluate(bridge: TransformerBridge, texts: Sequence[str], tokens: Sequence[TokenList]) -> Evaluated:
    """Runs all contexts and collects `blocks.{layer}.mlp.hook_post` of every layer."""
    keep = [~listed.special for listed in tokens]
    total = sum(int(kept.sum()) for kept in keep)
    layers, neurons = int(bridge.cfg.n_layers), int(bridge.cfg.d_mlp or 0)
    values = np.empty((layers, neurons, total), dtype=np.float32)
    for rows, columns, captured in _passes(bridge, tokens, keep):
        for layer, posts in enumerate(captured):
            values[layer][:, columns] = posts[rows].T
    return Evaluated(
        texts=tuple(texts),
        document=np.concatenate([np.full(int(kept.sum()), index) for index, kept in enumerate(keep)]),
        ids=np.concatenate([listed.ids[kept] for listed, kept in zip(tokens, keep, strict=True)]),
        starts=np.concatenate([listed.starts[kept] for listed, kept in zip(tokens, keep, strict=True)]),
        stops=np.concatenate([listed.stops[kept] for listed, kept in zip(tokens, keep, strict=True)]),
        values=values,
    )


def _passes(
    bridge: TransformerBridge,
    tokens: Sequence[TokenList],
    keep: Sequence[npt.NDArray[np.bool_]],
    batch: int = 2,
) -> Iterator[tuple[Any, npt.NDArray[np.int64], list[Activations]]]:
    """Per pass: a mask `[batch, position]` of real tokens, their places in the result, and each layer's values."""
    contexts: list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]] = []  # ids, place in the result or -1
    at = 0
    for listed, kept in zip(tokens, keep, strict=True):
        places = np.where(kept, at + np.cumsum(kept) - 1, -1)
        contexts += [(listed.ids[part], places[part]) for part in listed.contexts()]
        at += int(kept.sum())
    contexts.sort(key=lambda context: len(context[0]))  # so that little is padded
    layers = range(int(bridge.cfg.n_layers))
    for first in track(range(0, len(contexts), batch), "Passes over the text"):
        group = contexts[first : first + batch]
        length = max(len(ids) for ids, _ in group)
        # Padding stands on the right, where a causal model cannot see it from the tokens before it.
        padded = np.zeros((len(group), length), dtype=np.int64)
        places = np.full((len(group), length), -1, dtype=np.int64)
        for row, (ids, place) in enumerate(group):
            padded[row, : len(ids)], places[row, : len(ids)] = ids, place
        captured: dict[int, Activations] = {}

        def hook(layer: int, captured: dict[int, Activations] = captured) -> Any:
            def keep_values(value: torch.Tensor, hook: object) -> None:
                captured[layer] = value.detach().float().numpy()  # [batch, position, neurons]

            return f"blocks.{layer}.mlp.hook_post", keep_values

        with torch.no_grad():
            bridge.run_with_hooks(
                torch.from_numpy(padded),
                fwd_hooks=[hook(layer) for layer in layers],
                return_type=None,
                stop_at_layer=len(layers),
            )
        real = places >= 0
        yield real, places[real], [captured[layer] for layer in layers]
