"""The real server as a separate process."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from tests.support.forking import FORK_SERVER, ForkedProcess

ROOT = Path(__file__).resolve().parents[2]
READY = re.compile(r"Neuroscope ready at (https?://127\.0\.0\.1:(\d+)/(?:[^?\s]+/)?)(\?token=\S+)?\n")

# Limits have no options on the command line; this runs the same server with other settings.
_WITH_SETTINGS = """
import json, sys
from ws_server.config import Limits, Settings
from ws_server.engine.catalog import resolve_models
from ws_server.server.app import run
settings = json.loads(sys.argv[1])
settings = {name: tuple(value) if isinstance(value, list) else value for name, value in settings.items()}
settings["limits"] = Limits(**settings["limits"])
version = settings.pop("version", None)
if version is not None:
    import ws_server
    ws_server.__version__ = version
settings = Settings(**settings)
run(settings, resolve_models(settings.models))
"""


class _NoRedirection(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


class ServerProcess:
    """A running server on loopback. `log` receives its standard error.

    Args:
        models: folders, the first is the default.
        arguments: further arguments of `serve`.
        limits: the server's limits; if given, `settings` is used in place of `arguments`.
        environment: variables besides those of this process.
        trust: certificates that `get` accepts, for a server with TLS.
        afresh: whether to start an interpreter for it, as a person's command does; otherwise it is a fork of a process
            that has imported all it needs, on systems that can.
    """

    def __init__(
        self,
        log: Path,
        models: Sequence[Path | str],
        arguments: Sequence[str] = (),
        *,
        limits: dict[str, int] | None = None,
        settings: dict[str, Any] | None = None,
        trust: ssl.SSLContext | None = None,
        environment: dict[str, str] | None = None,
        afresh: bool = False,
    ) -> None:
        self.log = log
        self.trust = trust
        if limits is None and settings is None:
            command = ["-m", "ws_server", "serve", "--port", "0", "--no-open", *arguments]
            for model in models:
                command += ["--model", str(model)]
        else:
            values = {"port": 0, "models": [str(model) for model in models], **(settings or {}), "limits": limits or {}}
            command = ["-c", _WITH_SETTINGS, json.dumps(values)]
        self.started = time.monotonic()
        with log.open("ab") as stderr:
            if afresh or sys.platform != "linux":
                self.process: subprocess.Popen[str] | ForkedProcess = subprocess.Popen(
                    [sys.executable, *command],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=stderr,
                    cwd=ROOT,
                    env={**os.environ, **(environment or {})},
                    encoding="utf-8",
                )
            else:
                self.process = ForkedProcess(command, stderr.fileno(), environment or {})
        assert self.process.stdout is not None
        readable, _, _ = select.select([self.process.stdout], [], [], 60)
        line = self.process.stdout.readline() if readable else ""
        self.seconds_until_ready = time.monotonic() - self.started
        match = READY.fullmatch(line)
        if match is None:
            self.kill()
            raise AssertionError(f"the server did not get ready; it said {line!r} and\n{log.read_text()}")
        self.url, self.port = match[1], int(match[2])
        self.query = match[3] or ""
        """The rest of the printed address: the token, if there is one."""

    @property
    def pid(self) -> int:
        return self.process.pid

    def get(self, path: str, *, follow: bool = True, **headers: str) -> tuple[int, dict[str, str], bytes]:
        """Status, headers in lower case and body of a GET, after redirections unless `follow` is false."""
        request = urllib.request.Request(self.url + path.removeprefix("/"), headers=headers)
        handlers = [] if follow else [_NoRedirection()]
        opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=self.trust), *handlers)
        try:
            with opener.open(request, timeout=30) as response:
                return response.status, {k.lower(): v for k, v in response.headers.items()}, response.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, {k.lower(): v for k, v in error.headers.items()}, error.read()

    def events(self) -> list[dict[str, Any]]:
        """Its log, for a server with `--log-format json`."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def fork_server(self) -> int:
        """Process id of the process that the workers are forked from (Linux)."""
        return next(pid for pid in _children(self.pid) if _is_fork_server(pid))

    def workers(self) -> list[int]:
        """Process ids of the model workers (Linux)."""
        return _children(self.fork_server())

    def interrupt(self, sign: signal.Signals = signal.SIGINT) -> float:
        """Sends it Ctrl-C, or another signal; returns the seconds until it has ended."""
        begun = time.monotonic()
        self.process.send_signal(sign)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError("the server did not end within 30 seconds of Ctrl-C") from None
        return time.monotonic() - begun

    def stop(self) -> None:
        """Ends it as a person does. It must have logged no fault and printed nothing but its first line."""
        if self.process.poll() is None:
            self.interrupt()
        assert self.process.returncode == 0, self.log.read_text()
        assert self.rest_of_output() == ""
        assert "Traceback" not in self.log.read_text(), self.log.read_text()

    def rest_of_output(self) -> str:
        """What it printed after its first line; only once it has ended."""
        assert self.process.stdout is not None
        with self.process.stdout:
            return self.process.stdout.read()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


class Ends:
    """The ends of processes that need not be this one's children (Linux).

    Made while they live: by then their numbers cannot have been given to others.
    """

    def __init__(self, *pids: int) -> None:
        self._descriptors = [os.pidfd_open(pid) for pid in pids]

    def __enter__(self) -> Ends:
        return self

    def __exit__(self, *exception: object) -> None:
        for descriptor in self._descriptors:
            os.close(descriptor)

    def wait(self, seconds: float = 60) -> None:
        """Returns as soon as all have ended."""
        for descriptor in self._descriptors:
            ended, _, _ = select.select([descriptor], [], [], seconds)
            assert ended, "a process has not ended"


def alive(pid: int) -> bool:
    """Whether a process exists and has not ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += [int(child) for child in (task / "children").read_text().split()]
    return found


def _is_fork_server(pid: int) -> bool:
    try:
        command, name = (Path(f"/proc/{pid}/{file}").read_text() for file in ("cmdline", "comm"))
    except OSError:  # it has ended
        return False
    return "fork-server" in command.split("\0") or name.strip() == FORK_SERVER


def loads_torch(pid: int) -> bool:
    """Whether a process has PyTorch's libraries in its memory (Linux)."""
    return "libtorch" in Path(f"/proc/{pid}/maps").read_text()


def run_command(*arguments: str, timeout: float = 60, afresh: bool = False) -> subprocess.CompletedProcess[str]:
    """Runs `neuroscope` with these arguments to its end; for `afresh` see `ServerProcess`."""
    command = ["-m", "ws_server", *arguments]
    if afresh or sys.platform != "linux":
        return subprocess.run(
            [sys.executable, *command],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            timeout=timeout,
        )
    with TemporaryFile("w+", encoding="utf-8") as stderr:
        process = ForkedProcess(command, stderr.fileno(), {})
        with process.stdout:
            printed = process.stdout.read()
        code = process.wait(timeout)
        stderr.seek(0)
        return subprocess.CompletedProcess(command, code, printed, stderr.read())
