"""The websocket itself: bounded in both directions, and knowing when its peer last gave a sign of life.

What `websockets` leaves open is closed here: answers to pings do not wait for a peer to read them, and its own timeout
counts a slow network as a dead peer, because a ping waits behind the megabytes that were sent before it.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.protocol import State

_MOST_UNSENT = 128 * 1024
"""Bytes that the kernel takes ahead of what it has sent: nothing newer can replace what lies there."""
_MOST_UNASKED = 256 * 1024
"""Bytes that may wait in the transport besides the frame that is being sent: answers to pings."""

MOST_READ_AHEAD = (1, 0)
"""Frames that are read before they are asked for (high and low water mark); each may be as large as a frame may be."""


class Socket(ServerConnection):
    """One connection of a client, or what may become one."""

    most_open: int
    """Connections at once, handshakes and page requests among them; set by `limited_to`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.heard = self.loop.time()
        """When something came from the peer, or could not have been noticed."""
        self.moved = self.heard
        """When the peer was last seen to take something of what waits for it, or nothing waited."""
        self._allowed = _MOST_UNASKED
        self._sent = 0
        self._left = (0, 0)

    @property
    def alive(self) -> float:
        """When the peer last gave any sign of life; `look` keeps it up to date."""
        return max(self.heard, self.moved) if self._left[0] else self.heard

    async def send_frame(self, frame: bytes) -> None:
        """Sends a text frame; returns when there is room for the next.

        Raises:
            ConnectionClosed: the connection is closed.
        """
        self._allowed = _MOST_UNASKED + len(frame)
        await self.send(frame, text=True)
        self._sent += 1

    def look(self, now: float) -> None:
        """Brings `moved` up to date. To be called now and then."""
        left = (self.transport.get_write_buffer_size(), self._sent)
        if left != self._left or not left[0]:
            self._left, self.moved = left, now
        if self.recv_messages.paused:  # we do not listen
            self.heard = now

    def excuse(self, now: float) -> None:
        """We were away ourselves: the peer's silence meanwhile does not count."""
        self.heard = self.moved = now

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
    """Sockets of a server that has at most so many open."""
    return type("Socket", (Socket,), {"most_open": most_open})
