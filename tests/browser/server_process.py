"""`neuroscope serve` as a process of its own, started and stopped the way a person does it."""

from __future__ import annotations

import re
import select
import signal
import subprocess
import sys
from pathlib import Path

READY = re.compile(r"Neuroscope ready at (http://127\.0\.0\.1:(\d+)/)\n")


class ServerProcess:
    """A running server on loopback. `log` receives what it writes to standard error."""

    def __init__(self, log: Path, *, port: int = 0) -> None:
        self.log = log
        command = [sys.executable, "-m", "ws_server", "serve", "--port", str(port), "--no-open"]
        with log.open("ab") as stderr:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr, encoding="utf-8"
            )
        assert self.process.stdout is not None
        readable, _, _ = select.select([self.process.stdout], [], [], 30)
        line = self.process.stdout.readline() if readable else ""
        match = READY.fullmatch(line)
        if match is None:
            self.kill()
            raise AssertionError(f"the server did not get ready; it said {line!r} and\n{log.read_text()}")
        self.url = match[1]
        self.port = int(match[2])

    def kill(self) -> None:
        """End it without a chance to say goodbye, as a crash does."""
        self.process.kill()
        self._reap()

    def stop(self) -> None:
        """End it with Ctrl-C. What it logged must not tell of a fault."""
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError("the server did not end within 10 seconds of Ctrl-C") from None
        self._reap()
        assert "Traceback" not in self.log.read_text(), self.log.read_text()

    def _reap(self) -> None:
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()
