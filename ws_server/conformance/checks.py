"""The checks: one async function per clause, which raises `Broken` if the server breaks it.

A check gets a `Target` and opens its own connections, so no check depends on another.
"""

from __future__ import annotations

import asyncio
import json
import re
import unicodedata
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import numpy as np
from websockets.exceptions import InvalidStatus

from ..client.transport import proxy_for
from .peer import Broken, Mirror, Peer, require

TOLERANCE = 1e-3
"""Absolute and relative tolerance for values of the same text: passes in pieces round differently."""

TEXT = "It was the best of times, it was the worst of times."


class NotApplicable(Exception):
    """The clause cannot be checked with this server; the message says why."""


@dataclass(frozen=True)
class Target:
    """The server under test."""

    address: str
    headers: Mapping[str, str] = field(default_factory=dict)
    _peers: list[Peer] = field(default_factory=list)

    async def open(self, **params: Any) -> Peer:
        """An initialized connection."""
        peer = await self.dial()
        await peer.initialize(**params)
        return peer

    async def dial(self, **options: Any) -> Peer:
        """A connection."""
        peer = await Peer.dial(self.address, additional_headers=self.headers, **options)
        self._peers.append(peer)
        return peer

    async def hang_up(self) -> None:
        """Ends all connections, so that the next check finds a server at rest."""
        while self._peers:
            await self._peers.pop().close()

    async def get(self, path: str) -> tuple[int, bytes]:
        """Status and body of a GET on the same port."""
        base = self.address.replace("ws", "http", 1).removesuffix("ws")
        request = urllib.request.Request(base + path, headers=dict(self.headers))
        proxies: dict[str, str] | None = (
            {} if proxy_for(self.address) is None else None
        )  # None: the environment's proxies
        opener = urllib.request.build_opener(urllib.request.ProxyHandler(proxies))

        def fetch() -> tuple[int, bytes]:
            try:
                with opener.open(request, timeout=30) as response:
                    return response.status, response.read()
            except urllib.error.HTTPError as error:
                return error.code, b""
            except OSError as error:
                raise Broken(f"GET /{path}: {error}") from None

        return await asyncio.get_running_loop().run_in_executor(None, fetch)


Check = Callable[[Target], Awaitable[None]]
CHECKS: dict[str, Check] = {}
"""By clause."""


def clause(number: str) -> Callable[[Check], Check]:
    def register(check: Check) -> Check:
        CHECKS[number] = check
        return check

    return register


def neurons(peer: Peer, count: int) -> list[str]:
    """Keys of a few neurons of the model, of all layers in turn."""
    model = peer.facts["model"]
    return [f"L{number % model['layers']}N{number // model['layers']}" for number in range(count)]


def ids(document: Mirror) -> list[int]:
    return [token["id"] for token in document.tokens]


def spans(document: Mirror) -> list[tuple[int, int]]:
    return [(token["from"], token["to"]) for token in document.tokens if not token.get("special")]


def check_cover(document: Mirror, length: int) -> None:
    """Spans are in order and cover the whole text."""
    covered = 0
    for start, stop in spans(document):
        require(
            start <= covered <= stop, f"the span [{start}, {stop}) leaves a gap, or is out of order, after {covered}"
        )
        covered = max(covered, stop)
    require(covered == length, f"the tokens cover {covered} of {length}")


def check_same(one: Mirror, other: Mirror, keys: list[str]) -> None:
    require(ids(one) == ids(other), "the token lists differ")
    require(spans(one) == spans(other), "the spans differ")
    for key in keys:
        for index, (a, b) in enumerate(zip(one.values[key], other.values[key], strict=True)):
            near = a is b or (a is not None and b is not None and abs(a - b) <= TOLERANCE * max(1.0, abs(a)))
            require(near, f"{key} is {a} and {b} at token {index}")


# ------------------------------------------------------------------------------------ transport


@clause("1.1")
async def subprotocol(target: Target) -> None:
    peer = await target.dial(subprotocols=["neuroscope.v1"])
    require(peer.socket.subprotocol == "neuroscope.v1", "neuroscope.v1 was offered and not echoed")
    await peer.close()
    await (await target.dial()).close()


@clause("1.2")
async def batches(target: Target) -> None:
    peer = await target.open()
    ask = {"jsonrpc": "2.0", "method": "models/list", "params": {}}
    await peer.send(
        [{**ask, "id": "a"}, {"jsonrpc": "2.0", "method": "$/cancelRequest", "params": {"id": 99}}, {**ask, "id": "b"}]
    )
    answer = await peer.receive()
    require(isinstance(answer, list), "a batch was not answered by an array")
    require(sorted(item["id"] for item in answer) == ["a", "b"], "the array does not hold one answer per request")


