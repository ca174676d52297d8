"""Tokens and spans of real tokenizers, made in the test."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer as Backend
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers

from ws_server.document.text import Offsets, replace_lone_surrogates
from ws_server.document.tokenizer import ContextRule, Tokenizer, TooManyTokens

TRAINING = [
    "the quick brown fox jumps over the lazy dog",
    "for i in range(10):\n    print(i)\n",
    "naïve café 😀 中文",
] * 3
BOS = "<|endoftext|>"


def byte_level(trim_offsets: bool = False) -> Backend:
    """Like GPT-2's; with `trim_offsets` like GPT-NeoX's, which leaves spaces out of its spans."""
    backend = Backend(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    backend.post_processor = processors.ByteLevel(trim_offsets=trim_offsets)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=[BOS], initial_alphabet=alphabet, show_progress=False)
    backend.train_from_iterator(TRAINING, trainer)
    return backend


def metaspace() -> Backend:
    """Like Llama's: spaces become "▁", unknown characters bytes."""
    backend = Backend(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    backend.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    backend.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    specials = ["<unk>", BOS, *(f"<0x{byte:02X}>" for byte in range(256))]
    backend.train_from_iterator(
        TRAINING[:2] * 3, trainers.BpeTrainer(vocab_size=450, special_tokens=specials, show_progress=False)
    )
    # Byte tokens are part of the vocabulary, not markup to be found in a text.
    data = json.loads(backend.to_str())
    data["added_tokens"] = [token for token in data["added_tokens"] if not token["content"].startswith("<0x")]
    return Backend.from_str(json.dumps(data))


BACKENDS = {"byte level": byte_level(), "trimmed": byte_level(trim_offsets=True), "metaspace": metaspace()}
texts = st.text(alphabet=st.sampled_from("the fox\n\t  é中😀\0\ud83d"), max_size=40)


def tokenizer(name: str, tokens: int = 512, bos: bool = True) -> Tokenizer:
    backend = BACKENDS[name]
    return Tokenizer(backend.to_str(), ContextRule(tokens, backend.token_to_id(BOS) if bos else None))


@pytest.mark.parametrize("name", BACKENDS)
@given(text=texts)
def test_ids_are_the_tokenizers_own_and_spans_cover_the_text(name: str, text: str) -> None:
    tokens = tokenizer(name, bos=False).tokenize(text, "utf-32")
    expected = BACKENDS[name].encode(replace_lone_surrogates(text), add_special_tokens=False).ids
    assert tokens.ids.tolist() == expected
    end = 0
    for start, stop in zip(tokens.starts.tolist(), tokens.stops.tolist(), strict=True):
        assert start <= end  # no gap; tokens that share a character share its span
        assert stop >= start
        end = max(end, stop)
    assert end == (len(text) if expected else 0)


@pytest.mark.parametrize("name", BACKENDS)
@pytest.mark.parametrize("text", ["the fox jumps " * 400, "😀" * 2000, "naïve\n" * 700])
def test_a_text_of_too_many_tokens_is_refused_to_the_token(name: str, text: str) -> None:
    """Whether or not its beginning is looked at first: what fits is never refused for how it begins."""
    model = tokenizer(name, bos=False)
    count = len(model.tokenize(text, "utf-16"))
    for unsure in (False, True):
        assert len(model.tokenize(text, "utf-16", count, unsure)) == count
        for most in (count - 1, count // 3, 10):
            with pytest.raises(TooManyTokens):
                model.tokenize(text, "utf-16", most, unsure)


@given(text=texts, most=st.integers(1, 40))
def test_looking_ahead_changes_nothing(text: str, most: int) -> None:
    model = tokenizer("byte level", bos=False)
    try:
        expected = model.tokenize(text, "utf-16", most)
    except TooManyTokens:
        with pytest.raises(TooManyTokens):
            model.tokenize(text, "utf-16", most, unsure=True)
    else:
        assert model.tokenize(text, "utf-16", most, unsure=True).ids.tolist() == expected.ids.tolist()


@given(text=texts)
def test_utf_16_spans_are_the_code_points_converted(text: str) -> None:
    model = tokenizer("byte level")
    points, units = model.tokenize(text, "utf-32"), model.tokenize(text, "utf-16")
    offsets = Offsets(text, "utf-16")
    assert units.starts.tolist() == offsets.to_wire(points.starts).tolist()
    assert units.stops.tolist() == offsets.to_wire(points.stops).tolist()
    assert units.ids.tolist() == points.ids.tolist()


@given(text=texts)
def test_byte_level_tokens_decode_to_the_text_of_their_spans(text: str) -> None:
    model = tokenizer("trimmed", bos=False)
    tokens = model.tokenize(text, "utf-32")
    readable = replace_lone_surrogates(text)
    for token, start, stop in zip(tokens.ids.tolist(), tokens.starts.tolist(), tokens.stops.tolist(), strict=True):
        decoded = model.text_of(token)
        if "\ufffd" not in decoded:
            assert decoded == readable[start:stop]


def test_the_parts_of_a_character_share_its_span() -> None:
    tokens = tokenizer("byte level", bos=False).tokenize("a𐍈b", "utf-16")
    spans = list(zip(tokens.starts.tolist(), tokens.stops.tolist(), strict=True))
    assert spans[0] == (0, 1)
    assert set(spans[1:-1]) == {(1, 3)}
    assert len(spans) > 3
    assert spans[-1] == (3, 4)


def test_metaspace_tokens_keep_their_space() -> None:
    model = tokenizer("metaspace", bos=False)
    tokens = model.tokenize("the fox", "utf-16")
    assert "".join(model.text_of(token) for token in tokens.ids.tolist()) == " the fox"


def test_each_context_begins_with_one_bos_of_empty_span() -> None:
    model = tokenizer("byte level", tokens=8)
    text = "the fox\n" * 12
    tokens = model.tokenize(text, "utf-16")
    bos = BACKENDS["byte level"].token_to_id(BOS)
    contexts = list(tokens.contexts())
    assert len(contexts) > 2
    for context in contexts:
        assert context.stop - context.start <= 8
        assert tokens.special[context].tolist() == [True] + [False] * (context.stop - context.start - 1)
        assert tokens.ids[context.start] == bos
        assert tokens.starts[context.start] == tokens.stops[context.start] == tokens.starts[context.start + 1]
    bare = tokens.ids[~tokens.special]
    assert bare.tolist() == BACKENDS["byte level"].encode(text, add_special_tokens=False).ids


def test_an_empty_document_is_one_bos_or_nothing() -> None:
    assert tokenizer("byte level").tokenize("", "utf-16").special.tolist() == [True]
    assert len(tokenizer("byte level", bos=False).tokenize("", "utf-16")) == 0


def test_gpt2_tokens_of_the_published_case(published_case: dict[str, object], gpt2_vocabulary: Path) -> None:
    """The text and tokens of TransformerLens's Interactive Neuroscope notebook, with GPT-2's real vocabulary."""
    vocabulary, merges = gpt2_vocabulary / "encoder.json", gpt2_vocabulary / "vocab.bpe"
    backend = Backend(models.BPE.from_file(str(vocabulary), str(merges)))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens([BOS])
    model = Tokenizer(backend.to_str(), ContextRule(1024, backend.token_to_id(BOS)))
    text = published_case["text"]
    assert isinstance(text, str)
    tokens = model.tokenize(text, "utf-16")
    assert [model.text_of(token) for token in tokens.ids.tolist()] == published_case["tokens"]
