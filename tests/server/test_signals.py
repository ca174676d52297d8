"""Signals while the server ends."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from ws_server.config import Settings
from ws_server.engine.catalog import ModelSpec
from ws_server.errors import StartupError
from ws_server.server.app import Server
from ws_server.server.launcher import Launcher


class NoProcesses(Launcher):
    """On a machine that starts no more processes."""

    def prepare(self) -> None:
        raise OSError(11, "Resource temporarily unavailable")


@pytest.fixture
def signals_restored() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("signals_restored")
def test_signals_are_no_longer_written_anywhere_when_the_loop_closes(tmp_path: Path) -> None:
    """The loop closes its descriptor for them first; a signal that comes then is answered with a traceback."""

    async def fail_to_start() -> int:
        server = Server(Settings(port=0), [ModelSpec("none", "none", str(tmp_path))], NoProcesses())
        with pytest.raises(StartupError, match="No process could be started"):
            await server.run(lambda address: None)
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        return signal.set_wakeup_fd(-1)

    assert asyncio.run(fail_to_start()) == -1
