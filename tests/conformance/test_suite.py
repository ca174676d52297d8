"""The conformance suite passes the scripted server, and finds each clause that one breaks."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ws_server.conformance import CLAUSES, check_server, peer
from ws_server.conformance.checks import CHECKS
from ws_server.conformance.scripted import ScriptedServer

Message = dict[str, Any]


def when(condition: Callable[[Message], Any], change: Callable[[Message], Any]) -> Callable[[Any], Any]:
    """Rewrites the messages that `condition` is true of; `change` edits a copy, or returns another message."""

    def rewrite(message: Any) -> Any:
        if not isinstance(message, dict) or not condition(message):
            return message
        changed = copy.deepcopy(message)
        return change(changed) or changed

    return rewrite


def lose(condition: Callable[[Message], Any]) -> Callable[[Any], Any]:
    return lambda message: None if isinstance(message, dict) and condition(message) else message


def called(method: str) -> Callable[[Message], bool]:
    return lambda message: message.get("method") == method


def code(old: int, new: int) -> dict[str, Any]:
    """Another error code than it ought to be."""
    return {"outgoing": when(lambda m: m.get("error", {}).get("code") == old, lambda m: m["error"].update(code=new))}


def result_with(member: str) -> Callable[[Message], bool]:
    return lambda message: isinstance(message.get("result"), dict) and member in message["result"]


def result(change: Callable[[dict[str, Any]], Any]) -> Callable[[Message], None]:
    def edit(message: Message) -> None:
        change(message["result"])

    return edit


def params(change: Callable[[dict[str, Any]], Any]) -> Callable[[Message], None]:
    def edit(message: Message) -> None:
        change(message["params"])

    return edit


def told(method: str, condition: Callable[[dict[str, Any]], Any]) -> Callable[[Message], bool]:
    """A message of this method whose params are so."""
    return lambda message: message.get("method") == method and condition(message.get("params", {}))


def limit_untold(limit: str) -> dict[str, Any]:
    """An error without its data."""

    def over(message: Message) -> bool:
        return bool(message.get("error", {}).get("data", {}).get("limit") == limit)

    return {"outgoing": when(over, lambda m: m["error"].pop("data") and None)}


def of_edit(method: str) -> Callable[[Message], bool]:
    return told(method, lambda p: p["version"] > 1 and not p["uri"].startswith("fresh"))


def negated(update: dict[str, Any]) -> None:
    update["values"] = [[-value for value in row] for row in update["values"]]


def lengthened(update: dict[str, Any]) -> None:
    update["values"] = [[float(np.float32(value)) for value in row] for row in update["values"]]


def emptied(update: dict[str, Any]) -> None:
    update["values"]["data"] = "AAAA" * (len(update["values"]["data"]) // 4)


def unix(opening: dict[str, Any]) -> None:
    opening["text"] = opening["text"].replace("\r\n", "\n")


def joined(opening: dict[str, Any]) -> None:
    opening["text"] = opening["text"].replace("\n", " ")


def unmarked(splice: dict[str, Any], mark: str) -> None:
    for token in splice["tokens"]:
        token.pop(mark, None)


def divided(splice: dict[str, Any]) -> None:
    """The token after a smile begins within it."""
    for token, following in zip(splice["tokens"], splice["tokens"][1:], strict=False):
        if token["text"] == "\N{SLIGHTLY SMILING FACE}":
            following["from"] -= 1


def renamed(answer: dict[str, Any]) -> None:
    for neuron in answer["neurons"]:
        neuron["key"] = neuron["key"].replace("/", ".")


def shifted(change: dict[str, Any]) -> None:
    change["changes"][0].update({"from": 2, "to": 2})


def without_overlap(change: dict[str, Any]) -> None:
    change["changes"] = change["changes"][:1]


def is_out_of_order(change: dict[str, Any]) -> bool:
    starts = [one["from"] for one in change["changes"]]
    return starts != sorted(starts)


FLAWS: dict[str, dict[str, Any]] = {
    "1.1": {"subprotocol": False},
    "1.2": {"outgoing": lambda message: message[0] if isinstance(message, list) else message},
    "1.3": {"binary_code": 1002},
    "1.4": {"paths": ("/", "/healthz", "/openrpc.json")},
    "1.5": {"incoming": when(told("document/open", lambda p: "alsoNew" in p), lambda m: m.update(method="refused"))},
    "1.6": {"outgoing": when(called("activations/update"), params(lambda p: p.update(first_token=p["start"])))},
    "1.7": {"outgoing": when(told("activations/update", lambda p: isinstance(p["values"], list)), params(lengthened))},
    "1.8": {
        "incoming": when(lambda m: "params" in m and m["params"] in (None, []), lambda m: m.update(method="refused"))
    },
    "1.9": {
        "outgoing": when(
            told("document/tokens", lambda p: p["tokenCount"] > 2000), params(lambda p: p.update(note="." * 2**20))
        )
    },
    "2.1": {
        "outgoing": when(
            lambda m: result_with("positionEncoding")(m) and m["result"]["positionEncoding"] == "utf-16",
            result(lambda r: r.update(positionEncoding="utf-8")),
        )
    },
    "2.2": {
        "incoming": when(
            told("initialize", lambda p: p.get("positionEncodings") == ["utf-32"] and "session" not in p),
            params(lambda p: p.pop("positionEncodings")),
        )
    },
    "2.3": {
        "incoming": when(
            told("document/change", lambda p: p.get("changes") == [{"from": 1, "to": 1, "insert": "x"}]),
            params(shifted),
        )
    },
    "2.4": {"incoming": when(told("document/open", lambda p: "a\r\nb" in f"{p.get('text')}"), params(unix))},
    "3.1": code(-32002, -32601),
    "3.2": {
        "outgoing": when(
            result_with("session"),
            result(lambda r: r.update(limits={**r["limits"], "documents": 8}) or r["limits"].pop("messagesPerSecond")),
        )
    },
    "3.3": {"incoming": when(called("initialize"), params(lambda p: p.pop("resume", None)))},
    "3.4": {"any_token": True},
    "3.5": code(-32010, -32602),
    "3.6": {
        "outgoing": when(
            lambda m: result_with("architecture")(m) and m["result"]["id"] == "scripted",
            result(lambda r: r.update(id="another")),
        ),
    },
    "3.7": {"incoming": when(called("$/cancelRequest"), lambda m: m.update(method="refused"))},
    "3.8": {"outgoing": when(result_with("dropped"), result(lambda r: r["dropped"].clear()))},
    "3.9": {"incoming": when(called("initialize"), params(lambda p: p.update(protocolVersion=1)))},
    "3.10": {"incoming": when(called("ping"), lambda m: m.update(method="pong"))},
    "4.1": {"outgoing": when(result_with("tokenCount"), result(lambda r: r.update(tokenCount=r["tokenCount"] + 1)))},
    "4.2": {
        "outgoing": when(
            told("document/tokens", lambda p: p["version"] == 4 and p["uri"] == "a"),
            params(lambda p: p["tokens"][-1].update(id=1)),
        )
    },
    "4.3": {
        "incoming": when(
            told("document/change", lambda p: "changes" in p and is_out_of_order(p)), params(without_overlap)
        )
    },
    "4.4": {
        "incoming": when(
            told("document/change", lambda p: [c["to"] for c in p.get("changes", [])] == [3, 4]),
            params(without_overlap),
        )
    },
    "4.5": {
        "outgoing": when(
            told("document/tokens", lambda p: (p["uri"], p["version"], p["start"]) == ("a", 5, 0)),
            params(lambda p: p.update(deleteCount=1)),
        )
    },
    "4.6": code(-32012, -32602),
    "4.7": {
        "outgoing": when(
            told("document/tokens", lambda p: not any("segment" in token for token in p["tokens"])),
            params(lambda p: unmarked(p, "special")),
        )
    },
    "4.8": {"outgoing": when(called("document/tokens"), params(divided))},
    "5.1": {"outgoing": when(result_with("neurons"), result(renamed))},
    "5.2": {
        "incoming": when(
            told("neurons/subscribe", lambda p: p["neurons"][0] == "L0N2"),
            params(lambda p: p["neurons"].pop() and None),
        )
    },
    "5.3": {"outgoing": lose(lambda m: m.get("method") == "activations/update" and m["params"]["uri"] == "b")},
    "5.4": {"resend_all": True},
    "5.5": {
        "outgoing": when(
            told("activations/update", lambda p: p["version"] == 7),
            params(lambda p: p.update(version=p["version"] - 1)),
        )
    },
    "5.6": {"outgoing": lose(lambda m: m.get("method") == "activations/done" and m["params"]["version"] > 40)},
    "5.7": {"outgoing": when(of_edit("activations/update"), params(negated))},
    "5.8": {"outgoing": when(told("activations/update", lambda p: isinstance(p["values"], dict)), params(emptied))},
    "5.9": {"incoming": when(called("neurons/unsubscribe"), lambda m: m.update(method="neurons/subscribe"))},
    "5.10": {"incoming": when(called("neurons/top"), params(lambda p: p.pop("layers", None)))},
    "5.11": {"outgoing": when(called("activations/done"), params(lambda p: p["timing"].pop("forwardMs") and None))},
    "5.12": {"incoming": when(called("neurons/top"), params(lambda p: p.pop("by", None)))},
    "5.13": {"outgoing": when(called("activations/done"), params(lambda p: p.pop("model")))},
    "6.1": {"outgoing": when(called("document/tokens"), params(lambda p: unmarked(p, "segment")))},
    "6.2": {"incoming": when(told("document/open", lambda p: f"{p.get('text')}".startswith("line 0")), params(joined))},
    "7.1": code(-32700, -32600),
    "7.2": {
        "outgoing": when(lambda m: m.get("error", {}).get("code") == -32601, lambda m: m["error"].update(code=-32600))
    },
    "7.3": {"outgoing": lose(called("$/error"))},
    "7.4": {"frame_bytes": None},
    "7.5": limit_untold("documents"),
    "7.6": limit_untold("documentCharacters"),
    "7.7": limit_untold("subscriptions"),
    "7.8": {"origin_code": 400},
    "8.1": {"outgoing": when(result_with("methods"), lambda m: m.update(result={"methods": []}))},
}

BROKEN_TOO: dict[str, set[str]] = {
    "4.2": {"5.7"},  # where a token is another, its values are compared with another's
    "5.5": {"5.6"},  # both watch edits that nobody waits for
}
"""What cannot be kept by a server with the flaw of a clause."""


def test_every_clause_has_a_sentence_a_check_and_a_flaw() -> None:
    assert list(CLAUSES) == list(CHECKS) == list(FLAWS)


async def test_the_scripted_server_keeps_every_clause() -> None:
    async with ScriptedServer() as server:
        outcomes = await check_server(server.url)
    assert [outcome for outcome in outcomes if outcome.result != "kept"] == []
    assert [outcome.clause for outcome in outcomes] == list(CLAUSES)


@pytest.mark.parametrize("clause", CLAUSES)
async def test_a_server_that_breaks_a_clause_is_found_out(clause: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the check of that clause, and by no other."""
    monkeypatch.setattr(peer, "TIME_LIMIT", 2.0)  # what such a server does not send need not be waited for
    async with ScriptedServer(**FLAWS[clause]) as server:
        outcomes = await check_server(server.url)
    broken = {outcome.clause: outcome.detail for outcome in outcomes if outcome.result == "broken"}
    assert broken.keys() - BROKEN_TOO.get(clause, set()) == {clause}, broken
    assert all(broken.values())


async def test_no_server_and_no_clause() -> None:
    with pytest.raises(OSError, match="Connect call failed"):
        await check_server("http://127.0.0.1:9/")
    with pytest.raises(ValueError, match=r"no clause 9\.9"):
        await check_server("http://127.0.0.1:9/", clauses=["9.9"])
