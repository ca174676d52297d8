"""The plain transformers model, hooked at the modules that TransformerLens's hook points name.

TransformerLens's `TransformerBridge` wraps every module of a model in a component of its own. Its hook points are the
inputs and outputs of those components, so each is the input or output of a module of the plain model as well. We take
the names and their places from the bridge and every value from the plain model: the weights were trained with it, each
pass avoids the bridge's cost (about 4 ms per layer, measured), and with most architectures one pass can take several
contexts (see `packed.py`).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils.hooks import RemovableHandle
from transformer_lens.model_bridge import TransformerBridge
from transformers import PreTrainedModel

from .commands import neuron_hook
from .kernels import use_quick_kernels
from .packed import PACKED_ATTENTION, Segment, check_packable, run_packed

_HOOK_NAMES = (
    "mlp.hook_post",
    "mlp.hook_pre",
    "hook_mlp_out",
    "hook_attn_out",
    "hook_resid_pre",
    "hook_resid_mid",
    "hook_resid_post",
)
"""Hook points of a block that hold one vector per token; a model may lack some."""

_WRAPPED = "_original_component"
"""The attribute of a bridge component that holds the wrapped module."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a hook point is in the plain model."""

    module: nn.Module
    is_input: bool

    def watch(self, see: Callable[[torch.Tensor], None]) -> RemovableHandle:
        """Calls `see` with the tensor of each pass until the handle is removed."""
        if self.is_input:
            return self.module.register_forward_pre_hook(
                lambda module, args, kwargs: see(args[0] if args else kwargs["hidden_states"]), with_kwargs=True
            )
        return self.module.register_forward_hook(
            lambda module, args, output: see(output[0] if isinstance(output, (tuple, list)) else output)
        )


class Unmappable(Exception):
    """The bridge's blocks cannot be found in the plain model."""


class _PassEnd(Exception):
    """Raised after the deepest block that is needed: neither later blocks nor logits are computed."""


class Trunk:
    """Runs the blocks of a model.

    Args:
        plain: a separate model over the bridge's parameters; see `plain_twin`.
        bridge: says which hook points there are, and the input or output of which module each is.

    Attributes:
        names: the hook points that were found, in the model's order.
        takes_several: whether one pass can hold more than one segment.

    Raises:
        Unmappable: the blocks were not found.
    """

    def __init__(self, plain: PreTrainedModel, bridge: TransformerBridge) -> None:
        self.model: Any = plain.base_model
        self.takes_several = False
        self._blocks, self._places = _find_places(plain, bridge)
        self.names = tuple(self._places)

    def use_packed_attention(self) -> None:
        """Uses our attention, which several contexts can share.

        Raises:
            ValueError: our attention cannot replace that of this architecture.
        """
        check_packable(self.model.config)
        self._use_attention(PACKED_ATTENTION)
        if self.model.config._attn_implementation != PACKED_ATTENTION:
            raise ValueError("the attention of this architecture cannot be chosen")
        self.takes_several = True

    def use_library_attention(self) -> None:
        """Uses the library's eager attention, which knows every option of an architecture."""
        self.takes_several = False
        self._use_attention("eager")

    def _use_attention(self, name: str) -> None:
        if self.model.config._attn_implementation != name:
            self.model.set_attn_implementation(name)

    def use_quick_kernels(self, wanted: bool) -> None:
        """Chooses between our kernels and the library's; see `kernels.py`."""
        use_quick_kernels(self.model, wanted)

    def run(self, segments: Sequence[Segment]) -> None:
        """One pass. Each segment's tokens are appended to its cache, and its rows are delivered to its sinks."""
        names = dict.fromkeys(name for segment in segments for name in segment.sinks)
        handles = [self._places[name].watch(_deliver(name, segments)) for name in names]
        # Last: a block's output may be a hook point too, and has to be delivered before the pass ends.
        last_layer = max(segment.last_layer for segment in segments)
        handles.append(self._blocks[last_layer].register_forward_hook(_end_pass))
        try:
            with torch.no_grad():
                self._forward(segments)
        except _PassEnd:
            pass
        finally:
            for handle in handles:
                handle.remove()

    def _forward(self, segments: Sequence[Segment]) -> None:
        if self.takes_several:
            run_packed(self.model, segments)
        else:
            (segment,) = segments
            self.model(input_ids=segment.tokens, past_key_values=segment.kv, use_cache=segment.kv is not None)


def plain_twin(model: PreTrainedModel) -> PreTrainedModel:
    """A second model over the same parameters and buffers; it takes almost no memory.

    It must be made before a bridge wraps `model`, which replaces the model's modules.
    """
    shared = {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())}
    twin: PreTrainedModel = copy.deepcopy(model, shared)
    twin.config.output_attentions = False  # only the bridge needs them
    twin.train(False)
    return twin


def _deliver(name: str, segments: Sequence[Segment]) -> Callable[[torch.Tensor], None]:
    """Gives each segment its rows of a hook point."""

    def deliver(tensor: torch.Tensor) -> None:
        rows = tensor.reshape(-1, tensor.shape[-1])  # [tokens of all segments, width]
        at = 0
        for segment in segments:
            count = segment.tokens.shape[-1]
            if name in segment.sinks:
                segment.sinks[name](rows[at : at + count])
            at += count

    return deliver


def _end_pass(module: nn.Module, args: object, output: object) -> None:
    raise _PassEnd


# ------------------------------------------------------------------------------------ at load


def _find_places(plain: PreTrainedModel, bridge: TransformerBridge) -> tuple[list[nn.Module], dict[str, _Place]]:
    """The blocks, and the places of those hook points that are the input or output of a module."""
    try:
        path = (bridge.adapter.component_mapping or {})["blocks"].name or ""
        blocks = [plain.get_submodule(f"{path}.{layer}") for layer in range(bridge.cfg.n_layers)]
    except (AttributeError, KeyError) as error:
        raise Unmappable from error
    places: dict[str, _Place] = {}
    for layer, block in enumerate(blocks):
        ends = _ends(bridge.blocks[layer])
        for suffix in _HOOK_NAMES:
            name = f"blocks.{layer}.{suffix}"
            end = ends.get(id(bridge.hook_dict.get(name)))
            if end is None or not (name != neuron_hook(layer) or end[1]):
                continue
            try:
                places[name] = _Place(block.get_submodule(end[0]), end[1])
            except AttributeError:
                continue  # a part that the bridge has added
    return blocks, places


def _ends(block: nn.Module) -> Mapping[int, tuple[str, bool]]:
    """By the identity of the hook point: the path of the module in its block, and whether it is its input."""

    def plain_path(path: str) -> str:
        return ".".join(part for part in path.split(".") if part != _WRAPPED)

    components: Iterable[tuple[str, nn.Module]] = block.named_modules()
    return {
        id(hook_point): (plain_path(path), end == "hook_in")
        for path, component in components
        for end in ("hook_in", "hook_out")
        if (hook_point := getattr(component, end, None)) is not None
    }
