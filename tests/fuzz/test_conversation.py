"""Whole conversations: a client that does as the protocol says and one that does not share a connection.

Right, wrong and cut messages come in any order, in batches and alone; connections end in every way and are taken up
again. The only outcomes are the documented ones. What the well-behaved half of the client has at the end is exactly
what a plain computation gives, and so it is for a second session that has nothing to do with it all.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from collections.abc import Coroutine, Iterator
from pathlib import Path
from random import Random
from typing import Any, ClassVar, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from websockets.exceptions import ConnectionClosed

from tests.fuzz.frames import EXAMPLES, REQUESTS, cut_frames, messages, noise, wrong_messages
from tests.support import models
from tests.support.client import Client, RequestFailed, inside_pair
from tests.support.edits import Editor
from tests.support.reference import Reference
from tests.support.server import ServerProcess
from ws_server.errors import WIRE_ERRORS
from ws_server.protocol.codec import Fault, decode

CODES = {error.code for error in WIRE_ERRORS} - {-32603}
"""What may be answered: everything that is documented, but that something went wrong in the server."""
REACHED = CODES - {-32011, -32014}
"""What is answered at some time in many conversations: models load here, and nobody overloads the server."""
LIMITS = {
    "frame_bytes": 20_000,
    "documents": 3,
    "document_characters": 2000,
    "document_tokens": 1500,
    "subscriptions": 12,
    "messages_per_second": 1_000_000,
}
STEPS = 15
URIS = ("a", "b", "c", "d")
NEURONS = ("L0N1", "L1N2", "L2N3", "L0N79", "blocks.1.hook_resid_post/5")
IMPOSSIBLE: tuple[tuple[str, dict[str, Any], int], ...] = (
    ("document/close", {"uri": "never opened"}, -32012),
    ("neurons/top", {"uri": "never opened", "token": 0, "k": 1}, -32012),
    ("neurons/changed", {"uri": "never opened", "k": 1}, -32012),
    ("neurons/subscribe", {"neurons": ["L0N1", "L3N0"]}, -32602),
    ("neurons/subscribe", {"neurons": [f"L0N{number}" for number in range(LIMITS["subscriptions"] + 1)]}, -32013),
    ("neurons/unsubscribe", {"neurons": ["L0N1", "blocks.0.hook_nothing/0"]}, -32602),
    ("document/open", {"uri": "long", "version": 1, "text": "a" * (LIMITS["document_characters"] + 1)}, -32013),
    ("model/load", {"model": "../gpt2"}, -32010),
    ("initialize", REQUESTS["initialize"], -32600),
    ("no/method", {}, -32601),
)
"""Requests without a fault in their form, and how they are refused, whatever was said before."""

T = TypeVar("T")


class Half(Client):
    """The well-behaved half; answers to what the other half asks are not its own."""

    def __init__(self, socket: Any) -> None:
        self.asked: dict[str, int] = {}
        """Ids of the other half's requests, and how many answers each has had."""
        self.told: Counter[int] = Counter()
        """Errors that were answers, by code."""
        super().__init__(socket)

    def _take_response(self, message: dict[str, Any]) -> None:
        if "error" in message:
            assert message["error"]["code"] in CODES, message
            self.told[message["error"]["code"]] += 1
        identity = message.get("id")
        if not isinstance(identity, str):
            super()._take_response(message)
            return
        self.asked[identity] = self.asked.get(identity, 0) + 1
        assert message["error"]["message"].endswith((".", "?")), message


