"""The models of a server, their workers, and the callers that wait for them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ..engine.catalog import LoadOptions, ModelSpec
from ..engine.commands import (
    Command,
    Key,
    LoadedModel,
    LoadFailed,
    LoadingNews,
    LoadProgress,
    Ping,
    Pong,
    Result,
    SetBudget,
    StepReport,
    ToWorker,
)
from ..errors import LimitExceeded, ModelLoadFailed
from ..logs import about
from ..model import ServedModel
from ..protocol.messages import ModelSummary
from .metrics import Metrics

_log = logging.getLogger(__name__)

OnProgress = Callable[[LoadProgress], None]
OnLost = Callable[[str, Collection[Key]], None]
"""Called with a model whose worker has died, and with the documents that it was computing."""


class Worker(Protocol):
    """A process that loads a model and then computes with it; see `WorkerProcess`."""

    at_work: tuple[Key, ...]

    def submit(self, command: ToWorker) -> None: ...

    def end(self) -> None: ...


StartWorker = Callable[[ModelSpec, LoadOptions, Callable[[Any], None], Callable[[], None]], Worker]
"""Starts a worker for a model. The first function is called on the event loop with each of its messages, the second
once when it has ended for any reason. Raises OSError if no process can be started."""

_STARTING = LoadProgress(0, "Starting PyTorch and TransformerLens")
_SHORT_LIFE = 60.0
"""Seconds; a worker that dies sooner after it was ready counts as a crash that may happen again."""
_LONGEST_PAUSE = 30.0
"""Seconds between the death of a worker and the start of the next, at most."""

_Outcome = asyncio.Future[ServedModel]
"""What callers of `load` wait for; it is always set eventually."""


class _Unloaded:
    """There is no worker, and none is needed."""


@dataclass(slots=True)
class _Loading:
    """A worker is loading the model."""

    outcome: _Outcome
    worker: Worker
    begun: float
    replaces: bool
    """Whether sessions hold the model, whose last worker has died."""
    progress: LoadProgress = _STARTING


@dataclass(slots=True)
class _Serving:
    """A worker has loaded the model, and computes."""

    model: ServedModel
    worker: Worker
    begun: float
    pong: asyncio.Future[None] | None = None


@dataclass(slots=True)
class _Pausing:
    """The worker has died. The next one starts after a pause, also for waiting callers."""

    outcome: _Outcome
    timer: asyncio.TimerHandle


# Unloaded --load--> Loading --loaded--> Serving --died--> Pausing --time is over--> Loading
# Loading --failed or died--> Unloaded, or Pausing where it replaces another;   any --end--> Unloaded
# A worker belongs to one state. Messages of any other worker are late, and ignored.


class Model:
    """One model that clients can choose: not loaded, loading, served by a worker, or about to get another worker."""

    def __init__(
        self,
        spec: ModelSpec,
        options: LoadOptions,
        start_worker: StartWorker,
        on_result: Callable[[Result], None],
        on_lost: OnLost,
        on_replaced: Callable[[str], None],
        metrics: Metrics,
        on_memory_change: Callable[[], None],
    ) -> None:
        self.spec = spec
        self._options = options
        self._start_worker = start_worker
        self._on_result = on_result
        self._on_lost = on_lost
        self._on_replaced = on_replaced
        self._metrics = metrics
        self._on_memory_change = on_memory_change
        self._state: _Unloaded | _Loading | _Serving | _Pausing = _Unloaded()
        self._crashes = 0
        """Consecutive workers that died early."""
        self._listeners: list[OnProgress] = []
        self.waiting = 0
        """How many callers wait for it to be loaded."""
        self.last_used = 0.0

    @property
    def in_memory(self) -> bool:
        """Whether it is loaded, being loaded, or about to be loaded again."""
        return not isinstance(self._state, _Unloaded)

    @property
    def served(self) -> ServedModel | None:
        """The model, while a worker serves it."""
        return self._state.model if isinstance(self._state, _Serving) else None

    async def load(self, on_progress: OnProgress | None = None) -> ServedModel:
        """The model, which is loaded if necessary; concurrent callers wait for the same worker.

        Raises:
            ModelLoadFailed: it cannot be loaded. The next call tries again.
        """
        self.last_used = asyncio.get_running_loop().time()
        if isinstance(self._state, _Serving):
            return self._state.model
        if isinstance(self._state, _Unloaded):
            outcome = _new_outcome()
            self._start(outcome, replaces=False)
        else:
            outcome = self._state.outcome
        if on_progress is not None:
            on_progress(self._state.progress if isinstance(self._state, _Loading) else _STARTING)
            self._listeners.append(on_progress)
        self.waiting += 1
        try:
            return await asyncio.shield(outcome)
        finally:
            self.waiting -= 1
            if on_progress is not None:
                self._listeners.remove(on_progress)

    def submit(self, command: Command) -> None:
        """Sends a command to the worker. If no worker serves the model the command is dropped; sessions repeat it when
        the worker has been replaced."""
        if isinstance(self._state, _Serving):
            self.last_used = asyncio.get_running_loop().time()
            self._state.worker.submit(command)

    def set_budget(self, budget: SetBudget) -> None:
        """Tells the worker, if there is one, how much computed state it may keep."""
        if isinstance(self._state, _Loading | _Serving):
            self._state.worker.submit(budget)

    async def answers(self, seconds: float) -> bool:
        """Whether it is loaded and its worker answers within this many seconds."""
        state = self._state
        if not isinstance(state, _Serving):
            return False
        if state.pong is None or state.pong.done():
            state.pong = asyncio.get_running_loop().create_future()
            state.worker.submit(Ping())
        pong = state.pong
        await asyncio.wait([pong], timeout=seconds)
        return pong.done() and not pong.cancelled()

    def summary(self, default: bool) -> ModelSummary:
        spec = self.spec
        summary: ModelSummary = {
            "id": spec.id,
            "title": spec.title,
            "loaded": self.served is not None,
            "default": default,
        }
        if spec.description is not None:
            summary["description"] = spec.description
        return summary

    def end(self) -> None:
        """Unloads it; `load` loads it again."""
        state, self._state = self._state, _Unloaded()
        self._crashes = 0
        self._metrics.unloaded(self.spec.id)
        if isinstance(state, _Pausing):
            state.timer.cancel()
        elif isinstance(state, _Loading | _Serving):
            state.worker.end()
        if isinstance(state, _Serving):
            _cancel(state.pong)
        elif isinstance(state, _Loading | _Pausing):
            state.outcome.set_exception(self._failure("was unloaded"))
        self._on_memory_change()

    # -------------------------------------------------------------------------------- transitions

    def _start(self, outcome: _Outcome, replaces: bool) -> None:
        _log.info("model loading", extra=about(model=self.spec.id))
        try:
            worker = self._start_worker(
                self.spec, self._options, lambda message: self._receive(worker, message), lambda: self._died(worker)
            )
        except OSError as error:
            why = f"No process could be started for {self.spec.title}: {error.strerror}."
            self._load_failed(outcome, replaces, ModelLoadFailed(why, model=self.spec.id))
        else:
            self._state = _Loading(outcome, worker, asyncio.get_running_loop().time(), replaces)
            self._on_memory_change()

    def _receive(self, worker: Worker, message: LoadingNews | StepReport | Pong) -> None:
        state = self._state
        if isinstance(state, _Loading) and state.worker is worker:
            match message:
                case LoadProgress():
                    state.progress = message
                    for listener in self._listeners:
                        listener(message)
                case LoadedModel():
                    self._loaded(state, message)
                case LoadFailed():
                    worker.end()
                    failure = ModelLoadFailed(message.message, message.detail, model=self.spec.id)
                    self._load_failed(state.outcome, state.replaces, failure)
        elif isinstance(state, _Serving) and state.worker is worker:
            match message:
                case StepReport():
                    self._metrics.stepped(self.spec.id, message)
                    for result in message.results:
                        self._deliver(result)
                case Pong():
                    if state.pong is not None and not state.pong.done():
                        state.pong.set_result(None)

    def _deliver(self, result: Result) -> None:
        try:
            self._on_result(result)
        except Exception:  # of one session; the others get theirs
            _log.exception("A result could not be delivered.", extra=about(session=result.key[0][:6]))

    def _loaded(self, state: _Loading, loaded: LoadedModel) -> None:
        try:
            model = ServedModel.of(self.spec.id, loaded)
        except Exception:
            _log.exception("The tokenizer cannot be used.", extra=about(model=self.spec.id))
            state.worker.end()
            failure = ModelLoadFailed(f"The tokenizer of {self.spec.title} cannot be used.", model=self.spec.id)
            self._load_failed(state.outcome, state.replaces, failure)
            return
        now = asyncio.get_running_loop().time()
        self._state = _Serving(model, state.worker, now)
        seconds = now - state.begun
        _log.info("model loaded", extra=about(model=self.spec.id, seconds=seconds, device=loaded.device))
        for note in loaded.notes:
            _log.warning("%s", note, extra=about(model=self.spec.id))
        state.outcome.set_result(model)
        if state.replaces:
            self._on_replaced(self.spec.id)

    def _load_failed(self, outcome: _Outcome, replaces: bool, failure: ModelLoadFailed) -> None:
        if replaces:  # perhaps no caller waits who would get the error
            reason = failure.detail or failure.message
            _log.error("model failed to load", extra=about(model=self.spec.id, reason=reason))
            self._crashes += 1
            self._pause()
        else:
            self._state = _Unloaded()
            self._on_memory_change()
        outcome.set_exception(failure)

    def _died(self, worker: Worker) -> None:
        state = self._state
        if isinstance(state, _Loading) and state.worker is worker:
            why = f"The process that loads {self.spec.title} has died."
            self._load_failed(state.outcome, state.replaces, ModelLoadFailed(why, model=self.spec.id))
        elif isinstance(state, _Serving) and state.worker is worker:
            lived = asyncio.get_running_loop().time() - state.begun
            self._crashes = self._crashes + 1 if lived < _SHORT_LIFE else 0
            _log.error("worker died", extra=about(model=self.spec.id))
            self._pause()
            _cancel(state.pong)
            self._metrics.worker_died(self.spec.id)
            self._on_lost(self.spec.id, worker.at_work)

    def _pause(self) -> None:
        # One client's request may be what kills workers: each early death makes the next start wait longer.
        delay = min(_LONGEST_PAUSE, 2.0 ** min(self._crashes, 10) - 1)
        _log.warning("model to be loaded again", extra=about(model=self.spec.id, seconds_to_next=delay))
        outcome = _new_outcome()
        timer = asyncio.get_running_loop().call_later(delay, self._start, outcome, True)
        self._state = _Pausing(outcome, timer)

    def _failure(self, what: str) -> ModelLoadFailed:
        return ModelLoadFailed(f"{self.spec.title} {what}.", model=self.spec.id)


def _new_outcome() -> _Outcome:
    outcome: _Outcome = asyncio.get_running_loop().create_future()
    outcome.add_done_callback(lambda done: done.cancelled() or done.exception())  # perhaps no caller waits
    return outcome


def _cancel(pong: asyncio.Future[None] | None) -> None:
    if pong is not None:
        pong.cancel()


class Models:
    """All models of a server; the first is the default.

    Args:
        start_worker: starts the process of a model.
        cache_bytes: the budget for computed state, which the models in memory share.
        most_loaded: models in memory at once.
        in_use: returns the ids of those that sessions hold.
    """

    def __init__(
        self,
        specs: Sequence[ModelSpec],
        options: LoadOptions,
        start_worker: StartWorker,
        on_result: Callable[[Result], None],
        on_lost: OnLost,
        on_replaced: Callable[[str], None],
        metrics: Metrics,
        cache_bytes: int,
        most_loaded: int,
        in_use: Callable[[], Collection[str]],
    ) -> None:
        self._cache_bytes = cache_bytes
        self._most_loaded = most_loaded
        self._in_use = in_use
        self._models = {
            spec.id: Model(spec, options, start_worker, on_result, on_lost, on_replaced, metrics, self._share_budget)
            for spec in specs
        }
        self.default = self._models[specs[0].id]

    def __getitem__(self, model_id: str) -> Model:
        return self._models[model_id]

    async def load(self, model_id: str, on_progress: OnProgress | None = None) -> ServedModel:
        """The model, which is loaded if necessary.

        Raises:
            LimitExceeded: the most models are in memory, and all are in use.
            ModelLoadFailed: it cannot be loaded.
        """
        model = self._models[model_id]
        if not model.in_memory:
            self._make_room(model)
        return await model.load(on_progress)

    def _make_room(self, wanted: Model) -> None:
        loaded = [model for model in self._models.values() if model.in_memory]
        if len(loaded) < self._most_loaded:
            return
        used = {*self._in_use(), self.default.spec.id}
        idle = [model for model in loaded if model.spec.id not in used and not model.waiting]
        if not idle:
            maximum = self._most_loaded
            raise LimitExceeded(
                f"{wanted.spec.title} cannot be loaded: {maximum} models may be in memory, and those there are in use.",
                limit="modelsLoaded",
                maximum=maximum,
            )
        model = min(idle, key=lambda model: model.last_used)
        _log.info("model unloaded", extra=about(model=model.spec.id, to_make_place_for=wanted.spec.id))
        model.end()

    def _share_budget(self) -> None:
        """Gives each model in memory an equal share of the budget for computed state."""
        loaded = [model for model in self._models.values() if model.in_memory]
        for model in loaded:
            model.set_budget(SetBudget(self._cache_bytes // len(loaded), len(loaded)))

    def summaries(self) -> list[ModelSummary]:
        return [model.summary(model is self.default) for model in self._models.values()]

    def end(self) -> None:
        for model in self._models.values():
            model.end()
