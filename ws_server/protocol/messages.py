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
Version = Annotated[int, Field(ge=-(2**53), le=2**53, description="A document's version; increases with each change.")]
LONGEST_URI = 4096
Uri = Annotated[
    str,
    StringConstraints(min_length=1, max_length=LONGEST_URI),
    Field(description="The client's name for a document."),
]

# ------------------------------------------------------------------------------------ client -> server

# A frame has room for millions of items, and for names of megabytes. Validating such a list would block everyone for
# minutes, and answers repeat what was not understood.
Name = Annotated[str, StringConstraints(max_length=1024)]
ProgressToken = Name | int
_T = TypeVar("_T")
ManyOf = Annotated[list[_T], Field(max_length=10_000, fail_fast=True)]
FewOf = Annotated[list[_T], Field(max_length=1000, fail_fast=True)]


class Params(BaseModel):
    """Base of all parameters that clients send."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", alias_generator=to_camel, populate_by_name=True)


class NoParams(Params):
    """A method without parameters."""


class ClientInfo(Params):
    """Who connects; for the log."""

    name: Annotated[
        str, StringConstraints(max_length=256), Field(description="The frontend's name, for the server's log.")
    ]
    version: Annotated[
        Annotated[str, StringConstraints(max_length=256)] | None, Field(description="Of the frontend.")
    ] = None


class Resume(Params):
    """The session of a dropped connection, and the secret that `initialize` returned with it."""

    session: Annotated[Name, Field(description="`InitializeResult.session` of the dropped connection.")]
    resume_token: Annotated[Name, Field(description="Its `resumeToken`.")]


class InitializeParams(Params):
    protocol_version: Annotated[
        int, Field(description="1; with any other, `data.supported` of the error lists the supported versions.")
    ]
    client: ClientInfo
    position_encodings: Annotated[
        FewOf[Name], Field(description="Supported encodings, the preferred first; default utf-16.")
    ] = []
    activation_encodings: Annotated[
        FewOf[Name], Field(description="Supported encodings, the preferred first; default json.")
    ] = []
    resume: Annotated[Resume | None, Field(description="The session of a dropped connection, to resume it.")] = None
    work_done_token: Annotated[
        ProgressToken | None, Field(description="Token of the `$/progress` that is sent while the model loads.")
    ] = None


class ModelLoadParams(Params):
    model: Annotated[Name, Field(description="A `ModelSummary.id`.")]
    work_done_token: Annotated[ProgressToken | None, Field(description="Token of the load's `$/progress`.")] = None


class DocumentOpenParams(Params):
    uri: Uri
    version: Version
    text: Annotated[str, Field(description="The whole text; line endings are kept.")]


class Change(Params):
    """Replace `[from, to)` by `insert`; offsets in the document before the message, in the negotiated unit."""

    start: Annotated[Natural, Field(alias="from", description="Where the replaced range begins.")]
    stop: Annotated[Natural, Field(alias="to", description="Where it ends, exclusive.")]
    insert: Annotated[str, Field(description="The text that replaces it.")]


class DocumentChangeParams(Params):
    uri: Uri
    version: Version
    changes: Annotated[ManyOf[Change], Field(description="In any order; their ranges must not overlap.")]


class DocumentCloseParams(Params):
    uri: Uri


class LayerNeuron(Params):
    """Neuron `neuron` of layer `layer` at `blocks.{layer}.mlp.hook_post`."""

    layer: Annotated[Natural, Field(description="Layer, from 0.")]
    neuron: Annotated[Natural, Field(description="Neuron of the layer, from 0.")]


class HookIndex(Params):
    """Component `index` of a TransformerLens hook point."""

    hook: Annotated[Name, Field(description="A hook point of `ModelInfo.hooks`.")]
    index: Annotated[Natural, Field(description="Component of its activation, from 0.")]


NeuronRef = Annotated[
    Name | LayerNeuron | HookIndex,
    Field(union_mode="left_to_right", description="`L3N42`, `{layer, neuron}`, `{hook, index}` or any neuron's key."),
]


class NeuronsParams(Params):
    neurons: Annotated[ManyOf[NeuronRef], Field(description="References; each neuron once is enough.")]


class NeuronsTopParams(Params):
    uri: Uri
    token: Annotated[Natural, Field(description="Index into the document's token list.")]
    k: Annotated[int, Field(ge=1, le=1000, description="How many at most.")]
    layers: Annotated[FewOf[Natural] | None, Field(description="Layers to search; default: all.")] = None
    by: Annotated[
        Literal["activation", "ratio"],
        Field(description="Rank by value, or by value over the neuron's statistical maximum."),
    ] = "activation"


class NeuronsChangedParams(Params):
    uri: Uri
    k: Annotated[int, Field(ge=1, le=1000, description="How many at most.")]
    since: Annotated[Version | None, Field(description="The version to compare with; default: the last but one.")] = (
        None
    )
    layers: Annotated[FewOf[Natural] | None, Field(description="Layers to search; default: all.")] = None
    by: Annotated[
        Literal["activation", "ratio"],
        Field(description="Rank by change, or by change over the neuron's statistical maximum."),
    ] = "activation"


class CancelParams(Params):
    id: Annotated[str | int | float, Field(description="Id of the request to cancel.")]


# ------------------------------------------------------------------------------------ server -> client

NullableFloat = float | None
ModelId = Annotated[str, Field(description="`ModelInfo.id` of the model that it was made with.")]


class NeuronStatistics(TypedDict):
    """A neuron's activations over held-out text, without BOS positions."""

    max: Annotated[float, Field(description="Largest activation.")]
    min: Annotated[float, Field(description="Smallest activation.")]
    mean: Annotated[float, Field(description="Mean activation.")]
    std: Annotated[float, Field(description="Standard deviation of the activation.")]
    density: Annotated[float, Field(description="Fraction of tokens above 0.")]
    quantiles: Annotated[dict[str, float], Field(description="Level, such as `0.99`, to value.")]