class World:
    """One server, its neighbour session, and the loop in which everything happens."""

    def __init__(self, folder: Path) -> None:
        self.loop = asyncio.new_event_loop()
        # The time for a second model is taken where there is much of it.
        self.folders = {name: models.make(name, folder) for name in (("gpt2", "llama") if EXAMPLES else ("gpt2",))}
        settings = {"resume_seconds": 5.0}
        self.server = ServerProcess(folder / "stderr", list(self.folders.values()), limits=LIMITS, settings=settings)
        self.references = {name: Reference(model) for name, model in self.folders.items()}
        self.conversations = 0
        self.outcomes: Counter[int] = Counter()
        """Errors that were told, by code."""
        self.frames = 0
        """Frames that came from the server."""
        self._random = Random(3)
        self.neighbour = self.run(self._arrive())

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    async def _arrive(self) -> Client:
        client = await Client.open(self.server.url)
        await client.subscribe("L0N7", "L2N100")
        await client.open_document("mine", "Nobody may disturb me.")
        await client.settled()
        return client

    async def neighbour_is_well(self) -> None:
        """It types something, and has the right values for it."""
        document = self.neighbour.documents["mine"]
        word = self._random.choice((" keeper", " waves", "?", " 12"))
        await self.neighbour.change("mine", (7, len(document.text), word))
        await self.neighbour.settled()
        self.references["gpt2"].check(document, self.neighbour.subscribed)
        assert self.neighbour.errors == self.neighbour.resyncs == []

    def account(self) -> str:
        """What has happened so far."""
        values = sum(reference.compared for reference in self.references.values())
        told = ", ".join(f"{code}: {count}" for code, count in sorted(self.outcomes.items()))
        return (
            f"{self.conversations} conversations, {self.frames} frames received, {values} values compared; "
            f"errors told: {told}"
        )

    def end(self) -> None:
        self.run(self.neighbour.close())
        self.loop.close()
        self.server.stop()


