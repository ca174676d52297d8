"""What a session wants done: messages to send, and work whose result it gets later."""

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
    """Tokenize, then call `Session.tokenized`, or `too_many_tokens` if there are more than `most`."""

    uri: str
    ticket: int
    tokenizer: Tokenizer
    text: str
    encoding: PositionEncoding
    merged: int
    """How many older versions this one also answers."""
    most: int
    """The limit of tokens per document."""
    unsure: bool
    """Whether the text may have far more, so that its beginning should be checked first."""


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
    """This request no longer waits for its model."""

    id: RequestId


Effect = Reply | Refuse | Notify | Tokenize | Compute | LoadModel | GiveUpLoading
Effects = list[Effect]
