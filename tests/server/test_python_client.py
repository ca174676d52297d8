"""The Python client on the real server, held against a plain computation."""

from __future__ import annotations

import asyncio
import re
import threading
from pathlib import Path

import numpy as np
import pytest

from tests.server.conftest import Fleet
from tests.support.edits import Editor
from tests.support.reference import Reference, parse_key
from tests.support.server import ServerProcess
from ws_server.client import Change, Client, Disconnected, Document, ServerError, blocking

KEYS = ["L0N3", "L1N7", "L2N11", "blocks.1.hook_resid_post/5"]
TEXT = "The lighthouse keeper counted 42 waves 😀 before dawn."


def readable(text: str) -> str:
    """Without the lone surrogates that the editor is fond of: this client refuses them."""
    return re.sub("[\ud800-\udfff]", "\ufffd", text)


def check(document: Document, reference: Reference, keys: list[str]) -> None:
    """Tokens cover the text, ids are the tokenizer's, values those of a plain pass over each context."""
    tokens = document.tokens
    assert [token.id for token in tokens if not token.special] == reference.ids(document.text)
    covered = 0
    for token in tokens:
        assert token.start <= covered <= token.stop or token.special
        covered = max(covered, token.stop)
    assert covered == len(document.text)
    starts = [number for number, token in enumerate(tokens) if number == 0 or token.segment]
    values = document.values(keys)
    assert values.shape == (len(keys), len(tokens))
    assert values.dtype == np.float32
    assert document.current(keys).all()
    for start, stop in zip(starts, [*starts[1:], len(tokens)], strict=True):
        expected = reference.activations([token.id for token in tokens[start:stop]])
        for row, key in zip(values, keys, strict=True):
            hook, index = parse_key(key)
            np.testing.assert_allclose(row[start:stop], expected[hook][:, index], atol=1e-4)


async def test_edits_end_with_the_values_of_a_plain_pass(fleet: Fleet) -> None:
    async with Client(fleet.url) as client:
        document = await client.open(TEXT)
        neurons = await client.subscribe(*KEYS[:3], {"hook": "blocks.1.hook_resid_post", "index": 5})
        assert [neuron["key"] for neuron in neurons] == KEYS
        check(await document.settled(), fleet.reference(), KEYS)
        editor = Editor(3, "utf-32", size=160)
        for _ in range(60):
            document.change(
                [Change(start, stop, readable(text)) for start, stop, text in editor.changes(document.text)]
            )
            if editor.random.random() < 0.3:
                check(await document.settled(), fleet.reference(), KEYS)
        document.set_text(document.text.replace("the", "a 😀"))
        check(await document.settled(), fleet.reference(), KEYS)
        await client.unsubscribe("L1N7")
        assert document.values().shape[0] == 3
        with pytest.raises(KeyError):
            document.values(["L1N7"])
        best = await document.top(2, k=3, layers=[1])
        column = fleet.reference().activations([token.id for token in document.tokens])["blocks.1.mlp.hook_post"][2]
        if len([token for token in document.tokens if token.segment]) <= 1:
            assert [row["neuron"] for row in best] == np.argsort(-column)[:3].tolist()
        frame = document.to_pandas()
        assert frame["text"].tolist() == [token.text for token in document.tokens]
        np.testing.assert_array_equal(frame["L0N3"], document.values(["L0N3"])[0])


async def test_what_the_server_refuses_changes_nothing(narrow: Fleet) -> None:
    async with Client(narrow.url) as client:
        await client.subscribe("L0N1")
        with pytest.raises(ServerError, match="L9N9") as caught:
            await client.subscribe("L0N2", "L9N9")
        assert caught.value.code == -32602
        assert [neuron["key"] for neuron in client.neurons] == ["L0N1"]
        document = await client.open("short")
        with pytest.raises(ServerError) as caught:
            await client.open("x" * (client.limits["documentCharacters"] + 1))
        assert caught.value.code == -32013
        assert list(client.documents) == [document.uri]
        with pytest.raises(ValueError, match="surrogate"):
            document.append("\ud83d")
        with pytest.raises(ValueError, match="leaves the text"):
            document.replace(0, 99, "")
        assert document.text == "short"
        assert (await document.settled()).values().shape == (1, len(document.tokens))
        await document.close()
        assert client.documents == {}


async def test_another_model(narrow: Fleet) -> None:
    async with Client(narrow.url) as client:
        document = await client.open(TEXT)
        await client.subscribe("L0N3", "L2N190")
        seen = []
        info = await client.load_model("llama", progress=lambda value: seen.append(value["kind"]))
        assert info["id"] == "llama"
        # Where another test has had it loaded, there is no progress to tell.
        assert not seen or (seen[0], seen[-1]) == ("begin", "end")
        assert [neuron["key"] for neuron in client.neurons] == [
            key for key in ("L0N3", "L2N190") if key not in info["dropped"]
        ]
        check(await document.settled(), narrow.reference("llama"), [neuron["key"] for neuron in client.neurons])
        with pytest.raises(ServerError) as caught:
            await client.load_model("broken")
        assert caught.value.code == -32011
        assert client.model is not None
        assert client.model["id"] == "llama"