class Conversation(RuleBasedStateMachine):
    """One session and its connections."""

    world: ClassVar[World]

    def __init__(self) -> None:
        super().__init__()
        self.client = self.world.run(Half.dial(self.world.server.url))
        assert isinstance(self.client, Half)
        self.texts: dict[str, str] = {}
        """Of the open documents, by uri, in units."""
        self.lost: set[str] = set()
        """Documents that the server does not follow any more, and says so once."""
        self.hello: dict[str, Any] | None = None
        self.encoding = "utf-16"
        self.version = 0
        self.number = 0
        self.orphans = 0
        """Errors under no id that have to come on this connection."""
        self.complaints = 0
        """`$/error`s that have to come on this connection."""

    # -------------------------------------------------------------------------------- beginning

    @initialize(
        stage=st.integers(0, 3),
        encoding=st.sampled_from(["utf-16", "utf-32"]),
        values=st.sampled_from(["json", "base64"]),
        seed=st.integers(0, 1 << 20),
    )
    def begin(self, stage: int, encoding: str, values: str, seed: int) -> None:
        """Some say much before `initialize`, others are in the midst of it all at once."""
        if stage > 0:
            self._initialize(encoding, values)
        if stage > 1:
            self.subscribe(list(NEURONS), more=True)
            self.open("a", seed, waits=stage > 2)

    @precondition(lambda self: self.hello is None)
    @rule(encoding=st.sampled_from(["utf-16", "utf-32"]), values=st.sampled_from(["json", "base64"]))
    def begin_late(self, encoding: str, values: str) -> None:
        self._initialize(encoding, values)

    def _initialize(self, encoding: str, values: str, **params: Any) -> dict[str, Any]:
        self.encoding = encoding
        wanted = {"positionEncodings": [encoding], "activationEncodings": [values], **params}
        self.hello = self._run(self.client.initialize(**wanted))
        return self.hello

    # -------------------------------------------------------------------------------- the well-behaved half

    @precondition(lambda self: self.hello is not None)
    @rule(uri=st.sampled_from(URIS), seed=st.integers(0, 1 << 20), waits=st.booleans())
    def open(self, uri: str, seed: int, waits: bool) -> None:
        if uri not in self.texts and len(self.texts) == LIMITS["documents"]:
            params = {"uri": uri, "version": 1, "text": ""}
            assert self._outcome(self.client.request("document/open", params)) == -32013
            return
        text = self._editor(seed).insertion()[:200]
        self._open(uri, text[:-1] if inside_pair(text + "\udc00", len(text)) else text, waits)

    def _open(self, uri: str, units: str, waits: bool) -> None:
        self.version += 1
        self.texts[uri] = units
        self.lost.discard(uri)
        self._run(self._sent_open(uri, units, waits))

    async def _sent_open(self, uri: str, units: str, waits: bool) -> None:
        message = self.client.opening(uri, "", self.version)
        message["params"]["text"] = units
        document = self.client.documents[uri]
        document.text, document.texts = units, {self.version: units}
        await self.client.send(message)
        if waits:
            await self.client.answer(message)

    @precondition(lambda self: self.hello is not None and self.texts.keys() - self.lost)
    @rule(which=st.integers(0, 9), seed=st.integers(0, 1 << 20))
    def change(self, which: int, seed: int) -> None:
        followed = sorted(self.texts.keys() - self.lost)
        uri = followed[which % len(followed)]
        text = self.texts[uri]
        changes = self._editor(seed).changes(text)
        if len(text) + sum(len(insert) for _, _, insert in changes) > 400:  # well within the limits
            changes = [(0, len(text), "short again")]
        self._run(self.client.change(uri, *changes))
        self.version = max(self.version, self.client.documents[uri].version)
        self.texts[uri] = self.client.documents[uri].text

    @precondition(lambda self: self.hello is not None and self.texts)
    @rule(which=st.integers(0, 9))
    def close_document(self, which: int) -> None:
        uri = sorted(self.texts)[which % len(self.texts)]
        self._run(self.client.close_document(uri))
        del self.texts[uri]
        self.lost.discard(uri)

    @precondition(lambda self: self.hello is not None)
    @rule(keys=st.lists(st.sampled_from(NEURONS), max_size=3), more=st.booleans())
    def subscribe(self, keys: list[str], more: bool) -> None:
        self._run(self.client.subscribe(*keys) if more else self.client.unsubscribe(*keys))

    @precondition(lambda self: self.hello is not None and self.texts.keys() - self.lost)
    @rule(which=st.integers(0, 9), by=st.sampled_from(["activation", "ratio"]), token=st.integers(0, 3))
    def top(self, which: int, by: str, token: int) -> None:
        """Of a text that may have no such token, by what there may be no statistics for."""
        followed = sorted(self.texts.keys() - self.lost)
        params = {"uri": followed[which % len(followed)], "token": token, "k": 2, "by": by}
        for method in ("neurons/top", "neurons/changed"):
            assert self._outcome(self.client.request(method, params)) in (None, -32602, -32800)

    @precondition(lambda self: self.hello is not None)
    @rule(which=st.integers(0, 9))
    def load(self, which: int) -> None:
        """The model that it has, or another; rows that it lacks are dropped, all texts are evaluated again."""
        names = list(self.world.folders)
        name = names[which % len(names)]
        self._run(self.client.load(name))
        assert self.client.model["id"] == name

    @precondition(lambda self: self.hello is not None and self.texts.keys() - self.lost)
    @rule(which=st.integers(0, 9))
    def ask_and_withdraw(self, which: int) -> None:
        """It is answered all the same, with the answer or with that it was withdrawn."""
        followed = sorted(self.texts.keys() - self.lost)
        params = {"uri": followed[which % len(followed)], "token": 0, "k": 1}
        assert self._outcome(self._asked_and_withdrawn(params)) in (None, -32602, -32800)

    async def _asked_and_withdrawn(self, params: dict[str, Any]) -> None:
        question = self.client.call("neurons/top", params)
        await self.client.send(question)
        await self.client.notify("$/cancelRequest", {"id": question["id"]})
        await self.client.answer(question)

    @precondition(lambda self: self.hello is not None)
    @rule()
    def settle(self) -> None:
        self._settle()

    # -------------------------------------------------------------------------------- the other half

    @rule(message=wrong_messages(st.just("?")), pieces=st.integers(1, 3))
    def send_wrong(self, message: Any, pieces: int) -> None:
        self._send_frame(json.dumps(self._with_own_id(message)), pieces=pieces)

    @rule(frame=cut_frames(st.just("?")) | noise, pieces=st.integers(1, 3))
    def send_cut(self, frame: str, pieces: int) -> None:
        self._send_frame(frame, pieces=pieces)

    @precondition(lambda self: self.hello is None)
    @rule(message=messages(st.just("?")))
    def send_too_early(self, message: Any) -> None:
        if message["method"] != "initialize":
            self._send_frame(json.dumps(self._with_own_id(message)), before=True)

    @precondition(lambda self: self.hello is not None)
    @rule(batch=st.lists(wrong_messages(st.just("?")), min_size=1, max_size=4))
    def send_wrong_batch(self, batch: list[Any]) -> None:
        self._send_frame(json.dumps([self._with_own_id(message) for message in batch]))

    @precondition(lambda self: self.hello is not None)
    @rule(request=st.sampled_from(IMPOSSIBLE))
    def ask_for_the_impossible(self, request: tuple[str, dict[str, Any], int]) -> None:
        method, params, code = request
        assert self._outcome(self.client.request(method, params)) == code

    @precondition(lambda self: self.hello is not None and self.texts.keys() - self.lost)
    @rule(which=st.integers(0, 9), how=st.sampled_from(["past the end", "overlap", "version", "backwards"]))
    def impossible_change(self, which: int, how: str) -> None:
        followed = sorted(self.texts.keys() - self.lost)
        uri = followed[which % len(followed)]
        length = len(self.texts[uri])
        changes = {
            "past the end": [{"from": length + 1, "to": length + 1, "insert": "x"}],
            "overlap": [{"from": 0, "to": max(1, length), "insert": ""}] * 2,
            "version": [],
            "backwards": [{"from": 1, "to": 0, "insert": ""}],
        }[how]
        version = self.client.documents[uri].version + (how != "version")
        self._run(self.client.notify("document/change", {"uri": uri, "version": version, "changes": changes}))
        self.lost.add(uri)

    def _with_own_id(self, message: Any) -> Any:
        """An id that no other request has; what has another kind of id is left alone."""
        if isinstance(message, dict) and message.get("id") == "?":
            self.number += 1
            return {**message, "id": f"other {self.number}"}
        return message

    def _send_frame(self, frame: str, *, before: bool = False, pieces: int = 1) -> None:
        """Sends what is refused, whole or in fragments; what could be acted on would confuse the other half."""
        parts = decode(frame).messages
        faults = [part for part in parts if isinstance(part, Fault)]
        if not before and len(faults) != len(parts):
            return
        for part in parts:
            method = part.method if isinstance(part, Fault) else None
            if isinstance(part, Fault) and part.method is not None:
                self.complaints += 1
                if method == "document/change" and part.uri in self.texts and self.hello is not None:
                    self.lost.add(part.uri)
            elif isinstance(part, Fault) and not isinstance(part.id, str):
                if part.id is not None:
                    return  # a number, which may be one of the other half's
                self.orphans += 1
            elif not isinstance(part, Fault) and "id" not in json.loads(frame):
                self.complaints += 1
            else:
                self.client.asked.setdefault(json.loads(frame)["id"] if before else part.id, 0)
        text = frame.encode("utf-8", "replace").decode()
        size = len(text) // pieces + 1
        fragments = [text[start : start + size] for start in range(0, len(text), size)]
        self._run(self.client.socket.send(fragments if len(fragments) > 1 else text))

    # -------------------------------------------------------------------------------- ends

    @precondition(lambda self: self.hello is not None)
    @rule(
        how=st.sampled_from(["cut", "cut in a frame", "close", "binary", "not utf-8", "too large"]),
        takes_up=st.sampled_from(["its own", "its own", "with a wrong token", "nobody's", None]),
        encoding=st.sampled_from(["utf-16", "utf-32"]),
    )
    def end(self, how: str, takes_up: str | None, encoding: str) -> None:
        """The connection ends, and another takes the session up, or tries to."""
        self._barrier()
        former = self.client
        assert self.hello is not None
        codes = {"binary": 1003, "not utf-8": 1007, "too large": 1009}
        if how.startswith("cut"):
            if how == "cut in a frame":  # a head that promises 100 bytes, and nothing else
                former.socket.transport.write(b"\x81\xe4" + bytes(9))
            former.cut()
        elif how == "close":
            self._run(former.close())
        else:
            frame: Any = {"binary": b"\0", "not utf-8": b"\xff", "too large": " " * (LIMITS["frame_bytes"] + 1)}[how]
            self._run(former.socket.send(frame, text=True) if how == "not utf-8" else former.socket.send(frame))
            assert self._run(former.closed()) == codes[how]
        resume = {member: self.hello[member] for member in ("session", "resumeToken")}
        if takes_up == "with a wrong token":
            resume["resumeToken"] = resume["resumeToken"][::-1]
        elif takes_up == "nobody's":
            resume["session"] += "x"
        self._count()
        self.client = self.world.run(Half.dial(self.world.server.url))
        self.orphans = self.complaints = 0
        former_keys, former_session, former_model = former.subscribed, self.hello["session"], former.model["id"]
        hello = self._initialize(encoding, "json", **({"resume": resume} if takes_up is not None else {}))
        if takes_up == "its own":
            assert hello["resumed"] is True
            assert hello["session"] == former_session
            assert self.client.subscribed == former_keys
            assert self.client.model["id"] == former_model
            assert {document["uri"] for document in hello["documents"]} >= self.texts.keys()
        else:
            assert hello["resumed"] is False
            assert hello["session"] != former_session
            assert hello["documents"] == self.client.subscribed == []
        texts, self.texts = self.texts, {}
        self.lost.clear()
        if former.position_encoding == encoding:
            for uri, text in texts.items():
                self._open(uri, text, waits=False)
        elif takes_up == "its own":
            for uri in texts:  # the server still counts it
                self._open(uri, "", waits=False)

    # -------------------------------------------------------------------------------- what has to hold

    @invariant()
    def nothing_is_violated(self) -> None:
        if self.client.violation is not None:
            raise self.client.violation

    def teardown(self) -> None:
        if sys.exc_info()[0] is not None:  # it has failed already; report that failure
            self.client.cut()
            return
        if self.hello is None:
            self._initialize("utf-16", "json")
        self._settle()
        self._run(self.client.close())
        self._count()
        self.world.run(self.world.neighbour_is_well())
        self.world.conversations += 1
        if EXAMPLES and self.world.conversations % 500 == 0:
            print(f"... {self.world.account()}", flush=True)

    def _settle(self) -> None:
        """All is answered, and right."""
        self._barrier()
        for uri in sorted(self.lost & self.texts.keys()):
            self._open(uri, self.texts[uri], waits=True)
        self._run(self.client.settled())
        for uri, text in self.texts.items():
            document = self.client.documents[uri]
            assert document.text == text
            self.world.references[self.client.model["id"]].check(document, self.client.subscribed)
        self._barrier()

    def _barrier(self) -> None:
        """Everything that was sent before has been answered, once and as it has to be."""
        self._run(self.client.request("models/list"))
        client = self.client
        unanswered = {identity: count for identity, count in client.asked.items() if count != 1}
        assert unanswered == {}, unanswered
        assert len(client.orphans) == self.orphans
        assert len(client.errors) == self.complaints
        for error in [*client.errors, *(orphan["error"] for orphan in client.orphans)]:
            assert error["code"] in CODES, error
        assert {resync["uri"] for resync in client.resyncs} >= self.lost & self.texts.keys()

    def _count(self) -> None:
        """What a connection that is over has come to."""
        self.world.frames += self.client.frames
        self.world.outcomes += self.client.told
        self.world.outcomes.update(error["code"] for error in self.client.errors)

    def _outcome(self, request: Coroutine[Any, Any, Any]) -> int | None:
        """The code of the error that is the answer, if it is one."""
        try:
            self._run(request)
        except RequestFailed as refusal:
            return refusal.code
        return None

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        try:
            return self.world.run(work)
        except ConnectionClosed:
            if self.client.violation is not None:
                raise self.client.violation from None
            raise

    def _editor(self, seed: int) -> Editor:
        return Editor(seed, self.encoding, size=150)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(tmp_path_factory.mktemp("fuzz"))
    yield world
    world.end()


@pytest.mark.timeout(0 if EXAMPLES else 400)
def test_conversations(world: World) -> None:
    Conversation.world = world
    run_state_machine_as_test(
        Conversation,
        settings=settings(
            max_examples=EXAMPLES or 60,
            derandomize=not EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    print(world.account())
    assert world.conversations >= (EXAMPLES or 60)
    # Few conversations meet most of the errors, many meet all.
    assert world.outcomes.keys() >= REACHED if EXAMPLES else len(world.outcomes) > len(REACHED) // 2
