"""A dropped connection's session can be resumed with its token."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.server.conftest import Fleet
from tests.support.client import Client, RequestFailed

PROSE = "The keeper counted the waves, and the girl counted the gulls.\n" * 8
KEYS = ["L2N1", "L0N3", "blocks.1.hook_resid_post/5"]


def ticket(client: Client) -> dict[str, Any]:
    return {"session": client.initialized["session"], "resumeToken": client.initialized["resumeToken"]}


async def check(fleet: Fleet, client: Client, uri: str = "one") -> None:
    await client.settled(uri)
    fleet.reference(client.model["id"]).check(client.documents[uri], client.subscribed)


@pytest.mark.parametrize("ending", ["cut", "close"])
@pytest.mark.parametrize("model", ["gpt2", "llama"])
async def test_resume(fleet: Fleet, model: str, ending: str) -> None:
    """Model, subscriptions and computed state are as they were; only a difference is computed."""
    first = await Client.open(fleet.url)
    await first.load(model)
    await first.subscribe(*KEYS)
    await first.open_document("one", PROSE, version=3)
    await first.open_document("two", "😀 and more", version=9)
    await first.settled()
    before = {key: first.documents["one"].values(key).copy() for key in KEYS}
    if ending == "cut":
        first.cut()
    else:
        await first.close()

    async with await Client.open(fleet.url, resume=ticket(first), positionEncodings=["utf-32"]) as second:
        hello = second.initialized
        assert hello["resumed"] is True
        assert (hello["session"], second.model["id"]) == (first.initialized["session"], model)
        assert second.subscribed == KEYS
        assert {d["uri"]: (d["version"], d["length"]) for d in hello["documents"]} == {
            "one": (3, len(PROSE)),
            "two": (9, len("😀 and more")),
        }
        await second.open_document("one", PROSE, version=3)
        await check(fleet, second)
        done = second.documents["one"].done
        assert done is not None
        assert (done["computedTokens"], done["forwardPasses"]) == (0, 0)
        for key in KEYS:
            np.testing.assert_array_equal(second.documents["one"].values(key), before[key])
        # What was typed while the connection was away.
        await second.open_document("two", "😀 and more, typed offline", version=12)
        await check(fleet, second, "two")
        done = second.documents["two"].done
        assert done is not None
        assert 0 < done["computedTokens"] < len(second.documents["two"].tokens)
        await second.change("one", (10, 12, "x"))
        await check(fleet, second)
        assert second.resyncs == []


async def test_changes_after_resume_without_opening(fleet: Fleet) -> None:
    """The server cannot know whether it has seen all that the client typed."""
    first = await Client.open(fleet.url)
    await first.subscribe("L0N0")
    await first.open_document("one", "abc")
    await first.settled()
    first.cut()
    async with await Client.open(fleet.url, resume=ticket(first)) as second:
        assert second.initialized["resumed"] is True
        change = {"uri": "one", "version": 2, "changes": [{"from": 0, "to": 1, "insert": "x"}]}
        await second.notify("document/change", change)
        await second.notify("document/change", {**change, "version": 3})
        await second.request("models/list")
        assert [resync["uri"] for resync in second.resyncs] == ["one"]
        await second.open_document("one", "xbc", version=4)
        await check(fleet, second)


async def test_cut_in_the_middle_of_typing(fleet: Fleet) -> None:
    """Again and again, with passes on their way: the session always recovers."""
    client = await Client.open(fleet.url)
    await client.subscribe(*KEYS)
    await client.open_document("one", PROSE)
    text, version = client.documents["one"].text, 1
    for step in range(12):
        for _ in range(step):
            await client.change("one", (5, 5, "w"))
        text, version = client.documents["one"].text, client.documents["one"].version
        client.cut()
        resumed = await Client.open(fleet.url, resume=ticket(client))
        assert resumed.initialized["resumed"] is True
        client = resumed
        await client.open_document("one", text, version=version + 1)
        await client.change("one", (0, 1, "T"))
    await check(fleet, client)
    await client.close()


@pytest.mark.parametrize(
    "wrong",
    [
        {"session": "nobody"},
        {"resumeToken": "wrong"},
        {"resumeToken": ""},
        {"session": "", "resumeToken": ""},
        {"resumeToken": "ä😀\udfff"},
        {"session": "\ud800"},
    ],
)
async def test_wrong_token(fleet: Fleet, wrong: dict[str, str]) -> None:
    """A new session, and the other's owner notices nothing."""
    async with await Client.open(fleet.url) as owner:
        await owner.subscribe("L0N1")
        await owner.open_document("one", "abc")
        async with await Client.dial(fleet.url) as stranger:
            try:
                await stranger.initialize(resume={**ticket(owner), **wrong})
            except RequestFailed as failure:
                # Only text can be a token.
                assert failure.code == -32602  # noqa: PT017
                assert "\\ud" in ascii(wrong)
                await stranger.initialize()
            assert stranger.initialized["resumed"] is False
            assert stranger.initialized["session"] != owner.initialized["session"]
            assert stranger.initialized["documents"] == stranger.subscribed == []
        await owner.change("one", (0, 0, "z"))
        await check(fleet, owner)


async def test_session_taken_from_a_living_connection(fleet: Fleet) -> None:
    """A half-open connection must not keep its owner out: whoever has the token is the client."""
    async with await Client.open(fleet.url) as first:
        await first.subscribe("L1N1")
        await first.open_document("one", PROSE)
        async with await Client.open(fleet.url, resume=ticket(first)) as second:
            assert second.initialized["resumed"] is True
            assert second.subscribed == ["L1N1"]
            assert await first.closed() in (1000, 1001, 1008)
            await second.open_document("one", PROSE[5:], version=2)
            await check(fleet, second)


async def test_resuming_twice_and_for_ever(fleet: Fleet) -> None:
    """The token stays good, and is not repeated to others."""
    client = await Client.open(fleet.url)
    await client.subscribe("L1N1")
    for _ in range(5):
        former = client
        former.cut()
        client = await Client.open(fleet.url, resume=ticket(former))
        assert client.initialized["resumed"] is True
        assert client.subscribed == ["L1N1"]
    await client.close()


async def test_session_ends_after_a_while(narrow: Fleet) -> None:
    first = await Client.open(narrow.url)
    await first.close()
    name = first.initialized["session"]
    async with await Client.open(narrow.url) as watcher:
        # The server tells how many sessions it holds; asking it is what this waits with.
        for _ in range(100_000):
            await watcher.request("models/list")
            if "neuroscope_sessions 1.0" in narrow.server.get("/metrics")[2].decode():
                break
        else:
            raise AssertionError("the session did not end")
        async with await Client.open(narrow.url, resume=ticket(first)) as second:
            assert second.initialized["resumed"] is False
            assert second.initialized["session"] != name
