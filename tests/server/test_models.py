"""The life of a model: one worker at a time, and every caller gets an answer, in whatever order things come.

The workers are played; the clock goes on when a step says so. Real ones are in `test_process.py` and `test_faults.py`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tokenizers import Tokenizer
from tokenizers.models import BPE

from ws_server.engine.catalog import LoadOptions, ModelSpec
from ws_server.engine.commands import (
    Command,
    Failed,
    Forget,
    Key,
    LoadedModel,
    LoadFailed,
    LoadProgress,
    Ping,
    Pong,
    Result,
    StepReport,
)
from ws_server.errors import ModelLoadFailed
from ws_server.model import ServedModel
from ws_server.server.metrics import Metrics
from ws_server.server.models import Model

LOADED = LoadedModel(
    architecture="Played",
    revision=None,
    layers=1,
    context_tokens=8,
    vocabulary=1,
    dtype="float32",
    device="cpu",
    bos=None,
    hook_widths={"blocks.0.mlp.hook_post": 1},
    tokenizer_json=Tokenizer(BPE()).to_str(),
    statistics=None,
)
UNUSABLE = "{}"
"""A tokenizer that the server refuses."""


class PlayedWorker:
    """A worker whose messages and end the test decides on."""

    def __init__(self, on_message: Callable[[Any], None], on_end: Callable[[], None]) -> None:
        self.at_work: tuple[Key, ...] = ()
        self.commands: list[Command | Ping] = []
        self.alive = True
        self.ended_by_server = False
        self.send = on_message
        self._on_end = on_end

    def submit(self, command: Command | Ping) -> None:
        self.commands.append(command)

    def end(self) -> None:
        """What it has sent, and its end, still come later."""
        self.ended_by_server = True

    def die(self) -> None:
        self.alive = False
        self._on_end()


class Place:
    """A model, the workers that it had, and a clock that stands still."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.now = 1000.0
        self.loop.time = lambda: self.now  # type: ignore[method-assign]
        self.workers: list[PlayedWorker] = []
        self.no_processes = False
        self.results: list[Result] = []
        self.lost = 0
        self.replaced = 0
        self.model = Model(
            ModelSpec("played", "Played", "nowhere"),
            LoadOptions(),
            self._start,
            self._result,
            self._lost,
            self._replaced,
            Metrics(),
            lambda: None,
        )
        self.loads: list[asyncio.Task[ServedModel]] = []

    def _start(
        self, spec: ModelSpec, options: LoadOptions, on_message: Callable[[Any], None], on_end: Callable[[], None]
    ) -> PlayedWorker:
        if self.no_processes:
            raise OSError(11, "Resource temporarily unavailable")
        self.workers.append(PlayedWorker(on_message, on_end))
        return self.workers[-1]

    def _result(self, result: Result) -> None:
        if result.key[0] == "faulty":
            raise RuntimeError("a fault of one session")
        self.results.append(result)

    def _lost(self, model_id: str, at_work: object) -> None:
        self.lost += 1

    def _replaced(self, model_id: str) -> None:
        self.replaced += 1

    def running(self) -> list[PlayedWorker]:
        return [worker for worker in self.workers if worker.alive and not worker.ended_by_server]

    def run(self, step: Callable[[], object] = lambda: None) -> None:
        """Does something on the event loop, and all that follows from it at once."""

        async def whole() -> None:
            step()
            for _ in range(5):
                await asyncio.sleep(0)

        self.loop.run_until_complete(whole())

    def finish(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(work)

    def load(self) -> asyncio.Task[ServedModel]:
        self.run(lambda: self.loads.append(self.loop.create_task(self.model.load())))
        return self.loads[-1]

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.run()

    def close(self) -> None:
        self.run(self.model.end)
        for load in self.loads:
            assert load.done()
            load.exception()
        self.loop.close()


@pytest.fixture
def place() -> Any:
    place = Place()
    yield place
    place.close()


class Life(RuleBasedStateMachine):
    """Everything that can happen to a model, in any order."""

    @initialize()
    def begin(self) -> None:
        logging.disable(logging.CRITICAL)
        self.place = Place()

    def teardown(self) -> None:
        logging.disable(logging.NOTSET)
        if not hasattr(self, "place"):
            return
        # Whatever happened: as soon as workers can start and load, everybody has an answer.
        self.place.no_processes = False
        for _ in range(3):
            self.place.wait(31)
            for worker in self.place.running():
                self.place.run(lambda worker=worker: worker.send(LOADED))
        assert all(load.done() for load in self.place.loads)
        assert not self.place.model.waiting
        self.place.close()
        assert not self.place.running()

    @rule()
    def load(self) -> None:
        self.place.load()

    @rule(seconds=st.sampled_from([0.5, 5.0, 31.0, 100.0]))
    def time_passes(self, seconds: float) -> None:
        self.place.wait(seconds)

    @rule()
    def take_out_of_memory(self) -> None:
        self.place.run(self.place.model.end)

    @rule(possible=st.sampled_from([True, True, False]))
    def processes(self, possible: bool) -> None:
        self.place.no_processes = not possible

    @rule()
    def submit(self) -> None:
        command = Forget(("session", "document"))
        self.place.run(lambda: self.place.model.submit(command))
        if self.place.model.served is not None:
            (worker,) = self.place.running()
            assert worker.commands[-1] is command

    # Any worker that has not reported its end, also one that the server has ended or replaced.
    @precondition(lambda self: any(worker.alive for worker in self.place.workers))
    @rule(
        data=st.data(),
        what=st.sampled_from(["loaded", "death", "loaded", "failed and died", "failed", "refused", "progress", "step"]),
    )
    def worker_says(self, data: st.DataObject, what: str) -> None:
        worker = data.draw(st.sampled_from([worker for worker in self.place.workers if worker.alive]))
        served, late = self.place.model.served, worker not in self.place.running()
        messages = {
            "progress": LoadProgress(50, "half"),
            "loaded": LOADED,
            "refused": LoadedModel(**{**_fields(LOADED), "tokenizer_json": UNUSABLE}),
            "failed": LoadFailed("It cannot be had."),
            "failed and died": LoadFailed("It cannot be had."),
            "step": StepReport((Failed(("session", "document"), "it broke"),), None, 0),
        }
        if what in messages:
            self.place.run(lambda: worker.send(messages[what]))
        if "die" in what or what == "death":
            self.place.run(worker.die)
        if late:
            assert self.place.model.served is served

    @invariant()
    def at_most_one_worker(self) -> None:
        assert len(self.place.running()) <= 1

    @invariant()
    def a_model_that_is_served_has_its_worker(self) -> None:
        if self.place.model.served is not None:
            assert len(self.place.running()) == 1
            assert not self.place.model.waiting

    @invariant()
    def who_waits_has_something_to_wait_for(self) -> None:
        assert self.place.model.in_memory or all(load.done() for load in self.place.loads)


def _fields(loaded: LoadedModel) -> dict[str, Any]:
    return {name: getattr(loaded, name) for name in LoadedModel.__dataclass_fields__}


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=80, stateful_step_count=30, deadline=None)


