"""One client's conversation, without I/O: messages in, effects out."""

from .effects import (
    Compute,
    Effect,
    Effects,
    GiveUpLoading,
    LoadModel,
    Notify,
    Refuse,
    Reply,
    Tokenize,
)
from .session import Session, initialize_result

__all__ = [
    "Compute",
    "Effect",
    "Effects",
    "GiveUpLoading",
    "LoadModel",
    "Notify",
    "Refuse",
    "Reply",
    "Session",
    "Tokenize",
    "initialize_result",
]
