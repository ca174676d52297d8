"""The wire types of protocol version 1.

What a client sends is validated: frozen pydantic models, camelCase on the wire, unknown members ignored so
that later versions can add some. What the server sends is built by typed code and only described here: typed
dictionaries, checked by mypy, cheap enough for lists of thousands of tokens. `METHODS` at the end ties both
to method names; the OpenRPC document and the TypeScript types are generated from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel
from typing_extensions import NotRequired, TypedDict

from .. import errors

PROTOCOL_VERSION = 1

PositionEncoding = Literal["utf-16", "utf-32"]
ActivationEncoding = Literal["json", "base64"]
RequestId = str | int | float | None
Natural = Annotated[int, Field(ge=0)]
Version = Annotated[int, Field(ge=-(2**53), le=2**53, description="A document's version; grows with each change.")]
Uri = Annotated[
    str,
    StringConstraints(min_length=1, max_length=4096),
    Field(description="The client's name for a document."),
]

# ------------------------------------------------------------------------------------ client -> server

# A frame has room for millions of items, and for names of megabytes. Validating such a list would take minutes, to the
# disadvantage of all, and what is not understood is named in the answer.
Name = Annotated[str, StringConstraints(max_length=1024)]
ProgressToken = Name | int
_T = TypeVar("_T")
ManyOf = Annotated[list[_T], Field(max_length=10_000, fail_fast=True)]
FewOf = Annotated[list[_T], Field(max_length=1000, fail_fast=True)]


class Params(BaseModel):
    """Base of everything a client sends."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", alias_generator=to_camel, populate_by_name=True)


class NoParams(Params):
    """A method without parameters."""


class ClientInfo(Params):
    """Who connects; for the log."""

    name: Annotated[str, StringConstraints(max_length=256)]
    version: Annotated[str, StringConstraints(max_length=256)] | None = None


class Resume(Params):
    """The session of a dropped connection, and the secret that `initialize` returned with it."""

    session: Name
    resume_token: Name


class InitializeParams(Params):
    protocol_version: int
    client: ClientInfo
    position_encodings: Annotated[
        FewOf[Name], Field(description="Known encodings, the preferred first; default utf-16.")
    ] = []
    activation_encodings: Annotated[
        FewOf[Name], Field(description="Known encodings, the preferred first; default json.")
    ] = []
    resume: Resume | None = None
    work_done_token: Annotated[
        ProgressToken | None, Field(description="Token of the `$/progress` told while the model still loads.")
    ] = None


class ModelLoadParams(Params):
    model: Annotated[Name, Field(description="A `ModelSummary.id`.")]
    work_done_token: Annotated[ProgressToken | None, Field(description="Token of the load's `$/progress`.")] = None


class DocumentOpenParams(Params):
    uri: Uri
    version: Version
    text: str


class Change(Params):
    """Replace `[from, to)` by `insert`; offsets in the document before the message, in the negotiated unit."""

    start: Annotated[Natural, Field(alias="from")]
    stop: Annotated[Natural, Field(alias="to")]
    insert: str


class DocumentChangeParams(Params):
    uri: Uri
    version: Version
    changes: ManyOf[Change]


class DocumentCloseParams(Params):
    uri: Uri


class LayerNeuron(Params):
    """Neuron `neuron` of layer `layer` at `blocks.{layer}.mlp.hook_post`."""

    layer: Natural
    neuron: Natural


class HookIndex(Params):
    """Component `index` of a TransformerLens hook point."""

    hook: Name
    index: Natural


NeuronRef = Annotated[
    Name | LayerNeuron | HookIndex,
    Field(union_mode="left_to_right", description="`L3N42`, `{layer, neuron}`, `{hook, index}` or any neuron's key."),
]


class NeuronsParams(Params):
    neurons: ManyOf[NeuronRef]


class NeuronsTopParams(Params):
    uri: Uri
    token: Annotated[Natural, Field(description="Index into the document's token list.")]
    k: Annotated[int, Field(ge=1, le=1000)]
    layers: Annotated[FewOf[Natural] | None, Field(description="Layers to look at; all when absent.")] = None
    by: Annotated[
        Literal["activation", "ratio"],
        Field(description="Rank by value, or by value over the neuron's statistical maximum."),
    ] = "activation"


class NeuronsChangedParams(Params):
    uri: Uri
    k: Annotated[int, Field(ge=1, le=1000)]
    since: Annotated[
        Version | None, Field(description="The version to compare with; the last but one when absent.")
    ] = None
    layers: Annotated[FewOf[Natural] | None, Field(description="Layers to look at; all when absent.")] = None
    by: Annotated[
        Literal["activation", "ratio"],
        Field(description="Rank by change, or by change over the neuron's statistical maximum."),
    ] = "activation"


class CancelParams(Params):
    id: str | int | float


# ------------------------------------------------------------------------------------ server -> client

NullableFloat = float | None


