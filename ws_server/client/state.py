"""A document as the client has it: its text here, its tokens and activations as the server sent them. No I/O.

The text here is the truth. Every change gets a version and stays in a log until the server has answered it, so that an
answer for an older version is mapped through the changes since. After each (re)connection the document is attached to
the new one, and opened on it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .table import ActivationTable, FloatMatrix, decoded_values
from .text import Change, Offsets, applied, check_text, map_spans, normalized

Send = Callable[[str, dict[str, Any]], None]
"""Sends a method with its params: a request for `document/open`, a notification for `document/change`."""


@dataclass(frozen=True, slots=True)
class Token:
    """A token of a document's text.

    `[start, stop)` is its span in characters of the current text. Tokens that share one character carry that
    character's span; `text` then has U+FFFD for bytes that are not a character by themselves. `special` tokens (BOS)
    were added by the server; `segment` marks the first token of a second or later context.
    """

    id: int
    text: str
    start: int
    stop: int
    special: bool
    segment: bool


@dataclass(frozen=True, slots=True)
class Done:
    """The server has answered a version completely; `timing` is in milliseconds."""

    version: int
    computed_tokens: int
    reused_tokens: int
    forward_passes: int
    timing: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class _Info:
    id: int
    text: str
    special: bool
    segment: bool


class DocumentState:
    """See the module's docstring.

    Args:
        uri: its name on the server.
        text: its first text.

    Raises:
        ValueError: the text holds a lone surrogate.
    """

    def __init__(self, uri: str, text: str) -> None:
        check_text(text)
        self.uri = uri
        self.text = text
        self.version = 0
        self.done: Done | None = None
        """The last version that was answered completely."""
        self.activations = ActivationTable()
        self._send: Send | None = None
        self.opened_at = 0
        """Version of the newest `document/open`; messages of older versions are ignored."""
        self._whole_list_expected = True
        self._refused = False
        self._log: list[tuple[int, tuple[Change, ...]]] = []
        self._infos: list[_Info] = []
        self._starts: Offsets = np.zeros(0, np.int64)
        self._stops: Offsets = np.zeros(0, np.int64)
        self._tokens_version = -1
        self._done_version = -1

    # -------------------------------------------------------------------------------- state

    @property
    def tokens(self) -> list[Token]:
        """The tokens, with their spans in the current text, including unanswered changes."""
        starts, stops = self.spans
        return [
            Token(info.id, info.text, start, stop, info.special, info.segment)
            for info, start, stop in zip(self._infos, starts.tolist(), stops.tolist(), strict=True)
        ]

    @property
    def spans(self) -> tuple[Offsets, Offsets]:
        """Starts and stops of the tokens in the current text, including unanswered changes; each [tokens]."""
        starts, stops = self._starts, self._stops
        for _, changes in self._log:
            starts, stops = map_spans(starts, stops, changes)
        return starts, stops

    def token_text(self, index: int) -> str:
        return self._infos[index].text

    @property
    def answered(self) -> bool:
        """Whether the server has sent all of the newest text."""
        return self._send is not None and self._done_version == self.version and self.activations.complete

    # -------------------------------------------------------------------------------- changes and connections

    def change(self, changes: Sequence[Change]) -> None:
        """Changes the text; all offsets refer to the text before.

        Raises:
            ValueError: they overlap or leave the text; nothing is changed then.
        """
        normal = normalized(changes, len(self.text))
        if not normal:
            return
        self.text = applied(self.text, normal)
        self.version += 1
        self._log.append((self.version, normal))
        if self._refused:
            self.open()  # the server may accept this text
        elif self._send is not None:
            wire = [{"from": change.start, "to": change.stop, "insert": change.insert} for change in normal]
            self._send("document/change", {"uri": self.uri, "version": self.version, "changes": wire})

    def attach(self, send: Send) -> None:
        """There is a connection: opens the document on it."""
        self._send = send
        self.open()

    def detach(self) -> None:
        """The connection is gone; the text can still be changed."""
        self._send = None
        self.activations.mark_stale()

    def open(self) -> None:
        """Sends the whole text, at the beginning and after a `document/resync`."""
        if self._send is None:
            return
        self.version += 1  # so that no answer to an earlier message is mistaken for one to this
        self.opened_at = self.version
        self._refused = False
        self._whole_list_expected = True
        self._log.clear()
        self.activations.mark_stale()
        self._send("document/open", {"uri": self.uri, "version": self.version, "text": self.text})

    def refused(self) -> None:
        """The server refused the text, so it has none to change: the next change opens it again."""
        self._refused = True

    @property
    def is_refused(self) -> bool:
        return self._refused

    def model_changed(self) -> None:
        """No value is valid any more; new tokens and values will come."""
        self._done_version = -1
        self.activations.clear(len(self._infos))

    # -------------------------------------------------------------------------------- messages of the server

    def receive(self, method: str, params: Mapping[str, Any]) -> bool:
        """Handles a notification about this document; returns whether anything visible has changed.

        Raises:
            ValueError: it contradicts earlier messages. The document should be opened again.
        """
        if self._send is None:
            return False
        if method == "document/resync":
            self.open()
            return True
        version = params["version"]
        if not self.opened_at <= version <= self.version:
            return False
        match method:
            case "document/tokens":
                self._receive_tokens(params)
                return not params.get("more")  # otherwise the rest of the list follows
            case "activations/update" if version == self._tokens_version and not self._whole_list_expected:
                self._receive_values(params)
            case "activations/done" if version == self._tokens_version and not self._whole_list_expected:
                self._done_version = version
                self.activations.mark_current()
                self.done = Done(
                    version,
                    params["computedTokens"],
                    params["reusedTokens"],
                    params["forwardPasses"],
                    dict(params["timing"]),
                )
            case _:
                return False
        return True

    def _receive_tokens(self, params: Mapping[str, Any]) -> None:
        start, delete, shift = params["start"], params["deleteCount"], params["shift"]
        tokens: list[dict[str, Any]] = params["tokens"]
        whole = self._whole_list_expected
        length = 0 if whole else len(self._infos)
        if start + delete > length or length - delete + len(tokens) != params["tokenCount"]:
            raise ValueError("a splice of the tokens does not fit")
        infos = [
            _Info(token["id"], token["text"], token.get("special", False), token.get("segment", False))
            for token in tokens
        ]
        new_starts = np.array([token["from"] for token in tokens], np.int64)
        new_stops = np.array([token["to"] for token in tokens], np.int64)
        if whole:
            self._whole_list_expected = False
            self._infos, self._starts, self._stops = infos, new_starts, new_stops
            self.activations.clear(len(infos))
        else:
            rest = start + delete
            self._infos[start:rest] = infos
            self._starts = np.concatenate([self._starts[:start], new_starts, self._starts[rest:] + shift])
            self._stops = np.concatenate([self._stops[:start], new_stops, self._stops[rest:] + shift])
            self.activations.splice(start, delete, len(infos), self._context_end(start + len(infos)))
        self._tokens_version = params["version"]
        self._log = [entry for entry in self._log if entry[0] > self._tokens_version]

    def _receive_values(self, params: Mapping[str, Any]) -> None:
        if params["start"] + params["count"] > len(self._infos):
            raise ValueError("there are values of tokens that do not exist")
        values: FloatMatrix = decoded_values(params)
        self.activations.write(params["start"], params["neurons"], values)

    def _context_end(self, token: int) -> int:
        """Where the context of `token` ends: in a causal model a change affects all that follows it there."""
        while token < len(self._infos) and not self._infos[token].segment:
            token += 1
        return token
