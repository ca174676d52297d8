"""A session's record of one document: the client's text, what it has been sent, and what comes next.

A document's state has two parts: that of its newest text, and that of the values of the client's tokens, which may
belong to an older text. Both change only by `Document.on`, according to one table.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TypeVar, cast

from ..document.text import Text
from ..document.tokens import EMPTY, Splice, TokenList, replacement, splice_between
from ..engine.commands import ContextTarget, IntArray, Need, Unit
from ..protocol.codec import MOST_IN_FRAME
from ..protocol.messages import ActivationEncoding, DocumentTokens, RequestId, Token

_REMEMBERED_VERSIONS = 64
_REMEMBERED_TOKENS = 1 << 16
"""Tokens of all older lists that are kept for comparison; the last one is always kept."""

# The size of a frame is estimated from the longest form of its parts.
_TOKENS_IN_FRAME = _VALUES_IN_FRAME = MOST_IN_FRAME - 64 * 1024
"""Bytes; the rest is for the document's name and the other members."""
_TOKEN_BYTES = 100
"""Of a token without its text, with all members."""
_CHARACTER_BYTES = 6
"""Of a character in JSON, as an escape."""
_VALUE_BYTES: Mapping[ActivationEncoding, int] = {"json": 17, "base64": 6}
"""Of one float32, its comma included."""
_ROW_BYTES = 8
"""Of a row's brackets and its neuron's key."""


class TextState(Enum):
    """The state of a document's newest text."""

    LOST = "unknown: the client has to open the document again"
    UNREAD = "waits to be tokenized"
    TOKENIZING = "it, or an older one, is being tokenized"
    TOKENIZED = "its tokens, or those of an older one, wait until the client has read earlier messages"
    SENT = "the client has its tokens"


class ValuesState(Enum):
    """The state of the values of the client's tokens."""

    NONE = "none are wanted"
    WANTED = "not requested yet: the client does not read, or there is no worker"
    COMPUTING = "requested from an engine"
    COMPLETE = "all have been sent"
    FAILED = "failed; the next request for values tries again"


class Event(Enum):
    """What can happen to a document, apart from being opened and closed."""

    CHANGED = auto()
    LOST = auto()
    """A change was impossible, or the connection is gone."""
    MODEL_CHANGED = auto()
    TOKENIZING = auto()
    TOKENIZED = auto()
    OVERTAKEN = auto()
    """A text has been tokenized, but there is a newer one."""
    TOKENS_SENT = auto()
    """The same, and it is the newest text."""
    WANTED = auto()
    COMPUTING = auto()
    FINISHED = auto()
    FAILED = auto()


_TRANSITIONS: Mapping[TextState | ValuesState, Mapping[Event, TextState | ValuesState]] = {
    TextState.LOST: {
        Event.LOST: TextState.LOST,
        Event.MODEL_CHANGED: TextState.LOST,
    },
    TextState.UNREAD: {
        Event.CHANGED: TextState.UNREAD,
        Event.TOKENIZING: TextState.TOKENIZING,
        Event.LOST: TextState.LOST,
        Event.MODEL_CHANGED: TextState.UNREAD,
    },
    TextState.TOKENIZING: {
        Event.CHANGED: TextState.TOKENIZING,
        Event.TOKENIZED: TextState.TOKENIZED,
        Event.OVERTAKEN: TextState.UNREAD,
        Event.LOST: TextState.LOST,
        Event.MODEL_CHANGED: TextState.UNREAD,
    },
    TextState.TOKENIZED: {
        Event.CHANGED: TextState.TOKENIZED,
        Event.OVERTAKEN: TextState.UNREAD,
        Event.TOKENS_SENT: TextState.SENT,
        Event.LOST: TextState.LOST,
        Event.MODEL_CHANGED: TextState.UNREAD,
    },
    TextState.SENT: {
        Event.CHANGED: TextState.UNREAD,
        Event.LOST: TextState.LOST,
        Event.MODEL_CHANGED: TextState.UNREAD,
    },
    ValuesState.NONE: {
        Event.WANTED: ValuesState.WANTED,
        Event.LOST: ValuesState.NONE,
        Event.MODEL_CHANGED: ValuesState.NONE,
    },
    ValuesState.WANTED: {
        Event.WANTED: ValuesState.WANTED,
        Event.COMPUTING: ValuesState.COMPUTING,
        Event.FINISHED: ValuesState.COMPLETE,  # what the engine had finished before it was put on hold
        Event.FAILED: ValuesState.FAILED,
        Event.LOST: ValuesState.NONE,
        Event.MODEL_CHANGED: ValuesState.NONE,
    },
    ValuesState.COMPUTING: {
        Event.WANTED: ValuesState.WANTED,
        Event.FINISHED: ValuesState.COMPLETE,
        Event.FAILED: ValuesState.FAILED,
        Event.LOST: ValuesState.NONE,
        Event.MODEL_CHANGED: ValuesState.NONE,
    },
    ValuesState.COMPLETE: {
        Event.WANTED: ValuesState.WANTED,
        Event.LOST: ValuesState.NONE,
        Event.MODEL_CHANGED: ValuesState.NONE,
    },
    ValuesState.FAILED: {
        Event.WANTED: ValuesState.WANTED,
        Event.LOST: ValuesState.NONE,
        Event.MODEL_CHANGED: ValuesState.NONE,
    },
}
"""Both parts of a document's state. A part ignores events that it lists for none of its states. Any other event that is
not listed for a state is a bug."""

