"""Frames that have been read and wait for their turn, bounded in bytes."""

from __future__ import annotations

import asyncio
from collections import deque

from ..protocol.codec import Frame

_MOST_BYTES = 64 * 1024
"""Bytes of all frames in it; a frame alone may be larger."""


class Inbox:
    """What lies between the task that reads a connection and the one that acts on its frames."""

    def __init__(self) -> None:
        self._frames: deque[tuple[Frame, int]] = deque()
        self._bytes = 0
        self._changed = asyncio.Condition()

    @property
    def empty(self) -> bool:
        """Whether everything in it has been taken and acted on."""
        return not self._bytes

    async def put(self, frame: Frame, size: int) -> None:
        """Adds a frame of `size` bytes when there is room for it."""
        async with self._changed:
            await self._changed.wait_for(lambda: not self._bytes or self._bytes + size <= _MOST_BYTES)
            self._frames.append((frame, size))
            self._bytes += size
            self._changed.notify_all()

    async def take(self) -> tuple[Frame, int]:
        """Waits for the next frame; its bytes stay counted until `done`."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._frames)
            return self._frames.popleft()

    async def done(self, size: int) -> None:
        """A frame has been acted on."""
        async with self._changed:
            self._bytes -= size
            self._changed.notify_all()
