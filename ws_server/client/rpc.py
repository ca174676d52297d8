"""JSON-RPC over one websocket: requests and their answers, notifications both ways."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable, Mapping
from typing import Any

import orjson
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from .errors import Disconnected, ServerError

OnNotification = Callable[[str, Mapping[str, Any]], None]


class Connection:
    """Reads until the websocket ends; `run` is to be kept going by whoever makes one."""

    def __init__(self, socket: ClientConnection, on_notification: OnNotification) -> None:
        self._socket = socket
        self._on_notification = on_notification
        self._ids = itertools.count(1)
        self._waiting: dict[int, tuple[str, asyncio.Future[Any], Callable[[Any], None]]] = {}
        self._outbox: asyncio.Queue[str] = asyncio.Queue()
        self._closed: Disconnected | None = None

    async def run(self) -> Disconnected:
        """Reads and writes until the connection ends; returns why it did."""
        writer = asyncio.ensure_future(self._write())
        try:
            async for frame in self._socket:
                # What this client has sent is no batch, so neither is any answer.
                self._receive(orjson.loads(frame))
            reason = f"{self._socket.close_code} {self._socket.close_reason or ''}".strip()
            self._closed = Disconnected(f"The server closed the connection: {reason}.")
        except ConnectionClosed as error:
            self._closed = Disconnected(f"The connection was lost: {error}.")
        finally:
            writer.cancel()
            self._closed = self._closed or Disconnected("The connection was closed.")
            for _, answer, _ in list(self._waiting.values()):
                if not answer.done():
                    answer.set_exception(self._closed)
        return self._closed

    def call(
        self, method: str, params: Mapping[str, Any], take: Callable[[Any], None] = lambda result: None
    ) -> asyncio.Future[Any]:
        """Asks at once; the answer, a `ServerError` or `Disconnected` comes in the future. Cancelling it cancels the
        request.

        `take` gets the result in the order of the messages: before anything that the server sent after it, where who
        awaits the future may be late.
        """
        number = next(self._ids)
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if self._closed is not None:
            answer.set_exception(self._closed)
            return answer
        self._waiting[number] = (method, answer, take)
        self._send({"id": number, "method": method, "params": params})

        def forget(answer: asyncio.Future[Any]) -> None:
            del self._waiting[number]
            if answer.cancelled() and self._closed is None:
                self.notify("$/cancelRequest", {"id": number})

        answer.add_done_callback(forget)
        return answer

    def notify(self, method: str, params: Mapping[str, Any]) -> None:
        self._send({"method": method, "params": params})

    def _send(self, message: dict[str, Any]) -> None:
        self._outbox.put_nowait(json.dumps({"jsonrpc": "2.0", **message}))

    async def _write(self) -> None:
        # One writer keeps the messages in order, whoever sends them, and the senders need not wait.
        try:
            while True:
                await self._socket.send(await self._outbox.get())
        except ConnectionClosed:
            pass  # the reader tells

    def _receive(self, message: Mapping[str, Any]) -> None:
        if "method" in message:
            self._on_notification(message["method"], message.get("params", {}))
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
