"""The computed state of one context: keys and values of its layers, and the rows of its captured hook points."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import numpy as np
import torch

from .commands import FloatMatrix, IntArray
from .context_matching import common_prefix
from .device_memory import is_out_of_memory
from .kv import BufferLayer, grown_capacity, is_far_too_large, new_kv_cache


class Rows:
    """The activations at one hook point, one row a token: [capacity, width], of which `length` rows are valid.

    Whole rows are kept, not only the subscribed columns: another neuron of the same layer is then a look-up.
    """

    def __init__(self, limit: int) -> None:
        self.length = 0
        self._limit = limit
        self._buffer: torch.Tensor | None = None

    def write(self, start: int, rows: torch.Tensor) -> None:
        """Writes `rows` [tokens, width] from row `start` on; does not change `length`."""
        stop = start + rows.shape[0]
        if self._buffer is None or stop > self._buffer.shape[0]:
            grown = rows.new_empty((grown_capacity(stop, self._limit), rows.shape[1]))
            if self._buffer is not None:
                grown[: self.length] = self._buffer[: self.length]
            self._buffer = grown
        self._buffer[start:stop] = rows

    def fit(self, count: int) -> None:
        """Shrinks the buffer if it is far larger than `count` rows need."""
        if self._buffer is None or not is_far_too_large(self._buffer.shape[0], count, self._limit):
            return
        fitting = self._buffer.new_empty((grown_capacity(count, self._limit), self._buffer.shape[1]))
        fitting[: self.length] = self._buffer[: self.length]
        self._buffer = fitting

    def read(self, start: int, stop: int, columns: list[int]) -> FloatMatrix:
        """float32 values, [columns, tokens]."""
        assert self._buffer is not None
        assert stop <= self.length
        picked = self._buffer[start:stop].index_select(
            1, torch.tensor(columns, device=self._buffer.device)
        )  # [tokens, columns]
        values: FloatMatrix = picked.T.float().cpu().numpy()
        return values

    def row(self, token: int) -> torch.Tensor:
        """All values of one token as float32 on the CPU, [width]."""
        assert self._buffer is not None
        assert token < self.length
        return self._buffer[token].float().cpu()

    def at(self, tokens: IntArray) -> torch.Tensor:
        """All values of some tokens as float32 on the model's device, [tokens, width]."""
        assert self._buffer is not None
        assert int(tokens.max()) < self.length
        return self._buffer[torch.from_numpy(tokens).to(self._buffer.device)].float()

    def copy(self, length: int) -> Rows:
        """An independent copy of at most the first `length` rows."""
        copy = Rows(self._limit)
        length = min(length, self.length)
        if length and self._buffer is not None:
            copy.write(0, self._buffer[:length])
            copy.length = length
        return copy

    @property
    def nbytes(self) -> int:
        return self._buffer.nbytes if self._buffer is not None else 0


class ContextCache:
    """Everything computed for one context. The valid lengths of its buffers refer to the tokens `ids`."""

    def __init__(self, layers: int, limit: int) -> None:
        self.ids: IntArray = np.zeros(0, dtype=np.int64)
        self.kv = new_kv_cache(layers, limit)
        self.rows: dict[str, Rows] = {}
        self._limit = limit

    @property
    def kv_layers(self) -> list[BufferLayer]:
        return cast("list[BufferLayer]", self.kv.layers)

    def align(self, ids: IntArray) -> None:
        """Makes `ids` the context. What was computed for the common prefix stays valid; buffers that are far too large
        shrink."""
        if ids is not self.ids:
            self.rewind(common_prefix(self.ids, ids))
            self.ids = ids
            try:
                self._shrink()
            except Exception as error:
                if not is_out_of_memory(error):  # without memory for smaller buffers, the large ones stay
                    raise

    def _shrink(self) -> None:
        for layer in self.kv_layers:
            layer.fit(len(self.ids))
        for rows in self.rows.values():
            rows.fit(len(self.ids))

    def rewind(self, length: int) -> None:
        """Invalidates everything from token `length` on. Copies nothing."""
        for layer in self.kv_layers:
            layer.length = min(layer.length, length)
        for rows in self.rows.values():
            rows.length = min(rows.length, length)

    def fork(self, length: int, hooks: Iterable[str]) -> ContextCache:
        """An independent copy, of at most the first `length` tokens and of these hook points."""
        fork = ContextCache(len(self.kv_layers), self._limit)
        fork.ids = self.ids[:length]
        for mine, its in zip(self.kv_layers, fork.kv_layers, strict=True):
            if kept := min(length, mine.length):
                its.update(mine.keys[:, :, :kept], mine.values[:, :, :kept])
        fork.rows = {hook: self.rows[hook].copy(length) for hook in hooks if hook in self.rows}
        return fork

    def captured(self, hooks: Iterable[str]) -> int:
        """How many leading tokens have rows at all of `hooks`."""
        return min((self.rows[hook].length if hook in self.rows else 0 for hook in hooks), default=len(self.ids))

    def rows_of(self, hook: str) -> Rows:
        if hook not in self.rows:
            self.rows[hook] = Rows(self._limit)
        return self.rows[hook]

    @property
    def nbytes(self) -> int:
        return sum(layer.nbytes for layer in self.kv_layers) + sum(rows.nbytes for rows in self.rows.values())
