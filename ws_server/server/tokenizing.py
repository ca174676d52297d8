"""Tokenizes in threads, off the event loop. Only long texts wait for a text that takes seconds."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

from ..document.tokens import TokenList
from ..session import Tokenize

_LONG = 20_000
"""Characters from which a text counts as long; it takes some ten milliseconds."""
_THREADS = "tokenize"


class Tokenizing:
    """Two threads of one server: one for short texts, one for long ones."""

    def __init__(self) -> None:
        self._short, self._long = (ThreadPoolExecutor(1, thread_name_prefix=_THREADS) for _ in range(2))

    async def tokens(self, work: Tokenize) -> TokenList:
        """The tokens of a text.

        Raises:
            TooManyTokens: there are more than `work.most`.
        """
        lane = self._short if len(work.text) < _LONG else self._long
        return await asyncio.get_running_loop().run_in_executor(
            lane, work.tokenizer.tokenize, work.text, work.encoding, work.most, work.unsure
        )

    def end(self) -> None:
        for lane in (self._short, self._long):
            lane.shutdown(wait=False, cancel_futures=True)


def abandon_tokenizing() -> None:
    """Ends the process if a thread is still tokenizing. The interpreter would wait for it, seconds for a long text, and
    nobody needs the tokens any more."""
    for thread in threading.enumerate():
        if thread.name.startswith(_THREADS):
            thread.join(0.1)
            if thread.is_alive():
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(0)
