"""The model of a session: another one, none such, one that does not load, and changing one's mind."""

from __future__ import annotations

import pytest

from tests.server.conftest import THOROUGH, Fleet
from tests.support import models
from tests.support.client import LOADING, Client, RequestFailed


async def check(fleet: Fleet, client: Client) -> None:
    await client.settled()
    for document in client.documents.values():
        fleet.reference(client.model["id"]).check(document, client.subscribed)


async def test_another_model(fleet: Fleet) -> None:
    """Neurons that it does not have are dropped and named; all documents are evaluated again."""
    async with await Client.open(fleet.url) as client:
        keys = ["L0N0", "L2N79", "L2N80", "L1N191", "blocks.1.hook_resid_post/3"]
        await client.subscribe(*keys)
        await client.open_document("one", models.TEXT)
        await client.open_document("two", "😀")
        await check(fleet, client)
        info = await client.load("llama")
        assert (info["id"], info["neuronsPerLayer"]) == ("llama", 80)
        assert info["dropped"] == ["L2N80", "L1N191"]
        assert client.subscribed == ["L0N0", "L2N79", "blocks.1.hook_resid_post/3"]
        await check(fleet, client)
        assert [neuron["key"] for neuron in await client.subscribe()] == client.subscribed
        await client.change("one", (0, 3, "A"))
        await check(fleet, client)
        for name in ("gpt-neox", "gpt2", "gpt2"):
            info = await client.load(name)
            assert info["dropped"] == []
            await client.change("two", (0, 0, "a"))
            await check(fleet, client)


async def test_edits_while_the_model_changes(fleet: Fleet) -> None:
    async with await Client.open(fleet.url) as client:
        await client.subscribe("L0N0", "L1N20")
        await client.open_document("one", models.TEXT)
        for name in ("gpt-neox", "gpt2", "gemma2", "llama") * 3:
            loading = client.call("model/load", {"model": name})
            await client.change("one", (4, 4, "big "))
            await client.send(loading)
            await client.change("one", (0, 4, ""))
            await client.change("one", (0, 0, "The "))
            await client.answer(loading, LOADING)
            await client.change("one", (4, 8, ""))
            if name == "gpt2":
                await check(fleet, client)
        await check(fleet, client)
        assert client.resyncs == client.errors == []


async def test_unknown_model(fleet: Fleet) -> None:
    async with await Client.open(fleet.url) as client:
        for name in ("nothing", "", "../gpt2", str(fleet.folders["gpt2"]), "gpt2@main", "\ud800"):
            with pytest.raises(RequestFailed) as failure:
                await client.load(name)
            assert failure.value.code == -32010 or (failure.value.code == -32602 and name == "\ud800")
            assert str(fleet.folders["gpt2"].parent) not in failure.value.message.replace(name, "")
        await client.subscribe("L0N0")
        await client.open_document("one", "still gpt2")
        await check(fleet, client)


async def test_model_that_does_not_load(narrow: Fleet) -> None:
    """The session keeps its model, and asking again tries again."""
    async with await Client.open(narrow.url) as client:
        await client.subscribe("L0N0", "L2N100")
        await client.open_document("one", "some text")
        attempts = 2 if THOROUGH else 1
        for _ in range(attempts):
            message = client.call("model/load", {"model": "broken", "workDoneToken": "b"})
            await client.send(message)
            await client.change("one", (0, 0, "and "))
            await client.settled()  # it does not wait for the load
            with pytest.raises(RequestFailed) as failure:
                await client.answer(message, LOADING)
            assert failure.value.code == -32011
            assert "broken" in failure.value.message
            assert "\n" not in failure.value.message
        kinds = [progress["value"]["kind"] for progress in client.progress]
        assert kinds.count("begin") == kinds.count("end") == attempts
        assert client.subscribed == ["L0N0", "L2N100"]
        await check(narrow, client)
        summaries = (await client.request("models/list"))["models"]
        assert not next(summary for summary in summaries if summary["id"] == "broken")["loaded"]


async def test_loading_is_told_and_can_be_given_up(narrow: Fleet) -> None:
    async with await Client.open(narrow.url) as client, await Client.open(narrow.url) as other:
        await client.subscribe("L0N0", "L2N100")
        await client.open_document("one", "some text")
        await client.settled()
        summaries = {summary["id"]: summary for summary in client.initialized["models"]}
        assert not summaries["llama"]["loaded"], "an earlier test has loaded it"

        message = client.call("model/load", {"model": "llama", "workDoneToken": 7})
        await client.send(message)
        await client.until(lambda: client.progress, "progress")
        await client.notify("$/cancelRequest", {"id": message["id"]})
        with pytest.raises(RequestFailed) as failure:
            await client.answer(message)
        assert failure.value.code == -32800
        assert client.model["id"] == "gpt2"
        await client.request("models/list")
        _check_progress(client, 7)

        # Somebody else wants it too, and the first asks again; typing goes on meanwhile.
        client.progress.clear()
        again = client.call("model/load", {"model": "llama", "workDoneToken": "again"})
        await client.send(again)
        theirs = other.call("model/load", {"model": "llama"})
        await other.send(theirs)
        await client.change("one", (0, 4, "More"))
        await client.settled()
        narrow.reference("gpt2").check(client.documents["one"], client.subscribed)
        info = await client.answer(again, LOADING)
        assert info["dropped"] == ["L2N100"]
        await other.answer(theirs, LOADING)
        assert other.progress == []  # it gave no token
        _check_progress(client, "again")
        await check(narrow, client)
        assert {s["id"]: s["loaded"] for s in (await client.request("models/list"))["models"]} == {
            "gpt2": True,
            "llama": True,
            "broken": False,
        }


def _check_progress(client: Client, token: str | int) -> None:
    kinds = [progress["value"]["kind"] for progress in client.progress]
    assert {progress["token"] for progress in client.progress} == {token}
    assert kinds[0] == "begin"
    assert kinds[-1] == "end"
    assert set(kinds[1:-1]) <= {"report"}
    assert client.progress[0]["value"]["title"]
    shares = [p["value"]["percentage"] for p in client.progress if "percentage" in p["value"]]
    assert shares == sorted(shares)
    assert all(0 <= share <= 100 for share in shares)
