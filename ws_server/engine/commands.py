"""What is asked of an engine and what it answers: plain data that crosses a process border.

A *unit* is one component of one hook point, `("blocks.3.mlp.hook_post", 42)`; a neuron is the commonest kind.
Times are seconds of `time.monotonic`, which all processes of a machine share.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .statistics import NeuronStatistics

IntArray = np.ndarray[Any, np.dtype[np.int64]]
FloatMatrix = np.ndarray[Any, np.dtype[np.float32]]

Key = tuple[str, str]
"""Whose computed state: a session and the name of its document."""
Unit = tuple[str, int]
"""A hook point and an index into its last axis."""

_HOOK = re.compile(r"blocks\.(\d+)\.\S+")


def neuron_hook(layer: int) -> str:
    """The hook point of a layer's neurons: the activation after the nonlinearity; in a gated MLP its product with
    the gate, which is what the down projection reads."""
    return f"blocks.{layer}.mlp.hook_post"


def hook_layer(hook: str) -> int:
    """The layer of a hook point of a block.

    Raises:
        ValueError: the hook point belongs to no block.
    """
    match = _HOOK.fullmatch(hook)
    if match is None:
        raise ValueError(f"{hook!r} is no hook point of a block")
    return int(match[1])


# ------------------------------------------------------------------------------------ asked


@dataclass(frozen=True, slots=True)
class Need:
    """Values of `units` are wanted from token `start` of a context on."""

    start: int
    units: tuple[Unit, ...]


@dataclass(frozen=True, slots=True)
class ContextTarget:
    """One context of a document: all its token ids, BOS included, and which values of it are wanted."""

    ids: IntArray  # [tokens]
    needs: tuple[Need, ...]


@dataclass(frozen=True, slots=True)
class Evaluate:
    """Bring a document's contexts up to date; replaces whatever was asked for the same key before."""

    key: Key
    serial: int
    contexts: tuple[ContextTarget, ...]
    submitted: float
    alone: bool = False
    """Whether its passes are to be for no other document: it is suspected of being what a worker died of."""


@dataclass(frozen=True, slots=True)
class Probe:
    """Find the `k` highest neurons of `layers` at the last of `ids`, in context number `context` of a document."""

    key: Key
    ticket: int
    context: int
    ids: IntArray  # [tokens], up to and with the token in question
    layers: tuple[int, ...]
    k: int
    by_ratio: bool


@dataclass(frozen=True, slots=True)
class ContextPair:
    """A context, what it was before, and which of its tokens stood there too."""

    context: int
    """Its number in the document."""
    old_ids: IntArray  # [old tokens], up to and with the last that is compared
    new_ids: IntArray  # [new tokens], likewise
    old_at: IntArray  # [compared], indices into `old_ids`
    new_at: IntArray  # [compared], indices into `new_ids`


@dataclass(frozen=True, slots=True)
class Compare:
    """Find the `k` neurons of `layers` whose value at one of the compared tokens differs most from what it was; as a
    share of the neuron's statistical maximum where `by_ratio` is set. Comes after the key's evaluation."""

    key: Key
    ticket: int
    pairs: tuple[ContextPair, ...]
    layers: tuple[int, ...]
    k: int
    by_ratio: bool


@dataclass(frozen=True, slots=True)
class Withdraw:
    """The answer to a probe or a comparison is not wanted any more."""

    key: Key
    ticket: int


@dataclass(frozen=True, slots=True)
class Hold:
    """Rest with a key's evaluation until the next one; what is computed stays."""

    key: Key


@dataclass(frozen=True, slots=True)
class Forget:
    """Drop what was computed for a key."""

    key: Key


Command = Evaluate | Probe | Compare | Withdraw | Hold | Forget


@dataclass(frozen=True, slots=True)
class Ping:
    """Asks a worker for a sign of life, which it gives between two steps."""

    key: Key = ("", "")


@dataclass(frozen=True, slots=True)
class SetBudget:
    """Tells a worker how much computed state it may keep from now on."""

    bytes: int
    """Its share of the server's budget."""
    models: int
    """How many models share it, and the device."""
    key: Key = ("", "")


ToWorker = Command | Ping | SetBudget

# ------------------------------------------------------------------------------------ answered


@dataclass(frozen=True, slots=True)
class Values:
    """Values of `units` at tokens `[start, start + count)` of one context."""

    key: Key
    serial: int
    context: int
    start: int
    units: tuple[Unit, ...]
    data: FloatMatrix  # [units, count]


@dataclass(frozen=True, slots=True)
class Finished:
    """Everything that evaluation `serial` asked for has been answered; the sums cover all merged evaluations."""

    key: Key
    serial: int
    computed_tokens: int
    reused_tokens: int
    forward_passes: int
    queue_seconds: float
    forward_seconds: float


@dataclass(frozen=True, slots=True)
class TopUnit:
    layer: int
    neuron: int
    value: float
    ratio: float | None


@dataclass(frozen=True, slots=True)
class Probed:
    key: Key
    ticket: int
    top: tuple[TopUnit, ...]


@dataclass(frozen=True, slots=True)
class ChangedUnit:
    """A neuron, and the token at which it changed most: token `token` of context `context`."""

    layer: int
    neuron: int
    context: int
    token: int
    before: float
    after: float
    ratio: float | None


@dataclass(frozen=True, slots=True)
class Compared:
    key: Key
    ticket: int
    changed: tuple[ChangedUnit, ...]


@dataclass(frozen=True, slots=True)
class Failed:
    """The work for a key broke; `serial` or `ticket` says which. The key's state is intact or dropped."""

    key: Key
    message: str
    serial: int | None = None
    ticket: int | None = None


Result = Values | Finished | Probed | Compared | Failed


@dataclass(frozen=True, slots=True)
class PassReport:
    """One forward pass, for the operator's metrics."""

    documents: int
    tokens: int
    seconds: float


@dataclass(frozen=True, slots=True)
class AtWork:
    """A forward pass for these documents begins; they are the suspects if nothing is heard any more."""

    keys: tuple[Key, ...]


@dataclass(frozen=True, slots=True)
class Pong:
    """The sign of life."""


@dataclass(frozen=True, slots=True)
class StepReport:
    """What one step of an engine gave."""

    results: tuple[Result, ...]
    forward_pass: PassReport | None
    cache_bytes: int


# ------------------------------------------------------------------------------------ told while loading


@dataclass(frozen=True, slots=True)
class LoadProgress:
    percentage: int
    message: str


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """What the server needs to know of a model that is ready."""

    architecture: str
    revision: str | None
    layers: int
    context_tokens: int
    vocabulary: int
    dtype: str
    device: str
    bos: int | None
    hook_widths: Mapping[str, int]
    """Hook points that can be captured, and the length of their last axis."""
    tokenizer_json: str
    statistics: NeuronStatistics | None
    notes: tuple[str, ...] = ()
    """What the operator should know of how this model is served; one sentence each."""

    @property
    def neurons_per_layer(self) -> int:
        return self.hook_widths[neuron_hook(0)]


@dataclass(frozen=True, slots=True)
class LoadFailed:
    """Why a model cannot be had: a sentence for clients, and for the operator what the libraries said of it."""

    message: str
    detail: str = ""


LoadingNews = LoadProgress | LoadedModel | LoadFailed
