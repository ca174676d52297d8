"""The OpenRPC document, generated from the message types.

`python -m ws_server.protocol.openrpc` prints it; the web client's wire types are generated from that.
Notifications are methods without a result, as in OpenRPC; those that the server sends are marked with
``x-sender: server``.
"""

from __future__ import annotations

import re
import sys
from functools import cache
from typing import Any

import orjson
from pydantic import TypeAdapter

from .. import __version__
from ..errors import WIRE_ERRORS, RequestError
from .messages import METHODS, Method
from .readme import examples

_REF = "#/components/schemas/{model}"


def _sentence(error: type[RequestError]) -> str:
    return re.sub(r"(?<!^)([A-Z])", lambda match: " " + match[1].lower(), error.__name__)


def _describe(method: Method, schemas: dict[Any, Any]) -> dict[str, Any]:
    params = schemas["params", method.name]
    definition = params
    description: dict[str, Any] = {
        "name": method.name,
        "summary": method.summary,
        "paramStructure": "by-name",
        "params": [],
        "x-params": definition,
    }
    if method.result is not None:
        description["result"] = {"name": "result", "schema": schemas["result", method.name]}
        description["errors"] = [{"$ref": f"#/components/errors/{error.__name__}"} for error in method.errors]
    shown = [_pairing(method, number, example) for number, example in enumerate(examples(method.name), start=1)]
    if shown:
        description["examples"] = shown
    description["x-sender"] = "server" if method.kind == "server notification" else "client"
    return description


def _pairing(method: Method, number: int, example: dict[str, Any]) -> dict[str, Any]:
    """A frame of the README, and its answer if that is shown, as an OpenRPC example pairing."""
    pairing: dict[str, Any] = {
        "name": f"{method.name} {number}",
        "params": [{"name": name, "value": value} for name, value in example["params"].items()],
    }
    if "result" in example:
        pairing["result"] = {"name": "result", "value": example["result"]}
    return pairing


@cache
def openrpc_document() -> dict[str, Any]:
    """The protocol as an OpenRPC 1.3 document; do not modify the returned object."""
    inputs: list[tuple[Any, Any, TypeAdapter[Any]]] = []
    for method in METHODS.values():
        inputs.append((("params", method.name), "validation", TypeAdapter(method.params)))
        if method.result is not None:
            inputs.append((("result", method.name), "serialization", TypeAdapter(method.result)))
    by_key, definitions = TypeAdapter.json_schemas(inputs, ref_template=_REF)
    schemas: dict[Any, Any] = {key: schema for (key, _mode), schema in by_key.items()}
    components: dict[str, Any] = definitions.get("$defs", {})

    methods = []
    for method in METHODS.values():
        description = _describe(method, schemas)
        definition = components[description["x-params"]["$ref"].rsplit("/", 1)[1]]
        required = set(definition.get("required", ()))
        description["params"] = [
            {"name": name, "required": name in required, "schema": schema}
            for name, schema in definition.get("properties", {}).items()
        ]
        methods.append(description)
    return {
        "openrpc": "1.3.2",
        "info": {
            "title": "Neuroscope",
            "version": __version__,
            "description": "Live activations of language-model neurons over one websocket.",
        },
        "methods": methods,
        "components": {
            "schemas": components,
            "errors": {error.__name__: {"code": error.code, "message": _sentence(error)} for error in WIRE_ERRORS},
        },
    }


if __name__ == "__main__":
    sys.stdout.buffer.write(orjson.dumps(openrpc_document(), option=orjson.OPT_INDENT_2) + b"\n")
