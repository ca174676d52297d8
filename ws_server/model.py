"""A loaded model as a session sees it: its facts, its tokenizer, and the names of its neurons."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from .document.tokenizer import ContextRule, Tokenizer
from .engine.commands import LoadedModel, Unit, hook_layer, neuron_hook
from .errors import InvalidParams
from .protocol.codec import shortest
from .protocol.messages import HookIndex, LayerNeuron, ModelInfo, Neuron, NeuronStatistics

_NEURON_KEY = re.compile(r"L([0-9]{1,9})N([0-9]{1,9})")
_UNIT_KEY = re.compile(r"(\S+)/([0-9]{1,9})")


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A model in use, shared by all of its sessions."""

    id: str
    loaded: LoadedModel
    tokenizer: Tokenizer

    @classmethod
    def of(cls, model_id: str, loaded: LoadedModel) -> ServedModel:
        rule = ContextRule(loaded.context_tokens, loaded.bos)
        return cls(model_id, loaded, Tokenizer(loaded.tokenizer_json, rule))

    def info(self) -> ModelInfo:
        loaded = self.loaded
        return {
            "id": self.id,
            "revision": loaded.revision,
            "architecture": loaded.architecture,
            "layers": loaded.layers,
            "neuronsPerLayer": loaded.neurons_per_layer,
            "contextTokens": loaded.context_tokens,
            "vocabulary": loaded.vocabulary,
            "dtype": loaded.dtype,
            "device": loaded.device,
            "prependsBos": loaded.bos is not None,
            "hooks": list(loaded.hook_widths),
            "hasStatistics": loaded.statistics is not None,
        }

    def has(self, unit: Unit) -> bool:
        hook, index = unit
        return index < self.loaded.hook_widths.get(hook, 0)

    def resolve(self, reference: str | LayerNeuron | HookIndex, member: str) -> Unit:
        """The unit that a reference names.

        Raises:
            InvalidParams: it is not a reference, or this model has no such unit; names `member` and the reference.
        """
        unit: Unit
        if isinstance(reference, HookIndex):
            unit = reference.hook, reference.index
        elif isinstance(reference, LayerNeuron):
            unit = neuron_hook(reference.layer), reference.neuron
        elif match := _NEURON_KEY.fullmatch(reference):
            unit = neuron_hook(int(match[1])), int(match[2])
        elif match := _UNIT_KEY.fullmatch(reference):
            unit = match[1], int(match[2])
        else:
            raise InvalidParams(
                f"{reference!r} is not a neuron; write it as L3N42 (layer 3, neuron 42).",
                member=member,
                neuron=reference,
            )
        if not self.has(unit):
            raise InvalidParams(self._why_not(unit), member=member, neuron=self.key(unit))
        return unit

    def key(self, unit: Unit) -> str:
        """The wire name of a unit, known to this model or not."""
        hook, index = unit
        try:
            layer = hook_layer(hook)
        except ValueError:
            return f"{hook}/{index}"
        return f"L{layer}N{index}" if hook == neuron_hook(layer) else f"{hook}/{index}"

    def describe(self, unit: Unit) -> Neuron:
        hook, index = unit
        layer = hook_layer(hook)
        statistics = self.loaded.statistics if hook == neuron_hook(layer) else None
        return {
            "key": self.key(unit),
            "layer": layer,
            "neuron": index,
            "hook": hook,
            "statistics": _shown(statistics.of(layer, index)) if statistics is not None else None,
        }

    def _why_not(self, unit: Unit) -> str:
        hook, _ = unit
        widths = self.loaded.hook_widths
        if hook in widths:
            return f"{self.key(unit)} does not exist: {self.id} has neurons 0 to {widths[hook] - 1} there."
        match = re.fullmatch(r"blocks\.(\d+)\.mlp\.hook_post", hook)
        if match:
            return f"{self.key(unit)} does not exist: {self.id} has layers 0 to {self.loaded.layers - 1}."
        return f"{self.id} has no hook point {hook!r} that can be subscribed to; see `hooks` of its ModelInfo."


def _shown(statistics: Mapping[str, Any]) -> NeuronStatistics:
    """Statistics with every number in the wire's form of a float32."""
    return cast(
        "NeuronStatistics",
        {
            name: {level: shortest(one) for level, one in value.items()} if name == "quantiles" else shortest(value)
            for name, value in statistics.items()
        },
    )
