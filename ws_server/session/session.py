"""One client's conversation, without I/O: messages in, effects out; it never waits.

Every method returns a list of `Effect`s: what to send, and what to have done by others (tokenizing, computing,
loading a model). The doer calls back with the outcome. What a session promises:

- The client's text is the truth. A change that cannot be applied changes nothing, and asks for the text anew.
- `sent` is exactly the token list that the client has, and `known` how many leading tokens of each context have
  values there; in a causal model that is all it takes to tell what an edit leaves valid.
- Of a document at most one version is being tokenized; edits that come meanwhile are merged into the next.
- While the client does not read what was sent (`hold_back`), nothing more is computed or told; edits are merged.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from typing_extensions import assert_never

from ..config import Limits
from ..document.text import ImpossibleChange, PositionEncoding, Text, TextTooLong
from ..document.tokens import TokenList
from ..engine.commands import (
    Command,
    Compare,
    Compared,
    Evaluate,
    Failed,
    Finished,
    Forget,
    Hold,
    Key,
    Probe,
    Probed,
    Result,
    Unit,
    Values,
    Withdraw,
    neuron_hook,
)
from ..errors import (
    InternalError,
    InvalidParams,
    InvalidRequest,
    LimitExceeded,
    Overloaded,
    RequestCancelled,
    RequestError,
    UnknownDocument,
    UnknownModel,
)
from ..model import ServedModel
from ..protocol import messages as wire
from ..protocol.codec import Fault, Message, Notification, Request, encode_values, error_object, shortest
from ..protocol.messages import ActivationEncoding, RequestId
from ..protocol.openrpc import openrpc_document
from .comparison import comparable
from .documents import Document, Tokenizing, splice_messages, value_blocks
from .effects import Compute, Effects, GiveUpLoading, LoadModel, Notify, Refuse, Reply, Tokenize

_MOST_QUESTIONS = 64
"""Searches for top and changed neurons of one session that wait for the engine."""
_FATAL = 2
"""How often a worker may die while it computes a document, before it is not given to the next one."""


@dataclass(frozen=True, slots=True)
class _PendingTop:
    id: RequestId
    uri: str
    version: int
    token: int


@dataclass(frozen=True, slots=True)
class _PendingChange:
    id: RequestId
    uri: str
    version: int
    starts: tuple[int, ...]
    """First tokens of the contexts."""
    told: wire.NeuronsChangedResult
    """The answer, its neurons excepted."""


class Session:
    """What one client has opened, subscribed to and been told.

    Args:
        model: the model it starts with.
        limits: what it may ask for.
        models: gives the models it can choose from.
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
        self._asked: dict[int, _PendingTop | _PendingChange] = {}  # of an engine, by ticket
        self._count = 0
        self._congested = False
        self.deaths = 0
        """Workers that have died of nothing but this session's documents."""

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
        for document in self._documents.values():
            document.followed = False
            document.tokenizing = document.tokenized = None
            document.opening.clear()
            document.serial = -1
        self._resync_sent.clear()
        self._congested = False
        gone: Effects = [self._compute(Withdraw(self._key(one.uri), ticket)) for ticket, one in self._asked.items()]
        gone += [GiveUpLoading(request_id) for request_id in self._loading]
        self._asked.clear()
        self._loading.clear()
        return gone + self._rest()

    @property
    def owes(self) -> bool:
        """Whether the client has asked for something that it has not been told."""
        return bool(self._asked or self._loading) or any(
            document.changes or document.tokenizing or document.tokenized or document.evaluating
            for document in self._documents.values()
            if document.followed
        )

    def forget_all(self) -> Effects:
        """The session ends: engines drop what they hold for it."""
        return [self._compute(Forget(self._key(uri))) for uri in self._documents]

    def hold_back(self) -> Effects:
        """The client reads more slowly than it is told: until `go_on` its edits are merged, and nothing is computed."""
        self._congested = True
        return self._rest()

    def go_on(self) -> Effects:
        """The client has read what was sent: what it lacks of the newest version is its to have."""
        self._congested = False
        effects: Effects = []
        for uri, document in self._documents.items():
            if document.tokenized is not None:
                effects += self._show(uri, document, *document.tokenized)
            elif document.evaluating and not document.changes:
                effects += self._evaluate(uri, document)
            effects += self._advance(uri, document)
        return effects

    def _rest(self) -> Effects:
        return [self._compute(Hold(self._key(uri))) for uri, document in self._documents.items() if document.evaluating]

    def subscriptions(self) -> list[wire.Neuron]:
        return [self.model.describe(unit) for unit in self._subscribed]

    def open_documents(self) -> list[wire.OpenDocument]:
        return [
            {"uri": uri, "version": document.text.version, "length": document.text.length}
            for uri, document in self._documents.items()
        ]

    # -------------------------------------------------------------------------------- messages

    def receive(self, message: Message) -> Effects:
        """Acts on one message of the client's."""
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
            case wire.NeuronsTopParams() as params:
                return self._top(request.id, params)
            case wire.NeuronsChangedParams() as params:
                return self._changes(request.id, params)
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
        effects: Effects = [_tell_error(fault.method, fault.error, fault.uri)]
        if fault.method == "document/change" and fault.uri is not None:
            # Whatever it was to change, the client has changed it: the two texts differ now.
            effects += self._lose(fault.uri, "a change could not be read")
        return effects

    # -------------------------------------------------------------------------------- documents

    def _open(self, request_id: RequestId, params: wire.DocumentOpenParams) -> Effects:
        known = self._documents.get(params.uri)
        if known is None and len(self._documents) >= self.limits.documents:
            raise LimitExceeded(
                f"A session has at most {self.limits.documents} documents; close one first.",
                limit="documents",
                maximum=self.limits.documents,
            )
        if len(params.text) > self.limits.document_characters:
            raise self._too_long()
        document = Document(Text(params.version, params.text, self.position_encoding), arrived=self._clock())
        if known is not None:
            document.opening, document.strikes = known.opening, known.strikes
        document.opening.append(request_id)
        self._documents[params.uri] = document
        self._resync_sent.discard(params.uri)
        return self._advance(params.uri, document)

    def _change(self, params: wire.DocumentChangeParams) -> Effects:
        document = self._documents.get(params.uri)
        if document is None:
            return self._lose(params.uri, "no document of this name is open")
        if not document.followed:
            return self._lose(params.uri, "its text is not known; open it again")
        changes = ((change.start, change.stop, change.insert) for change in params.changes)
        try:
            document.text.change(params.version, changes, self.limits.document_characters)
        except ImpossibleChange as error:
            return self._lose(params.uri, f"{error}")
        except TextTooLong:
            return [
                _tell_error("document/change", self._too_long(), params.uri, params.version),
                *self._lose(params.uri, "it would be longer than this server allows"),
            ]
        document.changes += 1
        document.cause = "document/change"
        document.arrived = document.arrived if document.arrived is not None else self._clock()
        return self._advance(params.uri, document)

    def _close(self, request_id: RequestId, params: wire.DocumentCloseParams) -> Effects:
        document = self._documents.pop(params.uri, None)
        if document is None:
            raise UnknownDocument(f"No document {params.uri!r} is open.", uri=params.uri)
        self._resync_sent.discard(params.uri)
        effects: Effects = [
            Refuse(pending, RequestCancelled("The document was closed.")) for pending in document.opening
        ]
        closed = RequestCancelled("The document was closed.")
        for ticket in [ticket for ticket, asked in self._asked.items() if asked.uri == params.uri]:
            effects.append(Refuse(self._asked.pop(ticket).id, closed))
        return [*effects, Reply(request_id, {}), self._compute(Forget(self._key(params.uri)))]

    def _lose(self, uri: str, reason: str) -> Effects:
        """The server does not know this document's text any more; says so once, until it is opened again."""
        document = self._documents.get(uri)
        if document is not None:
            document.followed = False
        if uri in self._resync_sent:
            return []
        if len(self._resync_sent) >= 4 * self.limits.documents:
            self._resync_sent.clear()  # names that were never opened: bounded, at the price of telling again
        self._resync_sent.add(uri)
        return [Notify("document/resync", {"uri": uri, "reason": reason})]

    def _too_long(self) -> LimitExceeded:
        maximum = self.limits.document_characters
        return LimitExceeded(
            f"A document has at most {maximum} characters.", limit="documentCharacters", maximum=maximum
        )

    # -------------------------------------------------------------------------------- tokens

    def _advance(self, uri: str, document: Document) -> Effects:
        """Has the newest text tokenized, unless that is going on already or the client cannot keep up."""
        if not document.changes or document.tokenizing is not None or self._congested:
            return []
        merged, document.changes = document.changes - 1, 0
        document.tokenizing = Tokenizing(self._next(), document.text.version)
        text, most = document.text.text, self.limits.document_tokens
        told = int(document.sent.stops[-1]) if len(document.sent) else 0
        return [
            Tokenize(
                uri,
                document.tokenizing.ticket,
                self.model.tokenizer,
                text,
                document.text.encoding,
                merged,
                most,
                unsure=len(text) - told > most,
            )
        ]

    def tokenized(self, uri: str, ticket: int, tokens: TokenList, seconds: float) -> Effects:
        """A `Tokenize` is done."""
        document = self._documents.get(uri)
        if document is None or document.tokenizing is None or document.tokenizing.ticket != ticket:
            return []
        version = document.tokenizing.version
        document.tokenizing = None
        document.tokenize_seconds = seconds
        if len(tokens) > self.limits.document_tokens:
            return self._too_many_tokens(uri, document)
        if self._congested:
            document.tokenized = tokens, version
            return []
        return [*self._show(uri, document, tokens, version), *self._advance(uri, document)]

    def _show(self, uri: str, document: Document, tokens: TokenList, version: int) -> Effects:
        """Tells the client of a version's tokens, and has their values computed."""
        document.tokenized = None
        effects: Effects = [
            Reply(request_id, {"uri": uri, "version": version, "tokenCount": len(tokens)})
            for request_id in document.opening
        ]
        document.opening.clear()
        splice = document.take_tokens(tokens, version, tuple(self._subscribed))
        messages = splice_messages(uri, version, self.model.id, tokens, splice, self.model.tokenizer.text_of)
        effects += [Notify("document/tokens", message) for message in messages]
        effects += self._withdraw_comparisons(uri)
        return [*effects, *self._evaluate(uri, document)]

    def waits_for(self, uri: str, ticket: int) -> bool:
        """Whether a `Tokenize` is still of use."""
        document = self._documents.get(uri)
        return document is not None and document.tokenizing is not None and document.tokenizing.ticket == ticket

    def tokenizing_failed(self, uri: str, ticket: int) -> Effects:
        """A `Tokenize` broke, by a fault of ours or of the tokenizer's."""
        document = self._documents.get(uri)
        if document is None or document.tokenizing is None or document.tokenizing.ticket != ticket:
            return []
        document.tokenizing = None
        error = InternalError("The text could not be tokenized.")
        return self._refuse_text(uri, document, error)

    def too_many_tokens(self, uri: str, ticket: int) -> Effects:
        """A `Tokenize` was given up."""
        document = self._documents.get(uri)
        if document is None or document.tokenizing is None or document.tokenizing.ticket != ticket:
            return []
        document.tokenizing = None
        return self._too_many_tokens(uri, document)

    def _too_many_tokens(self, uri: str, document: Document) -> Effects:
        maximum = self.limits.document_tokens
        error = LimitExceeded(f"A document has at most {maximum} tokens.", limit="documentTokens", maximum=maximum)
        return self._refuse_text(uri, document, error)

    def _refuse_text(self, uri: str, document: Document, error: RequestError) -> Effects:
        """The newest text cannot be shown: the client is told, and may open another."""
        if document.opening:
            effects: Effects = [Refuse(request_id, error) for request_id in document.opening]
            self._documents.pop(uri)
            return [*effects, self._compute(Forget(self._key(uri)))]
        told = _tell_error(document.cause, error, uri, document.text.version)
        return [told, *self._lose(uri, error.message)]

    # -------------------------------------------------------------------------------- activations

    def _evaluate(self, uri: str, document: Document) -> Effects:
        """Has everything computed that the client lacks; replaces what was asked before."""
        document.serial = self._next()
        document.evaluating = True
        if self._congested:
            return []
        targets = tuple(known.target() for known in document.known)
        alone = document.strikes > 0
        return [self._compute(Evaluate(self._key(uri), document.serial, targets, time.monotonic(), alone))]

    def computed(self, result: Result) -> Effects:
        """An engine has answered."""
        if isinstance(result, Probed | Compared):
            return self._answer(result)
        if isinstance(result, Failed) and result.ticket is not None:
            asked = self._asked.pop(result.ticket, None)
            return [] if asked is None else [Refuse(asked.id, InternalError(result.message))]
        uri = result.key[1]
        document = self._documents.get(uri)
        if document is None or result.serial != document.serial:
            return []  # the text or the subscriptions have moved on; what still holds is answered anew from its cache
        match result:
            case Values():
                return self._update(uri, document, result)
            case Finished():
                return self._done(uri, document, result)
            case Failed():
                return self._give_up(uri, document, result.message)
            case _:
                assert_never(result)

    def _update(self, uri: str, document: Document, values: Values) -> Effects:
        offset = values.start + next(
            context.start for number, context in enumerate(document.sent.contexts()) if number == values.context
        )
        count = values.data.shape[1]
        document.first_update = document.first_update if document.first_update is not None else self._clock()
        document.known[values.context].advance(values.start, values.start + count, values.units)
        keys = [self.model.key(unit) for unit in values.units]
        effects: Effects = []
        for rows, columns in value_blocks(keys, count, self.activation_encoding):
            update = {
                "uri": uri,
                "version": document.sent_version,
                "model": self.model.id,
                "start": offset + columns.start,
                "count": columns.stop - columns.start,
                "neurons": keys[rows],
                "values": encode_values(values.data[rows, columns], self.activation_encoding),
            }
            effects.append(Notify("activations/update", update))
        return effects

    def _done(self, uri: str, document: Document, finished: Finished) -> Effects:
        document.evaluating = False
        document.strikes = 0
        if document.changes or document.tokenizing or document.tokenized or document.sent_version is None:
            return []  # a newer version is on its way and will be answered instead
        arrived, document.arrived = document.arrived, None
        first, document.first_update = document.first_update, None
        total = self._clock() - arrived if arrived is not None else 0.0
        done: wire.ActivationsDone = {
            "uri": uri,
            "version": document.sent_version,
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
        if first is not None and arrived is not None:
            done["timing"]["firstUpdateMs"] = _milliseconds(first - arrived)
        return [Notify("activations/done", done)]

    def _give_up(self, uri: str, document: Document, message: str) -> Effects:
        """The newest values cannot be had; whatever asks for the next ones tries again."""
        document.evaluating = False
        document.arrived = document.first_update = None
        hint = "It is tried again with your next edit."
        return [_tell_error(document.cause, InternalError(f"{message} {hint}"), uri, document.text.version)]

    def engine_lost(self, at_work: Collection[str]) -> Effects:
        """The model's worker has died, while it computed the documents `at_work`; another will take its place."""
        for uri in at_work:
            if (document := self._documents.get(uri)) is not None:
                document.strikes += 1
                self.deaths += document.strikes >= _FATAL  # a document that had one before was computed alone
        refusals: Effects = [
            Refuse(asked.id, InternalError("The model's worker was lost; ask again.")) for asked in self._asked.values()
        ]
        self._asked.clear()
        return refusals

    def engine_replaced(self) -> Effects:
        """The model has a worker again, with nothing computed: whatever the client still lacks is asked for anew."""
        effects: Effects = []
        for uri, document in self._documents.items():
            if not document.evaluating or document.serial < 0:
                continue
            if document.strikes >= _FATAL:
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
            for known in document.known if new else ():
                known.add(new)
        return [Reply(request_id, {"neurons": self.subscriptions()}), *self._evaluate_all("neurons/subscribe")]

    def _unsubscribe(self, request_id: RequestId, params: wire.NeuronsParams) -> Effects:
        gone = set(self._resolve(params))
        for unit in gone:
            self._subscribed.pop(unit, None)
        for document in self._documents.values():
            for known in document.known:
                known.remove(gone)
        return [Reply(request_id, {"neurons": self.subscriptions()}), *self._evaluate_all("neurons/unsubscribe")]

    def _evaluate_all(self, cause: str) -> Effects:
        effects: Effects = []
        for uri, document in self._documents.items():
            if document.serial >= 0:
                document.cause = cause
                document.arrived = document.arrived if document.arrived is not None else self._clock()
                effects += self._evaluate(uri, document)
        return effects

    def _resolve(self, params: wire.NeuronsParams) -> list[Unit]:
        return [self.model.resolve(reference, f"neurons.{index}") for index, reference in enumerate(params.neurons)]

    def _top(self, request_id: RequestId, params: wire.NeuronsTopParams) -> Effects:
        document = self._read(params.uri)
        if params.token >= len(document.sent):
            raise InvalidParams(
                f"Token {params.token} does not exist: the document has {len(document.sent)} tokens.",
                member="token",
            )
        layers = self._layers(params.layers)
        self._check_ranking(params.by)
        number, context = next(
            (number, context) for number, context in enumerate(document.sent.contexts()) if params.token < context.stop
        )
        ticket = self._next()
        assert document.sent_version is not None
        self._asked[ticket] = _PendingTop(request_id, params.uri, document.sent_version, params.token)
        ids = document.sent.ids[context.start : params.token + 1]
        probe = Probe(self._key(params.uri), ticket, number, ids, layers, params.k, params.by == "ratio")
        return [self._compute(probe)]

    def _changes(self, request_id: RequestId, params: wire.NeuronsChangedParams) -> Effects:
        document = self._read(params.uri)
        layers = self._layers(params.layers)
        self._check_ranking(params.by)
        version = document.sent_version
        if version is None:
            raise RequestCancelled("The document has not been read yet; ask again.")
        before = document.version_before(params.since)
        pairs = comparable(before[1], document.sent) if before is not None else ()
        told: wire.NeuronsChangedResult = {
            "version": version,
            "previousVersion": before[0] if before is not None else None,
            "layers": list(layers),
            "comparedTokens": sum(len(pair.new_at) for pair in pairs),
            "neurons": [],
        }
        if not pairs:
            return [Reply(request_id, told)]
        ticket = self._next()
        starts = tuple(context.start for context in document.sent.contexts())
        self._asked[ticket] = _PendingChange(request_id, params.uri, version, starts, told)
        comparison = Compare(self._key(params.uri), ticket, pairs, layers, params.k, params.by == "ratio")
        return [self._compute(comparison)]

    def _read(self, uri: str) -> Document:
        """A document to ask about: open, and its tokens are those of the model at hand."""
        document = self._documents.get(uri)
        if document is None:
            raise UnknownDocument(f"No document {uri!r} is open.", uri=uri)
        if document.replace_all:
            raise RequestCancelled("The document is being read anew for another model; ask again.")
        if len(self._asked) >= _MOST_QUESTIONS:
            raise Overloaded(
                f"{_MOST_QUESTIONS} questions wait for the model already; wait for answers, or cancel some."
            )
        return document

    def _layers(self, wanted: list[int] | None) -> tuple[int, ...]:
        count = self.model.loaded.layers
        layers = tuple(dict.fromkeys(range(count) if wanted is None else wanted))
        if not layers or max(layers) >= count:
            raise InvalidParams(f"`layers` must name some of the layers 0 to {count - 1}.", member="layers")
        return layers

    def _check_ranking(self, by: str) -> None:
        if by == "ratio" and self.model.loaded.statistics is None:
            raise InvalidParams("This model has no statistics to form a ratio with.", member="by")

    def _withdraw_comparisons(self, uri: str) -> Effects:
        """The text has moved on: what an older edit changed is of no use to anyone."""
        effects: Effects = []
        for ticket, asked in list(self._asked.items()):
            if isinstance(asked, _PendingChange) and asked.uri == uri:
                del self._asked[ticket]
                effects.append(Refuse(asked.id, RequestCancelled("The text has changed; ask again.")))
                effects.append(self._compute(Withdraw(self._key(uri), ticket)))
        return effects

    def _answer(self, result: Probed | Compared) -> Effects:
        asked = self._asked.pop(result.ticket, None)
        if isinstance(asked, _PendingTop) and isinstance(result, Probed):
            return [self._top_neurons(asked, result)]
        if isinstance(asked, _PendingChange) and isinstance(result, Compared):
            return [self._changed_neurons(asked, result)]
        return []

    def _top_neurons(self, top: _PendingTop, probed: Probed) -> Reply:
        neurons: list[wire.TopNeuron] = [
            {
                "key": self.model.key((neuron_hook(unit.layer), unit.neuron)),
                "layer": unit.layer,
                "neuron": unit.neuron,
                "value": shortest(unit.value),
                "ratio": _shortest_or_none(unit.ratio),
            }
            for unit in probed.top
        ]
        return Reply(top.id, {"version": top.version, "token": top.token, "neurons": neurons})

    def _changed_neurons(self, change: _PendingChange, compared: Compared) -> Reply:
        neurons: list[wire.ChangedNeuron] = [
            {
                "key": self.model.key((neuron_hook(unit.layer), unit.neuron)),
                "layer": unit.layer,
                "neuron": unit.neuron,
                "token": change.starts[unit.context] + unit.token,
                "before": shortest(unit.before),
                "after": shortest(unit.after),
                "change": shortest(unit.after - unit.before),
                "ratio": _shortest_or_none(unit.ratio),
            }
            for unit in compared.changed
        ]
        return Reply(change.id, {**change.told, "neurons": neurons})

    # -------------------------------------------------------------------------------- models

    def _load(self, request_id: RequestId, params: wire.ModelLoadParams) -> Effects:
        if request_id in self._loading:
            raise InvalidRequest("A request of this id is still being answered; give each its own.", member="id")
        names = [model["id"] for model in self._models()]
        if params.model not in names:
            raise UnknownModel(
                f"There is no model {params.model!r} here; there are {', '.join(names)}.", member="model"
            )
        effects: Effects = []
        for pending in self._loading:  # what was asked for last is what the session gets
            effects.append(GiveUpLoading(pending))
            effects.append(Refuse(pending, RequestCancelled("Another model was asked for.")))
        self._loading = {request_id: params.model}
        return [*effects, LoadModel(request_id, params.model, params.work_done_token)]

    def model_loaded(self, request_id: RequestId, model: ServedModel) -> Effects:
        """A `LoadModel` is done: the session goes over to that model."""
        if self._loading.pop(request_id, None) is None:
            return []
        effects: Effects = [self._compute(Forget(self._key(uri))) for uri in self._documents]
        for asked in self._asked.values():
            effects.append(Refuse(asked.id, RequestCancelled("The session has changed its model.")))
        self._asked.clear()
        dropped = [self.model.key(unit) for unit in self._subscribed if not model.has(unit)]
        self.model = model
        self._subscribed = {unit: None for unit in self._subscribed if model.has(unit)}
        effects.append(Reply(request_id, {**model.info(), "dropped": dropped}))
        for uri, document in self._documents.items():
            document.replace_all = True
            document.known = []
            document.serial = -1
            document.evaluating = False
            document.tokenizing = document.tokenized = None
            if document.followed:
                document.changes += 1
                document.cause = "model/load"
                document.arrived = document.arrived if document.arrived is not None else self._clock()
                effects += self._advance(uri, document)
        return effects

    def model_failed(self, request_id: RequestId, error: RequestError) -> Effects:
        """A `LoadModel` came to nothing: the session keeps its model."""
        if self._loading.pop(request_id, None) is None:
            return []
        return [Refuse(request_id, error)]

    # -------------------------------------------------------------------------------- the rest

    def _cancel(self, request_id: RequestId) -> Effects:
        refusal = Refuse(request_id, RequestCancelled("The request was cancelled."))
        if request_id in self._loading:
            del self._loading[request_id]
            return [GiveUpLoading(request_id), refusal]
        for ticket, asked in self._asked.items():
            if asked.id == request_id:
                del self._asked[ticket]
                return [refusal, self._compute(Withdraw(self._key(asked.uri), ticket))]
        for document in self._documents.values():
            if request_id in document.opening:
                document.opening.remove(request_id)
                return [refusal]
        return []  # answered already, or never asked

    def _key(self, uri: str) -> Key:
        return self.id, uri

    def _compute(self, command: Command) -> Compute:
        return Compute(self.model.id, command)

    def _next(self) -> int:
        self._count += 1
        return self._count


def _tell_error(method: str, error: RequestError, uri: str | None = None, version: int | None = None) -> Notify:
    """The `$/error` about a notification or, with `uri`, about a document: the end of what was to become of it up to
    `version`."""
    params = {"method": method, **error_object(error)}
    about = {name: value for name, value in (("uri", uri), ("version", version)) if value is not None}
    if about:
        params["data"] = {**params.get("data", {}), **about}
    return Notify("$/error", params)


def _shortest_or_none(value: float | None) -> float | None:
    return None if value is None else shortest(value)


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