@clause("1.3")
async def binary(target: Target) -> None:
    peer = await target.open()
    await peer.send(b"{}")
    code = await peer.closed_with()
    require(code == 1003, f"it closed with {code}")


@clause("1.4")
async def http(target: Target) -> None:
    for path in ("", "healthz", "metrics", "openrpc.json"):
        status, body = await target.get(path)
        require(status == 200 and body, f"GET /{path} is answered {status}")


@clause("1.5")
async def unknown_members(target: Target) -> None:
    peer = await target.open(somethingNew={"a": 1})
    result = await peer.request("document/open", uri="a", version=1, text="x", alsoNew=True)
    require(result["uri"] == "a", "the answer names another document")


@clause("1.6")
async def member_names(target: Target) -> None:
    peer = await target.open()
    await peer.request("neurons/subscribe", neurons=neurons(peer, 1))
    await peer.show("a", TEXT)
    await peer.request("neurons/top", uri="a", token=0, k=1)
    await peer.ask("neurons/subscribe", neurons=["neuron"])
    names: list[str] = []
    for frame in peer.frames:
        json.loads(frame, object_pairs_hook=lambda members: names.extend(name for name, _ in members))
    # The levels of quantiles are numbers; the rest is names.
    odd = [name for name in names if re.fullmatch(r"[a-z][a-zA-Z0-9]*|[0-9.]+", name) is None]
    require(not odd, f"{odd[:1]} is not camelCase")


@clause("1.7")
async def shortest_numbers(target: Target) -> None:
    peer = await target.open()
    await peer.request("neurons/subscribe", neurons=neurons(peer, 8))
    await peer.show("a", TEXT)
    for frame in peer.frames:
        # keeps numbers as they are written
        message = json.loads(frame, parse_float=Decimal)
        if message.get("method") != "activations/update":
            continue
        for written in (value for row in message["params"]["values"] for value in row):
            require(written is None or written == Decimal(str(np.float32(written))), f"{written} could be shorter")


@clause("1.8")
async def no_params(target: Target) -> None:
    peer = await target.open()
    for number, params in ((1001, None), (1002, [])):
        await peer.send({"jsonrpc": "2.0", "id": number, "method": "models/list", "params": params})
        answer = await peer.answer(number, "models/list")
        require("result" in answer, f"params {json.dumps(params)} is refused: {answer.get('error')}")


