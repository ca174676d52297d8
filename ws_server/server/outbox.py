"""What is to be sent on one connection, in order.

Messages are put in without waiting and sent by one task. It is bounded by what fills it: while more than `HIGH_WATER`
bytes wait, the client's requests are not read (`room`), and its session merges its edits and has nothing computed
(`on_full`, `on_drained`); so at most one version of each document is ever on its way. A client that reads nothing at
all for too long is given up.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

from ..protocol import codec
from ..protocol.messages import RequestId
from .socket import Socket

HIGH_WATER = 256 * 1024
LOW_WATER = 64 * 1024


class _Batch:
    """A JSON-RPC batch whose answers are sent as one array."""

    def __init__(self, ids: list[RequestId]) -> None:
        self.waiting = ids
        self.responses: list[Any] = []


class Outbox:
    """The sending side of a connection."""

    def __init__(self, socket: Socket, on_full: Callable[[], None], on_drained: Callable[[], None]) -> None:
        self._socket = socket
        self._on_full = on_full
        self._on_drained = on_drained
        self._frames: deque[bytes] = deque()
        self._bytes = 0
        self._full = False
        self._wake = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._batches: list[_Batch] = []

    @property
    def empty(self) -> bool:
        """Whether all has been handed to the network."""
        return not self._bytes

    def expect_batch(self, ids: list[RequestId]) -> None:
        """The answers to these requests belong into one array."""
        if ids:
            self._batches.append(_Batch(ids))

    def respond(self, response: dict[str, Any]) -> None:
        """Sends an answer, or keeps it until its batch is complete."""
        for batch in self._batches:
            if response["id"] in batch.waiting:
                batch.waiting.remove(response["id"])
                batch.responses.append(response)
                if not batch.waiting:
                    self._batches.remove(batch)
                    self._put(codec.encode(batch.responses))
                return
        self._put(codec.encode(response))

    async def room(self) -> None:
        """Waits until the client has read enough for more to be asked for."""
        await self._room.wait()

    def notify(self, method: str, params: Any) -> None:
        self._put(codec.encode(codec.notification(method, params)))

    def _put(self, frame: bytes) -> None:
        self._frames.append(frame)
        self._bytes += len(frame)
        self._wake.set()
        if not self._full and self._bytes > HIGH_WATER:
            self._full = True
            self._room.clear()
            # Later: the effects that filled it are still being carried out, and what they start is to be held, too.
            asyncio.get_running_loop().call_soon(self._on_full)

    async def run(self) -> None:
        """Sends until cancelled or until the connection is closed, which raises `ConnectionClosed`."""
        while True:
            while self._frames:
                frame = self._frames.popleft()
                await self._socket.send_frame(frame)
                self._bytes -= len(frame)
                if self._full and self._bytes < LOW_WATER:
                    self._full = False
                    self._room.set()
                    asyncio.get_running_loop().call_soon(self._on_drained)
            self._wake.clear()
            await self._wake.wait()
