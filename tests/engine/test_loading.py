"""Models that are damaged, hostile or of the wrong kind: a sentence for clients, the details for the operator."""

from __future__ import annotations

import importlib.metadata
import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer as BackendTokenizer
from transformer_lens.model_bridge.sources.transformers import helpers

from tests.support import models
from ws_server.engine.catalog import LoadOptions, ModelSpec, resolve_models
from ws_server.engine.loading import ModelLoadError, load_model
from ws_server.engine.refusals import first_line, reason
from ws_server.engine.statistics import NeuronStatistics, weights_digest
from ws_server.errors import StartupError


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return models.gpt2(tmp_path_factory.mktemp("sound") / "sound")


@pytest.fixture
def folder(sound: Path, tmp_path: Path) -> Path:
    """A copy of a sound model."""
    return Path(shutil.copytree(sound, tmp_path / "a secret place" / "tiny"))


def refusal(folder: Path, dtype: str = "float32") -> ModelLoadError:
    """The refusal: one line that reveals nothing of the file system."""
    with pytest.raises(ModelLoadError) as failure:
        load(folder, dtype)
    message = str(failure.value)
    assert folder.name in message
    assert "secret" not in message
    assert "/" not in message
    assert "\n" not in message
    assert message.endswith(".")
    assert "\n" not in failure.value.detail
    return failure.value


def load(folder: Path, dtype: str = "float32", context_tokens: int = 8192) -> Any:
    spec = ModelSpec(folder.name, folder.name, str(folder))
    options = LoadOptions(device="cpu", dtype=dtype, context_tokens=context_tokens)
    return load_model(spec, options, lambda percentage, message: None)


def configure(folder: Path, **members: object) -> None:
    config = json.loads((folder / "config.json").read_bytes())
    (folder / "config.json").write_text(json.dumps({**config, **members}))


@pytest.mark.parametrize("kept", [3, 3000, -1])
def test_truncated_weights(folder: Path, kept: int) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:kept])
    assert "damaged" in str(refusal(folder))


def test_a_damaged_header(folder: Path) -> None:
    weights = folder / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[9:12] = b"\0{["
    weights.write_bytes(content)
    assert "damaged" in str(refusal(folder))


def _spoil(folder: Path, tensor: str, value: float) -> None:
    tensors = load_file(folder / "model.safetensors")
    tensors[tensor][...] = value
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def test_weights_that_are_no_numbers(folder: Path) -> None:
    """A layer of NaN is refused; a neuron is not, for it may be the only one."""
    _spoil(folder, "transformer.h.1.mlp.c_fc.bias", float("nan"))
    assert str(refusal(folder)) == ("tiny has only NaN or infinite activations in layer 1: its weights are damaged.")


def test_weights_that_are_too_large_for_half_precision(folder: Path) -> None:
    _spoil(folder, "transformer.h.2.mlp.c_fc.bias", 1e6)
    load(folder)
    assert "too large for float16" in str(refusal(folder, "float16"))


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"n_embd": 64}, "do not fit"),
        ({"n_layer": 7}, "do not fit"),  # Transformers would make up the last four
    ],
)
def test_weights_of_another_configuration(folder: Path, members: dict[str, Any], words: str) -> None:
    configure(folder, **members)
    assert words in str(refusal(folder))


def _version(package: str) -> str:
    return ".".join(importlib.metadata.version(package).split(".")[:2])


