"""Which characters of a text a normalizer combines.

The `tokenizers` library keeps only the first character of a composition: after NFC, the é of `e` + U+0301 has the span
of the `e`, and combining marks that change places have each other's spans. Here the normalizer is asked about each
base with its marks, and the characters that cannot be told apart afterwards are put into one piece.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from functools import lru_cache
from itertools import pairwise

import numpy as np

from .tokens import IntArray

_FIRST_MARK = 0x300  # no character below joins the one before it
_LONGEST = 64
"""Clusters up to this many characters are divided; a longer one that changes at all is one piece."""
_CACHED = 1 << 14
_ANCHOR = "."
"""Surrounds a cluster, for normalizers that change the ends of a text. It does not compose with anything."""

Pieces = tuple[int, ...]
"""Where the pieces of a cluster begin, then its length."""


class Alignment:
    """The pieces into which a normalizer divides texts. Methods may be called from any thread."""

    def __init__(self, normalize: Callable[[str], str]) -> None:
        self._normalize = normalize
        self._pieces = lru_cache(_CACHED)(self._divide)

    def widen(self, text: str, starts: IntArray, stops: IntArray) -> tuple[IntArray, IntArray]:
        """Spans in `text`, widened to the pieces that they overlap; empty ones stay as they are, [tokens]."""
        if text.isascii():
            return starts, stops
        joins = _joins(text)
        if not joins.any():
            return starts, stops
        first = np.arange(len(text))  # of the piece that each character belongs to, [characters]
        last = first + 1
        bases = np.flatnonzero(~joins)
        edges = np.concatenate((bases if len(bases) and bases[0] == 0 else np.concatenate(([0], bases)), [len(text)]))
        clusters = np.flatnonzero(np.diff(edges) > 1)
        for begin, end in zip(edges[clusters].tolist(), edges[clusters + 1].tolist(), strict=True):
            pieces = self._pieces(text[begin:end])
            for start, stop in pairwise(pieces):
                if stop - start > 1:
                    first[begin + start : begin + stop] = begin + start
                    last[begin + start : begin + stop] = begin + stop
        some = stops > starts
        starts, stops = starts.copy(), stops.copy()
        starts[some] = first[starts[some]]
        stops[some] = last[stops[some] - 1]
        return starts, stops

    def _divide(self, cluster: str) -> Pieces:
        """The smallest pieces that give the same result when normalized one by one."""
        length = len(cluster)
        whole = self._inside(cluster)
        if whole == cluster:
            return tuple(range(length + 1))
        if whole is None or length > _LONGEST:
            return (0, length)
        cuts, produced = [0], 0  # and the length of the result of the pieces so far
        for cut in range(length - 1, 0, -1):
            before, after = self._inside(cluster[:cut]), self._inside(cluster[cut:])
            # What is dropped, such as a stripped accent, stays with its base.
            if before is not None and after is not None and before + after == whole and len(after) > produced:
                cuts.insert(1, cut)
                produced = len(after)
        return (*cuts, length)

    def _inside(self, text: str) -> str | None:
        """What `text` becomes inside another text; None if that cannot be determined."""
        around = self._normalize(_ANCHOR * 2)
        head, tail = around[:-1], around[-1:]
        normal = self._normalize(_ANCHOR + text + _ANCHOR)
        if tail != _ANCHOR or not normal.startswith(head) or not normal.endswith(tail):
            return None
        return normal[len(head) : -1]


def _joins(text: str) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Whether each character may join the one before it in some normal form, [characters]."""
    points = np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32)
    there = np.unique(points[points >= _FIRST_MARK]).tolist()
    return np.isin(points, np.array([point for point in there if _is_joining(chr(point))], dtype=np.uint32))


def _is_joining(character: str) -> bool:
    """Marks, Hangul vowels and finals, and characters compatible with one of these."""
    first = unicodedata.normalize("NFKD", character)[0]
    return unicodedata.category(first).startswith("M") or "\u1160" <= first <= "\u11ff"
