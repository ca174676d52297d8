"""What is to be sent on one connection, in order.

Messages are put in without waiting and sent by one task. Its size is bounded by what fills it: while more than
`HIGH_WATER` bytes wait, the client's requests are not acted on (`room`), and its session merges its edits and has
nothing computed (`on_full`, `on_drained`); so at most one version of each document is ever on its way. Edits are
taken a little longer, because they are merged, but not without limit: their errors have to be sent, too.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

from ..errors import LimitExceeded
from ..protocol import codec
from ..protocol.codec import MOST_IN_FRAME
from ..protocol.messages import RequestId
from .socket import Socket

HIGH_WATER = 256 * 1024
LOW_WATER = 64 * 1024


class Batch:
    """A JSON-RPC batch: its answers are sent together as one array, which fits into a frame."""

    def __init__(self, ids: list[RequestId]) -> None:
        self.waiting = ids
        self.answers: list[bytes] = []
        self.size = 2
        # Room for refusing all that are waiting.
        self._reserved = sum(len(self._refusal(request_id)) + 1 for request_id in ids)

    @property
    def full(self) -> bool:
        """Whether no further request of it should be acted on."""
        return self.size > MOST_IN_FRAME // 2

    @property
    def frame(self) -> bytes:
        return b"[" + b",".join(self.answers) + b"]"

    def add(self, request_id: RequestId, answer: bytes) -> None:
        """Takes an answer or, where there is no room for it, a refusal in its place."""
        self.waiting.remove(request_id)
        refusal = self._refusal(request_id)
        self._reserved -= len(refusal) + 1
        if self.size + len(answer) + 1 + self._reserved > MOST_IN_FRAME:
            answer = refusal
        self.answers.append(answer)
        self.size += len(answer) + 1

    @staticmethod
    def _refusal(request_id: RequestId) -> bytes:
        return codec.encode(codec.error_response(request_id, batch_too_long()))


def batch_too_long() -> LimitExceeded:
    return LimitExceeded(
        f"The answers of a batch have at most {MOST_IN_FRAME} bytes; ask for this one in a frame of its own.",
        limit="batchAnswerBytes",
        maximum=MOST_IN_FRAME,
    )


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
        self._sent = asyncio.Event()
        self._batches: list[Batch] = []

    @property
    def empty(self) -> bool:
        """Whether all has been handed to the network."""
        return not self._bytes

    def expect_batch(self, ids: list[RequestId]) -> Batch:
        """The answers to these requests belong into one array."""
        batch = Batch(ids)
        if ids:
            self._batches.append(batch)
        return batch

    def respond(self, response: dict[str, Any]) -> None:
        """Sends an answer, or keeps it until its batch is complete."""
        frame = codec.encode(response)
        for batch in self._batches:
            if response["id"] in batch.waiting:
                batch.add(response["id"], frame)
                if not batch.waiting:
                    self._batches.remove(batch)
                    self._put(batch.frame)
                    self._sent.set()
                return
        self._put(frame)

    async def room(self, *, for_edits: bool = False) -> None:
        """Waits until the client has read enough for further requests."""
        while self._bytes > MOST_IN_FRAME if for_edits else self._full or self._held > HIGH_WATER:
            self._sent.clear()
            await self._sent.wait()

    @property
    def _held(self) -> int:
        """Bytes of answers whose batches are not complete."""
        return sum(batch.size for batch in self._batches)

    def notify(self, method: str, params: Any) -> None:
        self._put(codec.encode(codec.notification(method, params)))

    def _put(self, frame: bytes) -> None:
        self._frames.append(frame)
        self._bytes += len(frame)
        self._wake.set()
        if not self._full and self._bytes > HIGH_WATER:
            self._full = True
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
                    asyncio.get_running_loop().call_soon(self._on_drained)
                self._sent.set()
            self._wake.clear()
            await self._wake.wait()
