"""Carries out what a session wants done, and reports back. Lives as long as the session, across connections."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from typing import Any

from ..document.tokenizer import TooManyTokens
from ..engine.commands import LoadProgress
from ..errors import ModelLoadFailed, RequestError
from ..logs import about
from ..protocol import codec
from ..protocol.codec import Message
from ..protocol.messages import RequestId
from ..session import (
    Compute,
    Effects,
    GiveUpLoading,
    LoadModel,
    Notify,
    Refuse,
    Reply,
    Session,
    Tokenize,
)
from .metrics import Metrics
from .models import Models
from .outbox import Outbox
from .tokenizing import Tokenizing

_log = logging.getLogger(__name__)

_MOST_WAITING = 8
"""Texts of one session that may wait to be tokenized; beyond that its messages have to wait."""


class EffectRunner:
    """Carries out the effects of one session. All methods run on the event loop.

    Args:
        on_failure: called when the session has failed at something that no connection waits for; it has to end then.
    """

    def __init__(
        self,
        session: Session,
        models: Models,
        tokenizing: Tokenizing,
        metrics: Metrics,
        on_failure: Callable[[], None],
    ) -> None:
        self.session = session
        self._on_failure = on_failure
        self.outbox: Outbox | None = None
        self._models = models
        self._threads = tokenizing
        self._metrics = metrics
        self._tasks: set[asyncio.Task[None]] = set()
        self._loads: dict[RequestId, asyncio.Task[None]] = {}
        self._turn = asyncio.Lock()
        self._tokenizing = 0
        self._tokenized = asyncio.Event()
        self._deadline: float | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def busy(self) -> bool:
        """Whether its client waits for anything: a result, or a frame that is still to be sent."""
        return bool(self._tasks) or self.session.has_pending_work or (self.outbox is not None and not self.outbox.empty)

    async def room(self) -> None:
        """Waits until few enough texts wait to be tokenized."""
        while self._tokenizing >= _MOST_WAITING:
            self._tokenized.clear()
            await self._tokenized.wait()

    def receive(self, message: Message) -> None:
        self.perform(self.session.receive(message))

    def react(self, happened: Callable[[], Effects]) -> None:
        """Carries out effects that are not caused by a message of its connection."""
        try:
            self.perform(happened())
        except Exception as error:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        _log.error("A session failed.", exc_info=error, extra=about(session=self.session.id[:6]))
        self._on_failure()

    def perform(self, effects: Effects) -> None:
        for effect in effects:
            match effect:
                case Reply():
                    self._respond(codec.response(effect.id, effect.result))
                case Refuse():
                    self._respond(codec.error_response(effect.id, effect.error))
                case Notify():
                    self._metrics.notified(effect.method, effect.params)
                    if self.outbox is not None:
                        self.outbox.notify(effect.method, effect.params)
                case Tokenize():
                    self._tokenizing += 1
                    self._start(self._tokenize(effect))
                case Compute():
                    self._models[effect.model].submit(effect.command)
                case LoadModel():
                    self._loads[effect.id] = self._start(self._load(effect))
                case GiveUpLoading():
                    if (task := self._loads.pop(effect.id, None)) is not None:
                        task.cancel()
        if self.session.deadline != self._deadline:
            self._set_timer()

    def _set_timer(self) -> None:
        """Calls `Session.expire` in time."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._deadline = self.session.deadline
        if self._deadline is not None:
            delay = max(0.0, self._deadline - time.monotonic())
            self._timer = asyncio.get_running_loop().call_later(delay, self._expire)

    def _expire(self) -> None:
        self._deadline = None  # if it is not over yet by the session's clock, a new timer is set
        self.react(self.session.expire)

    def end(self) -> None:
        """The session is over."""
        self.react(self.session.detach)
        self.react(self.session.forget_all)
        if self._timer is not None:
            self._timer.cancel()
        for task in self._tasks:
            task.cancel()

    def _respond(self, response: dict[str, object]) -> None:
        if self.outbox is not None:
            self.outbox.respond(response)

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fail(error)

    async def _tokenize(self, work: Tokenize) -> None:
        try:
            async with self._turn:  # a session uses one thread at a time, however many documents it opens
                if not self.session.waits_for(work.uri, work.ticket):
                    return
                begun = time.perf_counter()
                tokens = await self._threads.tokens(work)
        except TooManyTokens:
            self.perform(self.session.too_many_tokens(work.uri, work.ticket))
            return
        except Exception:
            _log.exception("Tokenizing failed.", extra=about(session=self.session.id[:6]))
            self.perform(self.session.tokenizing_failed(work.uri, work.ticket))
            return
        finally:
            self._tokenizing -= 1
            self._tokenized.set()
        seconds = time.perf_counter() - begun
        self._metrics.tokenized(seconds, work.merged)
        self.perform(self.session.tokenized(work.uri, work.ticket, tokens, seconds))

    async def _load(self, work: LoadModel) -> None:
        model = self._models[work.model]
        reporter = ProgressReporter(self.outbox, work.progress_token, f"Loading {model.spec.title}")
        try:
            served = await self._models.load(work.model, reporter.report)
        except RequestError as error:
            reporter.end("Failed")
            detail = error.detail if isinstance(error, ModelLoadFailed) else None
            facts = about(session=self.session.id[:6], model=work.model, reason=error.message, detail=detail or None)
            _log.warning("model failed to load", extra=facts)
            self.perform(self.session.model_failed(work.id, error))
        except asyncio.CancelledError:
            reporter.end("Cancelled")
            raise
        else:
            reporter.end("Ready")
            self.perform(self.session.model_loaded(work.id, served))
        finally:
            if self._loads.get(work.id) is asyncio.current_task():
                del self._loads[work.id]


class ProgressReporter:
    """Sends `$/progress` while a model loads, as LSP does; nothing without a token."""

    def __init__(self, outbox: Outbox | None, token: str | int | None, title: str) -> None:
        self._outbox = outbox if token is not None else None
        self._token = token
        self._title = title
        self._begun = False

    def report(self, progress: LoadProgress) -> None:
        kind = "report" if self._begun else "begin"
        value = {"kind": kind, "message": progress.message, "percentage": progress.percentage}
        if not self._begun:
            value["title"] = self._title
            self._begun = True
        self._send(value)

    def end(self, message: str) -> None:
        if self._begun:
            self._send({"kind": "end", "message": message})

    def _send(self, value: dict[str, object]) -> None:
        if self._outbox is not None:
            self._outbox.notify("$/progress", {"token": self._token, "value": value})
