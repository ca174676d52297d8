"""The program of the fork server, and of a worker without one: imports the libraries, then runs workers.

The fork server only imports the libraries. It has no threads and no device, so that forking is safe, and it ends when
the server does, however that ends. Workers share the memory of what it has imported.
"""

from __future__ import annotations

import logging
import os
import select
import signal
import socket
import sys
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import NoReturn

from .. import logs
from ..streams import open_missing_streams
from .commands import LoadFailed
from .libraries import import_libraries
from .worker import run_worker

_log = logging.getLogger(__name__)


def main(kind: str, log_format: str, handle: str) -> None:
    """Entry point of the process: `kind` is `fork-server` or `worker`, `handle` one end of its socket or pipe."""
    # Ctrl-C and a service manager's SIGTERM reach the whole group; the server ends its workers when it is done.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    open_missing_streams()
    os.dup2(2, 1)  # standard output belongs to the server's one line
    logs.set_up("error", log_format, knows_texts=False)
    if kind == "worker":
        run_worker(_connection(int(handle)))
    else:
        with socket.socket(fileno=int(handle)) as control:
            import_libraries(lambda: _is_over(control))
            _ForkServer(control).serve()
        os._exit(0)  # a regular exit takes half a second to tear down all modules


def _connection(handle: int) -> Connection:
    if sys.platform == "win32":
        from multiprocessing.connection import PipeConnection

        return PipeConnection(handle)
    return Connection(handle)


def _is_over(control: socket.socket) -> bool:
    """Whether the server has gone."""
    try:
        return control.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


class _ForkServer:
    """Forks a worker for each `fork N`, which comes with its pipe, and ends it on `kill N`."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._workers: dict[int, int] = {}  # number -> process id, until the process has been waited for
        self._ended, wake = os.pipe()
        for end in (self._ended, wake):
            os.set_blocking(end, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        self._wake = wake

    def serve(self) -> None:
        """Returns when the server has gone; every worker has ended then."""
        with suppress(ConnectionError):
            self._control.send(b"ready")
            while True:
                readable, _, _ = select.select([self._control.fileno(), self._ended], [], [])
                if self._ended in readable:
                    os.read(self._ended, 4096)
                    self._wait_for_ended()
                if self._control.fileno() in readable:
                    message, descriptors, _, _ = socket.recv_fds(self._control, 64, 1)
                    if not message:
                        break
                    order, number = message.split()
                    if order == b"fork":
                        self._fork(int(number), Connection(descriptors[0]))
                    elif (pid := self._workers.get(int(number))) is not None:
                        os.kill(pid, signal.SIGKILL)
        for pid in self._workers.values():
            os.kill(pid, signal.SIGKILL)
        for pid in self._workers.values():
            os.waitpid(pid, 0)

    def _wait_for_ended(self) -> None:
        for number, pid in list(self._workers.items()):
            if os.waitpid(pid, os.WNOHANG)[0]:
                del self._workers[number]

    def _fork(self, number: int, connection: Connection) -> None:
        with connection:
            try:
                pid = os.fork()
            except OSError as error:
                with suppress(OSError):
                    connection.send(LoadFailed(f"No process could be started: {error.strerror}."))
                return
            if pid == 0:
                self._become_worker(connection)
            self._workers[number] = pid

    def _become_worker(self, connection: Connection) -> NoReturn:
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            self._control.close()
            os.close(self._ended)
            os.close(self._wake)
            run_worker(connection)
            status = 0
        except BaseException:
            _log.exception("The worker failed.")
        finally:
            os._exit(status)
