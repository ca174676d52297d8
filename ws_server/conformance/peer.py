"""One connection of the suite: sends messages, and keeps and checks everything that comes."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

import numpy as np
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from ..client.transport import proxy_for

TIME_LIMIT = 30.0
"""Seconds to wait for an expected message."""
_OPENING = 30.0
"""Seconds that the handshake may take."""


class Broken(Exception):
    """The server breaks a clause; the message says how."""


def require(condition: object, complaint: str) -> None:
    if not condition:
        raise Broken(complaint)


@dataclass
class Mirror:
    """A document as the server's messages describe it."""

    tokens: list[dict[str, Any]] = field(default_factory=list)
    values: dict[str, list[float | None]] = field(default_factory=dict)
    """By key, one per token; absent until one has come for the token."""
    version: int = -1
    splices: list[dict[str, Any]] = field(default_factory=list)
    updates: list[dict[str, Any]] = field(default_factory=list)
    done: int = -1
    expects_all: bool = True
    expects_more: bool = False
    _known: dict[str, set[int]] = field(default_factory=dict)

    def receive(self, method: str, params: Mapping[str, Any], keys: Sequence[str]) -> None:
        if self.expects_more:
            require(method == "document/tokens", f"{method} comes between the parts of a splice")
        if method == "document/tokens":
            self._splice(params)
        elif method == "activations/update":
            self._update(params)
        elif method == "activations/done":
            require(params["version"] == self.version, f"done of {params['version']} after tokens of {self.version}")
            for key in keys:
                lacking = [i for i in range(len(self.tokens)) if i not in self._known.get(key, set())]
                require(not lacking, f"done came, and {key} has no value at token {lacking[:1]}")
            self.done = params["version"]

    def opened(self) -> None:
        self.tokens, self.values, self.expects_all, self.expects_more = [], {}, True, False
        self._known = {}

    def _splice(self, params: Mapping[str, Any]) -> None:
        start, delete, tokens = params["start"], params["deleteCount"], params["tokens"]
        if self.expects_more:
            require((delete, params["shift"]) == (0, 0), "a later part of a splice removes or shifts")
            require(params["version"] == self.version, "a later part of a splice has another version")
        if self.expects_all:
            require((start, delete) == (0, 0), f"after an open the splice is at {start} and removes {delete}")
            self.expects_all = False
        require(0 <= start <= start + delete <= len(self.tokens), "the splice leaves the token list")
        rest = self.tokens[start + delete :]
        shifted = [{**t, "from": t["from"] + params["shift"], "to": t["to"] + params["shift"]} for t in rest]
        self.tokens = [*self.tokens[:start], *tokens, *shifted]
        require(len(self.tokens) == params["tokenCount"], f"tokenCount is not {len(self.tokens)}")
        moved = len(tokens) - delete
        for key, known in self._known.items():
            self._known[key] = {i if i < start else i + moved for i in known if i < start or i >= start + delete}
        self.values = {
            key: [*row[:start], *([None] * len(tokens)), *row[start + delete :]] for key, row in self.values.items()
        }
        self.version = params["version"]
        self.expects_more = params.get("more", False)
        self.splices.append(dict(params))

    def _update(self, params: Mapping[str, Any]) -> None:
        start, count = params["start"], params["count"]
        require(params["version"] == self.version, f"values of {params['version']} after tokens of {self.version}")
        require(0 <= start <= start + count <= len(self.tokens), "values of tokens that do not exist")
        rows = decoded(params["values"])
        require(len(rows) == len(params["neurons"]), "the rows are not those of `neurons`")
        for key, row in zip(params["neurons"], rows, strict=True):
            require(len(row) == count, f"the row of {key} has {len(row)} values, not {count}")
            own = self.values.setdefault(key, [None] * len(self.tokens))
            own[start : start + count] = row
            self._known.setdefault(key, set()).update(range(start, start + count))
        self.updates.append({**params, "values": rows})


def decoded(values: Any) -> list[list[float | None]]:
    """Rows of `values` in either encoding."""
    if not isinstance(values, dict):
        return [list(row) for row in values]
    require(values.get("dtype") == "float32", "base64 values are not float32")
    flat = np.frombuffer(base64.b64decode(values["data"]), dtype="<f4")
    require(flat.size == values["shape"][0] * values["shape"][1], "base64 values do not have their shape")
    return [[float(value) for value in row] for row in flat.reshape(values["shape"])]


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON value")


