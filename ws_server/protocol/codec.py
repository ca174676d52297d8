"""Frames to typed messages and back; the one place that sees JSON.

`decode` never raises: whatever is wrong with a frame or with a message in it becomes a `Fault`, which says how to
report it. Code after this module sees only validated, frozen objects.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
import orjson
from pydantic import ValidationError

from ..errors import InvalidParams, InvalidRequest, MethodNotFound, ParseError, RequestError
from .messages import LONGEST_URI, METHODS, ActivationEncoding, Base64Values, FloatMatrix, Params, RequestId

MOST_IN_BATCH = 100
"""Messages of one batch; their answers are kept until all are ready."""
MOST_IN_FRAME = 1024 * 1024
"""Bytes of an outgoing frame: what common libraries accept by default."""
_LONGEST_NAME = 1024
"""Characters of input that an answer may repeat."""


@dataclass(frozen=True, slots=True)
class Request:
    """A validated request; `params` is of the type that `METHODS` names."""

    id: RequestId
    method: str
    params: Params


@dataclass(frozen=True, slots=True)
class Notification:
    """A validated notification."""

    method: str
    params: Params


@dataclass(frozen=True, slots=True)
class Fault:
    """A message that cannot be acted on.

    If `method` is None it is answered by an error response to `id`; otherwise it was a notification, and `uri` is the
    document that it names, if that can be read. `called` is the method's name in either case, None if the message is
    not JSON-RPC.
    """

    error: RequestError
    id: RequestId = None
    method: str | None = None
    uri: str | None = None
    called: str | None = None


Message = Request | Notification | Fault


@dataclass(frozen=True, slots=True)
class Frame:
    """The messages of one text frame; the answers to a batch are sent as one array."""

    messages: Sequence[Message]
    batch: bool = False


def decode(text: str | bytes) -> Frame:
    """Reads one text frame."""
    try:
        value = _loads(text)
    except (ValueError, RecursionError) as error:
        return Frame([Fault(ParseError(f"The frame is not JSON: {error}."))])
    if not isinstance(value, list):
        return Frame([_message(value)])
    if not 1 <= len(value) <= MOST_IN_BATCH:
        return Frame([Fault(InvalidRequest(f"A batch must hold 1 to {MOST_IN_BATCH} messages."))])
    return Frame([_message(item) for item in value], batch=True)


def _loads(text: str | bytes) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        # An editor that deletes half of an emoji sends a lone surrogate, legal in JSON's grammar but refused by
        # orjson. Refusing it here would lose an edit, so the slower standard parser gets a second try.
        raw = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
        if b"\\ud" not in raw.lower():
            raise
        return json.loads(raw.decode("utf-8"), parse_constant=_refuse_constant, parse_int=_integer, parse_float=_finite)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON value")


def _integer(digits: str) -> int | float:
    """As orjson reads it: a float beyond 64 bits."""
    if len(digits) <= 20 and -(2**63) <= (value := int(digits)) < 2**64:
        return value
    return _finite(digits)


def _finite(number: str) -> float:
    value = float(number)
    if math.isinf(value):
        raise ValueError("number is infinity when parsed as double")
    return value


def _message(value: Any) -> Message:
    if not isinstance(value, dict):
        return Fault(InvalidRequest("A message must be an object."))
    request_id = value.get("id")
    if isinstance(request_id, bool) or not isinstance(request_id, str | int | float | None):
        return Fault(InvalidRequest("`id` must be a string or a number.", member="id"))
    if isinstance(request_id, str) and len(request_id) > _LONGEST_NAME:
        return Fault(InvalidRequest(f"`id` must have at most {_LONGEST_NAME} characters.", member="id"))
    if value.get("jsonrpc") != "2.0":
        return Fault(InvalidRequest('`jsonrpc` must be "2.0".', member="jsonrpc"), request_id)
    name = value.get("method")
    if not isinstance(name, str) or len(name) > _LONGEST_NAME:
        return Fault(InvalidRequest("`method` must be the name of a method.", member="method"), request_id)

    expects_answer = "id" in value
    raw = value.get("params")
    if raw is None or raw == []:  # as generic clients send a call without parameters
        raw = {}
    uri = raw.get("uri") if isinstance(raw, dict) else None
    if not isinstance(uri, str) or not 1 <= len(uri) <= LONGEST_URI:  # otherwise it cannot be a document's name
        uri = None

    def fault(error: RequestError) -> Fault:
        if expects_answer:
            return Fault(error, request_id, called=name)
        return Fault(error, method=name, uri=uri, called=name)

    method = METHODS.get(name)
    if method is None or method.kind == "server notification":
        return fault(MethodNotFound(f"There is no method {name!r} that a client can call.", method=name))
    if expects_answer != (method.kind == "request"):
        wanted = "needs an `id`" if method.kind == "request" else "is a notification and takes no `id`"
        return fault(InvalidRequest(f"{name!r} {wanted}.", member="id"))
    if not isinstance(raw, dict):
        not_this = ", not a list" if isinstance(raw, list) else ""
        return fault(InvalidParams(f"`params` must be an object{not_this}.", member="params"))
    try:
        params = method.params.model_validate(raw)
    except ValidationError as error:
        return fault(_invalid_params(error, raw))
    return Request(request_id, name, params) if expects_answer else Notification(name, params)


def _invalid_params(error: ValidationError, params: Any) -> InvalidParams:
    """The first member that is wrong. Where it may be of several forms, of the one that it comes closest to."""
    errors = error.errors(include_url=False, include_context=False, include_input=False)
    missing = [each["type"] == "missing" for each in errors]
    places = [_place(each["loc"], params, absent) for each, absent in zip(errors, missing, strict=True)]
    of_first = [number for number, place in enumerate(places) if place[: len(places[0])] == places[0]]
    closest = max(of_first, key=lambda number: (len(places[number]), not missing[number]))
    member = ".".join(map(str, places[closest]))
    return InvalidParams(f"`{member}`: {errors[closest]['msg']}.", member=member)


def _place(location: Sequence[int | str], params: Any, is_missing: bool) -> list[int | str]:
    """Where in `params` a location is. Pydantic's also name the forms that a member may take."""
    place: list[int | str] = []
    value = params
    for number, part in enumerate(location):
        if isinstance(value, dict) and (part in value or (is_missing and number == len(location) - 1)):
            place.append(part)
            value = value.get(part)
        elif isinstance(value, list) and isinstance(part, int):
            place.append(part)
            value = value[part] if part < len(value) else None
    return place