async def test_updates_are_told_as_they_come_and_end_with_the_client(fleet: Fleet) -> None:
    async with Client(fleet.url) as client:
        await client.subscribe("L0N3")
        document = await client.open(TEXT)
        settled = asyncio.Event()

        async def follow() -> int:
            count = 0
            async for now in document.updates():
                count += 1
                if now.is_settled:
                    settled.set()
            return count

        following = asyncio.ensure_future(follow())
        await settled.wait()
        settled.clear()
        document.append(" More.")
        await settled.wait()
        detached = asyncio.ensure_future(document.settled())
        document.append(" Never answered.")
        assert not document.is_settled
    assert await following >= 2
    with pytest.raises(Disconnected):
        await detached


@pytest.mark.timeout(400)
async def test_a_killed_server_costs_nothing_but_time(tmp_path: Path, folders: dict[str, Path]) -> None:
    server = ServerProcess(tmp_path / "stderr", [folders["gpt2"]])
    states: list[str] = []
    async with Client(server.url) as client:
        client.on_state = states.append
        await client.subscribe("L0N3", "L1N7")
        document = await client.open(TEXT)
        await document.settled()
        assert states == []
        server.kill()
        document.append(" Typed without a server.")
        assert not document.is_settled
        again = ServerProcess(tmp_path / "stderr", [folders["gpt2"]], ["--port", str(server.port)])
        try:
            await document.settled()
            check(document, Reference(folders["gpt2"]), ["L0N3", "L1N7"])
            assert states[:2] == ["waiting", "connecting"]
            assert states[-1] == client.state == "ready"
        finally:
            again.kill()
    assert client.closed


async def test_two_that_resume_the_same_session_end_up_with_one_each(fleet: Fleet) -> None:
    """Whatever made the second one know its token: they do not take it from each other for ever."""
    async with Client(fleet.url) as first:
        await first.subscribe("L0N3")
        one = await first.open(TEXT)
        await one.settled()
        lost: list[str] = []
        first.on_state = lost.append
        second = Client(fleet.url)
        second._resume = first._resume
        async with second:
            two = await second.open("Another text.")
            await second.subscribe("L1N7")
            for round_ in range(3):
                one.append(f" {round_}")
                two.append(f" {round_}")
                check(await one.settled(), fleet.reference(), ["L0N3"])
                check(await two.settled(), fleet.reference(), ["L1N7"])
            assert second._resume is not None
            assert first._resume is not None
            assert first._resume["session"] != second._resume["session"]
            assert lost.count("ready") == 1


async def test_no_server_and_no_token_are_told_at_once(fleet: Fleet) -> None:
    with pytest.raises(Disconnected, match=r"There is no server at ws://127\.0\.0\.1:9/ws"):
        async with Client("http://127.0.0.1:9/"):
            pass
    client = Client(fleet.url)
    with pytest.raises(Disconnected):
        await client.subscribe("L0N1")


def test_without_asyncio(fleet: Fleet) -> None:
    with blocking.Client(fleet.url) as client:
        client.subscribe("L0N3", "L2N11")
        document = client.open("The wave")
        first = document.values()
        assert first.shape == (2, len(document.tokens))
        document.append("s came.")
        assert document.text == "The waves came."
        check_ids = [token.id for token in document.tokens if not token.special]
        assert check_ids == fleet.reference().ids(document.text)
        assert document.values().shape == (2, len(document.tokens))
        assert document.top(1, k=2)[0]["value"] >= document.top(1, k=2)[1]["value"]
        assert document.changed() == []  # nothing stands behind what was appended
        before = fleet.reference().activations([token.id for token in document.tokens])
        since = document.version
        document.insert(4, "two ")
        (moved,) = document.changed(1, since=since, layers=[2])
        after = fleet.reference().activations([token.id for token in document.tokens])
        behind = next(i for i, token in enumerate(document.tokens) if token.start >= 7) - len(document.tokens)
        hook = "blocks.2.mlp.hook_post"
        largest = np.abs(after[hook][behind:] - before[hook][behind:]).max(axis=0)
        assert moved["neuron"] == int(largest.argmax())
        assert abs(moved["change"]) == pytest.approx(float(largest.max()), abs=1e-4)
        with pytest.raises(ServerError, match="L9N9"):
            client.subscribe("L9N9")
        document.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "neuroscope-client"]
    with pytest.raises(Disconnected):
        blocking.Client("http://127.0.0.1:9/")