class NeuronStatistics(TypedDict):
    """A neuron's activations over held-out text, BOS positions left out."""

    max: float
    min: float
    mean: float
    std: float
    density: Annotated[float, Field(description="Fraction of tokens above 0.")]
    quantiles: Annotated[dict[str, float], Field(description="Level, such as `0.99`, to value.")]


class Neuron(TypedDict):
    key: Annotated[str, Field(description="`L3N42`, or `{hook}/{index}` away from `mlp.hook_post`.")]
    layer: int
    neuron: int
    hook: str
    statistics: NeuronStatistics | None


class ModelSummary(TypedDict):
    id: str
    title: str
    description: NotRequired[str]
    loaded: bool
    default: bool


class ModelInfo(TypedDict):
    """What decides a value, so that others can reproduce it."""

    id: str
    revision: Annotated[str | None, Field(description="Resolved commit on the Hub; null for a local folder.")]
    architecture: str
    layers: int
    neuronsPerLayer: int
    contextTokens: int
    vocabulary: int
    dtype: str
    device: str
    prependsBos: bool
    hooks: Annotated[list[str], Field(description="Hook points that can be subscribed to.")]
    hasStatistics: bool
    dropped: NotRequired[Annotated[list[str], Field(description="Keys that this model does not have.")]]


class ServerInfo(TypedDict):
    name: str
    version: str


class OpenDocument(TypedDict):
    uri: str
    version: int
    length: Annotated[int, Field(description="In the negotiated position encoding.")]


class LimitsInfo(TypedDict):
    sessions: int
    sessionsPerAddress: NotRequired[int]
    frameBytes: int
    documents: int
    documentCharacters: int
    documentTokens: int
    subscriptions: int
    messagesPerSecond: int
    cacheBytes: NotRequired[Annotated[int, Field(description="Memory for the computed state of one model.")]]
    modelsLoaded: NotRequired[Annotated[int, Field(description="Models in memory at once.")]]
    idleSeconds: NotRequired[
        Annotated[float, Field(description="How long a connection may say nothing; 0 where it may for ever.")]
    ]


class InitializeResult(TypedDict):
    protocolVersion: int
    server: ServerInfo
    session: str
    resumeToken: str
    resumed: bool
    positionEncoding: PositionEncoding
    activationEncoding: ActivationEncoding
    models: list[ModelSummary]
    model: ModelInfo | None
    subscriptions: list[Neuron]
    documents: list[OpenDocument]
    limits: LimitsInfo


class ModelsListResult(TypedDict):
    models: list[ModelSummary]


class DocumentOpenResult(TypedDict):
    uri: str
    version: Annotated[int, Field(description="The version that was tokenised.")]
    tokenCount: int


class EmptyResult(TypedDict):
    pass


class NeuronsResult(TypedDict):
    neurons: Annotated[list[Neuron], Field(description="All subscribed now, in row order.")]


class TopNeuron(TypedDict):
    key: str
    layer: int
    neuron: int
    value: NullableFloat
    ratio: Annotated[NullableFloat, Field(description="Value over the statistical maximum, if that is known.")]


class NeuronsTopResult(TypedDict):
    version: int
    token: int
    neurons: list[TopNeuron]


class ChangedNeuron(TypedDict):
    """A neuron, and the token at which it changed most."""

    key: str
    layer: int
    neuron: int
    token: int
    before: float
    after: float
    change: float
    ratio: Annotated[NullableFloat, Field(description="Change over the statistical maximum, if that is known.")]


class NeuronsChangedResult(TypedDict):
    version: int
    previousVersion: Annotated[int | None, Field(description="What was compared with; null where nothing is known.")]
    layers: Annotated[list[int], Field(description="The layers that were compared.")]
    comparedTokens: Annotated[int, Field(description="Tokens that stand in both versions after what differs.")]
    neurons: list[ChangedNeuron]


Token = TypedDict(
    "Token",
    {
        "id": int,
        "text": Annotated[str, Field(description="Decoded; U+FFFD for bytes that are no character alone.")],
        "from": int,
        "to": int,
        "special": NotRequired[Annotated[Literal[True], Field(description="Added by the server (BOS).")]],
        "segment": NotRequired[Annotated[Literal[True], Field(description="First token of a new context.")]],
    },
)


class DocumentTokens(TypedDict):
    """A splice: remove `deleteCount` tokens at `start`, insert `tokens`, add `shift` to all spans after them."""

    uri: str
    version: int
    start: int
    deleteCount: int
    tokens: list[Token]
    shift: int
    tokenCount: int


class DocumentResync(TypedDict):
    """The server no longer follows this document: open it again."""

    uri: str
    reason: str


class Base64Values(TypedDict):
    dtype: Literal["float32"]
    shape: Annotated[list[int], Field(description="[rows, count]", min_length=2, max_length=2)]
    data: Annotated[str, Field(description="Little-endian float32, row by row, in base64.")]


class ActivationsUpdate(TypedDict):
    """The values of `neurons` at tokens `[start, start + count)`, one row a neuron."""

    uri: str
    version: int
    start: int
    count: int
    neurons: list[str]
    values: list[list[NullableFloat]] | Base64Values


