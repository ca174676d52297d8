"""The engine's commands and results: plain data that is sent between processes.

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
"""A document: the session, and the document's name in it."""
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
        ValueError: the hook point does not belong to a block.
    """
    match = _HOOK.fullmatch(hook)
    if match is None:
        raise ValueError(f"{hook!r} is not a hook point of a block")
    return int(match[1])


# ------------------------------------------------------------------------------------ commands


@dataclass(frozen=True, slots=True)
class Need:
    """The values of `units` from token `start` of a context on are wanted."""

    start: int
    units: tuple[Unit, ...]


@dataclass(frozen=True, slots=True)
class ContextTarget:
    """One context of a document: all its token ids, BOS included, and which of its values are wanted."""

    ids: IntArray  # [tokens]
    needs: tuple[Need, ...]


@dataclass(frozen=True, slots=True)
class Evaluate:
    """Brings a document's contexts up to date; replaces an earlier evaluation of the same key."""

    key: Key
    serial: int
    contexts: tuple[ContextTarget, ...]
    submitted: float
    alone: bool = False
    """Whether its passes must not include other documents: it may be what killed a worker."""


@dataclass(frozen=True, slots=True)
class Probe:
    """Finds the `k` highest neurons of `layers` at the last of `ids`, in context number `context` of a document."""

    key: Key
    ticket: int
    context: int
    ids: IntArray  # [tokens], up to and with the token in question
    layers: tuple[int, ...]
    k: int
    by_ratio: bool


@dataclass(frozen=True, slots=True)
class ContextPair:
    """A context now and as it was, and which tokens correspond."""

    context: int
    """Its index in the document."""
    old_ids: IntArray  # [old tokens], up to and with the last that is compared
    new_ids: IntArray  # [new tokens], likewise
    old_at: IntArray  # [compared], indices into `old_ids`
    new_at: IntArray  # [compared], indices into `new_ids`


@dataclass(frozen=True, slots=True)
class Compare:
    """Finds the `k` neurons of `layers` whose value at one of the compared tokens differs most from what it was; with
    `by_ratio`, as a share of the neuron's statistical maximum. Comes after the key's evaluation."""

    key: Key
    ticket: int
    pairs: tuple[ContextPair, ...]
    layers: tuple[int, ...]
    k: int
    by_ratio: bool


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Drops a probe or a comparison, whose answer is no longer wanted."""

    key: Key
    ticket: int


@dataclass(frozen=True, slots=True)
class Hold:
    """Suspends a key's evaluation until the next one; what is computed stays."""

    key: Key


@dataclass(frozen=True, slots=True)
class Forget:
    """Drops what was computed for a key, and its questions."""

    key: Key


Command = Evaluate | Probe | Compare | Withdraw | Hold | Forget


@dataclass(frozen=True, slots=True)
class Ping:
    """Checks that a worker is alive: it answers with a `Pong` between two steps."""

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

# ------------------------------------------------------------------------------------ results


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
    """All values of evaluation `serial` have been sent; the sums cover the evaluations that it replaced, too."""

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
    """An evaluation (`serial`) or a question (`ticket`) failed. The key's computed state is intact or dropped."""

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
    """A forward pass for these documents begins. If the worker dies in it, one of them may be the cause."""

    keys: tuple[Key, ...]


@dataclass(frozen=True, slots=True)
class Pong:
    """The answer to a `Ping`."""


@dataclass(frozen=True, slots=True)
class StepReport:
    """The results of one step of an engine."""

    results: tuple[Result, ...]
    forward_pass: PassReport | None
    cache_bytes: int


# ------------------------------------------------------------------------------------ loading


@dataclass(frozen=True, slots=True)
class LoadProgress:
    percentage: int
    message: str


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """What the server needs to know about a model that is ready."""

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
    """What the operator should know about how this model is served; one sentence each."""

    @property
    def neurons_per_layer(self) -> int:
        return self.hook_widths[neuron_hook(0)]


@dataclass(frozen=True, slots=True)
class LoadFailed:
    """Why a model cannot be loaded: a sentence for clients, and for the operator what the libraries report."""

    message: str
    detail: str = ""


LoadingNews = LoadProgress | LoadedModel | LoadFailed
