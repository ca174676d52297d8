"""A document's text and version, and the conversion of offsets.

Text is a Python string, so offsets count code points ("utf-32"). Most clients count UTF-16 code units; `Offsets`
converts between the two.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from ..errors import InvalidParams

PositionEncoding = Literal["utf-16", "utf-32"]
IntArray = np.ndarray[Any, np.dtype[np.int64]]

_SURROGATE_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_NONE: IntArray = np.zeros(0, dtype=np.int64)


class Offsets:
    """Converts offsets into one text between code points and a client's unit.

    A character outside the Basic Multilingual Plane ("astral") is one code point but two UTF-16 code units, so
    the positions of these characters are all that is needed; most texts have none.
    """

    def __init__(self, text: str, encoding: PositionEncoding) -> None:
        self._length = len(text)
        # [astral characters], in code points
        self._astral = _astral_positions(text) if encoding == "utf-16" else _NONE

    @classmethod
    def of_positions(cls, length: int, astral: IntArray) -> Offsets:
        """For a text of `length` code points with astral characters at `astral`, ascending."""
        offsets = cls("", "utf-16")
        offsets._length, offsets._astral = length, astral
        return offsets

    @property
    def length(self) -> int:
        """The text's length in the client's unit."""
        return self._length + len(self._astral)

    def astral_between(self, start: int, stop: int) -> IntArray:
        """Positions of the astral characters in `[start, stop)`, all in code points."""
        first, last = np.searchsorted(self._astral, (start, stop))
        return self._astral[first:last]

    def to_wire(self, points: IntArray) -> IntArray:
        """Code points to the client's unit, for a whole array."""
        if not len(self._astral):
            return points
        return points + np.searchsorted(self._astral, points, side="left")

    def from_wire(self, offset: int) -> int | None:
        """The client's unit to code points; None inside a surrogate pair or past the end."""
        if not 0 <= offset <= self.length:
            return None
        # The number of astral characters that begin before `offset`: the one at `index` begins at
        # `_astral[index] + index`, in UTF-16 code units.
        low, high = 0, len(self._astral)
        while low < high:
            middle = (low + high) // 2
            if self._astral[middle] + middle < offset:
                low = middle + 1
            else:
                high = middle
        if low and self._astral[low - 1] + low - 1 == offset - 1:
            return None
        return offset - low


def _astral_positions(text: str) -> IntArray:
    if text.isascii():
        return _NONE
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
    return np.flatnonzero(points > 0xFFFF)


def join_surrogates(text: str) -> str:
    """Joins surrogate halves that have become neighbours into the character that they encode."""
    if not _has_lone_surrogates(text):
        return text
    return _SURROGATE_PAIR.sub(lambda pair: pair[0].encode("utf-16", "surrogatepass").decode("utf-16"), text)


def replace_lone_surrogates(text: str) -> str:
    """Replaces lone surrogates, which no tokenizer can read, by U+FFFD; lengths stay the same in either unit."""
    return _LONE_SURROGATE.sub("\ufffd", text) if _has_lone_surrogates(text) else text


