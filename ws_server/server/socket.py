"""The websocket: bounded in both directions, with a record of when its peer last gave a sign of life.

This adds two things that `websockets` lacks. It bounds the answers to pings, which pile up if the peer does not read.
And it does not take a slow network for a dead peer: the library's own ping waits behind the megabytes sent before it.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.protocol import State

_MOST_UNSENT = 128 * 1024
"""Bytes that the kernel buffers beyond what it has sent; nothing newer can overtake them."""
_MOST_UNASKED = 256 * 1024
"""Bytes that may wait in the transport besides the frame that is being sent: answers to pings."""

MOST_READ_AHEAD = (1, 0)
"""Frames that are read before `recv` is called (high and low water mark); each may have the full size."""


class Socket(ServerConnection):
    """One connection, from before its handshake."""

    most_open: int
    """Connections at once, handshakes and page requests among them; set by `limited_to`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.heard = self.loop.time()
        """When something came from the peer, or could not have been noticed."""
        self.moved = self.heard
        """When the peer was last seen to take something of what waits for it, or nothing waited."""
        self.kept_up = self.heard
        """When it had last taken as much as is expected of it at least, or nothing waited."""
        self._allowed = _MOST_UNASKED
        self._written = 0  # bytes of all frames
        self._waiting = 0  # bytes of them, and of answers to pings, that the network has not taken
        self._taken = self._taken_by_then = 0  # bytes that it has taken, now and at `kept_up`

    @property
    def alive(self) -> float:
        """When the peer last gave any sign of life; `look` keeps it up to date."""
        return max(self.heard, self.moved) if self._waiting else self.heard

    async def send_frame(self, frame: bytes) -> None:
        """Sends a text frame; returns when there is room for the next.

        Raises:
            ConnectionClosed: the connection is closed.
        """
        self._allowed = _MOST_UNASKED + len(frame)
        self._written += len(frame)
        await self.send(frame, text=True)

    def look(self, now: float, least: float) -> None:
        """Brings `moved` and `kept_up` up to date; to be called now and then.

        Args:
            least: bytes that the peer has to take before it has kept up again.
        """
        self._waiting = self.transport.get_write_buffer_size()
        taken = self._written - self._waiting  # answers to pings that wait make it less, never more
        if taken > self._taken or not self._waiting:
            self.moved = now
        self._taken = taken
        if taken >= self._taken_by_then + least or not self._waiting:
            self._taken_by_then, self.kept_up = taken, now
        if self.recv_messages.paused:  # we do not listen
            self.heard = now

    def excuse(self, now: float) -> None:
        """This process did not run for a while: the peer's silence in that time does not count."""
        self.heard = self.moved = self.kept_up = now

    # -------------------------------------------------------------------------------- asyncio's calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if len(self.server.handler_tasks) > self.most_open:
            self.transport.abort()
        option = getattr(socket, "TCP_NOTSENT_LOWAT", None)
        if option is not None:
            with suppress(OSError):
                transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, option, _MOST_UNSENT)

    def data_received(self, data: bytes) -> None:
        self.heard = self.loop.time()
        super().data_received(data)
        if self.protocol.state is State.OPEN and self.transport.get_write_buffer_size() > self._allowed:
            self.transport.abort()


def limited_to(most_open: int) -> type[Socket]:
    """The class of sockets for a server with at most that many open."""
    return type("Socket", (Socket,), {"most_open": most_open})
