"""A session with a server over asyncio: connection, model, subscriptions, documents.

Reconnects by itself: when the connection is lost, the client waits, connects, resumes the session if the server still
has it, opens the documents again and restores the subscriptions. Documents can be changed meanwhile, and requests wait
for the connection.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from typing import Any, Literal, TypeVar

from .errors import Disconnected, ServerError
from .neurons import ChangedNeuron, NeuronRef, can_exist
from .open_document import Document
from .rpc import Connection, report
from .transport import open_socket, websocket_address

T = TypeVar("T")

ConnectionState = Literal["connecting", "ready", "waiting", "closed"]

DEFAULT_TIMEOUT = 300.0
"""Seconds; a large model may have to be loaded first."""

_FIRST_WAIT = 0.2
_LONGEST_WAIT = 10.0
_RESUMED_ELSEWHERE = 1000
"""The close code of a connection whose session is resumed by another one."""


_ATTEMPTS = 3
"""How often a request is sent if its connection is lost before the answer; it may be what crashes the server."""
_UNKNOWN_DOCUMENT = -32012


class Client:
    """A session. Use it as an async context manager: entering connects, leaving closes.

    Args:
        url: the server's page or websocket, as `http://127.0.0.1:8740/` or `ws://127.0.0.1:8740/ws`; a `?token=` in it
            is used.
        token: the server's access token, if it requires one.
        name: how this frontend names itself to the server.
        timeout: seconds that a request waits at most, for the connection and for its answer, before it raises
            `TimeoutError`; None for no limit.

    Raises (on entering):
        Disconnected: there is no server, or it refused the connection; the message says why.
        ServerError: it refused the session.
        TimeoutError: it did not begin one in time.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8740/",
        *,
        token: str | None = None,
        name: str = "python",
        timeout: float | None = DEFAULT_TIMEOUT,
    ) -> None:
        self._address, in_url = websocket_address(url)
        self._token = token if token is not None else in_url
        self._name = name
        self.timeout = timeout
        """Seconds that a request waits at most; None for no limit."""
        self._state: ConnectionState = "closed"
        self.on_state: Callable[[ConnectionState], None] = lambda state: None
        """Called with each new `state`."""
        self.server: dict[str, Any] = {}
        """Name and version of the server."""
        self.model: dict[str, Any] | None = None
        """What values depend on: id, revision, layers, neuronsPerLayer, dtype, ... (`ModelInfo` of the protocol)."""
        self.models: list[dict[str, Any]] = []
        """The models that a session can choose from (`ModelSummary` of the protocol)."""
        self.limits: dict[str, int] = {}
        self.neurons: list[dict[str, Any]] = []
        """What is subscribed, in row order: key, layer, neuron, hook, statistics."""
        self.documents: dict[str, Document] = {}
        self.on_error: Callable[[ServerError], None] = lambda error: None
        """Called with each error that does not answer a request, such as a failed forward pass."""
        self._connection: Connection | None = None
        self._running: asyncio.Task[None] | None = None
        self._resume: dict[str, str] | None = None
        self._subscribed: set[str] = set()
        """Keys that the server sends on this connection."""
        self._progress: dict[str, Callable[[Mapping[str, Any]], None]] = {}
        self._tokens = itertools.count(1)
        self._uris = itertools.count(1)
        self._failure: Exception | None = None
        """The fault that ended the client."""
        self._obstacle: Exception | None = None
        """Why the last attempt to connect failed."""
        self._waiting: list[asyncio.Future[None]] = []

    # -------------------------------------------------------------------------------- life

    async def __aenter__(self) -> Client:
        first: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._running = asyncio.ensure_future(self._stay_connected(first))
        self._running.add_done_callback(lambda running: self._ended(running, first))
        self._become("connecting")

        async def wait() -> None:
            await first

        try:
            await self._limited(wait())
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the client for good. Pending calls raise `Disconnected`."""
        self._become("closed")
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
        for document in self.documents.values():
            document.detach()

    def _ended(self, running: asyncio.Task[None], first: asyncio.Future[None]) -> None:
        """No connection will be made any more: the client was closed, or there is a fault, which is raised."""
        error = None if running.cancelled() else running.exception()
        self._failure = error if isinstance(error, Exception) else None
        self._become("closed")
        if not first.done():
            first.set_exception(error or Disconnected("The client is closed."))
            first.exception()  # otherwise asyncio reports an exception that nobody awaits
        for document in self.documents.values():
            document.detach()

    @property
    def state(self) -> ConnectionState:
        return self._state

    def _become(self, state: ConnectionState) -> None:
        if state != self._state:
            self._state = state
            waiting, self._waiting = self._waiting, []
            for change in waiting:
                if not change.done():
                    change.set_result(None)
            _call(self.on_state, state)

    @property
    def closed(self) -> bool:
        return self.state == "closed"

    def raise_if_closed(self) -> None:
        if self.closed:
            raise self._failure or Disconnected("The client is closed.")

    # -------------------------------------------------------------------------------- neurons and models

    async def subscribe(self, *neurons: NeuronRef) -> list[dict[str, Any]]:
        """Adds neurons, all or none; their values follow for every document. Subscribing twice is allowed.

        Returns:
            All subscribed neurons, in row order.

        Raises:
            ServerError: -32602 names a neuron that the model does not have, -32013 is one too many.
            Disconnected: the client is closed, or was before the answer came.
            TimeoutError: no answer came in time.
        """
        await self._request("neurons/subscribe", {"neurons": list(neurons)}, self._set_neurons)
        return self.neurons

    async def unsubscribe(self, *neurons: NeuronRef) -> list[dict[str, Any]]:
        """Removes neurons, all or none; otherwise as `subscribe`."""
        await self._request("neurons/unsubscribe", {"neurons": list(neurons)}, self._set_neurons)
        return self.neurons

    @property
    def subscriptions_settled(self) -> bool:
        """Whether the server has the subscriptions of this client; false for a moment after a reconnection."""
        return self.state == "ready" and self._subscribed == {neuron["key"] for neuron in self.neurons}

    async def load_model(
        self, model: str, progress: Callable[[Mapping[str, Any]], None] | None = None
    ) -> dict[str, Any]:
        """Gives the session another model of `models`. `progress` is called with the values of its `$/progress`.

        Returns:
            The model's facts; `dropped` names subscriptions that it does not have.

        Raises:
            ServerError: -32010 there is no such model, -32011 it cannot be loaded. The session keeps the one it has.
        """
        token = f"load-{next(self._tokens)}"
        self._progress[token] = progress or (lambda value: None)
        try:
            await self._request("model/load", {"model": model, "workDoneToken": token}, self._set_model)
        finally:
            del self._progress[token]
        info = self.model or {}
        # Subscribing again to the remaining ones brings their statistics on this model.
        await self.subscribe(*(neuron["key"] for neuron in self.neurons))
        self.models = (await self._request("models/list", {}))["models"]
        return info

    # -------------------------------------------------------------------------------- documents

    async def open(self, text: str = "", uri: str | None = None) -> Document:
        """Opens a document.

        Raises:
            ValueError: the text holds a lone surrogate, or `uri` is open already.
            ServerError: the server refuses it, for instance because it is too long (-32013).
            Disconnected: the client is closed, or was before the answer came.
            TimeoutError: no answer came in time.
        """
        self.raise_if_closed()
        name = uri if uri is not None else f"python:{next(self._uris)}"
        if name in self.documents:
            raise ValueError(f"the document {name} is open already")
        document = Document(self, name, text)
        document.keep(neuron["key"] for neuron in self.neurons)
        self.documents[name] = document
        if self._connection is not None:
            document.attach(self._sender(self._connection, document))
        try:
            await self._limited(document.wait_until_opened())
        except BaseException as error:
            self.documents.pop(name, None)
            document.detach()
            if not isinstance(error, ServerError) and self._connection is not None:
                _send_close(self._connection, name)
            raise
        return document

    async def close_document(self, document: Document) -> None:
        """Closes it here and on the server; without a connection, as soon as there is one again."""
        if self.documents.pop(document.uri, None) is None:
            return
        document.detach()
        if self._connection is not None:
            try:
                await self._request("document/close", {"uri": document.uri})
            except ServerError as error:
                if error.code != _UNKNOWN_DOCUMENT:  # another connection: it was not opened there
                    raise

    async def top(
        self,
        document: Document,
        token: int,
        k: int = 10,
        *,
        layers: Sequence[int] | None = None,
        by: str = "activation",
    ) -> list[dict[str, Any]]:
        """The `k` neurons that are highest at one token, of all layers or of `layers`.

        Args:
            token: index into `document.tokens`.
            by: `activation`, or `ratio` to each neuron's statistical maximum.

        Returns:
            Members as in `TopNeuron`, the highest first.
        """
        params: dict[str, Any] = {"uri": document.uri, "token": token, "k": k, "by": by}
        if layers is not None:
            params["layers"] = list(layers)
        neurons: list[dict[str, Any]] = (await self._request("neurons/top", params))["neurons"]
        return neurons

    async def changed(
        self,
        document: Document,
        k: int = 10,
        *,
        since: int | None = None,
        layers: Sequence[int] | None = None,
        by: str = "activation",
    ) -> list[ChangedNeuron]:
        """The `k` neurons whose values an edit changed most, in the tokens after it.

        Args:
            since: the `document.version` before the edit; default: the last but one that the server tokenized.
            layers: where to look; default: all layers.
            by: `activation`, or `ratio` to each neuron's statistical maximum.

        Returns:
            Those that changed, the most first; empty if no token follows the edit.
        """
        params: dict[str, Any] = {"uri": document.uri, "k": k, "by": by}
        if since is not None:
            params["since"] = since
        if layers is not None:
            params["layers"] = list(layers)
        neurons: list[ChangedNeuron] = (await self._request("neurons/changed", params))["neurons"]
        return neurons

    # -------------------------------------------------------------------------------- inside

    async def _request(
        self, method: str, params: Mapping[str, Any], take: Callable[[Any], None] = lambda result: None
    ) -> Any:
        """The result of a request. All of this client's requests can be repeated, so a request whose connection is lost
        is sent again on the next one."""

        async def ask() -> Any:
            for attempt in range(1, _ATTEMPTS + 1):
                connection = await self._connected()
                try:
                    return await connection.call(method, params, take)
                except Disconnected:
                    self.raise_if_closed()
                    if attempt == _ATTEMPTS:
                        raise

        return await self._limited(ask())

    async def _connected(self) -> Connection:
        """Waits for a connection."""
        while True:
            self.raise_if_closed()
            if self._connection is not None and self._connection.is_open:
                return self._connection
            change: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(change)
            await change

    async def _limited(self, work: Coroutine[Any, Any, T]) -> T:
        try:
            return await asyncio.wait_for(work, self.timeout)
        except (TimeoutError, asyncio.TimeoutError):
            raise TimeoutError(self.explain_timeout(self.timeout)) from None

    def explain_timeout(self, seconds: float | None) -> str:
        """A sentence that says what did not happen within the time limit."""
        if self.state == "ready" or self._obstacle is None:
            return f"no answer within {seconds:g} seconds"
        return f"no connection within {seconds:g} seconds: {self._obstacle}"

    async def _stay_connected(self, first: asyncio.Future[None]) -> None:
        wait = _FIRST_WAIT
        while True:
            self._become("connecting")
            try:
                self._obstacle = await self._connect(first)
                wait = _FIRST_WAIT  # it was up
            except (ServerError, Disconnected) as error:
                if not first.done():
                    raise
                self._obstacle = error
                if isinstance(error, ServerError):
                    _call(self.on_error, error)
            self._become("waiting")
            # Jitter, so that the clients of a restarted server do not all reconnect at once.
            await asyncio.sleep(wait * random.uniform(0.5, 1))
            wait = min(2 * wait, _LONGEST_WAIT)

    async def _connect(self, first: asyncio.Future[None]) -> Disconnected:
        """One connection from its beginning to its end; returns why it ended.

        Raises:
            Disconnected: it could not be made.
            ServerError: `initialize` was refused.
        """
        socket = await open_socket(self._address, self._token)
        connection = Connection(socket, self._notification)
        running = asyncio.ensure_future(connection.run())
        try:
            await self._initialize(connection)
            self._become("ready")
            if not first.done():
                first.set_result(None)
            return await running
        finally:
            self._connection = None
            self._subscribed = set()
            for document in self.documents.values():
                document.detach()
            if socket.close_code == _RESUMED_ELSEWHERE:
                # Another connection has the session now. Two clients that both resume it would take it from each
                # other for ever.
                self._resume = None
            await socket.close()
            await running

    async def _initialize(self, connection: Connection) -> None:
        params: dict[str, Any] = {
            "protocolVersion": 1,
            "client": {"name": self._name},
            "positionEncodings": ["utf-32"],
            "activationEncodings": ["base64", "json"],
        }
        if self._resume is not None:
            params["resume"] = self._resume
        facts = await connection.call("initialize", params)
        if facts["positionEncoding"] != "utf-32":
            raise Disconnected("The server does not offer offsets in characters (utf-32), which this client needs.")
        chosen = self.model
        self._resume = {"session": facts["session"], "resumeToken": facts["resumeToken"]}
        self.server, self.models, self.limits = facts["server"], facts["models"], facts["limits"]
        self.model = facts["model"]
        connection.frame_bytes = self.limits.get("frameBytes")
        if chosen is not None and (self.model is None or chosen["id"] != self.model["id"]):
            # A new session starts with the server's default model; this client had chosen another.
            with suppress(ServerError):
                self.model = await connection.call("model/load", {"model": chosen["id"]})
        await self._restore_neurons(connection, facts["subscriptions"])
        for remembered in facts["documents"]:
            if remembered["uri"] not in self.documents:
                _send_close(connection, remembered["uri"])
        self._connection = connection
        for document in self.documents.values():
            document.attach(self._sender(connection, document))

    async def _restore_neurons(self, connection: Connection, served: list[dict[str, Any]]) -> None:
        """Makes the server's subscriptions those of this client, without neurons that the model lacks."""
        wanted = [neuron["key"] for neuron in self.neurons]
        surplus = [neuron["key"] for neuron in served if neuron["key"] not in wanted]
        if surplus:
            served = (await connection.call("neurons/unsubscribe", {"neurons": surplus}))["neurons"]
        model = self.model
        possible = [key for key in wanted if model is None or can_exist(key, model)]
        if {neuron["key"] for neuron in served} != set(possible):
            served = await _subscribe_all_that_exist(connection, possible) or served
        self._set_neurons({"neurons": served})

    def _set_model(self, info: dict[str, Any]) -> None:
        self.model = info
        self._set_neurons({"neurons": [row for row in self.neurons if row["key"] not in info.get("dropped", [])]})
        for document in self.documents.values():
            document.model_changed()

    def _set_neurons(self, result: Mapping[str, Any]) -> None:
        self.neurons = list(result["neurons"])
        self._subscribed = {neuron["key"] for neuron in self.neurons}
        for document in self.documents.values():
            document.keep([neuron["key"] for neuron in self.neurons])

    def _sender(self, connection: Connection, document: Document) -> Callable[[str, dict[str, Any]], None]:
        def send(method: str, params: dict[str, Any]) -> None:
            if method == "document/open":
                version = params["version"]
                answer = connection.call(method, params, lambda result: document.opened(version, None))
                answer.add_done_callback(lambda answer: self._refused(document, version, answer))
                return
            try:
                connection.notify(method, params)
            except ServerError as error:
                document.fail(error)
                document.refuse()

        return send

    @staticmethod
    def _refused(document: Document, version: int, answer: asyncio.Future[Any]) -> None:
        error = None if answer.cancelled() else answer.exception()
        if isinstance(error, ServerError):  # if the connection is lost it is opened again on the next one
            document.opened(version, error)

    def _notification(self, method: str, params: Mapping[str, Any]) -> None:
        if method == "$/progress":
            listener = self._progress.get(str(params.get("token")))
            if listener is not None:
                _call(listener, params["value"])
        elif method == "$/error":
            self._error(ServerError(str(params.get("method")), params))
        elif isinstance(uri := params.get("uri"), str) and uri in self.documents:
            model = params.get("model")
            if model is None or self.model is None or model == self.model["id"]:
                self.documents[uri].receive(method, params)

    def _error(self, error: ServerError) -> None:
        document = self.documents.get(str(error.data.get("uri")))
        if document is not None and error.data.get("version") == document.version:
            document.fail(error)
        _call(self.on_error, error)


async def _subscribe_all_that_exist(connection: Connection, keys: Sequence[str]) -> list[dict[str, Any]]:
    """Subscribes to `keys` at once, or by halves if one of them is refused; returns what is subscribed."""
    if not keys:
        return []
    try:
        answer = await connection.call("neurons/subscribe", {"neurons": list(keys)})
    except ServerError:
        if len(keys) == 1:
            return []
        half = len(keys) // 2
        first = await _subscribe_all_that_exist(connection, keys[:half])
        return await _subscribe_all_that_exist(connection, keys[half:]) or first
    neurons: list[dict[str, Any]] = answer["neurons"]
    return neurons


def _send_close(connection: Connection, uri: str) -> None:
    """Closes a document that this client no longer has, whatever the server answers."""
    answer = connection.call("document/close", {"uri": uri})
    answer.add_done_callback(lambda answer: None if answer.cancelled() else answer.exception())


def _call(callback: Callable[[T], None], argument: T) -> None:
    """Calls a user's callback. If it raises, the error is reported and the client goes on."""
    try:
        callback(argument)
    except Exception as error:
        report(f"the callback {getattr(callback, '__qualname__', callback)!r}", error)
