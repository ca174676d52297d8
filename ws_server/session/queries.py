"""Questions about a document that an engine answers, and the table in which they wait.

Every question ends in one of these ways: it is answered; it fails; the client cancels it; its document is closed,
opened again, changed (if that makes the answer useless) or gets another model; the model's worker is lost; or it has
waited too long. A new kind of question is a subclass of `Query` and a line in `QUERIES`.
"""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from ..engine.commands import (
    Command,
    Compare,
    Compared,
    ContextPair,
    IntArray,
    Key,
    Probe,
    Probed,
    Withdraw,
    neuron_hook,
)
from ..errors import InvalidParams, Overloaded, RequestCancelled, RequestError
from ..model import ServedModel
from ..protocol import messages as wire
from ..protocol.codec import shortest
from ..protocol.messages import RequestId
from .comparison import comparable
from .documents import Document
from .effects import Compute, Effects, Refuse, Reply

MOST_QUERIES = 64
"""Questions of one session that wait at once."""
LONGEST_WAIT = 120.0
"""Seconds; the last resort."""


@dataclass(frozen=True, slots=True)
class Query(ABC):
    """One question about the document `uri`."""

    uri: str
    useless_after_edits: ClassVar[bool] = False
    """Whether the answer is useless once the client has been sent other tokens."""

    @classmethod
    @abstractmethod
    def about(cls, document: Document, params: Any, model: ServedModel) -> Query:
        """Makes the question from a request's params.

        Raises:
            RequestError: it cannot be answered.
        """

    @abstractmethod
    def command(self, key: Key, ticket: int) -> Command:
        """The engine's command."""

    @abstractmethod
    def result(self, answer: Any, model: ServedModel) -> Any:
        """The result on the wire, from the engine's answer."""

    def immediate(self) -> Any:
        """The result if it needs no engine; None if it does."""
        return None


@dataclass(frozen=True, slots=True)
class TopQuery(Query):
    """The highest neurons at a token."""

    version: int
    token: int
    context: int
    ids: IntArray  # [tokens], of the context up to and with the token
    layers: tuple[int, ...]
    k: int
    by_ratio: bool

    @classmethod
    def about(cls, document: Document, params: wire.NeuronsTopParams, model: ServedModel) -> TopQuery:
        tokens = document.tokens
        if params.token >= len(tokens):
            raise InvalidParams(
                f"Token {params.token} does not exist: the document has {len(tokens)} tokens.", member="token"
            )
        layers = _layers(params.layers, model)
        _check_ranking(params.by, model)
        number, context = next(
            (number, context) for number, context in enumerate(tokens.contexts()) if params.token < context.stop
        )
        assert document.tokens_version is not None
        ids = tokens.ids[context.start : params.token + 1]
        by_ratio = params.by == "ratio"
        return cls(params.uri, document.tokens_version, params.token, number, ids, layers, params.k, by_ratio)

    def command(self, key: Key, ticket: int) -> Command:
        return Probe(key, ticket, self.context, self.ids, self.layers, self.k, self.by_ratio)

    def result(self, answer: Probed, model: ServedModel) -> wire.NeuronsTopResult:
        neurons: list[wire.TopNeuron] = [
            {
                "key": model.key((neuron_hook(unit.layer), unit.neuron)),
                "layer": unit.layer,
                "neuron": unit.neuron,
                "value": shortest(unit.value),
                "ratio": _ratio(unit.ratio),
            }
            for unit in answer.top
        ]
        return {"version": self.version, "token": self.token, "neurons": neurons}


@dataclass(frozen=True, slots=True)
class ChangedQuery(Query):
    """The neurons that an edit changed most."""

    useless_after_edits: ClassVar[bool] = True
    version: int
    previous_version: int | None
    pairs: tuple[ContextPair, ...]
    starts: tuple[int, ...]
    """First tokens of the contexts."""
    layers: tuple[int, ...]
    k: int
    by_ratio: bool

    @classmethod
    def about(cls, document: Document, params: wire.NeuronsChangedParams, model: ServedModel) -> ChangedQuery:
        layers = _layers(params.layers, model)
        _check_ranking(params.by, model)
        version = document.tokens_version
        if version is None:
            raise RequestCancelled("The document has not been tokenized yet; ask again.")
        before = document.version_before(params.since)
        pairs = comparable(before[1], document.tokens) if before is not None else ()
        starts = tuple(context.start for context in document.tokens.contexts())
        previous = before[0] if before is not None else None
        return cls(params.uri, version, previous, pairs, starts, layers, params.k, params.by == "ratio")

    def command(self, key: Key, ticket: int) -> Command:
        return Compare(key, ticket, self.pairs, self.layers, self.k, self.by_ratio)

    def immediate(self) -> wire.NeuronsChangedResult | None:
        return None if self.pairs else self._result([])

    def result(self, answer: Compared, model: ServedModel) -> wire.NeuronsChangedResult:
        return self._result(
            [
                {
                    "key": model.key((neuron_hook(unit.layer), unit.neuron)),
                    "layer": unit.layer,
                    "neuron": unit.neuron,
                    "token": self.starts[unit.context] + unit.token,
                    "before": shortest(unit.before),
                    "after": shortest(unit.after),
                    "change": shortest(unit.after - unit.before),
                    "ratio": _ratio(unit.ratio),
                }
                for unit in answer.changed
            ]
        )

    def _result(self, neurons: list[wire.ChangedNeuron]) -> wire.NeuronsChangedResult:
        return {
            "version": self.version,
            "previousVersion": self.previous_version,
            "layers": list(self.layers),
            "comparedTokens": sum(len(pair.new_at) for pair in self.pairs),
            "neurons": neurons,
        }