# ------------------------------------------------------------------------------------ encoding


def shortest(value: float) -> float:
    """The number whose decimal form is the shortest that reads back as the float32 `value`."""
    return float(str(np.float32(value)))


def encode(value: Any) -> bytes:
    """One JSON text; NaN and infinities become null, float32 arrays their shortest round-trip form."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)
    except TypeError:
        # Only names from a client (an id, an unknown method) can hold a lone surrogate.
        return json.dumps(value).encode()


def response(request_id: RequestId, result: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": request_id, "result": result}


def error_response(request_id: RequestId, error: RequestError) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": request_id, "error": error_object(error)}


def error_object(error: RequestError) -> dict[str, Any]:
    wire: dict[str, Any] = {"code": error.code, "message": error.message}
    if error.data:
        wire["data"] = dict(error.data)
    return wire


def notification(method: str, params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "method": method, "params": params}


def encode_values(values: FloatMatrix, encoding: ActivationEncoding) -> FloatMatrix | Base64Values:
    """The `values` member of `activations/update` for float32 `values` [rows, count]."""
    if encoding == "json":
        return np.ascontiguousarray(values, dtype=np.float32)
    little_endian = np.ascontiguousarray(values, dtype="<f4")
    return {
        "dtype": "float32",
        "shape": list(values.shape),
        "data": base64.b64encode(little_endian.tobytes()).decode("ascii"),
    }
