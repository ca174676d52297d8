"""The engine of one model: takes commands, computes in small steps, gives results.

`submit` takes a command; `step` does one pass and returns the results that are ready. Between two steps newer commands
may arrive: the newest evaluation of a document replaces the older one, and what is computed for their common prefix is
kept. Not thread-safe, and nothing in it waits.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from .cache import ContextCache
from .commands import (
    Command,
    Compare,
    Compared,
    ContextPair,
    ContextTarget,
    Failed,
    Finished,
    FloatMatrix,
    Forget,
    Hold,
    IntArray,
    Key,
    Need,
    PassReport,
    Probe,
    Probed,
    Result,
    StepReport,
    Unit,
    Values,
    Withdraw,
    neuron_hook,
)
from .context_matching import common_prefix, pair_contexts
from .device_memory import empty_device_cache, is_out_of_memory
from .ranking import Changes, top_units
from .runner import Piece, Runner
from .scheduler import LARGEST_CHUNK, MOST_TOGETHER, FairShare, chunk_size, room_for_others

_log = logging.getLogger(__name__)

MOST_VALUES = 65_536
"""Values in one message: less than a megabyte as JSON, the most that some websocket libraries accept."""
_MOST_MESSAGES = 4
"""Messages about one document that one step returns; other documents get their turn before the rest."""


@dataclass(slots=True)
class _Context:
    """One context of a document: the values that are wanted, and what is computed."""

    target: ContextTarget
    cache: ContextCache
    needs: list[Need] = field(init=False)

    def __post_init__(self) -> None:
        self.cache.align(self.target.ids)
        self.needs = [need for need in self.target.needs if need.start < len(self.target.ids)]

    def hooks(self) -> frozenset[str]:
        return frozenset(hook for need in self.needs for hook, _ in need.units)

    @property
    def needs_pass(self) -> bool:
        return bool(self.needs) and self.cache.captured(self.hooks()) < len(self.target.ids)

    def take(self, most: int) -> list[tuple[int, tuple[Unit, ...], FloatMatrix]]:
        """Removes from `needs` what is computed and returns it, in little more than `most` pieces: start, units, values
        [units, tokens]."""
        self.cache.align(self.target.ids)
        taken: list[tuple[int, tuple[Unit, ...], FloatMatrix]] = []
        left: list[Need] = []
        for need in self.needs:
            by_hook = _by_hook(need.units)
            units = tuple((hook, column) for hook, columns in by_hook.items() for column in columns)
            start, stop = need.start, self.cache.captured(by_hook)
            while start < stop and len(taken) < most:
                end = min(stop, start + max(1, MOST_VALUES // len(units)))
                rows = [self.cache.rows_of(hook).read(start, end, columns) for hook, columns in by_hook.items()]
                taken.append((start, units, np.concatenate(rows)))
                start = end
            if start < len(self.target.ids):
                left.append(Need(start, need.units))
        self.needs = left
        return taken


@dataclass(slots=True, eq=False)
class _Comparison:
    """A comparison in progress: what was found in the first `done` of its pairs."""

    wanted: Compare
    changes: Changes
    done: int = 0


@dataclass(slots=True, eq=False)
class _Document:
    """A document's contexts, its open questions, and the figures of its evaluation."""

    contexts: list[_Context] = field(default_factory=list)
    probes: deque[Probe] = field(default_factory=deque)
    comparisons: deque[_Comparison] = field(default_factory=deque)
    serial: int = -1
    finished: bool = True
    held: bool = False
    alone: bool = False
    submitted: float | None = None
    started: float | None = None
    chunks: int = 0
    computed: int = 0
    passes: int = 0
    forward_seconds: float = 0.0
    last_used: float = 0.0
    begun: bool = False
    """Whether passes have been made for what it waits for."""
    nbytes: int = 0
    spare: ContextCache | None = None
    """For probes of a text that is no longer that of its context."""
    former: ContextCache | None = None
    """What the last comparison compared with; the next one is likely to compare with the same."""

    @property
    def idle(self) -> bool:
        """Whether there is nothing to do for it. Comparisons come after its evaluation."""
        return not self.probes and (not self.comparisons if self.finished else self.held)

    def withdraw(self, ticket: int) -> None:
        """Drops a question; nobody waits for its answer any more."""
        self.probes = deque(probe for probe in self.probes if probe.ticket != ticket)
        self.comparisons = deque(one for one in self.comparisons if one.wanted.ticket != ticket)

    def caches(self) -> Iterator[ContextCache]:
        yield from (context.cache for context in self.contexts)
        yield from (cache for cache in (self.spare, self.former) if cache is not None)

    @property
    def urgency(self) -> tuple[bool, float]:
        """Sort key: new work first, then the rest of long evaluations; among equals, the least recently served."""
        return self.chunks > 0, self.last_used


