"""One hooked forward pass over the tokens of a context that are not computed yet.

The model is TransformerLens's `TransformerBridge`. Hook points are resolved once and their hooks stay; which of
them write, and after which block the pass ends, is state of the runner, so one pass runs at a time.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from typing import Any

import numpy as np
import torch
from transformer_lens.model_bridge import TransformerBridge

from .cache import ContextCache, Rows
from .commands import IntArray, hook_layer, neuron_hook

_HOOK_NAMES = (
    "mlp.hook_post",
    "mlp.hook_pre",
    "hook_mlp_out",
    "hook_attn_out",
    "hook_resid_pre",
    "hook_resid_mid",
    "hook_resid_post",
)
"""Hook points of a block that hold one vector a token; a model offers those of them that it has."""


_log = logging.getLogger(__name__)


class NotCausal(Exception):
    """The model's activations at a token depend on tokens after it."""


class _PassEnd(Exception):
    """Raised by a hook behind the deepest block that is needed: neither later blocks nor logits are computed."""


class Runner:
    """Runs passes of one model.

    Attributes:
        hook_widths: the hook points that can be captured, and the length of their last axis.
        reuses_prefix: whether keys and values of a prefix can be reused. Checked on the model itself; where they
            cannot, each pass computes its context from the start.

    Raises:
        NotCausal: the model is no causal language model.
    """

    def __init__(self, bridge: TransformerBridge, context_tokens: int) -> None:
        self.layers: int = bridge.cfg.n_layers
        self.context_tokens = context_tokens
        self._bridge = bridge
        self._device = next(iter(bridge.original_model.parameters())).device
        self._sinks: dict[str, Callable[[torch.Tensor], None]] = {}
        self._last_layer: int | None = None
        for layer in range(self.layers):
            for name in self._hook_names(layer):
                bridge.add_perma_hook(name, self._deliver(name))
            # After the others: a block's output is a hook point too, and has to be captured before the pass ends.
            bridge.add_perma_hook(f"blocks.{layer}.hook_out", self._end_after(layer))
        self.hook_widths = self._measure_hooks()
        self.reuses_prefix = True
        self.reuses_prefix = self._prefix_can_be_reused()

    def new_cache(self) -> ContextCache:
        return ContextCache(self.layers, self.context_tokens)

    def start(self, cache: ContextCache, hooks: Collection[str]) -> int:
        """The token that a pass capturing `hooks` begins at."""
        if not self.reuses_prefix:
            return 0
        return min([cache.captured(hooks), *(layer.length for layer in cache.kv_layers[: _depth(hooks)])])

    def extend(self, cache: ContextCache, stop: int, hooks: Collection[str]) -> int:
        """Computes the tokens of `cache.ids` before `stop` that `hooks` lack, in one pass; there must be some.

        Returns:
            The number of tokens computed.
        """
        start = self.start(cache, hooks)
        cache.rewind_kv(start)
        kv = cache.kv if self.reuses_prefix else None
        try:
            self._sinks = {hook: _row_writer(cache.rows_of(hook), start) for hook in hooks}
            self._run(cache.ids[start:stop], _depth(hooks), kv)
        except BaseException:
            # Some layers hold the new tokens and some do not; what was valid before the pass still is.
            cache.rewind_kv(start)
            raise
        finally:
            self._sinks = {}
        for hook in hooks:
            rows = cache.rows_of(hook)
            rows.length = max(rows.length, stop)
        return stop - start

    def _run(self, ids: IntArray, depth: int, kv: Any) -> None:
        tokens = torch.from_numpy(np.ascontiguousarray(ids)).to(self._device)[None]  # [1, tokens]
        self._last_layer = depth - 1
        try:
            with torch.no_grad():
                self._bridge(tokens, past_key_values=kv, return_type=None)
        except _PassEnd:
            pass
        finally:
            self._last_layer = None

    def _deliver(self, name: str) -> Callable[..., None]:
        def deliver(tensor: torch.Tensor, *, hook: Any) -> None:
            sink = self._sinks.get(name)
            if sink is not None:
                sink(tensor)

        return deliver

    def _end_after(self, layer: int) -> Callable[..., None]:
        def end(tensor: torch.Tensor, *, hook: Any) -> None:
            if layer == self._last_layer:
                raise _PassEnd

        return end

    # -------------------------------------------------------------------------------- at load

    def _hook_names(self, layer: int) -> list[str]:
        known = self._bridge.hook_dict
        return [name for suffix in _HOOK_NAMES if (name := f"blocks.{layer}.{suffix}") in known]

    def _measure_hooks(self) -> dict[str, int]:
        """The hook points that fire with one vector a token, by looking at what they do in a pass."""
        names = [name for layer in range(self.layers) for name in self._hook_names(layer)]
        shapes: dict[str, torch.Size] = {}
        count = 3

        def note(name: str) -> Callable[[torch.Tensor], None]:
            return lambda tensor: shapes.__setitem__(name, tensor.shape)

        self._sinks = {name: note(name) for name in names}
        self._run(np.zeros(count, dtype=np.int64), self.layers, None)
        self._sinks = {}
        widths: dict[str, int] = {}
        for name in names:
            shape = shapes.get(name, torch.Size())
            # Mixture-of-experts layers drop the batch axis.
            if shape[:-1] in ((1, count), (count,)):
                widths[name] = shape[-1]
        return widths

    def _prefix_can_be_reused(self) -> bool:
        """Compares a pass in pieces with a pass at once, on arbitrary tokens.

        Raises:
            NotCausal: even without reuse, tokens change the activations of tokens before them.
        """
        hook = neuron_hook(self.layers - 1)
        if hook not in self.hook_widths:
            return True
        count = min(12, self.context_tokens)
        half = max(1, count // 2)
        ids = np.random.default_rng(0).integers(0, int(self._bridge.cfg.d_vocab), count)

        def activations(ids: IntArray, *stops: int, reuse: bool) -> torch.Tensor:
            self.reuses_prefix = reuse
            cache = self.new_cache()
            cache.align(ids)
            for stop in stops:
                self.extend(cache, stop, (hook,))
            return torch.stack([cache.rows_of(hook).row(token) for token in range(len(ids))])

        whole = activations(ids, count, reuse=False)  # [count, width]
        if not _close(activations(ids[:half], half, reuse=False), whole[:half]):
            raise NotCausal
        try:
            in_pieces = activations(ids, half, min(half + 1, count), count, reuse=True)
        except Exception as error:  # whatever an unknown architecture makes of a cache, a plain pass still works
            _log.warning("No KV reuse for this model: %s", error)
            return False
        return _close(in_pieces, whole)


def _depth(hooks: Collection[str]) -> int:
    """How many blocks must run."""
    return max(hook_layer(hook) for hook in hooks) + 1


def _row_writer(rows: Rows, start: int) -> Callable[[torch.Tensor], None]:
    return lambda tensor: rows.write(start, tensor.reshape(-1, tensor.shape[-1]))


def _close(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Equal but for rounding; half precision rounds at about 1/256 an operation."""
    scale = max(1e-6, float(other.abs().max()))
    return float((one - other).abs().max()) <= 0.03 * scale
