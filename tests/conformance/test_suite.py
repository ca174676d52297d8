"""The conformance suite passes the scripted server, and finds each clause that one breaks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ws_server.conformance import CLAUSES, check_server, peer
from ws_server.conformance.checks import CHECKS
from ws_server.conformance.scripted import ScriptedServer

Message = dict[str, Any]


def when(condition: Callable[[Message], Any], change: Callable[[Message], Any]) -> Callable[[Any], Any]:
    """Rewrites the messages that `condition` is true of; `change` edits one in place, or returns another."""

    def rewrite(message: Any) -> Any:
        if not isinstance(message, dict) or not condition(message):
            return message
        changed = change(message)
        return message if changed is None else changed

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


def params(change: Callable[[dict[str, Any]], Any]) -> Callable[[Message], None]:
    def edit(message: Message) -> None:
        change(message["params"])

    return edit


def of_edit(method: str) -> Callable[[Message], bool]:
    return lambda m: (
        m.get("method") == method and m["params"]["version"] > 1 and not m["params"]["uri"].startswith("fresh")
    )


def negated(values: Any) -> Any:
    """JSON rows with the sign turned; base64 as it is."""
    return values if isinstance(values, dict) else [[-value for value in row] for row in values]


def moved(change: dict[str, Any]) -> None:
    change["changes"][0].update({"from": 2, "to": 2})


def unix(opening: dict[str, Any]) -> None:
    opening["text"] = opening["text"].replace("\r\n", "\n")


def lowered(update: dict[str, Any]) -> None:
    update["neurons"] = [key.lower() for key in update["neurons"]]


def halved(splice: dict[str, Any]) -> None:
    splice["tokens"][-1]["to"] -= 1


def unmarked(splice: dict[str, Any]) -> None:
    for token in splice["tokens"]:
        token.pop("segment", None)


FLAWS: dict[str, dict[str, Any]] = {
    "1.1": {"subprotocol": False},
    "1.2": {"outgoing": lambda message: message[0] if isinstance(message, list) else message},
    "1.3": {"binary_code": 1002},
    "1.4": {"paths": ("/", "/healthz", "/openrpc.json")},
    "1.5": {"incoming": when(lambda m: "alsoNew" in m.get("params", {}), lambda m: m.update(method="refused"))},
    "2.1": {"incoming": when(called("initialize"), params(lambda p: p.update(positionEncodings=["utf-32"])))},
    "2.2": {"incoming": when(called("initialize"), params(lambda p: p.pop("positionEncodings", None)))},
    "2.3": {"incoming": when(called("document/change"), params(moved))},
    "2.4": {"incoming": when(called("document/open"), params(unix))},
    "3.1": code(-32002, -32600),
    "3.2": {"outgoing": when(result_with("session"), lambda m: m["result"].pop("limits") and None)},
    "3.3": {"incoming": when(called("initialize"), params(lambda p: p.pop("resume", None)))},
    "3.4": {"outgoing": when(result_with("session"), lambda m: m["result"].update(resumed=True))},
    "3.5": code(-32010, -32602),
    "3.6": {"outgoing": when(result_with("architecture"), lambda m: m["result"].update(id="another"))},
    "4.1": {"outgoing": when(called("document/tokens"), params(halved))},
    "4.2": {"outgoing": when(of_edit("document/tokens"), params(lambda p: p["tokens"][-1].update(id=1)))},
    "4.3": {"incoming": when(called("document/change"), params(lambda p: p["changes"].pop() and None))},
    "4.4": {"outgoing": lose(called("document/resync"))},
    "4.5": {"outgoing": when(of_edit("document/tokens"), params(lambda p: p.update(start=1)))},
    "4.6": code(-32012, -32602),
    "4.7": {"outgoing": when(called("document/tokens"), params(lambda p: p["tokens"][0].pop("special", None)))},
    "5.1": {
        "outgoing": when(
            called("activations/update"), params(lambda p: p.update(neurons=[k.lower() for k in p["neurons"]]))
        )
    },
    "5.2": code(-32602, -32600),
    "5.3": {"outgoing": lose(lambda m: m.get("method") == "activations/update" and m["params"]["uri"] == "b")},
    "5.4": {"resend_all": True},
    "5.5": {"outgoing": when(called("activations/done"), params(lambda p: p.update(version=p["version"] - 1)))},
    "5.6": {"outgoing": lose(lambda m: m.get("method") == "activations/done" and m["params"]["version"] > 40)},
    "5.7": {"outgoing": when(of_edit("activations/update"), params(lambda p: p.update(values=negated(p["values"]))))},
    "5.8": {"outgoing": when(called("activations/update"), params(lambda p: p.update(values=negated(p["values"]))))},
    "5.9": {"incoming": when(called("neurons/unsubscribe"), lambda m: m.update(method="neurons/subscribe"))},
    "5.10": {"outgoing": when(result_with("token"), lambda m: m["result"]["neurons"].reverse())},
    "6.1": {"outgoing": when(called("document/tokens"), params(unmarked))},
    "7.1": code(-32700, -32600),
    "7.2": code(-32601, -32600),
    "7.3": {"outgoing": lose(called("$/error"))},
    "7.4": {"frame_bytes": None},
    "7.5": {"outgoing": when(lambda m: "error" in m, lambda m: m["error"].pop("data", None) and None)},
    "8.1": {"outgoing": when(result_with("methods"), lambda m: m.update(result={"methods": []}))},
}


def test_every_clause_has_a_sentence_a_check_and_a_flaw() -> None:
    assert list(CLAUSES) == list(CHECKS) == list(FLAWS)


async def test_the_scripted_server_keeps_every_clause() -> None:
    async with ScriptedServer() as server:
        outcomes = await check_server(server.url)
    assert [outcome for outcome in outcomes if outcome.result != "kept"] == []
    assert [outcome.clause for outcome in outcomes] == list(CLAUSES)


@pytest.mark.parametrize("clause", CLAUSES)
async def test_a_server_that_breaks_a_clause_is_found_out(clause: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peer, "PATIENCE", 1.0)  # what such a server does not send need not be waited for
    async with ScriptedServer(**FLAWS[clause]) as server:
        (outcome,) = await check_server(server.url, clauses=[clause])
    assert outcome.result == "broken"
    assert outcome.detail


async def test_no_server_and_no_clause() -> None:
    with pytest.raises(OSError, match="Connect call failed"):
        await check_server("http://127.0.0.1:9/")
    with pytest.raises(ValueError, match=r"no clause 9\.9"):
        await check_server("http://127.0.0.1:9/", clauses=["9.9"])
