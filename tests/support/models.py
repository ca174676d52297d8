"""Tiny random models with tokenizers of their own, one function an architecture, in Hugging Face layout.

Nothing is downloaded: the tokenizers are trained on the few lines below. The weights are scaled so that attention
is far from uniform and every token moves the activations of those after it; with the libraries' own small initial
weights a wrong position or a lost prefix would hide in the tolerance of a comparison.
"""

from __future__ import annotations

import copy
import dataclasses
import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Regex, Tokenizer, decoders, normalizers, pre_tokenizers, processors
from tokenizers.models import BPE
from tokenizers.trainers import BpeTrainer
from transformers import (
    Gemma2Config,
    Gemma2ForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    GPTNeoConfig,
    GPTNeoForCausalLM,
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    OPTConfig,
    OPTForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
)

_VOCABULARY = 512

TEXT = """\
The lighthouse keeper counted the waves and wrote the numbers in a book: 12, 48, 1024, and then no more.
"Why do you count them?" asked the girl. "Because nobody else does," he said, and he smiled at the water.

def count_waves(water, until=None):
    total = 0
    for wave in water:
        if wave.height > 0.5:
            total += 1
    return {"total": total, "until": until}

In the morning the harbour was quiet. The boats were coming home, one after another, and the gulls were with them.
Der Leuchtturmwärter zählte die Wellen; über Nacht hörte er auf. Élan, naïveté, façade, cœur, señor, Ångström.
\tA tab begins this line, and two  spaces stand here.\r\nThis one ended as lines end on Windows.\r\n
灯台守は波を数えた。 Смотритель маяка считал волны. 😀😀 👩‍👩‍👧‍👦 🇫🇷 e\u0301a\u0308
"""
"""What the tokenizers are trained on; also a text to start tests with."""


def gpt2(folder: Path, seed: int = 0, context: int = 96) -> Path:
    """Byte-level BPE, learned positions, BOS `<|endoftext|>`."""
    tokenizer = _byte_level(specials=["<|endoftext|>"])
    end = "<|endoftext|>"
    config = GPT2Config(
        **_ids(tokenizer, bos_token_id=end, eos_token_id=end),
        n_embd=48,
        n_head=4,
        n_layer=3,
        n_positions=context,
    )
    return _save(folder, GPT2LMHeadModel(config), tokenizer, seed, bos_token=end, eos_token=end, unk_token=end)


def llama(folder: Path, seed: int = 0, context: int = 128) -> Path:
    """Gated MLP, rotary positions, grouped-query attention; SentencePiece-like tokenizer with byte fallback."""
    tokenizer = _sentencepiece_like(["<unk>", "<s>", "</s>"], unknown="<unk>", prepend=True)
    tokenizer.post_processor = _leading(tokenizer, "<s>")
    config = LlamaConfig(
        **_ids(tokenizer, bos_token_id="<s>", eos_token_id="</s>"),
        hidden_size=48,
        intermediate_size=80,
        num_attention_heads=4,
        num_key_value_heads=2,
        num_hidden_layers=3,
        max_position_embeddings=context,
    )
    special = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    return _save(folder, LlamaForCausalLM(config), tokenizer, seed, **special)


def gpt_neox(folder: Path, seed: int = 0, context: int = 96) -> Path:
    """Attention and MLP in parallel, partly rotary positions; a tokenizer that composes characters (NFC)."""
    end = "<|endoftext|>"
    tokenizer = _byte_level(specials=[end], normalizer=normalizers.NFC())
    config = GPTNeoXConfig(
        **_ids(tokenizer, bos_token_id=end, eos_token_id=end),
        hidden_size=64,
        intermediate_size=128,
        num_attention_heads=4,
        num_hidden_layers=3,
        max_position_embeddings=context,
        rotary_pct=0.25,
        use_parallel_residual=True,
    )
    return _save(folder, GPTNeoXForCausalLM(config), tokenizer, seed, bos_token=end, eos_token=end, unk_token=end)


def gpt_neo(folder: Path, seed: int = 0, context: int = 80) -> Path:
    """Layers alternate between attention to all tokens and to the last few."""
    end = "<|endoftext|>"
    tokenizer = _byte_level(specials=[end])
    config = GPTNeoConfig(
        **_ids(tokenizer, bos_token_id=end, eos_token_id=end),
        hidden_size=48,
        intermediate_size=96,
        num_heads=4,
        num_layers=4,
        attention_types=[[["global", "local"], 2]],
        window_size=12,
        max_position_embeddings=context,
    )
    return _save(folder, GPTNeoForCausalLM(config), tokenizer, seed, bos_token=end, eos_token=end, unk_token=end)


