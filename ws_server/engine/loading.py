"""Loads a model through TransformerLens and makes sure that it is one we can follow token by token."""

from __future__ import annotations

import logging
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
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from safetensors import SafetensorError
from torch import nn
from transformer_lens.model_bridge import TransformerBridge
from transformer_lens.model_bridge.sources.transformers import helpers
from transformers import AutoModelForCausalLM, PreTrainedModel

from ..errors import ModelLoadFailed
from .catalog import LoadOptions, ModelSpec
from .commands import LoadedModel, neuron_hook
from .progress import download, telling_of_weights
from .runner import Piece, Runner, Unsupported
from .statistics import NeuronStatistics
from .trunk import plain_twin

_DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


class ModelLoadError(Exception):
    """A model cannot be had.

    Args:
        message: one sentence for whoever asked; it tells nothing of the machine.
        detail: for the operator, what a library said.
    """

    def __init__(self, message: str, detail: str = "") -> None:
        super().__init__(message)
        self.detail = detail


def load_model(spec: ModelSpec, options: LoadOptions, tell: Callable[[int, str], None]) -> tuple[Runner, LoadedModel]:
    """Loads `spec`; `tell(percentage, message)` is called as it goes on.

    Raises:
        ModelLoadError: it cannot be had, or has no neurons that we could show.
    """
    logging.getLogger().setLevel(logging.ERROR)
    transformers.logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    transformers.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    device = _device(options.device)
    stages = _Stages(tell)
    if spec.folder is None and not constants.HF_HUB_OFFLINE:
        download(spec, stages.part(10, 60))
    stages.reach(40, f"Loading the weights of {spec.title}")
    with telling_of_weights(stages.part(stages.reached, 80)):
        bridge, plain = _boot(spec, device, _DTYPES[options.dtype])
    stages.reach(80, "Checking the model's hook points")
    try:
        context_tokens = min(int(bridge.cfg.n_ctx), options.context_tokens)
        runner = Runner(bridge, plain, context_tokens)
    except Unsupported as error:
        raise ModelLoadError(f"{spec.title} {error}.") from None
    except Exception as error:
        raise ModelLoadError(f"{spec.title} loads, but a forward pass of it fails.", _first_line(error)) from error
    _check_numbers(spec, runner, options.dtype)
    statistics = _statistics(spec, runner)
    stages.reach(100, "Ready")
    return runner, LoadedModel(
        architecture=type(bridge.original_model).__name__,
        revision=_revision(spec),
        layers=runner.layers,
        context_tokens=runner.context_tokens,
        vocabulary=int(bridge.cfg.d_vocab),
        dtype=options.dtype,
        device=device,
        bos=_bos(bridge),
        hook_widths=runner.hook_widths,
        tokenizer_json=_tokenizer_json(bridge, spec),
        statistics=statistics,
        notes=tuple(runner.notes),
    )


class _Stages:
    """Percentages of the whole; they never fall."""

    def __init__(self, tell: Callable[[int, str], None]) -> None:
        self._tell = tell
        self.reached = 0

    def reach(self, percentage: int, message: str) -> None:
        self.reached = max(self.reached, percentage)
        self._tell(self.reached, message)

    def part(self, start: int, stop: int) -> Callable[[float, str], None]:
        """Takes shares of the part between two percentages."""
        return lambda share, message: self.reach(start + round((stop - start) * share), message)


def _check_numbers(spec: ModelSpec, runner: Runner, dtype: str) -> None:
    """A neuron here and there that is no number is the model's; a layer of which all are is none to look at."""
    hooks = [neuron_hook(layer) for layer in range(runner.layers)]
    cache = runner.new_cache()
    cache.align(np.arange(min(4, runner.context_tokens), dtype=np.int64))
    runner.extend([Piece(cache, len(cache.ids), frozenset(hooks))])
    for layer, hook in enumerate(hooks):
        if not bool(torch.isfinite(cache.rows_of(hook).row(len(cache.ids) - 1)).any()):
            hint = (
                "its weights are damaged"
                if dtype == "float32"
                else f"its weights are damaged, or too large for {dtype}"
            )
            raise ModelLoadError(f"{spec.title} has no activation in layer {layer} that is a number: {hint}.")


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
    """The commit that a model of the Hub was read from: the name of its folder in the local cache."""
    if spec.folder is not None:
        return None
    config = try_to_load_from_cache(spec.source, "config.json", revision=spec.revision)
    return Path(config).parent.name if isinstance(config, str) else None


