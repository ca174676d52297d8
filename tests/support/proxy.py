"""A small reverse proxy on loopback: it terminates TLS, adds `X-Forwarded-For` and `X-Forwarded-Proto`, can strip a
prefix from paths, and forwards the rest unchanged, websockets included."""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl


class ReverseProxy:
    """Serves while entered.

    Args:
        port: of the server behind it.
        tls: its own certificate; None for plain HTTP.
        upstream: the certificates that it trusts; None if the server speaks plain HTTP.
        strip: the prefix that it removes from each path.
        host: replaces the `Host` of the request.
    """

    def __init__(
        self,
        port: int,
        *,
        tls: ssl.SSLContext | None = None,
        upstream: ssl.SSLContext | None = None,
        strip: str = "",
        host: str | None = None,
    ) -> None:
        self._upstream_port = port
        self._tls = tls
        self._upstream = upstream
        self._strip = strip
        self._host = host
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0

    async def __aenter__(self) -> ReverseProxy:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request for each connection: the server closes after each, and a websocket never ends."""
        open_ends = [writer]
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            answers, server = await asyncio.open_connection("127.0.0.1", self._upstream_port, ssl=self._upstream)
            open_ends.append(server)
            server.write(self._rewritten(head, writer.get_extra_info("peername")[0]).encode("latin-1"))
            await asyncio.gather(_pump(reader, server), _pump(answers, writer))
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            for end in open_ends:
                end.transport.abort()

    def _rewritten(self, head: str, address: str) -> str:
        request, *headers = head.removesuffix("\r\n\r\n").split("\r\n")
        method, path, version = request.split(" ")
        passed = [header for header in headers if not re.match("x-forwarded-|host:", header, re.IGNORECASE)]
        before = [h.partition(":")[2].strip() for h in headers if h.lower().startswith("x-forwarded-for:")]
        host = self._host or next(h.partition(":")[2].strip() for h in headers if h.lower().startswith("host:"))
        added = [
            f"Host: {host}",
            f"X-Forwarded-For: {', '.join([*before, address])}",
            f"X-Forwarded-Proto: {'http' if self._tls is None else 'https'}",
        ]
        return "\r\n".join([f"{method} {path.removeprefix(self._strip)} {version}", *passed, *added]) + "\r\n\r\n"


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while block := await reader.read(65536):
            writer.write(block)
            await writer.drain()
        if not writer.is_closing():
            writer.close()
            await writer.wait_closed()
