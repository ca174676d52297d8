"""A small server of the protocol with a made-up model, to test clients against: it needs no PyTorch and starts at once.

    async with ScriptedServer() as server:
        async with Client(server.url) as client:
            ...

Tokens are words, values depend on every token before them as a causal model's do, and everything is answered at once.
`incoming` and `outgoing` see each message and may return another one, or None to drop it, so that a test can make the
server slow, forgetful or wrong in any way; `disconnect` drops all connections.

It is written to be short, not fast, and from the protocol's README alone.
"""

from __future__ import annotations

import base64
import json
import re
import secrets
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import numpy as np
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

Rewrite = Callable[[Any], Any]

LAYERS, NEURONS, CONTEXT = 2, 16, 64
TOKENS_IN_FRAME, VALUES_IN_FRAME = 1000, 24_000
"""So that no frame has more than 1 MiB."""
BOS = {"id": 0, "text": "<bos>", "special": True}
HOOKS = [f"blocks.{layer}.{name}" for layer in range(LAYERS) for name in ("mlp.hook_post", "hook_resid_post")]
LIMITS = {
    "sessions": 16,
    "frameBytes": 256 * 1024,
    "documents": 8,
    "documentCharacters": 100_000,
    "documentTokens": 5000,
    "subscriptions": 24,
    "messagesPerSecond": 1000,
}
MODEL = {
    "id": "scripted",
    "revision": None,
    "architecture": "Scripted",
    "layers": LAYERS,
    "neuronsPerLayer": NEURONS,
    "contextTokens": CONTEXT,
    "vocabulary": 65_536,
    "dtype": "float32",
    "device": "none",
    "prependsBos": True,
    "hooks": HOOKS,
    "hasStatistics": True,
}
MODELS = {"scripted": MODEL, "shallow": {**MODEL, "id": "shallow", "layers": 1, "hooks": HOOKS[:2]}}
"""By id, the default one first; the second lacks the first one's last layer."""
SUMMARIES = [{"id": name, "title": name.title(), "loaded": True, "default": name == "scripted"} for name in MODELS]
METHODS = [
    "initialize",
    "ping",
    "models/list",
    "model/load",
    "document/open",
    "document/close",
    "document/change",
    "neurons/subscribe",
    "neurons/unsubscribe",
    "neurons/top",
    "rpc.discover",
    "$/cancelRequest",
    "document/tokens",
    "document/resync",
    "activations/update",
    "activations/done",
    "$/progress",
    "$/error",
]
OPENRPC = {
    "openrpc": "1.3.2",
    "info": {"title": "Scripted", "version": "1"},
    "methods": [{"name": name, "params": [], "result": {"name": "result", "schema": {}}} for name in METHODS],
}


class Refusal(Exception):
    """A JSON-RPC error."""

    def __init__(self, code: int, message: str, **data: Any) -> None:
        super().__init__(message)
        self.error = {"code": code, "message": message, **({"data": data} if data else {})}


@dataclass
class _Document:
    units: str
    """The text as a string in the chosen unit: for utf-16, one character per code unit."""
    version: int
    tokens: list[dict[str, Any]] = field(default_factory=list)
    """What the client has been sent."""
    following: bool = True
    """False from a resync to the next open."""


@dataclass
class _Session:
    name: str
    token: str
    model: dict[str, Any] = field(default_factory=lambda: MODEL)
    neurons: list[str] = field(default_factory=list)
    documents: dict[str, _Document] = field(default_factory=dict)


