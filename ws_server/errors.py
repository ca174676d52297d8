"""Every error that Neuroscope raises on purpose, one tree.

    NeuroscopeError
    ├── RequestError            a request is wrong or cannot be fulfilled; becomes a JSON-RPC error
    │   ├── ParseError              -32700
    │   ├── InvalidRequest          -32600
    │   ├── MethodNotFound          -32601
    │   ├── InvalidParams           -32602
    │   ├── InternalError           -32603
    │   ├── NotInitialized          -32002
    │   ├── RequestCancelled        -32800
    │   ├── UnknownModel            -32010
    │   ├── ModelLoadFailed         -32011
    │   ├── UnknownDocument         -32012
    │   ├── LimitExceeded           -32013
    │   └── Overloaded              -32014
    └── StartupError            the server cannot start as requested; one sentence, exit code 2

A `RequestError`'s message is a sentence a person can act on, and its `data` names the member at fault.
Anything else that escapes is a bug: one boundary logs it and closes the connection with 1011.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar


class NeuroscopeError(Exception):
    """Root of the tree."""


class RequestError(NeuroscopeError):
    """An error that is sent to the peer.

    Args:
        message: a sentence a person can act on.
        data: further members for the wire, such as ``{"member": "changes.0.from"}``.
    """

    code: ClassVar[int]

    def __init__(self, message: str, **data: Any) -> None:
        super().__init__(message)
        self.message = message
        self.data: Mapping[str, Any] = data


class ParseError(RequestError):
    code = -32700


class InvalidRequest(RequestError):
    code = -32600


class MethodNotFound(RequestError):
    code = -32601


class InvalidParams(RequestError):
    code = -32602


class InternalError(RequestError):
    code = -32603


class NotInitialized(RequestError):
    code = -32002


class RequestCancelled(RequestError):
    code = -32800


class UnknownModel(RequestError):
    code = -32010


class ModelLoadFailed(RequestError):
    """`detail` is only for the operator: it may name files and versions."""

    code = -32011

    def __init__(self, message: str, detail: str = "", **data: Any) -> None:
        super().__init__(message, **data)
        self.detail = detail


class UnknownDocument(RequestError):
    code = -32012


class LimitExceeded(RequestError):
    """`data` holds the name of the limit and its value: ``{"limit": "documents", "maximum": 32}``."""

    code = -32013

    def __init__(self, message: str, *, limit: str, maximum: int) -> None:
        super().__init__(message, limit=limit, maximum=maximum)


class Overloaded(RequestError):
    code = -32014


WIRE_ERRORS: tuple[type[RequestError], ...] = (
    ParseError,
    InvalidRequest,
    MethodNotFound,
    InvalidParams,
    InternalError,
    NotInitialized,
    RequestCancelled,
    UnknownModel,
    ModelLoadFailed,
    UnknownDocument,
    LimitExceeded,
    Overloaded,
)
"""Every error that can appear on the wire."""


class StartupError(NeuroscopeError):
    """The server cannot start as requested; the message is the one sentence to print."""
