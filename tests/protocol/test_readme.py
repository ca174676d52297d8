"""The protocol document is true: its examples are the golden frames, and it leaves nothing out."""

from __future__ import annotations

import json
import re
from pathlib import Path

from ws_server.config import Limits
from ws_server.errors import WIRE_ERRORS, InvalidParams, LimitExceeded, NotInitialized
from ws_server.protocol.messages import METHODS
from ws_server.protocol.openrpc import openrpc_document
from ws_server.protocol.readme import frames

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "ws_server" / "protocol" / "README.md").read_text(encoding="utf-8")


def test_every_example_is_a_golden_frame() -> None:
    golden = [
        frame["frame"]
        for path in sorted((ROOT / "tests" / "golden").glob("*.json"))
        for frame in json.loads(path.read_text(encoding="utf-8"))
    ]
    examples = re.findall(r"```json\n(.*?)\n```", DOCUMENT, re.DOTALL)
    assert len(examples) > 30
    for example in examples:
        assert json.loads(example) in golden


def test_every_method_and_error_code_is_described() -> None:
    headings = "\n".join(re.findall(r"^### (.*)$", DOCUMENT, re.MULTILINE))
    for method in METHODS:
        assert f"`{method}`" in headings
    for error in WIRE_ERRORS:
        assert f"| {error.code} |" in DOCUMENT


def test_the_table_of_messages_is_complete() -> None:
    everywhere = {error.code for error in (InvalidParams, NotInitialized)}
    for method in METHODS.values():
        kind = "request" if method.kind == "request" else "notification"
        direction = "server to client" if method.kind == "server notification" else "client to server"
        codes = sorted({error.code for error in method.errors} - everywhere, reverse=True)
        if method.name == "document/change":
            codes = [LimitExceeded.code]  # by `$/error`
        own = ", ".join(str(code) for code in codes)
        assert f"| `{method.name}` | {kind} | {direction} | {own} |" in DOCUMENT


def test_every_member_of_every_message_is_described() -> None:
    schemas = openrpc_document()["components"]["schemas"]
    for name, schema in schemas.items():
        for member, described in schema.get("properties", {}).items():
            told = described.get("description") or schemas[described["$ref"].rsplit("/", 1)[1]]["description"]
            assert told.endswith((".", ")", "]")), f"{name}.{member}"


def test_the_limits_in_the_examples_are_the_servers() -> None:
    limits = Limits()
    assert f'"frameBytes": {limits.frame_bytes}' in DOCUMENT
    assert f'"messagesPerSecond": {limits.messages_per_second}' in DOCUMENT
    assert f'"documentTokens": {limits.document_tokens}' in DOCUMENT


def test_the_openrpc_document_shows_the_examples_of_the_reader() -> None:
    shown = {
        (method["name"], json.dumps({member["name"]: member["value"] for member in example["params"]}))
        for method in openrpc_document()["methods"]
        for example in method.get("examples", [])
    }
    written = {
        (frame["method"], json.dumps(frame["params"]))
        for frame in frames()
        if frame.get("method") in METHODS and "params" in frame
    }
    assert written <= shown
    assert shown <= written
    assert {name for name, _ in shown} >= {"initialize", "document/change", "document/tokens", "activations/update"}
    (pairing,) = (
        example
        for method in openrpc_document()["methods"]
        if method["name"] == "neurons/top"
        for example in method["examples"][:1]
    )
    assert {"version", "token", "neurons"} <= pairing["result"]["value"].keys()