class ScriptedServer:
    """Listens on a free port of loopback between `async with` and its end.

    Args:
        incoming, outgoing: see the module.
        subprotocol: whether neuroscope.v1 is echoed.
        paths: what plain HTTP answers.
        binary_code: close code for a binary frame.
        frame_bytes: the largest frame accepted; None for no limit.
        resend_all: send all values after every edit, not only those that can have changed.
        any_token: resume a session with any token.
        origin_code: status of the refusal of pages from other origins.
    """

    def __init__(
        self,
        *,
        incoming: Rewrite = lambda message: message,
        outgoing: Rewrite = lambda message: message,
        subprotocol: bool = True,
        paths: tuple[str, ...] = ("/", "/healthz", "/metrics", "/openrpc.json"),
        binary_code: int = 1003,
        frame_bytes: int | None = LIMITS["frameBytes"],
        resend_all: bool = False,
        any_token: bool = False,
        origin_code: int = 403,
    ) -> None:
        self.incoming, self.outgoing = incoming, outgoing
        self.resend_all, self.any_token = resend_all, any_token
        self._origin_code = origin_code
        self._subprotocol, self._paths, self._binary_code = subprotocol, paths, binary_code
        self._frame_bytes = frame_bytes
        self._sessions: dict[str, _Session] = {}
        self._server: Server | None = None

    @property
    def url(self) -> str:
        assert self._server is not None
        port = next(iter(self._server.sockets)).getsockname()[1]
        return f"http://127.0.0.1:{port}/"

    async def __aenter__(self) -> ScriptedServer:
        names = [Subprotocol("neuroscope.v1")] if self._subprotocol else []
        self._server = await serve(
            self._converse,
            "127.0.0.1",
            0,
            max_size=self._frame_bytes,
            select_subprotocol=lambda _, offered: next((name for name in offered if name in names), None),
            process_request=self._http,
        )
        return self

    async def __aexit__(self, *exception: object) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    def disconnect(self) -> None:
        """Drops every connection without a close frame, as a failing network does; sessions can be resumed."""
        assert self._server is not None
        for connection in self._server.connections:
            connection.transport.abort()

    def _http(self, connection: ServerConnection, request: Request) -> Response | None:
        path = request.path.partition("?")[0]
        if path == "/ws":
            origin = request.headers.get("Origin")
            if origin is None or f"{origin}/" == self.url:
                return None
            return connection.respond(HTTPStatus(self._origin_code), "That page may not connect.\n")
        body = json.dumps(OPENRPC) if path == "/openrpc.json" else "scripted\n"
        status, reason = (200, "OK") if path in self._paths else (404, "Not Found")
        return Response(status, reason, Headers({"Content-Length": f"{len(body)}"}), body.encode())

    async def _converse(self, socket: ServerConnection) -> None:
        conversation = _Conversation(self, self._sessions)
        try:
            async for frame in socket:
                if isinstance(frame, bytes):
                    await socket.close(self._binary_code)
                    return
                for message in conversation.receive(frame):
                    told = self.outgoing(message)
                    if told is not None:
                        await socket.send(json.dumps(told))
        except ConnectionClosed:
            pass


