"""Two ways to run a model's blocks and see what passes its hook points.

`BridgeTrunk` is TransformerLens's `TransformerBridge`, the reference: every hook point, any architecture that it
knows, one context at a time. `PlainTrunk` is the plain transformers model over the same parameters, hooked at the
very modules whose hook points the bridge aliases: it lacks the fixed price of Python that the bridge asks for each
pass (about 4 ms a layer were measured), and offers the neurons only. With most architectures it also takes several
contexts in one pass (see `packed.py`). All read and write the same KV caches.

In both, hooks are put in place once. Which of them deliver, and after which block the pass ends, is state of the
trunk, so one pass runs at a time.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import torch
from torch import nn
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
"""Hook points of a block that hold one vector a token; a model offers those of them that it has."""


class Trunk(Protocol):
    """Runs the blocks of a model."""

    @property
    def hooks(self) -> frozenset[str]:
        """The hook points that can deliver."""
        ...

    @property
    def takes_several(self) -> bool:
        """Whether one pass can hold more than one segment."""
        ...

    def run(self, segments: Sequence[Segment]) -> None:
        """One pass. Each segment's tokens are appended to its cache, and its rows are delivered to its sinks."""
        ...


class _PassEnd(Exception):
    """Raised behind the deepest block that is needed: neither later blocks nor logits are computed."""


class _Hooks:
    """The state that both trunks' hooks look at."""

    def __init__(self) -> None:
        self._segments: Sequence[Segment] = ()
        self._last_layer: int | None = None

    @contextmanager
    def armed(self, segments: Sequence[Segment]) -> Iterator[None]:
        self._segments = segments
        self._last_layer = max(segment.last_layer for segment in segments)
        try:
            with torch.no_grad():
                yield
        except _PassEnd:
            pass
        finally:
            self._segments, self._last_layer = (), None

    def deliver(self, name: str, tensor: torch.Tensor) -> None:
        if not any(name in segment.sinks for segment in self._segments):
            return
        alone = len(self._segments) == 1
        rows = tensor.reshape(-1, tensor.shape[-1]) if not alone or tensor.ndim == 3 else tensor
        at = 0
        for segment in self._segments:
            count = segment.tokens.shape[-1]
            if name in segment.sinks:
                segment.sinks[name](rows if alone else rows[at : at + count])
            at += count

    def end_after(self, layer: int) -> None:
        if layer == self._last_layer:
            raise _PassEnd


class BridgeTrunk:
    """Runs a `TransformerBridge`."""

    def __init__(self, bridge: TransformerBridge) -> None:
        self._bridge = bridge
        self._hooks = _Hooks()
        known = bridge.hook_dict
        names: list[str] = []
        for layer in range(bridge.cfg.n_layers):
            of_layer = [name for suffix in _HOOK_NAMES if (name := f"blocks.{layer}.{suffix}") in known]
            for name in of_layer:
                bridge.add_perma_hook(name, self._deliver(name))
            # After the others: a block's output is a hook point too, and is to be delivered before the pass ends.
            bridge.add_perma_hook(f"blocks.{layer}.hook_out", self._end_after(layer))
            names += of_layer
        self.names = names
        """The hook points in the model's order."""

    takes_several = False

    @property
    def hooks(self) -> frozenset[str]:
        return frozenset(self.names)

    def run(self, segments: Sequence[Segment]) -> None:
        (segment,) = segments
        with self._hooks.armed(segments):
            self._bridge(segment.tokens, past_key_values=segment.kv, return_type=None)

    def _deliver(self, name: str) -> Callable[..., None]:
        return lambda tensor, *, hook: self._hooks.deliver(name, tensor)

    def _end_after(self, layer: int) -> Callable[..., None]:
        return lambda tensor, *, hook: self._hooks.end_after(layer)


class Unmappable(Exception):
    """The bridge's hook points cannot be found in the plain model; the message says which."""


class PlainTrunk:
    """Runs the plain model under a bridge.

    Args:
        plain: a model of its own over the bridge's parameters; see `plain_twin`.
        bridge: tells which module's input each neuron's hook point is.

    Raises:
        Unmappable: a hook point is not simply the input of a module.
    """

    def __init__(self, plain: PreTrainedModel, bridge: TransformerBridge) -> None:
        self.model: Any = plain.base_model
        self._packing = False
        self._hooks = _Hooks()
        owners: dict[int, list[nn.Module]] = {}
        for module in plain.modules():
            for parameter in module.parameters(recurse=False):
                owners.setdefault(id(parameter), []).append(module)
        try:
            blocks = plain.get_submodule((bridge.adapter.component_mapping or {})["blocks"].name or "")
        except (AttributeError, KeyError) as error:
            raise Unmappable("the list of blocks") from error
        names: list[str] = []
        for layer in range(bridge.cfg.n_layers):
            name = neuron_hook(layer)
            module = _read_by(bridge, layer, owners)
            module.register_forward_pre_hook(self._deliver(name))
            blocks.get_submodule(str(layer)).register_forward_hook(self._end_after(layer))
            names.append(name)
        self._names = frozenset(names)

    @property
    def hooks(self) -> frozenset[str]:
        return self._names

    @property
    def takes_several(self) -> bool:
        return self._packing

    def use_packed_attention(self, wanted: bool) -> None:
        """Chooses between our attention, which several contexts can share, and the library's.

        Raises:
            ValueError: this architecture does not let its attention be chosen.
        """
        if wanted:
            check_packable(self.model.config)
        name = PACKED_ATTENTION if wanted else "eager"
        self.model.set_attn_implementation(name)
        if self.model.config._attn_implementation != name:
            raise ValueError("the attention of this architecture cannot be chosen")
        self._packing = wanted

    def use_quick_kernels(self, wanted: bool) -> None:
        """Chooses between our kernels and the library's; see `kernels.py`."""
        use_quick_kernels(self.model, wanted)

    def run(self, segments: Sequence[Segment]) -> None:
        with self._hooks.armed(segments):
            if self._packing and segments[0].kv is not None:
                run_packed(self.model, segments)
            else:
                (segment,) = segments
                self.model(input_ids=segment.tokens, past_key_values=segment.kv, use_cache=segment.kv is not None)

    def _deliver(self, name: str) -> Callable[..., None]:
        return lambda module, inputs: self._hooks.deliver(name, inputs[0])

    def _end_after(self, layer: int) -> Callable[..., None]:
        return lambda module, inputs, output: self._hooks.end_after(layer)


def plain_twin(model: PreTrainedModel) -> PreTrainedModel:
    """A second model over the very same parameters and buffers; costs no memory worth naming.

    To be made before a bridge takes `model` over, for that exchanges its modules.
    """
    shared = {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())}
    twin: PreTrainedModel = copy.deepcopy(model, shared)
    twin.config.output_attentions = False  # wanted by the bridge, for hooks that the twin has not
    twin.train(False)
    return twin


def _read_by(bridge: TransformerBridge, layer: int, owners: Mapping[int, list[nn.Module]]) -> nn.Module:
    """The plain model's module that reads a layer's neurons."""
    name = neuron_hook(layer)
    reader = getattr(getattr(bridge.blocks[layer], "mlp", None), "out", None)
    if reader is None or bridge.get_hook_point(name) is not reader.hook_in:
        raise Unmappable(name)
    weight = getattr(reader.original_component, "weight", None)
    modules = owners.get(id(weight), [])
    if len(modules) != 1:
        raise Unmappable(name)
    return modules[0]
