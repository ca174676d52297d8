"""Several clients at once: none sees, slows down or breaks what is another's."""

from __future__ import annotations

import asyncio
import os
import signal
import time

import pytest

from tests.server.conftest import OFFERED, THOROUGH, Fleet
from tests.support import models
from tests.support.client import LOADING, Client
from tests.support.edits import Editor
from tests.support.server import alive

ROUNDS = 10 if THOROUGH else 1
PROSE = "The keeper counted the waves, and the girl counted the gulls.\n"


GROUPS = [OFFERED[first : first + 3] for first in range(0, len(OFFERED), 3)]


@pytest.mark.timeout(400 * ROUNDS)
@pytest.mark.parametrize("group", GROUPS, ids="+".join)
async def test_many_typists(fleet: Fleet, group: tuple[str, ...]) -> None:
    """All type at once, several on each model: documents and neurons of the same names, other texts and encodings."""

    async def typist(number: int) -> None:
        encodings = {"positionEncodings": ["utf-32"]} if number % 2 else {"activationEncodings": ["base64"]}
        async with await Client.open(fleet.url, **encodings) as client:
            model = group[number % len(group)]
            await client.load(model)
            editor = Editor(seed=100 + number, encoding=client.position_encoding, size=300)
            await client.subscribe("L0N0", f"L1N{number}", "L2N20" if client.model["layers"] > 2 else "L1N20")
            await client.open_document("one", PROSE * number)
            await client.open_document("two", models.TEXT)
            for step in range(30 * ROUNDS):
                uri = editor.random.choice(("one", "two"))
                await client.change(uri, *editor.changes(client.documents[uri].text))
                if step % 8 == 7:
                    await client.settled()
                    for document in client.documents.values():
                        fleet.reference(model).check(document, client.subscribed)
            await client.settled()
            for document in client.documents.values():
                fleet.reference(model).check(document, client.subscribed)
            assert client.resyncs == client.errors == []

    await asyncio.gather(*(typist(number) for number in range(3 * len(group))))


async def test_typing_goes_on_beside_a_huge_paste(fleet: Fleet) -> None:
    """On the same model: the typist's edits are answered between the passes of the other's text."""
    async with await Client.open(fleet.url) as patient, await Client.open(fleet.url) as typist:
        await patient.subscribe("L2N0")
        await typist.subscribe("L2N0", "L0N7")
        await typist.open_document("one", PROSE)
        await typist.settled()
        await patient.open_document("huge", PROSE * 600)  # some ten thousand tokens
        huge = patient.documents["huge"]
        answered = 0
        slowest = 0.0
        while huge.done is None:
            begun = time.monotonic()
            at = (7 * answered) % 50
            await typist.change("one", (at, at, "x") if answered % 2 else (at, at + 1, ""))
            await typist.settled()
            slowest = max(slowest, time.monotonic() - begun)
            fleet.reference().check(typist.documents["one"], typist.subscribed)
            answered += 1
        assert answered >= 10, "the typist had to wait for the other's text"
        assert slowest < 5, slowest
        assert huge.updates > 20
        fleet.reference().check(huge, patient.subscribed)


async def test_edit_of_a_text_that_is_still_at_work(fleet: Fleet) -> None:
    """What is typed goes before what is left of a long pass, and in the end all of it is right."""
    async with await Client.open(fleet.url) as client:
        await client.subscribe("L2N0", "L0N7")
        await client.open_document("huge", PROSE * 300)
        huge = client.documents["huge"]
        for number in range(30):
            await client.until(lambda seen=huge.updates: huge.updates > seen or huge.done, "an update")
            at = number * 500
            await client.change("huge", (at, at + 3, f"{number} "))
        await client.settled()
        fleet.reference().check(huge, client.subscribed)


async def test_client_that_does_not_read(fleet: Fleet) -> None:
    """The server does not pile up answers for it, serves others, and in the end tells it the newest version."""
    async with await Client.open(fleet.url) as client, await Client.open(fleet.url) as other:
        keys = [f"L{layer}N{neuron}" for layer in range(3) for neuron in range(0, 192, 2)]
        await client.subscribe(*keys)
        await client.open_document("one", PROSE * 6)
        await client.settled()
        await other.subscribe("L0N0")
        await other.open_document("one", PROSE)
        document = client.documents["one"]
        tokens = document.token_messages
        client.pause()
        edits = 400
        for number in range(edits):
            await client.change("one", (0, 1, "T" if number % 2 else "t"))
            if number % 40 == 0:
                await other.change("one", (0, 0, "a "))
                await other.settled()
        client.go_on()
        await client.settled()
        fleet.reference().check(document, keys)
        fleet.reference().check(other.documents["one"], other.subscribed)
        assert document.token_messages - tokens < edits  # versions were merged


async def test_worker_that_dies(narrow: Fleet) -> None:
    """Its model is loaded again, and every session on it goes on with the right values."""
    async with await Client.open(narrow.url) as one, await Client.open(narrow.url) as two:
        for client in (one, two):
            await client.subscribe("L0N0", "L2N100")
            await client.open_document("one", PROSE * 4)
            await client.settled()
        workers = narrow.server.workers()
        assert workers
        top = one.call("neurons/top", {"uri": "one", "token": 3, "k": 3})
        for pid in workers:
            os.kill(pid, signal.SIGKILL)
        await one.send(top)
        await one.change("one", (0, 3, "A"))
        await one.change("one", (20, 20, "many "))
        await asyncio.gather(_settled_after_loading(one), _settled_after_loading(two))
        await two.change("one", (10, 13, ""))
        await two.settled()
        for client in (one, two):
            narrow.reference("gpt2").check(client.documents["one"], client.subscribed)
        assert not any(alive(pid) for pid in workers)
        async with await Client.open(narrow.url) as three:
            await three.subscribe("L1N1")
            await three.open_document("one", "text")
            await three.settled()
            narrow.reference("gpt2").check(three.documents["one"], three.subscribed)


async def _settled_after_loading(client: Client) -> None:
    document = client.documents["one"]
    await client.until(
        lambda: document.done is not None and document.done["version"] == document.version, "done", LOADING
    )
