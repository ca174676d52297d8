"""A document without a connection, and with messages in every order that a server may choose."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ws_server.client.state import DocumentState
from ws_server.client.text import Change


class Wire:
    """Notes what a document sends."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, dict[str, Any]]] = []

    def __call__(self, method: str, params: dict[str, Any]) -> None:
        self.sent.append((method, params))


def tokens(version: int, words: list[str], start: int = 0, delete: int = 0, **more: int) -> dict[str, Any]:
    """A splice of `words`, which stand one after another from offset `at`."""
    at, listed = more.pop("at", 0), []
    for word in words:
        listed.append({"id": len(word), "text": word, "from": at, "to": at + len(word)})
        at += len(word)
    splice = {"uri": "a", "version": version, "start": start, "deleteCount": delete, "tokens": listed, "shift": 0}
    return {**splice, "tokenCount": len(words), **more}


def values(version: int, start: int, *rows: list[float | None]) -> dict[str, Any]:
    keys = [f"L0N{number}" for number in range(len(rows))]
    return {
        "uri": "a",
        "version": version,
        "start": start,
        "count": len(rows[0]),
        "neurons": keys,
        "values": list(rows),
    }


def done(version: int) -> dict[str, Any]:
    return {
        "uri": "a",
        "version": version,
        "computedTokens": 1,
        "reusedTokens": 2,
        "forwardPasses": 3,
        "timing": {"totalMs": 1.5},
    }


@pytest.fixture
def document() -> DocumentState:
    """Opened with `one two`, whose two tokens have values of L0N0."""
    document = DocumentState("a", "one two")
    document.attach(Wire())
    document.activations.keep(["L0N0"])
    assert document.receive("document/tokens", tokens(1, ["one", " two"]))
    assert document.receive("activations/update", values(1, 0, [1.0, 2.0]))
    assert not document.answered
    assert document.receive("activations/done", done(1))
    assert document.answered
    return document


def spans(document: DocumentState) -> list[str]:
    return [document.text[token.start : token.stop] for token in document.tokens]


def test_an_answer_to_an_older_text_is_mapped_through_newer_changes(document: DocumentState) -> None:
    document.change([Change(3, 3, "!")])
    assert not document.answered
    document.change([Change(0, 0, ">")])
    assert spans(document) == ["one", " two"]
    document.receive("document/tokens", tokens(2, ["!"], start=1, delete=0, at=3, shift=1, tokenCount=3))
    assert document.text == ">one! two"
    assert spans(document) == ["one", "!", " two"]
    assert np.isnan(document.activations.matrix(["L0N0"])[0]).tolist() == [False, True, False]
    assert document.activations.current(["L0N0"]).tolist() == [[True, False, False]]
    assert document.receive("activations/update", values(2, 1, [3.0, 4.0]))
    assert document.receive("activations/done", done(2))
    assert not document.answered  # that was the version before


def test_messages_of_a_version_before_an_open_are_passed_over(document: DocumentState) -> None:
    document.open()
    assert not document.receive("document/tokens", tokens(1, ["x"]))
    assert not document.receive("activations/update", values(1, 0, [9.0]))
    assert not document.receive("activations/done", done(2))  # no tokens of it have come
    assert document.activations.matrix(["L0N0"]).tolist() == [[1.0, 2.0]]
    assert document.receive("document/tokens", tokens(2, ["one", " two"]))
    assert np.isnan(document.activations.matrix(["L0N0"])).all()


def test_a_resync_is_answered_with_the_text_as_it_is(document: DocumentState) -> None:
    document.change([Change(7, 7, " three")])
    assert document.receive("document/resync", {"uri": "a", "reason": "lost"})
    wire = Wire()
    document.attach(wire)
    assert wire.sent == [("document/open", {"uri": "a", "version": 4, "text": "one two three"})]


def test_a_splice_in_several_messages_is_shown_when_it_is_complete(document: DocumentState) -> None:
    document.change([Change(3, 3, "!?.")])
    first = tokens(2, ["!"], start=1, delete=0, at=3, shift=3, tokenCount=3)
    assert not document.receive("document/tokens", {**first, "more": True})
    assert not document.receive("document/tokens", {**tokens(2, ["?"], start=2, at=4, tokenCount=4), "more": True})
    assert document.receive("document/tokens", tokens(2, ["."], start=3, at=5, tokenCount=5))
    assert spans(document) == ["one", "!", "?", ".", " two"]
    assert document.activations.current(["L0N0"]).tolist() == [[True, False, False, False, False]]
    assert document.receive("activations/update", values(2, 1, [3.0, 4.0, 5.0, 6.0]))
    assert document.receive("activations/done", done(2))
    assert document.answered
    assert document.activations.matrix(["L0N0"]).tolist() == [[1.0, 3.0, 4.0, 5.0, 6.0]]


def test_changes_without_a_connection_wait_for_one(document: DocumentState) -> None:
    document.detach()
    document.change([Change(0, 3, "1")])
    assert not document.answered
    assert document.activations.matrix(["L0N0"]).tolist() == [[1.0, 2.0]]
    assert not document.activations.current(["L0N0"]).any()
    wire = Wire()
    document.attach(wire)
    assert [params["text"] for _, params in wire.sent] == ["1 two"]


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("document/tokens", tokens(1, ["x"], start=2, delete=1)),
        ("document/tokens", tokens(1, ["x"], start=0, delete=0, tokenCount=2)),
        ("activations/update", values(1, 1, [1.0, 2.0])),
        ("activations/update", {**values(1, 0, [1.0, 2.0]), "values": [[1.0]]}),
        ("activations/update", {**values(1, 0, [1.0]), "values": {"dtype": "float32", "shape": [1, 1], "data": "!"}}),
    ],
)
def test_what_contradicts_the_tokens_is_an_error_and_changes_nothing(
    document: DocumentState, method: str, params: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match=r"fit|do not exist|announced|base64"):
        document.receive(method, params)
    assert spans(document) == ["one", " two"]
    assert document.activations.matrix(["L0N0"]).tolist() == [[1.0, 2.0]]