def _has_lone_surrogates(text: str) -> bool:
    """Encoding is ten times as fast as a regular expression, and no other thread can run during either."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


class ImpossibleChange(Exception):
    """A change that does not fit the text; the message says why."""


class TextTooLong(Exception):
    """A change that would make the text longer than it may be."""


@dataclass(slots=True)
class Text:
    """The text of one document, as the client has it."""

    version: int
    text: str
    encoding: PositionEncoding
    _offsets: Offsets | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.encoding == "utf-16":
            self.text = join_surrogates(self.text)

    @property
    def offsets(self) -> Offsets:
        if self._offsets is None:
            self._offsets = Offsets(self.text, self.encoding)
        return self._offsets

    @property
    def length(self) -> int:
        """Length in the client's unit."""
        return self.offsets.length

    def change(self, version: int, changes: Iterable[tuple[int, int, str]], maximum: int) -> None:
        """Replaces each `(from, to, insert)`; all offsets refer to the text as it was before the call.

        The text is copied, which is fast; only what is inserted is looked at.

        Raises:
            ImpossibleChange: an offset out of range or inside a surrogate pair, overlapping ranges, or a version that
                does not increase. The text is then unchanged.
            TextTooLong: the text would be longer than `maximum` code points. It is then unchanged.
        """
        if version <= self.version:
            raise ImpossibleChange(f"version {version} does not follow version {self.version}")
        spans = [(self._span(start, stop), insert) for start, stop, insert in changes]
        spans.sort(key=lambda change: change[0])  # stable: insertions at one place keep their order
        new = _Joined() if self.encoding == "utf-16" else _Pieces()
        position = 0
        for (start, stop), insert in spans:
            if start < position:
                raise ImpossibleChange("two changes overlap")
            new.keep(self.text[position:start], self.offsets, position)
            new.insert(insert)
            position = stop
        new.keep(self.text[position:], self.offsets, position)
        if new.length > maximum:
            raise TextTooLong
        self.text, self._offsets = new.result()
        self.version = version

    def _span(self, start: int, stop: int) -> tuple[int, int]:
        if start > stop:
            raise ImpossibleChange(f"a change ends at {stop}, before it starts at {start}")
        first, last = self.offsets.from_wire(start), self.offsets.from_wire(stop)
        if first is None or last is None:
            offset = start if first is None else stop
            where = "past the end" if offset > self.length else "inside a surrogate pair"
            raise ImpossibleChange(f"offset {offset} is {where} of a text of length {self.length}")
        return first, last


class _Pieces:
    """The pieces of a new text, from its beginning to its end."""

    def __init__(self) -> None:
        self.length = 0
        """Code points so far."""
        self._pieces: list[str] = []

    def keep(self, piece: str, offsets: Offsets, position: int) -> None:
        """Adds what was at `position` in the text of `offsets`."""
        self.insert(piece)

    def insert(self, piece: str) -> None:
        self.length += len(piece)
        self._pieces.append(piece)

    def result(self) -> tuple[str, Offsets | None]:
        return "".join(self._pieces), None


class _Joined(_Pieces):
    """The same, but joins surrogate halves that meet into one character, and keeps the positions of astral
    characters."""

    def __init__(self) -> None:
        super().__init__()
        self._astral: list[IntArray] = []

    def keep(self, piece: str, offsets: Offsets, position: int) -> None:
        rest = self._join_ends(piece)
        position += len(piece) - len(rest)
        self._add(rest, offsets.astral_between(position, position + len(rest)) - position)

    def insert(self, piece: str) -> None:
        rest = self._join_ends(join_surrogates(piece))
        self._add(rest, _astral_positions(rest))

    def result(self) -> tuple[str, Offsets]:
        return "".join(self._pieces), Offsets.of_positions(self.length, np.concatenate([_NONE, *self._astral]))

    def _join_ends(self, piece: str) -> str:
        """If the text so far ends with the first half of a character and `piece` begins with the second, puts the
        character there. Returns the rest of `piece`."""
        if not (self._pieces and "\ud800" <= self._pieces[-1][-1] <= "\udbff" and "\udc00" <= piece[:1] <= "\udfff"):
            return piece
        before = self._pieces.pop()
        self.length -= 1
        if len(before) > 1:
            self._pieces.append(before[:-1])
        self._add(join_surrogates(before[-1] + piece[0]), np.zeros(1, dtype=np.int64))
        return piece[1:]

    def _add(self, piece: str, astral: IntArray) -> None:
        if piece:
            self._pieces.append(piece)
            self._astral.append(astral + self.length)
            self.length += len(piece)


def choose_encoding(offered: Iterable[str]) -> PositionEncoding:
    """The first supported encoding that the client offers; UTF-16 when it offers none.

    Raises:
        InvalidParams: only unknown encodings are offered.
    """
    known: dict[str, PositionEncoding] = {"utf-16": "utf-16", "utf-32": "utf-32"}
    offered = list(offered)
    for name in offered:
        if name in known:
            return known[name]
    if offered:
        raise InvalidParams(
            "No position encoding in common: utf-16 and utf-32 are supported.", member="positionEncodings"
        )
    return "utf-16"
