"""The standard streams, which may be closed when the program starts."""

from __future__ import annotations

import logging
import os
import sys
from contextlib import suppress
from typing import TextIO

_log = logging.getLogger(__name__)


def open_missing_streams() -> None:
    """Opens the null device in place of standard streams that are closed: otherwise the next file or socket would get
    their number, and printed text would go there."""
    for number, mode in enumerate((os.O_RDONLY, os.O_WRONLY, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, mode)
            if opened != number:
                os.dup2(opened, number, inheritable=True)
                os.close(opened)
            os.set_inheritable(number, True)
    for name, number in (("stdout", 1), ("stderr", 2)):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "w", encoding="utf-8", closefd=False))


def print_line(line: str, *, error: bool = False) -> None:
    """Prints a line to standard output or standard error. If that fails (the disk is full, the pipe is broken), the
    line is lost and the program goes on."""
    stream = sys.stderr if error else sys.stdout
    try:
        print(line, file=stream, flush=True)
    except OSError as problem:
        _discard(stream)
        if not error:
            _log.warning("Standard output cannot be written to: %s.", problem.strerror)


def flush_streams() -> None:
    """Writes buffered output, so that nothing is left on which the interpreter could fail when it exits."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            _discard(stream)


def _discard(stream: TextIO) -> None:
    """Discards what a stream still holds, and all later output."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
    with suppress(OSError):
        stream.flush()
