"""A client that knows the protocol and nothing else, and trusts the server in nothing.

Every message is held against the protocol as it arrives: splices stay in bounds, spans cover the text of their
version, values carry the version of the last splice and belong to subscribed neurons, nothing is sent twice
without a reason, `activations/done` comes only when nothing is missing. What breaks a rule is raised as a
`Violation` by whatever the test waits for next.

A document's text is held as a string of the negotiated unit: of code points for `utf-32`; for `utf-16` of code
units, so that a character outside the Basic Multilingual Plane is two characters of the string. Offsets are then
plain indices, and JSON's escapes carry both forms as they are.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, ClassVar, NoReturn

import numpy as np
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

TIME_LIMIT = 30.0
"""Seconds until a test gives up waiting for what must come; the machine may be busy."""

MOST_IN_FRAME = 1024 * 1024
"""Bytes of a frame of the server."""

LOADING = 300.0
"""The same for a model: its process has to import PyTorch first."""

_CAMEL_CASE = re.compile(r"[a-z][a-zA-Z0-9]*")
_KEY = re.compile(r"L\d+N\d+|blocks\.\d+\.\S+/\d+")


class Violation(AssertionError):
    """The server broke a rule of the protocol."""


class RequestFailed(Exception):
    """An error response."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(f"{error['code']}: {error['message']}")
        self.code: int = error["code"]
        self.message: str = error["message"]
        self.data: dict[str, Any] = error.get("data", {})


def require(condition: object, complaint: str, *about: object) -> None:
    if not condition:
        raise Violation(" ".join([complaint, *(repr(item) for item in about)]))


# ------------------------------------------------------------------------------------ text


def to_units(text: str, encoding: str) -> str:
    """A Python string as a string of the negotiated unit."""
    if encoding == "utf-32":
        return text
    raw = text.encode("utf-16-le", "surrogatepass")
    return "".join(map(chr, np.frombuffer(raw, dtype="<u2").tolist()))


def from_units(units: str) -> str:
    """The text that a string of either unit stands for; surrogates stay only where they are alone."""
    return units.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


def inside_pair(units: str, offset: int) -> bool:
    """Whether an offset divides a surrogate pair; never in a string of code points."""
    return (
        0 < offset < len(units) and "\ud800" <= units[offset - 1] <= "\udbff" and "\udc00" <= units[offset] <= "\udfff"
    )


Change = tuple[int, int, str]
"""`(from, to, insert)` in units, of the text before the message."""


def apply_changes(units: str, changes: Iterable[Change]) -> str:
    in_order = sorted(changes, key=lambda change: change[:2])  # stable: at one place, as they were told
    for start, stop, insert in in_order[::-1]:
        units = units[:start] + insert + units[stop:]
    return units


# ------------------------------------------------------------------------------------ documents


@dataclass
class Row:
    """What the client has of one neuron."""

    values: np.ndarray[Any, np.dtype[np.float64]]  # [tokens]; NaN for null
    known: np.ndarray[Any, np.dtype[np.bool_]]  # [tokens], ever received for this token of the list
    fresh: np.ndarray[Any, np.dtype[np.bool_]]  # [tokens], received, and nothing before it in its context has changed

    @classmethod
    def empty(cls, count: int) -> Row:
        return cls(np.full(count, np.nan), np.zeros(count, dtype=np.bool_), np.zeros(count, dtype=np.bool_))

    def splice(self, start: int, delete: int, insert: int) -> None:
        def cut(array: np.ndarray[Any, Any], filler: object) -> np.ndarray[Any, Any]:
            return np.concatenate([array[:start], np.full(insert, filler, array.dtype), array[start + delete :]])

        self.values, self.known, self.fresh = cut(self.values, np.nan), cut(self.known, False), cut(self.fresh, False)