class Neuron(TypedDict):
    key: Annotated[str, Field(description="`L3N42`, or `{hook}/{index}` away from `mlp.hook_post`.")]
    layer: Annotated[int, Field(description="Layer, from 0.")]
    neuron: Annotated[int, Field(description="Neuron of the layer, or component at the hook point, from 0.")]
    hook: Annotated[str, Field(description="TransformerLens's name of the hook point.")]
    statistics: Annotated[NeuronStatistics | None, Field(description="Over held-out text; null if there are none.")]


class ModelSummary(TypedDict):
    id: Annotated[str, Field(description="What `model/load` takes.")]
    title: Annotated[str, Field(description="For people.")]
    description: NotRequired[Annotated[str, Field(description="A sentence or two, for people.")]]
    loaded: Annotated[bool, Field(description="Whether it is in memory.")]
    default: Annotated[bool, Field(description="New sessions start with it.")]


class ModelInfo(TypedDict):
    """Everything that values depend on, so that others can reproduce them."""

    id: Annotated[str, Field(description="As in `ModelSummary.id`.")]
    revision: Annotated[str | None, Field(description="Resolved commit on the Hub; null for a local folder.")]
    architecture: Annotated[str, Field(description="Class name in Hugging Face Transformers.")]
    layers: Annotated[int, Field(description="Number of layers.")]
    neuronsPerLayer: Annotated[int, Field(description="MLP neurons in each layer.")]
    contextTokens: Annotated[int, Field(description="Longest context, in tokens.")]
    vocabulary: Annotated[int, Field(description="Number of different tokens.")]
    dtype: Annotated[str, Field(description="Precision of the weights, such as `float32`.")]
    device: Annotated[str, Field(description="Where it runs, such as `cpu` or `cuda:0`.")]
    prependsBos: Annotated[bool, Field(description="Each context begins with a BOS token that the server adds.")]
    hooks: Annotated[list[str], Field(description="Hook points that can be subscribed to.")]
    hasStatistics: Annotated[bool, Field(description="`Neuron.statistics` are known.")]
    dropped: NotRequired[Annotated[list[str], Field(description="Keys that this model does not have.")]]


