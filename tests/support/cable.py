"""A TCP proxy on loopback that can be cut or go dead, as a network can."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any


class Cable:
    """Forwards its own port to `port`, in a thread of its own. Its methods may be called from any other thread."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._loop = asyncio.new_event_loop()
        self._pairs: set[_Pair] = set()
        self._flowing = asyncio.Event()
        self._left: int | None = None
        self.accepted = 0
        """Number of connections so far."""
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = self._call(self._start())
        self.port: int = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/"

    def __enter__(self) -> Cable:
        return self

    def __exit__(self, *error: object) -> None:
        self._call(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def cut(self) -> None:
        """Ends all connections on both sides, without a close frame; new ones are let through."""
        self._do(self._cut)

    def cut_after(self, count: int) -> None:
        """The same after `count` more bytes from the server, which still reach the client."""

        def limit() -> None:
            self._left = count

        self._do(limit)

    def stall(self) -> None:
        """Lets nothing through in either direction; neither side notices, and new connections wait."""
        self._do(self._flowing.clear)

    def go_on(self) -> None:
        """Lets everything through that waited."""
        self._do(self._flowing.set)

    # -------------------------------------------------------------------------------- in the thread

    async def _start(self) -> asyncio.Server:
        self._flowing.set()
        return await asyncio.start_server(self._accept, "127.0.0.1", 0)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        pair = _Pair(writer, far_writer)
        self._pairs.add(pair)
        ways = (self._pass(reader, far_writer, False), self._pass(far_reader, writer, True))
        tasks = [asyncio.ensure_future(way) for way in ways]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            await self._flowing.wait()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            pair.end()
            self._pairs.discard(pair)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, from_server: bool) -> None:
        while data := await reader.read(16 * 1024):
            await self._flowing.wait()
            if from_server and self._left is not None:
                data, self._left = data[: self._left], self._left - len(data)
            writer.write(data)
            await writer.drain()
            if from_server and self._left is not None and self._left <= 0:
                self._left = None
                await asyncio.sleep(0)  # by now what was written has been handed to the kernel
                self._cut()
                return

    def _cut(self) -> None:
        for pair in self._pairs:
            pair.cut()

    async def _end(self) -> None:
        self._server.close()
        self._flowing.set()
        self._cut()
        while self._pairs:
            await asyncio.sleep(0)

    def _call(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def _do(self, act: Callable[[], None]) -> None:
        async def done() -> None:
            act()

        self._call(done())


class _Pair:
    def __init__(self, *writers: asyncio.StreamWriter) -> None:
        self._writers = writers

    def cut(self) -> None:
        for writer in self._writers:
            writer.close()  # what was forwarded still arrives; a reset would discard it

    def end(self) -> None:
        for writer in self._writers:
            writer.close()