@dataclass
class Document:
    """One open document as a client has it."""

    uri: str
    version: int
    text: str
    texts: dict[int, str] = field(default_factory=dict)
    """By version, since the version of `tokens`."""
    opening: int = 0
    """Opens not answered yet; until then what comes may belong to the document before."""
    tokens_version: int | None = None
    tokens: list[dict[str, Any]] = field(default_factory=list)
    more: bool = False
    """Whether further tokens of `tokens_version` are to come, at `next_start`."""
    next_start: int = 0
    rows: dict[str, Row] = field(default_factory=dict)
    done: dict[str, Any] | None = None
    """The last `activations/done`, as long as it stands for all that was asked."""
    done_versions: list[int] = field(default_factory=list)
    token_messages: int = 0
    updates: int = 0
    values_received: int = 0
    update_ranges: list[tuple[int, int, tuple[str, ...]]] = field(default_factory=list)
    """`(start, count, neurons)` of the updates since the last `document/tokens`."""

    def ids(self) -> list[int]:
        return [token["id"] for token in self.tokens]

    def contexts(self) -> list[range]:
        """The contexts as ranges of token indices."""
        starts = [index for index, token in enumerate(self.tokens) if index == 0 or token.get("segment")]
        return [range(*edges) for edges in pairwise([*starts, len(self.tokens)])]

    def values(self, key: str) -> np.ndarray[Any, np.dtype[np.float64]]:
        return self.rows[key].values


