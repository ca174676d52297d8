"""A document's text, its version, and the only place that converts offsets.

Text is a Python string, so it is counted in code points ("utf-32"). Clients mostly count UTF-16 code units;
`Offsets` converts between the two.
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
_ASTRAL = re.compile("[\U00010000-\U0010ffff]")


class Offsets:
    """Converts offsets into one text between code points and a client's unit.

    A character outside the Basic Multilingual Plane ("astral") is one code point but two UTF-16 code units, so
    the positions of these characters tell everything; most texts have none.
    """

    def __init__(self, text: str, encoding: PositionEncoding) -> None:
        self._length = len(text)
        # max() is a fast scan in C; only a text that needs it pays for the search.
        astral = text and encoding == "utf-16" and max(text) > "\uffff"
        found = (match.start() for match in _ASTRAL.finditer(text)) if astral else ()
        self._astral: IntArray = np.fromiter(found, dtype=np.int64)  # [astral characters], in code points
        self._astral_units = self._astral + np.arange(len(self._astral))  # the same, in UTF-16 code units

    @property
    def length(self) -> int:
        """The text's length in the client's unit."""
        return self._length + len(self._astral)

    def to_wire(self, points: IntArray) -> IntArray:
        """Code points to the client's unit, for a whole array."""
        if not len(self._astral):
            return points
        return points + np.searchsorted(self._astral, points, side="left")

    def from_wire(self, offset: int) -> int | None:
        """The client's unit to code points; None inside a surrogate pair or past the end."""
        if not 0 <= offset <= self.length:
            return None
        if not len(self._astral):
            return offset
        before = int(np.searchsorted(self._astral_units, offset, side="left"))
        if before and self._astral_units[before - 1] == offset - 1:
            return None
        return offset - before


def join_surrogates(text: str) -> str:
    """Joins surrogate halves that have become neighbours into the character that they encode."""
    if not text or not _LONE_SURROGATE.search(text):
        return text
    return _SURROGATE_PAIR.sub(lambda pair: pair[0].encode("utf-16", "surrogatepass").decode("utf-16"), text)


def replace_lone_surrogates(text: str) -> str:
    """What a tokenizer can read: each lone surrogate becomes U+FFFD, of the same length in either unit."""
    return _LONE_SURROGATE.sub("\ufffd", text)


class ImpossibleChange(Exception):
    """A change that does not fit the text; the message says why."""


class TextTooLong(Exception):
    """A change that would make the text longer than it may be."""


@dataclass(slots=True)
class Text:
    """The text of one document as the client last told it."""

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

        Raises:
            ImpossibleChange: an offset out of range or inside a surrogate pair, overlapping ranges, or a version
                that does not grow. The text is then as it was.
            TextTooLong: the text would be longer than `maximum` code points. It is then as it was.
        """
        if version <= self.version:
            raise ImpossibleChange(f"version {version} does not follow version {self.version}")
        spans = [(self._span(start, stop), insert) for start, stop, insert in changes]
        spans.sort(key=lambda change: change[0])  # stable: insertions at one place keep the order they came in
        pieces: list[str] = []
        position = 0
        for (start, stop), insert in spans:
            if start < position:
                raise ImpossibleChange("two changes overlap")
            pieces += self.text[position:start], insert
            position = stop
        pieces.append(self.text[position:])
        text = "".join(pieces)
        if len(text) > maximum:
            raise TextTooLong
        self.text = join_surrogates(text) if self.encoding == "utf-16" else text
        self.version = version
        self._offsets = None

    def _span(self, start: int, stop: int) -> tuple[int, int]:
        if start > stop:
            raise ImpossibleChange(f"a change ends at {stop}, before it starts at {start}")
        first, last = self.offsets.from_wire(start), self.offsets.from_wire(stop)
        if first is None or last is None:
            offset = start if first is None else stop
            where = "past the end" if offset > self.length else "inside a surrogate pair"
            raise ImpossibleChange(f"offset {offset} is {where} of a text of length {self.length}")
        return first, last


def choose_encoding(offered: Iterable[str]) -> PositionEncoding:
    """The first known encoding that the client offers; UTF-16 when it offers none.

    Raises:
        InvalidParams: only unknown encodings are offered.
    """
    known: dict[str, PositionEncoding] = {"utf-16": "utf-16", "utf-32": "utf-32"}
    offered = list(offered)
    for name in offered:
        if name in known:
            return known[name]
    if offered:
        raise InvalidParams("No position encoding in common; known are utf-16 and utf-32.", member="positionEncodings")
    return "utf-16"