class _Conversation:
    """One connection's messages: each is answered before the next is read."""

    def __init__(self, server: ScriptedServer, sessions: dict[str, _Session]) -> None:
        self._server = server
        self._sessions = sessions
        self._session: _Session | None = None
        self._utf32 = False
        self._base64 = False
        self._out: list[Any] = []

    def receive(self, frame: str) -> list[Any]:
        """All messages to send in return."""
        self._out = []
        try:
            value = json.loads(frame)
        except ValueError:
            return [_error(None, Refusal(-32700, "The frame is not JSON."))]
        if isinstance(value, list):
            answers = [answer for item in value if (answer := self._answer(item)) is not None]
            return [*([answers] if answers else []), *self._out]
        answer = self._answer(value)
        return [*([] if answer is None else [answer]), *self._out]

    def _answer(self, message: Any) -> Any:
        message = self._server.incoming(message)
        if message is None:
            return None
        if (
            not isinstance(message, dict)
            or message.get("jsonrpc") != "2.0"
            or not isinstance(message.get("method"), str)
        ):
            number = message.get("id") if isinstance(message, dict) else None
            return _error(number, Refusal(-32600, "That is not a JSON-RPC 2.0 request."))
        method, params = message["method"], message.get("params") or {}
        try:
            result = self._call(method, params)
        except Refusal as refusal:
            if "id" in message:
                return _error(message["id"], refusal)
            self._tell("$/error", {"method": method, **refusal.error})
            return None
        return {"jsonrpc": "2.0", "id": message["id"], "result": result} if "id" in message else None

    def _tell(self, method: str, params: dict[str, Any]) -> None:
        self._out.append({"jsonrpc": "2.0", "method": method, "params": params})

    # -------------------------------------------------------------------------------- methods

    def _call(self, method: str, params: dict[str, Any]) -> Any:
        if method == "initialize":
            if self._session is not None:
                raise Refusal(-32600, "This connection is initialized.")
            return self._initialize(params)
        if method == "ping":
            return {}
        if self._session is None:
            raise Refusal(-32002, "initialize comes first.")
        match method:
            case "models/list":
                return {"models": SUMMARIES}
            case "model/load":
                return self._load(_of_type(params, "model", str))
            case "document/open":
                return self._open(_of_type(params, "uri", str), _of_type(params, "version", int), params)
            case "document/close":
                self._document(params)
                del self._session.documents[params["uri"]]
                return {}
            case "document/change":
                return self._change(_of_type(params, "uri", str), params)
            case "neurons/subscribe" | "neurons/unsubscribe":
                return self._subscribe(method, _of_type(params, "neurons", list))
            case "neurons/top":
                return self._top(params)
            case "rpc.discover":
                return OPENRPC
            case "$/cancelRequest":
                return None
        raise Refusal(-32601, f"There is no method {method!r}.")

    def _initialize(self, params: dict[str, Any]) -> dict[str, Any]:
        if params.get("protocolVersion") != 1:
            raise Refusal(-32602, "This server speaks version 1.", member="protocolVersion", supported=[1])
        resume = params.get("resume") or {}
        known = self._sessions.get(resume.get("session", ""))
        resumed = known is not None and (self._server.any_token or known.token == resume.get("resumeToken"))
        session = known if known is not None and resumed else _Session(secrets.token_hex(8), secrets.token_hex(16))
        self._sessions[session.name] = self._session = session
        offered = [name for name in params.get("positionEncodings", []) if name in ("utf-16", "utf-32")]
        self._utf32 = offered[:1] == ["utf-32"]
        kinds = [name for name in params.get("activationEncodings", []) if name in ("json", "base64")]
        self._base64 = kinds[:1] == ["base64"]
        return {
            "protocolVersion": 1,
            "server": {"name": "scripted", "version": "1"},
            "session": session.name,
            "resumeToken": session.token,
            "resumed": resumed,
            "positionEncoding": "utf-32" if self._utf32 else "utf-16",
            "activationEncoding": "base64" if self._base64 else "json",
            "models": SUMMARIES,
            "model": session.model,
            "subscriptions": [_neuron(key) for key in session.neurons],
            "documents": [],
            "limits": LIMITS,
        }

    def _load(self, model: str) -> dict[str, Any]:
        assert self._session is not None
        if model not in MODELS:
            raise Refusal(-32010, f"There is no model {model!r}.", member="model")
        self._session.model = MODELS[model]
        dropped = [key for key in self._session.neurons if _place(key)["layer"] >= MODELS[model]["layers"]]
        self._session.neurons = [key for key in self._session.neurons if key not in dropped]
        for uri, document in self._session.documents.items():
            if document.following:
                self._evaluate(uri, document, document.tokens, keep=False)
        return {**MODELS[model], "dropped": dropped}

    def _open(self, uri: str, version: int, params: dict[str, Any]) -> dict[str, Any]:
        assert self._session is not None
        documents = self._session.documents
        if uri not in documents and len(documents) >= LIMITS["documents"]:
            raise _too_many("documents")
        text = _of_type(params, "text", str)
        if len(text) > LIMITS["documentCharacters"]:
            raise _too_many("documentCharacters")
        documents[uri] = document = _Document(self._units(text), version)
        self._evaluate(uri, document, [])
        return {"uri": uri, "version": version, "tokenCount": len(document.tokens)}

    def _change(self, uri: str, params: dict[str, Any]) -> None:
        assert self._session is not None
        document = self._session.documents.get(uri)
        if document is not None and not document.following:
            return
        changes = [(c["from"], c["to"], self._units(c["insert"])) for c in params["changes"]]
        changes.sort(key=lambda change: change[:2])  # stable: insertions at one place keep their order
        edges = [edge for start, stop, _ in changes for edge in (start, stop)]
        units = "" if document is None else document.units
        possible = edges == sorted(edges) and all(0 <= edge <= len(units) for edge in edges)
        if (
            document is None
            or not possible
            or params["version"] <= document.version
            or any(_inside_pair(units, edge) for edge in edges)
        ):
            if document is not None:
                document.following = False
            self._tell("document/resync", {"uri": uri, "reason": "The change is impossible."})
            return
        for start, stop, insert in reversed(changes):
            units = units[:start] + insert + units[stop:]
        document.units, document.version = units, params["version"]
        self._evaluate(uri, document, document.tokens)

    def _subscribe(self, method: str, refs: list[Any]) -> dict[str, Any]:
        assert self._session is not None
        old, keys = self._session.neurons, [_key(ref, self._session.model) for ref in refs]
        if method == "neurons/unsubscribe":
            self._session.neurons = [key for key in old if key not in keys]
        else:
            new = [key for key in dict.fromkeys(keys) if key not in old]
            if len(old) + len(new) > LIMITS["subscriptions"]:
                raise _too_many("subscriptions")
            self._session.neurons = [*old, *new]
            for uri, document in self._session.documents.items():
                self._values(uri, document, 0, new)
        return {"neurons": [_neuron(key) for key in self._session.neurons]}

    def _top(self, params: dict[str, Any]) -> dict[str, Any]:
        document = self._document(params)
        assert self._session is not None
        token, layers = params["token"], params.get("layers") or range(self._session.model["layers"])
        keys = [f"L{layer}N{number}" for layer in layers for number in range(NEURONS)]
        column = _activations(document.tokens, keys)[:, token].tolist()
        rows = [{**_place(key), "value": v, "ratio": v / _maximum(key)} for v, key in zip(column, keys, strict=True)]
        by = "ratio" if params.get("by") == "ratio" else "value"
        rows.sort(key=lambda row: row[by], reverse=True)
        return {"version": document.version, "token": token, "neurons": rows[: params["k"]]}

    def _document(self, params: dict[str, Any]) -> _Document:
        assert self._session is not None
        document = self._session.documents.get(params.get("uri", ""))
        if document is None:
            raise Refusal(-32012, "That document is not open.", member="uri")
        return document

    # -------------------------------------------------------------------------------- tokens and values

    def _units(self, text: str) -> str:
        if self._utf32:
            return text
        raw = text.encode("utf-16-le", "surrogatepass")
        return "".join(map(chr, np.frombuffer(raw, "<u2").tolist()))

    def _evaluate(self, uri: str, document: _Document, told: list[dict[str, Any]], keep: bool = True) -> None:
        """Sends the difference from what was sent, and the values from there on; everything without `keep`."""
        tokens = _tokenize(document.units)
        start = 0
        while keep and start < min(len(told), len(tokens)) and told[start] == tokens[start]:
            start += 1
        removed = len(told) - start
        for first in range(start, max(len(tokens), start + 1), TOKENS_IN_FRAME):
            stop = min(len(tokens), first + TOKENS_IN_FRAME)
            splice = {"start": first, "deleteCount": removed, "tokens": tokens[first:stop], "shift": 0}
            more = {"more": True} if stop < len(tokens) else {}
            self._tell("document/tokens", {**self._place(uri, document), **splice, "tokenCount": stop, **more})
            removed = 0
        document.tokens = tokens
        assert self._session is not None
        self._values(uri, document, 0 if self._server.resend_all else start, self._session.neurons)

    def _values(self, uri: str, document: _Document, start: int, keys: list[str]) -> None:
        values = _activations(document.tokens, keys)[:, start:]
        width = VALUES_IN_FRAME // max(1, len(keys))
        for column in range(0, values.shape[1] if keys else 0, width):
            block = values[:, column : column + width]
            # The shortest form of a float32 is also that of the nearest double.
            encoded: Any = [[float(str(value)) for value in row] for row in block]
            if self._base64:
                data = base64.b64encode(block.astype("<f4").tobytes()).decode()
                encoded = {"dtype": "float32", "shape": list(block.shape), "data": data}
            told = {"start": start + column, "count": block.shape[1], "neurons": keys, "values": encoded}
            self._tell("activations/update", {**self._place(uri, document), **told})
        timing = {"queueMs": 0.0, "tokenizeMs": 0.0, "forwardMs": 0.0, "totalMs": 0.0}
        work = {"computedTokens": values.shape[1], "reusedTokens": start, "forwardPasses": 1, "timing": timing}
        self._tell("activations/done", {**self._place(uri, document), **work})

    def _place(self, uri: str, document: _Document) -> dict[str, Any]:
        assert self._session is not None
        return {"uri": uri, "version": document.version, "model": self._session.model["id"]}


