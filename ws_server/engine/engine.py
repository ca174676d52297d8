"""The engine of one model: takes commands, computes in small steps, gives results.

`submit` takes a command, `step` does one pass and returns what can be told after it. Between two steps newer
commands may come in: the newest evaluation of a document replaces the older one, and what is computed for their
common prefix is kept. Not thread-safe, and nothing in it waits.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from .cache import ContextCache
from .commands import (
    Command,
    ContextTarget,
    Failed,
    Finished,
    FloatMatrix,
    Forget,
    Key,
    Need,
    PassReport,
    Probe,
    Probed,
    Result,
    StepReport,
    TopUnit,
    Unit,
    Values,
    neuron_hook,
)
from .contexts import pair_contexts
from .runner import Piece, Runner
from .scheduler import LARGEST_CHUNK, MOST_TOGETHER, FairShare, chunk_size, room_for_others

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Context:
    """One context of a document: what is wanted of it, and what is computed."""

    target: ContextTarget
    cache: ContextCache
    needs: list[Need] = field(init=False)

    def __post_init__(self) -> None:
        self.cache.align(self.target.ids)
        self.needs = [need for need in self.target.needs if need.start < len(self.target.ids)]

    def hooks(self) -> frozenset[str]:
        return frozenset(hook for need in self.needs for hook, _ in need.units)

    def ready_values(self) -> Iterator[tuple[int, tuple[Unit, ...], FloatMatrix]]:
        """Takes what is computed out of `needs`."""
        self.cache.align(self.target.ids)
        left: list[Need] = []
        for need in self.needs:
            by_hook = _by_hook(need.units)
            stop = self.cache.captured(by_hook)
            if stop > need.start:
                rows = [self.cache.rows_of(hook).read(need.start, stop, columns) for hook, columns in by_hook.items()]
                units = tuple((hook, column) for hook, columns in by_hook.items() for column in columns)
                yield need.start, units, np.concatenate(rows)
            if stop < len(self.target.ids):
                left.append(Need(max(stop, need.start), need.units))
        self.needs = left


@dataclass(slots=True, eq=False)
class _Document:
    """A document's contexts, and the account of its evaluation."""

    contexts: list[_Context] = field(default_factory=list)
    probes: deque[Probe] = field(default_factory=deque)
    serial: int = -1
    finished: bool = True
    submitted: float | None = None
    started: float | None = None
    chunks: int = 0
    computed: int = 0
    passes: int = 0
    forward_seconds: float = 0.0
    last_used: float = 0.0
    nbytes: int = 0
    spare: ContextCache | None = None
    """For probes of texts that are no longer those of the contexts."""


