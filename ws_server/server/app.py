"""The server: binds, serves pages and sockets, starts the default model's worker, and ends in order."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import secrets
import signal
import sys
import threading
import webbrowser
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import orjson
from websockets.asyncio.server import ServerConnection, serve
from websockets.frames import CloseCode
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from ..config import Settings
from ..engine.catalog import LoadOptions, ModelSpec
from ..errors import ModelLoadFailed, StartupError
from ..protocol.openrpc import openrpc_document
from .access import Access, Refusal, is_loopback, without_token
from .connection import Connection
from .metrics import Metrics
from .models import Models
from .sessions import Sessions
from .site import Site, respond

_log = logging.getLogger(__name__)

_TOKENIZER_THREADS = "tokenize"
SUBPROTOCOL = Subprotocol("neuroscope.v1")
_OPEN_TO_ALL = {"/healthz", "/readyz"}
"""What is answered without a token: it tells nothing but that the server runs."""


class Server:
    """One running server.

    Args:
        settings: how it runs.
        specs: the models it offers; the first is the default.
    """

    def __init__(self, settings: Settings, specs: Sequence[ModelSpec]) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self._specs = specs
        self._executor = ThreadPoolExecutor(max_workers=2, thread_name_prefix=_TOKENIZER_THREADS)
        self.sessions = Sessions(settings, lambda: self.models, self._executor, self.metrics)
        self.token = settings.token
        if self.token is None and not is_loopback(settings.host):
            self.token = secrets.token_urlsafe(24)
        self._access = Access(settings.host, settings.allowed_origins, self.token)
        self._stop = asyncio.Event()
        self._failure: StartupError | None = None
        self._connections = 0
        options = LoadOptions(settings.device, settings.dtype, settings.context_tokens, settings.cache_bytes)
        self.models = Models(
            specs,
            options,
            self.sessions.computed,
            self.sessions.engine_lost,
            self.sessions.engine_replaced,
            self.metrics,
        )
        self._site = Site(
            {
                "/healthz": ("application/json", lambda: (200, b'{"status":"ok"}\n')),
                "/readyz": ("application/json", self._readiness),
                "/metrics": ("text/plain; version=0.0.4; charset=utf-8", lambda: (200, self.metrics.text())),
                "/openrpc.json": ("application/json", lambda: (200, orjson.dumps(openrpc_document()))),
            },
            _opening(specs[0]),
        )
        self.metrics.observe(lambda: len(self.sessions), lambda: self._connections)

    async def run(self, on_ready: Callable[[str], None]) -> None:
        """Serves until `stop` or a signal.

        Args:
            on_ready: called with the page's address as soon as it can be fetched.

        Raises:
            StartupError: the address cannot be bound, or the default model cannot be had.
        """
        try:
            listener = await serve(
                self._serve_socket,
                self.settings.host,
                self.settings.port,
                process_request=self._process_request,
                select_subprotocol=_select_subprotocol,
                compression="deflate" if self.settings.compression else None,
                max_size=self.settings.limits.frame_bytes,
                server_header=None,
                close_timeout=self.settings.shutdown_seconds,
            )
        except OSError as error:
            raise StartupError(_why_not_bound(error, self.settings)) from None
        self._handle_signals()
        host, port = listener.sockets[0].getsockname()[:2]
        on_ready(_address(self.settings.host, host, port) + (f"?token={self.token}" if self.token else ""))
        default = asyncio.ensure_future(self._load_default())
        try:
            await self._stop.wait()
        finally:
            default.cancel()
            listener.close(code=CloseCode.GOING_AWAY, reason="the server is shutting down")
            try:
                await asyncio.wait_for(listener.wait_closed(), self.settings.shutdown_seconds)
            except asyncio.TimeoutError:
                _log.warning("Some connections did not close in time.")
            self.models.end()
            self._executor.shutdown(wait=False, cancel_futures=True)
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        """Ends `run`; may be called more than once."""
        self._stop.set()

    # -------------------------------------------------------------------------------- requests

    def _process_request(self, connection: ServerConnection, request: Request) -> Response | None:
        path = request.path.partition("?")[0]
        try:
            self._access.check_source(request, opens_socket=path == "/ws")
            to_cookie = path not in _OPEN_TO_ALL and self._access.check_token(request)
        except Refusal as refusal:
            return respond(refusal.status, f"{refusal.message}\n".encode())
        if path != "/ws":
            if to_cookie:
                # The secret leaves the address, and with it the browser's history and what people copy from it.
                extra = {"Location": without_token(request.path), "Set-Cookie": self._access.cookie()}
                return respond(303, b"", extra=extra)
            return self._site.answer(path, request.headers.get("If-None-Match"))
        if "Upgrade" not in request.headers:
            return respond(426, b"This is a websocket.\n", extra={"Upgrade": "websocket"})
        # One more than there is place for: it may be the client of a half-open connection that comes to resume.
        if self.sessions.full and self._connections > self.settings.limits.sessions:
            return respond(503, b"This server has no place for another session.\n", extra={"Retry-After": "10"})
        return None

    async def _serve_socket(self, socket: ServerConnection) -> None:
        self._connections += 1
        try:
            await Connection(socket, self).run()
        finally:
            self._connections -= 1

    def _readiness(self) -> tuple[int, bytes]:
        ready = self.models.default.served is not None
        return (200, b'{"status":"ready"}\n') if ready else (503, b'{"status":"loading"}\n')

    # -------------------------------------------------------------------------------- lifecycle

    async def _load_default(self) -> None:
        try:
            await self.models.default.load()
        except ModelLoadFailed as error:
            self._failure = StartupError(error.message)
            self.stop()

    def _handle_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for name in (signal.SIGINT, signal.SIGTERM):
            try:
                loop.add_signal_handler(name, self.stop)
            except (NotImplementedError, RuntimeError):
                return  # Windows, or not the main thread: Ctrl-C arrives as KeyboardInterrupt, or not at all


def run(settings: Settings, specs: Sequence[ModelSpec]) -> None:
    """Serves in the foreground. Prints one line on standard output: where the page is.

    Raises:
        StartupError: the server cannot run as asked.
    """

    def announce(address: str) -> None:
        print(f"Neuroscope ready at {address}", flush=True)
        if settings.open_browser:
            asyncio.get_running_loop().run_in_executor(None, webbrowser.open, address)

    async def main() -> None:
        await Server(settings, specs).run(announce)

    asyncio.run(main())
    _abandon_tokenizing()


def _abandon_tokenizing() -> None:
    """The interpreter would wait for the text that a thread is in the middle of: seconds for a long one, nothing can
    interrupt it, and nobody wants its tokens any more."""
    for thread in threading.enumerate():
        if thread.name.startswith(_TOKENIZER_THREADS):
            thread.join(0.1)
            if thread.is_alive():
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(0)


def _select_subprotocol(connection: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    return SUBPROTOCOL if SUBPROTOCOL in offered else None


def _opening(spec: ModelSpec) -> bytes:
    if spec.folder is not None and (path := spec.folder / "opening.json").is_file():
        return path.read_bytes()
    return b"null"


def _address(asked: str, bound: str, port: int) -> str:
    name = "127.0.0.1" if bound in ("0.0.0.0", "::") else asked
    return f"http://[{name}]:{port}/" if ":" in name else f"http://{name}:{port}/"


def _why_not_bound(error: OSError, settings: Settings) -> str:
    where = f"{settings.host}:{settings.port}"
    if error.errno == errno.EADDRINUSE:
        return f"{where} is in use by another program; choose another --port, or --port 0 for a free one."
    if error.errno == errno.EACCES:
        return f"Listening on {where} is not permitted; ports below 1024 need special rights."
    return f"Cannot listen on {where}: {error.strerror or error}."
