"""One hooked forward pass over the tokens of a context that are not computed yet.

Chooses the trunk to run, keeps the lengths of the cache's buffers right, and knows from trying which short cuts the
model at hand allows.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from transformer_lens.model_bridge import TransformerBridge
from transformers import PreTrainedModel

from .cache import ContextCache
from .commands import IntArray, hook_layer, neuron_hook
from .device_memory import is_out_of_memory
from .kv import BufferLayer
from .packed import Segment
from .trunk import BridgeTrunk, PlainTrunk, Trunk, Unmappable

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Piece:
    """Work for one pass: the rows of `hooks` are wanted of the tokens of a context before `stop`."""

    cache: ContextCache
    stop: int
    hooks: frozenset[str]


class NotCausal(Exception):
    """The model's activations at a token depend on tokens after it."""


class DeviceLost(BaseException):
    """Nothing can be computed in this process any more. Once a kernel has failed, CUDA gives its error to all who ask.

    Not an `Exception`, for who copes with a failed pass must not take it for one: the process has to end.
    """


class Runner:
    """Runs passes of one model.

    Args:
        bridge: the reference.
        plain: the plain model over the same parameters, if there is one.
        context_tokens: the most tokens that a context has.

    Attributes:
        hook_widths: the hook points that can be captured, and the length of their last axis.
        reuses_prefix: whether keys and values of a prefix can be reused; where they cannot, each pass computes its
            context from the start.
        plain_trunk: the plain model, if it gives what the bridge gives.

    Raises:
        NotCausal: the model is no causal language model.
    """

    def __init__(self, bridge: TransformerBridge, plain: PreTrainedModel | None, context_tokens: int) -> None:
        self.layers: int = bridge.cfg.n_layers
        self.context_tokens = context_tokens
        self.bridge = bridge
        parameter = next(iter(bridge.original_model.parameters()))
        self._device, self._exact = parameter.device, parameter.dtype == torch.float32
        self._bridge_trunk = BridgeTrunk(bridge)
        self.hook_widths = self._measure_hooks()
        self.plain_trunk: PlainTrunk | None = None
        self.reuses_prefix = False
        if all(neuron_hook(layer) in self.hook_widths for layer in range(self.layers)):
            self._try_short_cuts(plain)

    def new_cache(self) -> ContextCache:
        return ContextCache(self.layers, self.context_tokens)

    def next_piece(self, cache: ContextCache, hooks: frozenset[str], count: int, most: int) -> Piece:
        """The next pass towards the rows of `hooks` at the first `count` tokens, some of which are missing.

        It takes at most `most` tokens where a prefix can be reused. Hook points that lag behind the others catch up
        first, by themselves: blocks behind them need not run again over tokens that they have seen.
        """
        captured = {hook: cache.captured([hook]) for hook in hooks}
        if not self.reuses_prefix:
            return Piece(cache, count, frozenset(hook for hook in hooks if captured[hook] < count))
        least = min(captured.values())
        piece = Piece(cache, count, frozenset(hook for hook in hooks if captured[hook] == least))
        reached = [length for length in captured.values() if length > least]
        return replace(piece, stop=min([count, self.start(piece) + most, *reached]))

    def start(self, piece: Piece) -> int:
        """The token that a pass begins at for `piece`."""
        if not self.reuses_prefix:
            return 0
        cache = piece.cache
        return min([cache.captured(piece.hooks), *(layer.length for layer in _kv_layers(piece))])

    def can_share(self, piece: Piece) -> bool:
        """Whether a pass for `piece` can be a pass for others too."""
        return self.reuses_prefix and self._trunk(piece).takes_several

    def extend(self, pieces: Sequence[Piece]) -> list[int]:
        """Computes what each piece lacks, in one pass. Each must lack some tokens; several must be able to share.

        Returns:
            The number of tokens computed for each.

        Raises:
            DeviceLost: no later pass can succeed either.
        """
        starts = [self.start(piece) for piece in pieces]
        lengths = [[layer.length for layer in _kv_layers(piece)] for piece in pieces]
        try:
            segments = [self._segment(piece, start) for piece, start in zip(pieces, starts, strict=True)]
            self._trunk(pieces[0]).run(segments)
        except BaseException:
            # Some layers hold the new tokens and some do not; what the pass did not write to is still valid.
            for piece, start in zip(pieces, starts, strict=True):
                _rewind_kv(piece, start)
            self._check_device()
            raise
        for piece, before in zip(pieces, lengths, strict=True):
            # What a layer held beyond the pass has not been touched: the tokens are the same.
            for layer, length in zip(_kv_layers(piece), before, strict=True):
                layer.length = max(layer.length, length)
            for hook in piece.hooks:
                rows = piece.cache.rows_of(hook)
                rows.length = max(rows.length, piece.stop)
        return [piece.stop - start for piece, start in zip(pieces, starts, strict=True)]

    def _segment(self, piece: Piece, start: int) -> Segment:
        cache = piece.cache
        _rewind_kv(piece, start)
        return Segment(
            tokens=self.tensor(cache.ids[start : piece.stop]),
            start=start,
            last_layer=_depth(piece.hooks) - 1,
            kv=cache.kv if self.reuses_prefix else None,
            sinks={hook: partial(cache.rows_of(hook).write, start) for hook in piece.hooks},
        )

    def _trunk(self, piece: Piece) -> Trunk:
        plain = self.plain_trunk
        return plain if plain is not None and plain.hooks.issuperset(piece.hooks) else self._bridge_trunk

    def tensor(self, ids: IntArray) -> torch.Tensor:
        """Ids on the model's device, [1, tokens]."""
        return torch.from_numpy(np.ascontiguousarray(ids)).to(self._device)[None]

    def _check_device(self) -> None:
        try:
            torch.zeros(1, device=self._device).item()
        except Exception as error:
            if not is_out_of_memory(error):
                raise DeviceLost from error

    # -------------------------------------------------------------------------------- at load

    def _measure_hooks(self) -> dict[str, int]:
        """The hook points that fire with one vector a token, by looking at what they do in a pass."""
        count = 3
        shapes: dict[str, torch.Size] = {}

        def note(name: str) -> Callable[[torch.Tensor], None]:
            return lambda tensor: shapes.__setitem__(name, tensor.shape)

        names = self._bridge_trunk.names
        tokens = self.tensor(np.zeros(count, dtype=np.int64))
        sinks = {name: note(name) for name in names}
        self._bridge_trunk.run([Segment(tokens, 0, self.layers - 1, None, sinks)])
        return {name: shapes[name][-1] for name in names if name in shapes and shapes[name][:-1] == (count,)}

    def _try_short_cuts(self, plain: PreTrainedModel | None) -> None:
        """Runs a few arbitrary tokens the slow way and each faster way, and keeps the ways that agree.

        Raises:
            NotCausal: tokens change the activations of tokens before them.
        """
        count = min(12, self.context_tokens)
        half = max(1, count // 2)
        ids = np.random.default_rng(0).integers(0, int(self.bridge.cfg.d_vocab), count)
        whole = self._activations(ids, count)  # [layers, count, width]
        if not self._close(self._activations(ids[:half], half), whole[:, :half]):
            raise NotCausal
        in_pieces = (half, min(half + 1, count), count)
        self.reuses_prefix = True
        self.reuses_prefix = self._agrees(whole, ids, *in_pieces)
        if plain is None:
            return
        try:
            trunk = PlainTrunk(plain, self.bridge)
        except Unmappable as error:
            _log.warning("Every pass goes through the bridge, for lack of %s in the plain model.", error)
            return
        self.plain_trunk = trunk
        for quick in (True, False):
            trunk.use_quick_kernels(quick)
            if self.reuses_prefix and self._agrees_packed(trunk, whole, ids, *in_pieces):
                return
            trunk.use_packed_attention(False)
            if self._agrees(whole, ids, *(in_pieces if self.reuses_prefix else (count,))):
                return
        self.plain_trunk = None

    def _agrees_packed(self, trunk: PlainTrunk, whole: torch.Tensor, ids: IntArray, *stops: int) -> bool:
        try:
            trunk.use_packed_attention(True)
        except Exception as error:
            _log.info("One context a pass for this model: %s", error)
            return False
        return self._agrees(whole, ids, *stops)

    def _agrees(self, whole: torch.Tensor, ids: IntArray, *stops: int) -> bool:
        try:
            return self._close(self._activations(ids, *stops), whole)
        except Exception as error:  # whatever an unknown architecture makes of a short cut, the slow way works
            _log.info("A faster way does not work for this model: %s", error)
            return False

    def _activations(self, ids: IntArray, *stops: int) -> torch.Tensor:
        """All neurons, computed in passes that end at `stops`, [layers, tokens, width]."""
        hooks = [neuron_hook(layer) for layer in range(self.layers)]
        cache = self.new_cache()
        cache.align(ids)
        for stop in stops:
            if cache.captured(hooks) < stop:
                self.extend([Piece(cache, stop, frozenset(hooks))])
        return torch.stack(
            [torch.stack([cache.rows_of(hook).row(token) for token in range(len(ids))]) for hook in hooks]
        )

    def _close(self, one: torch.Tensor, other: torch.Tensor) -> bool:
        """Equal but for rounding, which in half precision is about 1/256 an operation. What overflowed in one and
        so is no number must be none in the other."""
        finite = torch.isfinite(other)
        if not torch.equal(torch.isfinite(one), finite):
            return False
        one, other = (torch.where(finite, tensor, 0.0) for tensor in (one, other))
        scale = max(1.0, float(other.abs().max()))
        return float((one - other).abs().max()) <= (2e-5 if self._exact else 0.03) * scale


def _kv_layers(piece: Piece) -> list[BufferLayer]:
    """The layers whose keys and values a pass for `piece` reads and writes."""
    return piece.cache.kv_layers[: _depth(piece.hooks)]


def _rewind_kv(piece: Piece, start: int) -> None:
    """A pass will write keys and values from token `start` on."""
    for layer in _kv_layers(piece):
        layer.length = min(layer.length, start)


def _depth(hooks: Collection[str]) -> int:
    """How many blocks must run."""
    return max(hook_layer(hook) for hook in hooks) + 1
