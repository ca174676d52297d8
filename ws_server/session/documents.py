"""A session's record of one document: what the client has written, and what it has been told of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ..document.text import Text
from ..document.tokens import EMPTY, Splice, TokenList, replacement, splice_between
from ..engine.commands import ContextTarget, IntArray, Need, Unit
from ..protocol.codec import MOST_IN_FRAME
from ..protocol.messages import ActivationEncoding, DocumentTokens, RequestId, Token

_REMEMBERED_VERSIONS = 64
_REMEMBERED_TOKENS = 1 << 16
"""Older token lists are kept, to compare with, while they have no more than these; the last one always."""

# What a frame holds is reckoned from the longest form that its parts can have.
_TOKENS_IN_FRAME = _VALUES_IN_FRAME = MOST_IN_FRAME - 64 * 1024
"""Bytes; what is left is for the document's name and the other members."""
_TOKEN_BYTES = 100
"""Of a token without its text, all members present."""
_CHARACTER_BYTES = 6
"""Of a character in JSON: that of an escape."""
_VALUE_BYTES: Mapping[ActivationEncoding, int] = {"json": 17, "base64": 6}
"""Of one float32, its comma included."""
_ROW_BYTES = 8
"""Of what encloses a row and its neuron's key."""


@dataclass(slots=True)
class Tokenizing:
    ticket: int
    version: int


@dataclass(slots=True)
class Document:
    """A document: what the client has written, and what it has been told."""

    text: Text
    followed: bool = True
    """Whether changes apply; not after an impossible one or a dropped connection, until the next open."""
    changes: int = 1
    """How many versions of the text are newer than what is tokenized or being tokenized."""
    first_update: float | None = None
    """When the first values since `arrived` were sent."""
    arrived: float | None = None
    """When the oldest change came that no `activations/done` has answered."""
    opening: list[RequestId] = field(default_factory=list)
    tokenizing: Tokenizing | None = None
    tokenized: tuple[TokenList, int] | None = None
    """Tokens and their version that the client is to be told of when it has read what was sent before."""
    tokenize_seconds: float = 0.0
    sent: TokenList = EMPTY
    sent_version: int | None = None
    """Version of the last `document/tokens`; None before the first."""
    replace_all: bool = False
    """Whether nothing the client holds will be valid: the model is another one."""
    former: deque[tuple[int, TokenList]] = field(default_factory=deque)
    """Versions that `sent` took the place of, the oldest first."""
    known: list[Known] = field(default_factory=list)  # one a context
    serial: int = -1
    """Number of the evaluation whose results are wanted; others are dropped."""
    evaluating: bool = False
    """Whether the client lacks results of it."""
    cause: str = "document/open"
    """The method that the newest evaluation answers."""
    strikes: int = 0
    """How often the model's worker has died of it, or may have, since it was last computed."""

    def take_tokens(self, tokens: TokenList, version: int, subscribed: tuple[Unit, ...]) -> Splice:
        """Makes `tokens` what the client has; returns the splice that it has to be sent for that."""
        splice = (replacement if self.replace_all else splice_between)(self.sent, tokens)
        sent, known = (EMPTY, []) if self.replace_all else (self.sent, self.known)
        self._remember()
        known = _carry_over(sent, known, tokens, splice, subscribed)
        self.sent, self.sent_version, self.known, self.replace_all = tokens, version, known, False
        return splice

    def version_before(self, since: int | None) -> tuple[int, TokenList] | None:
        """What to compare the newest tokens with: the last version that is not after `since`, else the oldest that is
        remembered; without `since` the last but one. None where there is none."""
        if since is None or not self.former:
            return self.former[-1] if self.former else None
        return next((one for one in reversed(self.former) if one[0] <= since), self.former[0])

    def _remember(self) -> None:
        """`sent` is about to become a former version."""
        if self.replace_all:
            self.former.clear()
        elif self.sent_version is not None:
            self.former.append((self.sent_version, self.sent))
        total = sum(len(tokens) for _, tokens in self.former)
        while len(self.former) > 1 and (len(self.former) > _REMEMBERED_VERSIONS or total > _REMEMBERED_TOKENS):
            total -= len(self.former.popleft()[1])


@dataclass(slots=True)
class Known:
    """What the client knows of one context: for each length, the units whose values it has that far."""

    ids: IntArray  # [tokens]
    lengths: dict[int, tuple[Unit, ...]]

    def cut(self, length: int) -> dict[int, tuple[Unit, ...]]:
        """What stays known when the context changes from token `length` on."""
        lengths: dict[int, tuple[Unit, ...]] = {}
        for known, units in self.lengths.items():
            lengths[min(known, length)] = lengths.get(min(known, length), ()) + units
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
        kept = {known: tuple(u for u in group if u not in units) for known, group in self.lengths.items()}
        self.lengths = {known: group for known, group in kept.items() if group}

    def target(self) -> ContextTarget:
        needs = (Need(start, units) for start, units in sorted(self.lengths.items()) if start < len(self.ids))
        return ContextTarget(self.ids, tuple(needs))


def _carry_over(
    old: TokenList, known: list[Known], new: TokenList, splice: Splice, subscribed: tuple[Unit, ...]
) -> list[Known]:
    """What the client knows of the new contexts: what it has at the tokens before the splice, and whole contexts
    behind it. A token that the splice puts in has no values there, even where the same token stood before."""
    former = {context.start: one for context, one in zip(old.contexts(), known, strict=True)}
    carried: list[Known] = []
    for context in new.contexts():
        ids = new.ids[context]
        behind = context.start >= splice.start + splice.insert
        origin = former.get(context.start + splice.delete - splice.insert if behind else context.start)
        kept = len(ids) if behind else max(0, splice.start - context.start)
        if origin is None:
            carried.append(Known(ids, {0: subscribed} if subscribed else {}))
        else:
            carried.append(Known(ids, origin.cut(min(kept, len(ids)))))
    return carried


def splice_messages(
    uri: str, version: int, model: str, tokens: TokenList, splice: Splice, text_of: Callable[[int], str]
) -> list[DocumentTokens]:
    """The `document/tokens` that make a client's list `tokens`, each short enough for a frame; `text_of` decodes a
    token."""
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
