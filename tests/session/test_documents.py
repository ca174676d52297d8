"""A document's states: which step leads where, and that no other is possible."""

from __future__ import annotations

import numpy as np
import pytest

from ws_server.document.text import Text
from ws_server.document.tokens import EMPTY, TokenList, splice_between
from ws_server.protocol.codec import MOST_IN_FRAME, encode, encode_values, notification
from ws_server.session.documents import (
    _TRANSITIONS,
    Document,
    Event,
    IllegalTransition,
    TextState,
    ValuesState,
    splice_messages,
    value_blocks,
)

STATES = [(text, values) for text in TextState for values in ValuesState]


@pytest.mark.parametrize(("text", "values"), STATES)
@pytest.mark.parametrize("event", Event)
def test_an_impossible_step_changes_nothing(text: TextState, values: ValuesState, event: Event) -> None:
    document = Document(Text(1, "", "utf-16"), text, values)
    concerned = [
        (state, _TRANSITIONS[state].get(event))
        for state, part in ((text, TextState), (values, ValuesState))
        if any(event in _TRANSITIONS[other] for other in part)
    ]
    if any(after is None for _, after in concerned):
        with pytest.raises(IllegalTransition):
            document.on(event)
        assert (document.text_state, document.values_state) == (text, values)
    else:
        document.on(event)
        assert {document.text_state, document.values_state} >= {after for _, after in concerned}


@pytest.mark.parametrize("event", [Event.LOST, Event.MODEL_CHANGED])
@pytest.mark.parametrize(("text", "values"), STATES)
def test_a_lost_text_or_another_model_ends_what_was_under_way(
    text: TextState, values: ValuesState, event: Event
) -> None:
    document = Document(Text(1, "", "utf-16"), text, values)
    document.on(event)
    assert document.values_state is ValuesState.NONE
    assert document.text_state is (
        TextState.LOST if TextState.LOST in (text, document.text_state) else TextState.UNREAD
    )
    assert (document.text_state is TextState.LOST) == (event is Event.LOST or text is TextState.LOST)


def tokens_of(count: int, start: int = 0) -> TokenList:
    at = np.arange(start, start + count)
    return TokenList(at + 10**6, at, at + 1, np.zeros(count, dtype=np.bool_), tuple(range(500, count, 500)))


@pytest.mark.parametrize("text", ["a", "\0" * 40, "😀" * 40])
def test_a_long_splice_is_divided_and_each_part_applies_by_itself(text: str) -> None:
    """In front of tokens that stay, and whatever the tokens' texts need on the wire."""
    old, new = tokens_of(3), tokens_of(30_003)
    old = TokenList(old.ids - 5, old.starts, old.stops, old.special)
    uri = "\0" * 4096
    messages = splice_messages(uri, 2, "model", new, splice_between(old, new), lambda token: text)
    assert len(messages) > 1
    held = [{}] * 3
    for message in messages:
        assert len(encode(notification("document/tokens", message))) <= MOST_IN_FRAME
        start, tokens = message["start"], message["tokens"]
        held[start : start + message["deleteCount"]] = tokens
        assert len(held) == message["tokenCount"]
        assert ("more" in message) == (message is not messages[-1])
        assert message["shift"] == 0 or message is messages[0]
    (whole,) = splice_messages("a", 2, "model", tokens_of(50), splice_between(EMPTY, tokens_of(50)), str)
    assert "more" not in whole
    assert [token["id"] for token in held] == new.ids.tolist()
    assert [index for index, token in enumerate(held) if "segment" in token] == list(new.breaks)


@pytest.mark.parametrize("encoding", ["json", "base64"])
@pytest.mark.parametrize(("rows", "count"), [(1, 1), (3, 100_000), (5000, 3), (1024, 512), (40_000, 2)])
def test_values_are_divided_into_blocks_that_cover_them(rows: int, count: int, encoding: str) -> None:
    values = np.full((rows, count), -1.17549435e-38, dtype=np.float32)
    keys = [f"blocks.12.hook_resid_post/{row}" for row in range(rows)]
    covered = np.zeros((rows, count), dtype=np.int64)
    for of, at in value_blocks(keys, count, encoding):  # type: ignore[arg-type]
        covered[of, at] += 1
        block = {"neurons": keys[of], "values": encode_values(values[of, at], encoding)}  # type: ignore[arg-type]
        assert len(encode(block)) <= MOST_IN_FRAME - 32 * 1024
    assert (covered == 1).all()
