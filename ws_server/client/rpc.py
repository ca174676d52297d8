"""JSON-RPC over one websocket: requests and their answers, notifications both ways."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Mapping
from typing import Any

import orjson
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from .errors import Disconnected, ServerError

OnNotification = Callable[[str, Mapping[str, Any]], None]

TOO_LARGE = -32013
"""The protocol's error code for a limit that is exceeded."""


class Connection:
    """Reads and writes until the websocket ends, as long as `run` is running."""

    def __init__(self, socket: ClientConnection, on_notification: OnNotification) -> None:
        self._socket = socket
        self._on_notification = on_notification
        self._ids = itertools.count(1)
        self._waiting: dict[int, tuple[str, asyncio.Future[Any], Callable[[Any], None]]] = {}
        self._outbox: asyncio.Queue[str] = asyncio.Queue()
        self._lost: Disconnected | None = None
        self.frame_bytes: int | None = None
        """The largest frame that the server accepts; a larger one would end the connection."""

    @property
    def is_open(self) -> bool:
        return self._lost is None

    async def run(self) -> Disconnected:
        """Reads and writes until the connection ends; returns the reason."""
        writer = asyncio.ensure_future(self._write())
        try:
            async for frame in self._socket:
                # This client sends no batches, so no answer is one.
                self._receive(orjson.loads(frame))
            reason = f"{self._socket.close_code} {self._socket.close_reason or ''}".strip()
            self._lost = Disconnected(f"The server closed the connection: {reason}.")
        except ConnectionClosed as error:
            self._lost = Disconnected(f"The connection was lost: {error}.")
        except Exception as error:
            # A message that cannot be read, or a fault here; either way a new connection helps.
            report("a message of the server", error)
            self._lost = Disconnected(f"The server sent a message that this client cannot read: {error!r}.")
        finally:
            writer.cancel()
            self._lost = self._lost or Disconnected("The connection was closed.")
            for _, answer, _ in list(self._waiting.values()):
                if not answer.done():
                    answer.set_exception(self._lost)
        return self._lost

    def call(
        self, method: str, params: Mapping[str, Any], take: Callable[[Any], None] = lambda result: None
    ) -> asyncio.Future[Any]:
        """Sends the request; the future gets the result, a `ServerError` or `Disconnected`. Cancelling it cancels the
        request.

        `take` gets the result in the order of the messages: before anything that the server sent after it. Code that
        awaits the future may run later.
        """
        number = next(self._ids)
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if self._lost is not None:
            answer.set_exception(self._lost)
            return answer
        frame = self._encode({"id": number, "method": method, "params": params})
        try:
            self._check_size(method, frame)
        except ServerError as error:
            answer.set_exception(error)
            return answer
        self._waiting[number] = (method, answer, take)
        self._outbox.put_nowait(frame)

        def forget(answer: asyncio.Future[Any]) -> None:
            del self._waiting[number]
            if answer.cancelled() and self._lost is None:
                self.notify("$/cancelRequest", {"id": number})

        answer.add_done_callback(forget)
        return answer

    def notify(self, method: str, params: Mapping[str, Any]) -> None:
        """Raises `ServerError` if the message is too large to be sent."""
        frame = self._encode({"method": method, "params": params})
        self._check_size(method, frame)
        self._outbox.put_nowait(frame)

    @staticmethod
    def _encode(message: dict[str, Any]) -> str:
        return orjson.dumps({"jsonrpc": "2.0", **message}, option=orjson.OPT_SERIALIZE_NUMPY).decode()

    def _check_size(self, method: str, frame: str) -> None:
        size = len(frame.encode()) if self.frame_bytes is not None else 0
        if self.frame_bytes is not None and size > self.frame_bytes:
            message = f"The message has {size} bytes; the server accepts at most {self.frame_bytes}."
            data = {"limit": "frameBytes", "maximum": self.frame_bytes}
            raise ServerError(method, {"code": TOO_LARGE, "message": message, "data": data})

    async def _write(self) -> None:
        # One writer keeps all messages in order, and the senders need not wait.
        try:
            while True:
                await self._socket.send(await self._outbox.get())
        except ConnectionClosed:
            pass  # the reader reports it

    def _receive(self, message: Mapping[str, Any]) -> None:
        if "method" in message:
            self._on_notification(message["method"], message.get("params") or {})
            return
        if message.get("id") not in self._waiting:
            return
        method, answer, take = self._waiting[message["id"]]
        if "error" not in message:
            take(message.get("result"))
        if answer.done():
            return
        if "error" in message:
            answer.set_exception(ServerError(method, message["error"]))
        else:
            answer.set_result(message.get("result"))


def report(where: str, error: Exception) -> None:
    """Passes an error that nobody awaits to the loop's exception handler, which logs it."""
    context = {"message": f"Neuroscope client: error in {where}", "exception": error}
    asyncio.get_running_loop().call_exception_handler(context)
