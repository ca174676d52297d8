"""Checks the editor frame by frame for characters that have another token's colour.

The page is recorded from outside: its websocket's messages, and the editor's content after each frame, with the number
of messages sent and received until then. What it should have shown is computed here from the messages alone. Every
typed character gets an identity of its own, so nothing here maps positions: a character must have the colour of the
token to which the newest answer that the page had assigned this very character.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import numpy as np
from playwright.sync_api import Locator

from tests.browser.neuroscope_page import bucket_class, units

# Runs before the page's own scripts and records its websocket. A message is counted before the page gets it.
RECORD_SOCKET = """
window.recorded = { sent: [], received: [], frames: [] };
window.WebSocket = class extends WebSocket {
    constructor(...parameters) {
        super(...parameters);
        this.addEventListener("message", ({ data }) => recorded.received.push(data));
    }
    send(data) {
        recorded.sent.push(data);
        super.send(data);
    }
};
"""

# Reads the editor in a task of its own after each frame's callbacks: what is painted.
RECORD_FRAMES = """
(content) => {
    const { sent, received, frames } = recorded;
    const colour = /^neuro-([np][0-9]+|z|none)$/;
    let drawn = received.length;
    const look = () => {
        const lines = [...content.querySelectorAll(".cm-line")].map((line) => {
            const pieces = [];
            const walker = document.createTreeWalker(line, NodeFilter.SHOW_TEXT);
            while (walker.nextNode()) {
                const { data, parentElement } = walker.currentNode;
                if (parentElement.closest(".neuro-sign, .cm-placeholder") !== null) continue;
                const token = parentElement.closest(".neuro-token");
                pieces.push([data, [...token?.classList ?? []].find((name) => colour.test(name)) ?? null]);
            }
            return pieces;
        });
        frames.push({ sent: sent.length, drawn, lines });
    };
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = look;
    const frame = () => {
        drawn = received.length; // the page draws in the frame after a message
        port2.postMessage(null);
        recorded.next = requestAnimationFrame(frame);
    };
    frame();
}
"""

STOP = "() => { cancelAnimationFrame(recorded.next); return recorded; }"


@dataclass(frozen=True)
class Frame:
    """What one frame showed.

    Args:
        sent: how many messages the page had sent.
        drawn: how many it had received when it drew.
        lines: of the editor, in pieces of text and their class.
    """

    sent: int
    drawn: int
    lines: list[list[tuple[str, str | None]]]

    def text(self) -> list[str]:
        """The UTF-16 units of the text, line ends included."""
        return units("\n".join("".join(text for text, _ in line) for line in self.lines))

    def colours(self) -> list[str | None]:
        """The class of each unit; None at a line's end and where there is no token."""
        found: list[str | None] = []
        for line in self.lines:
            for text, colour in line:
                found += [colour] * len(units(text))
            found.append(None)
        return found[:-1]


@dataclass(frozen=True)
class Misplaced:
    """A character that had a colour of another token."""

    frame: int
    position: int
    character: str
    colour: str | None
    own: set[str | None]


@dataclass(frozen=True)
class Recording:
    sent: list[str]
    received: list[str]
    frames: list[Frame]

    @classmethod
    def start(cls, content: Locator) -> None:
        """The page must have been loaded with `RECORD_SOCKET`."""
        content.evaluate(RECORD_FRAMES)

    @classmethod
    def stop(cls, content: Locator) -> Recording:
        recorded = content.evaluate(STOP)
        frames = [Frame(frame["sent"], frame["drawn"], frame["lines"]) for frame in recorded["frames"]]
        return cls(recorded["sent"], recorded["received"], frames)


Character = int
"""The identity of one UTF-16 unit that was typed."""


@dataclass(frozen=True)
class Answer:
    """What the server had sent up to one message, in terms of characters."""

    owners: dict[Character, list[int]] = field(default_factory=dict)
    """The serial numbers of the tokens that a character belongs to; several share one in byte-level BPE."""
    colours: dict[int, str] = field(default_factory=dict)

    def own(self, character: Character) -> set[str | None]:
        return {self.colours[token] for token in self.owners[character]}


