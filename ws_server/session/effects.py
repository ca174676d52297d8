"""What a session wants done by others: messages to send, and work whose outcome is told to it later."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..document.text import PositionEncoding
from ..document.tokenizer import Tokenizer
from ..engine.commands import Command
from ..errors import RequestError
from ..protocol.messages import RequestId


@dataclass(frozen=True, slots=True)
class Reply:
    """Answer a request."""

    id: RequestId
    result: Any


@dataclass(frozen=True, slots=True)
class Refuse:
    """Answer a request with an error."""

    id: RequestId
    error: RequestError


@dataclass(frozen=True, slots=True)
class Notify:
    """Send a notification."""

    method: str
    params: Any


@dataclass(frozen=True, slots=True)
class Tokenize:
    """Tokenize, then call `Session.tokenized`; or, where there are more tokens than `most`, `too_many_tokens`."""

    uri: str
    ticket: int
    tokenizer: Tokenizer
    text: str
    encoding: PositionEncoding
    merged: int
    """How many older versions this one answers too."""
    most: int
    """Tokens that a document may have."""
    unsure: bool
    """Whether there may be far more than that, so that it is worth a look before all is tokenized."""


@dataclass(frozen=True, slots=True)
class Compute:
    """Hand a command to the engine of a model; its results come back through `Session.computed`."""

    model: str
    command: Command


@dataclass(frozen=True, slots=True)
class LoadModel:
    """Load a model, then call `Session.model_loaded` or `Session.model_failed`."""

    id: RequestId
    model: str
    progress_token: str | int | None


@dataclass(frozen=True, slots=True)
class GiveUpLoading:
    """Nobody waits for this request's model any more."""

    id: RequestId


Effect = Reply | Refuse | Notify | Tokenize | Compute | LoadModel | GiveUpLoading
Effects = list[Effect]
