"""The log: one line for each event, with its facts as fields; as text for people, or as JSON for programs.

Users' texts are never logged; the names that clients give themselves only as quoted, shortened fields. Exceptions are
logged with their type and traceback but without their message, which may quote the text that caused them. Only the
workers, which never see a text, log messages too.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from typing import Any

FORMATS = ("text", "json")
LEVELS = ("debug", "info", "warning", "error")

_LONGEST = 200
"""Most characters of one field."""


def set_up(level: str, form: str, *, knows_texts: bool = True) -> None:
    """Sends this process's log to standard error, unless logging has been configured already.

    Args:
        level: the lowest level to log, one of `LEVELS`.
        form: one of `FORMATS`.
        knows_texts: whether this process handles users' texts; if so, the messages of exceptions are left out.
    """
    handler = logging.StreamHandler(sys.stderr)
    trace = without_messages if knows_texts else _with_messages
    handler.setFormatter(_Json(trace) if form == "json" else _Text(trace))
    logging.basicConfig(level=level.upper(), handlers=[handler])
    # It logs whole frames and addresses, secrets included, and reports refused handshakes and lost clients as errors.
    logging.getLogger("websockets").setLevel(logging.CRITICAL)


def about(**fields: Any) -> dict[str, Any]:
    """An event's facts, for the `extra` of a logging call; those that are None are left out."""
    return {"fields": {name: value for name, value in fields.items() if value is not None}}


def without_messages(error: BaseException) -> str:
    """The tracebacks of an error and of its causes, the earliest first, without their messages."""
    earlier = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    before = f"{without_messages(earlier)}\nThen:\n" if earlier is not None else ""
    trace = "".join(traceback.format_tb(error.__traceback__))
    kind = type(error)
    return f"{before}Traceback (most recent call last):\n{trace}{kind.__module__}.{kind.__qualname__}"


def _with_messages(error: BaseException) -> str:
    return "".join(traceback.format_exception(error)).rstrip("\n")


class _Formatter(logging.Formatter):
    def __init__(self, trace: Callable[[BaseException], str]) -> None:
        super().__init__()
        self._trace = trace

    def trace(self, record: logging.LogRecord) -> str | None:
        error = record.exc_info[1] if record.exc_info else None
        return self._trace(error) if error is not None else None


class _Text(_Formatter):
    """`2026-01-31T12:00:00.000Z INFO session begun session=k2J9xQ client="my notebook"`"""

    def format(self, record: logging.LogRecord) -> str:
        fields = [f"{name}={_quoted(value)}" for name, value in _fields(record).items()]
        line = " ".join([_moment(record), record.levelname, _one_line(record.getMessage()), *fields])
        trace = self.trace(record)
        return f"{line}\n{trace}" if trace is not None else line


class _Json(_Formatter):
    """One JSON object per line."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": _moment(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
            **{name: _plain(value) for name, value in _fields(record).items()},
        }
        if (trace := self.trace(record)) is not None:
            line["exception"] = trace
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