class Replay:
    """Reads a recording again.

    Args:
        recording: of a page with one document.
        neuron: the one in focus all the while.
        scale: its scale.
    """

    def __init__(self, recording: Recording, neuron: str, scale: dict[str, float]) -> None:
        self._neuron, self._scale = neuron, scale
        self._frames = recording.frames
        self._texts: dict[int, list[tuple[str, Character]]] = {}  # by version
        self._shown: list[int] = [0]  # version of the text after so many messages of the page
        for message in _messages(recording.sent):
            self._send(message)
        self._answers = [Answer()]  # after so many messages of the server
        self._tokens: list[dict[str, Any]] = []
        self._serials = count()
        for message in _messages(recording.received):
            self._receive(message)

    def misplaced(self) -> Iterator[Misplaced]:
        """Every character of every frame with a wrong colour, or with none though it should have one."""
        for index, frame in enumerate(self._frames):
            text, answer = self._texts[self._shown[frame.sent]], self._answers[frame.drawn]
            assert frame.text() == [unit for unit, _ in text], "the editor shows another text than it has sent"
            for position, ((unit, character), colour) in enumerate(zip(text, frame.colours(), strict=True)):
                own = self._own(answer, text, position, character)
                if unit != "\n" and colour not in own:
                    yield Misplaced(index, position, unit, colour, own)

    @staticmethod
    def _own(
        answer: Answer, text: Sequence[tuple[str, Character]], position: int, character: Character
    ) -> set[str | None]:
        if character in answer.owners:
            return answer.own(character)
        # Typed since. Inside a token it may have the token's colour until the answer comes, at its edge none.
        known = answer.owners
        left = next((known[c] for _, c in reversed(text[:position]) if c in known), [])
        right = next((known[c] for _, c in text[position + 1 :] if c in known), [])
        return {None, "neuro-none", *(answer.colours[token] for token in set(left) & set(right))}

    def _send(self, message: dict[str, Any]) -> None:
        method, params = message.get("method"), message.get("params", {})
        version = self._shown[-1]
        if method == "document/open":
            version = params["version"]
            self._texts[version] = self._typed(params["text"])
        elif method == "document/change":
            text = list(self._texts[version])
            for change in sorted(params["changes"], key=lambda change: change["from"], reverse=True):
                text[change["from"] : change["to"]] = self._typed(change["insert"])
            version = params["version"]
            self._texts[version] = text
        self._shown.append(version)

    def _typed(self, text: str) -> list[tuple[str, Character]]:
        # Larger than any identity so far.
        first = max((character for known in self._texts.values() for _, character in known), default=0) + 1
        return list(zip(units(text), count(first), strict=False))

    def _receive(self, message: dict[str, Any]) -> None:
        method, params = message.get("method"), message.get("params", {})
        if method == "document/tokens":
            start, delete = params["start"], params["deleteCount"]
            for token in self._tokens[start + delete :]:
                token["from"] += params["shift"]
                token["to"] += params["shift"]
            new = [{**token, "serial": next(self._serials), "colour": "neuro-none"} for token in params["tokens"]]
            self._tokens[start : start + delete] = new
            self._version = params["version"]
        elif method == "activations/update" and self._neuron in params["neurons"]:
            values = np.frombuffer(base64.b64decode(params["values"]["data"]), "<f4").reshape(params["values"]["shape"])
            row = values[params["neurons"].index(self._neuron)]
            for token, value in zip(self._tokens[params["start"] :], row, strict=False):
                token["colour"] = bucket_class(float(value), self._scale)
        else:
            self._answers.append(self._answers[-1])
            return
        text = self._texts[self._version]
        answer = Answer()
        for token in self._tokens:
            answer.colours[token["serial"]] = token["colour"]
            for _, character in text[token["from"] : token["to"]]:
                answer.owners.setdefault(character, []).append(token["serial"])
        self._answers.append(answer)


def _messages(frames: Sequence[str]) -> Iterator[dict[str, Any]]:
    for frame in frames:
        message = json.loads(frame)
        assert isinstance(message, dict), "the page and its server send no batches"
        yield message