def _error(number: Any, refusal: Refusal) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "error": refusal.error}


def _too_many(limit: str) -> Refusal:
    most = LIMITS[limit]
    return Refusal(-32013, f"{limit} is at most {most}.", limit=limit, maximum=most)


def _of_type(params: Any, member: str, kind: type) -> Any:
    value = params.get(member) if isinstance(params, dict) else None
    if not isinstance(value, kind):
        raise Refusal(-32602, f"`{member}` must be given.", member=member)
    return value


def _inside_pair(units: str, at: int) -> bool:
    return 0 < at < len(units) and "\ud800" <= units[at - 1] <= "\udbff" and "\udc00" <= units[at] <= "\udfff"


def _key(ref: Any, model: dict[str, Any]) -> str:
    """The key of a reference to a neuron of `model`."""
    key, hook, index = f"{ref}", None, None
    if isinstance(ref, dict) and "layer" in ref:
        key = f"L{ref['layer']}N{ref['neuron']}"
    elif isinstance(ref, dict):
        hook, index = ref.get("hook"), ref.get("index")
        mlp = re.fullmatch(r"blocks\.(\d+)\.mlp\.hook_post", f"{hook}")
        key = f"L{mlp[1]}N{index}" if mlp else f"{hook}/{index}"
    if match := re.fullmatch(r"L(\d+)N(\d+)", key):
        exists = int(match[1]) < model["layers"] and int(match[2]) < NEURONS
    else:
        name, _, number = key.rpartition("/")
        exists = name in model["hooks"] and number.isdecimal() and int(number) < NEURONS
    if not exists:
        raise Refusal(-32602, f"{key} does not exist.", member="neurons")
    return key


