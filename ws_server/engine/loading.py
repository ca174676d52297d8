"""Loads a model through TransformerLens and checks that its neurons can be shown token by token."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn, cast

import numpy as np
import orjson
import torch
import transformers
from huggingface_hub import constants, try_to_load_from_cache
from torch import nn
from transformer_lens.model_bridge import TransformerBridge
from transformer_lens.model_bridge.sources.transformers import helpers
from transformers import AutoModelForCausalLM, AutoTokenizer, PretrainedConfig, PreTrainedModel

from ..errors import ModelLoadFailed
from .catalog import LoadOptions, ModelSpec
from .commands import LoadedModel, neuron_hook
from .device_memory import is_out_of_memory
from .progress import download, reporting_weights
from .refusals import (
    UNREADABLE,
    Incomplete,
    NotSupported,
    Pickled,
    check_configuration,
    configuration_not_supported,
    first_line,
    reason,
)
from .runner import Piece, Runner, Unsupported
from .statistics import NeuronStatistics, weights_digest
from .trunk import plain_twin

_DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


class ModelLoadError(Exception):
    """A model cannot be loaded.

    Args:
        message: one sentence for the client; it reveals nothing of the machine.
        detail: for the operator, what a library reported.
    """

    def __init__(self, message: str, detail: str = "") -> None:
        super().__init__(message)
        self.detail = detail


def load_model(spec: ModelSpec, options: LoadOptions, report: Callable[[int, str], None]) -> tuple[Runner, LoadedModel]:
    """Loads `spec`; `report(percentage, message)` is called as it proceeds.

    Raises:
        ModelLoadError: it cannot be loaded, or has no neurons that could be shown.
    """
    transformers.logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    transformers.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    device = _device(options.device)
    stages = _Stages(report)
    if spec.folder is None and not constants.HF_HUB_OFFLINE:
        download(spec, stages.part(10, 60))
    stages.reach(40, f"Loading the weights of {spec.title}")
    with reporting_weights(stages.part(stages.reached, 80)):
        bridge, plain = _boot(spec, device, _DTYPES[options.dtype])
    stages.reach(80, "Checking the model's hook points")
    try:
        context_tokens = min(int(bridge.cfg.n_ctx), options.context_tokens)
        runner = Runner(bridge, plain, context_tokens)
        _check_numbers(spec, runner, options.dtype)
    except ModelLoadError:
        raise
    except Unsupported as error:
        raise ModelLoadError(f"{spec.title} {error}.") from None
    except Exception as error:
        if is_out_of_memory(error):
            raise ModelLoadError(f"There is not enough memory for {spec.title}.", first_line(error)) from error
        raise ModelLoadError(f"{spec.title} loads, but a forward pass of it fails.", first_line(error)) from error
    bos = _bos(bridge)
    if runner.context_tokens < (1 if bos is None else 2):
        most = runner.context_tokens
        tokens = "1 token, which its BOS token fills" if most == 1 else f"{most} tokens"
        raise ModelLoadError(f"{spec.title} cannot be served with a context of {tokens}.")
    notes: list[str] = []
    statistics = _statistics(spec, runner, notes)
    stages.reach(100, "Ready")
    return runner, LoadedModel(
        architecture=type(bridge.original_model).__name__,
        revision=_revision(spec),
        layers=runner.layers,
        context_tokens=runner.context_tokens,
        vocabulary=int(bridge.cfg.d_vocab),
        dtype=options.dtype,
        device=device,
        bos=bos,
        hook_widths=runner.hook_widths,
        tokenizer_json=_tokenizer_json(bridge, spec),
        statistics=statistics,
        notes=(*runner.notes, *notes),
    )


class _Stages:
    """Percentages of the whole load; they never fall."""

    def __init__(self, report: Callable[[int, str], None]) -> None:
        self._report = report
        self.reached = 0

    def reach(self, percentage: int, message: str) -> None:
        self.reached = max(self.reached, percentage)
        self._report(self.reached, message)

    def part(self, start: int, stop: int) -> Callable[[float, str], None]:
        """A callback that takes fractions of the part between two percentages."""
        return lambda share, message: self.reach(start + round((stop - start) * share), message)


def _check_numbers(spec: ModelSpec, runner: Runner, dtype: str) -> None:
    """Isolated neurons that are NaN are accepted; a model with a layer that is entirely NaN is refused."""
    hooks = [neuron_hook(layer) for layer in range(runner.layers)]
    cache = runner.new_cache()
    cache.align(np.arange(min(4, runner.context_tokens), dtype=np.int64) % int(runner.bridge.cfg.d_vocab))
    runner.extend([Piece(cache, len(cache.ids), frozenset(hooks))])
    for layer, hook in enumerate(hooks):
        if not bool(torch.isfinite(cache.rows_of(hook).row(len(cache.ids) - 1)).any()):
            hint = (
                "its weights are damaged"
                if dtype == "float32"
                else f"its weights are damaged, or too large for {dtype}"
            )
            raise ModelLoadError(f"{spec.title} has only NaN or infinite activations in layer {layer}: {hint}.")


def _device(name: str) -> str:
    if name == "auto":
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not available.get(name, False):
        raise ModelLoadError(f"The device {name!r} is not available on this machine.")
    return name


def _revision(spec: ModelSpec) -> str | None:
    """The commit of a model from the Hub: the name of its folder in the local cache."""
    if spec.folder is not None:
        return None
    config = try_to_load_from_cache(spec.source, "config.json", revision=spec.revision)
    return Path(config).parent.name if isinstance(config, str) else None


class _Twinning:
    """Replaces the model class with which the bridge loads, and keeps a plain twin of the loaded model."""

    def __init__(self) -> None:
        self.twin: PreTrainedModel | None = None

    def from_pretrained(self, *arguments: Any, **options: Any) -> PreTrainedModel:
        options |= {"trust_remote_code": False, "use_safetensors": True, "output_loading_info": True}
        loaded: Any = AutoModelForCausalLM.from_pretrained(*arguments, **options)
        model, info = loaded
        _check_complete(model, info["missing_keys"])
        self.twin = plain_twin(model)
        return cast(PreTrainedModel, model)


def _check_complete(model: Any, missing: Iterable[str]) -> None:
    """Transformers initializes tensors that are missing in the weights at random. That is accepted only for the
    unembedding, which is not used."""
    head = model.get_output_embeddings()
    unused = set() if head is None else {id(parameter) for parameter in head.parameters()}
    needed = {name for name, parameter in model.named_parameters() if id(parameter) not in unused}
    if lacking := sorted(needed.intersection(missing)):
        raise Incomplete(f"{len(lacking)} tensors are missing, {lacking[0]} is the first")


def _refuse_pickle(*arguments: object, **options: object) -> NoReturn:
    raise Pickled("a file of weights is not in the safetensors format")


@contextmanager
def _without_foreign_code() -> Iterator[None]:
    """Inside this context, nothing that comes with a model is unpickled, whatever its index of weights names, and no
    package is installed for it, as TransformerLens would do for models that also take images."""
    replaced: list[tuple[ModuleType, str, object]] = [
        (torch, "load", _refuse_pickle),
        (helpers, "_ensure_torchvision", lambda: False),
    ]
    former = [(module, name, getattr(module, name, None)) for module, name, _ in replaced]
    for module, name, value in replaced:
        setattr(module, name, value)
    try:
        yield
    finally:
        for module, name, before in former:
            setattr(module, name, before)


def _boot(spec: ModelSpec, device: str, dtype: torch.dtype) -> tuple[Any, PreTrainedModel]:
    twinning = _Twinning()
    try:
        config, _ = PretrainedConfig.get_config_dict(spec.source, revision=spec.revision)
        check_configuration(config)
        if spec.folder is not None and (spec.folder / "quantize_config.json").exists():
            raise NotSupported("GPTQ weights are not read")  # as AutoGPTQ writes them, without an entry in config.json
        with _without_foreign_code():
            bridge = TransformerBridge.boot_transformers(
                spec.source,
                device=device,
                dtype=dtype,
                revision=spec.revision,
                trust_remote_code=False,
                model_class=twinning,
            )
        bridge.eval()
        plain = twinning.twin
        if plain is None:
            raise RuntimeError("TransformerLens did not load the model with the class that it was given")
        # Parameters are shared and moved with the bridge's; buffers that moved are not.
        nn.Module.to(plain, device)
        return bridge, plain
    except Exception as error:
        why = reason(error, spec)
        if why is None:
            unwrapped = twinning.twin is not None and _has_tokenizer(spec)
            why = configuration_not_supported(twinning.twin) if unwrapped else UNREADABLE
        message = f"The model {spec.id!r} could not be loaded: {why}."
        detail = "" if isinstance(error, NotSupported) else first_line(error)
        raise ModelLoadError(message, detail) from error


def _has_tokenizer(spec: ModelSpec) -> bool:
    """Whether the files of its tokenizer can be read."""
    try:
        AutoTokenizer.from_pretrained(spec.source, revision=spec.revision, trust_remote_code=False)
    except Exception:
        return False
    return True


def _bos(bridge: Any) -> int | None:
    """The id that TransformerLens prepends to a text by default, if it does."""
    bos = bridge.tokenizer.bos_token_id
    if bos is None or bos >= int(bridge.cfg.d_vocab):
        return None  # TransformerLens gives every tokenizer a BOS token, whether the model knows it or not
    ids = bridge.to_tokens("a", truncate=False)[0].tolist()
    bare = bridge.tokenizer("a", add_special_tokens=False)["input_ids"]
    return int(bos) if len(ids) > len(bare) and ids[0] == bos else None


def _tokenizer_json(bridge: Any, spec: ModelSpec) -> str:
    backend = getattr(bridge.tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise ModelLoadError(
            f"{spec.title} has no fast tokenizer, so the positions of its tokens in a text are unknown."
        )
    tokenizer = orjson.loads(backend.to_str())
    vocabulary = int(bridge.cfg.d_vocab)
    added = {token["id"] for token in tokenizer["added_tokens"]}
    ordinary = max(set(backend.get_vocab(with_added_tokens=False).values()) - added, default=-1) + 1
    if ordinary > vocabulary:
        raise ModelLoadError(
            f"{spec.title} cannot be served: its tokenizer has {ordinary} tokens, its embedding only {vocabulary} rows."
        )
    # An added token without an embedding is not a token of this model; its spelling is then ordinary text.
    tokenizer["added_tokens"] = [token for token in tokenizer["added_tokens"] if token["id"] < vocabulary]
    return orjson.dumps(tokenizer).decode()


def _statistics(spec: ModelSpec, runner: Runner, notes: list[str]) -> NeuronStatistics | None:
    """The statistics of exactly these weights, if there are any."""
    if spec.folder is None:
        return None
    try:
        statistics = NeuronStatistics.load(spec.folder, (runner.layers, runner.hook_widths[neuron_hook(0)]))
        if statistics is not None and statistics.weights != weights_digest(spec.folder):
            notes.append("Its neuron statistics are left out: they were made with other weights.")
            return None
        return statistics
    except ModelLoadFailed as error:
        message = f"{spec.title} cannot be served: its neuron statistics are damaged, or belong to another model."
        raise ModelLoadError(message, first_line(error)) from error
