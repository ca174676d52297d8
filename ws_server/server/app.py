"""The server: listens, serves pages and websockets, loads the default model, and shuts down in order."""

from __future__ import annotations

import asyncio
import errno
import http
import logging
import os
import secrets
import signal
import socket
import time
import webbrowser
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import orjson
from websockets.asyncio.server import ServerConnection, serve
from websockets.frames import CloseCode
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from .. import __version__
from ..config import Settings
from ..engine.catalog import LoadOptions, ModelSpec
from ..errors import ModelLoadFailed, StartupError
from ..logs import about
from ..protocol.openrpc import openrpc_document
from ..streams import print_line
from .access import Access, field, is_loopback
from .connection import Connection
from .docs import docs_page, docs_style
from .forwarded import Peer, Proxies
from .gate import RequestGate
from .launcher import Launcher
from .memory import usable_memory
from .metrics import Metrics
from .models import Models
from .sessions import Sessions
from .site import Site, respond
from .socket import MOST_READ_AHEAD, Socket, limited_to
from .tls import Certificate
from .tokenizing import Tokenizing, abandon_tokenizing
from .worker_process import WorkerProcess

_log = logging.getLogger(__name__)

_MOST_OTHER_CONNECTIONS = 256
"""Connections beyond twice the sessions: page requests, and handshakes in progress."""
_DRAIN_CHECK_EVERY = 0.02
"""Seconds between two checks whether everything has been answered."""
_EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
_ACCEPT_FAILURE_EVERY = 60.0
"""Seconds between two log lines saying that no connection can be accepted."""
SUBPROTOCOL = Subprotocol("neuroscope.v1")


