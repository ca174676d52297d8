"""Starts the processes that run models, and ends them.

Importing PyTorch, Transformers and TransformerLens takes most of the time that a worker needs to start. On Linux one
process, the fork server, imports them as soon as the server starts, and each worker is a fork of it. Elsewhere
libraries do not survive a fork (macOS), or there is none (Windows): each worker is a new process.

Both run `ws_server.engine.preloaded` in an interpreter that imports nothing from the current folder, whatever the
environment says. Neither inherits anything from this process but the standard streams.
"""

from __future__ import annotations

import itertools
import logging
import os
import socket
import subprocess
import sys
from contextlib import suppress
from multiprocessing.connection import Connection, Pipe
from typing import Any, Protocol

from ..import_path import HOME, without_current_folder

_log = logging.getLogger(__name__)

_ENVIRONMENT = {
    # Threads that spin while waiting take the processor from those that they wait for, once others need it too.
    "OMP_WAIT_POLICY": "PASSIVE",
    # oneDNN makes a kernel for each number of rows, in a millisecond, and keeps it: half a megabyte each, and there
    # are as many as a context has tokens, for each shape of weights. By itself it keeps 1024.
    "ONEDNN_PRIMITIVE_CACHE_CAPACITY": "128",
    "LRU_CACHE_CAPACITY": "128",
    "HF_HUB_VERBOSITY": "critical",
}
"""Read by the libraries on import; the operator's own settings stay."""

_BOOT = """
import sys
kind, log_format, handle, home, *path = sys.argv[1:]
sys.path[:] = [home]
import ws_server
sys.path[:] = path
from ws_server.engine.preloaded import main
main(kind, log_format, handle)
"""
"""The package is imported from the same place as here; after that the import path is the one given."""

_GRACE = 2.0
"""Seconds that the fork server has to end the workers that are left."""


class Handle(Protocol):
    """Controls a worker's process."""

    def kill(self) -> None:
        """Ends it at once. Nothing happens if it has ended."""
        ...


class Launcher:
    """Starts workers; one for each server. `end` has to be called, or it used as a context manager.

    Args:
        log_format: how the workers' log looks, `text` or `json`.
    """

    def __init__(self, log_format: str = "text") -> None:
        self._log_format = log_format
        self._fork_server: _ForkServer | None = None

    def __enter__(self) -> Launcher:
        return self

    def __exit__(self, *exception: object) -> None:
        self.end()

    def prepare(self) -> None:
        """Starts importing what workers need in the background, if the platform allows it.

        Raises:
            OSError: no process can be started.
        """
        if self._fork_server is None and sys.platform == "linux":
            self._fork_server = _ForkServer(self._log_format)

    def launch(self) -> tuple[Connection, Handle]:
        """A new worker: the server's end of its pipe, and the process.

        Raises:
            OSError: no process can be started.
        """
        ours, theirs = Pipe()
        try:
            return ours, self._launch(ours, theirs)
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()

    def _launch(self, ours: Connection, theirs: Connection) -> Handle:
        self.prepare()
        if self._fork_server is None:
            return _start("worker", self._log_format, theirs.fileno())
        try:
            return self._fork_server.fork(ours, theirs)
        except OSError:
            _log.warning("The fork server has ended; another is started.")
            self.end()
            self.prepare()
            return self._fork_server.fork(ours, theirs)

    def end(self) -> None:
        """Ends the fork server, and with it every worker that is left."""
        if self._fork_server is not None:
            self._fork_server.end()
            self._fork_server = None


class _ForkServer:
    """The server's end of the fork server: datagrams that name a worker and what to do with it."""

    def __init__(self, log_format: str) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            with theirs:
                self._process = _start("fork-server", log_format, theirs.fileno())
        except BaseException:
            self._socket.close()
            raise
        self._numbers = itertools.count()

    def fork(self, ours: Connection, theirs: Connection) -> Handle:
        number = next(self._numbers)
        socket.send_fds(self._socket, [f"fork {number}".encode()], [theirs.fileno()])
        return _Fork(self, number, ours)

    def kill(self, number: int) -> None:
        self._socket.send(f"kill {number}".encode())

    def end(self) -> None:
        # It sends "ready" when it begins to listen; before that there is no worker, so there is nothing to wait for.
        self._socket.setblocking(False)
        try:
            listening = self._socket.recv(16) == b"ready"
        except OSError:
            listening = False
        self._socket.close()
        if not listening:
            self._process.kill()
        try:
            self._process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class _Fork:
    def __init__(self, fork_server: _ForkServer, number: int, pipe: Connection) -> None:
        self._fork_server = fork_server
        self._number = number
        self._pipe = pipe

    def kill(self) -> None:
        try:
            self._fork_server.kill(self._number)
        except OSError:  # the fork server has ended; a worker whose pipe ends does so by itself
            with suppress(OSError), socket.socket(fileno=os.dup(self._pipe.fileno())) as pipe:
                pipe.shutdown(socket.SHUT_RDWR)


def _start(kind: str, log_format: str, handle: int) -> subprocess.Popen[bytes]:
    """A process that runs `main(kind, log_format, handle)` of `ws_server.engine.preloaded`."""
    # -I: neither the current folder nor one from the environment is searched before the path is set.
    options = ["-I", *(f"-W{warning}" for warning in sys.warnoptions)]
    if sys.dont_write_bytecode:
        options.append("-B")
    if sys.pycache_prefix is not None:
        options += ["-X", f"pycache_prefix={sys.pycache_prefix}"]
    path = without_current_folder(sys.path)
    command = [sys.executable, *options, "-c", _BOOT, kind, log_format, str(handle), HOME, *path]
    environment = {**_ENVIRONMENT, **os.environ}
    inherit: dict[str, Any] = {}
    try:
        os.getcwd()
    except OSError:  # the current folder has been deleted; MKL does not start there
        inherit["cwd"] = HOME
    if sys.platform == "win32":
        os.set_handle_inheritable(handle, True)
        inherit["startupinfo"] = subprocess.STARTUPINFO(lpAttributeList={"handle_list": [handle]})
    else:
        inherit["pass_fds"] = [handle]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, env=environment, **inherit)
