"""A session with a server over asyncio: connection, model, subscriptions, documents.

Keeps the connection up by itself: when it drops, the client waits, connects, takes the session up again where the
server still has it, opens the documents again and brings the subscriptions back. Documents can be changed meanwhile.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Literal, TypedDict
from urllib.parse import parse_qs, urlsplit, urlunsplit

from websockets.asyncio.client import connect
from websockets.exceptions import InvalidHandshake, InvalidStatus

from .errors import Disconnected, ServerError
from .open_document import Document
from .rpc import Connection

ConnectionState = Literal["connecting", "ready", "waiting", "closed"]
NeuronRef = str | Mapping[str, Any]
"""`"L3N42"`, `{"layer": 3, "neuron": 42}`, `{"hook": "blocks.3.hook_resid_post", "index": 7}` or any neuron's key."""

_FIRST_WAIT = 0.2
_LONGEST_WAIT = 10.0
_RESUMED_ELSEWHERE = 1000
"""The close code of a connection whose session is resumed by another one."""


class TopNeuron(TypedDict):
    """One of the neurons that are highest at a token."""

    key: str
    layer: int
    neuron: int
    value: float | None
    ratio: float | None
    """Value over the neuron's statistical maximum, if that is known."""


class ChangedNeuron(TypedDict):
    """A neuron, and the token at which an edit changed it most."""

    key: str
    layer: int
    neuron: int
    token: int
    before: float
    after: float
    change: float
    ratio: float | None
    """Change over the neuron's statistical maximum, if that is known."""


