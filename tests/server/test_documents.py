"""Documents: what opening, changing and closing them says, and what becomes of changes that cannot be."""

from __future__ import annotations

from typing import Any

import pytest

from tests.server.conftest import Fleet
from tests.support import models
from tests.support.client import Client, RequestFailed, from_units, to_units

KEYS = ("L0N0", "L1N17", "L2N191")

PROSE = (
    "The keeper counted the waves, and the girl counted the gulls.\n"
    "There were more gulls than waves that morning.\n\n"
    "    if gull.colour == 'white': total += 1\n"
)


async def check(fleet: Fleet, client: Client, uri: str) -> None:
    await client.settled(uri)
    fleet.reference(client.model["id"]).check(client.documents[uri], client.subscribed)


async def barrier(client: Client) -> None:
    """Everything sent before has been read by the server, and its direct consequences have arrived."""
    await client.request("models/list")


TEXTS = {
    "empty": "",
    "one letter": "a",
    "a space": " ",
    "spaces": "   \t  ",
    "line ends": "\n\r\n\r\n\n\r",
    "only emoji": "😀😃😄🙈👍🏽👩‍👩‍👧‍👦🇫🇷🏴󠁧󠁢󠁥󠁮󠁧󠁿" * 20,
    "NUL": "a\0b\0\0c",
    "controls": "".join(map(chr, range(32))) + "\x7f\x80\x85\u2028\u2029\ufeff",
    "lone surrogates": "a\ud83db\ude00\ud83d\ud83d \ude00\ude00c",
    "combining": "e\u0301\u0323 a\u0308o\u0302\u0301 \u0301\u0301",
    "composed": "é ä ộ ﬁ ½ 각 Å Ω",
    "spellings of special tokens": "<|endoftext|>a<s></s><unk><bos> <pad><0x0A>▁▁Ġ",
    "noncharacters": "\ufffe\uffff\U0010ffff",
    "right to left": "שלום עולם مرحبا",
    "one long word": "a" * 700,
    "a text": models.TEXT,
    "longer than any context": PROSE * 12,
}


@pytest.mark.parametrize("model", ["gpt2", "llama", "gpt-neox", "gemma2"])
@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
async def test_every_text_can_be_opened_and_emptied(fleet: Fleet, model: str, encoding: str) -> None:
    async with await Client.open(fleet.url, positionEncodings=[encoding]) as client:
        await client.load(model)
        await client.subscribe("L0N0", "L2N40")
        for uri, text in TEXTS.items():
            result = await client.open_document(uri, text)
            await check(fleet, client, uri)
            document = client.documents[uri]
            assert result == {"uri": uri, "version": 1, "tokenCount": len(document.tokens)}
            await client.change(uri, (0, len(document.text), ""))
            await check(fleet, client, uri)
            assert len(document.tokens) == int(client.model["prependsBos"])
            await client.change(uri, (0, 0, to_units(text, encoding)), (0, 0, "")) if text else None
            await check(fleet, client, uri)
            await client.close_document(uri)


@pytest.mark.parametrize("model", ["gpt2", "llama"])
async def test_tokens_say_what_they_stand_for(fleet: Fleet, model: str) -> None:
    """`text` is the decoded token: together they are the document, but for characters that take several tokens."""
    reference = fleet.reference(model)
    async with await Client.open(fleet.url) as client:
        await client.load(model)
        await client.open_document("one", models.TEXT)
        document = client.documents["one"]
        await client.settled("one")
        whole = 0
        for token in document.tokens:
            if token.get("special"):
                assert token["text"] == reference.tokenizer.bos_token
            elif "\ufffd" not in token["text"]:
                written = from_units(document.text[token["from"] : token["to"]])
                # SentencePiece puts a space in front of the first word.
                assert token["text"] == written or (token["from"] == 0 and token["text"] == " " + written)
                whole += 1
        assert whole > 0.6 * len(document.tokens)


