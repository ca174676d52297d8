"""One websocket: frames in, messages to its session, frames out.

`initialize` finds or makes the session, and all other messages go to it. Only `ping` is answered here. Any unexpected
exception is caught in one place: it is logged, and the connection is closed with 1011.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections.abc import Callable
from typing import TypeGuard

from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode

from .. import __version__
from ..config import Settings
from ..document.text import choose_encoding
from ..errors import InvalidParams, NotInitialized, RequestError
from ..logs import about
from ..protocol import codec
from ..protocol.codec import Fault, Frame, Message, Notification, Request
from ..protocol.messages import PROTOCOL_VERSION, ActivationEncoding, InitializeParams
from ..session import initialize_result
from .effect_runner import EffectRunner, ProgressReporter
from .forwarded import Peer
from .inbox import Inbox
from .metrics import Metrics
from .models import Models
from .outbox import Outbox, batch_too_long
from .rate_limiter import BYTES_A_MESSAGE, RateLimiter
from .sessions import Sessions
from .socket import Socket
from .timeouts import Timeouts, Verdict

_log = logging.getLogger(__name__)

_numbers = itertools.count(1)

_PAUSE = 0.001
"""Seconds; a message that arrives sooner than this after `recv` was called had been waiting."""


_CLOSE_CODES = {
    Verdict.SLOW: (CloseCode.POLICY_VIOLATION, "what was sent is not read"),
    Verdict.IDLE: (CloseCode.NORMAL_CLOSURE, "idle for too long"),
}
"""How a connection is closed whose peer may still be there; any other is aborted."""


class Connection:
    """A client's connection from its first frame to its last.

    Args:
        peer: the client's address, and how it connected.
        draining: whether the server is shutting down and accepts no new work.
    """

    def __init__(
        self,
        socket: Socket,
        peer: Peer,
        settings: Settings,
        models: Models,
        sessions: Sessions,
        metrics: Metrics,
        draining: Callable[[], bool],
    ) -> None:
        self.runner: EffectRunner | None = None
        self.address = peer.address
        self.outbox = Outbox(socket, self._pause_writing, self._resume_writing)
        self._socket = socket
        self._settings = settings
        self._models = models
        self._sessions = sessions
        self._metrics = metrics
        self._draining = draining
        self._rate_limiter = RateLimiter(settings.limits.messages_per_second)
        self._spoke = asyncio.get_running_loop().time()
        self._inbox = Inbox()
        self._begun = time.monotonic()
        self._messages = 0
        self._number = next(_numbers)  # tells its lines in the log apart from others'
        self._opened = about(connection=self._number, address=peer.address, secure=peer.secure)

    async def run(self) -> None:
        """Serves the connection until it is closed."""
        _log.info("connection opened", extra=self._opened)
        parts = (self._read(), self._act(), self.outbox.run(), self._watch(), self._socket.wait_closed())
        tasks = [asyncio.ensure_future(part) for part in parts]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            faults = [task.exception() for task in done if not isinstance(task.exception(), ConnectionClosed | None)]
            if faults:
                _log.error("connection failed", exc_info=faults[0], extra=about(connection=self._number))
                await self._socket.close(CloseCode.INTERNAL_ERROR, "internal error")
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._log_end()
            self._sessions.release(self)

    def _log_end(self) -> None:
        protocol = self._socket.protocol
        ours = protocol.close_sent if not protocol.close_rcvd_then_sent else None
        code = ours.code if ours is not None else self._socket.close_code
        self._metrics.closed(code)
        facts = about(
            connection=self._number,
            session=self.runner.session.id[:6] if self.runner is not None else None,
            code=code,
            reason=ours.reason or None if ours is not None else None,  # the client's may say anything
            seconds=time.monotonic() - self._begun,
            messages=self._messages,
        )
        _log.info("connection closed", extra=facts)

    async def close(self, code: int, reason: str) -> None:
        await self._socket.close(code, reason)

    async def _read(self) -> None:
        """Reads frames ahead of `_act`, so that a `ping` is answered even while earlier messages wait."""
        while True:
            asked = time.monotonic()
            text = await self._socket.recv()
            if time.monotonic() - asked > _PAUSE:
                self._rate_limiter.paused()
            if self._draining():
                await self._socket.wait_closed()
                return
            if not isinstance(text, str):
                await self._socket.close(CloseCode.UNSUPPORTED_DATA, "only text frames are accepted")
                return
            if not await self._within_rate(len(text) // BYTES_A_MESSAGE):
                break
            frame = codec.decode(text)
            if not await self._within_rate(len(frame.messages)):
                break
            if not frame.batch and _is_ping(frame.messages[0]):
                await self.outbox.room()
                await self._dispatch(frame.messages[0])
                continue
            self._spoke = asyncio.get_running_loop().time()
            await self._inbox.put(frame, len(text))
        self._metrics.gave_up("flood")
        await self._socket.close(CloseCode.POLICY_VIOLATION, "too many messages")

    async def _act(self) -> None:
        while True:
            frame, size = await self._inbox.take()
            await self._take(frame)
            await self._inbox.done(size)

    async def _watch(self) -> None:
        verdict = await Timeouts.of(self._settings).runs_out(self._socket, self._last_spoke)
        self._metrics.gave_up(verdict.value)
        if verdict in _CLOSE_CODES:
            await self._socket.close(*_CLOSE_CODES[verdict])
        else:
            self._socket.transport.abort()

    def _last_spoke(self) -> float:
        """When the client last sent a message other than `ping`, or was waiting for an answer."""
        if not self._inbox.empty or (self.runner is not None and self.runner.busy):
            self._spoke = asyncio.get_running_loop().time()
        return self._spoke

    async def _within_rate(self, messages: int) -> bool:
        """Waits, without reading, until the client is within its rate; False if it has exceeded it for too long."""
        delay = self._rate_limiter.take(time.monotonic(), messages)
        if delay:
            await asyncio.sleep(delay)
        return self._rate_limiter.exceeded_for < self._settings.flood_seconds

    async def _take(self, frame: Frame) -> None:
        """Acts on the messages of a frame, each when there is room for its answer."""
        batch = None
        if frame.batch:
            await self.outbox.room()
            # An erroneous message of a batch is answered too, notifications are not.
            batch = self.outbox.expect_batch(
                [m.id for m in frame.messages if isinstance(m, Request) or (isinstance(m, Fault) and not m.method)]
            )
        for message in frame.messages:
            # The answers of a batch are sent together at its end, so a request in it cannot wait for room.
            if batch is None or isinstance(message, Notification):
                await self.outbox.room(for_edits=isinstance(message, Notification))
            elif batch.full and isinstance(message, Request):
                self.outbox.respond(codec.error_response(message.id, batch_too_long()))
                continue
            if self.runner is not None:
                await self.runner.room()
            await self._dispatch(message)

    async def _dispatch(self, message: Message) -> None:
        self._messages += 1
        if not isinstance(message, Fault):
            self._metrics.received(message.method)
        if _is_ping(message):
            self.outbox.respond(codec.response(message.id, {}))
        elif self.runner is not None:
            self.runner.receive(message)
        elif isinstance(message, Request) and isinstance(message.params, InitializeParams):
            await self._initialize(message, message.params)
        else:
            self._refuse(message)

    def _refuse(self, message: Message) -> None:
        """Refuses a message that comes before `initialize`. What is not JSON-RPC, or a wrong `initialize`, gets its own
        error."""
        if isinstance(message, Fault) and message.called in (None, "initialize"):
            error = message.error
        else:
            error = NotInitialized("The first message must be `initialize`.")
        if isinstance(message, Request) or message.method is None:
            self.outbox.respond(codec.error_response(message.id, error))
        else:
            self.outbox.notify("$/error", {"method": message.method, **codec.error_object(error)})

    async def _initialize(self, request: Request, params: InitializeParams) -> None:
        try:
            self.runner, resumed = await self._begin(params)
        except RequestError as error:
            self.outbox.respond(codec.error_response(request.id, error))
            return
        facts = about(
            connection=self._number,
            session=self.runner.session.id[:6],
            client=params.client.name,
            client_version=params.client.version,
        )
        _log.info("session resumed" if resumed else "session begun", extra=facts)
        result = initialize_result(
            self.runner.session,
            resumed=resumed,
            server={"name": "Neuroscope", "version": __version__},
            models=self._models.summaries(),
        )
        self.outbox.respond(codec.response(request.id, result))
        self.runner.outbox = self.outbox

    async def _begin(self, params: InitializeParams) -> tuple[EffectRunner, bool]:
        if params.protocol_version != PROTOCOL_VERSION:
            raise InvalidParams(
                f"This server speaks protocol version {PROTOCOL_VERSION}, not {params.protocol_version}.",
                member="protocolVersion",
                supported=[PROTOCOL_VERSION],
            )
        positions = choose_encoding(params.position_encodings)
        activations = _choose_activation_encoding(params.activation_encodings)
        runner = self._sessions.resume(params.resume, self) if params.resume is not None else None
        resumed = runner is not None
        if runner is None:
            model = self._models.default
            reporter = ProgressReporter(self.outbox, params.work_done_token, f"Loading {model.spec.title}")
            served = await self._models.load(model.spec.id, reporter.report)
            reporter.end("Ready")
            runner = self._sessions.begin(served, self)
        runner.session.attach(positions, activations)
        return runner, resumed

    def _pause_writing(self) -> None:
        if self.runner is not None:
            self.runner.perform(self.runner.session.pause_writing())

    def _resume_writing(self) -> None:
        if self.runner is not None:
            self.runner.perform(self.runner.session.resume_writing())


def _is_ping(message: Message) -> TypeGuard[Request]:
    return isinstance(message, Request) and message.method == "ping"


def _choose_activation_encoding(offered: list[str]) -> ActivationEncoding:
    known: dict[str, ActivationEncoding] = {"json": "json", "base64": "base64"}
    for name in offered:
        if name in known:
            return known[name]
    if offered:
        raise InvalidParams(
            "No activation encoding in common: json and base64 are supported.", member="activationEncodings"
        )
    return "json"