@pytest.mark.parametrize(
    ("members", "why"),
    [
        (
            {"model_type": "abacus", "architectures": ["AbacusForCausalLM"]},
            f"TransformerLens {_version('transformer_lens')} does not support AbacusForCausalLM",
        ),
        (
            {"model_type": "helium", "architectures": ["HeliumForCausalLM"]},
            f"TransformerLens {_version('transformer_lens')} does not support HeliumForCausalLM",
        ),
        (
            {"model_type": "helium", "architectures": None},
            f"TransformerLens {_version('transformer_lens')} does not support models of the type 'helium'",
        ),
        (
            {"model_type": "exaone", "architectures": ["ExaoneForCausalLM"]},
            f"Transformers {_version('transformers')} does not support ExaoneForCausalLM",
        ),
        ({"quantization_config": {"quant_method": "gptq", "bits": 4}}, "GPTQ weights are not read"),
        ({"quantization_config": {"quant_method": "awq", "bits": 4}}, "AWQ weights are not read"),
        ({"quantization_config": {"quant_method": "fp8"}}, "FP8 weights are not read"),
        ({"quantization_config": {"quant_method": "compressed-tensors"}}, "compressed-tensors weights are not read"),
        (
            {"quantization_config": {"quant_method": "bitsandbytes", "load_in_8bit": True}},
            "bitsandbytes weights are not read",
        ),
        ({"quantization_config": {"load_in_4bit": True}}, "bitsandbytes weights are not read"),
        ({"quantization": {"group_size": 64, "bits": 4}}, "quantised weights are not read"),
        (
            {"model_type": "t5", "architectures": ["T5ForConditionalGeneration"], "is_encoder_decoder": True},
            "T5ForConditionalGeneration is not a causal language model of text alone",
        ),
        (
            {"model_type": "bart", "architectures": ["BartForConditionalGeneration"], "is_encoder_decoder": True},
            "BartForConditionalGeneration is not a causal language model of text alone",
        ),
        (
            {"model_type": "llava", "architectures": ["LlavaForConditionalGeneration"]},
            "LlavaForConditionalGeneration is not a causal language model of text alone",
        ),
        (
            {"model_type": "vit", "architectures": ["ViTForImageClassification"]},
            "ViTForImageClassification is not a causal language model of text alone",
        ),
    ],
    ids=lambda value: "" if isinstance(value, dict) else value,
)
def test_models_of_other_kinds(folder: Path, members: dict[str, Any], why: str) -> None:
    configure(folder, **members)
    failure = refusal(folder)
    assert str(failure) == f"The model 'tiny' could not be loaded: {why}."
    assert failure.detail == ""


def test_a_configuration_that_cannot_be(folder: Path) -> None:
    configure(folder, n_head="many")
    assert str(refusal(folder)) == "The model 'tiny' could not be loaded: its configuration is not valid."


def test_loading_leaves_the_log_as_it_is(folder: Path) -> None:
    before = logging.getLogger().level
    load(folder)
    assert logging.getLogger().level == before


def test_weights_that_autogptq_has_quantised(folder: Path) -> None:
    (folder / "quantize_config.json").write_text('{"bits": 4}')
    assert "GPTQ weights are not read" in str(refusal(folder))


def test_what_libraries_say_is_shortened_for_the_log() -> None:
    assert len(first_line(ValueError("There are " + ", ".join(f"Class{number}" for number in range(500))))) <= 300


def test_a_lack_of_memory_is_not_blamed_on_the_files() -> None:
    spec = ModelSpec("tiny", "tiny", "tiny")
    for error in (MemoryError(), torch.OutOfMemoryError("CUDA out of memory."), RuntimeError("can't allocate memory")):
        assert reason(error, spec) == "there is not enough memory for it"


def test_more_tokens_than_the_embedding_has_rows(folder: Path) -> None:
    """Of the tokens that are left only some would be found in a text, and the model could compute nothing for them."""
    tensors = load_file(folder / "model.safetensors")
    tensors["transformer.wte.weight"] = tensors["transformer.wte.weight"][:300].clone()
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    configure(folder, vocab_size=300, bos_token_id=0, eos_token_id=0, pad_token_id=0)
    with pytest.raises(ModelLoadError) as failure:
        load(folder)
    assert str(failure.value) == ("tiny cannot be served: its tokenizer has 512 tokens, its embedding only 300 rows.")


def test_an_embedding_of_two_rows(tmp_path: Path) -> None:
    """It can be computed with; what is wrong is the tokenizer, and that is said."""
    folder = models.configured(tmp_path / "tiny", "GPT2LMHeadModel", vocab_size=2)
    with pytest.raises(ModelLoadError, match="its embedding only 2 rows"):
        load(folder)


def test_a_padding_token_beyond_the_embedding(tmp_path: Path) -> None:
    folder = models.llama(tmp_path / "tiny")
    configure(folder, pad_token_id=99_999)
    assert "its embedding has no row for its padding token" in str(refusal(folder))


def test_an_added_token_without_a_row_is_ordinary_text(folder: Path) -> None:
    tokenizer = BackendTokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.add_tokens(["<extra>"])
    tokenizer.save(str(folder / "tokenizer.json"))
    _, loaded = load(folder)
    served = BackendTokenizer.from_str(loaded.tokenizer_json)
    assert max(served.encode("an <extra> token").ids) < loaded.vocabulary


def test_a_context_that_the_bos_token_fills(folder: Path) -> None:
    with pytest.raises(ModelLoadError, match=r"a context of 1 token, which its BOS token fills\."):
        load(folder, context_tokens=1)
    _, loaded = load(folder, context_tokens=2)
    assert loaded.context_tokens == 2
    assert loaded.bos is not None


