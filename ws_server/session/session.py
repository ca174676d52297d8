"""One client's conversation, without I/O: messages in, effects out; it never waits.

Every method returns a list of `Effect`s: messages to send, and work to do (tokenize, compute, load a model). The effect
runner reports each result back. What a session guarantees:

- The client's text is authoritative. A change that cannot be applied changes nothing, and the client is asked for its
text.
- A document's `tokens` are exactly the client's token list, and `contexts` say how many leading tokens of each context
have values there. In a causal model this determines what stays valid after an edit.
- At most one version of a document is being tokenized; edits that come meanwhile are merged into the next.
- While the client does not read what was sent (`pause_writing`), nothing more is computed or sent; edits are merged.
- Every request ends: it is answered or refused, unless the connection ends before.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Collection, Iterable
from typing import Any

from typing_extensions import assert_never

from ..config import Limits
from ..document.text import ImpossibleChange, PositionEncoding, Text, TextTooLong
from ..document.tokens import TokenList
from ..engine.commands import (
    Command,
    Compared,
    Evaluate,
    Failed,
    Finished,
    Forget,
    Hold,
    Key,
    Probed,
    Result,
    Unit,
    Values,
)
from ..errors import (
    InternalError,
    InvalidRequest,
    LimitExceeded,
    RequestCancelled,
    RequestError,
    UnknownDocument,
    UnknownModel,
)
from ..model import ServedModel
from ..protocol import messages as wire
from ..protocol.codec import Fault, Message, Notification, Request, encode_values, error_object
from ..protocol.messages import ActivationEncoding, RequestId
from ..protocol.openrpc import openrpc_document
from .documents import Document, Event, TextState, ValuesState, splice_messages, value_blocks
from .effects import Compute, Effects, GiveUpLoading, LoadModel, Notify, Refuse, Reply, Tokenize
from .queries import QUERIES, PendingQueries

_MOST_CRASHES = 2
"""How often a worker may die while it computes a document before the document is refused."""
_MOST_UNKNOWN = 64 * 1024
"""Characters of all names that were never opened and that have been answered by `document/resync`."""


class Session:
    """One client's documents and subscriptions, and what it has been sent.

    Args:
        model: the model it starts with.
        limits: the server's limits.
        models: returns the models that it can choose from.
        clock: seconds; only differences matter.
    """

    def __init__(
        self,
        model: ServedModel,
        limits: Limits,
        models: Callable[[], list[wire.ModelSummary]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.id = secrets.token_urlsafe(12)
        self.resume_token = secrets.token_urlsafe(24)
        self.position_encoding: PositionEncoding = "utf-16"
        self.activation_encoding: ActivationEncoding = "json"
        self.model = model
        self.limits = limits
        self._models = models
        self._clock = clock
        self._subscribed: dict[Unit, None] = {}  # in row order
        self._documents: dict[str, Document] = {}
        self._resync_sent: set[str] = set()
        self._loading: dict[RequestId, str] = {}
        self._queries = PendingQueries(self.id, clock)
        self._count = 0
        self._paused = False
        self._engine_lost = False
        self.crashes = 0
        """Workers that died while computing only this session's documents."""

    # -------------------------------------------------------------------------------- connection

    def attach(self, position_encoding: PositionEncoding, activation_encoding: ActivationEncoding) -> None:
        """A client has connected, for the first time or again."""
        self.position_encoding = position_encoding
        self.activation_encoding = activation_encoding
        for document in self._documents.values():
            if document.text.encoding != position_encoding:
                document.text = Text(document.text.version, document.text.text, position_encoding)

    def detach(self) -> Effects:
        """The connection is gone. Computed state stays; the client will open its documents again."""
        effects = self._queries.withdraw_all()
        for uri, document in self._documents.items():
            document.opening.clear()
            effects += self._stop(uri, document)
        effects += [GiveUpLoading(request_id) for request_id in self._loading]
        self._loading.clear()
        self._resync_sent.clear()
        self._paused = False
        return effects

    @property
    def has_pending_work(self) -> bool:
        """Whether the client waits for anything."""
        return bool(self._queries or self._loading) or any(document.pending for document in self._documents.values())

    def forget_all(self) -> Effects:
        """The session ends: engines drop its state."""
        return [self._compute(Forget(self._key(uri))) for uri in self._documents]

    def pause_writing(self) -> Effects:
        """The client does not read: until `resume_writing`, edits are merged and nothing is computed."""
        self._paused = True
        effects: Effects = []
        for uri, document in self._documents.items():
            if document.values_state is ValuesState.COMPUTING:
                document.on(Event.WANTED)
                effects.append(self._compute(Hold(self._key(uri))))
        return effects

    def resume_writing(self) -> Effects:
        """The client reads again: send it whatever it is still missing of the newest version."""
        self._paused = False
        effects: Effects = []
        for uri, document in self._documents.items():
            if document.text_state is TextState.TOKENIZED:
                effects += self._send_tokens(uri, document)
            elif document.text_state is TextState.SENT and document.lacks_values:
                effects += self._evaluate(uri, document)
            effects += self._advance(uri, document)
        return effects

    def subscriptions(self) -> list[wire.Neuron]:
        return [self.model.describe(unit) for unit in self._subscribed]

    def open_documents(self) -> list[wire.OpenDocument]:
        return [
            {"uri": uri, "version": document.text.version, "length": document.text.length}
            for uri, document in self._documents.items()
        ]

    # -------------------------------------------------------------------------------- time

    @property
    def deadline(self) -> float | None:
        """When `expire` must be called, by the clock; None while nothing has a time limit."""
        return self._queries.deadline

    def expire(self) -> Effects:
        """Refuses whatever has waited too long."""
        return self._queries.expire()

    # -------------------------------------------------------------------------------- messages

    def receive(self, message: Message) -> Effects:
        """Handles one message of the client."""
        if isinstance(message, Fault):
            return self._fault(message)
        if isinstance(message, Notification):
            return self._notification(message)
        try:
            return self._request(message)
        except RequestError as error:
            return [Refuse(message.id, error)]

    def _request(self, request: Request) -> Effects:
        match request.params:
            case wire.DocumentOpenParams() as params:
                return self._open(request.id, params)
            case wire.DocumentCloseParams() as params:
                return self._close(request.id, params)
            case wire.NeuronsParams() as params:
                change = self._subscribe if request.method == "neurons/subscribe" else self._unsubscribe
                return change(request.id, params)
            case wire.NeuronsTopParams() | wire.NeuronsChangedParams() as params:
                return self._ask(request.id, params)
            case wire.ModelLoadParams() as params:
                return self._load(request.id, params)
            case wire.InitializeParams():
                raise InvalidRequest("This connection is initialized already.")
        if request.method == "models/list":
            return [Reply(request.id, {"models": self._models()})]
        return [Reply(request.id, openrpc_document())]

    def _notification(self, notification: Notification) -> Effects:
        match notification.params:
            case wire.DocumentChangeParams() as params:
                return self._change(params)
            case wire.CancelParams() as params:
                return self._cancel(params.id)
        return []

    def _fault(self, fault: Fault) -> Effects:
        if fault.method is None:
            return [Refuse(fault.id, fault.error)]
        effects: Effects = [_error_notification(fault.method, fault.error, fault.uri)]
        if fault.method == "document/change" and fault.uri is not None:
            # The client has made the change, whatever it was: the two texts differ now.
            effects += self._lose(fault.uri, "a change could not be read")
        return effects

    # -------------------------------------------------------------------------------- documents

    def _open(self, request_id: RequestId, params: wire.DocumentOpenParams) -> Effects:
        former = self._documents.get(params.uri)
        if former is None and len(self._documents) >= self.limits.documents:
            raise LimitExceeded(
                f"A session has at most {self.limits.documents} documents; close one first.",
                limit="documents",
                maximum=self.limits.documents,
            )
        if len(params.text) > self.limits.document_characters:
            raise self._too_long()
        document = Document(Text(params.version, params.text, self.position_encoding), waiting_since=self._clock())
        if former is not None:
            document.opening, document.crashes = former.opening, former.crashes
        document.opening.append(request_id)
        self._documents[params.uri] = document
        self._resync_sent.discard(params.uri)
        effects = self._queries.document_gone(params.uri, RequestCancelled("The document was opened again."))
        return effects + self._advance(params.uri, document)

    def _change(self, params: wire.DocumentChangeParams) -> Effects:
        document = self._documents.get(params.uri)
        if document is None:
            return self._lose(params.uri, "no document of this name is open")
        if document.text_state is TextState.LOST:
            return self._lose(params.uri, "its text is unknown; open it again")
        changes = ((change.start, change.stop, change.insert) for change in params.changes)
        try:
            document.text.change(params.version, changes, self.limits.document_characters)
        except ImpossibleChange as error:
            return self._lose(params.uri, f"{error}")
        except TextTooLong:
            return [
                _error_notification("document/change", self._too_long(), params.uri, params.version),
                *self._lose(params.uri, "it would be longer than this server allows"),
            ]
        document.on(Event.CHANGED)
        document.unread_versions += 1
        self._note_cause(document, "document/change")
        return self._advance(params.uri, document)

    def _close(self, request_id: RequestId, params: wire.DocumentCloseParams) -> Effects:
        if params.uri not in self._documents:
            raise UnknownDocument(f"No document {params.uri!r} is open.", uri=params.uri)
        self._resync_sent.discard(params.uri)
        effects = self._drop(params.uri, RequestCancelled("The document was closed."))
        return [*effects, Reply(request_id, {})]

    def _drop(self, uri: str, reason: RequestError) -> Effects:
        """Forgets a document; requests that wait for it are refused."""
        document = self._documents.pop(uri)
        effects: Effects = [Refuse(request_id, reason) for request_id in document.opening]
        effects += self._queries.document_gone(uri, reason)
        return [*effects, self._compute(Forget(self._key(uri)))]

    def _lose(self, uri: str, reason: str) -> Effects:
        """The server no longer knows this document's text; sends `document/resync` once, until it is opened again."""
        effects: Effects = []
        if (document := self._documents.get(uri)) is not None:
            effects += [
                Refuse(request_id, RequestCancelled(f"Open the document again: {reason}."))
                for request_id in document.opening
            ]
            document.opening.clear()
            effects += self._stop(uri, document)
        if uri in self._resync_sent:
            return effects
        if sum(map(len, self._resync_sent)) > _MOST_UNKNOWN:
            self._resync_sent.clear()  # at the cost of repeated messages
        self._resync_sent.add(uri)
        return [*effects, Notify("document/resync", {"uri": uri, "reason": reason})]

    def _stop(self, uri: str, document: Document) -> Effects:
        """Stops all work for this document until it is opened again."""
        computing = document.values_state is ValuesState.COMPUTING
        document.on(Event.LOST)
        document.tokenized = None
        return [self._compute(Hold(self._key(uri)))] if computing else []

    def _too_long(self) -> LimitExceeded:
        maximum = self.limits.document_characters
        return LimitExceeded(
            f"A document has at most {maximum} characters.", limit="documentCharacters", maximum=maximum
        )

    def _note_cause(self, document: Document, method: str) -> None:
        """Notes when the client began to wait for a document."""
        document.cause = method
        if document.waiting_since is None:
            document.waiting_since = self._clock()

    # -------------------------------------------------------------------------------- tokens

    def _advance(self, uri: str, document: Document) -> Effects:
        """Has the newest text tokenized, unless one is being tokenized already or the client does not read."""
        if document.text_state is not TextState.UNREAD or self._paused:
            return []
        document.on(Event.TOKENIZING)
        merged, document.unread_versions = document.unread_versions - 1, 0
        document.ticket, document.ticket_version = self._next(), document.text.version
        text, most = document.text.text, self.limits.document_tokens
        sent = int(document.tokens.stops[-1]) if len(document.tokens) else 0
        return [
            Tokenize(
                uri,
                document.ticket,
                self.model.tokenizer,
                text,
                document.text.encoding,
                merged,
                most,
                unsure=len(text) - sent > most,
            )
        ]

    def waits_for(self, uri: str, ticket: int) -> bool:
        """Whether the result of a `Tokenize` is still wanted."""
        document = self._documents.get(uri)
        return document is not None and document.text_state is TextState.TOKENIZING and document.ticket == ticket

    def tokenized(self, uri: str, ticket: int, tokens: TokenList, seconds: float) -> Effects:
        """A `Tokenize` is done."""
        if not self.waits_for(uri, ticket):
            return []
        if len(tokens) > self.limits.document_tokens:
            return self.too_many_tokens(uri, ticket)
        document = self._documents[uri]
        document.on(Event.TOKENIZED)
        document.tokenized, document.tokenize_seconds = (tokens, document.ticket_version), seconds
        return [] if self._paused else [*self._send_tokens(uri, document), *self._advance(uri, document)]

    def tokenizing_failed(self, uri: str, ticket: int) -> Effects:
        """A `Tokenize` failed, by a bug here or in the tokenizer."""
        return self._refuse_text(uri, ticket, InternalError("The text could not be tokenized."))

    def too_many_tokens(self, uri: str, ticket: int) -> Effects:
        """A `Tokenize` found too many tokens."""
        maximum = self.limits.document_tokens
        error = LimitExceeded(f"A document has at most {maximum} tokens.", limit="documentTokens", maximum=maximum)
        return self._refuse_text(uri, ticket, error)

    def _refuse_text(self, uri: str, ticket: int, error: RequestError) -> Effects:
        """A text cannot be tokenized. If it is the newest, the client has to open another."""
        if not self.waits_for(uri, ticket):
            return []
        document = self._documents[uri]
        if document.unread_versions:
            document.on(Event.OVERTAKEN)
            return self._advance(uri, document)
        if document.opening:
            return self._drop(uri, error)
        told = _error_notification(document.cause, error, uri, document.text.version)
        return [told, *self._lose(uri, error.message)]

    def _send_tokens(self, uri: str, document: Document) -> Effects:
        """Sends the tokens of a version, and has their values computed."""
        assert document.tokenized is not None
        (tokens, version), document.tokenized = document.tokenized, None
        document.on(Event.OVERTAKEN if document.unread_versions else Event.TOKENS_SENT)
        effects: Effects = [
            Reply(request_id, {"uri": uri, "version": version, "tokenCount": len(tokens)})
            for request_id in document.opening
        ]
        document.opening.clear()
        splice = document.take_tokens(tokens, version, tuple(self._subscribed))
        messages = splice_messages(uri, version, self.model.id, tokens, splice, self.model.tokenizer.text_of)
        effects += [Notify("document/tokens", message) for message in messages]
        effects += self._queries.document_changed(uri, RequestCancelled("The text has changed; ask again."))
        return [*effects, *self._evaluate(uri, document)]

    # -------------------------------------------------------------------------------- activations

    def _evaluate(self, uri: str, document: Document) -> Effects:
        """Has everything computed that the client is missing; replaces the previous evaluation."""
        document.serial = self._next()
        document.on(Event.WANTED)
        if self._paused or self._engine_lost:
            return []
        document.on(Event.COMPUTING)
        targets = tuple(context.target() for context in document.contexts)
        alone = document.crashes > 0
        return [self._compute(Evaluate(self._key(uri), document.serial, targets, time.monotonic(), alone))]

    def computed(self, result: Result) -> Effects:
        """An engine has answered."""
        if isinstance(result, Probed | Compared):
            return self._queries.answered(result.ticket, result)
        if isinstance(result, Failed) and result.ticket is not None:
            return self._queries.failed(result.ticket, InternalError(result.message))
        uri = result.key[1]
        document = self._documents.get(uri)
        if document is None or result.serial != document.serial or not document.lacks_values:
            return []  # the text or the subscriptions have changed; the engine's cache still holds what is valid
        match result:
            case Values():
                return self._update(uri, document, result)
            case Finished():
                return self._finish(uri, document, result)
            case Failed():
                return self._give_up(uri, document, result.message)
            case _:
                assert_never(result)

    def _update(self, uri: str, document: Document, values: Values) -> Effects:
        offset = values.start + next(
            context.start for number, context in enumerate(document.tokens.contexts()) if number == values.context
        )
        count = values.data.shape[1]
        document.first_update = document.first_update if document.first_update is not None else self._clock()
        document.contexts[values.context].advance(values.start, values.start + count, values.units)
        keys = [self.model.key(unit) for unit in values.units]
        effects: Effects = []
        for rows, columns in value_blocks(keys, count, self.activation_encoding):
            update = {
                "uri": uri,
                "version": document.tokens_version,
                "model": self.model.id,
                "start": offset + columns.start,
                "count": columns.stop - columns.start,
                "neurons": keys[rows],
                "values": encode_values(values.data[rows, columns], self.activation_encoding),
            }
            effects.append(Notify("activations/update", update))
        return effects

    def _finish(self, uri: str, document: Document, finished: Finished) -> Effects:
        document.on(Event.FINISHED)
        document.crashes = 0
        if document.text_state is not TextState.SENT or document.tokens_version is None:
            return []  # a newer version is on its way and will be answered instead
        since, document.waiting_since = document.waiting_since, None
        first, document.first_update = document.first_update, None
        total = self._clock() - since if since is not None else 0.0
        done: wire.ActivationsDone = {
            "uri": uri,
            "version": document.tokens_version,
            "model": self.model.id,
            "computedTokens": finished.computed_tokens,
            "reusedTokens": finished.reused_tokens,
            "forwardPasses": finished.forward_passes,
            "timing": {
                "queueMs": _milliseconds(finished.queue_seconds),
                "tokenizeMs": _milliseconds(document.tokenize_seconds),
                "forwardMs": _milliseconds(finished.forward_seconds),
                "totalMs": _milliseconds(total),
            },
        }
        if first is not None and since is not None:
            done["timing"]["firstUpdateMs"] = _milliseconds(first - since)
        return [Notify("activations/done", done)]

    def _give_up(self, uri: str, document: Document, message: str) -> Effects:
        """The values of the client's tokens cannot be computed; the next request for values tries again."""
        document.on(Event.FAILED)
        if document.text_state is not TextState.SENT:
            return []  # a newer version is being processed and will be answered
        document.waiting_since = document.first_update = None
        error = InternalError(f"{message} It is tried again with your next edit.")
        return [_error_notification(document.cause, error, uri, document.text.version)]

    def engine_lost(self, at_work: Collection[str]) -> Effects:
        """The model's worker has died while it computed the documents `at_work`; another will replace it."""
        self._engine_lost = True
        for uri in at_work:
            if (document := self._documents.get(uri)) is not None:
                document.crashes += 1
                self.crashes += document.crashes >= _MOST_CRASHES  # after a crash, a document is computed alone
        for document in self._documents.values():
            if document.values_state is ValuesState.COMPUTING:
                document.on(Event.WANTED)
        return self._queries.refuse_all(InternalError("The model's worker was lost; ask again."), withdraw=False)

    def engine_replaced(self) -> Effects:
        """The model has a new worker, with nothing computed: request whatever the client is missing."""
        self._engine_lost = False
        effects = self._queries.submit_all()
        for uri, document in self._documents.items():
            if not document.lacks_values:
                continue
            if document.crashes >= _MOST_CRASHES:
                effects += self._give_up(uri, document, "The model's worker died twice while it computed this text.")
            else:
                effects += self._evaluate(uri, document)
        return effects

    # -------------------------------------------------------------------------------- neurons

    def _subscribe(self, request_id: RequestId, params: wire.NeuronsParams) -> Effects:
        units = self._resolve(params)
        new = tuple(unit for unit in dict.fromkeys(units) if unit not in self._subscribed)
        if len(self._subscribed) + len(new) > self.limits.subscriptions:
            raise LimitExceeded(
                f"A session subscribes to at most {self.limits.subscriptions} neurons.",
                limit="subscriptions",
                maximum=self.limits.subscriptions,
            )
        self._subscribed.update(dict.fromkeys(new))
        for document in self._documents.values():
            for context in document.contexts if new else ():
                context.add(new)
        return [Reply(request_id, {"neurons": self.subscriptions()}), *self._evaluate_all("neurons/subscribe")]

    def _unsubscribe(self, request_id: RequestId, params: wire.NeuronsParams) -> Effects:
        gone = set(self._resolve(params))
        for unit in gone:
            self._subscribed.pop(unit, None)
        for document in self._documents.values():
            for context in document.contexts:
                context.remove(gone)
        return [Reply(request_id, {"neurons": self.subscriptions()}), *self._evaluate_all("neurons/unsubscribe")]

    def _evaluate_all(self, cause: str) -> Effects:
        effects: Effects = []
        for uri, document in self._documents.items():
            if document.values_state is not ValuesState.NONE:
                self._note_cause(document, cause)
                effects += self._evaluate(uri, document)
        return effects

    def _resolve(self, params: wire.NeuronsParams) -> list[Unit]:
        return [self.model.resolve(reference, f"neurons.{index}") for index, reference in enumerate(params.neurons)]

    def _ask(self, request_id: RequestId, params: wire.NeuronsTopParams | wire.NeuronsChangedParams) -> Effects:
        document = self._documents.get(params.uri)
        if document is None:
            raise UnknownDocument(f"No document {params.uri!r} is open.", uri=params.uri)
        if document.text_state is TextState.LOST:
            raise RequestCancelled("The document's text is unknown; open it again.")
        if document.replace_all:
            raise RequestCancelled("The document is being tokenized for another model; ask again.")
        self._queries.check_room()
        query = QUERIES[type(params)].about(document, params, self.model)
        if (result := query.immediate()) is not None:
            return [Reply(request_id, result)]
        return self._queries.ask(request_id, query, self.model, submit=not self._engine_lost)

    # -------------------------------------------------------------------------------- models

    def _load(self, request_id: RequestId, params: wire.ModelLoadParams) -> Effects:
        if request_id in self._loading:
            raise InvalidRequest("A request with this id is still being answered; use a new id for each.", member="id")
        names = [model["id"] for model in self._models()]
        if params.model not in names:
            raise UnknownModel(
                f"There is no model {params.model!r} here; there are {', '.join(names)}.", member="model"
            )
        effects: Effects = []
        for pending in self._loading:  # the session gets the model that was requested last
            effects.append(GiveUpLoading(pending))
            effects.append(Refuse(pending, RequestCancelled("Another model was requested.")))
        self._loading = {request_id: params.model}
        return [*effects, LoadModel(request_id, params.model, params.work_done_token)]

    def model_loaded(self, request_id: RequestId, model: ServedModel) -> Effects:
        """A `LoadModel` is done: the session changes to that model."""
        if self._loading.pop(request_id, None) is None:
            return []
        effects = self._queries.refuse_all(RequestCancelled("The session has changed its model."))
        effects += [self._compute(Forget(self._key(uri))) for uri in self._documents]
        dropped = [self.model.key(unit) for unit in self._subscribed if not model.has(unit)]
        self.model = model
        self._engine_lost = False
        self._subscribed = {unit: None for unit in self._subscribed if model.has(unit)}
        effects.append(Reply(request_id, {**model.info(), "dropped": dropped}))
        for uri, document in self._documents.items():
            document.on(Event.MODEL_CHANGED)
            document.replace_all = True
            document.contexts = []
            document.tokenized = None
            if document.text_state is TextState.UNREAD:
                document.unread_versions += 1
                self._note_cause(document, "model/load")
                effects += self._advance(uri, document)
        return effects

    def model_failed(self, request_id: RequestId, error: RequestError) -> Effects:
        """A `LoadModel` failed: the session keeps its model."""
        if self._loading.pop(request_id, None) is None:
            return []
        return [Refuse(request_id, error)]

    # -------------------------------------------------------------------------------- the rest

    def _cancel(self, request_id: RequestId) -> Effects:
        error = RequestCancelled("The request was cancelled.")
        if request_id in self._loading:
            del self._loading[request_id]
            return [GiveUpLoading(request_id), Refuse(request_id, error)]
        for document in self._documents.values():
            if request_id in document.opening:
                document.opening.remove(request_id)
                return [Refuse(request_id, error)]
        return self._queries.cancel(request_id, error)  # nothing to do if it has been answered or does not exist

    def _key(self, uri: str) -> Key:
        return self.id, uri

    def _compute(self, command: Command) -> Compute:
        return Compute(self.model.id, command)

    def _next(self) -> int:
        self._count += 1
        return self._count


