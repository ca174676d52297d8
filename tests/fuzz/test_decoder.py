"""The frame decoder: whatever comes, it is a message or a fault that says what is wrong, and can be answered."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.frames import EXAMPLES, cut_frames, messages, noise, values, wrong_messages
from ws_server.errors import WIRE_ERRORS, InvalidRequest, ParseError
from ws_server.protocol import codec
from ws_server.protocol.codec import Fault, Notification, Request
from ws_server.protocol.messages import METHODS

CODES = {error.code for error in WIRE_ERRORS}
ids = st.integers(0, 99) | st.text(max_size=4) | st.floats(allow_nan=False, allow_infinity=False)
pytestmark = pytest.mark.timeout(0 if EXAMPLES else 120)
many = settings(max_examples=EXAMPLES or 150)


def check(message: Any) -> None:
    """One of the documented outcomes, and one that can be sent."""
    if isinstance(message, Request | Notification):
        method = METHODS[message.method]
        assert method.kind == ("request" if isinstance(message, Request) else "notification")
        assert isinstance(message.params, method.params)
        return
    assert isinstance(message, Fault)
    assert message.error.code in CODES
    assert message.error.message.endswith(".")
    assert len(message.error.message) < 4000
    if message.method is None:
        answer = json.loads(codec.encode(codec.error_response(message.id, message.error)))
        assert answer["error"]["code"] == message.error.code
        assert answer["id"] == message.id or isinstance(message.id, float)
    else:
        assert message.id is None
        json.loads(codec.encode(codec.notification("$/error", codec.error_object(message.error))))


def decoded(frame: str | bytes) -> codec.Frame:
    result = codec.decode(frame)
    assert result.messages
    for message in result.messages:
        check(message)
    return result


@many
@given(messages(ids), st.booleans())
def test_right_messages(message: dict[str, Any], ascii_only: bool) -> None:
    (result,) = decoded(json.dumps(message, ensure_ascii=ascii_only)).messages
    assert not isinstance(result, Fault)


@many
@given(wrong_messages(ids))
def test_wrong_messages(message: Any) -> None:
    result = decoded(json.dumps(message))
    if isinstance(message, dict):
        (one,) = result.messages
        # A request with a readable id is answered under it.
        if isinstance(one, Request) or (isinstance(one, Fault) and one.method is None):
            identity = message.get("id")
            if isinstance(identity, str) and len(identity) <= 1024:
                assert one.id == identity or isinstance(one.error if isinstance(one, Fault) else None, ParseError)


@many
@given(cut_frames(ids))
def test_cut_frames(text: str) -> None:
    (result,) = decoded(text).messages
    assert isinstance(result, Fault)
    assert isinstance(result.error, ParseError)


@many
@given(noise | st.binary(max_size=60) | values.map(json.dumps))
def test_noise(frame: str | bytes) -> None:
    decoded(frame)


@many
@given(st.lists(wrong_messages(ids) | messages(ids), max_size=5) | st.integers(99, 102).map(lambda n: [{}] * n))
def test_batches(batch: list[Any]) -> None:
    result = decoded(json.dumps(batch))
    if 1 <= len(batch) <= codec.MOST_IN_BATCH:
        assert result.batch
        assert len(result.messages) == len(batch)
    else:
        (refused,) = result.messages
        assert isinstance(refused, Fault)
        assert isinstance(refused.error, InvalidRequest | ParseError)
