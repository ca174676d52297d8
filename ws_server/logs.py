"""The log: one line an event, with the event's facts as fields; for people, or as JSON for programs.

What clients write is not ours to keep. Their texts are never given to the log, and what they call themselves only as
quoted, shortened fields. Exceptions are logged by their kind and where they happened, without their message: it may
quote the text that led to them.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import time
import traceback
from collections.abc import Mapping
from typing import Any

FORMATS = ("text", "json")
LEVELS = ("debug", "info", "warning", "error")

_LONGEST = 200
"""Characters of one field."""


def set_up(level: str, form: str) -> None:
    """Sends this process's log to standard error, unless it goes somewhere already.

    Args:
        level: the least level to log, one of `LEVELS`.
        form: one of `FORMATS`.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if form == "json" else _Text())
    logging.basicConfig(level=level.upper(), handlers=[handler])
    # It logs whole frames and addresses, secrets included; and refused handshakes and clients that just go as errors.
    logging.getLogger("websockets").setLevel(logging.CRITICAL)


def about(**fields: Any) -> dict[str, Any]:
    """An event's facts, for the `extra` of a logging call; None is left out."""
    return {"fields": {name: value for name, value in fields.items() if value is not None}}


def without_messages(error: BaseException) -> str:
    """The traceback of an error and of those that led to it, the first of them first, without what they say."""
    earlier = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    before = f"{without_messages(earlier)}\nThen:\n" if earlier is not None else ""
    trace = "".join(traceback.format_tb(error.__traceback__))
    kind = type(error)
    return f"{before}Traceback (most recent call last):\n{trace}{kind.__module__}.{kind.__qualname__}"


class _Text(logging.Formatter):
    """`2026-01-31T12:00:00.000Z INFO session begun session=k2J9xQ client="my notebook"`"""

    def format(self, record: logging.LogRecord) -> str:
        fields = [f"{name}={_quoted(value)}" for name, value in _fields(record).items()]
        line = " ".join([_moment(record), record.levelname, _one_line(record.getMessage()), *fields])
        error = record.exc_info[1] if record.exc_info else None
        return f"{line}\n{without_messages(error)}" if error is not None else line


class _Json(logging.Formatter):
    """One object a line."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": _moment(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
            **{name: _plain(value) for name, value in _fields(record).items()},
        }
        if record.exc_info and (error := record.exc_info[1]) is not None:
            line["exception"] = without_messages(error)
        return json.dumps(line, default=str)


def _fields(record: logging.LogRecord) -> Mapping[str, Any]:
    fields: Mapping[str, Any] = getattr(record, "fields", {})
    return fields


def _moment(record: logging.LogRecord) -> str:
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(record.created))}.{int(record.msecs):03}Z"


def _one_line(message: str) -> str:
    return message.replace("\n", " | ")


def _plain(value: Any) -> Any:
    if isinstance(value, str) and len(value) > _LONGEST:
        return value[:_LONGEST] + "..."
    return round(value, 3) if isinstance(value, float) else value


def _quoted(value: Any) -> str:
    value = _plain(value)
    if isinstance(value, str) and re.fullmatch(r"[\w.:/@+%-]+", value, re.ASCII):
        return value
    return json.dumps(value, default=str)