class Timing(TypedDict):
    """Milliseconds from the arrival of the oldest change that this version answers."""

    queueMs: float
    tokenizeMs: float
    forwardMs: float
    totalMs: float
    firstUpdateMs: NotRequired[Annotated[float, Field(description="Until the first values were sent.")]]


class ActivationsDone(TypedDict):
    """Every subscribed neuron of every token of `version` has been sent."""

    uri: str
    version: int
    computedTokens: int
    reusedTokens: int
    forwardPasses: int
    timing: Timing


class ProgressValue(TypedDict):
    kind: Literal["begin", "report", "end"]
    title: NotRequired[str]
    message: NotRequired[str]
    percentage: NotRequired[int]


class Progress(TypedDict):
    token: str | int
    value: ProgressValue


class ErrorNotification(TypedDict):
    """A notification of the client's could not be acted on."""

    method: str
    code: int
    message: str
    data: NotRequired[dict[str, Any]]


FloatMatrix = np.ndarray[Any, np.dtype[np.float32]]

# ------------------------------------------------------------------------------------ the table


@dataclass(frozen=True, slots=True)
class Method:
    """One row of the protocol: who sends it, what it carries, what it answers, how it fails."""

    name: str
    kind: Literal["request", "notification", "server notification"]
    params: Any
    summary: str
    result: Any = None
    errors: tuple[type[errors.RequestError], ...] = ()


_COMMON = (errors.InvalidParams, errors.NotInitialized)

METHODS: Mapping[str, Method] = {
    method.name: method
    for method in (
        Method(
            "initialize",
            "request",
            InitializeParams,
            "Begins the conversation, or takes a dropped one up again; waits for the model.",
            InitializeResult,
            (
                errors.InvalidParams,
                errors.InvalidRequest,
                errors.ModelLoadFailed,
                errors.LimitExceeded,
                errors.Overloaded,
            ),
        ),
        Method("models/list", "request", NoParams, "The models a session can choose.", ModelsListResult, _COMMON),
        Method(
            "model/load",
            "request",
            ModelLoadParams,
            "Gives this session another model and evaluates its documents again.",
            ModelInfo,
            (*_COMMON, errors.UnknownModel, errors.ModelLoadFailed, errors.LimitExceeded, errors.RequestCancelled),
        ),
        Method(
            "document/open",
            "request",
            DocumentOpenParams,
            "Opens a document, or replaces its text; all its tokens and values follow.",
            DocumentOpenResult,
            (*_COMMON, errors.LimitExceeded, errors.RequestCancelled),
        ),
        Method(
            "document/close",
            "request",
            DocumentCloseParams,
            "Forgets a document.",
            EmptyResult,
            (*_COMMON, errors.UnknownDocument),
        ),
        Method(
            "neurons/subscribe",
            "request",
            NeuronsParams,
            "Adds neurons, all or none; their values follow for every open document.",
            NeuronsResult,
            (*_COMMON, errors.LimitExceeded),
        ),
        Method(
            "neurons/unsubscribe",
            "request",
            NeuronsParams,
            "Removes neurons, all or none.",
            NeuronsResult,
            _COMMON,
        ),
        Method(
            "neurons/top",
            "request",
            NeuronsTopParams,
            "The neurons that are highest at one token.",
            NeuronsTopResult,
            (*_COMMON, errors.UnknownDocument, errors.Overloaded, errors.RequestCancelled),
        ),
        Method(
            "neurons/changed",
            "request",
            NeuronsChangedParams,
            "The neurons whose values an edit changed most.",
            NeuronsChangedResult,
            (*_COMMON, errors.UnknownDocument, errors.Overloaded, errors.RequestCancelled),
        ),
        Method("rpc.discover", "request", NoParams, "This OpenRPC document.", dict[str, Any], _COMMON),
        Method(
            "document/change",
            "notification",
            DocumentChangeParams,
            "Edits a document; every offset refers to it as it was before the message.",
        ),
        Method(
            "$/cancelRequest",
            "notification",
            CancelParams,
            "Gives up a request that is still being answered; it ends with -32800.",
        ),
        Method(
            "document/tokens",
            "server notification",
            DocumentTokens,
            "A splice of the document's token list, sent before any forward pass.",
        ),
        Method(
            "document/resync",
            "server notification",
            DocumentResync,
            "A change was impossible; the client answers with `document/open`.",
        ),
        Method(
            "activations/update",
            "server notification",
            ActivationsUpdate,
            "Values that can have changed, those nearest after the edit first.",
        ),
        Method(
            "activations/done",
            "server notification",
            ActivationsDone,
            "Everything of this version has been sent.",
        ),
        Method("$/progress", "server notification", Progress, "How far a model's loading has come."),
        Method("$/error", "server notification", ErrorNotification, "A notification could not be acted on."),
    )
}
"""Every method of the protocol by its name."""
