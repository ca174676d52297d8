"""A text that several editors and a program edit at once: the kernel's copy decides the order of changes.

An editor sends its changes with the revision that they were made on. They are accepted if that is the newest one;
otherwise the editor gets the changes that it missed, rebases its own on them and sends them again, as CodeMirror's
`collab` does. Knows nothing about Jupyter.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..client.text import Change, check_text
from ..document.text import ImpossibleChange, Offsets, Text

_KEPT = 1000
"""Updates that are kept for editors that have missed them."""
_UNLIMITED = 2**62

Wire = list[dict[str, Any]]
"""Changes `{from, to, insert}`; offsets in UTF-16 units of the text before all of them."""


@dataclass(frozen=True, slots=True)
class Update:
    """The changes from one revision to the next."""

    author: str
    changes: tuple[Change, ...]  # in code points
    wire: Wire


class SharedText:
    def __init__(self, text: str) -> None:
        self._text = Text(0, text, "utf-16")
        self._updates: deque[Update] = deque(maxlen=_KEPT)

    @property
    def text(self) -> str:
        return self._text.text

    @property
    def revision(self) -> int:
        """Grows by one with every update."""
        return self._text.version

    @property
    def offsets(self) -> Offsets:
        """Converts between code points of the text and UTF-16 units."""
        return self._text.offsets

    def edit(self, changes: Sequence[Change], author: str) -> Update:
        """Changes the text on the kernel's side; offsets in code points.

        Raises:
            ValueError: they do not fit the text, or hold a lone surrogate. Nothing is changed then.
        """
        edges = np.array([edge for change in changes for edge in (change.start, change.stop)], np.int64)
        units = self.offsets.to_wire(edges).tolist()
        wire = [
            {"from": start, "to": stop, "insert": change.insert}
            for start, stop, change in zip(units[::2], units[1::2], changes, strict=True)
        ]
        return self._take(author, wire)

    def accept(self, author: str, revision: int, updates: Sequence[Wire]) -> list[Update]:
        """Accepts an editor's updates, all or none; none if they were made on an older revision.

        Raises:
            ValueError: they do not fit the text, or hold a lone surrogate. Nothing is changed then.
        """
        if revision != self.revision:
            return []
        before = self._text
        self._text = copy(before)
        try:
            taken = [self._take(author, wire) for wire in updates]
        except ValueError:
            for _ in range(self._text.version - before.version):
                self._updates.pop()
            self._text = before
            raise
        return taken

    def since(self, revision: int) -> list[Update] | None:
        """The updates from a revision on; None if they are no longer kept."""
        missed = self.revision - revision
        if not 0 <= missed <= len(self._updates):
            return None
        return list(self._updates)[len(self._updates) - missed :]

    def _take(self, author: str, wire: Wire) -> Update:
        try:
            changes = tuple(self._change(change["from"], change["to"], change["insert"]) for change in wire)
            self._text.change(self.revision + 1, [(c["from"], c["to"], c["insert"]) for c in wire], _UNLIMITED)
        except (ImpossibleChange, KeyError, TypeError) as error:
            raise ValueError(f"an edit does not fit the text: {error}") from None
        update = Update(author, changes, wire)
        self._updates.append(update)
        return update

    def _change(self, start: int, stop: int, insert: str) -> Change:
        first, last = self.offsets.from_wire(start), self.offsets.from_wire(stop)
        if first is None or last is None:
            raise ImpossibleChange(f"[{start}, {stop}) is not a range of it")
        check_text(insert)
        return Change(first, last, insert)
