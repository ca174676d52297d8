"""The standard streams, which whoever starts a program may have closed."""

from __future__ import annotations

import logging
import os
import sys
from contextlib import suppress
from typing import TextIO

_log = logging.getLogger(__name__)


def open_missing_streams() -> None:
    """Opens the null device in place of standard streams that are closed: the next file or socket to be opened would
    take their number, and what is printed would go there."""
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
    """Prints a line on standard output, or on standard error. Where it cannot be written (the disk is full, nobody
    reads the pipe any more) it is lost, and the program goes on."""
    stream = sys.stderr if error else sys.stdout
    try:
        print(line, file=stream, flush=True)
    except OSError as problem:
        _discard(stream)
        if not error:
            _log.warning("Standard output cannot be written to: %s.", problem.strerror)


def flush_streams() -> None:
    """Writes what is left, so that the interpreter, at its end, finds nothing that it could fail to write."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            _discard(stream)


def _discard(stream: TextIO) -> None:
    """Sends what a stream still holds, and all that follows, nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
    with suppress(OSError):
        stream.flush()