_CONCERNS: Mapping[type[Enum], frozenset[Event]] = {
    part: frozenset(event for state in part for event in _TRANSITIONS[state]) for part in (TextState, ValuesState)
}


class IllegalTransition(Exception):
    """A bug: this event is impossible in this state."""


@dataclass(slots=True)
class Document:
    """One document: the client's text, and what it has been sent."""

    text: Text
    text_state: TextState = TextState.UNREAD
    values_state: ValuesState = ValuesState.NONE
    unread_versions: int = 1
    """How many versions are newer than the one that is tokenized or being tokenized."""
    opening: list[RequestId] = field(default_factory=list)
    """Requests that are answered by the next tokens."""
    ticket: int = 0
    """Number of the current `Tokenize`; results of others are dropped."""
    ticket_version: int = 0
    tokenized: tuple[TokenList, int] | None = None
    """In `TextState.TOKENIZED`: the tokens and their version."""
    tokenize_seconds: float = 0.0
    tokens: TokenList = EMPTY
    """Exactly the client's token list."""
    tokens_version: int | None = None
    """None before the first."""
    replace_all: bool = False
    """Whether all of the client's tokens and values will be invalid, because the model has changed."""
    history: deque[tuple[int, TokenList]] = field(default_factory=deque)
    """Versions that `tokens` replaced, the oldest first."""
    contexts: list[SentContext] = field(default_factory=list)
    """What the client has of each context of `tokens`."""
    serial: int = -1
    """Number of the newest evaluation; results of others are dropped."""
    cause: str = "document/open"
    """The method that the newest evaluation answers."""
    waiting_since: float | None = None
    """When the oldest change came that has not been answered by `activations/done`."""
    first_update: float | None = None
    """When the first values since then were sent."""
    crashes: int = 0
    """How often it has, or may have, crashed the model's worker since it was last computed."""

    def on(self, event: Event) -> None:
        """Handles an event; see `_TRANSITIONS`.

        Raises:
            IllegalTransition: it is impossible in this state, which does not change.
        """
        text_state = self._next(self.text_state, event)
        self.values_state, self.text_state = self._next(self.values_state, event), text_state

    @staticmethod
    def _next(state: _State, event: Event) -> _State:
        after = _TRANSITIONS[state].get(event)
        if after is not None:
            return cast("_State", after)
        if event in _CONCERNS[type(state)]:
            raise IllegalTransition(f"{event} in {state}")
        return state

    @property
    def pending(self) -> bool:
        """Whether the client waits for anything about it."""
        return self.text_state not in (TextState.LOST, TextState.SENT) or self.lacks_values

    @property
    def lacks_values(self) -> bool:
        """Whether the client is still missing values of its tokens."""
        return self.values_state in (ValuesState.WANTED, ValuesState.COMPUTING)

    def take_tokens(self, tokens: TokenList, version: int, subscribed: tuple[Unit, ...]) -> Splice:
        """Makes `tokens` the client's list; returns the splice to send."""
        splice = (replacement if self.replace_all else splice_between)(self.tokens, tokens)
        old, contexts = (EMPTY, []) if self.replace_all else (self.tokens, self.contexts)
        self._remember()
        contexts = _carry_over(old, contexts, tokens, splice, subscribed)
        self.tokens, self.tokens_version, self.contexts, self.replace_all = tokens, version, contexts, False
        return splice

    def version_before(self, since: int | None) -> tuple[int, TokenList] | None:
        """The version to compare the newest tokens with: the last that is not after `since`, or else the oldest that is
        kept; without `since` the last but one. None if there is none."""
        if since is None or not self.history:
            return self.history[-1] if self.history else None
        return next((one for one in reversed(self.history) if one[0] <= since), self.history[0])

    def _remember(self) -> None:
        """Keeps `tokens`, which are about to be replaced."""
        if self.replace_all:
            self.history.clear()
        elif self.tokens_version is not None:
            self.history.append((self.tokens_version, self.tokens))
        total = sum(len(tokens) for _, tokens in self.history)
        while len(self.history) > 1 and (len(self.history) > _REMEMBERED_VERSIONS or total > _REMEMBERED_TOKENS):
            total -= len(self.history.popleft()[1])


