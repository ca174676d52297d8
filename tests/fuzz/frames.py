"""Frames: right ones of every method, and what they become when something in them is replaced, left out or cut off."""

from __future__ import annotations

import json
import os
from typing import Any

from hypothesis import strategies as st

from ws_server.protocol.messages import METHODS

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "0"))
"""How many examples of each test; 0 means a few."""

REQUESTS: dict[str, dict[str, Any]] = {
    "initialize": {"protocolVersion": 1, "client": {"name": "fuzz", "version": "1"}, "positionEncodings": ["utf-16"]},
    "ping": {},
    "models/list": {},
    "model/load": {"model": "gpt2", "workDoneToken": 3},
    "document/open": {"uri": "a", "version": 1, "text": "The keeper counted 😀 waves."},
    "document/close": {"uri": "a"},
    "neurons/subscribe": {
        "neurons": ["L0N1", {"layer": 1, "neuron": 2}, {"hook": "blocks.1.mlp.hook_post", "index": 3}]
    },
    "neurons/unsubscribe": {"neurons": ["L0N1"]},
    "neurons/top": {"uri": "a", "token": 2, "k": 3, "layers": [0, 1], "by": "activation"},
    "neurons/changed": {"uri": "a", "k": 3, "since": 1, "layers": [0], "by": "ratio"},
    "rpc.discover": {},
}
NOTIFICATIONS: dict[str, dict[str, Any]] = {
    "document/change": {"uri": "a", "version": 2, "changes": [{"from": 0, "to": 1, "insert": "x"}]},
    "$/cancelRequest": {"id": 1},
}
assert {*REQUESTS, *NOTIFICATIONS} == {name for name, method in METHODS.items() if "server" not in method.kind}

_odd = st.sampled_from(
    [
        *(-1, 2**31, 2**53 + 1, 2**63, 2**64, -(2**63) - 1, 1e308, -0.0, 0.5, True),
        *("", "a", "L0N1", "L999999999N0", "\0", "\ud83d", "😀", "x" * 1025, "__proto__", "../gpt2"),
    ]
)
_floats = st.floats(allow_nan=False, allow_infinity=False)
scalars = st.none() | st.booleans() | st.integers() | _floats | st.text(max_size=6) | _odd
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=8,
)


@st.composite
def spoiled(draw: st.DrawFn, value: Any, depth: int = 6) -> Any:
    """The same, with one thing somewhere in it replaced, repeated, added or left out."""
    inside = depth and value and draw(st.integers(0, 4))
    if inside and isinstance(value, dict):
        name = draw(st.sampled_from(sorted(value)))
        how = draw(st.sampled_from(["inside", "inside", "out", "rename", "add"]))
        if how == "inside":
            return {**value, name: draw(spoiled(value[name], depth - 1))}
        rest = {key: item for key, item in value.items() if key != name}
        if how == "out":
            return rest
        return {**(rest if how == "rename" else value), draw(st.text(max_size=6)): value[name]}
    if inside and isinstance(value, list):
        at = draw(st.integers(0, len(value) - 1))
        how = draw(st.sampled_from(["inside", "inside", "out", "repeat"]))
        if how == "inside":
            return [*value[:at], draw(spoiled(value[at], depth - 1)), *value[at + 1 :]]
        return [*value[:at], *([] if how == "out" else [value[at]] * 2), *value[at + 1 :]]
    return draw(values)


@st.composite
def messages(draw: st.DrawFn, ids: st.SearchStrategy[Any]) -> dict[str, Any]:
    """A right message of any method."""
    if draw(st.integers(0, 3)):
        method = draw(st.sampled_from(sorted(REQUESTS)))
        return {"jsonrpc": "2.0", "id": draw(ids), "method": method, "params": REQUESTS[method]}
    method = draw(st.sampled_from(sorted(NOTIFICATIONS)))
    return {"jsonrpc": "2.0", "method": method, "params": NOTIFICATIONS[method]}


@st.composite
def wrong_messages(draw: st.DrawFn, ids: st.SearchStrategy[Any]) -> Any:
    """A message in which something is another than it was; at times it is right all the same."""
    message = draw(messages(ids))
    if draw(st.booleans()):
        return {**message, "params": draw(spoiled(message["params"]))}
    return draw(spoiled(message))


@st.composite
def cut_frames(draw: st.DrawFn, ids: st.SearchStrategy[Any]) -> str:
    """The beginning of a frame."""
    text = json.dumps(draw(messages(ids)), ensure_ascii=draw(st.booleans()))
    return text[: draw(st.integers(0, len(text) - 1))]


noise = st.text(max_size=40) | st.text(alphabet='{}[]",:0123456789.eE+-\\utfn als', max_size=40)
