"""The server's end of a model worker: a process, and two threads that keep its pipe off the event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

from ..engine.catalog import LoadOptions, ModelSpec
from ..engine.commands import AtWork, Key, ToWorker
from ..engine.mailbox import Mailbox
from .launcher import Launcher

_MOST_UNREAD = 16
"""Messages that the event loop has not handled yet; beyond that the pipe is not read, and the worker has to wait."""


class WorkerProcess:
    """A running worker process.

    Args:
        launcher: starts the process.
        on_message: called on the event loop with everything that the worker sends.
        on_end: called on the event loop, once, when the process has ended, for whatever reason.

    Attributes:
        at_work: the documents of the current forward pass, as last reported.
    """

    def __init__(
        self,
        launcher: Launcher,
        spec: ModelSpec,
        options: LoadOptions,
        on_message: Callable[[Any], None],
        on_end: Callable[[], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._connection, self._process = launcher.launch()
        self._connection.send((spec, options))
        self.at_work: tuple[Key, ...] = ()
        self._unread = threading.BoundedSemaphore(_MOST_UNREAD)
        self._outbox = Mailbox()
        threading.Thread(target=self._receive, args=(self._connection, on_message, on_end), daemon=True).start()
        threading.Thread(target=self._send, daemon=True).start()

    def submit(self, command: ToWorker) -> None:
        """Sends a command. It is lost if the worker has ended, which `on_end` reports."""
        self._outbox.put(command)

    def end(self) -> None:
        """Kills the process; it holds nothing that cannot be computed again."""
        self._process.kill()

    def _receive(self, connection: Connection, on_message: Callable[[Any], None], on_end: Callable[[], None]) -> None:
        try:
            while True:
                message = connection.recv()
                if isinstance(message, AtWork):
                    self.at_work = message.keys
                    continue
                self.at_work = ()
                self._unread.acquire()
                self._call(self._hand_over, on_message, message)
        except (EOFError, OSError):
            pass
        self._process.kill()  # it has ended, or is about to
        self._outbox.close()
        connection.close()
        self._call(on_end)

    def _hand_over(self, on_message: Callable[[Any], None], message: Any) -> None:
        try:
            on_message(message)
        finally:
            self._unread.release()

    def _call(self, function: Callable[..., None], *arguments: Any) -> None:
        with suppress(RuntimeError):  # the event loop is closed: the server has ended
            self._loop.call_soon_threadsafe(function, *arguments)

    def _send(self) -> None:
        try:
            while (command := self._outbox.get()) is not None:
                self._connection.send(command)
        except (BrokenPipeError, OSError):
            pass  # the process has ended; `_receive` reports it
