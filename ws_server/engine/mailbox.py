"""A queue of commands between two threads; commands that a newer one makes pointless are dropped.

However fast commands come in and however slowly they are taken out, it holds at most one evaluation of a document.
"""

from __future__ import annotations

import threading
from dataclasses import replace

from .commands import Compare, Evaluate, Forget, Hold, Key, Probe, ToWorker, Withdraw

_Slot = tuple[type[ToWorker], Key, int]


class Mailbox:
    """A queue of commands in the order in which they take effect."""

    def __init__(self) -> None:
        self._commands: dict[_Slot, ToWorker] = {}
        self._news = threading.Condition()
        self._closed = False

    def __len__(self) -> int:
        return len(self._commands)

    def put(self, command: ToWorker) -> None:
        """Adds a command and drops those that it makes pointless."""
        with self._news:
            if self._closed:
                return
            key = command.key
            ticket = command.ticket if isinstance(command, Probe | Compare | Withdraw) else 0
            if isinstance(command, Withdraw):
                questions = [(kind, key, ticket) for kind in (Probe, Compare)]
                if any(self._commands.pop(slot, None) is not None for slot in questions):
                    return
            elif isinstance(command, Evaluate):
                former = self._commands.pop((Evaluate, key, 0), None)
                if isinstance(former, Evaluate):  # the client has waited since then
                    command = replace(command, submitted=former.submitted)
                self._commands.pop((Hold, key, 0), None)
            elif isinstance(command, Forget):
                for slot in [slot for slot in self._commands if slot[1] == key]:
                    del self._commands[slot]
            self._commands[type(command), key, ticket] = command
            self._news.notify()

    def get(self, *, wait: bool = True) -> ToWorker | None:
        """The oldest command; None if there is none, or if the mailbox is closed."""
        with self._news:
            if wait:
                self._news.wait_for(lambda: self._commands or self._closed)
            if self._closed or not self._commands:
                return None
            return self._commands.pop(next(iter(self._commands)))

    def close(self) -> None:
        """Drops all commands; from now on `put` does nothing and `get` returns None."""
        with self._news:
            self._closed = True
            self._commands.clear()
            self._news.notify_all()
