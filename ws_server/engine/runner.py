"""One hooked forward pass over the tokens of a context that are not computed yet.

Keeps the lengths of the cache's buffers right, and finds out at load which shortcuts the model allows: the
configuration must permit them, and a trial must give the same values as the plain model without them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product

import numpy as np
import torch
from transformer_lens.model_bridge import TransformerBridge
from transformers import PreTrainedModel

from .cache import ContextCache
from .commands import IntArray, hook_layer, neuron_hook
from .configuration import length_limit, looks_ahead, reason_for_whole_passes, trial_length
from .device_memory import is_out_of_memory
from .kv import BufferLayer
from .packed import Segment
from .trunk import Trunk, Unmappable

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Piece:
    """Work for one pass: compute the rows of `hooks` for the tokens of a context before `stop`."""

    cache: ContextCache
    stop: int
    hooks: frozenset[str]


class Unsupported(Exception):
    """The model cannot be shown token by token. The message continues a sentence that begins with its name."""


class DeviceLost(BaseException):
    """Nothing can be computed in this process any more: after a failed kernel, CUDA answers every call with its error.

    Not an `Exception`, so that the handlers of failed passes let it through: the process has to end.
    """


class Runner:
    """Runs passes of one model.

    Args:
        bridge: says which hook points the model has.
        plain: the plain model over the same parameters; all values come from it.
        context_tokens: the most tokens that a context may have.

    Attributes:
        context_tokens: the same, or less where longer contexts would change the values of all their tokens.
        hook_widths: the hook points that can be captured, and the length of their last axis.
        reuses_prefix: whether keys and values of a prefix can be reused; if they cannot, each pass computes its context
            from the start.
        notes: what the operator should know about how this model is served; one sentence each.

    Raises:
        Unsupported: the model has no neurons to show, or is not a causal language model.
    """

    def __init__(self, bridge: TransformerBridge, plain: PreTrainedModel, context_tokens: int) -> None:
        self.layers: int = bridge.cfg.n_layers
        self.bridge = bridge
        self.notes: list[str] = []
        if looks_ahead(plain):
            raise Unsupported("is not a causal language model")
        limit = length_limit(plain)
        if limit is not None and limit.tokens < context_tokens:
            self.notes.append(
                f"Contexts end at {limit.tokens} tokens: a longer one would change all its values ({limit.rope_type})."
            )
            context_tokens = limit.tokens
        self.context_tokens = context_tokens
        parameter = next(iter(plain.parameters()))
        self._device, self._exact = parameter.device, parameter.dtype == torch.float32
        try:
            self.trunk = Trunk(plain, bridge)
        except Unmappable:
            raise Unsupported("has no blocks that can be followed") from None
        self.trunk.use_library_attention()
        self.reuses_prefix = False
        self.hook_widths = self._measure_hooks()
        self._check_neurons()
        self._find_shortcuts(plain)

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
        return self.reuses_prefix and self.trunk.takes_several

    def extend(self, pieces: Sequence[Piece]) -> list[int]:
        """Computes what each piece lacks, in one pass. Each must lack some tokens; several must be able to share.

        Returns:
            The number of tokens computed for each.

        Raises:
            ValueError: a piece is longer than a context may be.
            DeviceLost: no later pass can succeed either.
        """
        if any(piece.stop > self.context_tokens for piece in pieces):
            raise ValueError(f"a context has at most {self.context_tokens} tokens")
        starts = [self.start(piece) for piece in pieces]
        lengths = [[layer.length for layer in _kv_layers(piece)] for piece in pieces]
        try:
            self.trunk.run([self._segment(piece, start) for piece, start in zip(pieces, starts, strict=True)])
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
        """The hook points that fire with one vector per token and hold what their names say, by a pass over a few
        tokens."""
        count = min(3, self.context_tokens)
        seen: dict[str, torch.Tensor] = {}

        def keep(name: str) -> Callable[[torch.Tensor], None]:
            return lambda rows: seen.__setitem__(name, rows.float())

        tokens = self.tensor(np.arange(count, dtype=np.int64) % int(self.bridge.cfg.d_vocab))
        sinks = {name: keep(name) for name in self.trunk.names}
        self.trunk.run([Segment(tokens, 0, self.layers - 1, None, sinks)])
        seen = {name: rows for name, rows in seen.items() if rows.shape[0] == count}
        doubtful = {suffix for layer in range(self.layers) for suffix in self._doubtful(seen, f"blocks.{layer}.")}
        return {
            name: seen[name].shape[-1]
            for name in self.trunk.names
            if name in seen and name.split(".", 2)[2] not in doubtful
        }

    def _doubtful(self, seen: Mapping[str, torch.Tensor], block: str) -> set[str]:
        """The hook points of a block that are not the parts of its residual stream that their names say, for example if
        norms come last or a module adds the stream itself. The stream before and after a block is always right.
        """
        before, middle, after, attention, mlp = (
            seen.get(f"{block}hook_{name}") for name in ("resid_pre", "resid_mid", "resid_post", "attn_out", "mlp_out")
        )

        def add_up(total: torch.Tensor | None, *parts: torch.Tensor | None) -> bool:
            if total is None:
                return False
            left = total
            for part in parts:
                if part is None or part.shape != total.shape:
                    return False
                left = left - part
            return self._close(total - left, total)

        if middle is None:
            return set() if add_up(after, before, attention, mlp) else {"hook_attn_out", "hook_mlp_out"}
        first = set() if add_up(middle, before, attention) else {"hook_attn_out", "hook_resid_mid"}
        second = set() if add_up(after, middle, mlp) else {"hook_mlp_out"}
        return first | second

    def _check_neurons(self) -> None:
        hooks = [neuron_hook(layer) for layer in range(self.layers)]
        if missing := [hook for hook in hooks if hook not in self.hook_widths]:
            raise Unsupported(f"has no {missing[0]} hook point")
        if not hooks or len({self.hook_widths[hook] for hook in hooks}) > 1:
            raise Unsupported("has layers with different numbers of neurons")

    def _find_shortcuts(self, plain: PreTrainedModel) -> None:
        """Computes arbitrary texts in the plain way and in faster ones, and keeps the fastest way that agrees.

        Raises:
            Unsupported: tokens change the activations of tokens before them.
        """
        count = trial_length(plain, self.context_tokens)
        random = np.random.default_rng(0)
        vocabulary = int(self.bridge.cfg.d_vocab)
        texts = [random.integers(0, vocabulary, length) for length in (count, max(1, count // 3))]
        plainly = [self._whole(text) for text in texts]
        for length in {max(1, count // 2), max(1, count - 1)}:
            if not self._close(self._whole(texts[0][:length]), plainly[0][:, :length]):
                raise Unsupported("is not a causal language model")
        if not self._bridge_agrees(texts[0], plainly[0]):
            self.notes.append(
                "TransformerLens and transformers compute different values; those of transformers are shown."
            )
        if reason := reason_for_whole_passes(plain):
            self.notes.append(f"Each edit computes its whole context again: {reason}.")
        elif any(self._works(texts, plainly, *way) for way in product((True, False), repeat=2)):
            return
        else:
            self.notes.append(
                "Each edit computes its whole context again: reusing computed values gives different results."
            )
        self.reuses_prefix = False
        self.trunk.use_library_attention()
        self.trunk.use_quick_kernels(True)
        if not self._try(lambda: self._close(self._whole(texts[0]), plainly[0])):
            self.trunk.use_quick_kernels(False)

    def _works(self, texts: Sequence[IntArray], plainly: Sequence[torch.Tensor], quick: bool, packed: bool) -> bool:
        """Whether reusing prefixes, with these kernels and this attention, gives the values of whole passes."""

        def attempt() -> bool:
            self.trunk.use_quick_kernels(quick)
            if packed:
                self.trunk.use_packed_attention()
            else:
                self.trunk.use_library_attention()
            self.reuses_prefix = True
            return all(map(self._close, self._in_pieces(texts), plainly))

        return self._try(attempt)

    def _try(self, attempt: Callable[[], bool]) -> bool:
        try:
            return attempt()
        except Exception as error:  # whatever goes wrong in a faster way, the plain one works
            _log.info("A faster way does not work for this model: %s", error)
            return False

    def _in_pieces(self, texts: Sequence[IntArray]) -> Iterator[torch.Tensor]:
        """All neurons of each text, [layers, tokens, width], some tokens a pass; the texts share passes if they can."""
        caches = [self.new_cache() for _ in texts]
        for cache, text in zip(caches, texts, strict=True):
            cache.align(text)
        longest = max(map(len, texts))
        for stop in (longest // 2, longest // 2 + 1, longest):
            pieces = [
                Piece(cache, min(stop, len(cache.ids)), self._neurons)
                for cache in caches
                if cache.captured(self._neurons) < min(stop, len(cache.ids))
            ]
            for together in [pieces] if self.trunk.takes_several and pieces else [[piece] for piece in pieces]:
                self.extend(together)
        for cache in caches:
            yield self._captured(cache)

    def _whole(self, ids: IntArray) -> torch.Tensor:
        """All neurons by one pass that reuses nothing, [layers, tokens, width]."""
        cache = self.new_cache()
        cache.align(ids)
        self.extend([Piece(cache, len(ids), self._neurons)])
        return self._captured(cache)

    @property
    def _neurons(self) -> frozenset[str]:
        return frozenset(neuron_hook(layer) for layer in range(self.layers))

    def _captured(self, cache: ContextCache) -> torch.Tensor:
        every = np.arange(len(cache.ids))
        return torch.stack([cache.rows_of(neuron_hook(layer)).at(every) for layer in range(self.layers)])

    def _bridge_agrees(self, ids: IntArray, plainly: torch.Tensor) -> bool:
        """Whether TransformerLens computes the same; only for information."""
        names = [neuron_hook(layer) for layer in range(self.layers)]

        def attempt() -> bool:
            with torch.no_grad():
                _, seen = self.bridge.run_with_cache(self.tensor(ids), names_filter=names)
            return self._close(torch.stack([seen[name].reshape(len(ids), -1).float() for name in names]), plainly)

        return self._try(attempt)

    def _close(self, one: torch.Tensor, other: torch.Tensor) -> bool:
        """Equal up to rounding, which in half precision is about 1/256 per operation. Values that overflowed to
        infinity or NaN must have done so in both."""
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