class Engine:
    """Documents of all sessions of one model.

    Args:
        runner: runs the passes.
        cache_bytes: KV and capture buffers beyond this are dropped, least recently used documents first; the
            document at work is never dropped.
        maxima: each neuron's statistical maximum [layers, neurons], where there are statistics.
    """

    def __init__(self, runner: Runner, cache_bytes: int, maxima: FloatMatrix | None = None) -> None:
        self._runner = runner
        self._cache_bytes = cache_bytes
        self._maxima = maxima
        self._documents: dict[Key, _Document] = {}
        self._share = FairShare()
        self._last_pass: PassReport | None = None
        self._short = False
        """Whether the budget does not hold what the evaluations under way need."""

    @property
    def idle(self) -> bool:
        return not any(document.probes or not document.finished for document in self._documents.values())

    @property
    def nbytes(self) -> int:
        """Bytes of all KV and capture buffers."""
        return sum(document.nbytes for document in self._documents.values())

    def submit(self, command: Command) -> None:
        """Takes note of a command; computes nothing."""
        if isinstance(command, Forget):
            self._documents.pop(command.key, None)
            return
        document = self._documents.setdefault(command.key, _Document())
        if isinstance(command, Probe):
            document.probes.append(command)
            return
        old = document.contexts
        pairs = pair_contexts([context.target.ids for context in old], [target.ids for target in command.contexts])
        document.contexts = [
            _Context(target, self._runner.new_cache() if pair is None else old[pair].cache)
            for target, pair in zip(command.contexts, pairs, strict=True)
        ]
        document.serial = command.serial
        if document.finished:
            document.submitted, document.started = command.submitted, None
            document.computed = document.passes = 0
            document.forward_seconds = 0.0
        document.finished = False
        document.chunks = 0

    def step(self) -> list[Result]:
        """Tells what is computed already; where there is nothing to tell, does one forward pass and tells what it made
        known. The session whose turn it is decides what the pass is for; others come along where there is room."""
        waiting = {
            key: document for key, document in self._documents.items() if document.probes or not document.finished
        }
        if not waiting:
            return []
        results = [result for key, document in waiting.items() for result in self._tell(key, document)]
        if results:
            return results
        first = self._whose_turn(waiting)
        if waiting[first].probes:
            return self._probe(first, waiting[first])
        if self._short:
            return self._evaluate([first])
        others = (key for key, document in waiting.items() if key != first and not document.probes)
        return self._evaluate([first, *others])

    def _whose_turn(self, waiting: Mapping[Key, _Document]) -> Key:
        if self._short:
            # There is no memory for several at once: the one that was served last is brought to its end.
            last = max(waiting, key=lambda key: waiting[key].last_used)
            if waiting[last].chunks:
                return last
            self._short = False
        session = self._share.next(key[0] for key in waiting)
        return next(key for key in waiting if key[0] == session)

    def reported_step(self) -> StepReport:
        """`step`, with what an operator wants to know of it."""
        self._last_pass = None
        results = self.step()
        return StepReport(tuple(results), self._last_pass, self.nbytes)

    # -------------------------------------------------------------------------------- evaluation

    def _evaluate(self, keys: list[Key]) -> list[Result]:
        """One pass for the first of `keys` and as many of the others as fit into it."""
        begun = time.monotonic()
        work: list[tuple[Key, Piece]] = []
        room = 0
        for key in keys:
            document = self._documents[key]
            piece = self._piece(document)
            size = piece.stop - self._runner.start(piece)
            if not work:
                room = room_for_others(size) if self._runner.can_share(piece) else 0
            elif size > room or not self._runner.can_share(piece):
                continue
            else:
                room -= size
            work.append((key, piece))
            document.started = document.started if document.started is not None else begun
            document.last_used = begun
            if room <= 0 or len(work) == MOST_TOGETHER:
                break
        try:
            computed = self._runner.extend([piece for _, piece in work])
        except Exception as error:
            if len(work) > 1:
                # One of them may be the cause: each by itself, so that the others notice nothing.
                return [result for key, _ in work for result in self._evaluate([key])]
            _log.exception("Computing for a document failed.")
            return [self._give_up(work[0][0], error)]
        finally:
            seconds = time.monotonic() - begun
            for key, _ in work:
                self._documents[key].passes += 1
                self._documents[key].forward_seconds += seconds
                self._share.charge(key[0], seconds / len(work))
        self._last_pass = PassReport(len(work), sum(computed), time.monotonic() - begun)
        for (key, _), count in zip(work, computed, strict=True):
            self._documents[key].computed += count
            self._documents[key].chunks += 1
        self._keep_within_budget([key for key, _ in work])
        return [result for key, _ in work for result in self._tell(key, self._documents[key])]

    def _piece(self, document: _Document) -> Piece:
        """The next piece of an evaluation: of the first context that lacks something, a chunk."""
        context = next(context for context in document.contexts if context.needs)
        hooks = context.hooks()
        stop = len(context.target.ids)
        if self._runner.reuses_prefix:
            stop = min(stop, context.cache.captured(hooks) + chunk_size(document.chunks))
        return Piece(context.cache, stop, hooks)

    def _tell(self, key: Key, document: _Document) -> list[Result]:
        """What is wanted of a document and is computed; with the last of it, that it is finished."""
        if document.finished:
            return []
        results: list[Result] = self._ready(key, document)
        if not any(context.needs for context in document.contexts):
            results.append(self._finish(key, document))
        return results

    def _ready(self, key: Key, document: _Document) -> list[Result]:
        return [
            Values(key, document.serial, number, start, units, data)
            for number, context in enumerate(document.contexts)
            if context.needs
            for start, units, data in context.ready_values()
        ]

    def _finish(self, key: Key, document: _Document) -> Finished:
        document.finished = True
        total = sum(len(context.target.ids) for context in document.contexts)
        submitted = document.submitted or 0.0
        return Finished(
            key,
            document.serial,
            computed_tokens=document.computed,
            reused_tokens=max(0, total - document.computed),
            forward_passes=document.passes,
            queue_seconds=max(0.0, (document.started or submitted) - submitted),
            forward_seconds=document.forward_seconds,
        )

    # -------------------------------------------------------------------------------- probes

    def _probe(self, key: Key, document: _Document) -> list[Result]:
        """One pass towards the answer of a probe, and the answer if it was the last."""
        probe = document.probes[0]
        begun = time.monotonic()
        try:
            cache = self._cache_of(probe, document)
            hooks = frozenset(neuron_hook(layer) for layer in probe.layers)
            have, count = cache.captured(hooks), len(probe.ids)
            if have < count:
                stop = min(count, have + LARGEST_CHUNK) if self._runner.reuses_prefix else count
                computed = self._runner.extend([Piece(cache, stop, hooks)])
                self._last_pass = PassReport(1, sum(computed), time.monotonic() - begun)
                if stop < count:
                    return []
            document.probes.popleft()
            return [Probed(key, probe.ticket, self._top(probe, cache))]
        except Exception as error:
            _log.exception("A search for top neurons failed.")
            document.probes.remove(probe)
            return [Failed(key, _failure(error), ticket=probe.ticket)]
        finally:
            if not document.probes:
                document.spare = None
            self._share.charge(key[0], time.monotonic() - begun)
            document.last_used = begun
            self._keep_within_budget([key])

    def _cache_of(self, probe: Probe, document: _Document) -> ContextCache:
        """A cache of the probe's tokens: that of its context, mostly. Where the text has moved on, one of its own, so
        that neither takes back what was computed for the other."""
        if probe.context < len(document.contexts):
            cache = document.contexts[probe.context].cache
            if np.array_equal(cache.ids[: len(probe.ids)], probe.ids):
                return cache
        if document.spare is None:
            document.spare = self._runner.new_cache()
        document.spare.align(probe.ids)
        return document.spare

    def _top(self, probe: Probe, cache: ContextCache) -> tuple[TopUnit, ...]:
        values = np.stack(
            [cache.rows_of(neuron_hook(layer)).row(len(probe.ids) - 1).numpy() for layer in probe.layers]
        )  # [layers, neurons]
        ratios = None
        if self._maxima is not None:
            maxima = self._maxima[list(probe.layers)]
            ratios = np.divide(values, maxima, out=np.full_like(values, np.nan), where=maxima > 0)
        ranked = values if not probe.by_ratio or ratios is None else ratios
        flat = np.where(np.isnan(ranked), -np.inf, ranked).ravel()
        best = np.argpartition(-flat, min(probe.k, flat.size) - 1)[: probe.k]
        best = best[np.argsort(-flat[best], kind="stable")]
        rows, columns = np.unravel_index(best, values.shape)
        return tuple(
            TopUnit(
                probe.layers[row],
                int(column),
                float(values[row, column]),
                None if ratios is None or np.isnan(ratios[row, column]) else float(ratios[row, column]),
            )
            for row, column in zip(rows, columns, strict=True)
        )

    # -------------------------------------------------------------------------------- trouble

    def _give_up(self, key: Key, error: Exception) -> Failed:
        """The document's next evaluation starts afresh; other documents are not touched."""
        document = self._documents[key]
        document.finished = True
        document.contexts = []
        document.nbytes = 0
        return Failed(key, _failure(error), serial=document.serial)

    def _keep_within_budget(self, at_work: list[Key]) -> None:
        worked_on = [self._documents[key] for key in at_work]
        for document in worked_on:
            document.nbytes = sum(context.cache.nbytes for context in document.contexts)
        excess = self.nbytes - self._cache_bytes
        if excess <= 0:
            return
        # Who is in the midst of an evaluation comes last: taking what it needs next would only make it compute again.
        others = (document for document in self._documents.values() if document not in worked_on)
        for document in sorted(others, key=lambda document: (not document.finished, document.last_used)):
            if excess <= 0:
                return
            self._short = self._short or not document.finished
            for context in document.contexts:
                context.cache = self._runner.new_cache()
                context.cache.align(context.target.ids)
            excess -= document.nbytes
            document.nbytes = 0


def _failure(error: Exception) -> str:
    return f"The forward pass failed: {type(error).__name__}."


def _by_hook(units: tuple[Unit, ...]) -> dict[str, list[int]]:
    columns: dict[str, list[int]] = {}
    for hook, column in units:
        columns.setdefault(hook, []).append(column)
    return columns
