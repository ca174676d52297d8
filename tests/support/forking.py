"""Starts servers as forks of one process that has imported all they need, since each import of it takes seconds.

A forked server runs the same command. Its fork server (see `ws_server.server.launcher`) is a fork, too, which finds the
libraries imported; workers are then forked from that as ever. Only on Linux, as the product's own.
"""

from __future__ import annotations

import atexit
import json
import multiprocessing
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
FORK_SERVER = "fork-server"
"""What a forked fork server is called in `/proc/PID/comm`."""

_context = multiprocessing.get_context("fork") if sys.platform == "linux" else None


class ForkedProcess:
    """A process as `subprocess.Popen` would have started it; `stdout` is a pipe.

    Args:
        arguments: of the interpreter: `-m MODULE ...` or `-c CODE ...`.
        stderr: descriptor of a file.
        environment: variables besides those of this process. Those that a library reads when it is imported have no
            effect.
    """

    def __init__(self, arguments: Sequence[str], stderr: int, environment: Mapping[str, str]) -> None:
        reading, writing = os.pipe()
        self._status, theirs = socket.socketpair()
        try:
            request = json.dumps([list(arguments), dict(environment)]).encode()
            socket.send_fds(_template(), [request], [writing, stderr, theirs.fileno()])
        finally:
            theirs.close()
            os.close(writing)
        self.stdout = os.fdopen(reading, encoding="utf-8")
        self._lines = self._status.makefile(encoding="ascii")
        self.pid = int(self._lines.readline())
        self.returncode: int | None = None

    def poll(self) -> int | None:
        if self.returncode is None and select.select([self._status], [], [], 0)[0]:
            self.wait()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            if not select.select([self._status], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired("a forked process", timeout or 0)
            self.returncode = int(self._lines.readline() or -signal.SIGKILL)
            self._lines.close()
            self._status.close()
        return self.returncode

    def send_signal(self, sign: signal.Signals) -> None:
        if self.poll() is None:
            os.kill(self.pid, sign)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


@cache
def _template() -> socket.socket:
    """The connection to the process that forks. It ends, and so do its forks, when this process does."""
    from ws_server.server.launcher import _ENVIRONMENT

    control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.forking", str(theirs.fileno())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            cwd=ROOT,
            env={**_ENVIRONMENT, **os.environ},
            pass_fds=[theirs.fileno()],
        )

    @atexit.register
    def end() -> None:
        control.close()
        process.wait()

    return control


# ------------------------------------------------------------------------------------ in the process that forks


def main(handle: int) -> None:
    from ws_server.engine.libraries import import_libraries

    import_libraries()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the tests, which end the servers
    with socket.socket(fileno=handle) as control:
        running: dict[int, tuple[BaseProcess, socket.socket]] = {}  # by what becomes readable at the end of each
        while True:
            readable, _, _ = select.select([control, *running], [], [])
            for sentinel in set(readable) & running.keys():
                process, status = running.pop(sentinel)
                process.join()
                with status:
                    status.sendall(f"{process.exitcode}\n".encode())
            if control in readable:
                request, descriptors, _, _ = socket.recv_fds(control, 1 << 16, 3)
                if not request:
                    break
                process, status = _fork(*json.loads(request), descriptors, control)
                running[process.sentinel] = process, status
    for process, _ in running.values():
        process.kill()


def _fork(
    arguments: list[str], environment: dict[str, str], descriptors: list[int], control: socket.socket
) -> tuple[BaseProcess, socket.socket]:
    assert _context is not None
    stdout, stderr, status = descriptors
    process = _context.Process(target=_run, args=(arguments, environment, *descriptors, control))
    process.start()
    os.close(stdout)
    os.close(stderr)
    kept = socket.socket(fileno=status)
    kept.sendall(f"{process.pid}\n".encode())
    return process, kept


def _run(
    arguments: list[str], environment: dict[str, str], stdout: int, stderr: int, status: int, control: socket.socket
) -> None:
    """Runs the interpreter's arguments in this fork."""
    control.close()
    os.dup2(stdout, 1)
    os.dup2(stderr, 2)
    for descriptor in (stdout, stderr, status):
        os.close(descriptor)
    os.environ.update(environment)
    _fork_the_fork_server()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    kind, what, *rest = arguments
    sys.argv[:] = [what, *rest]
    if kind == "-m":
        runpy.run_module(what, run_name="__main__", alter_sys=True)
    else:
        exec(what, {"__name__": "__main__"})


def _fork_the_fork_server() -> None:
    """Forks the process that the launcher would start, before there is any thread. It waits until it is needed."""
    from ws_server.server import launcher

    assert _context is not None
    start = launcher._start
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    # A daemon: if no fork server is needed, it ends with this process.
    waiting: list[Any] = [_context.Process(target=_wait_to_fork, args=(ours, theirs), daemon=True)]
    waiting[0].start()
    theirs.close()
    ours.recv(1)  # it has its name now

    def started(kind: str, log_format: str, handle: int) -> Any:
        if not waiting:  # it has ended, and another takes its place
            return start(kind, log_format, handle)
        socket.send_fds(ours, [log_format.encode()], [handle])
        ours.close()
        return _Started(waiting.pop())

    launcher._start = started


class _Started:
    """What the launcher needs of `subprocess.Popen`."""

    def __init__(self, process: BaseProcess) -> None:
        self._process = process
        self.pid = process.pid

    def kill(self) -> None:
        self._process.kill()

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired("the fork server", timeout or 0)
        return self._process.exitcode


def _wait_to_fork(ours: socket.socket, theirs: socket.socket) -> None:
    from ws_server.engine import preloaded

    ours.close()
    Path("/proc/self/comm").write_text(FORK_SERVER)
    with theirs:
        theirs.send(b".")
        log_format, descriptors, _, _ = socket.recv_fds(theirs, 64, 1)
    if log_format:
        preloaded.main("fork-server", log_format.decode(), str(descriptors[0]))


if __name__ == "__main__":
    main(int(sys.argv[1]))
