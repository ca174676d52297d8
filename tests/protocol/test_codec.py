"""Frames to messages: whatever comes, the outcome is a message or a fault that says what is wrong."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ws_server.errors import InvalidParams, InvalidRequest, MethodNotFound, ParseError, RequestError
from ws_server.protocol.codec import Fault, Frame, Notification, Request, decode, encode, encode_values
from ws_server.protocol.messages import METHODS, DocumentOpenParams, NeuronsParams

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
likely_members = st.fixed_dictionaries(
    {},
    optional={
        "jsonrpc": st.just("2.0") | json_values,
        "id": json_values,
        "method": st.sampled_from(list(METHODS)) | json_values,
        "params": st.dictionaries(
            st.sampled_from(["uri", "version", "text", "changes", "neurons", "token", "k", "id", "model"]), json_values
        )
        | json_values,
    },
)


def only(frame: Frame) -> Any:
    (message,) = frame.messages
    return message


def call(**members: Any) -> str:
    return json.dumps({"jsonrpc": "2.0", **members})


@given(likely_members | json_values | st.lists(likely_members))
def test_any_json_is_decoded_to_messages_and_faults(value: Any) -> None:
    frame = decode(json.dumps(value))
    assert frame.messages
    for message in frame.messages:
        assert isinstance(message, Request | Notification | Fault)
        if isinstance(message, Fault):
            assert message.error.message.endswith((".", "`."))


@given(st.text(max_size=60) | st.binary(max_size=60))
def test_any_frame_is_decoded(frame: str | bytes) -> None:
    assert decode(frame).messages


@pytest.mark.parametrize(
    ("frame", "error", "request_id"),
    [
        ("{", ParseError, None),
        ("", ParseError, None),
        ("[" * 100_000, ParseError, None),
        ('{"jsonrpc": "2.0", "id": NaN}', ParseError, None),
        ('{"jsonrpc": "2.0", "id": NaN, "method": "\\ud800"}', ParseError, None),
        ("7", InvalidRequest, None),
        ("[]", InvalidRequest, None),
        ("[" + "1," * 100 + "1]", InvalidRequest, None),
        ('{"method": "models/list", "id": 1}', InvalidRequest, 1),
        (call(id=[1], method="models/list"), InvalidRequest, None),
        (call(id=True, method="models/list"), InvalidRequest, None),
        (call(id=1), InvalidRequest, 1),
        (call(id=1, method=5), InvalidRequest, 1),
        (call(id=1, method="nothing"), MethodNotFound, 1),
        (call(id=1, method="document/tokens", params={}), MethodNotFound, 1),
        (call(id=1, method="document/change", params={}), InvalidRequest, 1),
        (call(id=1, method="document/open", params=["a", 1, ""]), InvalidParams, 1),
        (call(id=1, method="document/open", params={"uri": "a", "version": "1", "text": ""}), InvalidParams, 1),
        (call(id=1, method="document/open", params={"uri": "a", "version": 1.5, "text": ""}), InvalidParams, 1),
        (call(id=1, method="document/open", params={"uri": "a", "version": 2**60, "text": ""}), InvalidParams, 1),
        (call(id=1, method="document/open", params={"uri": "", "version": 1, "text": ""}), InvalidParams, 1),
        (call(id=None, method="nothing"), MethodNotFound, None),
    ],
)
def test_a_faulty_request_is_answered_under_its_id(frame: str, error: type[RequestError], request_id: Any) -> None:
    fault = only(decode(frame))
    assert isinstance(fault, Fault)
    assert (type(fault.error), fault.id, fault.method) == (error, request_id, None)


def test_a_faulty_notification_is_named() -> None:
    fault = only(decode(call(method="document/change", params={"uri": "a", "version": True, "changes": []})))
    assert isinstance(fault, Fault)
    assert (fault.method, fault.uri, fault.error.data) == ("document/change", "a", {"member": "version"})


def test_the_member_at_fault_is_named() -> None:
    changes = [{"from": 0, "to": 0, "insert": ""}, {"from": 0, "to": -1, "insert": ""}]
    fault = only(decode(call(method="document/change", params={"uri": "a", "version": 1, "changes": changes})))
    assert fault.error.data == {"member": "changes.1.to"}


@pytest.mark.parametrize(
    ("method", "params", "member"),
    [
        ("neurons/subscribe", {"neurons": [{"layer": 10**30, "neuron": 0}]}, "neurons.0.layer"),
        ("neurons/subscribe", {"neurons": ["L0N1", {"layer": 0, "neuron": "1"}]}, "neurons.1.neuron"),
        ("neurons/subscribe", {"neurons": [{"layer": 0}]}, "neurons.0.neuron"),
        ("neurons/subscribe", {"neurons": [{"hook": "blocks.0.hook_resid_pre", "index": -1}]}, "neurons.0.index"),
        ("neurons/subscribe", {"neurons": [None]}, "neurons.0"),
        ("model/load", {"model": "a", "workDoneToken": 1.5}, "workDoneToken"),
        ("initialize", {"protocolVersion": 1, "client": {"name": "a"}, "resume": {"session": 3}}, "resume.session"),
    ],
)
def test_the_member_at_fault_is_named_where_it_may_be_of_several_forms(
    method: str, params: dict[str, Any], member: str
) -> None:
    fault = only(decode(call(id=1, method=method, params=params)))
    assert fault.error.data == {"member": member}
    assert fault.error.message.startswith(f"`{member}`: ")


@pytest.mark.parametrize("params", ["text", 3, True, [1]])
def test_params_that_are_no_object(params: Any) -> None:
    fault = only(decode(call(id=1, method="ping", params=params)))
    assert ("list" in fault.error.message) == isinstance(params, list)


def test_numbers_are_read_alike_with_and_without_lone_surrogates() -> None:
    """Two parsers read frames."""
    for number in (1, -(2**63), 2**64 - 1, 2**64, -(2**63) - 1, 10**300, 0.1, -0.0):
        frame = call(id=number, method="ping")
        (plain, other) = (only(decode(each)) for each in (frame, frame[:-1] + ', "x": "\\ud800"}'))
        assert isinstance(plain, Request)
        assert (type(plain.id), plain.id) == (type(other.id), other.id)
    for number in ("1e999", "-1e999", "9" * 400, "9" * 5000):
        for more in ("", ', "x": "\\ud800"'):
            fault = only(decode(f'{{"jsonrpc": "2.0", "id": {number}, "method": "ping"{more}}}'))
            assert isinstance(fault.error, ParseError)


def test_unknown_members_are_ignored_so_that_later_versions_can_add_some() -> None:
    frame = call(id=1, method="document/close", trace=7, params={"uri": "a", "later": 1})
    assert isinstance(only(decode(frame)), Request)


def test_lone_surrogates_in_a_text_are_read() -> None:
    message = only(
        decode(
            '{"jsonrpc":"2.0","id":1,"method":"document/open",'
            '"params":{"uri":"a","version":1,"text":"a\\ud83d\\u0000b\\ud83d\\ude00"}}'
        )
    )
    assert isinstance(message.params, DocumentOpenParams)
    assert message.params.text == "a\ud83d\0b😀"


def test_a_batch_keeps_its_order() -> None:
    frame = decode(f"[{call(id=1, method='models/list')}, 5, {call(method='$/cancelRequest', params={'id': 1})}]")
    assert frame.batch
    assert [type(message) for message in frame.messages] == [Request, Fault, Notification]


def test_neuron_references_in_every_form() -> None:
    neurons = ["L1N2", {"layer": 1, "neuron": 2}, {"hook": "blocks.1.hook_resid_post", "index": 2}]
    message = only(decode(call(id=1, method="neurons/subscribe", params={"neurons": neurons})))
    assert isinstance(message.params, NeuronsParams)
    assert message.params.model_dump()["neurons"] == neurons


def test_floats_are_shortest_and_null_where_not_finite() -> None:
    values = np.array([[0.1, np.nan, -0.16825671, np.inf, 1e-9]], dtype=np.float32)
    assert encode({"values": encode_values(values, "json")}) == b'{"values":[[0.1,null,-0.16825671,null,1e-9]]}'


@given(st.lists(st.floats(width=32), max_size=6))
def test_base64_values_are_little_endian_rows(row: list[float]) -> None:
    values = np.array([row, row], dtype=np.float32)[:, ::-1]
    wire = orjson.loads(encode(encode_values(values, "base64")))
    read = np.frombuffer(base64.b64decode(wire["data"]), dtype="<f4").reshape(wire["shape"])
    np.testing.assert_array_equal(read, values)


def test_a_surrogate_that_the_client_sent_can_be_sent_back() -> None:
    assert json.loads(encode({"id": "\ud800"})) == {"id": "\ud800"}


@pytest.mark.parametrize(
    ("method", "params", "member"),
    [
        ("document/change", {"uri": "a", "version": 1, "changes": [{"from": 0, "to": 0, "insert": ""}]}, "changes"),
        ("neurons/subscribe", {"neurons": ["L0N1"]}, "neurons"),
        ("neurons/top", {"uri": "a", "token": 0, "k": 1, "layers": [0]}, "layers"),
        (
            "initialize",
            {"protocolVersion": 1, "client": {"name": "a"}, "positionEncodings": ["x"]},
            "positionEncodings",
        ),
    ],
)
def test_lists_have_a_length(method: str, params: dict[str, Any], member: str) -> None:
    maximum = 10_000 if member in ("changes", "neurons") else 1000
    frame = {"method": method, "params": {**params, member: params[member] * maximum}}
    if method != "document/change":
        frame["id"] = 1
    assert isinstance(only(decode(call(**frame))), Request | Notification)
    frame["params"][member] = params[member] * (maximum + 1)
    fault = only(decode(call(**frame)))
    assert isinstance(fault.error, InvalidParams)
    assert fault.error.data == {"member": member}
    assert str(maximum) in fault.error.message
    frame["params"][member] = [{}] * maximum
    assert isinstance(only(decode(call(**frame))).error, InvalidParams)


def test_what_is_repeated_in_an_answer_has_a_length() -> None:
    assert only(decode(call(id="i" * 1024, method="models/list"))).id == "i" * 1024
    long = only(decode(call(id="i" * 1025, method="models/list")))
    assert (type(long.error), long.id, long.error.data) == (InvalidRequest, None, {"member": "id"})
    unknown = only(decode(call(id=1, method="m" * 1024)))
    assert isinstance(unknown.error, MethodNotFound)
    nameless = only(decode(call(id=1, method="m" * 1025)))
    assert isinstance(nameless.error, InvalidRequest)
    for method, params in (
        ("model/load", {"model": "m" * 1025}),
        ("neurons/subscribe", {"neurons": ["n" * 1025]}),
        ("document/open", {"uri": "u" * 4097, "version": 1, "text": ""}),
    ):
        fault = only(decode(call(id=1, method=method, params=params)))
        assert isinstance(fault.error, InvalidParams)
        assert len(fault.error.message) < 200