def serve(place: Place) -> PlayedWorker:
    place.load()
    (worker,) = place.running()
    place.run(lambda: worker.send(LOADED))
    return worker


def test_who_asks_while_the_next_worker_is_held_back_waits_for_it(place: Place) -> None:
    place.run(serve(place).die)
    first, second = place.load(), place.load()
    assert not place.running()  # what killed the last one may kill this one, too
    place.wait(1)
    (worker,) = place.running()
    place.run(lambda: worker.send(LOADED))
    assert first.result() is second.result() is place.model.served
    assert (place.lost, place.replaced) == (1, 1)


def test_what_an_ended_worker_had_sent_comes_too_late(place: Place) -> None:
    waiting = place.load()
    (first,) = place.running()
    place.run(place.model.end)
    assert isinstance(waiting.exception(), ModelLoadFailed)
    again = place.load()
    place.run(lambda: first.send(LOADED))
    place.run(first.die)
    assert place.model.served is None
    (second,) = place.running()
    place.run(lambda: second.send(LOADED))
    assert again.result() is place.model.served


def test_a_tokenizer_that_is_refused_leaves_no_worker(place: Place) -> None:
    waiting = place.load()
    (worker,) = place.running()
    place.run(lambda: worker.send(LoadedModel(**{**_fields(LOADED), "tokenizer_json": UNUSABLE})))
    assert worker.ended_by_server
    assert not place.model.in_memory
    assert isinstance(waiting.exception(), ModelLoadFailed)


def test_the_log_says_how_a_model_is_served(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("WARNING")  # a model that another test has loaded in this process raises the level
    note = "Contexts end at 64 tokens."
    place.load()
    (worker,) = place.running()
    place.run(lambda: worker.send(LoadedModel(**{**_fields(LOADED), "notes": (note,)})))
    assert note in [record.getMessage() for record in caplog.records]


def test_a_fault_of_one_session_costs_no_other_its_results(place: Place) -> None:
    worker = serve(place)
    results = tuple(Failed((session, "document"), "it broke") for session in ("one", "faulty", "two"))
    place.run(lambda: worker.send(StepReport(results, None, 0)))
    assert [result.key[0] for result in place.results] == ["one", "two"]


def test_early_deaths_make_the_next_start_wait_longer(place: Place) -> None:
    worker = serve(place)
    for pause in (1, 3, 7, 15, *(1100 * [30])):
        place.run(worker.die)
        place.wait(pause - 0.5)
        assert not place.running()
        place.wait(0.5)
        (worker,) = place.running()
        place.run(lambda worker=worker: worker.send(LOADED))
    place.wait(61)
    place.run(worker.die)
    place.wait(0)
    assert place.running()


def test_a_worker_that_says_nothing_is_not_waited_for_longer_than_asked(place: Place) -> None:
    worker = serve(place)
    asked = place.loop.create_task(place.model.answers(5))
    place.run()
    assert worker.commands == [Ping()]
    place.wait(5)
    assert asked.result() is False
    asked = place.loop.create_task(place.model.answers(5))
    place.run()
    place.run(lambda: worker.send(Pong()))
    assert asked.result() is True