QUERIES: Mapping[type[wire.Params], type[Query]] = {
    wire.NeuronsTopParams: TopQuery,
    wire.NeuronsChangedParams: ChangedQuery,
}
"""By the type of their params."""


def _layers(wanted: list[int] | None, model: ServedModel) -> tuple[int, ...]:
    count = model.loaded.layers
    layers = tuple(dict.fromkeys(range(count) if wanted is None else wanted))
    if not layers or max(layers) >= count:
        raise InvalidParams(f"`layers` must name some of the layers 0 to {count - 1}.", member="layers")
    return layers


def _check_ranking(by: str, model: ServedModel) -> None:
    if by == "ratio" and model.loaded.statistics is None:
        raise InvalidParams("This model has no statistics, so ratios are unknown.", member="by")


def _ratio(value: float | None) -> float | None:
    return None if value is None else shortest(value)


# ------------------------------------------------------------------------------------ the table


@dataclass(frozen=True, slots=True)
class _Pending:
    id: RequestId
    query: Query
    model: ServedModel
    deadline: float


class PendingQueries:
    """The questions of one session that wait for an engine.

    Args:
        session_id: the session that the engine's commands belong to.
        clock: seconds; only differences matter.
    """

    def __init__(self, session_id: str, clock: Callable[[], float]) -> None:
        self._session_id = session_id
        self._clock = clock
        self._tickets = itertools.count(1)
        self._pending: dict[int, _Pending] = {}  # by ticket, the oldest first

    def __len__(self) -> int:
        return len(self._pending)

    def check_room(self) -> None:
        """Raises `Overloaded` if no further question may wait."""
        if len(self._pending) >= MOST_QUERIES:
            raise Overloaded(f"{MOST_QUERIES} questions wait for the model already; wait for answers, or cancel some.")

    def ask(self, request_id: RequestId, query: Query, model: ServedModel, *, submit: bool) -> Effects:
        """Adds a question. Without `submit` it is not sent to the engine yet: see `submit_all`."""
        ticket = next(self._tickets)
        self._pending[ticket] = _Pending(request_id, query, model, self._clock() + LONGEST_WAIT)
        return [self._command(ticket)] if submit else []

    def submit_all(self) -> Effects:
        """Sends all questions to a new engine."""
        return [self._command(ticket) for ticket in self._pending]

    def answered(self, ticket: int, answer: Probed | Compared) -> Effects:
        pending = self._pending.pop(ticket, None)
        return [] if pending is None else [Reply(pending.id, pending.query.result(answer, pending.model))]

    def failed(self, ticket: int, error: RequestError) -> Effects:
        return self._refuse(lambda at, _: at == ticket, error, withdraw=False)

    def cancel(self, request_id: RequestId, error: RequestError) -> Effects:
        ticket = next((ticket for ticket, pending in self._pending.items() if pending.id == request_id), None)
        return self._refuse(lambda at, _: at == ticket, error)

    def document_gone(self, uri: str, error: RequestError) -> Effects:
        """A document was closed, or opened again."""
        return self._refuse(lambda _, query: query.uri == uri, error)

    def document_changed(self, uri: str, error: RequestError) -> Effects:
        """The client has been sent other tokens."""
        return self._refuse(lambda _, query: query.uri == uri and query.useless_after_edits, error)

    def refuse_all(self, error: RequestError, *, withdraw: bool = True) -> Effects:
        """Refuses all: the model has changed, or its worker is lost."""
        return self._refuse(lambda *_: True, error, withdraw=withdraw)

    def withdraw_all(self) -> Effects:
        """Drops all: the client is gone."""
        effects: Effects = [self._withdrawal(ticket) for ticket in self._pending]
        self._pending.clear()
        return effects

    @property
    def deadline(self) -> float | None:
        """When `expire` has something to do next, by the clock; all questions have the same time limit."""
        return next((pending.deadline for pending in self._pending.values()), None)

    def expire(self) -> Effects:
        now = self._clock()
        late = {ticket for ticket, pending in self._pending.items() if pending.deadline <= now}
        return self._refuse(lambda ticket, _: ticket in late, Overloaded("The answer took too long; ask again later."))

    def _refuse(self, applies: Callable[[int, Query], bool], error: RequestError, *, withdraw: bool = True) -> Effects:
        effects: Effects = []
        for ticket, pending in list(self._pending.items()):
            if applies(ticket, pending.query):
                effects.append(Refuse(pending.id, error))
                if withdraw:
                    effects.append(self._withdrawal(ticket))
                del self._pending[ticket]
        return effects

    def _command(self, ticket: int) -> Compute:
        pending = self._pending[ticket]
        return Compute(pending.model.id, pending.query.command(self._key(pending), ticket))

    def _withdrawal(self, ticket: int) -> Compute:
        pending = self._pending[ticket]
        return Compute(pending.model.id, Withdraw(self._key(pending), ticket))

    def _key(self, pending: _Pending) -> Key:
        return self._session_id, pending.query.uri