class Client:
    """A connection and what came over it."""

    edits: ClassVar[int] = 0
    """Changes sent by all clients."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.documents: dict[str, Document] = {}
        self.subscribed: list[str] = []
        """In row order, as of the last answer."""
        self.initialized: dict[str, Any] = {}
        self.position_encoding = "utf-16"
        self.activation_encoding = "json"
        self.model: dict[str, Any] = {}
        self.errors: list[dict[str, Any]] = []
        """`$/error` params, in order."""
        self.resyncs: list[dict[str, Any]] = []
        self.progress: list[dict[str, Any]] = []
        self.orphans: list[dict[str, Any]] = []
        """Responses without an id: answers to what had no readable one."""
        self.frames = 0
        self.token_frames = 0
        """`document/tokens`, every part of one."""
        self.close_code: int | None = None
        self.close_reason = ""
        self.violation: BaseException | None = None
        self._next_id = 0
        self._waiting: dict[Any, tuple[dict[str, Any], asyncio.Future[dict[str, Any]]]] = {}
        self._news = asyncio.Condition()
        self._reading = asyncio.Event()
        self._reading.set()
        self._reader = asyncio.ensure_future(self._read())

    # -------------------------------------------------------------------------------- connection

    @classmethod
    async def open(cls, url: str, **params: Any) -> Client:
        """Connects and initializes."""
        client = await cls.dial(url)
        await client.initialize(**params)
        return client

    @classmethod
    async def dial(cls, url: str, **options: Any) -> Client:
        """Connects only. `url` is the server's page."""
        return await cls.dial_address(url + "ws", **options)

    @classmethod
    async def dial_address(cls, address: str, **options: Any) -> Client:
        """Connects to an `http:` or `https:` address as it is."""
        address = address.replace("http", "ws", 1)
        options = {"max_size": None, "compression": None, "open_timeout": TIME_LIMIT, "close_timeout": 5, **options}
        return cls(await connect(address, **options))

    async def initialize(self, **params: Any) -> dict[str, Any]:
        params = {"protocolVersion": 1, "client": {"name": "tests"}, **params}
        result = await self.request("initialize", params, patience=LOADING)
        assert isinstance(result, dict)
        return result

    async def close(self) -> None:
        """Says goodbye; complains if the server had done wrong until then."""
        await self.socket.close()
        await asyncio.wait_for(self._reader, TIME_LIMIT)
        if self.violation is not None:
            raise self.violation

    def cut(self) -> None:
        """Loses the connection without a closing handshake, as a network does."""
        self.socket.transport.abort()

    def pause(self) -> None:
        """Reads no more until `go_on`; what comes fills the buffers between, and then the server's."""
        self._reading.clear()

    def go_on(self) -> None:
        self._reading.set()

    async def closed(self) -> int | None:
        """Waits until the server has closed the connection; the close code."""
        await asyncio.wait_for(asyncio.shield(self._reader), TIME_LIMIT)
        if self.violation is not None:
            raise self.violation
        return self.close_code

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(self, kind: object, error: object, trace: object) -> None:
        if error is None:
            await self.close()
        else:
            self.socket.transport.abort()

    # -------------------------------------------------------------------------------- sending

    async def send(self, message: Any) -> None:
        """Any JSON value as a text frame; surrogates as escapes."""
        await self.send_text(json.dumps(message))

    async def send_text(self, text: str) -> None:
        self._raise_violation()
        await self.socket.send(text)

    def call(self, method: str, params: Any = None, *, request_id: Any = None) -> dict[str, Any]:
        """A request message; its answer is expected from now on."""
        if request_id is None:
            self._next_id += 1
            request_id = self._next_id
        message: dict[str, Any] = {"jsonrpc": "2.0", "id": request_id, "method": method}
        if params is not None:
            message["params"] = params
        self._waiting[request_id] = message, asyncio.get_running_loop().create_future()
        return message

    async def answer(self, message: dict[str, Any], patience: float = TIME_LIMIT) -> Any:
        """The result of a request message that was sent.

        Raises:
            RequestFailed: the answer is an error.
        """
        entry = self._waiting.get(message["id"])
        require(entry is not None and entry[0] is message, "no such request is waiting", message)
        assert entry is not None
        _, future = entry
        await self.until(future.done, f"an answer to {message['method']}", patience)
        response = future.result()
        self._waiting.pop(message["id"])
        if "error" in response:
            raise RequestFailed(response["error"])
        return response["result"]

    async def request(
        self, method: str, params: Any = None, *, request_id: Any = None, patience: float = TIME_LIMIT
    ) -> Any:
        message = self.call(method, params, request_id=request_id)
        await self.send(message)
        return await self.answer(message, patience)

    async def notify(self, method: str, params: Any) -> None:
        await self.send({"jsonrpc": "2.0", "method": method, "params": params})

    # -------------------------------------------------------------------------------- documents

    async def open_document(self, uri: str, text: str, version: int = 1) -> dict[str, Any]:
        """Opens with a Python string; returns the answer."""
        message = self.opening(uri, text, version)
        await self.send(message)
        result = await self.answer(message)
        assert isinstance(result, dict)
        return result

    def opening(self, uri: str, text: str, version: int = 1) -> dict[str, Any]:
        """The request message of an open, which the client takes for sent."""
        units = to_units(text, self.position_encoding)
        former = self.documents.get(uri)
        document = Document(uri, version, units, {version: units})
        document.opening = (former.opening if former is not None else 0) + 1
        self.documents[uri] = document
        return self.call("document/open", {"uri": uri, "version": version, "text": units})

    async def change(self, uri: str, *changes: Change) -> int:
        """Sends one `document/change` with offsets and text in units; returns the new version."""
        document = self.documents[uri]
        Client.edits += 1
        document.version += 1
        document.text = apply_changes(document.text, changes)
        document.texts[document.version] = document.text
        document.done = None
        wire = [{"from": start, "to": stop, "insert": insert} for start, stop, insert in changes]
        await self.notify("document/change", {"uri": uri, "version": document.version, "changes": wire})
        return document.version

    async def close_document(self, uri: str) -> None:
        require(await self.request("document/close", {"uri": uri}) == {}, "document/close must answer {}")
        del self.documents[uri]

    async def subscribe(self, *neurons: Any) -> list[dict[str, Any]]:
        result = await self.request("neurons/subscribe", {"neurons": list(neurons)})
        return list(result["neurons"])

    async def unsubscribe(self, *neurons: Any) -> list[dict[str, Any]]:
        result = await self.request("neurons/unsubscribe", {"neurons": list(neurons)})
        return list(result["neurons"])

    async def load(self, model: str, **params: Any) -> dict[str, Any]:
        result = await self.request("model/load", {"model": model, **params}, patience=LOADING)
        assert isinstance(result, dict)
        return result

    async def settled(self, *uris: str) -> None:
        """Waits until the newest versions of these documents (all, if none is named) are done."""
        wanted = uris or tuple(self.documents)
        await self.until(lambda: all(self.is_settled(self.documents[uri]) for uri in wanted), f"done of {wanted}")

    def is_settled(self, document: Document) -> bool:
        """Whether its newest version is done."""
        return document.done is not None and document.done["version"] == document.version

    def all_settled(self) -> bool:
        return all(map(self.is_settled, self.documents.values()))

    async def until(self, condition: Callable[[], object], what: str = "", patience: float = TIME_LIMIT) -> None:
        """Waits until a condition on this client holds, looking after each frame."""

        async def look() -> None:
            async with self._news:
                await self._news.wait_for(lambda: self._over or condition())

        try:
            await asyncio.wait_for(look(), patience)
        except asyncio.TimeoutError:
            self._raise_violation()
            raise AssertionError(f"waited {patience} seconds in vain: {what}") from None
        self._raise_violation()
        require(condition(), "the connection ended while waiting for", what, self.close_code, self.close_reason)

    # -------------------------------------------------------------------------------- receiving

    @property
    def _over(self) -> bool:
        return self.violation is not None or self._reader.done() or self.close_code is not None

    def _raise_violation(self) -> None:
        if self.violation is not None:
            raise self.violation

    async def _read(self) -> None:
        try:
            while True:
                frame = await self.socket.recv()
                await self._reading.wait()
                self.frames += 1
                self._take_frame(frame)
                async with self._news:
                    self._news.notify_all()
        except ConnectionClosed as closed:
            received = closed.rcvd
            self.close_code = received.code if received is not None else 1006
            self.close_reason = received.reason if received is not None else ""
        except BaseException as error:
            self.violation = error
        async with self._news:
            self._news.notify_all()

    def _take_frame(self, frame: str | bytes) -> None:
        require(isinstance(frame, str), "a frame that is not text")
        require(len(frame) <= MOST_IN_FRAME and len(frame.encode()) <= MOST_IN_FRAME, "a frame that is too large")
        value = json.loads(frame, parse_constant=_refuse_constant)
        if isinstance(value, list):
            require(value, "an empty batch")
            for message in value:
                require("method" not in message, "a notification in a batch of answers", message)
                self._take_message(message)
        else:
            self._take_message(value)

    def _take_message(self, message: Any) -> None:
        require(isinstance(message, dict) and message.get("jsonrpc") == "2.0", "not JSON-RPC 2.0", message)
        if "method" not in message:
            self._take_response(message)
            return
        require("id" not in message, "the server has no requests", message)
        handler = self._HANDLERS.get(message["method"])
        require(handler is not None, "unknown notification", message["method"])
        params = message.get("params")
        require(isinstance(params, dict), "params must be an object", message)
        _check_names(params)
        assert handler is not None
        handler(self, params)

    def _take_response(self, message: dict[str, Any]) -> None:
        require("id" in message, "neither method nor id", message)
        require(("result" in message) != ("error" in message), "exactly one of result and error", message)
        if "error" in message:
            error = message["error"]
            require(isinstance(error["code"], int) and isinstance(error["message"], str), "error object", error)
            require(error["message"].endswith((".", "?", "!")), "not a sentence", error["message"])
        if message["id"] is None:
            self.orphans.append(message)
            return
        entry = self._waiting.get(message["id"])
        require(entry is not None, "an answer to nothing", message)
        assert entry is not None
        request, future = entry
        require(type(request["id"]) is type(message["id"]), "the id has changed its type", message)
        require(not future.done(), "a second answer", message)
        if "result" in message:
            self._take_result(request, message["result"])
        elif request["method"] == "document/open":
            document = self.documents.get(request["params"]["uri"])
            if document is not None:
                document.opening -= 1
        future.set_result(message)

    def _take_result(self, request: dict[str, Any], result: Any) -> None:
        method = request["method"]
        if method == "initialize":
            self._take_hello(result)
        elif method == "document/open":
            params = request["params"]
            require(result.keys() >= {"uri", "version", "tokenCount"}, "document/open", result)
            require(result["uri"] == params["uri"], "document/open answers another uri", result)
            document = self.documents.get(result["uri"])
            if document is not None:
                document.opening -= 1
                if not document.opening:
                    require(result["version"] in document.texts, "a version that was never sent", result)
        elif method in ("neurons/subscribe", "neurons/unsubscribe"):
            self._take_neurons(result["neurons"])
        elif method == "model/load":
            self._take_model(result)
            dropped = result.get("dropped", [])
            require(set(dropped) <= set(self.subscribed), "dropped what was not subscribed", dropped)
            self.subscribed = [key for key in self.subscribed if key not in dropped]
            for document in self.documents.values():
                document.done = None
                document.rows = {key: Row.empty(len(document.tokens)) for key in self.subscribed}

    def _take_hello(self, result: dict[str, Any]) -> None:
        members = {"protocolVersion", "server", "session", "resumeToken", "resumed", "positionEncoding"}
        members |= {"activationEncoding", "models", "model", "subscriptions", "documents", "limits"}
        require(members <= result.keys(), "initialize lacks", members - result.keys())
        require(result["protocolVersion"] == 1, "protocolVersion", result["protocolVersion"])
        require(isinstance(result["resumed"], bool), "resumed", result["resumed"])
        limits = {"frameBytes", "documents", "documentCharacters", "documentTokens", "subscriptions"}
        limits |= {"messagesPerSecond"}
        require(limits <= result["limits"].keys(), "limits", result["limits"])
        self.initialized = result
        self.position_encoding = result["positionEncoding"]
        self.activation_encoding = result["activationEncoding"]
        for summary in result["models"]:
            require({"id", "title", "loaded", "default"} <= summary.keys(), "ModelSummary", summary)
        if result["model"] is not None:
            self._take_model(result["model"])
        self._take_neurons(result["subscriptions"])
        for document in result["documents"]:
            require(document.keys() >= {"uri", "version", "length"}, "documents", document)

    def _take_model(self, info: dict[str, Any]) -> None:
        members = {"id", "revision", "architecture", "layers", "neuronsPerLayer", "contextTokens", "vocabulary"}
        members |= {"dtype", "device", "prependsBos", "hooks", "hasStatistics"}
        require(members <= info.keys(), "ModelInfo lacks", members - info.keys())
        self.model = info

    def _take_neurons(self, neurons: list[dict[str, Any]]) -> None:
        for neuron in neurons:
            require({"key", "layer", "neuron", "hook", "statistics"} <= neuron.keys(), "Neuron", neuron)
            require(_KEY.fullmatch(neuron["key"]), "the key of a neuron", neuron["key"])
            if neuron["hook"] == f"blocks.{neuron['layer']}.mlp.hook_post":
                require(neuron["key"] == f"L{neuron['layer']}N{neuron['neuron']}", "key", neuron)
            else:
                require(neuron["key"] == f"{neuron['hook']}/{neuron['neuron']}", "key", neuron)
        keys = [neuron["key"] for neuron in neurons]
        require(len(set(keys)) == len(keys), "subscribed twice", keys)
        new = [key for key in keys if key not in self.subscribed]
        self.subscribed = keys
        for document in self.documents.values():
            for key in new:
                document.rows[key] = Row.empty(len(document.tokens))
            for key in [key for key in document.rows if key not in keys]:
                del document.rows[key]
            if new:
                document.done = None

    def _document(self, params: dict[str, Any]) -> Document | None:
        """The document that a notification is about; None if it may be about a closed one."""
        document = self.documents.get(params["uri"])
        require(document is not None or self._is_closing(params["uri"]), "about a document that is not open", params)
        require(params["model"] == self.model["id"], "of another model", params["model"], self.model["id"])
        return None if document is None or document.opening else document

    def _is_closing(self, uri: str) -> bool:
        return any(r["method"] == "document/close" and r["params"]["uri"] == uri for r, _ in self._waiting.values())

    def _take_tokens(self, params: dict[str, Any]) -> None:
        document = self._document(params)
        if document is None:
            return
        self.token_frames += 1
        version, start, delete = params["version"], params["start"], params["deleteCount"]
        tokens, shift = params["tokens"], params["shift"]
        require(params.get("more", True) is True, "more", params)
        if document.more:
            place = (document.tokens_version, document.next_start, 0, 0)
            require((version, start, delete, shift) == place, "not the next part of a splice", params, place)
        else:
            first = document.tokens_version is None
            require(version in document.texts, "tokens of a version that was never sent, or again", version)
            require(not first or (start == 0 and delete == 0), "the first tokens after an open replace nothing", params)
            document.token_messages += 1
        require(start >= 0 and delete >= 0 and start + delete <= len(document.tokens), "splice out of range", params)
        for token in document.tokens[start + delete :]:
            token["from"] += shift
            token["to"] += shift
        for token in tokens:
            require({"id", "text", "from", "to"} <= token.keys(), "Token", token)
            require(token.get("special", True) is True and token.get("segment", True) is True, "flags", token)
        document.tokens[start : start + delete] = [dict(token) for token in tokens]
        require(len(document.tokens) == params["tokenCount"], "tokenCount", params["tokenCount"], len(document.tokens))
        document.tokens_version = version
        document.texts = {v: text for v, text in document.texts.items() if v >= version}
        document.done = None
        document.update_ranges = []
        document.more, document.next_start = "more" in params, start + len(tokens)
        if not document.more:
            check_tokens(document.tokens, document.texts[version], self.model)
        for key in self.subscribed:
            document.rows.setdefault(key, Row.empty(0)).splice(start, delete, len(tokens))
        # What follows the splice in its last context depends on it; contexts that begin behind it do not.
        behind = start + len(tokens)
        stale = next(
            (i for i, token in enumerate(document.tokens[behind:], behind) if token.get("segment")),
            len(document.tokens),
        )
        if delete or tokens:
            for row in document.rows.values():
                row.fresh[start:stale] = False

    def _take_update(self, params: dict[str, Any]) -> None:
        document = self._document(params)
        if document is None:
            return
        start, count, keys = params["start"], params["count"], params["neurons"]
        require(not document.more, "values before the last part of the tokens", params)
        require(params["version"] == document.tokens_version, "an update of another version", params["version"])
        require(start >= 0 and count > 0 and start + count <= len(document.tokens), "update range", start, count)
        require(keys and len(set(keys)) == len(keys), "neurons of an update", keys)
        require(set(keys) <= set(self.subscribed), "values nobody asked for", set(keys) - set(self.subscribed))
        values = self._values(params["values"], len(keys), count)
        for row_values, key in zip(values, keys, strict=True):
            row = document.rows[key]
            require(not row.fresh[start : start + count].any(), "sent again, and cannot have changed", key, start)
            row.values[start : start + count] = row_values
            row.known[start : start + count] = True
            row.fresh[start : start + count] = True
        document.updates += 1
        document.values_received += values.size
        document.update_ranges.append((start, count, tuple(keys)))

    def _values(self, values: Any, rows: int, count: int) -> np.ndarray[Any, np.dtype[np.float64]]:
        if self.activation_encoding == "base64":
            require(values.keys() == {"dtype", "shape", "data"}, "base64 values", values.keys())
            require(values["dtype"] == "float32" and values["shape"] == [rows, count], "shape", values["shape"])
            raw = base64.b64decode(values["data"], validate=True)
            require(len(raw) == 4 * rows * count, "bytes of values", len(raw))
            return np.frombuffer(raw, dtype="<f4").reshape(rows, count).astype(np.float64)
        require(len(values) == rows and all(len(row) == count for row in values), "shape of values")
        flat = [value for row in values for value in row]
        require(all(value is None or type(value) in (float, int) for value in flat), "not a number", flat)
        array = np.array([np.nan if value is None else value for value in flat], dtype=np.float64)
        return array.reshape(rows, count)

    def _take_done(self, params: dict[str, Any]) -> None:
        document = self._document(params)
        if document is None:
            return
        require(not document.more, "done before the last part of the tokens", params)
        require(params["version"] == document.tokens_version, "done of another version", params["version"])
        members = {"computedTokens", "reusedTokens", "forwardPasses", "timing"}
        require(members <= params.keys(), "activations/done lacks", members - params.keys())
        for member in ("computedTokens", "reusedTokens", "forwardPasses"):
            require(isinstance(params[member], int) and params[member] >= 0, member, params[member])
        timing = params["timing"]
        require({"queueMs", "tokenizeMs", "forwardMs", "totalMs"} <= timing.keys(), "timing", timing)
        require(all(type(value) in (int, float) and value >= 0 for value in timing.values()), "timing", timing)
        for key in self.subscribed:
            row = document.rows[key]
            require(row.known.all(), "done, but without values", key, np.flatnonzero(~row.known)[:5].tolist())
        document.done = params
        document.done_versions.append(params["version"])

    def _take_resync(self, params: dict[str, Any]) -> None:
        require(isinstance(params["uri"], str) and isinstance(params["reason"], str), "document/resync", params)
        self.resyncs.append(params)

    def _take_progress(self, params: dict[str, Any]) -> None:
        require(params["value"]["kind"] in ("begin", "report", "end"), "$/progress", params)
        self.progress.append(params)

    def _take_error(self, params: dict[str, Any]) -> None:
        require({"method", "code", "message"} <= params.keys(), "$/error", params)
        require(isinstance(params["code"], int) and params["message"].endswith("."), "$/error", params)
        if "version" in (data := params.get("data", {})):
            require("uri" in data, "a version of no document", params)
        self.errors.append(params)

    _HANDLERS: dict[str, Callable[[Client, dict[str, Any]], None]] = {  # noqa: RUF012
        "document/tokens": _take_tokens,
        "document/resync": _take_resync,
        "activations/update": _take_update,
        "activations/done": _take_done,
        "$/progress": _take_progress,
        "$/error": _take_error,
    }


