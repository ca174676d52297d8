"""Activations computed the plain way: Hugging Face's own model and tokenizer, whole contexts, no cache.

Independent of the server: nothing of it is imported, and neither is TransformerLens. What TransformerLens calls
`blocks.{layer}.mlp.hook_post` is what the second matrix of the MLP reads, so a hook before that module sees it.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from tests.support.client import Document, from_units

FloatMatrix = np.ndarray[Any, np.dtype[np.float32]]

_DOWN_PROJECTION = {
    "gpt2": "transformer.h.{}.mlp.c_proj",
    "gpt_neo": "transformer.h.{}.mlp.c_proj",
    "gpt_neox": "gpt_neox.layers.{}.mlp.dense_4h_to_h",
    "llama": "model.layers.{}.mlp.down_proj",
    "mistral": "model.layers.{}.mlp.down_proj",
    "qwen2": "model.layers.{}.mlp.down_proj",
    "gemma2": "model.layers.{}.mlp.down_proj",
    "opt": "model.decoder.layers.{}.fc2",
}
"""The module whose input is `mlp.hook_post`."""

_BLOCK = {
    "gpt2": "transformer.h.{}",
    "gpt_neo": "transformer.h.{}",
    "gpt_neox": "gpt_neox.layers.{}",
    "llama": "model.layers.{}",
    "mistral": "model.layers.{}",
    "qwen2": "model.layers.{}",
    "gemma2": "model.layers.{}",
    "opt": "model.decoder.layers.{}",
}
"""The module that goes from `hook_resid_pre` to `hook_resid_post`."""

_LLAMA_PARTS = {
    "mlp.hook_pre": "model.layers.{}.mlp.gate_proj",
    "hook_mlp_out": "model.layers.{}.mlp",
    "hook_attn_out": "model.layers.{}.self_attn",
}
_PARTS = {
    "gpt2": {
        "mlp.hook_pre": "transformer.h.{}.mlp.c_fc",
        "hook_mlp_out": "transformer.h.{}.mlp",
        "hook_attn_out": "transformer.h.{}.attn",
    },
    "gpt_neox": {
        "mlp.hook_pre": "gpt_neox.layers.{}.mlp.dense_h_to_4h",
        "hook_mlp_out": "gpt_neox.layers.{}.mlp",
        "hook_attn_out": "gpt_neox.layers.{}.attention",
    },
    "llama": _LLAMA_PARTS,
    "mistral": _LLAMA_PARTS,
}
"""Modules whose output is another hook point of the block, where that is beyond doubt."""

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_REMEMBERED = 256


class Reference:
    """One model, read from the folder that the server was given."""

    def __init__(self, folder: Path) -> None:
        # The attention that is written out, so that soft caps and windows are in it.
        self.model = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32)
        self.model.eval()
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.layers: int = self.model.config.num_hidden_layers
        self.compared = 0
        """Values compared so far."""
        self.worst = 0.0
        """Largest difference met so far."""
        kind = self.model.config.model_type
        self._seen: dict[str, FloatMatrix] = {}
        for layer in range(self.layers):
            down = self.model.get_submodule(_DOWN_PROJECTION[kind].format(layer))
            down.register_forward_pre_hook(self._note_input(f"blocks.{layer}.mlp.hook_post"))
            block = self.model.get_submodule(_BLOCK[kind].format(layer))
            block.register_forward_pre_hook(self._note_input(f"blocks.{layer}.hook_resid_pre"), with_kwargs=True)
            block.register_forward_hook(self._note_output(f"blocks.{layer}.hook_resid_post"))
            for part, path in _PARTS.get(kind, {}).items():
                module = self.model.get_submodule(path.format(layer))
                module.register_forward_hook(self._note_output(f"blocks.{layer}.{part}"))
        self._remembered: OrderedDict[tuple[int, ...], dict[str, FloatMatrix]] = OrderedDict()

    def ids(self, text: str) -> list[int]:
        """The tokenizer's ids of a text, without special tokens; for a lone surrogate those of U+FFFD."""
        readable = _LONE_SURROGATE.sub("\ufffd", text)
        ids: list[int] = self.tokenizer(readable, add_special_tokens=False)["input_ids"]
        return ids

    def activations(self, ids: Sequence[int]) -> dict[str, FloatMatrix]:
        """By hook point, [tokens, width], for one context."""
        key = tuple(ids)
        if key in self._remembered:
            self._remembered.move_to_end(key)
            return self._remembered[key]
        self._seen = {}
        with torch.no_grad():
            self.model.base_model(torch.tensor([key]), use_cache=False)
        for layer in range(self.layers if "blocks.0.hook_attn_out" in self._seen else 0):
            seen = self._seen
            seen[f"blocks.{layer}.hook_resid_mid"] = (
                seen[f"blocks.{layer}.hook_resid_pre"] + seen[f"blocks.{layer}.hook_attn_out"]
            )
        self._remembered[key] = self._seen
        if len(self._remembered) > _REMEMBERED:
            self._remembered.popitem(last=False)
        return self._seen

    def values(self, document: Document, hook: str) -> FloatMatrix:
        """[tokens, width] of a whole document, its contexts as the server has told them."""
        ids = document.ids()
        return np.concatenate(
            [self.activations(ids[context.start : context.stop])[hook] for context in document.contexts()]
        )

    def check(self, document: Document, keys: Iterable[str], tolerance: float = 1e-4) -> None:
        """Holds a document that is done against this computation: ids and every value."""
        ordinary = [token["id"] for token in document.tokens if "special" not in token]
        assert ordinary == self.ids(from_units(document.text)), "the ids are not the tokenizer's"
        for token in document.tokens:
            if "special" in token:
                assert token["id"] == self.tokenizer.bos_token_id
        if not document.tokens:
            return
        for key in keys:
            hook, index = parse_key(key)
            expected = self.values(document, hook)[:, index].astype(np.float64)
            found = document.values(key)
            finite = np.isfinite(expected)
            assert not np.isfinite(found[~finite]).any(), f"{key} has values where the model has none"
            difference = np.where(finite, np.abs(found - np.where(finite, expected, 0.0)), 0.0)
            assert difference.max() <= tolerance, (
                f"{key} is {difference.max()} off at token {int(difference.argmax())} of {len(found)}"
            )
            self.compared += len(found)
            self.worst = max(self.worst, float(difference.max()))

    def _note_input(self, name: str) -> Callable[..., None]:
        def note(module: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any] | None = None) -> None:
            self._note(name, args[0] if args else (kwargs or {})["hidden_states"])

        return note

    def _note_output(self, name: str) -> Callable[..., None]:
        def note(module: torch.nn.Module, args: tuple[Any, ...], output: Any) -> None:
            self._note(name, output[0] if isinstance(output, tuple) else output)

        return note

    def _note(self, name: str, tensor: torch.Tensor) -> None:
        self._seen[name] = tensor.detach().reshape(-1, tensor.shape[-1]).numpy().copy()


def parse_key(key: str) -> tuple[str, int]:
    """The hook point and index of a neuron's key."""
    if match := re.fullmatch(r"L(\d+)N(\d+)", key):
        return f"blocks.{match[1]}.mlp.hook_post", int(match[2])
    hook, _, index = key.rpartition("/")
    return hook, int(index)