class Peer:
    """A connection."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.facts: dict[str, Any] = {}
        self.keys: list[str] = []
        """Keys of the neurons that are subscribed."""
        self.documents: dict[str, Mirror] = {}
        self.notifications: list[dict[str, Any]] = []
        self.frames: list[str] = []
        """All received frames, unchanged."""
        self._ids = itertools.count(1)

    @classmethod
    async def dial(cls, address: str, **options: Any) -> Peer:
        # Everything is read: a connection with unread frames could not be closed at once.
        limits: dict[str, Any] = {"max_size": None, "max_queue": None}
        try:
            options |= {"proxy": proxy_for(address), "open_timeout": _OPENING}
            return cls(await connect(address, compression=None, **limits, **options))
        except TimeoutError:
            raise Broken(f"no connection within {_OPENING:.0f} seconds") from None

    async def initialize(self, **params: Any) -> None:
        self.facts = await self.request(
            "initialize", protocolVersion=1, client={"name": "neuroscope conformance"}, **params
        )
        self.keys = [neuron["key"] for neuron in self.facts["subscriptions"]]

    async def close(self) -> None:
        """Closes the connection, unless the server has done so."""
        if self.socket.close_code is None:
            await self.socket.close()

    # -------------------------------------------------------------------------------- sending

    async def send(self, message: Any) -> None:
        await self.socket.send(message if isinstance(message, str | bytes) else json.dumps(message))

    async def notify(self, method: str, **params: Any) -> None:
        await self.send({"jsonrpc": "2.0", "method": method, "params": params})

    async def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """The whole response to a request."""
        return await self.answer(await self.post(method, **params), method)

    async def post(self, method: str, **params: Any) -> int:
        """Sends a request; returns its id."""
        number = next(self._ids)
        if method == "document/open":
            self.documents.setdefault(params["uri"], Mirror()).opened()
        await self.send({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
        return number

    async def answer(self, number: int, method: str) -> dict[str, Any]:
        response: dict[str, Any] = await self.until(
            lambda message: message.get("id") == number and "method" not in message, method
        )
        return response

    async def request(self, method: str, **params: Any) -> Any:
        response = await self.ask(method, **params)
        require("result" in response, f"{method} was refused: {response.get('error')}")
        result = response["result"]
        if method in ("neurons/subscribe", "neurons/unsubscribe"):
            self.keys = [neuron["key"] for neuron in result["neurons"]]
        elif method == "model/load":
            self.keys = [key for key in self.keys if key not in result.get("dropped", [])]
        return result

    async def refused(self, method: str, code: int, **params: Any) -> dict[str, Any]:
        """The error of a request that must be refused with `code`."""
        response = await self.ask(method, **params)
        require("error" in response, f"{method} was not refused")
        error: dict[str, Any] = response["error"]
        require(error.get("code") == code, f"{method} was refused with {error.get('code')}, not {code}")
        require(isinstance(error.get("message"), str) and error["message"], "an error has no message")
        return error

    # -------------------------------------------------------------------------------- receiving

    async def receive(self) -> Any:
        """The next frame, recorded."""
        try:
            frame = await asyncio.wait_for(self.socket.recv(), TIME_LIMIT)
        except asyncio.TimeoutError:
            raise Broken(f"nothing came within {TIME_LIMIT:.0f} seconds") from None
        except ConnectionClosed as error:
            raise Broken(f"the connection was closed: {error}") from None
        require(isinstance(frame, str), "a frame is binary")
        try:
            message = json.loads(frame, parse_constant=_no_constant)
        except ValueError as error:
            raise Broken(f"a frame is not JSON: {error}") from None
        for item in message if isinstance(message, list) else [message]:
            require(isinstance(item, dict) and item.get("jsonrpc") == "2.0", "a message is not JSON-RPC 2.0")
        self.frames.append(str(frame))
        if isinstance(message, dict) and "method" in message:
            self.notifications.append(message)
            params = message.get("params", {})
            if isinstance(params, dict) and params.get("uri") in self.documents:
                self.documents[params["uri"]].receive(message["method"], params, self.keys)
        return message

    async def until(self, wanted: Callable[[Any], bool], what: str) -> Any:
        try:
            while True:
                message = await self.receive()
                if isinstance(message, dict) and wanted(message):
                    return message
        except Broken as error:
            raise Broken(f"waiting for {what}: {error}") from None

    async def told(self, name: str, /, **members: Any) -> dict[str, Any]:
        """The params of the next notification `name` that has these members."""

        def wanted(message: dict[str, Any]) -> bool:
            params = message.get("params", {})
            return message.get("method") == name and all(params.get(key) == value for key, value in members.items())

        params: dict[str, Any] = (await self.until(wanted, name))["params"]
        return params

    async def closed_with(self) -> int | None:
        """Reads to the end; the close code."""
        try:
            while True:
                await asyncio.wait_for(self.socket.recv(), TIME_LIMIT)
        except asyncio.TimeoutError:
            return None
        except ConnectionClosed:
            return self.socket.close_code

    # -------------------------------------------------------------------------------- documents

    async def show(self, uri: str, text: str, version: int = 1) -> Mirror:
        """Opens a document and waits for its done."""
        await self.request("document/open", uri=uri, version=version, text=text)
        return await self.settle(uri, version)

    async def change(self, uri: str, version: int, *changes: tuple[int, int, str]) -> None:
        wire = [{"from": start, "to": stop, "insert": insert} for start, stop, insert in changes]
        await self.notify("document/change", uri=uri, version=version, changes=wire)

    async def settle(self, uri: str, version: int) -> Mirror:
        document = self.documents[uri]
        while document.done < version:
            await self.told("activations/done", uri=uri)
        return document

    async def echo(self) -> None:
        """When this is answered, all answers to earlier messages have come."""
        await self.request("models/list")
