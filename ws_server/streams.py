"""The standard streams, which whoever starts a program may have closed."""

from __future__ import annotations

import os
import sys


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
