"""A relay on loopback that delays what the server sends, as if the server were further away."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

_T = TypeVar("_T")


class Relay:
    """Carries the bytes of any number of TCP connections to a server on loopback and back, in a thread of its own.

    What the server sends reaches the client `delay` seconds after it was sent, in order and at full bandwidth; what the
    client sends is passed on at once. `delay` can be set at any time, for what the server sends from then on.

    Args:
        port: the server's.
        delay: in seconds.
    """

    def __init__(self, port: int, delay: float) -> None:
        self.delay = delay
        self._server_port = port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="relay", daemon=True)
        self._connections: set[asyncio.Task[None]] = set()

    def __enter__(self) -> Relay:
        self._thread.start()
        self._listener = self._run(asyncio.start_server(self._accept, "127.0.0.1", 0))
        self.port: int = self._listener.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/"
        return self

    def __exit__(self, *_: object) -> None:
        self._run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(30)

    async def _end(self) -> None:
        self._listener.close()
        for connection in list(self._connections):
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._server_port)
        directions = asyncio.gather(_pass_on(reader, server_writer), self._hold_back(server_reader, writer))
        # Either side may leave without a word, and the relay ends with connections open.
        with suppress(ConnectionError, asyncio.CancelledError):
            await directions
        for end in (writer, server_writer):
            end.close()
            with suppress(ConnectionError):
                await end.wait_closed()
        self._connections.discard(task)

    async def _hold_back(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

        async def receive() -> None:
            data = b"-"
            while data:
                data = await reader.read(1 << 16)
                held.put_nowait((self._loop.time() + self.delay, data))

        async def deliver() -> None:
            while True:
                due, data = await held.get()
                await asyncio.sleep(max(0.0, due - self._loop.time()))
                if not data:
                    return writer.write_eof()
                writer.write(data)
                await writer.drain()

        await asyncio.gather(receive(), deliver())


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1 << 16):
        writer.write(data)
        await writer.drain()
    writer.write_eof()
