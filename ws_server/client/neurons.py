"""Names of neurons, and the server's facts about them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypedDict

NeuronRef = str | Mapping[str, Any]
"""`"L3N42"`, `{"layer": 3, "neuron": 42}`, `{"hook": "blocks.3.hook_resid_post", "index": 7}` or any neuron's key."""

_MLP_KEY = re.compile(r"L(\d+)N(\d+)")


class TopNeuron(TypedDict):
    """One of the neurons that are highest at a token."""

    key: str
    layer: int
    neuron: int
    value: float | None
    ratio: float | None
    """Value over the neuron's statistical maximum, if that is known."""


class ChangedNeuron(TypedDict):
    """A neuron, and the token at which an edit changed it most."""

    key: str
    layer: int
    neuron: int
    token: int
    before: float
    after: float
    change: float
    ratio: float | None
    """Change over the neuron's statistical maximum, if that is known."""


def can_exist(key: str, model: Mapping[str, Any]) -> bool:
    """Whether a model may have this neuron, by its facts; false only if it certainly does not."""
    if match := _MLP_KEY.fullmatch(key):
        return bool(int(match[1]) < model["layers"] and int(match[2]) < model["neuronsPerLayer"])
    return key.partition("/")[0] in model["hooks"]
