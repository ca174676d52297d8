"""Libraries that know JSON-RPC or texts, and nothing of this project, get along with the server.

`vscode-jsonrpc` and the two oracles of the text run in Node, in `web_client/test/foreign`.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jsonrpc_base import ProtocolError, Request
from jsonrpc_websocket import Server

from tests.server.conftest import Fleet
from tests.support.client import LOADING, TIME_LIMIT

CLIENT = Path(__file__).parents[2] / "web_client"
HELLO = {"protocolVersion": 1, "client": {"name": "jsonrpc-websocket"}}
TEXT = "The wave came, and 42 more."


def test_vscode_jsonrpc_and_the_oracles_of_the_text(fleet: Fleet, narrow: Fleet) -> None:
    node = Path(sys.executable).with_name("node")  # installed there with the tests
    done = subprocess.run(
        [node, CLIENT / "node_modules/vitest/vitest.mjs", "run", "--dir", "test/foreign", "--reporter", "verbose"],
        cwd=CLIENT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        env={
            **os.environ,
            "NEUROSCOPE_URL": fleet.url,
            "NEUROSCOPE_NARROW_URL": narrow.url,
            "NEUROSCOPE_TOKENIZER": str(fleet.folders["gpt2"] / "tokenizer.json"),
        },
    )
    print(done.stdout)
    assert done.returncode == 0, done.stderr


class Heard:
    """The params of all notifications by method, as handlers of the library get them."""

    def __init__(self, server: Server) -> None:
        self.params: dict[str, list[dict[str, Any]]] = {}
        self._news = asyncio.Event()
        for method in ("document/tokens", "activations/update", "activations/done", "$/error", "$/progress"):
            setattr(server, method, self._handler(method))

    def _handler(self, method: str) -> Any:
        told = self.params.setdefault(method, [])

        def handle(**params: Any) -> None:
            told.append(params)
            self._news.set()

        return handle

    async def until(self, name: str, /, **members: Any) -> None:
        """Waits for a notification with these members, and forgets it and those before it."""

        async def wait() -> None:
            told = self.params[name]
            while True:
                while told:
                    params = told.pop(0)
                    if members.items() <= params.items():
                        return
                self._news.clear()
                await self._news.wait()

        await asyncio.wait_for(wait(), TIME_LIMIT)


async def refused(code: int, call: Any) -> str:
    """The message of an error that has to have this code."""
    with pytest.raises(ProtocolError) as failure:
        await call
    assert failure.value.args[0] == code
    return str(failure.value.args[1])


async def test_jsonrpc_websocket(narrow: Fleet) -> None:
    server = Server(narrow.url.replace("http", "ws") + "ws", timeout=LOADING)
    heard = Heard(server)
    reading = await server.ws_connect()

    def call(method: str, **params: Any) -> Any:
        return getattr(server, method)(**params)

    def notify(method: str, **params: Any) -> Any:
        return call(method, **params, _notification=True)

    await refused(-32002, call("models/list"))
    hello = await call("initialize", **HELLO, positionEncodings=["utf-32"])
    assert (hello["positionEncoding"], hello["model"]["id"]) == ("utf-32", "gpt2")
    listed = {model["id"] for model in (await call("models/list"))["models"]}
    assert listed == {"gpt2", "llama", "broken"}

    keys = ["L0N1", "L1N2"]
    subscribed = await call("neurons/subscribe", neurons=keys)
    assert [neuron["key"] for neuron in subscribed["neurons"]] == keys
    result = await call("document/open", uri="a", version=1, text=TEXT)
    await heard.until("activations/done", version=1)
    (tokens,) = heard.params["document/tokens"]
    assert result["tokenCount"] == tokens["tokenCount"] == len(tokens["tokens"])
    await notify("document/change", uri="a", version=2, changes=[{"from": 4, "to": 8, "insert": "😀"}])
    await heard.until("activations/done", version=2)

    # The values are those of a plain computation.
    reference = narrow.reference()
    whole = reference.activations([reference.tokenizer.bos_token_id, *reference.ids("The 😀 came, and 42 more.")])
    values = np.zeros((2, len(whole["blocks.0.mlp.hook_post"])))
    for update in heard.params["activations/update"]:
        values[:, update["start"] : update["start"] + update["count"]] = update["values"]
    expected = [whole["blocks.0.mlp.hook_post"][:, 1], whole["blocks.1.mlp.hook_post"][:, 2]]
    np.testing.assert_allclose(values, expected, atol=1e-4)

    assert "neurons/all" in await refused(-32601, call("neurons/all"))
    assert "L9N0" in await refused(-32602, call("neurons/subscribe", neurons=["L9N0"]))
    assert "object" in await refused(-32602, getattr(server, "document/close")("a"))
    assert "nowhere" in await refused(-32012, call("document/close", uri="nowhere"))
    await notify("document/change", uri="a")
    await heard.until("$/error", method="document/change", code=-32602)

    load = Request("model/load", {"model": "broken", "workDoneToken": 1}, "load")
    loading = asyncio.ensure_future(server.send_message(load))
    await heard.until("$/progress", token=1)
    await notify("$/cancelRequest", id="load")
    await refused(-32800, loading)
    assert await call("document/close", uri="a") == {}

    await server.close()
    await asyncio.wait_for(reading, TIME_LIMIT)
    assert not server.connected
