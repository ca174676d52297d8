"""One connection: its beginning, its frames, and everything malformed that can come over it."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import numpy as np
import orjson
import pytest
from websockets.asyncio.client import connect
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.http11 import Response

from tests.server.conftest import Fleet
from tests.support import models
from tests.support.client import TIME_LIMIT, Client, RequestFailed

HELLO = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {"protocolVersion": 1, "client": {"name": "t"}}}


class Raw:
    """A websocket without opinions."""

    def __init__(self, url: str) -> None:
        self._connect = connect(url.replace("http://", "ws://", 1) + "ws", max_size=None, compression=None)

    async def __aenter__(self) -> Raw:
        self.socket = await self._connect.__aenter__()
        return self

    async def __aexit__(self, *error: Any) -> None:
        await self._connect.__aexit__(*error)

    async def receive(self) -> Any:
        return json.loads(await asyncio.wait_for(self.socket.recv(), TIME_LIMIT))

    async def ask(self, frame: Any) -> Any:
        """The next frame after a frame: text as it is, anything else as JSON."""
        await self.socket.send(frame if isinstance(frame, str) else json.dumps(frame))
        return await self.receive()


# ------------------------------------------------------------------------------------ beginning


async def test_initialize(fleet: Fleet) -> None:
    async with await Client.dial(fleet.url) as client:
        result = await client.initialize()
        assert result["resumed"] is False
        assert (result["positionEncoding"], result["activationEncoding"]) == ("utf-16", "json")
        assert result["subscriptions"] == result["documents"] == []
        assert [summary["id"] for summary in result["models"]] == list(fleet.folders)
        assert [summary["default"] for summary in result["models"]] == [True] + [False] * (len(fleet.folders) - 1)
        config = fleet.reference().model.config
        info = result["model"]
        assert info["id"] == "gpt2"
        assert info["architecture"] == "GPT2LMHeadModel"
        assert (info["layers"], info["contextTokens"]) == (config.n_layer, config.n_positions)
        assert (info["neuronsPerLayer"], info["vocabulary"]) == (4 * config.n_embd, config.vocab_size)
        assert (info["dtype"], info["prependsBos"], info["hasStatistics"]) == ("float32", True, False)
        assert info["revision"] is None
        assert {f"blocks.{layer}.mlp.hook_post" for layer in range(3)} <= set(info["hooks"])
        # A path would tell strangers about the machine.
        assert str(fleet.folders["gpt2"].parent) not in json.dumps(result)
        assert await client.request("models/list") == {"models": result["models"]}


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        ({}, ("utf-16", "json")),
        ({"positionEncodings": [], "activationEncodings": []}, ("utf-16", "json")),
        ({"positionEncodings": ["utf-32"]}, ("utf-32", "json")),
        ({"activationEncodings": ["base64"]}, ("utf-16", "base64")),
        (
            {"positionEncodings": ["utf-8", "utf-32", "utf-16"], "activationEncodings": ["zip", "json", "base64"]},
            ("utf-32", "json"),
        ),
    ],
)
async def test_negotiation(fleet: Fleet, offered: dict[str, Any], chosen: tuple[str, str]) -> None:
    async with await Client.open(fleet.url, **offered) as client:
        assert (client.position_encoding, client.activation_encoding) == chosen


BEFORE: list[dict[str, Any]] = [
    {"method": "models/list"},
    {"method": "rpc.discover"},
    {"method": "document/open", "params": {"uri": "a", "version": 1, "text": ""}},
    {"method": "document/open", "params": {}},
    {"method": "neurons/subscribe", "params": {"neurons": "all"}},
    {"method": "no/such/method"},
]


async def test_everything_before_initialize_is_refused(fleet: Fleet) -> None:
    async with Raw(fleet.url) as raw:
        for number, message in enumerate(BEFORE):
            answer = await raw.ask({"jsonrpc": "2.0", "id": number, **message})
            assert (answer["id"], answer["error"]["code"]) == (number, -32002), message
        for method in ("document/change", "$/cancelRequest"):
            answer = await raw.ask({"jsonrpc": "2.0", "method": method, "params": {}})
            assert (answer["method"], answer["params"]["code"]) == ("$/error", -32002)
        assert (await raw.ask("{"))["error"]["code"] == -32700
        wrong = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": 1}}
        assert (await raw.ask(wrong))["error"]["code"] == -32602
        assert (await raw.ask(HELLO))["result"]["resumed"] is False
        assert (await raw.ask(HELLO))["error"]["code"] == -32600  # once is enough
        assert "result" in await raw.ask({"jsonrpc": "2.0", "id": 5, "method": "models/list"})


@pytest.mark.parametrize(
    "params",
    [
        {"protocolVersion": 2},
        {"protocolVersion": "1"},
        {"protocolVersion": None},
        {"client": None},
        {"client": {}},
        {"client": "me"},
        {"positionEncodings": "utf-16"},
        {"activationEncodings": [1]},
        {"resume": {"session": "x"}},
        {"resume": "token"},
    ],
)
async def test_initialize_with_wrong_members(fleet: Fleet, params: dict[str, Any]) -> None:
    async with await Client.dial(fleet.url) as client:
        with pytest.raises(RequestFailed) as failure:
            await client.initialize(**params)
        assert failure.value.code == -32602
        assert failure.value.data["member"].startswith(next(iter(params)))
        await client.initialize()


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        (None, None),
        (["neuroscope.v1"], "neuroscope.v1"),
        (["neuroscope.v9", "neuroscope.v1", "chat"], "neuroscope.v1"),
        (["chat"], None),
    ],
)
async def test_subprotocol(fleet: Fleet, offered: list[Any] | None, chosen: str | None) -> None:
    async with await Client.dial(fleet.url, subprotocols=offered) as client:
        assert client.socket.subprotocol == chosen
        await client.initialize()


async def test_origin_and_host(fleet: Fleet) -> None:
    own = f"127.0.0.1:{fleet.server.port}"
    for headers in (
        {"Origin": f"http://{own}"},
        {"Origin": f"http://localhost:{fleet.server.port}", "Host": f"localhost:{fleet.server.port}"},
    ):
        async with await _with_headers(fleet, headers) as client:
            await client.initialize()
    for headers in (
        {"Origin": "https://evil.example"},
        {"Origin": f"http://{own}.evil.example"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Host": "evil.example"},
        {"Host": f"evil.example:{fleet.server.port}"},
        {"Host": f"evil.example:{fleet.server.port}", "Origin": f"http://evil.example:{fleet.server.port}"},
    ):
        with pytest.raises(InvalidStatus) as refused:
            await _with_headers(fleet, headers)
        assert refused.value.response.status_code == 403, headers


async def test_origin_that_is_allowed(narrow: Fleet) -> None:
    async with await Client.dial(narrow.url, origin="https://lab.example") as client:
        await client.initialize()
    for origin in ("https://lab.example.org", "http://lab.example", "https://lab.example:444"):
        with pytest.raises(InvalidStatus):
            await Client.dial(narrow.url, origin=origin)


async def _with_headers(fleet: Fleet, headers: dict[str, str]) -> Client:
    """Connects with these headers in place of the library's own."""
    reader, writer = await asyncio.open_connection("127.0.0.1", fleet.server.port)
    lines = {
        "Host": f"127.0.0.1:{fleet.server.port}",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version": "13",
        **headers,
    }
    writer.write(("GET /ws HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in lines.items()) + "\r\n").encode())
    status = int((await reader.readline()).split()[1])
    writer.close()
    if status != 101:
        raise InvalidStatus(Response(status, "", Headers()))
    return await Client.dial(fleet.url)


# ------------------------------------------------------------------------------------ frames


async def test_binary_frame(fleet: Fleet) -> None:
    async with Raw(fleet.url) as raw:
        await raw.socket.send(b"{}")
        with pytest.raises(ConnectionClosed) as closed:
            await raw.receive()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1003


async def test_text_that_is_not_utf_8(fleet: Fleet) -> None:
    async with Raw(fleet.url) as raw:
        frame = Frame(Opcode.TEXT, b'{"jsonrpc": "2.0", "method": "\xff\xfe"}')
        raw.socket.transport.write(frame.serialize(mask=True, extensions=[]))
        with pytest.raises(ConnectionClosed) as closed:
            await raw.receive()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1007


async def test_message_in_fragments(fleet: Fleet) -> None:
    async with Raw(fleet.url) as raw:
        text = json.dumps(HELLO)
        await raw.socket.send(text[cut : cut + 7] for cut in range(0, len(text), 7))
        assert (await raw.receive())["id"] == 0


GARBAGE: list[tuple[str, int]] = [
    ("", -32700),
    ("{", -32700),
    ("\0", -32700),
    ("\ufeff{}", -32700),
    ("hello", -32700),
    ("{'jsonrpc': '2.0'}", -32700),
    ('{"jsonrpc":"2.0","id":NaN,"method":"models/list"}', -32700),
    ('{"jsonrpc":"2.0","id":1,"method":"models/list","params":{"x":Infinity}}', -32700),
    ('{"jsonrpc":"2.0","id":1,"method":"\\ud800","params":{"x":NaN}}', -32700),
    ('{"jsonrpc":"2.0","id":1,"method":"models/list"}{}', -32700),
    ("[" * 100_000, -32700),
    ("[" * 100_000 + "]" * 100_000, -32700),
    ('{"a":' * 50_000 + "1" + "}" * 50_000, -32700),
    ('"\\ud800' + "[" * 100_000, -32700),
    ('["\\ud800",' + "[" * 50_000 + "]" * 50_000 + "]", -32700),
    ("[]", -32600),
    ("null", -32600),
    ("true", -32600),
    ("42", -32600),
    ('"initialize"', -32600),
    ("{}", -32600),
    ('{"jsonrpc":"1.0","id":null,"method":"models/list"}', -32600),
    ('{"jsonrpc":2.0,"method":"models/list"}', -32600),
    ('{"jsonrpc":"2.0","method":5}', -32600),
    ('{"jsonrpc":"2.0","method":null}', -32600),
    ('{"jsonrpc":"2.0","result":{}}', -32600),
    ('{"jsonrpc":"2.0","id":true,"method":"models/list"}', -32600),
    ('{"jsonrpc":"2.0","id":{},"method":"models/list"}', -32600),
    ('{"jsonrpc":"2.0","id":[1],"method":"models/list"}', -32600),
]


async def test_garbage(fleet: Fleet) -> None:
    """Each is reported, and the connection goes on as before."""
    async with Raw(fleet.url) as raw:
        await raw.ask(HELLO)
        for text, code in GARBAGE:
            answer = await raw.ask(text)
            assert (answer["jsonrpc"], answer["id"], answer["error"]["code"]) == ("2.0", None, code), text[:80]
            assert len(answer["error"]["message"]) < 500
        assert len((await raw.ask({"jsonrpc": "2.0", "id": 9, "method": "models/list"}))["result"]["models"]) > 1


IDS: list[Any] = [1, 0, -1, 2**53, 2**63, 1.5, "a", "", "1", "ä😀", "\ud800", "\0", 'quote "']


async def test_ids_come_back_as_they_were(fleet: Fleet) -> None:
    async with Raw(fleet.url) as raw:
        await raw.ask(HELLO)
        for request_id in IDS:
            for method, params in (("models/list", {}), ("no/such", {}), ("document/close", {"uri": "nowhere"})):
                answer = await raw.ask({"jsonrpc": "2.0", "id": request_id, "method": method, "params": params})
                assert answer["id"] == request_id
                assert type(answer["id"]) is type(request_id)


async def test_methods_that_are_none(fleet: Fleet) -> None:
    async with Raw(fleet.url) as raw:
        await raw.ask(HELLO)
        for method in (
            "no/such",
            "",
            "\ud800",
            "x" * 1024,
            "document/tokens",
            "$/progress",
            "__class__",
            "INITIALIZE",
        ):
            answer = await raw.ask({"jsonrpc": "2.0", "id": 1, "method": method})
            assert answer["error"]["code"] == -32601, method
            answer = await raw.ask({"jsonrpc": "2.0", "method": method})
            assert (answer["method"], answer["params"]["code"]) == ("$/error", -32601)
            assert answer["params"]["method"] == method
        answer = await raw.ask({"jsonrpc": "2.0", "id": 1, "method": "x" * 1025})
        assert answer["error"]["code"] == -32600


async def test_requests_without_id_and_notifications_with_one(fleet: Fleet) -> None:
    async with Raw(fleet.url) as raw:
        await raw.ask(HELLO)
        for method in ("models/list", "initialize", "document/open"):
            answer = await raw.ask({"jsonrpc": "2.0", "method": method, "params": {}})
            assert (answer["method"], answer["params"]["code"]) == ("$/error", -32600)
        for method in ("document/change", "$/cancelRequest"):
            answer = await raw.ask({"jsonrpc": "2.0", "id": 4, "method": method, "params": {}})
            assert (answer["id"], answer["error"]["code"]) == (4, -32600)


async def test_calls_without_params_as_generic_clients_write_them(fleet: Fleet) -> None:
    async with Raw(fleet.url) as raw:
        await raw.ask(HELLO)
        for method in ("models/list", "ping", "rpc.discover"):
            for params in ({}, [], None):
                assert "result" in await raw.ask({"jsonrpc": "2.0", "id": 5, "method": method, "params": params})


async def test_ping_is_answered_at_any_time(fleet: Fleet) -> None:
    """Before `initialize`, and while earlier requests wait for the tokens of a long text."""
    ping = {"jsonrpc": "2.0", "id": "p", "method": "ping"}
    async with Raw(fleet.url) as raw:
        assert await raw.ask(ping) == {"jsonrpc": "2.0", "id": "p", "result": {}}
        await raw.ask(HELLO)
        for number in range(10):  # more than may wait to be tokenized
            params = {"uri": f"{number}", "version": 1, "text": "word and " * 2000}
            await raw.socket.send(json.dumps({**ping, "id": number, "method": "document/open", "params": params}))
        assert await raw.ask(ping) == {"jsonrpc": "2.0", "id": "p", "result": {}}


@pytest.mark.parametrize(
    ("method", "params", "member"),
    [
        ("document/open", {"version": 1, "text": ""}, "uri"),
        ("document/open", {"uri": "a", "text": ""}, "version"),
        ("document/open", {"uri": "a", "version": 1}, "text"),
        ("document/open", {"uri": 1, "version": 1, "text": ""}, "uri"),
        ("document/open", {"uri": "", "version": 1, "text": ""}, "uri"),
        ("document/open", {"uri": "a", "version": 1.5, "text": ""}, "version"),
        ("document/open", {"uri": "a", "version": True, "text": ""}, "version"),
        ("document/open", {"uri": "a", "version": 2**80, "text": ""}, "version"),
        ("document/open", {"uri": "a", "version": 1, "text": ["a"]}, "text"),
        ("document/close", {}, "uri"),
        ("model/load", {}, "model"),
        ("model/load", {"model": 5}, "model"),
        ("neurons/top", {"uri": "a", "token": 0}, "k"),
        ("neurons/changed", {"uri": "a"}, "k"),
        ("models/list", [1], "params"),
        ("models/list", "x", "params"),
        ("document/close", None, "uri"),
        ("document/close", [], "uri"),
    ],
)
async def test_wrong_params(fleet: Fleet, method: str, params: Any, member: str) -> None:
    async with Raw(fleet.url) as raw:
        await raw.ask(HELLO)
        answer = await raw.ask({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        assert answer["error"]["code"] == -32602
        assert answer["error"]["data"]["member"] == member


async def test_unknown_members_are_ignored(fleet: Fleet) -> None:
    """Later versions may add some."""
    async with await Client.dial(fleet.url) as client:
        await client.initialize(capabilities={"colour": True}, client={"name": "t", "version": "1", "more": []})
        params = {"uri": "a", "version": 1, "text": "abc", "languageId": "plain"}
        await client.open_document("a", "abc")
        await client.settled()
        message = client.call("models/list", {"filter": 5})
        message["extra"] = {"x": 1}
        await client.send(message)
        assert (await client.answer(message))["models"]
        assert (await client.request("document/open", {**params, "uri": "a", "version": 1}))["tokenCount"] > 0


async def test_discovery(fleet: Fleet) -> None:
    async with await Client.open(fleet.url) as client:
        document = await client.request("rpc.discover")
        assert document["openrpc"].startswith("1.")
        names = {method["name"] for method in document["methods"]}
        assert names >= {
            *("initialize", "models/list", "model/load", "document/open", "document/change", "document/close"),
            *("document/resync", "document/tokens", "neurons/subscribe", "neurons/unsubscribe", "neurons/top"),
            "neurons/changed",
            *("activations/update", "activations/done", "$/progress", "$/error", "$/cancelRequest", "rpc.discover"),
        }
        codes = {error["code"] for error in document["components"]["errors"].values()}
        assert codes == {
            *(-32700, -32600, -32601, -32602, -32603),
            *(-32002, -32800, -32010, -32011, -32012, -32013, -32014),
        }


async def test_cancelling_what_is_not_there(fleet: Fleet) -> None:
    async with await Client.open(fleet.url) as client:
        for request_id in (12345, "x", 1.5, -1):
            await client.notify("$/cancelRequest", {"id": request_id})
        frames = client.frames
        await client.request("models/list")
        assert client.frames == frames + 1
        for wrong in ({}, {"id": None}, {"id": []}):
            await client.notify("$/cancelRequest", wrong)
        await client.request("models/list")
        assert [error["code"] for error in client.errors] == [-32602] * 3


# ------------------------------------------------------------------------------------ batches


async def test_batch(fleet: Fleet) -> None:
    """One array answers all requests and all that is unreadable; notifications go their own way."""
    async with await Client.dial(fleet.url) as client:
        await client.send(
            [
                hello := client.call("initialize", HELLO["params"], request_id="hello"),
                opening := client.opening("one", "some text"),
                listing := client.call("models/list"),
            ]
        )
        assert (await client.answer(hello))["resumed"] is False
        assert (await client.answer(opening))["uri"] == "one"
        assert (await client.answer(listing))["models"]
        await client.subscribe("L0N0")
        await client.settled()


async def test_batch_of_everything(fleet: Fleet) -> None:
    async with Raw(fleet.url) as raw:
        await raw.ask(HELLO)
        answers = await raw.ask(
            [
                {"jsonrpc": "2.0", "id": "list", "method": "models/list"},
                5,
                {"jsonrpc": "2.0", "method": "$/cancelRequest", "params": {"id": 77}},
                {"jsonrpc": "2.0", "id": 1, "method": "no/such"},
                {},
                {"jsonrpc": "2.0", "id": "list", "method": "models/list"},
                {"jsonrpc": "2.0", "id": None, "method": "no/such"},
                {"jsonrpc": "2.0", "id": 2, "method": "document/close", "params": {"uri": "x"}},
                [],
            ]
        )
        found = [(str(answer["id"]), answer["error"]["code"] if "error" in answer else 0) for answer in answers]
        assert sorted(found) == [
            ("1", -32601),
            ("2", -32012),
            ("None", -32601),
            *[("None", -32600)] * 3,
            ("list", 0),
            ("list", 0),
        ]
        # Nothing but notifications: no answer at all, the next frame is another's.
        await raw.socket.send(json.dumps([{"jsonrpc": "2.0", "method": "$/cancelRequest", "params": {"id": 1}}] * 3))
        assert (await raw.ask({"jsonrpc": "2.0", "id": 3, "method": "models/list"}))["id"] == 3
        # A faulty notification is reported as one.
        answer = await raw.ask([{"jsonrpc": "2.0", "method": "no/such"}])
        assert (answer["method"], answer["params"]["code"]) == ("$/error", -32601)
        answers = await raw.ask([1, 2, 3])
        assert [answer["error"]["code"] for answer in answers] == [-32600] * 3


async def test_requests_of_one_id(fleet: Fleet) -> None:
    """Its own fault, but each is answered."""
    async with Raw(fleet.url) as raw:
        await raw.ask(HELLO)
        twice = [
            {"method": "document/open", "params": {"uri": "a", "version": 1, "text": "abc"}},
            {"method": "models/list", "params": {}},
            {"method": "model/load", "params": {"model": "gpt2"}},
        ]
        for message in twice:
            for _ in range(2):
                await raw.socket.send(json.dumps({"jsonrpc": "2.0", "id": "same", **message}))
            answers = 0
            while answers < 2:
                frame = await raw.receive()
                answers += frame.get("id") == "same"


# ------------------------------------------------------------------------------------ numbers


async def test_floats_are_written_in_their_shortest_form(fleet: Fleet) -> None:
    async with Raw(fleet.url) as raw:
        await raw.ask(HELLO)
        await raw.ask(
            {"jsonrpc": "2.0", "id": 1, "method": "neurons/subscribe", "params": {"neurons": ["L0N5", "L2N9"]}}
        )
        params = {"uri": "a", "version": 1, "text": models.TEXT}
        await raw.socket.send(json.dumps({"jsonrpc": "2.0", "id": 2, "method": "document/open", "params": params}))
        seen = 0
        while True:
            text = await asyncio.wait_for(raw.socket.recv(), TIME_LIMIT)
            assert isinstance(text, str)
            message = orjson.loads(text)
            if message.get("method") == "activations/done":
                break
            if message.get("method") != "activations/update":
                continue
            rows = text[text.index('"values":') :]
            for written in re.findall(r"-?\d[^,\]\s}]*", rows):
                value = np.float32(float(written))
                shortest = np.format_float_scientific(value, unique=True, trim="-").replace(".", "")
                assert _digits(written) == _digits(shortest), written
                seen += 1
        assert seen > 500


def _digits(number: str) -> str:
    return re.split("[eE]", number.lstrip("-").replace(".", ""))[0].strip("0")