def mistral(folder: Path, seed: int = 0, context: int = 96) -> Path:
    """A sliding window in every layer, much shorter than the context."""
    tokenizer = _sentencepiece_like(["<unk>", "<s>", "</s>"], unknown="<unk>", prepend=True)
    tokenizer.post_processor = _leading(tokenizer, "<s>")
    config = MistralConfig(
        **_ids(tokenizer, bos_token_id="<s>", eos_token_id="</s>"),
        hidden_size=48,
        intermediate_size=72,
        num_attention_heads=4,
        num_key_value_heads=2,
        num_hidden_layers=3,
        head_dim=12,
        max_position_embeddings=context,
        sliding_window=16,
    )
    special = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    return _save(folder, MistralForCausalLM(config), tokenizer, seed, **special)


def qwen2(folder: Path, seed: int = 0, context: int = 96) -> Path:
    """Biases on queries, keys and values; a tokenizer with an end token and no BOS."""
    end = "<|endoftext|>"
    words = pre_tokenizers.Split(
        Regex(r"(?i:'s|'t|'re)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"),
        "isolated",
    )
    tokenizer = _byte_level(specials=[end], normalizer=normalizers.NFC(), words=words)
    config = Qwen2Config(
        **_ids(tokenizer, eos_token_id=end),
        bos_token_id=None,
        hidden_size=48,
        intermediate_size=80,
        num_attention_heads=4,
        num_key_value_heads=2,
        num_hidden_layers=3,
        max_position_embeddings=context,
    )
    return _save(folder, Qwen2ForCausalLM(config), tokenizer, seed, eos_token=end, pad_token=end)


