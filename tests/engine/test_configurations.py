"""Options of the configurations of all architectures, each against the plain model.

Every row is a small random model with one option that is not its default. What the product serves of it, in passes
that reuse prefixes and are shared where it dares to, is held against the same folder read by transformers alone and
run over whole contexts. `pytest -s` shows at the end what goes which way and what is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.loaded import Loaded
from tests.support.models import configured
from ws_server.engine.catalog import LoadOptions, ModelSpec
from ws_server.engine.commands import IntArray, neuron_hook
from ws_server.engine.configuration import CHECKED_MODEL_TYPES
from ws_server.engine.loading import ModelLoadError, load_model
from ws_server.engine.runner import Piece

TOLERANCE = 1e-4

Options = Mapping[str, Any]

DEFAULTS: Options = {}
BIASES: Sequence[Options] = ({"attention_bias": True}, {"mlp_bias": True})
ACTIVATION: Options = {"hidden_act": "gelu"}
TIED: Options = {"tie_word_embeddings": True}
HEADS: Sequence[Options] = ({"num_key_value_heads": 4}, {"num_key_value_heads": 1}, {"head_dim": 24})


def rope(rope_type: str, **parameters: Any) -> Options:
    return {"rope_parameters": {"rope_type": rope_type, "rope_theta": 1e4, **parameters}}


LINEAR = rope("linear", factor=4.0)
YARN = rope("yarn", factor=4.0, original_max_position_embeddings=24)
LLAMA3 = rope("llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=24)
DYNAMIC = rope("dynamic", factor=2.0)
LONG = rope(
    "longrope",
    short_factor=[1.0] * 8,
    long_factor=[1.0, 1.5, 2.0, 4.0, 8.0, 16.0, 24.0, 32.0],
    original_max_position_embeddings=40,
)
PARTIAL = rope("default", partial_rotary_factor=0.5)
LATENT: Options = {
    "head_dim": 8,
    "q_lora_rank": 48,
    "kv_lora_rank": 32,
    "qk_rope_head_dim": 8,
    "qk_nope_head_dim": 16,
    "v_head_dim": 16,
    "num_key_value_heads": 4,
}
ROPES = (LINEAR, YARN, LLAMA3, DYNAMIC, LONG)

SHARED, ALONE, WHOLE = "shared passes", "one context a pass", "whole contexts"

TABLE: Mapping[str, tuple[str, Sequence[Options]]] = {
    "ApertusForCausalLM": (SHARED, [DEFAULTS, LINEAR, *BIASES[:1]]),
    "ArceeForCausalLM": (SHARED, [DEFAULTS, *BIASES, ACTIVATION, YARN]),
    "BitNetForCausalLM": (SHARED, [DEFAULTS, ACTIVATION, LINEAR]),
    "BloomForCausalLM": (ALONE, [DEFAULTS, {"apply_residual_connection_post_layernorm": True}]),
    "CodeGenForCausalLM": (ALONE, [DEFAULTS, {"rotary_dim": 16}, {"activation_function": "relu"}]),
    "CohereForCausalLM": (SHARED, [DEFAULTS, {"use_qk_norm": True}, {"logit_scale": 2.0}, *BIASES[:1], LINEAR]),
    "Cohere2ForCausalLM": (
        SHARED,
        [{"sliding_window": 16, "layer_types": ["sliding_attention"] * 2 + ["full_attention"]}, DEFAULTS],
    ),
    "Ernie4_5ForCausalLM": (SHARED, [DEFAULTS, {"use_bias": True}, LINEAR]),
    "Exaone4ForCausalLM": (
        SHARED,
        [
            DEFAULTS,
            {"sliding_window": 16, "layer_types": ["sliding_attention", "full_attention", "sliding_attention"]},
            {"layer_types": ["full_attention"] * 3},
        ],
    ),
    "FalconForCausalLM": (
        ALONE,
        [
            DEFAULTS,
            {"alibi": True},
            {"multi_query": False, "num_kv_heads": 4},
            {"parallel_attn": False},
            {"bias": True},
            {"activation": "relu"},
            LINEAR,
            DYNAMIC,
        ],
    ),
    "GemmaForCausalLM": (SHARED, [DEFAULTS, *BIASES[:1], ACTIVATION, LINEAR]),
    "Gemma2ForCausalLM": (
        SHARED,
        [
            {"sliding_window": 16},
            {"sliding_window": 16, "attn_logit_softcapping": None},
            {"sliding_window": 16, "query_pre_attn_scalar": 7},
            {"sliding_window": 16, "attention_bias": True},
        ],
    ),
    "Gemma3ForCausalLM": (
        SHARED,
        [
            {"sliding_window": 16, "layer_types": ["sliding_attention", "full_attention", "sliding_attention"]},
            {"sliding_window": 16, "layer_types": ["sliding_attention"] * 3},
            {"attn_logit_softcapping": 5.0},
            {"query_pre_attn_scalar": 7},
            {
                "sliding_window": 16,
                "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
                "rope_parameters": {
                    "sliding_attention": {"rope_type": "default", "rope_theta": 1e4},
                    "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1e6},
                },
            },
        ],
    ),
    "GlmForCausalLM": (SHARED, [DEFAULTS, *BIASES[:1], ACTIVATION]),
    "Glm4ForCausalLM": (SHARED, [DEFAULTS, *BIASES[:1]]),
    "GPT2LMHeadModel": (
        SHARED,
        [
            DEFAULTS,
            {"scale_attn_weights": False},
            {"scale_attn_by_inverse_layer_idx": True},
            {"reorder_and_upcast_attn": True},
            {"activation_function": "relu"},
            {"activation_function": "gelu"},
            {"n_inner": None},
            {"tie_word_embeddings": False},
            {"layer_norm_epsilon": 1e-2},
        ],
    ),
    "GPTBigCodeForCausalLM": (SHARED, [DEFAULTS, {"scale_attn_weights": False}, {"activation_function": "relu"}]),
    "GPTNeoForCausalLM": (
        ALONE,
        [
            {"num_layers": 3, "attention_types": [[["global", "local", "global"], 1]], "window_size": 12},
            {"num_layers": 3, "attention_types": [[["local"], 3]], "window_size": 12},
            {"num_layers": 3, "attention_types": [[["global"], 3]], "activation_function": "relu"},
        ],
    ),
    "GPTNeoXForCausalLM": (
        SHARED,
        [
            DEFAULTS,
            {"use_parallel_residual": False},
            {"hidden_act": "gelu_new"},
            PARTIAL,
            LINEAR,
            DYNAMIC,
        ],
    ),
    "GPTJForCausalLM": (ALONE, [DEFAULTS, {"rotary_dim": 16}, {"activation_function": "relu"}]),
    "GraniteForCausalLM": (
        SHARED,
        [
            DEFAULTS,
            {"embedding_multiplier": 3.0},
            {"residual_multiplier": 0.3},
            {"attention_multiplier": 0.1},
            {"logits_scaling": 8.0},
            *BIASES,
            YARN,
        ],
    ),
    "HunYuanDenseV1ForCausalLM": (SHARED, [DEFAULTS, *BIASES[:1], rope("dynamic", alpha=50.0, factor=1.0)]),
    "Jais2ForCausalLM": (SHARED, [DEFAULTS, {"attention_bias": False}, {"mlp_bias": False}, LINEAR]),
    "LlamaForCausalLM": (SHARED, [DEFAULTS, *BIASES, ACTIVATION, TIED, *HEADS, *ROPES, PARTIAL, {"pretraining_tp": 2}]),
    "Ministral3ForCausalLM": (
        SHARED,
        [
            {"sliding_window": 16},
            rope("yarn", factor=4.0, original_max_position_embeddings=24, llama_4_scaling_beta=0.5),
        ],
    ),
    "MistralForCausalLM": (SHARED, [DEFAULTS, {"sliding_window": 16}, {"sliding_window": None}, *HEADS, *ROPES]),
    "ModernBertDecoderForCausalLM": (
        SHARED,
        [
            {"local_attention": 16},
            {"local_attention": 16, "attention_bias": True},
            {"local_attention": 16, "mlp_bias": True},
            {"local_attention": 16, "norm_bias": True},
        ],
    ),
    "MptForCausalLM": (ALONE, [DEFAULTS]),
    "NanoChatForCausalLM": (SHARED, [DEFAULTS, *BIASES[:1], LINEAR]),
    "NemotronForCausalLM": (SHARED, [DEFAULTS, *BIASES, LINEAR]),
    "OlmoForCausalLM": (SHARED, [DEFAULTS, {"clip_qkv": 0.5}, *BIASES[:1], LINEAR]),
    "Olmo2ForCausalLM": (SHARED, [DEFAULTS, *BIASES[:1], YARN]),
    "Olmo3ForCausalLM": (
        SHARED,
        [{"sliding_window": 16, "layer_types": ["sliding_attention", "full_attention", "sliding_attention"]}],
    ),
    "OpenAIGPTLMHeadModel": (ALONE, [DEFAULTS, {"afn": "relu"}]),
    "OPTForCausalLM": (
        SHARED,
        [
            DEFAULTS,
            {"do_layer_norm_before": False},
            {"word_embed_proj_dim": 32},
            {"enable_bias": False},
            {"layer_norm_elementwise_affine": False},
            {"activation_function": "gelu"},
            {"_remove_final_layer_norm": True},
        ],
    ),
    "PhiForCausalLM": (SHARED, [DEFAULTS, {"num_key_value_heads": 4}, LINEAR]),
    "Phi3ForCausalLM": (SHARED, [DEFAULTS, {"sliding_window": 16}, PARTIAL, LONG, {"num_key_value_heads": 4}]),
    "Qwen2ForCausalLM": (
        SHARED,
        [DEFAULTS, {"use_sliding_window": True, "sliding_window": 16, "max_window_layers": 1}, TIED, *ROPES],
    ),
    "Qwen3ForCausalLM": (
        SHARED,
        [
            DEFAULTS,
            {"use_sliding_window": True, "sliding_window": 16, "max_window_layers": 1},
            *BIASES[:1],
            *HEADS,
            YARN,
        ],
    ),
    "SeedOssForCausalLM": (
        SHARED,
        [DEFAULTS, {"attention_bias": False}, {"attention_out_bias": True}, {"mlp_bias": True}],
    ),
    "SmolLM3ForCausalLM": (
        SHARED,
        [
            DEFAULTS,
            {"no_rope_layers": [1, 0, 1]},
            {"no_rope_layer_interval": 2},
            {"use_sliding_window": True, "sliding_window": 16},
            *BIASES,
        ],
    ),
    "StableLmForCausalLM": (
        SHARED,
        [DEFAULTS, {"use_qkv_bias": True}, {"qk_layernorm": True}, {"use_parallel_residual": True}, PARTIAL],
    ),
    "Starcoder2ForCausalLM": (SHARED, [DEFAULTS, {"use_bias": False}, {"sliding_window": 16}, {"hidden_act": "relu"}]),
    "VaultGemmaForCausalLM": (SHARED, [{"sliding_window": 16}, {"sliding_window": 16, "attn_logit_softcapping": 5.0}]),
    "XGLMForCausalLM": (ALONE, [DEFAULTS, {"scale_embedding": False}, {"activation_function": "relu"}]),
    "YoutuForCausalLM": (ALONE, [LATENT, {**LATENT, "rope_interleave": False}, {**LATENT, "q_lora_rank": None}]),
    "Lfm2ForCausalLM": (WHOLE, [{"layer_types": ["conv", "full_attention", "conv"]}]),
    "Gemma4ForCausalLM": (
        WHOLE,
        [{"sliding_window": 16, "vocab_size_per_layer_input": 512, "hidden_size_per_layer_input": 16}],
    ),
    "DeepseekV3ForCausalLM": (WHOLE, [{**LATENT, "first_k_dense_replace": 3}]),
    "FalconH1ForCausalLM": (
        WHOLE,
        [
            {
                "mamba_d_ssm": 64,
                "mamba_n_heads": 4,
                "mamba_d_head": 16,
                "mamba_d_state": 8,
                "mamba_chunk_size": 16,
                "embedding_multiplier": 2.0,
            }
        ],
    ),
    "OlmoHybridForCausalLM": (WHOLE, [DEFAULTS]),
}
"""By architecture: which way its passes go, and options, a model each."""

_NO_NEURONS = "has no blocks.0.mlp.hook_post hook point"
REFUSED: Sequence[tuple[str, str, Options]] = (
    ("BertLMHeadModel", "is not a causal language model", {}),
    ("GemmaForCausalLM", "is not a causal language model", {"use_bidirectional_attention": True}),
    ("Gemma2ForCausalLM", "is not a causal language model", {"use_bidirectional_attention": True}),
    ("Gemma3ForCausalLM", "is not a causal language model", {"use_bidirectional_attention": True}),
    *((f"{name}ForCausalLM", _NO_NEURONS, {}) for name in ("GraniteMoe", "FlexOlmo", "FalconMamba", "Mamba")),
    *(
        (f"{name}ForCausalLM", _NO_NEURONS, {"num_local_experts": 4, "num_experts_per_tok": 2})
        for name in ("Mixtral", "GptOss")
    ),
    *(
        (f"{name}ForCausalLM", _NO_NEURONS, {"num_experts": 4, "num_experts_per_tok": 2})
        for name in ("Qwen2Moe", "Qwen3Moe", "Olmoe")
    ),
    (
        "Glm4MoeForCausalLM",
        "has no blocks.1.mlp.hook_post hook point",
        {"n_routed_experts": 8, "num_experts_per_tok": 2},
    ),
    ("JambaForCausalLM", "has no blocks.1.mlp.hook_post hook point", {"num_experts": 4, "mamba_dt_rank": 4}),
    ("RecurrentGemmaForCausalLM", _NO_NEURONS, {"lru_width": 64, "attention_window_size": 16}),
    ("RwkvForCausalLM", _NO_NEURONS, {"attention_hidden_size": 64}),
    ("HrmTextForCausalLM", "has no blocks that can be followed", {}),
    # What TransformerLens cannot wrap.
    *(
        (
            f"{name}ForCausalLM",
            f"could not be loaded: TransformerLens .* this configuration of {name}ForCausalLM",
            options,
        )
        for name, options in (
            ("Falcon", {"new_decoder_architecture": True}),
            ("Falcon", {"num_ln_in_parallel_attn": 2}),
            ("GPTBigCode", {"multi_query": False}),
            ("GPTNeoX", {"attention_bias": False}),
            ("Phi", {"qk_layernorm": True}),
        )
    ),
)


def _rows() -> list[Any]:
    rows: list[Any] = []
    for architecture, (way, variants) in TABLE.items():
        for options in variants:
            shown = ", ".join(f"{name}={value}" for name, value in options.items())
            rows.append(pytest.param(architecture, options, way, id=f"{architecture}({shown})"[:100]))
    return rows


@pytest.fixture(scope="module")
def outcomes() -> Iterator[list[str]]:
    lines: list[str] = []
    yield lines
    print("\n" + "\n".join(lines))


def load(folder: Path) -> Loaded:
    spec = ModelSpec("small", "small", str(folder))
    return Loaded(*load_model(spec, LoadOptions(device="cpu"), lambda percentage, message: None))


@pytest.mark.parametrize(("architecture", "options", "way"), _rows())
def test_values_are_those_of_the_plain_model(
    architecture: str, options: Options, way: str, tmp_path: Path, random: np.random.Generator, outcomes: list[str]
) -> None:
    model = load(configured(tmp_path / "small", architecture, **options))
    runner = model.runner
    found = WHOLE if not runner.reuses_prefix else SHARED if runner.trunk.takes_several else ALONE
    outcomes.append(
        f"{architecture} {dict(options)}: {found}; {model.facts.context_tokens} tokens; {' '.join(runner.notes)}"
    )
    full = min(96, runner.context_tokens)
    long, short = (random.integers(0, model.facts.vocabulary, length) for length in (full, full // 3))
    check(model, long, short)
    assert found == way


def check(model: Loaded, long: IntArray, short: IntArray) -> None:
    """Opens two texts in pieces, side by side, edits the long one in the middle, and looks at every hook point."""
    runner = model.runner
    hooks = frozenset(runner.hook_widths)
    caches = [runner.new_cache(), runner.new_cache()]
    half = len(long) // 2
    edited = long.copy()
    edited[half] = (edited[half] + 1) % model.facts.vocabulary
    versions: Sequence[tuple[IntArray, Sequence[int]]] = (
        (long, (half, half + 1, len(long))),
        (edited, (half + 7, len(long))),
        (edited[:half], (half,)),
    )
    for ids, stops in versions:
        caches[0].align(ids)
        caches[1].align(short)
        for stop in stops:
            pieces = [Piece(caches[0], stop, hooks), Piece(caches[1], min(len(short), stop // 3 + 1), hooks)]
            pieces = [piece for piece in pieces if piece.cache.captured(hooks) < piece.stop]
            shared = len(pieces) > 1 and all(map(runner.can_share, pieces))
            for together in [pieces] if shared else [[piece] for piece in pieces]:
                runner.extend(together)
        assert_right(model, caches[0].rows, ids)
    assert_right(model, caches[1].rows, short[: caches[1].captured(hooks)])


def assert_right(model: Loaded, rows: Mapping[str, Any], ids: IntArray) -> None:
    expected = model.full_pass(ids)
    assert {neuron_hook(layer) for layer in range(model.facts.layers)} <= expected.keys() & rows.keys()
    for hook in rows.keys() & expected.keys():
        found = rows[hook].at(np.arange(len(ids))).numpy()
        scale = max(1.0, float(np.abs(expected[hook]).max()))
        np.testing.assert_allclose(found, expected[hook], atol=TOLERANCE * scale, rtol=0, err_msg=hook)


@pytest.mark.parametrize(("architecture", "sentence", "options"), REFUSED)
def test_what_is_refused(
    architecture: str, sentence: str, options: Options, tmp_path: Path, outcomes: list[str]
) -> None:
    folder = configured(tmp_path / "small", architecture, **options)
    with pytest.raises(ModelLoadError, match=sentence) as refusal:
        load(folder)
    outcomes.append(f"{architecture} {dict(options)}: {refusal.value} {refusal.value.detail}")


def test_every_architecture_with_short_cuts_is_in_the_table() -> None:
    import transformers

    listed = {getattr(transformers, name).config_class.model_type for name in TABLE}
    assert listed >= CHECKED_MODEL_TYPES