@clause("1.9")
async def large_answers(target: Target) -> None:
    peer = await target.open()
    limits = peer.facts["limits"]
    most = min(limits["documentTokens"], limits["documentCharacters"], limits["frameBytes"] - 1000)
    text = "a\n" * min(20_000, most // 5 * 2)
    document = await peer.show("a", text)
    check_cover(document, len(text))
    largest = max(len(frame.encode()) for frame in peer.frames)
    require(largest <= 1024 * 1024, f"a frame has {largest} bytes")


# ------------------------------------------------------------------------------------ positions


@clause("2.1")
async def utf16(target: Target) -> None:
    await _check_unit(target, {}, "utf-16", 2)


@clause("2.2")
async def utf32(target: Target) -> None:
    await _check_unit(target, {"positionEncodings": ["utf-32"]}, "utf-32", 1)


async def _check_unit(target: Target, params: dict[str, Any], unit: str, width: int) -> None:
    peer = await target.open(**params)
    require(peer.facts["positionEncoding"] == unit, f"the unit is {peer.facts['positionEncoding']}")
    document = await peer.show("a", "😀 ab")
    check_cover(document, width + 3)
    await peer.change("a", 2, (width + 1, width + 2, "XY"))
    fresh = await peer.show("b", "😀 XYb")
    check_cover(await peer.settle("a", 2), width + 4)
    check_same(document, fresh, [])


@clause("2.3")
async def inside_a_pair(target: Target) -> None:
    peer = await target.open()
    await peer.show("a", "😀")
    await peer.change("a", 2, (1, 1, "x"))
    await peer.told("document/resync", uri="a")


@clause("2.4")
async def line_endings(target: Target) -> None:
    peer = await target.open()
    text = "a\r\nb\rc\n\n d"
    check_cover(await peer.show("a", text), len(text))
    await peer.change("a", 2, (len(text), len(text), "\r\n"))
    check_cover(await peer.settle("a", 2), len(text) + 2)


# ------------------------------------------------------------------------------------ life


@clause("3.1")
async def not_initialized(target: Target) -> None:
    peer = await target.dial()
    await peer.refused("models/list", -32002)
    await peer.refused("document/open", -32002, uri="a", version=1, text="")


@clause("3.2")
async def initialize(target: Target) -> None:
    facts = (await target.open(positionEncodings=["utf-7", "utf-32"], activationEncodings=["base64"])).facts
    for name in (
        "server",
        "session",
        "resumeToken",
        "resumed",
        "models",
        "model",
        "subscriptions",
        "documents",
        "limits",
    ):
        require(name in facts, f"initialize does not report {name}")
    require(facts["protocolVersion"] == 1, "the protocol's version is not 1")
    agreed = (facts["positionEncoding"], facts["activationEncoding"])
    require(agreed == ("utf-32", "base64"), f"utf-32 and base64 were offered, the server chose {agreed}")
    require(facts["resumed"] is False, "a new session calls itself resumed")
    for name in (
        "frameBytes",
        "documents",
        "documentCharacters",
        "documentTokens",
        "subscriptions",
        "messagesPerSecond",
    ):
        require(isinstance(facts["limits"].get(name), int), f"limits.{name} is missing")
    for name in (
        "id",
        "revision",
        "architecture",
        "layers",
        "neuronsPerLayer",
        "contextTokens",
        "vocabulary",
        "dtype",
        "device",
        "prependsBos",
        "hooks",
        "hasStatistics",
    ):
        require(name in facts["model"], f"the model's {name} is missing")


@clause("3.3")
async def resuming(target: Target) -> None:
    first = await target.open()
    keys = neurons(first, 2)
    await first.request("neurons/subscribe", neurons=keys)
    before = await first.show("a", TEXT)
    resume = {name: first.facts[name] for name in ("session", "resumeToken")}
    first.socket.transport.abort()
    peer = await target.open(resume=resume)
    require(peer.facts["resumed"] is True, "the session was not resumed")
    require(peer.keys == keys, "the subscriptions have changed")
    check_same(await peer.show("a", TEXT), before, keys)


@clause("3.4")
async def no_session_to_resume(target: Target) -> None:
    first = await target.open()
    session = first.facts["session"]
    first.socket.transport.abort()
    for resume in ({"session": session, "resumeToken": "wrong"}, {"session": "none", "resumeToken": "none"}):
        facts = (await target.open(resume=resume)).facts
        require(facts["resumed"] is False, "it resumed a session that it must not")
        require(facts["session"] != session, "the new session has the old one's id")


@clause("3.5")
async def models(target: Target) -> None:
    peer = await target.open()
    summaries = (await peer.request("models/list"))["models"]
    for summary in summaries:
        require({"id", "title", "loaded", "default"} <= summary.keys(), f"members of {summary.get('id')} are missing")
    listed = [model["id"] for model in summaries]
    require(peer.facts["model"]["id"] in listed, "the session's model is not on the list")
    await peer.refused("model/load", -32010, model="there is no such model")
    require(ids(await peer.show("a", TEXT)), "after a refused load nothing is tokenized")


@clause("3.6")
async def loading(target: Target) -> None:
    peer = await target.open()
    keys = neurons(peer, 2)
    await peer.request("neurons/subscribe", neurons=keys)
    document = await peer.show("a", TEXT)
    splices = len(document.splices)
    info = await peer.request("model/load", model=peer.facts["model"]["id"], workDoneToken="progress")
    require(info["id"] == peer.facts["model"]["id"], "the answer is about another model")
    while len(document.splices) == splices:
        await peer.told("document/tokens", uri="a")
    document.done = -1
    await peer.settle("a", 1)
    told = [m["params"] for m in peer.notifications if m["method"] == "$/progress"]
    kinds = [params["value"]["kind"] for params in told if params["token"] == "progress"]
    # A model that is loaded already needs no progress.
    require(not kinds or (kinds[0] == "begin" and kinds[-1] == "end"), f"the progress is {kinds}")


@clause("3.7")
async def cancelling(target: Target) -> None:
    peer = await target.open()
    await peer.notify("$/cancelRequest", id="nothing can be cancelled")
    number = await peer.post("document/open", uri="a", version=1, text=TEXT * 20)
    await peer.notify("$/cancelRequest", id=number)
    answer = await peer.answer(number, "a request that was given up")
    code = answer.get("error", {}).get("code", -32800)
    require(code == -32800, f"it is answered with {code}")
    check_cover(await peer.show("b", TEXT), len(TEXT))
    faults = [m for m in peer.notifications if m["method"] == "$/error"]
    require(not faults, f"cancelling is reported as an error: {faults[:1]}")


@clause("3.8")
async def dropped(target: Target) -> None:
    peer = await target.open()
    held, summaries = peer.facts["model"], (await peer.request("models/list"))["models"]
    others = [summary["id"] for summary in summaries if summary["loaded"] and summary["id"] != held["id"]]
    if not others:
        raise NotApplicable("no other model is loaded")
    places = [(0, 0), (held["layers"] - 1, 0), (0, held["neuronsPerLayer"] - 1)]
    keys = list(dict.fromkeys(f"L{layer}N{neuron}" for layer, neuron in places))
    await peer.request("neurons/subscribe", neurons=keys)
    await peer.show("a", TEXT)
    info = await peer.request("model/load", model=others[0])
    require(info["id"] == others[0], "the answer is about another model")
    lost = [
        f"L{layer}N{neuron}"
        for layer, neuron in dict.fromkeys(places)
        if layer >= info["layers"] or neuron >= info["neuronsPerLayer"]
    ]
    require(sorted(info.get("dropped", [])) == sorted(lost), f"dropped is {info.get('dropped')}, not {lost}")
    left = (await peer.request("neurons/subscribe", neurons=["L0N0"]))["neurons"]
    require([neuron["key"] for neuron in left] == [key for key in keys if key not in lost], "others are subscribed")


@clause("3.9")
async def initializing_wrongly(target: Target) -> None:
    peer = await target.dial()
    hello = {"client": {"name": "neuroscope conformance"}}
    await peer.refused("initialize", -32602, protocolVersion=2, **hello)
    await peer.initialize()
    await peer.refused("initialize", -32600, protocolVersion=1, **hello)
    await peer.echo()


@clause("3.10")
async def alive(target: Target) -> None:
    peer = await target.dial()
    require(await peer.request("ping") == {}, "ping is not answered by {}")
    await peer.initialize()
    require(await peer.request("ping") == {}, "ping is not answered by {}")


# ------------------------------------------------------------------------------------ documents


@clause("4.1")
async def opening(target: Target) -> None:
    peer = await target.open()
    result = await peer.request("document/open", uri="a", version=7, text=TEXT)
    document = await peer.settle("a", 7)
    require((result["uri"], result["version"]) == ("a", 7), "the answer is about another document or version")
    require(result["tokenCount"] == len(document.tokens), "tokenCount is not that of the tokens")
    check_cover(document, len(TEXT))


EDITS: list[list[tuple[int, int, str]]] = [
    [(6, 6, " never")],
    [(0, 2, "That")],
    [(10, 30, "")],
    [(0, 0, "\n"), (20, 24, "x y"), (28, 28, "é")],
    [(5, 5, "w"), (6, 6, "o"), (9, 12, "rds 12")],
]


def edited(text: str, changes: list[tuple[int, int, str]]) -> str:
    in_order = sorted(changes, key=lambda change: change[:2])  # stable: insertions at one place keep their order
    for start, stop, insert in in_order[::-1]:
        text = text[:start] + insert + text[stop:]
    return text


@clause("4.2")
async def splices(target: Target) -> None:
    peer = await target.open()
    document, text = await peer.show("a", TEXT), TEXT
    for version, changes in enumerate(EDITS, start=2):
        await peer.change("a", version, *changes)
        text = edited(text, changes)
        await peer.settle("a", version)
        check_cover(document, len(text))
        check_same(document, await peer.show("fresh", text, version), [])


@clause("4.3")
async def order_is_free(target: Target) -> None:
    peer = await target.open()
    changes = [(20, 24, "one"), (0, 2, "two"), (8, 8, " three"), (8, 8, " and")]
    document = await peer.show("a", TEXT)
    await peer.change("a", 2, *changes)
    fresh = await peer.show("b", edited(TEXT, changes))
    await peer.settle("a", 2)
    check_same(document, fresh, [])


@clause("4.4")
async def impossible(target: Target) -> None:
    peer = await target.open()
    await peer.show("a", TEXT)
    version = 1
    for number, changes in ((0, [(0, 0, "x"), (99, 99, "")]), (0, [(0, 3, ""), (2, 4, "")]), (-1, [(0, 0, "x")])):
        await peer.change("a", version + 1 + number, *changes)
        await peer.told("document/resync", uri="a")
        before = len(peer.notifications)
        await peer.change("a", version + 2, (0, 0, "ignored"))
        await peer.echo()
        heard = [m for m in peer.notifications[before:] if m.get("params", {}).get("uri") == "a"]
        require(not heard, f"a change before the next open was not ignored: {heard[:1]}")
        version += 5
        document = await peer.show("a", TEXT, version)
        check_cover(document, len(TEXT))
    await peer.change("nobody opened it", 1, (0, 0, "x"))
    await peer.told("document/resync", uri="nobody opened it")


@clause("4.5")
async def opening_again(target: Target) -> None:
    peer = await target.open()
    await peer.show("a", TEXT)
    document = await peer.show("a", "Another text.", 5)
    check_cover(document, len("Another text."))


@clause("4.6")
async def closing(target: Target) -> None:
    peer = await target.open()
    await peer.show("a", TEXT)
    await peer.request("document/close", uri="a")
    await peer.refused("document/close", -32012, uri="a")
    await peer.change("a", 2, (0, 0, "x"))
    await peer.told("document/resync", uri="a")


@clause("4.7")
async def special_tokens(target: Target) -> None:
    peer = await target.open()
    document = await peer.show("a", TEXT)
    marked = [token for token in document.tokens if token.get("special")]
    require(bool(marked) == peer.facts["model"]["prependsBos"], "prependsBos and the tokens do not agree")
    require(all(token["from"] == token["to"] for token in marked), "the span of a special token is not empty")


@clause("4.8")
async def characters(target: Target) -> None:
    peer = await target.open()
    text = "🙂 e\u0301, 漢字 é🙂🙂.\r\n"
    units = text.encode("utf-16-le")
    document = await peer.show("a", text)
    check_cover(document, len(units) // 2)

    def between(start: int, stop: int) -> str:
        try:
            return units[2 * start : 2 * stop].decode("utf-16-le")
        except UnicodeDecodeError:
            raise Broken(f"the offset {start} or {stop} divides a surrogate pair") from None

    covered = 0
    for start, stop in spans(document):
        between(start, stop)
        shared = unicodedata.normalize("NFC", between(start, covered))
        require(len(shared) <= 1, f"two tokens share {shared!r}")
        covered = max(covered, stop)


# ------------------------------------------------------------------------------------ activations


@clause("5.1")
async def references(target: Target) -> None:
    peer = await target.open()
    model = peer.facts["model"]
    asked: list[Any] = ["L0N1", {"layer": 0, "neuron": 2}, {"hook": "blocks.0.mlp.hook_post", "index": 3}]
    expected = ["L0N1", "L0N2", "L0N3"]
    other = next((hook for hook in model["hooks"] if not hook.endswith("mlp.hook_post")), None)
    if other is not None:
        asked.append({"hook": other, "index": 0})
        expected.append(f"{other}/0")
    told = (await peer.request("neurons/subscribe", neurons=asked))["neurons"]
    require([neuron["key"] for neuron in told] == expected, f"the keys are {[neuron['key'] for neuron in told]}")
    for neuron in told:
        require({"layer", "neuron", "hook", "statistics"} <= neuron.keys(), f"members of {neuron['key']} are missing")
        figures = neuron["statistics"]
        require(
            figures is None or {"max", "min", "mean", "density"} <= figures.keys(),
            f"members of the statistics of {neuron['key']} are missing",
        )
    document = await peer.show("a", TEXT)
    require(set(document.values) == set(expected), "values came under other keys")


@clause("5.2")
async def all_or_nothing(target: Target) -> None:
    peer = await target.open()
    model = peer.facts["model"]
    kept = (await peer.request("neurons/subscribe", neurons=["L0N1"]))["neurons"]
    for bad in (f"L{model['layers']}N0", f"L0N{model['neuronsPerLayer']}", "neuron", {"hook": "nowhere", "index": 0}):
        error = await peer.refused("neurons/subscribe", -32602, neurons=["L0N2", bad])
        named = bad if isinstance(bad, str) else bad["hook"]
        told = error["message"] + json.dumps(error.get("data", {}))
        require(str(named) in told or "neurons.1" in told or "L" in told, "the error does not name the reference")
    require(
        (await peer.request("neurons/subscribe", neurons=["L0N1"]))["neurons"] == kept, "a refused neuron is subscribed"
    )


@clause("5.3")
async def subscribing_later(target: Target) -> None:
    peer = await target.open()
    for uri in ("a", "b"):
        await peer.show(uri, TEXT)
    keys = neurons(peer, 3)
    await peer.request("neurons/subscribe", neurons=keys[:2])
    await peer.request("neurons/subscribe", neurons=keys)
    require(peer.keys == keys, "the row order is not the order of subscribing")
    for uri in ("a", "b"):
        document = peer.documents[uri]
        while not all(None not in document.values.get(key, [None]) for key in keys):
            await peer.told("activations/update", uri=uri)


@clause("5.4")
async def only_what_changed(target: Target) -> None:
    peer = await target.open()
    await peer.request("neurons/subscribe", neurons=neurons(peer, 2))
    document = await peer.show("a", TEXT)
    await peer.change("a", 2, (len(TEXT), len(TEXT), " More"))
    before = len(document.updates)
    await peer.settle("a", 2)
    first = document.splices[-1]["start"]
    sent = [update["start"] for update in document.updates[before:]]
    require(
        sent and min(sent) >= first,
        f"values from token {min(sent, default=None)} on, where {first} is the first new one",
    )
    require(
        sent[0] == min(sent), f"the first values are those of token {sent[0]}, which is not the first after the edit"
    )


@clause("5.5")
async def versions(target: Target) -> None:
    peer = await target.open()
    await peer.request("neurons/subscribe", neurons=neurons(peer, 3))
    await peer.show("a", TEXT)
    for version in range(2, 8):
        await peer.change("a", version, (version, version, " w"))
    await peer.settle("a", 7)  # the mirror checks every message


@clause("5.6")
async def last_version(target: Target) -> None:
    peer = await target.open()
    await peer.request("neurons/subscribe", neurons=neurons(peer, 2))
    await peer.show("a", "")
    for version in range(2, 42):
        await peer.change("a", version, (0, 0, "word "))
    document = await peer.settle("a", 41)
    check_cover(document, 200)


@clause("5.7")
async def incremental(target: Target) -> None:
    peer = await target.open()
    keys = neurons(peer, 6)
    await peer.request("neurons/subscribe", neurons=keys)
    document, text = await peer.show("a", TEXT), TEXT
    for version, changes in enumerate(EDITS, start=2):
        await peer.change("a", version, *changes)
        text = edited(text, changes)
        await peer.settle("a", version)
        fresh = await peer.show("fresh", text, version)
        check_same(document, fresh, keys)


@clause("5.8")
async def encodings(target: Target) -> None:
    shown = []
    for encoding in ("json", "base64"):
        peer = await target.open(activationEncodings=[encoding])
        keys = neurons(peer, 3)
        await peer.request("neurons/subscribe", neurons=keys)
        shown.append(await peer.show("a", TEXT))
        told = {type(m["params"]["values"]) for m in peer.notifications if m["method"] == "activations/update"}
        require(told == {list if encoding == "json" else dict}, f"values are not {encoding}")
    check_same(shown[0], shown[1], keys)


@clause("5.9")
async def unsubscribing(target: Target) -> None:
    peer = await target.open()
    keys = neurons(peer, 3)
    await peer.request("neurons/subscribe", neurons=keys)
    document = await peer.show("a", TEXT)
    left = (await peer.request("neurons/unsubscribe", neurons=keys[1:2]))["neurons"]
    require([neuron["key"] for neuron in left] == [keys[0], keys[2]], "other rows are left")
    before = len(document.updates)
    await peer.change("a", 2, (0, 0, "Then "))
    await peer.settle("a", 2)
    sent = {key for update in document.updates[before:] for key in update["neurons"]}
    require(sent == {keys[0], keys[2]}, f"values of {sorted(sent)} came")


@clause("5.10")
async def top(target: Target) -> None:
    peer = await target.open()
    document = await peer.show("a", TEXT)
    token = len(document.tokens) // 2
    result = await peer.request("neurons/top", uri="a", token=token, k=5)
    found = result["neurons"]
    require((result["version"], result["token"], len(found)) == (1, token, 5), "the answer is to another request")
    values = [neuron["value"] for neuron in found if neuron["value"] is not None]
    require(values == sorted(values, reverse=True), "they are not in order of their values")
    await peer.request("neurons/subscribe", neurons=[neuron["key"] for neuron in found])
    while not all(neuron["key"] in document.values for neuron in found):
        await peer.told("activations/update", uri="a")
    for neuron in found:
        value, told = document.values[neuron["key"]][token], neuron["value"]
        same = value is told or (value is not None and told is not None and abs(value - told) <= TOLERANCE)
        require(same, f"{neuron['key']} has another value")
    layer = 0 if found[0]["layer"] else peer.facts["model"]["layers"] - 1  # not the highest one's, if there are two
    limited = await peer.request("neurons/top", uri="a", token=token, k=3, layers=[layer])
    require({neuron["layer"] for neuron in limited["neurons"]} == {layer}, "neurons of other layers came")


@clause("5.11")
async def account(target: Target) -> None:
    peer = await target.open()
    await peer.request("neurons/subscribe", neurons=neurons(peer, 1))
    await peer.show("a", TEXT)
    await peer.change("a", 2, (len(TEXT), len(TEXT), " More"))
    await peer.settle("a", 2)
    for told in (m["params"] for m in peer.notifications if m["method"] == "activations/done"):
        for name in ("computedTokens", "reusedTokens", "forwardPasses"):
            require(type(told.get(name)) is int and told[name] >= 0, f"{name} is {told.get(name)}")
        for name in ("queueMs", "tokenizeMs", "forwardMs", "totalMs"):
            time = told.get("timing", {}).get(name)
            require(type(time) in (int, float) and time >= 0, f"timing.{name} is {time}")


@clause("5.12")
async def top_by_ratio(target: Target) -> None:
    peer = await target.open()
    if not peer.facts["model"]["hasStatistics"]:
        raise NotApplicable("the model has no statistics")
    document = await peer.show("a", TEXT)
    token = len(document.tokens) // 2
    found = (await peer.request("neurons/top", uri="a", token=token, k=5, by="ratio"))["neurons"]
    told = (await peer.request("neurons/subscribe", neurons=[row["key"] for row in found]))["neurons"]
    ratios = [row["ratio"] for row in found if row["ratio"] is not None]
    require(ratios and ratios == sorted(ratios, reverse=True), "they are not in order of their ratios")
    for row, neuron in zip(found, told, strict=True):
        if row["ratio"] is None or row["value"] is None:
            continue
        expected = row["value"] / neuron["statistics"]["max"]
        near = abs(row["ratio"] - expected) <= TOLERANCE * max(1.0, abs(expected))
        require(near, f"the ratio of {row['key']} is {row['ratio']}, not {expected}")


@clause("5.13")
async def named_models(target: Target) -> None:
    peer = await target.open()
    await peer.request("neurons/subscribe", neurons=neurons(peer, 1))
    await peer.show("a", TEXT)
    names = {"document/tokens", "activations/update", "activations/done"}
    told = {m["method"]: m["params"].get("model") for m in peer.notifications if m["method"] in names}
    require(told == dict.fromkeys(names, peer.facts["model"]["id"]), f"the models named are {told}")


# ------------------------------------------------------------------------------------ contexts


def _lines(context: int) -> str:
    """A text longer than two contexts, with lines much shorter than a quarter of one."""
    return "".join(f"line {number} of it\n" for number in range(context // 3))


async def _show_lines(target: Target) -> tuple[Mirror, Peer]:
    peer = await target.open()
    context, limits = peer.facts["model"]["contextTokens"], peer.facts["limits"]
    text = _lines(context)
    if context > 4096 or 2 * context > limits["documentTokens"] or len(text) > limits["documentCharacters"]:
        raise NotApplicable(f"contexts of {context} tokens are too long to fill")
    await peer.request("neurons/subscribe", neurons=neurons(peer, 1))
    document = await peer.show("a", text)
    check_cover(document, len(text))
    return document, peer


@clause("6.1")
async def long_documents(target: Target) -> None:
    document, peer = await _show_lines(target)
    context = peer.facts["model"]["contextTokens"]
    starts = [index for index, token in enumerate(document.tokens) if index == 0 or token.get("segment")]
    sizes = [stop - start for start, stop in zip(starts, [*starts[1:], len(document.tokens)], strict=True)]
    require(len(document.tokens) > context, "the text is not longer than the context")
    require(max(sizes) <= context, f"a context has {max(sizes)} tokens of at most {context}")
    if peer.facts["model"]["prependsBos"]:
        require(all(document.tokens[start].get("special") for start in starts), "a context does not start with BOS")


@clause("6.2")
async def line_breaks(target: Target) -> None:
    document, peer = await _show_lines(target)
    context = peer.facts["model"]["contextTokens"]
    if context < 64:
        raise NotApplicable(f"a quarter of {context} tokens may not contain a line end")
    text = _lines(context)
    starts = [token["from"] for token in document.tokens if token.get("segment")]
    inside = [start for start in starts if text[start - 1] != "\n"]
    require(not inside, f"a context begins at {inside[:1]}, inside a line")


# ------------------------------------------------------------------------------------ errors, discovery


@clause("7.1")
async def not_json(target: Target) -> None:
    peer = await target.open()
    await peer.send("{")
    answer = await peer.receive()
    require(answer.get("error", {}).get("code") == -32700 and answer.get("id") is None, f"the answer is {answer}")
    await peer.echo()


@clause("7.2")
async def bad_requests(target: Target) -> None:
    peer = await target.open()
    await peer.send({"jsonrpc": "1.0", "id": 5, "method": "models/list"})
    answer = await peer.receive()
    require(answer.get("error", {}).get("code") == -32600 and answer.get("id") == 5, f"the answer is {answer}")
    await peer.refused("there/is/none", -32601)
    error = await peer.refused("document/open", -32602, uri="a", version="one", text="")
    require("version" in json.dumps(error), "the error does not name the member")
    await peer.echo()


@clause("7.3")
async def bad_notifications(target: Target) -> None:
    peer = await target.open()
    await peer.notify("document/change", uri=5)
    error = await peer.told("$/error", method="document/change")
    require(error.get("code") == -32602, f"the code is {error.get('code')}")
    await peer.echo()


@clause("7.4")
async def large_frames(target: Target) -> None:
    peer = await target.open()
    size = peer.facts["limits"]["frameBytes"]
    if size > 64 * 1024 * 1024:
        raise NotApplicable(f"frames of {size} bytes are too large to send")
    await peer.send(" " * (size + 1))
    code = await peer.closed_with()
    require(code == 1009, f"it closed with {code}")


@clause("7.5")
async def too_many_documents(target: Target) -> None:
    peer = await target.open()
    most = peer.facts["limits"]["documents"]
    if most > 1000:
        raise NotApplicable(f"{most} documents are too many to open")
    for number in range(most):
        await peer.request("document/open", uri=f"{number}", version=1, text="")
    error = await peer.refused("document/open", -32013, uri="one more", version=1, text="")
    require(error.get("data", {}).get("maximum") == most, "the limit is missing in data")


@clause("7.6")
async def too_long(target: Target) -> None:
    peer = await target.open()
    most, frame = (peer.facts["limits"][name] for name in ("documentCharacters", "frameBytes"))
    if most + 1000 > min(frame, 64 * 1024 * 1024):
        raise NotApplicable(f"a text of {most} characters is too long to send")
    error = await peer.refused("document/open", -32013, uri="a", version=1, text="x" * (most + 1))
    require(error.get("data", {}).get("maximum") == most, "the limit is missing in data")


@clause("7.7")
async def too_many_neurons(target: Target) -> None:
    peer = await target.open()
    model, most = peer.facts["model"], peer.facts["limits"]["subscriptions"]
    if most >= model["layers"] * model["neuronsPerLayer"]:
        raise NotApplicable(f"the model has no more than {most} neurons")
    error = await peer.refused("neurons/subscribe", -32013, neurons=neurons(peer, most + 1))
    require(error.get("data", {}).get("maximum") == most, "the limit is missing in data")
    left = (await peer.request("neurons/subscribe", neurons=["L0N0"]))["neurons"]
    require([neuron["key"] for neuron in left] == ["L0N0"], "some of them are subscribed")


@clause("7.8")
async def foreign_origin(target: Target) -> None:
    try:
        await target.dial(origin="https://elsewhere.invalid")
    except InvalidStatus as refusal:
        status = refusal.response.status_code
        require(status == 403, f"the handshake was refused with {status}")
    else:
        raise NotApplicable("pages of any origin may connect")


@clause("8.1")
async def discovery(target: Target) -> None:
    peer = await target.open()
    told = await peer.request("rpc.discover")
    _, body = await target.get("openrpc.json")
    require(json.loads(body) == told, "rpc.discover and /openrpc.json differ")
    names = {method["name"] for method in told.get("methods", [])}
    lacking = {
        "initialize",
        "ping",
        "models/list",
        "model/load",
        "document/open",
        "document/change",
        "document/close",
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
    } - names
    require(not lacking, f"the document lacks {', '.join(sorted(lacking))}")