class Engine:
    """Documents of all sessions of one model.

    Args:
        runner: runs the passes.
        cache_bytes: KV and capture buffers beyond this are dropped, least recently used documents first; the
            document at work is never dropped.
        maxima: each neuron's statistical maximum [layers, neurons], where there are statistics.
        announce: called before each forward pass with the documents that it is for.
    """

    def __init__(
        self,
        runner: Runner,
        cache_bytes: int,
        maxima: FloatMatrix | None = None,
        announce: Callable[[tuple[Key, ...]], None] = lambda keys: None,
    ) -> None:
        self._runner = runner
        self._cache_bytes = cache_bytes
        self._maxima = maxima
        self._announce = announce
        self._documents: dict[Key, _Document] = {}
        self._share = FairShare()
        self._last_pass: PassReport | None = None
        self._short = False
        """Whether the budget is too small for all evaluations in progress."""

    @property
    def idle(self) -> bool:
        return all(document.idle for document in self._documents.values())

    @property
    def nbytes(self) -> int:
        """Bytes of all KV and capture buffers."""
        return sum(document.nbytes for document in self._documents.values())

    def set_budget(self, cache_bytes: int) -> None:
        """Changes the budget. What exceeds it is dropped at once, as other models may wait for the memory."""
        self._cache_bytes = cache_bytes
        before = self.nbytes
        self._keep_within_budget([])
        if self.nbytes < before:
            empty_device_cache()

    def submit(self, command: Command) -> None:
        """Accepts a command; computes nothing."""
        if isinstance(command, Forget):
            self._documents.pop(command.key, None)
            return
        if isinstance(command, Hold | Withdraw):
            held = self._documents.get(command.key)
            if held is not None and isinstance(command, Hold):
                held.held = True
            elif held is not None and isinstance(command, Withdraw):
                held.withdraw(command.ticket)
            return
        document = self._documents.setdefault(command.key, _Document())
        if isinstance(command, Probe):
            document.probes.append(command)
            return
        if isinstance(command, Compare):
            width = self._runner.hook_widths[neuron_hook(0)]
            document.comparisons.append(_Comparison(command, Changes(command.layers, width)))
            return
        old = document.contexts
        pairs = pair_contexts([context.target.ids for context in old], [target.ids for target in command.contexts])
        document.contexts = [
            _Context(target, self._runner.new_cache() if pair is None else old[pair].cache)
            for target, pair in zip(command.contexts, pairs, strict=True)
        ]
        document.nbytes = sum(cache.nbytes for cache in document.caches())  # less, where the text became shorter
        document.serial = command.serial
        if document.finished:
            document.submitted, document.started = command.submitted, None
            document.computed = document.passes = 0
            document.forward_seconds = 0.0
        document.finished = document.held = document.begun = False
        document.alone = command.alone
        document.chunks = 0

    def step(self) -> list[Result]:
        """Does one thing for the session whose turn it is: returns values that are computed already, or does a forward
        pass and returns its values. A pass with room to spare takes other documents along."""
        waiting = {key: document for key, document in self._documents.items() if not document.idle}
        if not waiting:
            return []
        first = self._next_document(waiting)
        if waiting[first].probes:
            return self._probe(first, waiting[first])
        if waiting[first].finished:
            return self._compare(first, waiting[first])
        begun = time.monotonic()
        if results := self._ready_results(first, waiting[first]):
            waiting[first].last_used = begun
            self._share.charge(first[0], time.monotonic() - begun)
            return results
        if self._short or waiting[first].alone:
            return self._evaluate([first])
        others = (key for key, document in waiting.items() if key != first and _can_join(document))
        return self._evaluate([first, *others])

    def _next_document(self, waiting: Mapping[Key, _Document]) -> Key:
        if self._short:
            # Memory is short: finish the most recently served document first.
            last = max(waiting, key=lambda key: waiting[key].last_used)
            if waiting[last].begun:
                return last
            self._short = False
        session = self._share.next(key[0] for key in waiting)
        return min((key for key in waiting if key[0] == session), key=lambda key: waiting[key].urgency)

    def reported_step(self) -> StepReport:
        """`step`, with figures for the operator's metrics."""
        self._last_pass = None
        results = self.step()
        return StepReport(tuple(results), self._last_pass, self.nbytes)

    # -------------------------------------------------------------------------------- evaluation

    def _evaluate(self, keys: Iterable[Key]) -> list[Result]:
        """One pass for the first of `keys`, which needs one, and for as many of the others as fit into it."""
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
        self._announce(tuple(key for key, _ in work))
        computed: list[int] = []
        try:
            computed = self._runner.extend([piece for _, piece in work])
        except Exception as error:
            if len(work) == 1 and not (is_out_of_memory(error) and self._drop_others(work[0][0])):
                _log.exception("Computing for a document failed.")
                return [self._give_up(work[0][0], error)]
        finally:
            seconds = time.monotonic() - begun
            for key, _ in work:
                self._documents[key].passes += 1
                self._documents[key].forward_seconds += seconds
                self._share.charge(key[0], seconds / len(work))
        if not computed:
            # One of them may be the cause: each is tried by itself, so that the others notice nothing. Not in the
            # clause above, where the error still holds the tensors of the failed pass.
            empty_device_cache()
            return [result for key, _ in work for result in self._evaluate([key])]
        self._last_pass = PassReport(len(work), sum(computed), time.monotonic() - begun)
        for (key, _), count in zip(work, computed, strict=True):
            self._documents[key].computed += count
            self._documents[key].chunks += 1
            self._documents[key].begun = True
        self._keep_within_budget([key for key, _ in work])
        return [result for key, _ in work for result in self._ready_results(key, self._documents[key])]

    def _piece(self, document: _Document) -> Piece:
        """The next piece of an evaluation: a chunk of the first context that is not computed."""
        context = next(context for context in document.contexts if context.needs_pass)
        count = len(context.target.ids)
        return self._runner.next_piece(context.cache, context.hooks(), count, chunk_size(document.chunks))

    def _ready_results(self, key: Key, document: _Document) -> list[Result]:
        """The values of a document that are wanted and computed; after the last of them, `Finished`."""
        if document.finished:
            return []
        results: list[Result] = []
        try:
            for number, context in enumerate(document.contexts):
                if context.needs and len(results) < _MOST_MESSAGES:
                    taken = context.take(_MOST_MESSAGES - len(results))
                    results += [Values(key, document.serial, number, *values) for values in taken]
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            if not self._drop_others(key):
                _log.exception("Reading values back failed.")
                return [*results, self._give_up(key, error)]
        else:
            if not any(context.needs for context in document.contexts):
                results.append(self._finish(key, document))
            return results
        empty_device_cache()
        return [*results, *self._ready_results(key, document)]

    def _finish(self, key: Key, document: _Document) -> Finished:
        document.finished, document.begun = True, False
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

    # -------------------------------------------------------------------------------- questions

    def _probe(self, key: Key, document: _Document) -> list[Result]:
        """One pass towards the answer of a probe, or the answer."""
        probe = document.probes[0]
        with self._answering(key, document):
            try:
                cache = self._cache_of(probe.context, probe.ids, document)
                count = len(probe.ids)
                if self._capture(cache, count, probe.layers) and self._is_missing(cache, count, probe.layers):
                    return []
                values = np.stack([cache.rows_of(neuron_hook(layer)).row(count - 1).numpy() for layer in probe.layers])
                top = top_units(values, probe.layers, self._maxima, probe.k, probe.by_ratio)
            except Exception as error:
                if is_out_of_memory(error) and self._drop_others(key):
                    return []  # the next step tries again
                _log.exception("A search for top neurons failed.")
                document.withdraw(probe.ticket)
                return [Failed(key, _failure(error), ticket=probe.ticket)]
            document.withdraw(probe.ticket)
            return [Probed(key, probe.ticket, top)]

    def _compare(self, key: Key, document: _Document) -> list[Result]:
        """One pass towards the answer of a comparison, or the answer. Nothing is kept of a text that an edit has
        replaced: it is computed again, from the first token on at which the two texts differ."""
        comparison = document.comparisons[0]
        wanted = comparison.wanted
        with self._answering(key, document):
            try:
                while comparison.done < len(wanted.pairs):
                    pair = wanted.pairs[comparison.done]
                    now = self._cache_of(pair.context, pair.new_ids, document)
                    if self._capture(now, len(pair.new_ids), wanted.layers):
                        return []
                    then = self._former(pair, now, wanted.layers, document)
                    if self._capture(then, len(pair.old_ids), wanted.layers):
                        return []
                    for row, hook in enumerate(map(neuron_hook, wanted.layers)):
                        before, after = then.rows_of(hook).at(pair.old_at), now.rows_of(hook).at(pair.new_at)
                        comparison.changes.take(row, pair.context, pair.new_at, before, after)
                    comparison.done += 1
            except Exception as error:
                if is_out_of_memory(error) and self._drop_others(key):
                    return []  # the next step tries again
                _log.exception("A comparison failed.")
                document.withdraw(wanted.ticket)
                document.former = None
                return [Failed(key, _failure(error), ticket=wanted.ticket)]
            document.withdraw(wanted.ticket)
            changed = comparison.changes.highest(self._maxima, wanted.k, wanted.by_ratio)
            return [Compared(key, wanted.ticket, changed)]

    @contextmanager
    def _answering(self, key: Key, document: _Document) -> Iterator[None]:
        """Accounts for work on a question."""
        begun = time.monotonic()
        self._announce((key,))
        try:
            yield
        finally:
            if not document.probes and not document.comparisons:
                document.spare = None
            self._share.charge(key[0], time.monotonic() - begun)
            document.last_used, document.begun = begun, not document.idle
            self._keep_within_budget([key])

    def _is_missing(self, cache: ContextCache, count: int, layers: Sequence[int]) -> bool:
        """Whether neurons of `layers` are not captured at all of the first `count` tokens."""
        return cache.captured(map(neuron_hook, layers)) < count

    def _capture(self, cache: ContextCache, count: int, layers: Sequence[int]) -> bool:
        """Does one pass towards capturing them, if they are not captured yet; returns whether it did."""
        if not self._is_missing(cache, count, layers):
            return False
        begun = time.monotonic()
        hooks = frozenset(map(neuron_hook, layers))
        computed = self._runner.extend([self._runner.next_piece(cache, hooks, count, LARGEST_CHUNK)])
        self._last_pass = PassReport(1, sum(computed), time.monotonic() - begun)
        return True

    def _cache_of(self, context: int, ids: IntArray, document: _Document) -> ContextCache:
        """A cache for the tokens that a question is about: usually that of their context. If the text has changed
        since, a separate one, so that neither discards what was computed for the other."""
        if context < len(document.contexts):
            cache = document.contexts[context].cache
            if np.array_equal(cache.ids[: len(ids)], ids):
                return cache
        if document.spare is None:
            document.spare = self._runner.new_cache()
        document.spare.align(ids)
        return document.spare

    def _former(self, pair: ContextPair, now: ContextCache, layers: Sequence[int], document: _Document) -> ContextCache:
        """A cache of a context as it was. While somebody types, the newest text is usually compared with the same
        former one, which is then computed already."""
        hooks = [neuron_hook(layer) for layer in layers]
        former, shared = document.former, common_prefix(now.ids, pair.old_ids)
        if former is None or min(former.captured(hooks), common_prefix(former.ids, pair.old_ids)) < shared:
            former = document.former = now.fork(shared, hooks)
        if len(former.ids) < len(pair.old_ids) or not np.array_equal(former.ids[: len(pair.old_ids)], pair.old_ids):
            former.align(pair.old_ids)
        return former

    # -------------------------------------------------------------------------------- trouble

    def _give_up(self, key: Key, error: Exception) -> Failed:
        """Ends a document's evaluation; its next one starts from nothing. Other documents are not affected."""
        document = self._documents[key]
        document.finished = True
        document.contexts = []
        document.spare = document.former = None
        document.nbytes = 0
        return Failed(key, _failure(error), serial=document.serial)

    def _drop_others(self, but: Key) -> bool:
        """Drops what is computed for all other documents; returns whether there was anything."""
        others = [document for key, document in self._documents.items() if key != but and document.nbytes]
        for document in others:
            self._drop(document)
        return bool(others)

    def _drop(self, document: _Document) -> None:
        """Drops what was computed for a document. It is computed again when it is needed."""
        for context in document.contexts:
            context.cache = self._runner.new_cache()
            context.cache.align(context.target.ids)
        document.spare = document.former = None
        document.nbytes = 0

    def _keep_within_budget(self, at_work: list[Key]) -> None:
        worked_on = [self._documents[key] for key in at_work]
        for document in worked_on:
            document.nbytes = sum(cache.nbytes for cache in document.caches())
        excess = self.nbytes - self._cache_bytes
        for document in self._documents.values():
            if excess > 0 and document.former is not None and not document.comparisons:
                document.nbytes -= document.former.nbytes
                excess -= document.former.nbytes
                document.former = None
        if excess <= 0:
            return
        # Documents whose evaluation is in progress come last: they would only have to be computed again.
        others = (document for document in self._documents.values() if document not in worked_on)
        for document in sorted(others, key=lambda document: (not document.idle, document.last_used)):
            if excess <= 0:
                return
            self._short = self._short or not document.idle
            excess -= document.nbytes
            self._drop(document)


def _can_join(document: _Document) -> bool:
    resting = document.finished or document.held or document.alone
    return not (resting or document.probes) and any(context.needs_pass for context in document.contexts)


def _failure(error: Exception) -> str:
    if is_out_of_memory(error):
        return "There is not enough memory for the forward pass."
    return f"The forward pass failed: {type(error).__name__}."


def _by_hook(units: tuple[Unit, ...]) -> dict[str, list[int]]:
    columns: dict[str, list[int]] = {}
    for hook, column in units:
        columns.setdefault(hook, []).append(column)
    return columns
