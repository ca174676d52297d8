"""Whatever happens, and in whatever order: every request ends once, and in the end the client has the right values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.loaded import Loaded
from tests.support.session import Driver, View
from ws_server.config import Limits
from ws_server.engine.commands import Command, Result
from ws_server.engine.engine import Engine
from ws_server.errors import ModelLoadFailed
from ws_server.model import ServedModel
from ws_server.session import Compute, Effects, Refuse, Reply
from ws_server.session.queries import LONGEST_WAIT

Load = Callable[[str], Loaded]
ARCHITECTURES = {"gpt2": "gpt2", "neo": "gpt-neo"}
"""By the model's name."""
LIMITS = Limits(documents=2, document_characters=300, document_tokens=60, subscriptions=6)
URIS = ("a", "b")
NEURONS = ("L0N1", "L1N7", "L2N3", "blocks.1.hook_resid_post/3")
WORDS = ("the", " sea", "\n", "é", "😀", " 12", "x")
STEPS = 100


class World(Driver):
    """A session, its client, and workers that die; what an engine answers may arrive late."""

    def __init__(self, load: Load) -> None:
        super().__init__(load("gpt2"), LIMITS, offered=tuple(ARCHITECTURES))
        self.models = {name: load(architecture) for name, architecture in ARCHITECTURES.items()}
        self.engines: dict[str, Engine | None] = {}
        self.now = 0.0
        self.session._clock = self.session._queries._clock = lambda: self.now
        self.results: list[Result] = []
        self.lost = False
        self.texts: dict[str, tuple[str, int]] = {}
        """What the client has in its editors, and the version."""
        self.reopen: set[str] = set()
        """What the client has to open again before it gets any more messages about it."""
        self.resynced: set[str] = set()
        """What it has been asked to open again."""
        self.asked: list[int] = []
        """Requests of this connection."""
        self.questions: list[int] = []
        """Those, of any connection, that an engine is to answer."""

    def perform(self, effects: Effects) -> None:
        for effect in effects:
            if isinstance(effect, Compute):
                self._submit(effect.model, effect.command)
            else:
                super().perform([effect])

    def _submit(self, model: str, command: Command) -> None:
        if self.lost and model == self.session.model.id:
            return  # as `Model.submit` has it
        if self.engines.get(model) is None:
            self.engines[model] = Engine(self.models[model].runner, 1 << 40)
        engine = self.engines[model]
        assert engine is not None
        engine.submit(command)

    def _note(self, method: str, params: dict[str, Any]) -> None:
        if method == "document/resync":
            assert params["uri"] not in self.resynced, "asked twice for the same text"
            self.resynced.add(params["uri"])
            self.reopen.add(params["uri"])
        elif method != "$/error":
            assert params["uri"] not in self.reopen, f"{method} of what the client has not opened again"
            assert params["model"] == self.session.model.id
        super()._note(method, params)

    def request(self, method: str, **params: Any) -> int:
        self._id += 1
        self.asked.append(self._id)
        self._receive({"jsonrpc": "2.0", "id": self._id, "method": method, "params": params})
        return self._id

    def question(self, method: str, **params: Any) -> None:
        self.questions.append(self.request(method, **params))

    def show(self, uri: str, text: str) -> None:
        version = self.texts.get(uri, ("", 0))[1] + 1
        self.texts[uri] = text, version
        self.reopen.discard(uri)
        self.resynced.discard(uri)
        self.views[uri] = View()
        self.request("document/open", uri=uri, version=version, text=text)
        if isinstance(answer := self.answer(self.asked[-1]), int):  # too many, or too long
            assert answer == -32013
            self.reopen.add(uri)

    def edit(self, uri: str, place: float, removed: int, insert: str) -> None:
        text, version = self.texts[uri]
        units = text.encode("utf-16-le")
        first = round(place * len(text))
        last = min(len(text), first + removed)
        changed = text[:first] + insert + text[last:]
        start, stop = (len(text[:at].encode("utf-16-le")) // 2 for at in (first, last))
        assert len(units) % 2 == 0
        self.texts[uri] = changed, version + 1
        self.change(version + 1, (start, stop, insert), uri=uri)

    def compute(self) -> None:
        """One step of an engine; its results are on their way."""
        for engine in self.engines.values():
            if engine is not None and not engine.idle:
                self.results += engine.step()
                return

    def deliver(self) -> None:
        if self.results:
            self.perform(self.session.computed(self.results.pop(0)))

    def die(self, of: list[str]) -> None:
        self.lost = True
        self.engines[self.session.model.id] = None
        self.perform(self.session.engine_lost(of))

    def replace(self) -> None:
        self.lost = False
        self.perform(self.session.engine_replaced())

    def settle(self) -> None:
        for _ in range(10_000):
            engines = [engine for engine in self.engines.values() if engine is not None and not engine.idle]
            if not (self.work or self.results or engines):
                return
            self.tokenize()
            self.compute()
            self.deliver()
        raise AssertionError("there is no end to it")


class Run:
    """A conversation at random."""

    def __init__(self, load: Load, random: Random) -> None:
        self.world = World(load)
        self.random = random
        self.paused = False
        self.world.request("neurons/subscribe", neurons=NEURONS[:2])
        for uri in URIS:
            self.world.show(uri, self._text())
        self.world.settle()

    def step(self) -> None:
        """One thing that can happen; what gets a session on happens more often than what throws it back."""
        often = [self.edit, self.ask, self.open_again, self.tokenize, self.compute, self.deliver]
        now_and_then = [self.open, self.subscribe, self.cancel, self.change_the_worker, self.change_reading]
        rarely = [self.spoil, self.load_model, self.end_loading, self.reconnect, self.pass_time]
        self.random.choice(self.random.choices((often, now_and_then, rarely), (6, 2, 1))[0])()

    def _text(self) -> str:
        return "So " + "".join(self.random.choices(WORDS, k=self.random.randrange(12)))

    def _uri(self) -> str:
        return self.random.choice(URIS)

    # ---- the client

    def open(self) -> None:
        self.world.show(self._uri(), self._text() * self.random.choice((1, 1, 1, 6)))

    def open_again(self) -> None:
        """As a client does that is asked to."""
        for uri in sorted(self.world.reopen & self.world.texts.keys()):
            self.world.show(uri, self._text())

    def edit(self) -> None:
        uri = self._uri()
        if uri in self.world.texts:
            self.world.edit(uri, self.random.random(), self.random.randrange(6), self._text()[3:])

    def ask(self) -> None:
        if self.random.random() < 0.5:
            self.world.question("neurons/top", uri=self._uri(), token=1, k=2)
        else:
            self.world.question("neurons/changed", uri=self._uri(), k=2)

    def subscribe(self) -> None:
        method = self.random.choice(("neurons/subscribe", "neurons/unsubscribe"))
        self.world.request(method, neurons=self.random.choices(NEURONS, k=self.random.randrange(4)))
        kept = {neuron["key"] for neuron in self.world.session.subscriptions()}
        for view in self.world.views.values():
            view.values = {key: row for key, row in view.values.items() if key in kept}

    def spoil(self) -> None:
        """A change that cannot be made, though the client's own text is none the worse; or a close."""
        uri = self.random.choice((*URIS, "nowhere"))
        changes: Any = self.random.choice(
            ([{"from": 999, "to": 999, "insert": ""}], [{"from": 0, "to": 0, "insert": "x" * 400}], 5, None)
        )
        if changes is not None:
            self.world.notify("document/change", uri=uri, version=10**6, changes=changes)
        elif self.world.answer(self.world.request("document/close", uri=uri)) == {}:
            self.world.texts.pop(uri, None)
            self.world.reopen.discard(uri)
            self.world.resynced.discard(uri)

    def load_model(self) -> None:
        self.world.request("model/load", model=self.random.choice(("gpt2", "neo", "neo", "nothing")))

    def cancel(self) -> None:
        if self.world.asked:
            self.world.notify("$/cancelRequest", id=self.random.choice(self.world.asked[-4:]))

    # ---- the host

    def tokenize(self) -> None:
        if self.world.work and self.random.random() < 0.05:
            work = self.world.work.popleft()
            self.world.perform(self.world.session.tokenizing_failed(work.uri, work.ticket))
        else:
            self.world.tokenize()

    def compute(self) -> None:
        with pytest.MonkeyPatch.context() as broken:
            for loaded in self.world.models.values() if self.random.random() < 0.1 else ():
                broken.setattr(loaded.runner, "extend", lambda *arguments, **options: 1 / 0)
            self.world.compute()

    def deliver(self) -> None:
        self.world.deliver()

    def change_the_worker(self) -> None:
        if self.world.lost:
            self.world.replace()
        elif self.random.random() < 0.5:
            self.world.die([uri for uri in URIS if self.random.random() < 0.3])

    def end_loading(self) -> None:
        if not self.world.loads:
            return
        load = self.world.loads.pop(0)
        if load.id in self.world.given_up or self.random.random() < 0.3:
            self.world.perform(self.world.session.model_failed(load.id, ModelLoadFailed("It cannot be loaded.")))
            return
        served = ServedModel.of(load.model, self.world.models[load.model].facts)
        if load.model != self.world.session.model.id:
            self.world.lost = False
        elif self.world.lost:  # a model whose worker is lost is loaded when it has another
            self.world.replace()
        self.world.model = self.world.models[load.model]
        self.world.perform(self.world.session.model_loaded(load.id, served))

    def change_reading(self) -> None:
        session = self.world.session
        self.world.perform(session.resume_writing() if self.paused else session.pause_writing())
        self.paused = not self.paused

    def reconnect(self) -> None:
        world = self.world
        sent = len(world.sent)
        world.perform(world.session.detach())
        assert len(world.sent) == sent, "something was sent to nobody"
        self.paused = False
        world.asked.clear()
        world.session.attach("utf-16", "json")
        world.reopen = set(world.texts)
        world.resynced.clear()

    def pass_time(self) -> None:
        self.world.now += self.random.choice((1.0, LONGEST_WAIT))
        deadline = self.world.session.deadline
        if deadline is not None and deadline <= self.world.now:
            self.world.perform(self.world.session.expire())
            after = self.world.session.deadline
            assert after is None or after > self.world.now

    # ---- the end

    def end(self) -> Counter[str]:
        """Finishes everything that is pending; returns how questions ended."""
        world = self.world
        if self.paused:
            world.perform(world.session.resume_writing())
        if world.lost:
            world.replace()
        while world.loads:
            self.end_loading()
        world.settle()
        for request in world.asked:
            answers = [e for e in world.sent if isinstance(e, Reply | Refuse) and e.id == request]
            assert len(answers) == 1, f"{len(answers)} answers to request {request}"
        assert not world.session.has_pending_work
        # What is lost is opened again, with a text that is not too long; what failed is tried again.
        for uri, (text, _) in list(world.texts.items()):
            world.show(uri, text[:40])
        world.settle()
        for uri, (text, version) in world.texts.items():
            assert (world.views[uri].version, world.views[uri].done[-1]["version"]) == (version, version)
            world.check(text, uri)
        ends = [world.answer(request) for request in world.questions]
        return Counter("answered" if isinstance(answer, dict) else f"{answer}" for answer in ends)


def test_every_request_ends_once_whatever_happens(loaded: Load) -> None:
    ends: Counter[str] = Counter()

    @settings(max_examples=60, deadline=None)
    @given(seed=st.integers(0, 2**32))
    def converse(seed: int) -> None:
        run = Run(loaded, Random(seed))
        for _ in range(STEPS):
            run.step()
        ends.update(run.end())

    converse()
    # Answered, cancelled, and refused because the worker was lost: else nothing was tried.
    assert ends.keys() >= {"answered", "-32800", "-32603"}, ends
