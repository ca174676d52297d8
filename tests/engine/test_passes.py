"""What passes compute: nothing twice, nothing that is not wanted, and never more than the largest chunk at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.test_engine import PLENTY, TOLERANCE, Client, broken_second_block
from tests.support.loaded import Loaded
from ws_server.engine.commands import Failed, Probe, Probed, hook_layer, neuron_hook
from ws_server.engine.context_matching import common_prefix
from ws_server.engine.engine import Engine
from ws_server.engine.packed import Segment

Load = Callable[[str], Loaded]
LARGEST = 16


@contextmanager
def small_chunks() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ws_server.engine.scheduler.FIRST_CHUNK", 4)
        patch.setattr("ws_server.engine.scheduler.LARGEST_CHUNK", LARGEST)
        patch.setattr("ws_server.engine.engine.LARGEST_CHUNK", LARGEST)
        yield


@contextmanager
def watched_passes(model: Loaded, watch: Callable[[Segment], None]) -> Iterator[None]:
    """Calls `watch` with each segment of each pass before it runs."""
    run = model.runner.trunk.run

    def watched(segments: Sequence[Segment]) -> None:
        for segment in segments:
            watch(segment)
        run(segments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model.runner.trunk, "run", watched)
        yield


layers = st.sets(st.integers(0, 2), min_size=1)
actions = st.one_of(
    st.tuples(st.just("watch"), layers),
    st.tuples(st.just("edit"), st.integers(0, 60), st.integers(0, 20), st.integers(0, 20)),
    st.tuples(st.just("step"), st.integers(1, 3)),
    st.tuples(st.just("ask for the top"), layers, st.integers(0, 60)),
    st.tuples(st.just("settle")),
)


@settings(max_examples=50)  # each a few dozen passes
@given(st.lists(actions, max_size=14), st.sampled_from(["mlp.hook_post", "hook_resid_post"]))
def test_each_row_is_computed_once_and_no_block_runs_for_nothing(
    loaded: Load, script: list[tuple[object, ...]], suffix: str
) -> None:
    """Whatever is watched, edited and asked, in whatever order, and wherever that interrupts an evaluation."""
    model = loaded("gpt2")
    random = np.random.default_rng(0)
    computed: dict[str, int] = {}
    """How many leading tokens of the present text have the rows of a hook point, by what the passes did."""

    def watch(segment: Segment) -> None:
        assert 0 < segment.stop - segment.start <= LARGEST
        for hook in segment.sinks:
            assert computed.get(hook, 0) == segment.start
            computed[hook] = segment.stop
        assert segment.last_layer == max(map(hook_layer, segment.sinks))

    client = Client(Engine(model.runner, PLENTY))
    open_questions: set[int] = set()

    def step() -> None:
        results = client.engine.step()
        assert not any(isinstance(result, Failed) for result in results)
        open_questions.difference_update(result.ticket for result in results if isinstance(result, Probed))
        client.take(results)

    def ask(ids: np.ndarray, wanted: set[int]) -> None:
        shared = common_prefix(client.ids, ids)
        for hook in computed:
            computed[hook] = min(computed[hook], shared)
        keep = min(shared, client.known()) if client.values else 0
        client.ask(ids, [(f"blocks.{layer}.{suffix}", 1) for layer in sorted(wanted)], keep)

    with small_chunks(), watched_passes(model, watch):
        wanted = {2}
        ask(random.integers(0, model.facts.vocabulary, 30), wanted)
        for ticket, (action, *arguments) in enumerate([*script, ("settle",)]):
            if action == "watch":
                (wanted,) = arguments
                ask(client.ids, wanted)
            elif action == "edit":
                while open_questions:  # about a text that is no longer there, they would have a cache of their own
                    step()
                place, removed, added = arguments
                ids = np.concatenate(
                    [
                        client.ids[:place],
                        random.integers(0, model.facts.vocabulary, added),
                        client.ids[place + removed :],
                    ]
                )
                ask(ids[:90] if len(ids) else client.ids, wanted)
            elif action == "ask for the top":
                about, place = arguments
                ids = client.ids[: place + 1]
                client.engine.submit(Probe(client.key, ticket, 0, ids, tuple(sorted(about)), 3, by_ratio=False))
                open_questions.add(ticket)
            elif action == "step":
                for _ in range(arguments[0]):
                    step()
            else:
                while not client.engine.idle:
                    step()
                assert client.error(model) <= TOLERANCE


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
def test_in_whatever_order_layers_are_watched_a_key_costs_one_token(
    loaded: Load, order: tuple[int, ...], random: np.random.Generator
) -> None:
    model = loaded("gpt2")
    client = Client(Engine(model.runner, PLENTY))
    client.ask(random.integers(0, model.facts.vocabulary, 60), [(neuron_hook(order[0]), 1)], 0)
    client.settle()
    for number in (2, 3):
        units = [(neuron_hook(layer), 1) for layer in order[:number]]
        client.ask(client.ids, units, len(client.ids))
        client.settle()
        client.ask(np.append(client.ids, 1), units, len(client.ids))
        done = client.settle()
        assert (done.computed_tokens, done.forward_passes) == (1, 1)
        assert client.error(model) <= TOLERANCE


def test_after_a_failed_pass_the_chunks_are_small_too(loaded: Load, random: np.random.Generator) -> None:
    """A failed pass leaves shallow layers with fewer keys and values than the rows of deep layers stand for."""
    model = loaded("gpt2")
    sizes: list[int] = []
    engine = Engine(model.runner, PLENTY)
    client = Client(engine)
    deep = neuron_hook(2), 1
    client.ask(random.integers(0, model.facts.vocabulary, 60), [deep], 0)
    client.settle()
    with small_chunks(), watched_passes(model, lambda segment: sizes.append(segment.stop - segment.start)):
        with broken_second_block(model):
            engine.submit(Probe(client.key, 1, 0, client.ids, (1,), 3, by_ratio=False))
            (failed,) = engine.step()
            assert isinstance(failed, Failed)
        client.ask(np.append(client.ids, 1), [deep], 60)
        client.settle()
    assert max(sizes) <= LARGEST
    assert client.error(model) <= TOLERANCE


def test_a_shared_pass_is_no_larger_than_the_largest_chunk(loaded: Load, random: np.random.Generator) -> None:
    model = loaded("llama")
    engine = Engine(model.runner, PLENTY)
    clients = [Client(engine, (f"session {number}", "d")) for number in range(6)]
    with small_chunks():
        for number, client in enumerate(clients):
            client.ask(random.integers(0, model.facts.vocabulary, 20 + 11 * number), [(neuron_hook(2), 1)], 0)
        passes = []
        while not engine.idle:
            report = engine.reported_step()
            passes += [report.forward_pass] if report.forward_pass else []
            for client in clients:
                client.take(report.results)
    assert max(one.tokens for one in passes) <= LARGEST
    assert max(one.documents for one in passes) > 1
    for client in clients:
        assert client.error(model) <= TOLERANCE