def test_statistics_of_other_weights_are_left_out(folder: Path) -> None:
    """A fine-tune has the shape of the model that it was made from, but not its ranges."""
    figures = np.ones((3, 192), dtype=np.float32)
    digest = weights_digest(folder)
    statistics = NeuronStatistics(*[figures] * 5, figures[..., None], (0.5,), 10, digest, "none")
    statistics.save(folder)
    _, loaded = load(folder)
    assert loaded.statistics is not None
    assert loaded.notes == ()
    _spoil(folder, "transformer.h.2.mlp.c_fc.bias", 0.5)
    _, loaded = load(folder)
    assert loaded.statistics is None
    (note,) = loaded.notes
    assert "other weights" in note


def test_no_tokenizer(folder: Path) -> None:
    """The fault is not the configuration's, which TransformerLens supports."""
    (folder / "tokenizer.json").write_text("{}")
    failure = refusal(folder)
    assert "its files are not those of a supported model" in str(failure)
    assert failure.detail


def _pickle(folder: Path, name: str) -> dict[str, torch.Tensor]:
    """The weights in PyTorch's own format, which unpickles what it reads; a decoy in the safe one."""
    tensors = load_file(folder / "model.safetensors")
    torch.save(tensors, folder / name)
    (folder / "model.safetensors").rename(folder / "decoy.safetensors")
    return tensors


def test_pickled_weights(folder: Path) -> None:
    _pickle(folder, "pytorch_model.bin")
    assert "only safetensors files are read" in str(refusal(folder))


def test_an_index_that_names_pickled_weights(folder: Path) -> None:
    tensors = _pickle(folder, "weights.bin")
    index = {"metadata": {}, "weight_map": dict.fromkeys(tensors, "weights.bin")}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(StartupError, match=r"weights\.bin"):
        resolve_models((str(folder),))
    load_pickle = torch.load
    assert "only safetensors files are read" in str(refusal(folder))  # so it is for one from the Hub
    assert torch.load is load_pickle


@pytest.mark.parametrize("index", ["[", "[]", "{}", '{"weight_map": []}', '{"weight_map": {"a": 3}}'])
def test_an_index_that_is_none(folder: Path, index: str) -> None:
    (folder / "model.safetensors.index.json").write_text(index)
    with pytest.raises(StartupError, match="index"):
        resolve_models((str(folder),))


def test_an_index_that_leads_elsewhere(folder: Path) -> None:
    shutil.copy(folder / "model.safetensors", folder.parent / "other.safetensors")
    (folder / "model.safetensors.index.json").write_text('{"weight_map": {"a": "../other.safetensors"}}')
    with pytest.raises(StartupError, match="outside"):
        resolve_models((str(folder),))


CODE = """
from pathlib import Path
Path({marker!r}).write_text("was run")
from transformers import GPT2Config as Config, GPT2LMHeadModel as Model, PreTrainedTokenizerFast as Tokenizer
"""


def _with_code(folder: Path) -> Path:
    """A model that comes with Python code and asks for it to be run; what exists once it was."""
    marker = folder / "marker"
    (folder / "code.py").write_text(CODE.format(marker=str(marker)))
    configure(folder, auto_map={"AutoConfig": "code.Config", "AutoModelForCausalLM": "code.Model"})
    settings = json.loads((folder / "tokenizer_config.json").read_bytes())
    settings |= {"tokenizer_class": "Tokenizer", "auto_map": {"AutoTokenizer": ["code.Tokenizer", "code.Tokenizer"]}}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return marker


def test_code_that_comes_with_a_model_is_not_run(folder: Path) -> None:
    marker = _with_code(folder)
    load(folder)  # its architecture is known, so the libraries' own code does
    assert not marker.exists()


def test_a_model_that_needs_code_of_its_own(folder: Path) -> None:
    marker = _with_code(folder)
    configure(folder, model_type="unheard-of")
    assert "its own code" in str(refusal(folder))
    assert not marker.exists()


def test_nothing_is_installed_for_a_model(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """TransformerLens would install a package for models that also see, in the middle of loading."""
    asked: list[bool] = []
    original: Callable[[Any], Any] = helpers.load_modality_processor

    def watched(*arguments: Any) -> None:
        asked.append(helpers._ensure_torchvision())

    monkeypatch.setattr("transformer_lens.model_bridge.sources.transformers.source.load_modality_processor", watched)
    load(folder)
    assert asked == [False]
    assert helpers.load_modality_processor is original