@pytest.mark.parametrize("model", ["gpt2", "llama", "gpt-neox"])
async def test_contexts(fleet: Fleet, model: str) -> None:
    """Each context is as long as it can be, or ends with a line in its last quarter."""
    async with await Client.open(fleet.url) as client:
        await client.load(model)
        await client.subscribe("L1N5")
        await client.open_document("prose", PROSE * 8)
        await client.open_document("no line ends", "count the waves and " * 90)
        for uri in client.documents:
            await check(fleet, client, uri)
            document = client.documents[uri]
            limit = client.model["contextTokens"]
            contexts = document.contexts()
            assert len(contexts) > 3
            for context in contexts[:-1]:
                tokens = document.tokens[context.start : context.stop]
                assert limit * 3 // 4 <= len(tokens) <= limit
                ends = [document.text[: t["to"]].endswith("\n") for t in document.tokens[context.start :]][:limit]
                assert ends[len(tokens) - 1] or (len(tokens) == limit and not any(ends[-(limit // 4) :]))
        # A word more at the start of a long document moves no break but the first few.
        document = client.documents["prose"]
        seen = document.values_received
        await client.change("prose", (0, 0, "Once "))
        await check(fleet, client, "prose")
        assert document.values_received - seen < len(document.tokens) / 2


async def test_values_nearest_after_the_edit_come_first(fleet: Fleet) -> None:
    async with await Client.open(fleet.url) as client:
        await client.subscribe(*KEYS)
        await client.open_document("one", PROSE * 8)
        await check(fleet, client, "one")
        document = client.documents["one"]
        for context in document.contexts():
            at = document.tokens[context.start + 2]["from"]
            await client.change("one", (at, at, "X"))
            await check(fleet, client, "one")
            changed = next(i for i, t in enumerate(document.tokens) if t["to"] > at)
            first, count, _ = document.update_ranges[0]
            assert first <= changed < first + count
            assert document.update_ranges[0][1] < len(document.tokens) / 2


async def test_an_edit_sends_only_what_it_can_have_changed(fleet: Fleet) -> None:
    """The client complains where values are sent again; here, that the tokens before the edit are not."""
    async with await Client.open(fleet.url) as client:
        await client.subscribe(*KEYS)
        await client.open_document("one", PROSE)
        await check(fleet, client, "one")
        document = client.documents["one"]
        for letter in " The keeper slept.":
            await client.change("one", (len(document.text), len(document.text), letter))
            await check(fleet, client, "one")
            done = document.done
            assert done is not None
            assert done["computedTokens"] <= 4
            assert min(start for start, _, _ in document.update_ranges) >= len(document.tokens) - 4
            assert done["computedTokens"] + done["reusedTokens"] == len(document.tokens)


async def test_deleting_the_end_of_a_context_leaves_the_next_alone(fleet: Fleet) -> None:
    async with await Client.open(fleet.url) as client:
        await client.subscribe(*KEYS)
        first, middle, last = "The waves " * 26 + ".\n\n", "Few.\n\n", "and the gulls " * 40
        await client.open_document("one", first + middle + last)
        await check(fleet, client, "one")
        document = client.documents["one"]
        before = [document.tokens[context.start]["from"] for context in document.contexts()]
        assert len(first + middle) in before, "the text does not break where this test needs it"
        seen = document.values_received
        await client.change("one", (len(first), len(first + middle), ""))
        await check(fleet, client, "one")
        after = [document.tokens[context.start]["from"] for context in document.contexts()]
        assert after == [start if start <= len(first) else start - len(middle) for start in before]
        assert document.values_received == seen
        await client.change("one", (len(first), len(first), middle))
        await check(fleet, client, "one")
        inserted = [t for t in document.tokens if t["from"] >= len(first) and t["to"] <= len(first + middle)]
        assert document.values_received - seen == len(KEYS) * sum("special" not in token for token in inserted)


async def test_opening_again_sends_everything_and_computes_nothing(fleet: Fleet) -> None:
    async with await Client.open(fleet.url) as client:
        await client.subscribe(*KEYS)
        await client.open_document("one", PROSE * 4, version=7)
        await check(fleet, client, "one")
        for version in (8, 8, 3):
            await client.open_document("one", PROSE * 4, version)
            await check(fleet, client, "one")
            document = client.documents["one"]
            assert document.done is not None
            assert document.done["version"] == version
            assert document.done["computedTokens"] == document.done["forwardPasses"] == 0
            assert document.values_received == len(KEYS) * len(document.tokens)
        await client.open_document("one", PROSE * 4 + "More.", 9)
        await check(fleet, client, "one")
        done = client.documents["one"].done
        assert done is not None
        assert 0 < done["computedTokens"] < 10


async def test_opening_while_the_former_text_is_at_work(fleet: Fleet) -> None:
    async with await Client.open(fleet.url) as client:
        await client.subscribe(*KEYS)
        for round_ in range(20):
            text = PROSE * (1 + round_ % 5)
            requests = [client.opening("one", text[cut:], version=round_ * 10 + cut) for cut in range(3)]
            for request in requests:
                await client.send(request)
            await client.change("one", (0, 1, "Q"), (5, 6, ""))
            results = [await client.answer(request) for request in requests]
            assert [result["uri"] for result in results] == ["one"] * 3
            await check(fleet, client, "one")


async def test_requests_that_are_cancelled(fleet: Fleet) -> None:
    """Each is answered once, with its result or with -32800, and the document can be opened as ever."""
    async with await Client.open(fleet.url) as client:
        await client.subscribe(*KEYS)
        cancelled = 0
        for round_ in range(20):
            opening = client.opening("one", PROSE * 60, version=2 * round_)
            top = client.call("neurons/top", {"uri": "two", "token": 0, "k": 1})
            await client.open_document("two", PROSE)
            for request in (opening, top):
                await client.send(request)
                await client.notify("$/cancelRequest", {"id": request["id"]})
            for request in (opening, top):
                try:
                    await client.answer(request)
                except RequestFailed as failure:
                    cancelled += failure.code == -32800
            await client.open_document("one", PROSE + str(round_), version=2 * round_ + 1)
            await check(fleet, client, "one")
        assert cancelled > 0
        assert client.errors == []


async def test_versions_need_not_be_consecutive(fleet: Fleet) -> None:
    async with await Client.open(fleet.url) as client:
        await client.subscribe("L0N1")
        await client.open_document("one", "abc", version=-5)
        client.documents["one"].version = 1000
        await client.change("one", (3, 3, "d"))
        client.documents["one"].version = 2**52
        await client.change("one", (0, 1, ""))
        await check(fleet, client, "one")
        assert client.documents["one"].done_versions[-1] == 2**52 + 1


async def test_changes_of_one_message_in_any_order(fleet: Fleet) -> None:
    async with await Client.open(fleet.url) as client:
        await client.subscribe("L0N1")
        await client.open_document("one", "0123456789")
        await client.change("one", (8, 9, "H"), (0, 1, "AA"), (3, 5, ""), (5, 5, "-"), (10, 10, "!"))
        await check(fleet, client, "one")
        assert client.documents["one"].text == "AA12-567H9!"
        await client.change("one", (5, 8, "m"), (5, 5, "x"), (0, 2, ""), (5, 5, "a"))
        await check(fleet, client, "one")
        assert client.documents["one"].text == "12-xamH9!"
        await client.change("one")
        await check(fleet, client, "one")
        assert client.documents["one"].done_versions[-1] == 4


IMPOSSIBLE: dict[str, dict[str, Any]] = {
    "past the end": {"changes": [{"from": 0, "to": 100, "insert": ""}]},
    "starts past the end": {"changes": [{"from": 8, "to": 8, "insert": "x"}]},
    "backwards": {"changes": [{"from": 2, "to": 1, "insert": ""}]},
    "inside a pair": {"changes": [{"from": 4, "to": 5, "insert": ""}]},
    "ends inside a pair": {"changes": [{"from": 1, "to": 4, "insert": ""}]},
    "overlap": {"changes": [{"from": 0, "to": 2, "insert": ""}, {"from": 1, "to": 3, "insert": ""}]},
    "one good, one not": {"changes": [{"from": 0, "to": 1, "insert": "z"}, {"from": 5, "to": 99, "insert": ""}]},
    "the same version": {"version": 1, "changes": [{"from": 0, "to": 0, "insert": "x"}]},
    "an older version": {"version": 0, "changes": [{"from": 0, "to": 0, "insert": "x"}]},
    "a negative offset": {"changes": [{"from": -1, "to": 0, "insert": "x"}]},
    "a fractional offset": {"changes": [{"from": 0.5, "to": 1, "insert": "x"}]},
    "an enormous offset": {"changes": [{"from": 10**30, "to": 10**30, "insert": "x"}]},
    "an offset that is text": {"changes": [{"from": "0", "to": 1, "insert": "x"}]},
    "an offset that is a truth value": {"changes": [{"from": False, "to": True, "insert": "x"}]},
    "no text": {"changes": [{"from": 0, "to": 1}]},
    "null text": {"changes": [{"from": 0, "to": 1, "insert": None}]},
    "no list": {"changes": {"from": 0, "to": 1, "insert": ""}},
    "no changes": {},
    "a version that is text": {"version": "2", "changes": []},
    "no version": {"version": None, "changes": []},
}


@pytest.mark.parametrize("name", IMPOSSIBLE)
async def test_impossible_change(fleet: Fleet, name: str) -> None:
    """It changes nothing, is reported exactly once, and everything after it is ignored until the document is opened."""
    text = "abc😀de"  # seven UTF-16 code units
    async with await Client.open(fleet.url) as client:
        await client.subscribe("L0N1", "L2N3")
        await client.open_document("one", text)
        await client.open_document("other", text)
        await client.settled()
        document = client.documents["one"]
        messages, updates = document.token_messages, document.updates
        await client.notify("document/change", {"uri": "one", "version": 2, **IMPOSSIBLE[name]})
        await client.notify("document/change", {"uri": "one", "version": 3, **IMPOSSIBLE[name]})
        good = {"uri": "one", "version": 50, "changes": [{"from": 0, "to": 0, "insert": "x"}]}
        await client.notify("document/change", good)
        await client.change("other", (0, 0, "y"))
        await client.settled("other")
        await barrier(client)
        assert [resync["uri"] for resync in client.resyncs] == ["one"]
        assert client.resyncs[0]["reason"]
        assert (document.token_messages, document.updates) == (messages, updates)
        assert {error["code"] for error in client.errors} <= {-32602}
        await client.open_document("one", "x" + text, version=51)
        await client.change("one", (0, 1, ""))
        await check(fleet, client, "one")
        await check(fleet, client, "other")
        assert len(client.resyncs) == 1


async def test_offset_inside_a_pair_is_any_other_in_code_points(fleet: Fleet) -> None:
    async with await Client.open(fleet.url, positionEncodings=["utf-32"]) as client:
        await client.subscribe("L0N1")
        await client.open_document("one", "a😀b")
        await client.change("one", (1, 2, "𐍈"), (3, 3, "😀"))
        await check(fleet, client, "one")
        assert client.documents["one"].text == "a𐍈b😀"
        await client.notify(
            "document/change", {"uri": "one", "version": 3, "changes": [{"from": 5, "to": 5, "insert": ""}]}
        )
        await client.until(lambda: client.resyncs, "a resync")


async def test_halves_of_a_character_meet(fleet: Fleet) -> None:
    """Two lone surrogates that become neighbours are one character from then on."""
    async with await Client.open(fleet.url) as client:
        await client.subscribe("L0N1", "L2N2")
        await client.open_document("one", "a\ud83db\ude00c")
        await check(fleet, client, "one")
        await client.change("one", (2, 3, ""))
        await check(fleet, client, "one")
        assert client.documents["one"].text == "a\ud83d\ude00c"
        await client.notify(
            "document/change", {"uri": "one", "version": 3, "changes": [{"from": 2, "to": 2, "insert": "x"}]}
        )
        await client.until(lambda: client.resyncs, "a resync")


async def test_change_of_a_document_that_is_not_open(fleet: Fleet) -> None:
    async with await Client.open(fleet.url) as client:
        change = {"uri": "nowhere", "version": 2, "changes": [{"from": 0, "to": 0, "insert": "x"}]}
        for _ in range(3):
            await client.notify("document/change", change)
        await barrier(client)
        assert [resync["uri"] for resync in client.resyncs] == ["nowhere"]
        await client.subscribe("L0N1")
        await client.open_document("nowhere", "x")
        await check(fleet, client, "nowhere")
        await client.close_document("nowhere")
        await client.notify("document/change", change)
        await barrier(client)
        assert [resync["uri"] for resync in client.resyncs] == ["nowhere"] * 2


async def test_closing(fleet: Fleet) -> None:
    async with await Client.open(fleet.url) as client:
        await client.subscribe(*KEYS)
        await client.open_document("one", PROSE * 5)
        await client.close_document("one")  # while it is at work
        for method, more in (
            ("document/close", {}),
            ("neurons/top", {"token": 0, "k": 1}),
            ("neurons/changed", {"k": 1}),
        ):
            with pytest.raises(RequestFailed) as failure:
                await client.request(method, {"uri": "one", **more})
            assert failure.value.code == -32012
        frames = client.frames
        await barrier(client)
        assert client.frames == frames + 1  # nothing comes any more
        await client.open_document("one", PROSE)
        await check(fleet, client, "one")


async def test_uri_is_any_string(fleet: Fleet) -> None:
    async with await Client.open(fleet.url) as client:
        await client.subscribe("L0N0")
        for uri in ("file:///tmp/ä b.txt", " ", "\0", "😀", '"\\', "__proto__", "x" * 2000):
            await client.open_document(uri, "text of " + uri[:10])
            await client.change(uri, (0, 0, "the "))
            await check(fleet, client, uri)


async def test_uri_with_a_lone_surrogate(fleet: Fleet) -> None:
    """Refused, as it could not be a name in every message; no reason to end the connection."""
    async with await Client.open(fleet.url) as client:
        await client.subscribe("L0N0")
        with pytest.raises(RequestFailed) as failure:
            await client.open_document("\ud800", "text")
        assert failure.value.code == -32602
        del client.documents["\ud800"]
        await client.open_document("one", "text")
        await check(fleet, client, "one")


async def test_a_long_text_in_frames_that_libraries_take_by_default(fleet: Fleet) -> None:
    """Its tokens come in parts, and so do the parts that an edit at its start moves."""
    async with await Client.dial(fleet.url, max_size=2**20) as client:  # as `websockets` has it where nothing is said
        await client.initialize()
        text = "a\n" * 15_000
        await client.open_document("long", text)
        await client.settled()
        document = client.documents["long"]
        assert len(document.tokens) > 30_000
        assert client.token_frames > 1
        before = client.token_frames
        await client.change("long", (0, 20_000, "b\n" * 12_000), (20_010, 20_011, ""))
        await client.settled()
        assert client.token_frames > before + 1
        assert document.token_messages == 2
