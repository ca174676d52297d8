"""Why a model cannot be loaded, in a clause that reveals nothing about the machine to clients.

The libraries' own messages may name files or list all known classes; they go to the operator, shortened.
"""

from __future__ import annotations

import importlib.metadata
import re
import textwrap
from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any

from huggingface_hub import constants
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
    StrictDataclassError,
)
from safetensors import SafetensorError
from transformer_lens.factories.architecture_adapter_factory import SUPPORTED_ARCHITECTURES
from transformer_lens.model_bridge.sources._hf_format import determine_architecture_from_hf_config
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from .catalog import ModelSpec
from .device_memory import is_out_of_memory

_QUANTISATIONS = {"awq": "AWQ", "fbgemm_fp8": "FP8", "gguf": "GGUF", "gptq": "GPTQ", "hqq": "HQQ", "torchao": "torchao"}
"""Names of methods that are not written simply in capitals or small letters."""
_LONGEST_DETAIL = 300

UNREADABLE = "its files are not those of a supported model"
"""Why a model does not load where nothing more is known."""


class Incomplete(Exception):
    """Weights with tensors missing."""


class Pickled(Exception):
    """Weights in a format that can run code when it is read."""


class NotSupported(Exception):
    """A model of a kind that cannot be read; the message is a clause that says why."""


def check_configuration(config: Mapping[str, Any]) -> None:
    """Refuses by its `config.json` a model that need not be tried.

    Raises:
        NotSupported: its weights are quantised, its architecture is not supported, or it is not a causal language
            model.
    """
    if (method := _quantisation(config)) is not None:
        raise NotSupported(f"{method} weights are not read")
    if "auto_map" in config:
        return  # it may name its own architecture, or one of the libraries'
    model_type = config.get("model_type")
    names = [name for name in config.get("architectures") or () if isinstance(name, str)]
    name = names[0] if names else f"models of the type {model_type!r}"
    if model_type not in CONFIG_MAPPING:
        lens_knows_it = bool(set(names) & SUPPORTED_ARCHITECTURES.keys())
        raise NotSupported(_not_supported("Transformers" if lens_knows_it else "TransformerLens", name))
    if config.get("is_encoder_decoder") or model_type not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        raise NotSupported(f"{name} is not a causal language model of text alone")
    try:
        determine_architecture_from_hf_config(  # type: ignore[no-untyped-call]
            SimpleNamespace(architectures=names, model_type=model_type)
        )
    except ValueError:
        raise NotSupported(_not_supported("TransformerLens", name)) from None


def _not_supported(library: str, name: str) -> str:
    version = importlib.metadata.version("transformer_lens" if library == "TransformerLens" else "transformers")
    return f"{library} {'.'.join(version.split('.')[:2])} does not support {textwrap.shorten(name, 80)}"


def _quantisation(config: Mapping[str, Any]) -> str | None:
    """What the weights are quantised with, if they are."""
    settings = config.get("quantization_config") or config.get("quantization")  # the latter is what MLX writes
    if not settings:
        return None
    method = settings.get("quant_method") if isinstance(settings, dict) else None
    if isinstance(method, str) and re.fullmatch(r"[\w-]{1,40}", method):
        return _QUANTISATIONS.get(method, method.upper() if re.search(r"\d", method) else method)
    if isinstance(settings, dict) and (settings.get("load_in_8bit") or settings.get("load_in_4bit")):
        return "bitsandbytes"
    return "quantised"


def configuration_not_supported(model: object) -> str:
    """Why a model does not load that Transformers has read and TransformerLens cannot wrap."""
    return _not_supported("TransformerLens", f"this configuration of {type(model).__name__}")


def reason(error: Exception, spec: ModelSpec) -> str | None:
    """Why a model does not load, where the error tells."""
    causes = list(_causes(error))

    def any_is(*kinds: type[BaseException]) -> bool:
        return any(isinstance(cause, kinds) for cause in causes)

    for cause in causes:
        if isinstance(cause, NotSupported):
            return str(cause)
        if is_out_of_memory(cause):
            return "there is not enough memory for it"
    said = " ".join(str(cause) for cause in causes)
    unreachable = spec.folder is None and (constants.HF_HUB_OFFLINE or any_is(LocalEntryNotFoundError))
    if any_is(Pickled) or (any_is(OSError) and "safetensors" in said and not unreachable):
        return "its weights are in a format that can run code when it is read; only safetensors files are read"
    if any_is(SafetensorError):
        return "its weights are damaged or incomplete"
    if "padding_idx" in said.lower():
        return "its embedding has no row for its padding token"
    if any_is(Incomplete) or "ignore_mismatched_sizes" in said:
        return "its weights do not fit its configuration"
    if "trust_remote_code" in said or "custom code" in said:
        return "it needs its own code to be run, which this server never does"
    if any_is(GatedRepoError):
        return "the Hugging Face Hub requires that you log in and accept its terms first"
    if any_is(RevisionNotFoundError):
        return "the Hugging Face Hub does not have this revision of it"
    if any_is(RepositoryNotFoundError):
        return "the Hugging Face Hub has no model with this name"
    if unreachable or any_is(HfHubHTTPError):
        return "the Hugging Face Hub cannot be reached, and its local cache does not hold it"
    if any_is(StrictDataclassError):
        return "its configuration is not valid"
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def first_line(error: BaseException) -> str:
    """An error as one line for the operator. Some of the libraries' messages list all known classes."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[0] if lines else type(error).__name__
    return textwrap.shorten(text, _LONGEST_DETAIL, placeholder=" ...").rstrip(".")