def check_tokens(tokens: Sequence[dict[str, Any]], text: str, model: dict[str, Any]) -> None:
    """Holds a token list against the text, in units, that it stands for."""
    first, last = 0, 0  # the span of the token before
    size, ordinary = 0, False
    for index, token in enumerate(tokens):
        start, stop = token["from"], token["to"]
        require(0 <= start <= stop <= len(text), "a span outside the text", index, token, len(text))
        require(not inside_pair(text, start) and not inside_pair(text, stop), "a span divides a pair", index, token)
        begins = index == 0 or "segment" in token
        size = 1 if begins else size + 1
        require(size <= model["contextTokens"], "a context that is too long, at token", index)
        require(index > 0 or "segment" not in token, "the first context is not a new one", token)
        require(("special" in token) == (begins and model["prependsBos"]), "special", index, token)
        if "special" in token:
            require(start == stop, "an added token has an empty span", index, token)
            require(start == last or _shared(text, start, last), "an added token out of place", index, token)
            continue
        ordinary = True
        require(start <= last, "text between two tokens belongs to none", index, token, last)
        require(first <= start and last <= stop, "spans go backwards", index, token)
        require(start == last or _shared(text, start, last), "two tokens share more than one character", index, token)
        first, last = start, stop
    require(last == len(text), "the text goes on after the last token", last, len(text))
    require(ordinary or not text, "no tokens for a text")
    require(bool(tokens) or not model["prependsBos"], "no BOS")


def _shared(text: str, start: int, stop: int) -> bool:
    """Whether `[start, stop)` is one character, or several that NFC composes to one or reorders."""
    region = from_units(text[start:stop])
    normal = unicodedata.normalize("NFC", region)
    return len(normal) == 1 or (normal != region and all(unicodedata.combining(mark) for mark in region[1:]))


def _check_names(value: Any) -> None:
    if isinstance(value, dict):
        for name, member in value.items():
            require(_CAMEL_CASE.fullmatch(name), "not camelCase", name)
            _check_names(member)
    elif isinstance(value, list) and value and isinstance(value[0], dict | list):
        for member in value:
            _check_names(member)


def _refuse_constant(name: str) -> NoReturn:
    raise Violation(f"{name} is not JSON")
