"""After any edits, every value is the model's own: thousands of random edits against a plain computation."""

from __future__ import annotations

import pytest

from tests.server.conftest import OFFERED, THOROUGH, Fleet
from tests.support import models
from tests.support.client import Client, Document
from tests.support.edits import Editor

ROUNDS = 10 if THOROUGH else 1
ENCODINGS = [
    {},
    {"positionEncodings": ["utf-32", "utf-16"], "activationEncodings": ["base64", "json"]},
]


def some_keys(editor: Editor, client: Client, count: int) -> list[str]:
    layers, width = client.model["layers"], client.model["neuronsPerLayer"]
    return sorted({f"L{editor.random.randrange(layers)}N{editor.random.randrange(width)}" for _ in range(count)})


@pytest.mark.timeout(400 * ROUNDS)
@pytest.mark.parametrize("model", OFFERED)
async def test_each_edit_awaited(fleet: Fleet, model: str) -> None:
    """Every version is checked."""
    encodings = ENCODINGS[OFFERED.index(model) % 2]
    reference = fleet.reference(model)
    async with await Client.open(fleet.url, **encodings) as client:
        await client.load(model)
        editor = Editor(seed=1, encoding=client.position_encoding)
        keys = [*some_keys(editor, client, 12), "blocks.1.hook_resid_pre/3", "blocks.0.hook_resid_post/0"]
        await client.subscribe(*keys)
        await client.open_document("one", models.TEXT)
        await client.settled("one")
        document = client.documents["one"]
        reference.check(document, keys)
        for _ in range(100 * ROUNDS):
            before = [document.ids()[context.start : context.stop] for context in document.contexts()]
            await client.change("one", *editor.changes(document.text))
            await client.settled("one")
            reference.check(document, keys)
            check_effort(document, before)
        assert document.done_versions == list(range(1, document.version + 1))
        assert client.errors == client.resyncs == []


def check_effort(document: Document, before: list[list[int]]) -> None:
    """No more is computed than depends on what has changed, as far as one can tell from outside."""
    done = document.done
    assert done is not None
    after = [document.ids()[context.start : context.stop] for context in document.contexts()]
    if len(before) == len(after):
        changed = sum(len(new) - _common(old, new) for old, new in zip(before, after, strict=True))
        assert done["computedTokens"] <= changed
    assert done["computedTokens"] <= len(document.tokens)
    assert done["forwardPasses"] <= done["computedTokens"]


def _common(old: list[int], new: list[int]) -> int:
    differing = (index for index, (a, b) in enumerate(zip(old, new, strict=False)) if a != b)
    return next(differing, min(len(old), len(new)))


@pytest.mark.timeout(400 * ROUNDS)
@pytest.mark.parametrize("model", OFFERED)
async def test_fast_typist(fleet: Fleet, model: str) -> None:
    """Nothing is waited for: two documents, neurons that come and go, and the newest version is always answered."""
    encodings = ENCODINGS[1 - OFFERED.index(model) % 2]
    reference = fleet.reference(model)
    async with await Client.open(fleet.url, **encodings) as client:
        await client.load(model)
        editor = Editor(seed=2, encoding=client.position_encoding)
        keys = some_keys(editor, client, 20)
        await client.open_document("one", models.TEXT)
        await client.open_document("two", "")
        for _ in range(15 * ROUNDS):
            for _ in range(editor.random.randrange(5, 30)):
                uri = editor.random.choice(("one", "one", "two"))
                await client.change(uri, *editor.changes(client.documents[uri].text))
                if editor.random.random() < 0.05:
                    some = editor.random.sample(keys, 5)
                    method = editor.random.choice(("neurons/subscribe", "neurons/unsubscribe"))
                    await client.send(client.call(method, {"neurons": some}))
            await client.subscribe(*editor.random.sample(keys, 3))
            await client.settled()
            for document in client.documents.values():
                reference.check(document, client.subscribed)
        assert client.errors == client.resyncs == []
