"""The protocol's `README.md`, beside this file: its text, and the frames that it shows."""

from __future__ import annotations

import json
import re
from functools import cache
from importlib.resources import files
from typing import Any


@cache
def reader_document() -> str:
    """The document, in Markdown."""
    return (files(__package__) / "README.md").read_text(encoding="utf-8")


@cache
def frames() -> list[Any]:
    """Every frame that the document shows, in order; do not modify them."""
    return [
        json.loads(block) for block in re.findall(r"^```json\n(.*?)^```", reader_document(), re.DOTALL | re.MULTILINE)
    ]


def examples(method: str) -> list[dict[str, Any]]:
    """The document's examples of a method: its params, and the result if the next frame with that id is one."""
    shown = []
    for number, frame in enumerate(frames()):
        if not isinstance(frame, dict) or frame.get("method") != method or "params" not in frame:
            continue
        later = (
            other for other in frames()[number + 1 :] if isinstance(other, dict) and other.get("id") == frame.get("id")
        )
        answer = next(later, None) if "id" in frame else None
        shown.append(
            {"params": frame["params"]} | ({"result": answer["result"]} if answer and "result" in answer else {})
        )
    return shown