def _place(key: str) -> dict[str, Any]:
    if match := re.fullmatch(r"L(\d+)N(\d+)", key):
        return {"key": key, "layer": int(match[1]), "neuron": int(match[2])}
    hook, _, index = key.rpartition("/")
    return {"key": key, "layer": int(hook.split(".")[1]), "neuron": int(index)}


def _neuron(key: str) -> dict[str, Any]:
    place = _place(key)
    hook = key.rpartition("/")[0] or f"blocks.{place['layer']}.mlp.hook_post"
    figures = {"max": _maximum(key), "min": -1.0, "mean": 0.0, "std": 0.5, "density": 0.5, "quantiles": {"0.5": 0.0}}
    return {**place, "hook": hook, "statistics": figures if hook.endswith("mlp.hook_post") else None}


def _maximum(key: str) -> float:
    """The made-up maximum of a neuron over a large text."""
    return 1.0 + zlib.crc32(key.encode()) % 8 / 8


def _tokenize(units: str) -> list[dict[str, Any]]:
    """Words with the space before them, other characters alone; a BOS before every context."""
    own: list[dict[str, Any]] = []
    for match in re.finditer(r" ?\w+|[\ud800-\udbff][\udc00-\udfff]|.", units, re.DOTALL):
        text = match[0].encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        number = 1 + zlib.crc32(text.encode()) % 65_535
        own.append({"id": number, "text": text, "from": match.start(), "to": match.end()})
    tokens: list[dict[str, Any]] = []
    start, most = 0, CONTEXT - 1
    while start < len(own) or not tokens:
        stop = min(len(own), start + most)
        if stop < len(own):
            lines = [i for i in range(stop - CONTEXT // 4, stop) if own[i]["text"] == "\n"]
            stop = lines[-1] + 1 if lines else stop
        at = own[start]["from"] if start else 0
        tokens.append({**BOS, "from": at, "to": at, **({"segment": True} if start else {})})
        tokens += own[start:stop]
        start = stop
    return tokens


def _activations(tokens: list[dict[str, Any]], keys: list[str]) -> np.ndarray[Any, np.dtype[np.float32]]:
    """[neurons, tokens] in [-1, 1): a digest of the neuron, the token and all before it in its context."""
    values = np.zeros((len(keys), len(tokens)), np.float32)
    for row, key in enumerate(keys):
        digest = 0
        for column, token in enumerate(tokens):
            seed = key if token.get("special") else f"{digest}"
            digest = zlib.crc32(f"{seed} {token['id']}".encode())
            values[row, column] = digest / 2**31 - 1
    return values