class Client:
    """A session. Use it as an async context manager: entering connects, leaving closes.

    Args:
        url: the server's page or websocket, as `http://127.0.0.1:8740/` or `ws://127.0.0.1:8740/ws`; a `?token=` in it
            is used.
        token: the server's access token, where it asks for one.
        name: how this frontend names itself to the server.

    Raises (on entering):
        Disconnected: there is no server, or it refused the connection; the message says why.
        ServerError: it refused the session.
    """

    def __init__(self, url: str = "http://127.0.0.1:8740/", *, token: str | None = None, name: str = "python") -> None:
        self._address, in_url = websocket_address(url)
        self._token = token if token is not None else in_url
        self._name = name
        self._state: ConnectionState = "closed"
        self.on_state: Callable[[ConnectionState], None] = lambda state: None
        """Called with each new `state`."""
        self.server: dict[str, Any] = {}
        """Name and version of the server."""
        self.model: dict[str, Any] | None = None
        """What decides the values: id, revision, layers, neuronsPerLayer, dtype, ... (`ModelInfo` of the protocol)."""
        self.models: list[dict[str, Any]] = []
        """The models that a session can choose from (`ModelSummary` of the protocol)."""
        self.limits: dict[str, int] = {}
        self.neurons: list[dict[str, Any]] = []
        """What is subscribed, in row order: key, layer, neuron, hook, statistics."""
        self.documents: dict[str, Document] = {}
        self.on_error: Callable[[ServerError], None] = lambda error: None
        """Called with what the server could not do and nobody asked for, such as a failed forward pass."""
        self._connection: Connection | None = None
        self._running: asyncio.Task[None] | None = None
        self._resume: dict[str, str] | None = None
        self._served: set[str] = set()
        self._progress: dict[str, Callable[[Mapping[str, Any]], None]] = {}
        self._tokens = itertools.count(1)
        self._uris = itertools.count(1)
        self._failure: Exception | None = None

    # -------------------------------------------------------------------------------- life

    async def __aenter__(self) -> Client:
        first: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._running = asyncio.ensure_future(self._stay_connected(first))
        self._running.add_done_callback(lambda running: self._ended(running, first))
        self._become("connecting")
        try:
            await first
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Leaves for good. Who waits for something is told by `Disconnected`."""
        self._become("closed")
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
        for document in self.documents.values():
            document.detach()

    def _ended(self, running: asyncio.Task[None], first: asyncio.Future[None]) -> None:
        """The connection is kept up no longer: the client was closed, or a fault of ours is to be told to who waits."""
        error = None if running.cancelled() else running.exception()
        self._failure = error if isinstance(error, Exception) else None
        self._become("closed")
        if not first.done():
            first.set_exception(error or Disconnected("The client is closed."))
        for document in self.documents.values():
            document.detach()

    @property
    def state(self) -> ConnectionState:
        return self._state

    def _become(self, state: ConnectionState) -> None:
        if state != self._state:
            self._state = state
            self.on_state(state)

    @property
    def closed(self) -> bool:
        return self.state == "closed"

    def raise_if_closed(self) -> None:
        if self.closed:
            raise self._failure or Disconnected("The client is closed.")

    # -------------------------------------------------------------------------------- neurons and models

    async def subscribe(self, *neurons: NeuronRef) -> list[dict[str, Any]]:
        """Adds neurons, all or none; their values follow for every document. Subscribing twice is fine.

        Returns:
            All subscribed neurons, in row order.

        Raises:
            ServerError: -32602 names a neuron that the model does not have, -32013 is one too many.
            Disconnected: there is no connection.
        """
        await self._request("neurons/subscribe", {"neurons": list(neurons)}, self._set_neurons)
        return self.neurons

    async def unsubscribe(self, *neurons: NeuronRef) -> list[dict[str, Any]]:
        """Takes neurons away, all or none; otherwise as `subscribe`."""
        await self._request("neurons/unsubscribe", {"neurons": list(neurons)}, self._set_neurons)
        return self.neurons

    @property
    def subscriptions_settled(self) -> bool:
        """Whether the server sends what is subscribed here; not so for a moment after a reconnection."""
        return self.state == "ready" and self._served == {neuron["key"] for neuron in self.neurons}

    async def load_model(
        self, model: str, progress: Callable[[Mapping[str, Any]], None] | None = None
    ) -> dict[str, Any]:
        """Gives the session another model of `models`. `progress` gets the values of the load's `$/progress`.

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
        # Asking for what is left again brings its statistics on this model.
        await self.subscribe(*(neuron["key"] for neuron in self.neurons))
        self.models = (await self._request("models/list", {}))["models"]
        return info

    # -------------------------------------------------------------------------------- documents

    async def open(self, text: str = "", uri: str | None = None) -> Document:
        """Opens a document.

        Raises:
            ValueError: the text holds a lone surrogate, or `uri` is open already.
            ServerError: the server does not take it, as it is too long (-32013).
            Disconnected: there is no connection.
        """
        self.raise_if_closed()
        name = uri if uri is not None else f"python:{next(self._uris)}"
        if name in self.documents:
            raise ValueError(f"the document {name} is open already")
        document = Document(self, name, text)
        if self._connection is None:
            raise Disconnected("There is no connection at the moment.")
        document.keep(neuron["key"] for neuron in self.neurons)
        self.documents[name] = document
        document.attach(self._sender(self._connection, document))
        try:
            await document.wait_until_opened()
        except ServerError:
            del self.documents[name]
            raise
        return document

    async def close_document(self, document: Document) -> None:
        if self.documents.pop(document.uri, None) is None:
            return
        document.detach()
        await self._request("document/close", {"uri": document.uri})

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
        """The `k` neurons whose values an edit moved most, in the tokens behind it.

        Args:
            since: the `document.version` before the edit; without it the last one but one that the server read.
            layers: where to look; all layers when left out.
            by: `activation`, or `ratio` to each neuron's statistical maximum.

        Returns:
            Those that moved, the most first; none where no token stands behind the edit.
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
        self.raise_if_closed()
        if self._connection is None:
            raise Disconnected("There is no connection at the moment.")
        return await self._connection.call(method, params, take)

    async def _stay_connected(self, first: asyncio.Future[None]) -> None:
        wait = _FIRST_WAIT
        while True:
            self._become("connecting")
            try:
                await self._connect(first)
                wait = _FIRST_WAIT  # it was up
            except (ServerError, Disconnected) as error:
                if not first.done():
                    raise
                if isinstance(error, ServerError):
                    self.on_error(error)
            self._become("waiting")
            # Jitter, so that the clients of a server that restarts do not come back in one moment.
            await asyncio.sleep(wait * random.uniform(0.5, 1))
            wait = min(2 * wait, _LONGEST_WAIT)

    async def _connect(self, first: asyncio.Future[None]) -> None:
        """One connection from its beginning to its end.

        Raises:
            Disconnected: it could not be made.
            ServerError: `initialize` was refused.
        """
        headers = {} if self._token is None else {"Authorization": f"Bearer {self._token}"}
        try:
            # Ours to read are whole documents' tokens and values, however large.
            socket = await connect(self._address, additional_headers=headers, max_size=None, subprotocols=None)
        except InvalidStatus as error:
            told = error.response.body.decode(errors="replace").strip()
            raise Disconnected(f"The server refused the connection ({error.response.status_code}): {told}") from None
        except (OSError, InvalidHandshake, TimeoutError, asyncio.TimeoutError) as error:
            advice = "start one with `neuroscope serve`"
            raise Disconnected(f"There is no server at {self._address} ({error}): {advice}.") from None
        connection = Connection(socket, self._notification)
        running = asyncio.ensure_future(connection.run())
        try:
            await self._initialize(connection)
            self._become("ready")
            if not first.done():
                first.set_result(None)
            await running
        finally:
            self._connection = None
            self._served = set()
            for document in self.documents.values():
                document.detach()
            if socket.close_code == _RESUMED_ELSEWHERE:
                # Another connection has it now, and would lose it again to this client, and so on for ever.
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
            raise Disconnected("The server does not count characters, as this client must.")
        chosen = self.model
        self._resume = {"session": facts["session"], "resumeToken": facts["resumeToken"]}
        self.server, self.models, self.limits = facts["server"], facts["models"], facts["limits"]
        self.model = facts["model"]
        if chosen is not None and (self.model is None or chosen["id"] != self.model["id"]):
            # A new session starts with the server's default model; this one had chosen another.
            with suppress(ServerError):
                self.model = await connection.call("model/load", {"model": chosen["id"]})
        await self._restore_neurons(connection, facts["subscriptions"])
        self._connection = connection
        for document in self.documents.values():
            document.attach(self._sender(connection, document))

    async def _restore_neurons(self, connection: Connection, served: list[dict[str, Any]]) -> None:
        """Brings the server's subscriptions after those here; what its model lacks is gone."""
        wanted = [neuron["key"] for neuron in self.neurons]
        kept = served
        for key in wanted:
            with suppress(ServerError):
                kept = (await connection.call("neurons/subscribe", {"neurons": [key]}))["neurons"]
        surplus = [neuron["key"] for neuron in kept if neuron["key"] not in wanted]
        if surplus:
            kept = (await connection.call("neurons/unsubscribe", {"neurons": surplus}))["neurons"]
        self._set_neurons({"neurons": kept})

    def _set_model(self, info: dict[str, Any]) -> None:
        self.model = info
        self._set_neurons({"neurons": [row for row in self.neurons if row["key"] not in info.get("dropped", [])]})
        for document in self.documents.values():
            document.model_changed()

    def _set_neurons(self, result: Mapping[str, Any]) -> None:
        self.neurons = list(result["neurons"])
        self._served = {neuron["key"] for neuron in self.neurons}
        for document in self.documents.values():
            document.keep([neuron["key"] for neuron in self.neurons])

    def _sender(self, connection: Connection, document: Document) -> Callable[[str, dict[str, Any]], None]:
        def send(method: str, params: dict[str, Any]) -> None:
            if method != "document/open":
                connection.notify(method, params)
                return
            answer = connection.call(method, params)
            answer.add_done_callback(lambda answer: self._opened(document, params["version"], answer))

        return send

    @staticmethod
    def _opened(document: Document, version: int, answer: asyncio.Future[Any]) -> None:
        error = None if answer.cancelled() else answer.exception()
        if not isinstance(error, Disconnected):  # else it is opened again on the next connection
            document.opened(version, error if isinstance(error, ServerError) else None)

    def _notification(self, method: str, params: Mapping[str, Any]) -> None:
        if method == "$/progress":
            listener = self._progress.get(str(params.get("token")))
            if listener is not None:
                listener(params["value"])
        elif method == "$/error":
            self.on_error(ServerError(str(params.get("method")), params))
        elif isinstance(uri := params.get("uri"), str) and uri in self.documents:
            self.documents[uri].receive(method, params)


def websocket_address(url: str) -> tuple[str, str | None]:
    """The websocket's address for a server's page or websocket, and the token that the address carries.

    Raises:
        ValueError: it is no such address.
    """
    parts = urlsplit(url if "//" in url else f"http://{url}")
    scheme = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}.get(parts.scheme)
    if scheme is None or not parts.netloc:
        raise ValueError(f"{url!r} is no address of a server, as http://127.0.0.1:8740/ is")
    path = parts.path if parts.path.endswith("/ws") else parts.path.rstrip("/") + "/ws"
    token = parse_qs(parts.query).get("token", [None])[0]
    return urlunsplit((scheme, parts.netloc, path, "", "")), token