class Server:
    """One running server.

    Args:
        settings: how it runs.
        specs: the models it offers; the first is the default.
        launcher: starts the workers; its owner ends it.
    """

    def __init__(self, settings: Settings, specs: Sequence[ModelSpec], launcher: Launcher) -> None:
        cache_bytes = settings.limits.cache_bytes or usable_memory() // 4
        self.settings = settings = replace(settings, limits=replace(settings.limits, cache_bytes=cache_bytes))
        self.draining = False
        """Whether no new work is accepted, and only pending requests are answered."""
        self.metrics = Metrics()
        self._specs = specs
        self._tokenizing = Tokenizing()
        self.sessions = Sessions(settings, lambda: self.models, self._tokenizing, self.metrics)
        self.token = settings.token
        self._proxies = Proxies(settings.trusted_proxies)
        if self.token is None and (self._proxies or not is_loopback(settings.host)):
            self.token = secrets.token_urlsafe(24)
        self._access = Access(settings.host, settings.allowed_origins, self.token, settings.allowed_hosts)
        self._certificate: Certificate | None = None
        if settings.tls_certificate is not None:
            self._certificate = Certificate(settings.tls_certificate, settings.tls_key)
        self._stop = asyncio.Event()
        self._failure: StartupError | None = None
        self._signals: list[signal.Signals] = []
        self._drain: asyncio.Task[None] | None = None
        self._connections: set[Connection] = set()
        self._accept_failure_due = float("-inf")
        """When the next failure to accept a connection is to be logged."""
        options = LoadOptions(settings.device, settings.dtype, settings.context_tokens)
        self.models = Models(
            specs,
            options,
            partial(WorkerProcess, launcher),
            self.sessions.computed,
            self.sessions.engine_lost,
            self.sessions.engine_replaced,
            self.metrics,
            cache_bytes,
            settings.limits.models_loaded,
            self.sessions.models_in_use,
        )
        site = Site(
            {
                "/healthz": ("application/json", self._health),
                "/readyz": ("application/json", self._readiness),
                "/metrics": ("text/plain; version=0.0.4; charset=utf-8", self._metrics),
                "/openrpc.json": ("application/json", self._openrpc),
            },
            {
                "/opening.json": (_opening(specs[0]), "application/json"),
                "/docs": (docs_page(), "text/html; charset=utf-8"),
                "/docs.css": (docs_style(), "text/css; charset=utf-8"),
            },
        )
        self._gate = RequestGate(settings, self._access, site)
        self.metrics.observe(lambda: len(self.sessions), lambda: len(self._connections))

    async def run(self, on_ready: Callable[[str], None]) -> None:
        """Serves until `stop` or a signal.

        Args:
            on_ready: called with the page's address, without the token, as soon as it can be fetched.

        Raises:
            StartupError: the address cannot be bound, or the default model cannot be loaded.
        """
        try:
            listener = await serve(
                self._serve_socket,
                self.settings.host,
                self.settings.port,
                process_request=self._process_request,
                process_response=self._process_response,
                select_subprotocol=_select_subprotocol,
                compression="deflate" if self.settings.compression else None,
                max_size=self.settings.limits.frame_bytes,
                max_queue=MOST_READ_AHEAD,
                create_connection=limited_to(2 * self.settings.limits.sessions + _MOST_OTHER_CONNECTIONS),
                server_header=None,
                ping_interval=self.settings.keepalive_seconds,
                ping_timeout=None,
                close_timeout=self.settings.close_seconds,
                open_timeout=self.settings.handshake_seconds,
                **self._encryption(),
            )
        except OSError as error:
            raise StartupError(_why_not_bound(error, self.settings)) from None
        asyncio.get_running_loop().set_exception_handler(self._log_failure)
        self._handle_signals()
        host, port = listener.sockets[0].getsockname()[:2]
        address = self._address(host, port)
        models = ", ".join(spec.id for spec in self._specs)
        _log.info("server started", extra=about(version=__version__, address=address, bound=host, models=models))
        on_ready(address)
        background = [asyncio.ensure_future(work) for work in (self._load_default(), self.metrics.watch_lag())]
        try:
            await self._stop.wait()
        finally:
            _log.info("server stopping", extra=about(connections=len(self._connections)))
            for task in background:
                task.cancel()
            listener.close(code=CloseCode.GOING_AWAY, reason="the server is shutting down")
            try:
                await asyncio.wait_for(listener.wait_closed(), self.settings.close_seconds)
            except asyncio.TimeoutError:
                _log.warning("Some connections did not close in time.")
            self.models.end()
            self._tokenizing.end()
            self._leave_signals()
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        """Ends `run`; may be called more than once."""
        self._stop.set()

    def ticket(self) -> str | None:
        """A substitute for the token that admits one browser, once; None if no token is needed."""
        return self._access.ticket()

    def drain(self) -> None:
        """Ends `run` when all requests are answered, or at the deadline; a second call ends it at once."""
        if self._drain is not None:
            self.stop()
            return
        self.draining = True
        self._drain = asyncio.ensure_future(self._stop_when_quiet())

    async def _stop_when_quiet(self) -> None:
        deadline = time.monotonic() + self.settings.drain_seconds
        while not self.sessions.quiet and time.monotonic() < deadline:
            await asyncio.sleep(_DRAIN_CHECK_EVERY)
        self.stop()

    # -------------------------------------------------------------------------------- requests

    def peer(self, connection: ServerConnection) -> Peer:
        """The client of a connection, once its request has been read."""
        peer = connection.remote_address
        assert connection.request is not None
        address = str(peer[0]) if peer else ""
        return self._proxies.peer(address, self._certificate is not None, connection.request.headers)

    async def _process_request(self, connection: ServerConnection, request: Request) -> Response | None:
        try:
            peer = self.peer(connection)
            answer = await self._gate.answer(request, peer) or self._overload(peer.address)
            if answer is None and "Upgrade" not in request.headers:  # a page asks why it could not connect
                return respond(426, b"This is a websocket.\n", extra={"Upgrade": "websocket"})
            return answer
        except Exception:
            _log.exception("A request failed.")
            return respond(500, b"Internal server error; see the server's log.\n")

    def _overload(self, address: str) -> Response | None:
        """The response that refuses another websocket, if the server is full or shutting down."""
        limits = self.settings.limits
        reason = None
        if self.draining:
            reason = b"This server is shutting down.\n"
        # One more is admitted: it may want to resume the session of a half-open connection.
        elif self.sessions.full and len(self._connections) > limits.sessions:
            reason = b"This server has no room for another session.\n"
        elif self.sessions.crowded(address):
            connected = sum(connection.address == address for connection in self._connections)
            if connected > limits.sessions_per_address:
                reason = b"This server has no room for another session from your address.\n"
        return None if reason is None else respond(503, reason, extra={"Retry-After": "10"})

    def _process_response(self, connection: ServerConnection, request: Request, response: Response) -> None:
        """Called for every response, ours and the library's own."""
        self._gate.stamp(request, response.headers)
        status = response.status_code
        if status != http.HTTPStatus.SWITCHING_PROTOCOLS:
            self.metrics.answered(status)
            # The path without its query, where a token may be.
            facts = about(
                address=self.peer(connection).address,
                status=status,
                path=request.path.partition("?")[0],
                host=field(request, "Host"),
                origin=field(request, "Origin"),
            )
            if status < 400 or status in (404, 426):
                _log.debug("request answered", extra=facts)
            else:
                _log.info("request refused", extra=facts)

    async def _serve_socket(self, socket: ServerConnection) -> None:
        assert isinstance(socket, Socket)
        peer = self.peer(socket)
        connection = Connection(
            socket, peer, self.settings, self.models, self.sessions, self.metrics, lambda: self.draining
        )
        self._connections.add(connection)
        try:
            await connection.run()
        finally:
            self._connections.discard(connection)

    async def _health(self) -> tuple[int, bytes]:
        return 200, b'{"status":"ok"}\n'

    async def _readiness(self) -> tuple[int, bytes]:
        if self.draining:
            return 503, b'{"status":"shutting down"}\n'
        if await self.models.default.answers(self.settings.worker_seconds):
            return 200, b'{"status":"ready"}\n'
        if self.models.default.served is None:
            return 503, b'{"status":"loading"}\n'
        return 503, b'{"status":"the model does not answer"}\n'

    async def _metrics(self) -> tuple[int, bytes]:
        return 200, self.metrics.text()

    async def _openrpc(self) -> tuple[int, bytes]:
        return 200, orjson.dumps(openrpc_document())

    # -------------------------------------------------------------------------------- lifecycle

    def _encryption(self) -> dict[str, Any]:
        if self._certificate is None:
            return {}
        return {"ssl": self._certificate.context, "ssl_handshake_timeout": self.settings.handshake_seconds}

    def _address(self, bound: str, port: int) -> str:
        """The page's address, without a query, for a browser on this machine."""
        scheme, name = ("http", "127.0.0.1") if self._certificate is None else ("https", socket.gethostname())
        if bound not in ("0.0.0.0", "::"):
            name = self.settings.host
        return f"{scheme}://{f'[{name}]' if ':' in name else name}:{port}{self.settings.base_path}/"

    async def _load_default(self) -> None:
        try:
            await self.models.default.load()
        except ModelLoadFailed as error:
            why = f" ({error.detail})" if error.detail else ""
            self._failure = StartupError(f"{error.message.removesuffix('.')}{why}.")
            self.stop()

    def _handle_signals(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            for name, act in ((signal.SIGINT, self.stop), (signal.SIGTERM, self.drain)):
                loop.add_signal_handler(name, act)
                self._signals.append(name)
            if self._certificate is not None:
                loop.add_signal_handler(signal.SIGHUP, self._renew, self._certificate)
                self._signals.append(signal.SIGHUP)
        except (NotImplementedError, RuntimeError):
            return  # Windows, or not the main thread: Ctrl-C arrives as KeyboardInterrupt, or not at all

    def _log_failure(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Replaces asyncio's own report, which quotes a failed callback's arguments: values, names, texts."""
        error = context.get("exception")
        if isinstance(error, OSError) and error.errno in _EXHAUSTED and "socket" in context:
            # asyncio tries again every second, and each time reports a hundred failures.
            now = loop.time()
            if now >= self._accept_failure_due:
                self._accept_failure_due = now + _ACCEPT_FAILURE_EVERY
                _log.error("No connection can be accepted for now: %s.", os.strerror(error.errno))
        else:
            _log.error("A callback or task failed.", exc_info=error)

    def _leave_signals(self) -> None:
        """Removes the signal handlers before the loop closes: a signal between the closing of its descriptor and the
        removal of its handlers would print a traceback."""
        for name in self._signals:
            asyncio.get_running_loop().remove_signal_handler(name)

    def _renew(self, certificate: Certificate) -> None:
        try:
            certificate.renew()
        except StartupError as error:
            _log.error("The previous certificate stays in use. %s", error)
        else:
            _log.info("certificate renewed")


def run(settings: Settings, specs: Sequence[ModelSpec], launcher: Launcher | None = None) -> None:
    """Serves in the foreground. Prints one line on standard output: the page's address.

    Args:
        launcher: one that was started earlier, so that the workers' libraries are imported meanwhile.

    Raises:
        StartupError: the server cannot run as asked.
    """
    with launcher or Launcher(settings.log_format) as launcher:
        asyncio.run(_serve(settings, specs, launcher))
    abandon_tokenizing()


async def _serve(settings: Settings, specs: Sequence[ModelSpec], launcher: Launcher) -> None:
    server = Server(settings, specs, launcher)

    def announce(address: str) -> None:
        print_line(f"Neuroscope ready at {address}{_query(server.token)}")
        if settings.open_browser:
            link = address + _query(server.ticket())
            asyncio.get_running_loop().run_in_executor(None, webbrowser.open, link)

    await server.run(announce)


def _select_subprotocol(connection: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    return SUBPROTOCOL if SUBPROTOCOL in offered else None


def _query(token: str | None) -> str:
    return f"?token={token}" if token is not None else ""


def _opening(spec: ModelSpec) -> bytes:
    if spec.folder is not None and (path := spec.folder / "opening.json").is_file():
        return path.read_bytes()
    return b"null"


def _why_not_bound(error: OSError, settings: Settings) -> str:
    where = f"{settings.host}:{settings.port}"
    if error.errno == errno.EADDRINUSE:
        return f"{where} is in use by another program; choose another --port, or --port 0 for a free one."
    if error.errno == errno.EACCES:
        return f"Listening on {where} is not permitted; ports below 1024 need special rights."
    return f"Cannot listen on {where}: {error.strerror or error}."
