"""A KV cache over preallocated buffers: appending copies only the new tokens, rewinding is an assignment.

Transformers' own `DynamicCache` concatenates, and so copies, the whole cache at each step.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers.cache_utils import Cache, CacheLayerMixin

_FIRST_CAPACITY = 64


class BufferLayer(CacheLayerMixin):  # type: ignore[no-untyped-call]
    """Keys and values of one layer, [1, heads, capacity, head_dim] each, of which `length` tokens are valid."""

    is_sliding = False  # keeps all tokens; the attention mask takes care of sliding windows
    is_croppable = True

    def __init__(self, limit: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.length = 0
        self._limit = limit

    keys: torch.Tensor
    values: torch.Tensor

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        self.dtype, self.device = key_states.dtype, key_states.device
        self.keys, self.values = key_states[:, :, :0], value_states[:, :, :0]
        self.is_initialized = True

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        stop = self.length + key_states.shape[2]
        if stop > self.keys.shape[2]:
            capacity = grown_capacity(stop, self._limit)
            self.keys = _grown(self.keys, key_states, self.length, capacity)
            self.values = _grown(self.values, value_states, self.length, capacity)
        self.keys[:, :, self.length : stop] = key_states
        self.values[:, :, self.length : stop] = value_states
        self.length = stop
        return self.keys[:, :, :stop], self.values[:, :, :stop]

    def fit(self, count: int) -> None:
        """Shrinks the buffers if they are far larger than `count` tokens need."""
        if not self.is_initialized or not is_far_too_large(self.keys.shape[2], count, self._limit):
            return
        capacity = grown_capacity(count, self._limit)
        self.keys = _grown(self.keys, self.keys, self.length, capacity)
        self.values = _grown(self.values, self.values, self.length, capacity)

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self.length + query_length, 0

    def get_seq_length(self) -> int:
        return self.length

    def get_max_length(self) -> int:
        return -1

    def crop(self, tokens_to_remove: int) -> None:
        self.length = max(0, self.length - abs(tokens_to_remove))

    @property
    def nbytes(self) -> int:
        return self.keys.nbytes + self.values.nbytes if self.is_initialized else 0


def new_kv_cache(layers: int, limit: int) -> Cache:
    """An empty cache for contexts of at most `limit` tokens."""
    return Cache(layers=[BufferLayer(limit) for _ in range(layers)])


def grown_capacity(needed: int, limit: int) -> int:
    """The capacity for `needed` tokens. Doubling keeps copies rare; `limit` keeps the waste small."""
    capacity = _FIRST_CAPACITY
    while capacity < needed:
        capacity *= 2
    return max(needed, min(capacity, limit))


def is_far_too_large(capacity: int, count: int, limit: int) -> bool:
    """Whether a buffer of `capacity` tokens should shrink to what `count` need. A text that grows and shrinks by a
    little, or by half, is not worth the copies."""
    return capacity >= 4 * grown_capacity(count, limit)


def _grown(buffer: torch.Tensor, like: torch.Tensor, length: int, capacity: int) -> torch.Tensor:
    grown = like.new_empty((*like.shape[:2], capacity, like.shape[3]))
    grown[:, :, :length] = buffer[:, :, :length]
    return grown