def _error_notification(method: str, error: RequestError, uri: str | None = None, version: int | None = None) -> Notify:
    """The `$/error` about a notification or, with `uri`, about a document: it ends the evaluation up to `version`."""
    params: dict[str, Any] = {"method": method, **error_object(error)}
    about = {name: value for name, value in (("uri", uri), ("version", version)) if value is not None}
    if about:
        params["data"] = {**params.get("data", {}), **about}
    return Notify("$/error", params)


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 3)


def initialize_result(
    session: Session, *, resumed: bool, server: wire.ServerInfo, models: Iterable[wire.ModelSummary]
) -> wire.InitializeResult:
    """What `initialize` answers."""
    limits = session.limits
    return {
        "protocolVersion": wire.PROTOCOL_VERSION,
        "server": server,
        "session": session.id,
        "resumeToken": session.resume_token,
        "resumed": resumed,
        "positionEncoding": session.position_encoding,
        "activationEncoding": session.activation_encoding,
        "models": list(models),
        "model": session.model.info(),
        "subscriptions": session.subscriptions(),
        "documents": session.open_documents(),
        "limits": {
            "sessions": limits.sessions,
            "sessionsPerAddress": limits.sessions_per_address,
            "frameBytes": limits.frame_bytes,
            "documents": limits.documents,
            "documentCharacters": limits.document_characters,
            "documentTokens": limits.document_tokens,
            "subscriptions": limits.subscriptions,
            "messagesPerSecond": limits.messages_per_second,
            "cacheBytes": limits.cache_bytes,
            "modelsLoaded": limits.models_loaded,
            "idleSeconds": limits.idle_seconds,
        },
    }