_State = TypeVar("_State", TextState, ValuesState)


@dataclass(slots=True)
class SentContext:
    """What the client has of one context: for each length, the units whose values it has up to there."""

    ids: IntArray  # [tokens]
    lengths: dict[int, tuple[Unit, ...]]

    def cut(self, length: int) -> dict[int, tuple[Unit, ...]]:
        """What stays valid when the context changes from token `length` on."""
        lengths: dict[int, tuple[Unit, ...]] = {}
        for sent, units in self.lengths.items():
            lengths[min(sent, length)] = lengths.get(min(sent, length), ()) + units
        return lengths

    def advance(self, start: int, stop: int, units: Sequence[Unit]) -> None:
        """The client has been sent the values of `units` at `[start, stop)`."""
        moved = set(units)
        left = tuple(unit for unit in self.lengths.pop(start, ()) if unit not in moved)
        if left:
            self.lengths[start] = left
        self.lengths[stop] = self.lengths.get(stop, ()) + tuple(units)

    def add(self, units: tuple[Unit, ...]) -> None:
        self.lengths[0] = self.lengths.get(0, ()) + units

    def remove(self, units: set[Unit]) -> None:
        kept = {sent: tuple(u for u in group if u not in units) for sent, group in self.lengths.items()}
        self.lengths = {sent: group for sent, group in kept.items() if group}

    def target(self) -> ContextTarget:
        needs = (Need(start, units) for start, units in sorted(self.lengths.items()) if start < len(self.ids))
        return ContextTarget(self.ids, tuple(needs))


def _carry_over(
    old: TokenList, sent: list[SentContext], new: TokenList, splice: Splice, subscribed: tuple[Unit, ...]
) -> list[SentContext]:
    """What the client has of the new contexts: the values of the tokens before the splice, and whole contexts after it.
    An inserted token has no values there, even if the same token was there before."""
    former = {context.start: one for context, one in zip(old.contexts(), sent, strict=True)}
    carried: list[SentContext] = []
    for context in new.contexts():
        ids = new.ids[context]
        behind = context.start >= splice.start + splice.insert
        origin = former.get(context.start + splice.delete - splice.insert if behind else context.start)
        kept = len(ids) if behind else max(0, splice.start - context.start)
        if origin is None:
            carried.append(SentContext(ids, {0: subscribed} if subscribed else {}))
        else:
            carried.append(SentContext(ids, origin.cut(min(kept, len(ids)))))
    return carried


def splice_messages(
    uri: str, version: int, model: str, tokens: TokenList, splice: Splice, text_of: Callable[[int], str]
) -> list[DocumentTokens]:
    """The `document/tokens` messages that make the client's list `tokens`, each short enough for a frame; `text_of`
    decodes a token."""
    inserted = slice(splice.start, splice.start + splice.insert)
    breaks = set(tokens.breaks)
    columns = (tokens.ids, tokens.starts, tokens.stops, tokens.special)
    rows = zip(*(column[inserted].tolist() for column in columns), strict=True)
    pieces: list[list[Token]] = [[]]
    room = _TOKENS_IN_FRAME
    for index, (token, start, stop, special) in enumerate(rows, start=splice.start):
        wire_token: Token = {"id": token, "text": text_of(token), "from": start, "to": stop}
        if special:
            wire_token["special"] = True
        if index in breaks:
            wire_token["segment"] = True
        room -= _TOKEN_BYTES + _CHARACTER_BYTES * len(wire_token["text"])
        if room < 0 and pieces[-1]:
            pieces.append([])
            room = _TOKENS_IN_FRAME
        pieces[-1].append(wire_token)
    messages: list[DocumentTokens] = []
    start, count = splice.start, len(tokens) - splice.insert
    for piece in pieces:
        count += len(piece)
        message: DocumentTokens = {
            "uri": uri,
            "version": version,
            "model": model,
            "start": start,
            "deleteCount": 0 if messages else splice.delete,
            "tokens": piece,
            "shift": 0 if messages else splice.shift,
            "tokenCount": count,
        }
        if len(messages) < len(pieces) - 1:
            message["more"] = True
        messages.append(message)
        start += len(piece)
    return messages


def value_blocks(keys: Sequence[str], count: int, encoding: ActivationEncoding) -> Iterator[tuple[slice, slice]]:
    """Divides values [keys, count] into blocks, each short enough for a frame: slices of keys and of tokens."""
    size, key_bytes = _VALUE_BYTES[encoding], max(map(len, keys)) + _ROW_BYTES
    rows = min(len(keys), _VALUES_IN_FRAME // (key_bytes + size))
    columns = min(count, (_VALUES_IN_FRAME - rows * key_bytes) // (rows * size))
    for start in range(0, count, columns):
        for first in range(0, len(keys), rows):
            yield slice(first, first + rows), slice(start, min(count, start + columns))
