"""The golden frames: examples of every message, held against the types that both languages use.

The protocol document shows the same frames, and the web client's tests read them too.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import TypeAdapter

from ws_server.errors import WIRE_ERRORS
from ws_server.protocol.codec import Notification, Request, decode, encode
from ws_server.protocol.messages import METHODS
from ws_server.protocol.openrpc import openrpc_document

GOLDEN = Path(__file__).parents[1] / "golden"
FRAMES: list[dict[str, Any]] = [
    frame for path in sorted(GOLDEN.glob("*.json")) for frame in json.loads(path.read_text())
]


def named(direction: str) -> list[Any]:
    return [pytest.param(f["frame"], id=f["name"]) for f in FRAMES if f["direction"] == direction]


def validate(annotation: Any, value: Any) -> None:
    """By pydantic, and by the JSON Schema that other languages generate their types from."""
    adapter: TypeAdapter[Any] = TypeAdapter(annotation)
    adapter.validate_python(value, strict=True)
    schema = adapter.json_schema(mode="serialization")
    Draft202012Validator(schema).validate(value)


@pytest.mark.parametrize("frame", named("client"))
def test_what_clients_send_is_understood(frame: dict[str, Any]) -> None:
    (message,) = decode(json.dumps(frame)).messages
    if frame["method"] not in METHODS:
        return  # an example of what is refused; `test_codec` shows how
    assert isinstance(message, Request if "id" in frame else Notification)
    assert message.params.model_dump(by_alias=True, exclude_unset=True) == frame["params"]


@pytest.mark.parametrize("frame", named("server"))
def test_what_the_server_sends_has_its_type(frame: dict[str, Any]) -> None:
    if "method" in frame:
        method = METHODS[frame["method"]]
        assert method.kind == "server notification"
        validate(method.params, frame["params"])
    elif "error" in frame:
        assert frame["error"]["code"] in {error.code for error in WIRE_ERRORS}
    else:
        request = next(f["frame"] for f in FRAMES if f["direction"] == "client" and f["frame"].get("id") == frame["id"])
        validate(METHODS[request["method"]].result, frame["result"])


@pytest.mark.parametrize("frame", named("client") + named("server"))
def test_frames_survive_the_encoder(frame: dict[str, Any]) -> None:
    assert json.loads(encode(frame)) == frame


def test_every_method_and_every_error_has_an_example() -> None:
    shown = {f["frame"]["method"] for f in FRAMES if "method" in f["frame"]}
    assert set(METHODS) <= shown
    codes = {f["frame"]["error"]["code"] for f in FRAMES if "error" in f["frame"]}
    codes |= {f["frame"]["params"]["code"] for f in FRAMES if f["frame"].get("method") == "$/error"}
    assert codes == {error.code for error in WIRE_ERRORS}


def test_the_openrpc_document_has_every_method_and_error() -> None:
    document = openrpc_document()
    assert [method["name"] for method in document["methods"]] == list(METHODS)
    assert {error["code"] for error in document["components"]["errors"].values()} == {e.code for e in WIRE_ERRORS}
    references = json.dumps(document).split('"$ref": "#/components/')[1:]
    for reference in references:
        kind, name = reference.split('"')[0].split("/")
        assert name in document["components"][kind]
