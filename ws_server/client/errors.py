"""What can go wrong between a client and a server: the server refuses, or cannot be reached."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import NeuroscopeError


class ServerError(NeuroscopeError):
    """The server refused a request or could not fulfil it.

    Attributes:
        method: the method that was called.
        code: the protocol's number of the error, such as -32602.
        message: the server's sentence.
        data: details, such as the member at fault.
    """

    def __init__(self, method: str, error: Mapping[str, Any]) -> None:
        super().__init__(f"{method}: {error.get('message')} ({error.get('code')})")
        self.method = method
        self.code = int(error.get("code", 0))
        self.message = str(error.get("message", ""))
        self.data: Mapping[str, Any] = error.get("data") or {}


class Disconnected(NeuroscopeError):
    """There is no connection, or it was lost before the answer came."""
