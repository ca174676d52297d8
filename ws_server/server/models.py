"""The models of a server: which there are, their workers, and who waits for them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Sequence

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
    StepReport,
)
from ..errors import LimitExceeded, ModelLoadFailed
from ..logs import about
from ..model import ServedModel
from ..protocol.messages import ModelSummary
from .launcher import Launcher
from .metrics import Metrics
from .worker_process import WorkerProcess

_log = logging.getLogger(__name__)

OnProgress = Callable[[LoadProgress], None]
OnLost = Callable[[str, Collection[Key]], None]
"""Called with a model whose worker has died, and with the documents that it was computing."""

_STARTING = LoadProgress(0, "Starting PyTorch and TransformerLens")
_SHORT_LIFE = 60.0
"""Seconds; a worker that dies sooner after it was ready counts as a failed start."""
_LONGEST_PAUSE = 30.0
"""Seconds between the death of a worker and the start of the next, at most."""


class Model:
    """One model that clients can choose: not loaded, loading, or served by a worker."""

    def __init__(
        self,
        spec: ModelSpec,
        options: LoadOptions,
        launcher: Launcher,
        on_result: Callable[[Result], None],
        on_lost: OnLost,
        on_replaced: Callable[[str], None],
        metrics: Metrics,
    ) -> None:
        self.spec = spec
        self._launcher = launcher
        self.served: ServedModel | None = None
        self._options = options
        self._on_result = on_result
        self._on_lost = on_lost
        self._on_replaced = on_replaced
        self._metrics = metrics
        self._worker: WorkerProcess | None = None
        self._loading: asyncio.Future[ServedModel] | None = None
        self._progress = _STARTING
        self._listeners: list[OnProgress] = []
        self._pong: asyncio.Future[None] | None = None
        self._restart: asyncio.TimerHandle | None = None
        self._replacing = False
        self._served_since = 0.0
        self._loading_since = 0.0
        self._strikes = 0
        self.waiting = 0
        """How many callers wait for it to be loaded."""
        self.last_used = 0.0

    @property
    def in_memory(self) -> bool:
        """Whether it is loaded, being loaded, or about to be loaded again."""
        return self._worker is not None or self._replacing

    async def load(self, on_progress: OnProgress | None = None) -> ServedModel:
        """The model, loaded now if it is not yet; callers that come meanwhile wait for the same load.

        Raises:
            ModelLoadFailed: it cannot be had. The next call tries again.
        """
        self.last_used = time.monotonic()
        if self.served is not None:
            return self.served
        loading = self._loading if self._loading is not None else self._start()
        if on_progress is not None:
            on_progress(self._progress)
            self._listeners.append(on_progress)
        self.waiting += 1
        try:
            return await asyncio.shield(loading)
        finally:
            self.waiting -= 1
            if on_progress is not None:
                self._listeners.remove(on_progress)

    def submit(self, command: Command) -> None:
        """Hands a command to the worker. While there is none it is dropped: nothing is computed for anyone then, and
        sessions ask again when it has been replaced."""
        if self._worker is not None:
            self.last_used = time.monotonic()
            self._worker.submit(command)

    async def answers(self, patience: float) -> bool:
        """Whether it is loaded and its worker gives a sign of life within `patience` seconds."""
        if self.served is None or self._worker is None:
            return False
        if self._pong is None or self._pong.done():
            self._pong = asyncio.get_running_loop().create_future()
            self._worker.submit(Ping())
        pong = self._pong
        await asyncio.wait([pong], timeout=patience)
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
        """Takes it out of memory; `load` brings it back."""
        self.served, self._replacing = None, False
        self._metrics.unloaded(self.spec.id)
        if self._restart is not None:
            self._restart.cancel()
            self._restart = None
        if self._worker is not None:
            worker, self._worker = self._worker, None
            worker.end()
            self._expect_no_pong()
        self._settle(ModelLoadFailed(f"{self.spec.title} was taken out of memory.", model=self.spec.id))

    def _expect_no_pong(self) -> None:
        if self._pong is not None:
            self._pong.cancel()
            self._pong = None

    def _start(self) -> asyncio.Future[ServedModel]:
        self._restart = None
        self._progress = _STARTING
        loading: asyncio.Future[ServedModel] = asyncio.get_running_loop().create_future()
        loading.add_done_callback(lambda done: done.cancelled() or done.exception())  # nobody may be waiting
        self._loading = loading
        self._loading_since = time.monotonic()
        _log.info("model loading", extra=about(model=self.spec.id))
        try:
            worker = WorkerProcess(self._launcher, self.spec, self._options, self._receive, lambda: self._ended(worker))
        except OSError as error:
            self._settle(ModelLoadFailed(f"No process could be started for {self.spec.title}: {error.strerror}."))
        else:
            self._worker = worker
        return loading

    def _receive(self, message: LoadingNews | StepReport | Pong) -> None:
        match message:
            case Pong():
                if self._pong is not None and not self._pong.done():
                    self._pong.set_result(None)
            case StepReport():
                self._metrics.stepped(self.spec.id, message)
                for result in message.results:
                    self._on_result(result)
            case LoadProgress():
                self._progress = message
                for listener in self._listeners:
                    listener(message)
            case LoadedModel():
                self._serve(message)
            case LoadFailed():
                if self._replacing:  # nobody may be waiting who would be told
                    _log.error("model failed to load", extra=about(model=self.spec.id, reason=message.detail))
                self._settle(ModelLoadFailed(message.message, message.detail, model=self.spec.id))

    def _settle(self, outcome: ServedModel | ModelLoadFailed) -> None:
        loading, self._loading = self._loading, None
        if loading is None:
            return
        if isinstance(outcome, ServedModel):
            loading.set_result(outcome)
        else:
            loading.set_exception(outcome)

    def _serve(self, loaded: LoadedModel) -> None:
        try:
            self.served = ServedModel.of(self.spec.id, loaded)
        except Exception:
            _log.exception("The tokenizer cannot be used.", extra=about(model=self.spec.id))
            self._settle(ModelLoadFailed(f"The tokenizer of {self.spec.title} cannot be used.", model=self.spec.id))
            return
        self._served_since = time.monotonic()
        seconds = self._served_since - self._loading_since
        _log.info("model loaded", extra=about(model=self.spec.id, seconds=seconds, device=loaded.device))
        self._settle(self.served)
        if self._replacing:
            self._replacing = False
            self._on_replaced(self.spec.id)

    def _ended(self, worker: WorkerProcess) -> None:
        if worker is not self._worker:
            return  # ended by us
        self._worker = None
        self._expect_no_pong()
        self._settle(ModelLoadFailed(f"The process that loads {self.spec.title} has died.", model=self.spec.id))
        if self.served is not None:
            self.served = None
            self._replacing = True
            lived = time.monotonic() - self._served_since
            self._strikes = self._strikes + 1 if lived < _SHORT_LIFE else 0
            self._metrics.worker_died(self.spec.id)
            self._on_lost(self.spec.id, worker.at_work)
        elif self._replacing:
            self._strikes += 1
        if self._replacing:
            # What one client asks for may be what kills it: each early death makes the next start wait longer.
            delay = min(_LONGEST_PAUSE, 2.0**self._strikes - 1)
            _log.error("worker died", extra=about(model=self.spec.id, seconds_to_next=delay))
            self._restart = asyncio.get_running_loop().call_later(delay, self._start)


class Models:
    """All models of a server; the first is the default.

    Args:
        most_loaded: models in memory at once.
        in_use: the ids of those that sessions hold.
    """

    def __init__(
        self,
        specs: Sequence[ModelSpec],
        options: LoadOptions,
        launcher: Launcher,
        on_result: Callable[[Result], None],
        on_lost: OnLost,
        on_replaced: Callable[[str], None],
        metrics: Metrics,
        most_loaded: int,
        in_use: Callable[[], Collection[str]],
    ) -> None:
        self._most_loaded = most_loaded
        self._in_use = in_use
        self._models = {
            spec.id: Model(spec, options, launcher, on_result, on_lost, on_replaced, metrics) for spec in specs
        }
        self.default = self._models[specs[0].id]

    def __getitem__(self, model_id: str) -> Model:
        return self._models[model_id]

    async def load(self, model_id: str, on_progress: OnProgress | None = None) -> ServedModel:
        """The model, loaded now if it is not yet.

        Raises:
            LimitExceeded: as many as may be are in memory, and all are in use.
            ModelLoadFailed: it cannot be had.
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
        _log.info("model taken out of memory", extra=about(model=model.spec.id, to_make_place_for=wanted.spec.id))
        model.end()

    def summaries(self) -> list[ModelSummary]:
        return [model.summary(model is self.default) for model in self._models.values()]

    def end(self) -> None:
        for model in self._models.values():
            model.end()
