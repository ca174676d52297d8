"""Messages that are almost right, thousands of them: every request is answered once, and nothing breaks."""

from __future__ import annotations

import asyncio
import json
from random import Random
from typing import Any

import pytest
from websockets.asyncio.client import connect

from tests.server.conftest import THOROUGH, Fleet
from tests.support.client import TIME_LIMIT, Client

MESSAGES = 30_000 if THOROUGH else 2_000

TEMPLATES: list[dict[str, Any]] = [
    {"method": "initialize", "params": {"protocolVersion": 1, "client": {"name": "fuzz"}}},
    {"method": "models/list", "params": {}},
    {"method": "model/load", "params": {"model": "gpt2", "workDoneToken": 1}},
    {"method": "document/open", "params": {"uri": "a", "version": 1, "text": "The keeper counted 😀 waves."}},
    {"method": "document/open", "params": {"uri": "b", "version": 1, "text": ""}},
    {"method": "document/close", "params": {"uri": "a"}},
    {"method": "document/close", "params": {"uri": "b"}},
    {"method": "neurons/subscribe", "params": {"neurons": ["L0N1", {"layer": 1, "neuron": 2}]}},
    {"method": "neurons/subscribe", "params": {"neurons": [{"hook": "blocks.1.hook_resid_pre", "index": 3}]}},
    {"method": "neurons/unsubscribe", "params": {"neurons": ["L0N1"]}},
    {"method": "neurons/top", "params": {"uri": "a", "token": 2, "k": 3, "layers": [0, 1], "by": "activation"}},
    {"method": "neurons/changed", "params": {"uri": "a", "k": 3, "since": 1, "layers": [1], "by": "activation"}},
    {"method": "rpc.discover", "params": {}},
]
CHANGE = {
    "method": "document/change",
    "params": {"uri": "a", "version": 2, "changes": [{"from": 0, "to": 1, "insert": "x"}]},
}
CANCEL = {"method": "$/cancelRequest", "params": {"id": 1}}

VALUES: list[Any] = [
    *(None, True, False, 0, 1, -1, 2, 1.5, -0.0, 1e308, 2**31, 2**53, 2**63, 2**64, -(2**63)),
    *("", "a", "b", "gpt2", "L0N1", "😀", "\0", "\ud83d", "x" * 3000, "__proto__", "blocks.0.mlp.hook_post"),
    *([], {}, [[]], [None], [0, 1], ["L0N1"] * 50, {"a": 1}, {"from": 0, "to": 0, "insert": "y"}, [{"from": 3}]),
]


def spoil(value: Any, random: Random) -> Any:
    """The same, with one thing in it left out, repeated or replaced; at times with nothing done to it."""
    if random.random() < 0.25:
        return random.choice(VALUES)
    if isinstance(value, dict) and value:
        name = random.choice(sorted(value))
        pick = random.random()
        if pick < 0.15:
            return {key: item for key, item in value.items() if key != name}
        return {**value, name: spoil(value[name], random)}
    if isinstance(value, list) and value:
        at = random.randrange(len(value))
        return [*value[:at], spoil(value[at], random), *value[at + random.randrange(2) :]]
    return value


@pytest.mark.parametrize("seed", [1, 2])
async def test_spoiled_messages(fleet: Fleet, seed: int) -> None:
    random = Random(seed)
    answered: dict[str, int] = {}
    expected: set[str] = set()

    async with await Client.open(fleet.url) as neighbour:
        await neighbour.subscribe("L0N1", "L2N2")
        await neighbour.open_document("a", "not to be disturbed")
        async with connect(fleet.url.replace("http", "ws", 1) + "ws", max_size=None, compression=None) as socket:

            async def read_until(*identities: str) -> None:
                while not answered.keys() >= set(identities):
                    value = json.loads(await asyncio.wait_for(socket.recv(), TIME_LIMIT))
                    for message in value if isinstance(value, list) else [value]:
                        assert message["jsonrpc"] == "2.0"
                        if "method" not in message and isinstance(message["id"], str):
                            answered[message["id"]] = answered.get(message["id"], 0) + 1
                            assert message.get("error", {}).get("code") != -32603, message

            await socket.send(json.dumps({"jsonrpc": "2.0", "id": "hello", **TEMPLATES[0]}))
            for number in range(MESSAGES // 2):
                messages = [_message(random, expected) for _ in range(random.choice((1, 1, 1, 1, 3)))]
                frame = json.dumps(messages if len(messages) > 1 else messages[0])
                if random.random() < 0.02:  # cut off, so it asks for nothing
                    expected -= {m["id"] for m in messages if isinstance(m, dict) and isinstance(m.get("id"), str)}
                    frame = frame[: random.randrange(len(frame))]
                await socket.send(frame)
                if number % 200 == 199:
                    await socket.send(json.dumps({"jsonrpc": "2.0", "id": f"pause {number}", "method": "models/list"}))
                    await read_until(f"pause {number}")
                    await neighbour.change("a", (0, 1, "N" if number % 400 < 200 else "n"))
            await read_until(*expected)
        await neighbour.settled()
        fleet.reference().check(neighbour.documents["a"], neighbour.subscribed)
    assert {name: answered[name] for name in expected if answered[name] != 1} == {}


def _message(random: Random, expected: set[str]) -> Any:
    """A request, a notification or nonsense; the ids of what must be answered are added to `expected`."""
    pick = random.random()
    if pick < 0.5:
        message = {"jsonrpc": "2.0", **random.choice(TEMPLATES)}
        identity = f"r{len(expected)}-{random.random()}"
        message = {**message, "id": identity}
        if random.random() < 0.6:
            params = spoil(message["params"], random)
            message = {**message, "params": params}
        expected.add(identity)
        return message
    if pick < 0.55 and expected:
        return {"jsonrpc": "2.0", **CANCEL, "params": {"id": random.choice(sorted(expected)[-3:])}}
    if pick < 0.9:
        return spoil({"jsonrpc": "2.0", **random.choice((CHANGE, CHANGE, CANCEL))}, random)
    return spoil({"jsonrpc": "2.0", **random.choice(TEMPLATES), "id": None}, random)