class _Twinning:
    """Stands in for the model class that the bridge loads with, and keeps a plain twin of what was loaded."""

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
    """Transformers makes up what a file of weights lacks; only of the unembedding, which is not used, may it do so."""
    head = model.get_output_embeddings()
    unused = set() if head is None else {id(parameter) for parameter in head.parameters()}
    needed = {name for name, parameter in model.named_parameters() if id(parameter) not in unused}
    if lacking := sorted(needed.intersection(missing)):
        raise _Incomplete(f"{len(lacking)} tensors are missing, {lacking[0]} is the first")


class _Incomplete(Exception):
    """Weights that do not make up the model."""


class _Pickled(Exception):
    """Weights in a format that can run code when it is read."""


def _refuse_pickle(*arguments: object, **options: object) -> NoReturn:
    raise _Pickled("a file of weights is not in the safetensors format")


@contextmanager
def _without_foreign_code() -> Iterator[None]:
    """Nothing of a model's is unpickled, whatever its index of weights names; and no package is installed for it, as
    TransformerLens would do for models that also see."""
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
        message = f"The model {spec.id!r} could not be loaded: {_reason(error, spec)}."
        raise ModelLoadError(message, _first_line(error)) from error


def _reason(error: Exception, spec: ModelSpec) -> str:
    """Why a model does not load, in words that tell nothing of the machine; libraries' own may name files of it."""
    causes: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None:
        causes.append(cause)
        cause = cause.__cause__ or cause.__context__

    def any_is(*kinds: type[BaseException]) -> bool:
        return any(isinstance(cause, kinds) for cause in causes)

    said = " ".join(str(cause) for cause in causes)
    unreachable = spec.folder is None and (constants.HF_HUB_OFFLINE or any_is(LocalEntryNotFoundError))
    if any_is(_Pickled) or (any_is(OSError) and "safetensors" in said and not unreachable):
        return "its weights are in a format that can run code when it is read; only safetensors files are read"
    if any_is(SafetensorError):
        return "its weights are damaged or incomplete"
    if any_is(_Incomplete) or "ignore_mismatched_sizes" in said:
        return "its weights do not fit its configuration"
    if "trust_remote_code" in said or "custom code" in said:
        return "it asks for code of its own to be run, which this server never does"
    if any_is(GatedRepoError):
        return "the Hugging Face Hub gives it only to those who have agreed to its terms; log in there first"
    if any_is(RevisionNotFoundError):
        return "the Hugging Face Hub has no such revision of it"
    if any_is(RepositoryNotFoundError):
        return "the Hugging Face Hub has no model of this name"
    if unreachable or any_is(HfHubHTTPError):
        return "the Hugging Face Hub cannot be reached, and its local cache does not hold it"
    if "does not recognize this architecture" in said or "nsupported architecture" in said:
        return "its architecture is not known here"
    return "its files are not those of a model that can be read"


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__).rstrip(".")


def _bos(bridge: Any) -> int | None:
    """The id that TransformerLens puts in front of a text by itself, if it does."""
    bos = bridge.tokenizer.bos_token_id
    if bos is None or bos >= int(bridge.cfg.d_vocab):
        return None  # TransformerLens gives every tokenizer one, known to the model or not
    ids = bridge.to_tokens("a", truncate=False)[0].tolist()
    bare = bridge.tokenizer("a", add_special_tokens=False)["input_ids"]
    return int(bos) if len(ids) > len(bare) and ids[0] == bos else None


def _tokenizer_json(bridge: Any, spec: ModelSpec) -> str:
    backend = getattr(bridge.tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise ModelLoadError(f"{spec.title} has no fast tokenizer, so its tokens cannot be placed in a text.")
    tokenizer = orjson.loads(backend.to_str())
    # Without an embedding a token is no token of this model; its spelling is ordinary text then.
    vocabulary = int(bridge.cfg.d_vocab)
    tokenizer["added_tokens"] = [token for token in tokenizer["added_tokens"] if token["id"] < vocabulary]
    return orjson.dumps(tokenizer).decode()


def _statistics(spec: ModelSpec, runner: Runner) -> NeuronStatistics | None:
    if spec.folder is None:
        return None
    try:
        return NeuronStatistics.load(spec.folder, (runner.layers, runner.hook_widths[neuron_hook(0)]))
    except ModelLoadFailed as error:
        message = f"{spec.title} cannot be served: its neuron statistics are damaged or another model's."
        raise ModelLoadError(message, _first_line(error)) from error