class ServerInfo(TypedDict):
    name: Annotated[str, Field(description="Of the server's software.")]
    version: Annotated[str, Field(description="Of the server's software.")]


class OpenDocument(TypedDict):
    uri: Annotated[str, Field(description="The client's name for it.")]
    version: Annotated[int, Field(description="The newest that the server has.")]
    length: Annotated[int, Field(description="In the negotiated position encoding.")]


class LimitsInfo(TypedDict):
    sessions: Annotated[int, Field(description="Sessions at once, dropped ones that are kept included.")]
    sessionsPerAddress: NotRequired[Annotated[int, Field(description="Of these, sessions of one network address.")]]
    frameBytes: Annotated[int, Field(description="Size of one frame, in bytes of UTF-8.")]
    documents: Annotated[int, Field(description="Open documents of a session.")]
    documentCharacters: Annotated[int, Field(description="Length of a document, in code points.")]
    documentTokens: Annotated[int, Field(description="Length of a document, in tokens.")]
    subscriptions: Annotated[int, Field(description="Subscribed neurons of a session.")]
    messagesPerSecond: Annotated[
        int, Field(description="What a session may send in the long run, in messages per second.")
    ]
    cacheBytes: NotRequired[
        Annotated[int, Field(description="Memory for the computed state of all models together, in bytes.")]
    ]
    modelsLoaded: NotRequired[Annotated[int, Field(description="Models in memory at once.")]]
    idleSeconds: NotRequired[Annotated[float, Field(description="How long a connection may be silent; 0: for ever.")]]


class InitializeResult(TypedDict):
    protocolVersion: Annotated[int, Field(description="The version in use: 1.")]
    server: Annotated[ServerInfo, Field(description="Who answers.")]
    session: Annotated[str, Field(description="Name of the session, for `resume`.")]
    resumeToken: Annotated[str, Field(description="The secret that `resume` needs.")]
    resumed: Annotated[bool, Field(description="Whether the requested session was resumed.")]
    positionEncoding: Annotated[PositionEncoding, Field(description="Unit of all offsets.")]
    activationEncoding: Annotated[ActivationEncoding, Field(description="Form of `ActivationsUpdate.values`.")]
    models: Annotated[list[ModelSummary], Field(description="The models that a session can choose from.")]
    model: Annotated[
        ModelInfo | None, Field(description="The session's model; null if the server was started without one.")
    ]
    subscriptions: Annotated[
        list[Neuron], Field(description="What is subscribed, in row order; none in a new session.")
    ]
    documents: Annotated[list[OpenDocument], Field(description="What the resumed session has open; none in a new one.")]
    limits: Annotated[LimitsInfo, Field(description="The server's limits.")]


class ModelsListResult(TypedDict):
    models: Annotated[list[ModelSummary], Field(description="The models that a session can choose from.")]


class DocumentOpenResult(TypedDict):
    uri: Annotated[str, Field(description="The client's name for it.")]
    version: Annotated[int, Field(description="The version that was tokenised.")]
    tokenCount: Annotated[int, Field(description="Length of its token list.")]


class EmptyResult(TypedDict):
    pass


class NeuronsResult(TypedDict):
    neurons: Annotated[list[Neuron], Field(description="All subscribed now, in row order.")]


class TopNeuron(TypedDict):
    key: Annotated[str, Field(description="As in `Neuron.key`.")]
    layer: Annotated[int, Field(description="Layer, from 0.")]
    neuron: Annotated[int, Field(description="Neuron of the layer, from 0.")]
    value: Annotated[NullableFloat, Field(description="Activation at the token.")]
    ratio: Annotated[NullableFloat, Field(description="Value over the statistical maximum, if that is known.")]