def opt(folder: Path, seed: int = 0, context: int = 96) -> Path:
    """ReLU neurons, positions that count from 2, and `</s>` as the BOS that the tokenizer itself puts in front."""
    specials = ["<s>", "<pad>", "</s>", "<unk>"]
    tokenizer = _byte_level(specials=specials)
    tokenizer.post_processor = _leading(tokenizer, "</s>")
    config = OPTConfig(
        **_ids(tokenizer, bos_token_id="</s>", eos_token_id="</s>", pad_token_id="<pad>"),
        hidden_size=48,
        word_embed_proj_dim=48,
        ffn_dim=96,
        num_attention_heads=4,
        num_hidden_layers=3,
        max_position_embeddings=context,
    )
    special = {"bos_token": "</s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}
    return _save(folder, OPTForCausalLM(config), tokenizer, seed, **special)


def gemma2(folder: Path, seed: int = 0, context: int = 96) -> Path:
    """Soft caps, norms before and after each part, a sliding window in every other layer."""
    specials = ["<pad>", "<eos>", "<bos>", "<unk>"]
    tokenizer = _sentencepiece_like(specials, unknown="<unk>", prepend=False)
    tokenizer.post_processor = _leading(tokenizer, "<bos>")
    config = Gemma2Config(
        **_ids(tokenizer, bos_token_id="<bos>", eos_token_id="<eos>", pad_token_id="<pad>"),
        hidden_size=48,
        intermediate_size=72,
        num_attention_heads=4,
        num_key_value_heads=2,
        num_hidden_layers=4,
        head_dim=12,
        query_pre_attn_scalar=12,
        max_position_embeddings=context,
        sliding_window=16,
    )
    special = {"bos_token": "<bos>", "eos_token": "<eos>", "unk_token": "<unk>", "pad_token": "<pad>"}
    return _save(folder, Gemma2ForCausalLM(config), tokenizer, seed, **special)


def gpt2_without_bos(folder: Path, seed: int = 0, context: int = 64) -> Path:
    """A tokenizer without any special token."""
    tokenizer = _byte_level(specials=[])
    config = GPT2Config(
        **_ids(tokenizer),
        bos_token_id=None,
        eos_token_id=None,
        n_embd=32,
        n_head=2,
        n_layer=2,
        n_positions=context,
    )
    return _save(folder, GPT2LMHeadModel(config), tokenizer, seed)


_SIZES: Mapping[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "ffn_dim": 96,
    "n_inner": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "num_kv_heads": 2,
    "head_dim": 16,
    "rotary_dim": 8,
    "word_embed_proj_dim": 64,
    "max_position_embeddings": 96,
    "max_seq_len": 96,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
"""For all configuration classes, by transformers' common names."""


@cache
def _shared_tokenizer() -> Tokenizer:
    return _byte_level(specials=["<pad>", "<s>", "</s>"])


def configured(folder: Path, architecture: str, seed: int = 0, **options: Any) -> Path:
    """A small model of any architecture, with `options` of its configuration other than usual.

    Args:
        architecture: the name of a transformers class, such as `LlamaForCausalLM`.
    """
    model_class: Any = getattr(transformers, architecture)
    config_class: Any = model_class.config_class
    own = {field.name for field in dataclasses.fields(config_class)}
    names = {common: config_class.attribute_map.get(common, common) for common in _SIZES}
    sizes = {names[common]: size for common, size in _SIZES.items() if names[common] in own}
    config = config_class(**{"vocab_size": _shared_tokenizer().get_vocab_size(), **sizes, **copy.deepcopy(options)})
    special = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}
    return _save(folder, model_class(config), _shared_tokenizer(), seed, **special)


ARCHITECTURES: Mapping[str, Callable[[Path], Path]] = {
    function.__name__.replace("_", "-"): function
    for function in (gpt2, llama, gpt_neox, gpt_neo, mistral, qwen2, opt, gemma2, gpt2_without_bos)
}
"""Every function of this module by a name that can be a folder's, and so a model's id."""


def make(name: str, parent: Path, seed: int = 0) -> Path:
    """Saves the architecture `name` as a folder of that name inside `parent`, and returns the folder."""
    builder: Callable[..., Path] = ARCHITECTURES[name]
    return builder(parent / name, seed=seed)


# ------------------------------------------------------------------------------------ tokenizers


def _byte_level(*, specials: list[str], normalizer: Any = None, words: Any = None) -> Tokenizer:
    tokenizer = Tokenizer(BPE())
    tokenizer.normalizer = normalizer
    bytes_of = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=words is None)
    tokenizer.pre_tokenizer = bytes_of if words is None else pre_tokenizers.Sequence([words, bytes_of])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = BpeTrainer(
        vocab_size=_VOCABULARY,
        special_tokens=specials,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator([TEXT], trainer)
    return tokenizer


def _sentencepiece_like(specials: list[str], *, unknown: str, prepend: bool) -> Tokenizer:
    """BPE over characters, `▁` for a space; characters that it does not know become the tokens of their bytes."""
    learner = Tokenizer(BPE())
    learner.pre_tokenizer = pre_tokenizers.Metaspace()
    # Some characters have to be left for the fallback, as in every real vocabulary.
    trainer = BpeTrainer(vocab_size=_VOCABULARY - 256, limit_alphabet=100, show_progress=False)
    learner.train_from_iterator([TEXT], trainer)
    learned = json.loads(learner.to_str())["model"]
    pieces = sorted(learned["vocab"], key=learned["vocab"].__getitem__)
    spellings = [*specials, *(f"<0x{byte:02X}>" for byte in range(256)), *pieces]
    vocabulary = {spelling: number for number, spelling in enumerate(spellings)}
    merges = [tuple(merge) for merge in learned["merges"]]
    tokenizer = Tokenizer(BPE(vocabulary, merges, unk_token=unknown, fuse_unk=True, byte_fallback=True))
    tokenizer.add_special_tokens(specials)
    spaces = normalizers.Replace(" ", "▁")
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), spaces]) if prepend else spaces
    strip = [decoders.Strip(" ", 1, 0)] if prepend else []
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), *strip]
    )
    return tokenizer


def _leading(tokenizer: Tokenizer, bos: str) -> Any:
    number = tokenizer.token_to_id(bos)
    return processors.TemplateProcessing(single=f"{bos} $A", pair=f"{bos} $A {bos} $B", special_tokens=[(bos, number)])


def _ids(tokenizer: Tokenizer, **tokens: str) -> dict[str, Any]:
    ids = {name: tokenizer.token_to_id(token) for name, token in tokens.items()}
    return {"vocab_size": tokenizer.get_vocab_size(), **ids}


# ------------------------------------------------------------------------------------ weights


def _save(folder: Path, model: PreTrainedModel, tokenizer: Tokenizer, seed: int, **special: str) -> Path:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if parameter.ndim == 1:
                parameter.add_(0.2 * noise)  # norms stay about 1, biases about 0
            elif "embed" in name or "wte" in name or "wpe" in name:
                parameter.copy_(0.7 * noise)
            else:
                parameter.copy_(noise * 1.3 / model.config.hidden_size**0.5)
    model.save_pretrained(folder)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special).save_pretrained(folder)
    return folder
