"""Several contexts in one pass of a plain transformers model, without padding and without copying their caches.

The new tokens of all contexts form a single sequence with explicit positions, so that every linear layer reads its
weights once for all of them; that reading is most of the cost of a small step. Only attention has to keep the contexts
apart: transformers lets a model's attention be chosen by name, and with ours the tokens of each context attend to that
context's own keys and values, in place in its buffers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from transformers import AttentionInterface
from transformers.cache_utils import Cache, CacheLayerMixin

from .kv import BufferLayer

PACKED_ATTENTION = "neuroscope_packed"

_LAYER_TYPES = {"full_attention", "sliding_attention"}
_HARMLESS = {"position_ids", "cache_position", "use_cache", "output_attentions", "output_hidden_states", "is_causal"}


@dataclass(slots=True)
class Segment:
    """The part of a pass that belongs to one context."""

    tokens: torch.Tensor  # [1, count], the new tokens
    start: int
    """Position of the first new token; the cache holds those before it."""
    last_layer: int
    """The deepest layer that this context wants."""
    kv: Cache | None
    """Of `BufferLayer`s; None for a pass that neither reads nor writes a cache."""
    sinks: Mapping[str, Callable[[torch.Tensor], None]]
    """By hook point: receives its rows, [count, width]."""

    masks: dict[int | None, torch.Tensor] = field(default_factory=dict)

    @property
    def stop(self) -> int:
        return self.start + self.tokens.shape[-1]

    def mask(self, window: int | None) -> torch.Tensor:
        """Which of the tokens before `stop` each new token attends to, [count, stop]."""
        if window not in self.masks:
            keys = torch.arange(self.stop, device=self.tokens.device)
            queries = keys[self.start :, None]
            mask = keys <= queries
            if window is not None:
                mask &= keys > queries - window
            self.masks[window] = mask
        return self.masks[window]


class _SharedLayer(CacheLayerMixin):  # type: ignore[no-untyped-call]
    """One layer of all segments' caches: writes each segment's new keys and values to its own cache."""

    is_sliding = False

    def __init__(self, layer: int, segments: Sequence[Segment]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._layer = layer
        self._segments = segments

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        pass

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        at = 0
        for segment in self._segments:
            count = segment.tokens.shape[-1]
            if self._layer <= segment.last_layer:
                own = slice(at, at + count)
                _layer(segment, self._layer).update(key_states[:, :, own], value_states[:, :, own])
            at += count
        return key_states, value_states

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return query_length, 0

    def get_seq_length(self) -> int:
        return 0

    def get_max_length(self) -> int:
        return -1


_running: Sequence[Segment] = ()
"""The segments of the pass that is running. One runs at a time; the arguments of attention do not mention them."""


def check_packable(config: Any) -> None:
    """Checks what `packed_attention` cannot see in its arguments.

    Raises:
        ValueError: some layers attend to neither all earlier tokens nor a window of them.
    """
    unknown = set(getattr(config, "layer_types", None) or ()) - _LAYER_TYPES
    if unknown or getattr(config, "attention_chunk_size", None) is not None:
        raise ValueError(f"layers of type {', '.join(sorted(unknown)) or 'chunked'} are not packed")


def run_packed(model: torch.nn.Module, segments: Sequence[Segment]) -> None:
    """Runs `model`, whose attention is `PACKED_ATTENTION`, over the new tokens of all `segments`."""
    global _running
    tokens = torch.cat([segment.tokens for segment in segments], dim=1) if len(segments) > 1 else segments[0].tokens
    positions = torch.cat([torch.arange(segment.start, segment.stop) for segment in segments])[None].to(tokens.device)
    layers = len(cast(Cache, segments[0].kv).layers)
    _running = segments
    try:
        model(
            input_ids=tokens,
            position_ids=positions,
            past_key_values=Cache(layers=[_SharedLayer(layer, segments) for layer in range(layers)]),
            use_cache=True,
        )
    finally:
        _running = ()


def packed_attention(
    module: torch.nn.Module,
    query: torch.Tensor,  # [1, heads, tokens of all segments, head_dim]
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    sliding_window: int | None = None,
    softcap: float | None = None,
    **options: Any,
) -> tuple[torch.Tensor, None]:
    """Attention of each segment to its own context. Keys and values are read from the caches, not from the arguments.

    Raises:
        ValueError: an option is set that is not implemented here.
    """
    unknown = [name for name, option in options.items() if option is not None and name not in _HARMLESS]
    if unknown or attention_mask is not None:
        raise ValueError(f"attention with {', '.join(unknown) or 'a mask'} is not packed")
    layer = cast(int, module.layer_idx)
    types = getattr(module.config, "layer_types", None)
    if types is not None and (types[layer] == "sliding_attention") != (sliding_window is not None):
        raise ValueError("the call lacks the sliding window of its layer")
    output = query.new_zeros(query.shape)
    at = 0
    for segment in _running:
        count = segment.tokens.shape[-1]
        if layer <= segment.last_layer:
            own = slice(at, at + count)
            buffers = _layer(segment, layer)
            keys, values = buffers.keys[:, :, : segment.stop], buffers.values[:, :, : segment.stop]
            output[:, :, own] = _attend(query[:, :, own], keys, values, segment, scaling, sliding_window, softcap)
        at += count
    return output.transpose(1, 2), None


def _attend(
    query: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    segment: Segment,
    scaling: float | None,
    window: int | None,
    softcap: float | None,
) -> torch.Tensor:
    if window is not None and window >= segment.stop:
        window = None
    sole = query.shape[2] == 1 and window is None  # one token looks at everything before it
    if softcap is None:
        return torch.nn.functional.scaled_dot_product_attention(
            query,
            keys,
            values,
            attn_mask=None if sole else segment.mask(window),
            scale=scaling,
            enable_gqa=keys.shape[1] != query.shape[1],
        )
    repeats = query.shape[1] // keys.shape[1]
    keys, values = keys.repeat_interleave(repeats, dim=1), values.repeat_interleave(repeats, dim=1)
    scores = query @ keys.transpose(2, 3) * (scaling if scaling is not None else query.shape[-1] ** -0.5)
    scores = softcap * torch.tanh(scores / softcap)
    if not sole:
        scores = scores.masked_fill(~segment.mask(window), float("-inf"))
    return scores.softmax(dim=-1, dtype=torch.float32).to(values.dtype) @ values


def _layer(segment: Segment, layer: int) -> BufferLayer:
    return cast(BufferLayer, cast(Cache, segment.kv).layers[layer])


AttentionInterface.register(PACKED_ATTENTION, packed_attention)