class NeuronsTopResult(TypedDict):
    version: Annotated[int, Field(description="Of the document whose token list was meant.")]
    token: Annotated[int, Field(description="As asked.")]
    neurons: Annotated[list[TopNeuron], Field(description="The highest first.")]


class ChangedNeuron(TypedDict):
    """A neuron, and the token at which it changed most."""

    key: Annotated[str, Field(description="As in `Neuron.key`.")]
    layer: Annotated[int, Field(description="Layer, from 0.")]
    neuron: Annotated[int, Field(description="Neuron of the layer, from 0.")]
    token: Annotated[int, Field(description="Index into the token list of `version`.")]
    before: Annotated[float, Field(description="Activation there in `previousVersion`.")]
    after: Annotated[float, Field(description="Activation there in `version`.")]
    change: Annotated[float, Field(description="`after` minus `before`.")]
    ratio: Annotated[NullableFloat, Field(description="Change over the statistical maximum, if that is known.")]


class NeuronsChangedResult(TypedDict):
    version: Annotated[int, Field(description="The newer of the two versions.")]
    previousVersion: Annotated[
        int | None, Field(description="What was compared with; null if the server has no older version.")
    ]
    layers: Annotated[list[int], Field(description="The layers that were compared.")]
    comparedTokens: Annotated[int, Field(description="Tokens after a difference that both versions have.")]
    neurons: Annotated[list[ChangedNeuron], Field(description="Those that changed most first.")]


Token = TypedDict(
    "Token",
    {
        "id": Annotated[int, Field(description="Of the token in the model's vocabulary.")],
        "text": Annotated[str, Field(description="Decoded; U+FFFD for bytes that are not a character by themselves.")],
        "from": Annotated[int, Field(description="Where its span begins, in the document of `version`.")],
        "to": Annotated[int, Field(description="Where its span ends, exclusive.")],
        "special": NotRequired[Annotated[Literal[True], Field(description="Added by the server (BOS).")]],
        "segment": NotRequired[Annotated[Literal[True], Field(description="First token of a new context.")]],
    },
)


class DocumentTokens(TypedDict):
    """A splice: remove `deleteCount` tokens at `start`, insert `tokens`, add `shift` to all spans after them.

    A long one is sent as several of the same version, each a complete splice.
    """

    uri: Annotated[str, Field(description="The document.")]
    version: Annotated[int, Field(description="Version of the text of these tokens.")]
    model: NotRequired[ModelId]
    start: Annotated[int, Field(description="Index of the first token that is replaced.")]
    deleteCount: Annotated[int, Field(description="How many are removed.")]
    tokens: Annotated[list[Token], Field(description="Inserted in their place.")]
    shift: Annotated[int, Field(description="Added to both ends of the span of every token after them.")]
    tokenCount: Annotated[int, Field(description="Length of the resulting list.")]
    more: NotRequired[
        Annotated[Literal[True], Field(description="More tokens of this version follow in the next message.")]
    ]


class DocumentResync(TypedDict):
    """The server no longer follows this document: open it again."""

    uri: Annotated[str, Field(description="The document.")]
    reason: Annotated[str, Field(description="Why, for people.")]


class Base64Values(TypedDict):
    dtype: Annotated[Literal["float32"], Field(description="Type of each number.")]
    shape: Annotated[list[int], Field(description="[rows, count]", min_length=2, max_length=2)]
    data: Annotated[str, Field(description="Little-endian float32, row by row, in base64.")]


class ActivationsUpdate(TypedDict):
    """The values of `neurons` at tokens `[start, start + count)`, one row per neuron."""

    uri: Annotated[str, Field(description="The document.")]
    version: Annotated[int, Field(description="Of the last `document/tokens`.")]
    model: NotRequired[ModelId]
    start: Annotated[int, Field(description="Index of the first token.")]
    count: Annotated[int, Field(description="Number of tokens.")]
    neurons: Annotated[list[str], Field(description="Keys, one per row.")]
    values: Annotated[
        list[list[NullableFloat]] | Base64Values,
        Field(
            description="Activations, [neurons, count]; null, or NaN in base64, for one that is not a finite number."
        ),
    ]


