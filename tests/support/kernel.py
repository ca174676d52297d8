"""A real Jupyter kernel, and the comm messages that a notebook's page exchanges with it."""

from __future__ import annotations

import base64
import os
import queue
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

from jupyter_client.manager import KernelManager

ROOT = Path(__file__).resolve().parents[2]


class Kernel:
    """Runs until `stop`.

    Attributes:
        state: of each comm, by id, as the kernel has sent it; bytes are `{"base64": ...}`.
        on_comm: called with a comm's id and each message that a page would get from it.
    """

    def __init__(self) -> None:
        # Without what a person has set up, and where the home folder cannot be written to.
        self._folder = TemporaryDirectory()
        names = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
        with patch.dict(os.environ, dict.fromkeys(names, self._folder.name)):
            self._manager = KernelManager(kernel_name="python3")
            self._manager.start_kernel(cwd=str(ROOT))
        self._client = self._manager.blocking_client()
        self._client.start_channels()
        self._client.wait_for_ready(timeout=60)
        self.state: dict[str, dict[str, Any]] = {}
        self.on_comm: Callable[[str, dict[str, Any]], None] = lambda comm, data: None

    def run(self, source: str) -> str:
        """Runs a cell, which must not fail; what it printed."""
        request = self._client.execute(source)
        printed: list[str] = []
        while True:
            message = self._client.get_iopub_msg(timeout=60)
            kind, content = message["msg_type"], message["content"]
            self._handle(message)
            if message["parent_header"].get("msg_id") != request:
                continue
            if kind == "stream":
                printed.append(content["text"])
            assert kind != "error", "\n".join(content["traceback"])
            if kind == "status" and content["execution_state"] == "idle":
                return "".join(printed)

    def send(self, comm: str, data: dict[str, Any]) -> None:
        """Sends a message as a page does."""
        session, socket = self._client.session, self._client.shell_channel.socket
        session.send(socket, session.msg("comm_msg", {"comm_id": comm, "data": data}))

    def pump(self, until: Callable[[], bool]) -> None:
        """Forwards messages until the condition holds."""
        deadline = time.monotonic() + 30
        while not until():
            assert time.monotonic() < deadline, "the condition does not come true"
            self.pass_on()

    def pass_on(self) -> None:
        """Forwards the messages that are there or come within a moment."""
        wait = 0.02
        while True:
            try:
                self._handle(self._client.get_iopub_msg(timeout=wait))
            except queue.Empty:
                return
            wait = 0

    def stop(self) -> None:
        self._client.stop_channels()
        self._manager.shutdown_kernel(now=True)
        self._folder.cleanup()

    def _handle(self, message: dict[str, Any]) -> None:
        if message["msg_type"] not in ("comm_open", "comm_msg"):
            return
        comm, data = message["content"]["comm_id"], message["content"]["data"]
        for path, buffer in zip(data.get("buffer_paths", []), message["buffers"], strict=True):
            data["state"][path[0]] = {"base64": base64.b64encode(bytes(buffer)).decode()}
        self.state.setdefault(comm, {}).update(data.get("state", {}))
        if message["msg_type"] == "comm_msg":
            self.on_comm(comm, data)
