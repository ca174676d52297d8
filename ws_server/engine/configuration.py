"""Which shortcuts a model's configuration allows its passes.

The short trial at load cannot show what begins after thousands of tokens (other rotary frequencies, a full window), so
the configuration is checked too. Shortcuts are used only for architectures of which
`tests/engine/test_configurations.py` compares every option with the plain model. For any other model, each pass runs
one whole context.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn
from transformers import PreTrainedConfig, PreTrainedModel

CHECKED_MODEL_TYPES = frozenset(
    {
        "apertus",
        "arcee",
        "bitnet",
        "bloom",
        "codegen",
        "cohere",
        "cohere2",
        "ernie4_5",
        "exaone4",
        "falcon",
        "gemma",
        "gemma2",
        "gemma3_text",
        "glm",
        "glm4",
        "gpt2",
        "gpt_bigcode",
        "gpt_neo",
        "gpt_neox",
        "gptj",
        "granite",
        "hunyuan_v1_dense",
        "jais2",
        "llama",
        "ministral3",
        "mistral",
        "modernbert-decoder",
        "mpt",
        "nanochat",
        "nemotron",
        "olmo",
        "olmo2",
        "olmo3",
        "openai-gpt",
        "opt",
        "phi",
        "phi3",
        "qwen2",
        "qwen3",
        "seed_oss",
        "smollm3",
        "stablelm",
        "starcoder2",
        "vaultgemma",
        "xglm",
        "youtu",
    }
)
"""Architectures whose values are checked, option by option, to depend on a token's prefix alone."""

_CHECKED_LAYERS = {"full_attention", "sliding_attention"}
_FIXED_ROTATIONS = {"default", "linear", "llama3", "yarn", "proportional", "ntk_alpha"}
"""Types of rotary positions whose frequencies are the same for every length of a context."""
_THRESHOLDS = ("sliding_window", "window_size", "local_attention", "attention_chunk_size")
"""Options that give a number of tokens after which attention changes."""
_USUAL_TRIAL = 12
_MOST_TRIAL_WORK = 40_000_000_000
"""Tokens times parameters of one pass of a trial; on two cores this takes about a second."""


@dataclass(frozen=True, slots=True)
class LengthLimit:
    """In a context with more tokens, all values would be different."""

    tokens: int
    rope_type: str


def length_limit(model: PreTrainedModel) -> LengthLimit | None:
    """The longest context for which the rotary frequencies are those of every shorter one.

    With `longrope` (Phi-3) all frequencies change once a context is longer than
    `original_max_position_embeddings`; with `dynamic` each length beyond `max_position_embeddings` has its own. Beyond
    the limit, a context that grows would have to be computed again as a whole, and could not share a pass; so contexts
    end there.
    """
    config = text_config(model)
    limits: list[LengthLimit] = []
    for rope_type, rope in _rotations(model):
        if rope_type == "longrope":
            tokens = rope.get("original_max_position_embeddings") or getattr(
                config, "original_max_position_embeddings", None
            )
        elif "dynamic" in rope_type:
            tokens = config.max_position_embeddings
        else:
            continue
        limits.append(LengthLimit(int(tokens or config.max_position_embeddings), rope_type))
    return min(limits, key=lambda limit: limit.tokens, default=None)


def reason_for_whole_passes(model: PreTrainedModel) -> str | None:
    """Why keys and values of a prefix must not be reused, or None if they may be."""
    config = text_config(model)
    if config.model_type not in CHECKED_MODEL_TYPES:
        return f"the architecture {config.model_type} is not among those whose shortcuts are checked"
    unknown = set(getattr(config, "layer_types", None) or ()) - _CHECKED_LAYERS
    if unknown:
        return f"it has layers of type {', '.join(sorted(unknown))}"
    if getattr(config, "attention_chunk_size", None) is not None:
        return "its attention is chunked"
    rotations = {rope_type for rope_type, _ in _rotations(model)}
    unknown = {each for each in rotations - _FIXED_ROTATIONS if each != "longrope" and "dynamic" not in each}
    if unknown:
        return f"its rotary positions are of type {', '.join(sorted(unknown))}"
    return None


def looks_ahead(model: PreTrainedModel) -> bool:
    """Whether the configuration allows attention to later tokens of a text. Some architectures mask them with one
    implementation of attention and not with another, so a trial alone is not enough. (`vision` is about images.)
    """
    return getattr(text_config(model), "use_bidirectional_attention", None) not in (None, False, "vision")


def trial_length(model: PreTrainedModel, context_tokens: int) -> int:
    """How many tokens a trial needs to reach every regime of the configuration, limited to about a second per pass."""
    config = text_config(model)
    thresholds = [getattr(config, name, None) for name in _THRESHOLDS]
    wanted = [each + 5 for each in thresholds if isinstance(each, int) and not isinstance(each, bool)]
    affordable = _MOST_TRIAL_WORK // max(1, model.num_parameters())
    return min(context_tokens, max([_USUAL_TRIAL, *(each for each in wanted if each <= affordable)]))


def text_config(model: PreTrainedModel) -> PreTrainedConfig:
    """The part of the configuration that is about text."""
    config: PreTrainedConfig = model.config.get_text_config()
    return config


def _rotations(model: PreTrainedModel) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The types of rotary positions in the configuration and in the modules, with their parameters."""
    config = text_config(model)
    parameters = getattr(config, "rope_parameters", None) or {}
    per_layer = [each for each in parameters.values() if isinstance(each, Mapping)]
    for rope in per_layer or [parameters]:
        if rope:
            yield str(rope.get("rope_type") or rope.get("type") or "default"), rope
    modules: Iterator[nn.Module] = model.modules()
    for module in modules:
        held = getattr(module, "rope_type", None)
        for layer_type, rope_type in held.items() if isinstance(held, Mapping) else [(None, held)]:
            if isinstance(rope_type, str):
                yield rope_type, parameters.get(layer_type) or parameters