class Timing(TypedDict):
    """Milliseconds from the arrival of the oldest change that this version answers."""

    queueMs: Annotated[float, Field(description="Waiting for the engine, in ms.")]
    tokenizeMs: Annotated[float, Field(description="Tokenizing, in ms.")]
    forwardMs: Annotated[float, Field(description="Forward passes, in ms.")]
    totalMs: Annotated[float, Field(description="In total, in ms.")]
    firstUpdateMs: NotRequired[Annotated[float, Field(description="Until the first values were sent.")]]


class ActivationsDone(TypedDict):
    """Every subscribed neuron of every token of `version` has been sent."""

    uri: Annotated[str, Field(description="The document.")]
    version: Annotated[int, Field(description="Version of the text of all these values.")]
    model: NotRequired[ModelId]
    computedTokens: Annotated[int, Field(description="Tokens that went through the model.")]
    reusedTokens: Annotated[int, Field(description="Tokens whose values were reused.")]
    forwardPasses: Annotated[int, Field(description="Forward passes that it took.")]
    timing: Timing


class ProgressValue(TypedDict):
    kind: Annotated[Literal["begin", "report", "end"], Field(description="`begin` and `end` come once.")]
    title: NotRequired[Annotated[str, Field(description="What is being done, with `begin`.")]]
    message: NotRequired[Annotated[str, Field(description="Where it stands.")]]
    percentage: NotRequired[Annotated[int, Field(description="0 to 100.")]]


class Progress(TypedDict):
    token: Annotated[str | int, Field(description="The `workDoneToken` that was given.")]
    value: Annotated[ProgressValue, Field(description="As in LSP's work done progress.")]


class ErrorNotification(TypedDict):
    """A notification could not be acted on, or the newest version of a document could not be evaluated."""

    method: Annotated[str, Field(description="Of the notification or, for a document, of what was to be evaluated.")]
    code: Annotated[int, Field(description="As in an answer's error.")]
    message: Annotated[str, Field(description="A sentence for people.")]
    data: NotRequired[
        Annotated[
            dict[str, Any],
            Field(
                description="Further members, such as the one at fault; `uri` if it is about a document, "
                "and `version`, the newest one that it answers."
            ),
        ]
    ]


FloatMatrix = np.ndarray[Any, np.dtype[np.float32]]

# ------------------------------------------------------------------------------------ the table


@dataclass(frozen=True, slots=True)
class Method:
    """One method of the protocol: its sender, parameters, result and errors."""

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
            "Starts a session, or resumes a dropped one; waits for the model.",
            InitializeResult,
            (
                errors.InvalidParams,
                errors.InvalidRequest,
                errors.ModelLoadFailed,
                errors.LimitExceeded,
                errors.Overloaded,
            ),
        ),
        Method("ping", "request", NoParams, "Answered at once, to show that the server is alive.", EmptyResult),
        Method(
            "models/list", "request", NoParams, "The models that a session can choose from.", ModelsListResult, _COMMON
        ),
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
            (*_COMMON, errors.UnknownDocument, errors.Overloaded, errors.RequestCancelled, errors.InternalError),
        ),
        Method(
            "neurons/changed",
            "request",
            NeuronsChangedParams,
            "The neurons whose values an edit changed most.",
            NeuronsChangedResult,
            (*_COMMON, errors.UnknownDocument, errors.Overloaded, errors.RequestCancelled, errors.InternalError),
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
            "Cancels a request that is still being answered; it ends with -32800.",
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
        Method("$/progress", "server notification", Progress, "How far the loading of a model is."),
        Method(
            "$/error",
            "server notification",
            ErrorNotification,
            "A notification could not be acted on, or a document not evaluated.",
        ),
    )
}
"""Every method of the protocol by its name."""
