"""Whatever happens, and in whatever order: every request ends once, and in the end the client has the right values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

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
words = st.sampled_from(["the", " sea", "\n", "é", "😀", " 12", "x"])
texts = st.lists(words, max_size=12).map("".join)


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
        """What the client has to open again before it is told anything more of it."""
        self.resynced: set[str] = set()
        """What it has been asked to open again."""
        self.asked: list[int] = []
        """Requests of this connection."""

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


class Machine(RuleBasedStateMachine):
    load: Load

    def __init__(self) -> None:
        super().__init__()
        self.world = World(type(self).load)
        self.paused = False

    # ---- the client

    @rule(uri=st.sampled_from(URIS), text=texts)
    def open(self, uri: str, text: str) -> None:
        self.world.show(uri, text * 3)

    @rule(uri=st.sampled_from(URIS), place=st.floats(0, 1), removed=st.integers(0, 9), insert=texts)
    def edit(self, uri: str, place: float, removed: int, insert: str) -> None:
        if uri in self.world.texts:
            self.world.edit(uri, place, removed, insert)

    @rule(uri=st.sampled_from((*URIS, "nowhere")), kind=st.integers(0, 2))
    def wrong_change(self, uri: str, kind: int) -> None:
        """Impossible, unreadable, or too long; the client's own text is none the worse."""
        changes: Any = ([{"from": 999, "to": 999, "insert": ""}], 5, [{"from": 0, "to": 0, "insert": "x" * 400}])[kind]
        self.world.notify("document/change", uri=uri, version=10**6, changes=changes)

    @rule(uri=st.sampled_from(URIS))
    def close(self, uri: str) -> None:
        if self.world.answer(self.world.request("document/close", uri=uri)) == {}:
            self.world.texts.pop(uri, None)
            self.world.reopen.discard(uri)
            self.world.resynced.discard(uri)

    @rule(neurons=st.lists(st.sampled_from(NEURONS), max_size=3), method=st.sampled_from(("subscribe", "unsubscribe")))
    def subscribe(self, neurons: list[str], method: str) -> None:
        self.world.request(f"neurons/{method}", neurons=neurons)
        kept = {neuron["key"] for neuron in self.world.session.subscriptions()}
        for view in self.world.views.values():
            view.values = {key: row for key, row in view.values.items() if key in kept}

    @rule(uri=st.sampled_from(URIS), token=st.integers(0, 5))
    def top(self, uri: str, token: int) -> None:
        self.world.request("neurons/top", uri=uri, token=token, k=2)

    @rule(uri=st.sampled_from(URIS))
    def changed(self, uri: str) -> None:
        self.world.request("neurons/changed", uri=uri, k=2)

    @rule(name=st.sampled_from(("gpt2", "neo", "nothing")))
    def load_model(self, name: str) -> None:
        self.world.request("model/load", model=name)

    @rule(which=st.integers(0, 5))
    def cancel(self, which: int) -> None:
        if which < len(self.world.asked):
            self.world.notify("$/cancelRequest", id=self.world.asked[-1 - which])

    # ---- the host

    @rule()
    def tokenize(self) -> None:
        self.world.tokenize()

    @rule()
    def tokenizing_breaks(self) -> None:
        if self.world.work:
            work = self.world.work.popleft()
            self.world.perform(self.world.session.tokenizing_failed(work.uri, work.ticket))

    @rule()
    def compute(self) -> None:
        self.world.compute()

    @rule()
    def compute_wrongly(self) -> None:
        runners = [loaded.runner for loaded in self.world.models.values()]
        with pytest.MonkeyPatch.context() as broken:
            for runner in runners:
                broken.setattr(runner, "extend", lambda *arguments: 1 / 0)
            self.world.compute()

    @rule()
    def deliver(self) -> None:
        self.world.deliver()

    @precondition(lambda self: not self.world.lost)
    @rule(of=st.lists(st.sampled_from(URIS), max_size=2, unique=True))
    def worker_dies(self, of: list[str]) -> None:
        self.world.die(of)

    @precondition(lambda self: self.world.lost)
    @rule()
    def worker_is_replaced(self) -> None:
        self.world.replace()

    @rule(works=st.booleans())
    def loading_ends(self, works: bool) -> None:
        if not self.world.loads:
            return
        load = self.world.loads.pop(0)
        if not works or load.id in self.world.given_up:
            self.world.perform(self.world.session.model_failed(load.id, ModelLoadFailed("It cannot be loaded.")))
            return
        served = ServedModel.of(load.model, self.world.models[load.model].facts)
        if load.model != self.world.session.model.id:
            self.world.lost = False
        elif self.world.lost:  # a model whose worker is lost is loaded when it has another
            self.world.replace()
        self.world.model = self.world.models[load.model]
        self.world.perform(self.world.session.model_loaded(load.id, served))

    @rule()
    def pause(self) -> None:
        if not self.paused:
            self.paused = True
            self.world.perform(self.world.session.pause_writing())

    @precondition(lambda self: self.paused)
    @rule()
    def resume(self) -> None:
        self.paused = False
        self.world.perform(self.world.session.resume_writing())

    @rule()
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

    @rule(seconds=st.sampled_from((1.0, LONGEST_WAIT)))
    def time_passes(self, seconds: float) -> None:
        self.world.now += seconds
        deadline = self.world.session.deadline
        if deadline is not None and deadline <= self.world.now:
            self.world.perform(self.world.session.expire())
            after = self.world.session.deadline
            assert after is None or after > self.world.now

    # ---- the end

    def teardown(self) -> None:
        world = self.world
        if self.paused:
            world.perform(world.session.resume_writing())
        if world.lost:
            world.replace()
        while world.loads:
            self.loading_ends(True)
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


def test_every_request_ends_once_whatever_happens(loaded: Load) -> None:
    Machine.load = staticmethod(loaded)
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=60,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )
