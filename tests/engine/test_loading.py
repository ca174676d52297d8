"""Models that are damaged, hostile or of the wrong kind: a sentence for clients, the details for the operator."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformer_lens.model_bridge.sources.transformers import helpers

from tests.support import models
from ws_server.engine.catalog import LoadOptions, ModelSpec, resolve_models
from ws_server.engine.loading import ModelLoadError, load_model
from ws_server.errors import StartupError


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return models.gpt2(tmp_path_factory.mktemp("sound") / "sound")


@pytest.fixture
def folder(sound: Path, tmp_path: Path) -> Path:
    """A copy of a sound model."""
    return Path(shutil.copytree(sound, tmp_path / "a secret place" / "tiny"))


def refusal(folder: Path, dtype: str = "float32") -> ModelLoadError:
    """What loading says; clients are told nothing of the file system, in one line."""
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


def load(folder: Path, dtype: str = "float32") -> Any:
    spec = ModelSpec(folder.name, folder.name, str(folder))
    return load_model(spec, LoadOptions(device="cpu", dtype=dtype), lambda percentage, message: None)


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
    assert str(refusal(folder)) == ("tiny has no activation in layer 1 that is a number: its weights are damaged.")


def test_weights_that_are_too_large_for_half_precision(folder: Path) -> None:
    _spoil(folder, "transformer.h.2.mlp.c_fc.bias", 1e6)
    load(folder)
    assert "too large for float16" in str(refusal(folder, "float16"))


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"n_embd": 64}, "do not fit"),
        ({"n_layer": 7}, "do not fit"),  # Transformers would make up the last four
        ({"model_type": "abacus", "architectures": ["AbacusForCausalLM"]}, "not known"),
    ],
)
def test_weights_of_another_configuration(folder: Path, members: dict[str, Any], words: str) -> None:
    configure(folder, **members)
    assert words in str(refusal(folder))


def test_no_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").write_text("{}")
    assert refusal(folder).detail


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
    assert "code of its own" in str(refusal(folder))
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
