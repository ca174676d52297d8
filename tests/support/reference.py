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

_BLOCKS = ("model.layers", "transformer.h", "gpt_neox.layers", "model.decoder.layers", "transformer.blocks")
"""Where the list of blocks may be; a block goes from `hook_resid_pre` to `hook_resid_post`."""
_DOWN_PROJECTIONS = (
    "mlp.down_proj",
    "mlp.c_proj",
    "mlp.dense_4h_to_h",
    "mlp.fc2",
    "mlp.fc_out",
    "mlp.Wo",
    "feed_forward.w2",
    "feed_forward.down_proj",
    "ffn.down_proj",
    "fc2",
)
"""The module of a block whose input is `mlp.hook_post`."""

_GATED_PARTS = {"mlp.hook_pre": "mlp.gate_proj", "hook_mlp_out": "mlp", "hook_attn_out": "self_attn"}
_GPT_PARTS = {"mlp.hook_pre": "mlp.c_fc", "hook_mlp_out": "mlp", "hook_attn_out": "attn"}
_POST_NORM_PARTS = {
    "mlp.hook_pre": "mlp.gate_proj",
    "hook_mlp_out": "post_feedforward_layernorm",
    "hook_attn_out": "post_attention_layernorm",
}
_PARTS = {
    "gpt2": _GPT_PARTS,
    "gpt_neo": _GPT_PARTS,
    "gpt_neox": {
        "mlp.hook_pre": "mlp.dense_h_to_4h",
        "hook_mlp_out": "mlp",
        "hook_attn_out": "attention",
    },
    "llama": _GATED_PARTS,
    "mistral": _GATED_PARTS,
    "qwen2": _GATED_PARTS,
    "gemma2": _POST_NORM_PARTS,
    "olmo2": _POST_NORM_PARTS,
    "opt": {"mlp.hook_pre": "fc1", "hook_mlp_out": "fc2", "hook_attn_out": "self_attn"},
}
"""Modules of a block whose output is another hook point, where that is beyond doubt."""
_PARALLEL = {"gpt_neox"}
"""Where attention and MLP both read the block's input, so that there is no residual stream between them."""

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_REMEMBERED = 256


class Reference:
    """One model, read from the folder that the server was given."""

    def __init__(self, folder: Path, dtype: torch.dtype = torch.float32) -> None:
        # The attention that is written out, so that soft caps and windows are in it.
        self.model = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager", dtype=dtype)
        self.model.eval()
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.layers: int = self.model.config.num_hidden_layers
        self.compared = 0
        """Values compared so far."""
        self.worst = 0.0
        """Largest difference met so far."""
        self._kind = self.model.config.model_type
        self._seen: dict[str, FloatMatrix] = {}
        for layer, block in enumerate(self._first_of(self.model, _BLOCKS)):
            down = self._first_of(block, _DOWN_PROJECTIONS)
            down.register_forward_pre_hook(self._note_input(f"blocks.{layer}.mlp.hook_post"))
            block.register_forward_pre_hook(self._note_input(f"blocks.{layer}.hook_resid_pre"), with_kwargs=True)
            block.register_forward_hook(self._note_output(f"blocks.{layer}.hook_resid_post"))
            for part, path in _PARTS.get(self._kind, {}).items():
                block.get_submodule(path).register_forward_hook(self._note_output(f"blocks.{layer}.{part}"))
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
        sequential = "blocks.0.hook_attn_out" in self._seen and self._kind not in _PARALLEL
        for layer in range(self.layers if sequential else 0):
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

    @staticmethod
    def _first_of(module: torch.nn.Module, paths: Iterable[str]) -> Any:
        """The submodule at the first of `paths` that there is."""
        for path in paths:
            try:
                return module.get_submodule(path)
            except AttributeError:
                continue
        raise LookupError(f"none of {paths} in {type(module).__name__}")

    def _note_input(self, name: str) -> Callable[..., None]:
        def note(module: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any] | None = None) -> None:
            self._note(name, args[0] if args else (kwargs or {})["hidden_states"])

        return note

    def _note_output(self, name: str) -> Callable[..., None]:
        def note(module: torch.nn.Module, args: tuple[Any, ...], output: Any) -> None:
            self._note(name, output[0] if isinstance(output, (tuple, list)) else output)

        return note

    def _note(self, name: str, tensor: torch.Tensor) -> None:
        self._seen[name] = tensor.detach().reshape(-1, tensor.shape[-1]).float().numpy().copy()


def parse_key(key: str) -> tuple[str, int]:
    """The hook point and index of a neuron's key."""
    if match := re.fullmatch(r"L(\d+)N(\d+)", key):
        return f"blocks.{match[1]}.mlp.hook_post", int(match[2])
    hook, _, index = key.rpartition("/")
    return hook, int(index)
