"""The engine against plain full passes: incremental equals full, whatever the order of edits."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.support.loaded import Loaded
from tests.support.models import ARCHITECTURES, gpt2, make
from ws_server.engine.catalog import LoadOptions, ModelSpec
from ws_server.engine.commands import (
    ContextTarget,
    Evaluate,
    Failed,
    Finished,
    FloatMatrix,
    Forget,
    IntArray,
    Key,
    LoadedModel,
    LoadProgress,
    Need,
    Probe,
    Probed,
    Result,
    Unit,
    Values,
    neuron_hook,
)
from ws_server.engine.engine import Engine
from ws_server.engine.loading import load_model
from ws_server.engine.packed import Segment
from ws_server.engine.runner import DeviceLost, Piece
from ws_server.engine.scheduler import FIRST_CHUNK
from ws_server.engine.trunk import Trunk
from ws_server.server.launcher import Launcher

TOLERANCE = 1e-4
FOUR = ("gpt2", "llama", "gpt-neox", "gpt-neo")
"""Those that differ most in how they see positions, and one with windows."""
PLENTY = 1 << 40
Load = Callable[[str], Loaded]


class Client:
    """Keeps what an engine tells of one document, as a session does, one context only."""

    def __init__(self, engine: Engine, key: Key = ("session", "document")) -> None:
        self.engine = engine
        self.key = key
        self.serial = 0
        self.ids: IntArray = np.zeros(0, dtype=np.int64)
        self.values: dict[Unit, FloatMatrix] = {}
        self.finished: list[Finished] = []

    def ask(self, ids: IntArray, units: Sequence[Unit], keep: int) -> None:
        """Asks for `ids`, of which the first `keep` tokens are as before."""
        self.serial += 1
        blank = np.full(len(ids) - keep, np.nan, dtype=np.float32)
        groups: dict[int, list[Unit]] = {}
        for unit in units:
            groups.setdefault(keep if unit in self.values else 0, []).append(unit)
        fresh = np.full(keep, np.nan, dtype=np.float32)
        self.values = {unit: np.concatenate([self.values.get(unit, fresh)[:keep], blank]) for unit in units}
        self.ids = ids
        needs = tuple(Need(start, tuple(group)) for start, group in groups.items())
        self.engine.submit(Evaluate(self.key, self.serial, (ContextTarget(ids, needs),), time.monotonic()))

    def take(self, results: Sequence[Result]) -> None:
        for result in results:
            if result.key != self.key:
                continue
            if isinstance(result, Values):
                assert result.serial == self.serial
                for unit, row in zip(result.units, result.data, strict=True):
                    self.values[unit][result.start : result.start + len(row)] = row
            elif isinstance(result, Finished):
                self.finished.append(result)

    def known(self) -> int:
        """How many leading tokens have all values."""
        missing = np.isnan(np.stack(list(self.values.values()))).any(axis=0)
        return int(missing.argmax()) if missing.any() else len(missing)

    def settle(self) -> Finished:
        while not self.engine.idle:
            self.take(self.engine.step())
        assert self.finished[-1].serial == self.serial
        return self.finished[-1]

    def error(self, model: Loaded) -> float:
        """The largest difference from a full pass; NaN if a value never came."""
        expected = model.full_pass(self.ids)
        return float(max(np.abs(row - expected[hook][:, index]).max() for (hook, index), row in self.values.items()))


def some_units(model: Loaded, random: np.random.Generator, count: int, neurons_only: bool = False) -> list[Unit]:
    hooks = [hook for hook in model.facts.hook_widths if not neurons_only or hook.endswith("mlp.hook_post")]
    return [(hook, int(random.integers(model.facts.hook_widths[hook]))) for hook in random.choice(hooks, count)]


def edited(ids: IntArray, random: np.random.Generator, model: Loaded) -> tuple[IntArray, int]:
    """Some ids replaced by some others, and how many leading ones are left."""
    place = int(random.integers(len(ids) + 1))
    removed = int(random.choice([0, 0, 1, 3, 40]))
    added = random.integers(0, model.facts.vocabulary, int(random.choice([0, 1, 1, 2, 30])))
    new = np.concatenate([ids[:place], added, ids[place + removed :]])[: model.facts.context_tokens]
    if not len(new):
        return ids, len(ids)
    return new, min(place, len(new))


@pytest.mark.parametrize("neurons_only", [True, False], ids=["neurons", "all hook points"])
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_incremental_equals_full_after_any_edits(
    name: str, neurons_only: bool, loaded: Load, random: np.random.Generator
) -> None:
    model = loaded(name)
    assert model.runner.reuses_prefix
    client = Client(Engine(model.runner, PLENTY))
    ids = random.integers(0, model.facts.vocabulary, 50)
    client.ask(ids, some_units(model, random, 5, neurons_only), 0)
    for step in range(40):
        interrupted = step % 3 == 0
        if interrupted:
            client.take(client.engine.step())  # one pass, and the next edit comes in the middle
        ids, keep = edited(ids, random, model)
        units = list(client.values) if step % 7 else some_units(model, random, 5, neurons_only)
        client.ask(ids, units, min(keep, client.known()))
        if not interrupted:
            client.settle()
            assert client.error(model) <= TOLERANCE
    client.settle()
    assert client.error(model) <= TOLERANCE


@pytest.mark.parametrize("name", ["gpt2", "llama", "gpt-neo"])
def test_without_prefix_reuse_the_values_are_the_same(
    name: str, loaded: Load, random: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = loaded(name)
    monkeypatch.setattr(model.runner, "reuses_prefix", False)
    with library_attention(model.runner.trunk):
        client = Client(Engine(model.runner, PLENTY))
        ids = random.integers(0, model.facts.vocabulary, 60)
        client.ask(ids, some_units(model, random, 4), 0)
        client.settle()
        for _ in range(5):
            ids, keep = edited(ids, random, model)
            client.ask(ids, list(client.values), keep)
            client.settle()
            assert client.error(model) <= TOLERANCE


def test_only_what_changed_is_computed(loaded: Load, random: np.random.Generator) -> None:
    model = loaded("gpt2")
    client = Client(Engine(model.runner, PLENTY))
    units = [(neuron_hook(layer), 1) for layer in range(model.facts.layers)]
    ids = random.integers(0, model.facts.vocabulary, 80)
    client.ask(ids, units, 0)
    assert client.settle().computed_tokens == 80

    appended = np.append(ids, 3)
    client.ask(appended, units, 80)
    done = client.settle()
    assert (done.computed_tokens, done.reused_tokens, done.forward_passes) == (1, 80, 1)

    client.ask(appended[:60], units, 60)
    done = client.settle()
    assert (done.computed_tokens, done.forward_passes) == (0, 0)


def test_another_neuron_of_a_captured_layer_needs_no_pass(loaded: Load, random: np.random.Generator) -> None:
    model = loaded("llama")
    client = Client(Engine(model.runner, PLENTY))
    ids = random.integers(0, model.facts.vocabulary, 50)
    client.ask(ids, [(neuron_hook(1), 0)], 0)
    client.settle()
    client.ask(ids, [(neuron_hook(1), index) for index in range(40)], 50)
    assert client.settle().forward_passes == 0
    assert client.error(model) <= TOLERANCE


def test_the_pass_stops_after_the_deepest_subscribed_layer(loaded: Load, random: np.random.Generator) -> None:
    model = loaded("gpt2")
    engine = Engine(model.runner, PLENTY)
    client = Client(engine)
    client.ask(random.integers(0, model.facts.vocabulary, 30), [(neuron_hook(1), 0)], 0)
    client.settle()
    (context,) = engine._documents[client.key].contexts
    assert [layer.length for layer in context.cache.kv_layers] == [30, 30, 0]


def test_the_first_values_after_a_long_paste_come_before_the_last(loaded: Load, random: np.random.Generator) -> None:
    model = loaded("llama")
    client = Client(Engine(model.runner, PLENTY))
    ids = random.integers(0, model.facts.vocabulary, 120)
    client.ask(ids, [(neuron_hook(0), 0)], 0)
    (first,) = client.engine.step()
    assert isinstance(first, Values)
    assert (first.start, first.data.shape) == (0, (1, FIRST_CHUNK))
    client.take([first])
    assert client.settle().forward_passes == 3
    assert client.error(model) <= TOLERANCE


def test_work_on_the_common_prefix_survives_a_newer_edit(loaded: Load, random: np.random.Generator) -> None:
    model = loaded("llama")
    client = Client(Engine(model.runner, PLENTY))
    ids = random.integers(0, model.facts.vocabulary, 120)
    client.ask(ids, [(neuron_hook(2), 5)], 0)
    client.take(client.engine.step())
    client.ask(np.append(ids, 1), list(client.values), FIRST_CHUNK)
    assert client.settle().computed_tokens == 121
    assert client.error(model) <= TOLERANCE


def test_sessions_take_turns_and_a_short_edit_goes_first(loaded: Load, random: np.random.Generator) -> None:
    model = loaded("llama")
    engine = Engine(model.runner, PLENTY)
    slow, quick = Client(engine, ("slow", "a")), Client(engine, ("quick", "b"))
    units = [(neuron_hook(2), 5)]
    slow.ask(random.integers(0, model.facts.vocabulary, 120), units, 0)
    first = engine.step()
    slow.take(first)
    quick.ask(random.integers(0, model.facts.vocabulary, 5), units, 0)
    served = [result.key[0] for result in engine.step()]
    assert set(served) == {"quick"}


def test_a_budget_costs_only_time(loaded: Load, random: np.random.Generator) -> None:
    model = loaded("gpt2")
    engine = Engine(model.runner, cache_bytes=1)
    clients = [Client(engine, ("session", f"document {number}")) for number in range(3)]
    units = [(neuron_hook(2), 5)]
    for _ in range(2):
        for client in clients:
            ids, keep = edited(random.integers(0, model.facts.vocabulary, 40), random, model)
            client.ask(ids, units, 0)
            client.settle()
            assert client.error(model) <= TOLERANCE
            assert keep >= 0
    kept = [key for key, document in engine._documents.items() if document.nbytes]
    assert kept == [clients[-1].key]
    assert engine.nbytes > 0


def test_the_least_recently_used_document_goes_first(loaded: Load, random: np.random.Generator) -> None:
    model = loaded("gpt2")
    units = [(neuron_hook(2), 5)]

    def text() -> IntArray:
        return random.integers(0, model.facts.vocabulary, 40)

    alone = Engine(model.runner, PLENTY)
    probe = Client(alone)
    probe.ask(text(), units, 0)
    probe.settle()
    engine = Engine(model.runner, cache_bytes=2 * alone.nbytes + 1)
    first, second, third = (Client(engine, ("session", f"document {number}")) for number in range(3))
    for client in (first, second):
        client.ask(text(), units, 0)
        client.settle()
    first.ask(np.append(first.ids, 1), units, 40)
    assert first.settle().computed_tokens == 1
    third.ask(text(), units, 0)
    third.settle()
    assert engine.nbytes == 2 * alone.nbytes
    # Its buffers have gone and nothing else: the values that were sent are still valid, and the next edit computes them
    # again.
    for client, computed in ((first, 1), (second, 41)):
        client.ask(np.append(client.ids, 2), units, len(client.ids))
        assert client.settle().computed_tokens == computed
        assert client.error(model) <= TOLERANCE


@contextmanager
def broken_second_block(model: Loaded) -> Iterator[None]:
    """Passes fail in the middle: behind the first block, before the second has written its keys and values."""

    def fail(module: object, inputs: object) -> None:
        raise ZeroDivisionError

    handle = model.runner.trunk.model.h[1].register_forward_pre_hook(fail)
    try:
        yield
    finally:
        handle.remove()


@pytest.mark.parametrize(
    ("hook", "count"),
    [("mlp.hook_post", 1), ("hook_resid_post", 1), ("mlp.hook_post", 3)],
    ids=["neurons", "residual stream", "shared"],
)
def test_a_failed_pass_leaves_nothing_half_written(
    hook: str, count: int, loaded: Load, random: np.random.Generator
) -> None:
    model = loaded("gpt2")
    runner = model.runner
    caches = [runner.new_cache() for _ in range(count)]
    hooks = frozenset(f"blocks.{layer}.{hook}" for layer in range(3))
    for cache in caches:
        cache.align(random.integers(0, model.facts.vocabulary, 40))
        runner.extend([Piece(cache, 20, hooks)])
    rest = [Piece(cache, 40, hooks) for cache in caches]
    with broken_second_block(model), pytest.raises(ZeroDivisionError):
        runner.extend(rest)
    for cache in caches:
        assert cache.captured(hooks) == 20
        assert [layer.length for layer in cache.kv_layers] == [20, 20, 20]
    assert runner.extend(rest) == [20] * count
    last = f"blocks.2.{hook}"
    for cache in caches:
        expected = model.full_pass(cache.ids)[last]
        np.testing.assert_allclose(cache.rows_of(last).read(0, 40, [3])[0], expected[:, 3], atol=TOLERANCE)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_way_to_run_a_pass_gives_the_same(name: str, loaded: Load, random: np.random.Generator) -> None:
    """The library's attention and ours, each with its kernels and with ours."""
    runner = loaded(name).runner
    trunk = runner.trunk
    ids = random.integers(0, loaded(name).facts.vocabulary, 60)
    layers = range(runner.layers)
    seen = []
    for packed, quick in product((False, True), repeat=2):
        if packed and not trunk.takes_several:
            continue
        cache = runner.new_cache()
        cache.align(ids)
        for start, stop in ((0, 25), (25, 26), (26, 28), (28, 60)):
            sinks = {neuron_hook(layer): partial(cache.rows_of(neuron_hook(layer)).write, start) for layer in layers}
            segment = Segment(runner.tensor(ids[start:stop]), start, runner.layers - 1, cache.kv, sinks)
            with (
                library_attention(trunk) if not packed else nullcontext(),
                library_kernels(trunk) if not quick else nullcontext(),
            ):
                trunk.run([segment])
        for rows in cache.rows.values():
            rows.length = 60
        columns = list(range(loaded(name).facts.neurons_per_layer))
        seen.append(np.stack([cache.rows_of(neuron_hook(layer)).read(0, 60, columns) for layer in layers]))
    for other in seen[1:]:
        np.testing.assert_allclose(other, seen[0], atol=TOLERANCE)


@contextmanager
def library_attention(trunk: Trunk) -> Iterator[None]:
    packed = trunk.takes_several
    trunk.use_library_attention()
    try:
        yield
    finally:
        if packed:
            trunk.use_packed_attention()


@contextmanager
def library_kernels(trunk: Trunk) -> Iterator[None]:
    trunk.use_quick_kernels(False)
    try:
        yield
    finally:
        trunk.use_quick_kernels(True)


def test_which_architectures_share_passes(loaded: Load) -> None:
    alone = {name for name in ARCHITECTURES if not loaded(name).runner.trunk.takes_several}
    assert alone == {"gpt-neo"}  # its attention cannot be chosen


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_several_documents_in_one_pass_are_as_each_alone(name: str, loaded: Load, random: np.random.Generator) -> None:
    """Texts of different lengths, edited at different places, with subscriptions of different depth."""
    model = loaded(name)
    engine = Engine(model.runner, PLENTY)
    clients = [Client(engine, (f"session {number}", "d")) for number in range(5)]
    passes = 0
    for _ in range(8):
        for number, client in enumerate(clients):
            ids, keep = (
                edited(client.ids, random, model)
                if len(client.ids)
                else (random.integers(0, model.facts.vocabulary, 1 + 13 * number), 0)
            )
            units = list(client.values) or [(neuron_hook(number % model.facts.layers), 3 + number)]
            client.ask(ids, units, keep)
        while not engine.idle:
            results = engine.step()
            passes += 1
            for client in clients:
                client.take(results)
        for client in clients:
            assert client.error(model) <= TOLERANCE
    if model.runner.trunk.takes_several:
        assert passes < sum(done.forward_passes for client in clients for done in client.finished)


def test_one_that_fails_in_a_shared_pass_fails_alone(
    loaded: Load, random: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = loaded("gpt2")
    engine = Engine(model.runner, PLENTY)
    clients = [Client(engine, (f"session {number}", "d")) for number in range(3)]
    for number, client in enumerate(clients):
        client.ask(random.integers(0, model.facts.vocabulary, 10 + number), [(neuron_hook(2), 1)], 0)
    extend = model.runner.extend

    def failing(pieces: Sequence[Piece]) -> list[int]:
        if any(len(piece.cache.ids) == 11 for piece in pieces):
            raise MemoryError
        return extend(pieces)

    monkeypatch.setattr(model.runner, "extend", failing)
    results = engine.step()
    for client in clients:
        client.take(results)
    assert [result.key for result in results if isinstance(result, Failed)] == [clients[1].key]
    assert clients[0].error(model) <= TOLERANCE
    assert clients[2].error(model) <= TOLERANCE


def test_a_failure_is_told_and_the_next_edit_is_answered(loaded: Load, random: np.random.Generator) -> None:
    model = loaded("gpt2")
    engine = Engine(model.runner, PLENTY)
    client, other = Client(engine), Client(engine, ("other", "a"))
    ids = random.integers(0, model.facts.vocabulary, 20)
    other.ask(ids, [(neuron_hook(0), 0)], 0)
    other.settle()
    client.ask(ids, [(neuron_hook(2), 0)], 0)
    with broken_second_block(model):
        (failed,) = engine.step()
    assert isinstance(failed, Failed)
    assert (failed.key, failed.serial, failed.ticket) == (client.key, 1, None)
    assert "ZeroDivisionError" in failed.message
    assert engine.idle
    client.ask(np.append(ids, 1), [(neuron_hook(2), 0)], 0)
    client.settle()
    assert client.error(model) <= TOLERANCE
    assert other.error(model) <= TOLERANCE


def test_a_device_that_is_lost_is_not_taken_for_a_failed_pass(
    loaded: Load, random: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process has to end, so that the server replaces it."""
    model = loaded("gpt2")
    engine = Engine(model.runner, PLENTY)
    client = Client(engine)
    client.ask(random.integers(0, model.facts.vocabulary, 20), [(neuron_hook(0), 0)], 0)
    with monkeypatch.context() as patch:
        patch.setattr(model.runner, "_device", torch.device("cuda", 99))  # no machine has it
        with pytest.raises(DeviceLost):
            engine.step()
    client.settle()
    assert client.error(model) <= TOLERANCE


@pytest.mark.parametrize("name", ["gpt2", "gpt-neox", "opt"])
def test_the_top_neurons_are_those_of_a_full_pass(name: str, loaded: Load, random: np.random.Generator) -> None:
    model = loaded(name)
    engine = Engine(model.runner, PLENTY)
    client = Client(engine)
    ids = random.integers(0, model.facts.vocabulary, 40)
    client.ask(ids, [(neuron_hook(0), 1)], 0)
    client.settle()
    layers = tuple(range(model.facts.layers))
    engine.submit(Probe(client.key, 9, 0, ids[:31], layers, 10, by_ratio=False))
    (probed,) = engine.step()
    assert isinstance(probed, Probed)
    expected = model.full_pass(ids[:31])
    last = np.stack([expected[neuron_hook(layer)][-1] for layer in layers])
    best = np.argsort(-last.ravel(), kind="stable")[:10]
    assert [(unit.layer, unit.neuron) for unit in probed.top] == [divmod(int(i), last.shape[1]) for i in best]
    np.testing.assert_allclose([unit.value for unit in probed.top], last.ravel()[best], atol=TOLERANCE)
    # The probe ran deeper layers than the subscription; the next edit is still right.
    client.ask(np.append(ids[:35], 2), list(client.values), 35)
    client.settle()
    assert client.error(model) <= TOLERANCE


def test_ratios_are_values_over_the_statistical_maximum(loaded: Load, random: np.random.Generator) -> None:
    model = loaded("gpt2")
    width = model.facts.neurons_per_layer
    maxima = random.uniform(0.1, 5, (3, width)).astype(np.float32)
    maxima[0, :] = 0  # never above 0 in the statistics: there is no ratio
    engine = Engine(model.runner, PLENTY, maxima)
    ids = random.integers(0, model.facts.vocabulary, 10)
    engine.submit(Probe(("s", "d"), 1, 0, ids, (0, 1, 2), 5, by_ratio=True))
    (probed,) = engine.step()
    assert isinstance(probed, Probed)
    expected = model.full_pass(ids)
    ratios = np.stack([expected[neuron_hook(layer)][-1] for layer in (1, 2)]) / maxima[1:]
    assert [unit.ratio for unit in probed.top] == pytest.approx(sorted(ratios.ravel(), reverse=True)[:5], rel=1e-3)
    assert all(unit.layer > 0 for unit in probed.top)


def test_a_probe_of_a_text_that_has_moved_on_is_answered_for_its_own_text(
    loaded: Load, random: np.random.Generator
) -> None:
    model = loaded("llama")
    engine = Engine(model.runner, PLENTY)
    client = Client(engine)
    ids = random.integers(0, model.facts.vocabulary, 60)
    client.ask(ids, [(neuron_hook(1), 1)], 0)
    probe = Probe(client.key, 4, 0, np.append(ids[:10], 5), (0, 1), 3, by_ratio=False)
    engine.submit(probe)
    results = [*engine.step()]
    client.take(results)
    assert isinstance(results[0], Probed)
    value = model.full_pass(probe.ids)[neuron_hook(results[0].top[0].layer)][-1, results[0].top[0].neuron]
    assert results[0].top[0].value == pytest.approx(float(value), abs=TOLERANCE)
    client.settle()
    assert client.error(model) <= TOLERANCE


def test_forgetting_a_document_frees_its_buffers(loaded: Load, random: np.random.Generator) -> None:
    model = loaded("gpt2")
    engine = Engine(model.runner, PLENTY)
    client = Client(engine)
    client.ask(random.integers(0, model.facts.vocabulary, 20), [(neuron_hook(0), 0)], 0)
    client.settle()
    assert engine.nbytes > 0
    engine.submit(Forget(client.key))
    assert engine.nbytes == 0
    assert engine.step() == []


def test_a_text_that_became_short_takes_little_memory(tmp_path: Path, random: np.random.Generator) -> None:
    """And what it keeps of it is right, whatever was computed in the buffers that it had."""
    spec = ModelSpec("long", "long", str(gpt2(tmp_path / "gpt2", context=512)))
    model = Loaded(*load_model(spec, LoadOptions(), lambda percentage, message: None))
    engine = Engine(model.runner, PLENTY)
    client = Client(engine)
    units = some_units(model, random, 6)
    most = model.facts.context_tokens
    text = random.integers(0, model.facts.vocabulary, most)
    for length in (most, 30, 40, most, most // 2, 3):
        keep = min(length, len(client.ids))
        client.ask(np.concatenate([client.ids[:keep], text[keep:length]]), units, keep)
        client.settle()
        assert client.error(model) <= TOLERANCE
        if length == most:
            long = engine.nbytes
        assert engine.nbytes <= (long / 2 if length < most / 4 else long)


@pytest.mark.parametrize("name", FOUR)
def test_bos_only_one_token_and_an_exactly_full_context(name: str, loaded: Load, random: np.random.Generator) -> None:
    model = loaded(name)
    client = Client(Engine(model.runner, PLENTY))
    full = random.integers(0, model.facts.vocabulary, model.facts.context_tokens)
    other = full[:1] + 1 if full[0] == 0 else full[:1] - 1
    full[0] = model.facts.bos if model.facts.bos is not None else full[0]
    texts = ((full[:1], 0), (full, 1), (full[:-1], len(full) - 1), (full, len(full) - 1), (full[:1], 1), (other, 0))
    for ids, keep in texts:
        client.ask(ids, [(neuron_hook(model.facts.layers - 1), 2), (neuron_hook(0), 2)], keep)
        client.settle()
        assert client.error(model) <= TOLERANCE


@pytest.mark.parametrize("name", FOUR)
def test_a_context_that_splits_while_a_pass_runs(name: str, loaded: Load, random: np.random.Generator) -> None:
    """Two sessions type at once into contexts that are full, and go on typing while the halves are computed."""
    model = loaded(name)
    engine = Engine(model.runner, PLENTY)
    full, layers = model.facts.context_tokens, range(model.facts.layers)
    units = tuple((neuron_hook(layer), 4) for layer in layers)
    keys = [(f"session {number}", "d") for number in range(2)]
    texts = {key: random.integers(0, model.facts.vocabulary, full) for key in keys}
    bos = np.array([texts[keys[0]][0] if model.facts.bos is None else model.facts.bos])

    def evaluate(serial: int, contexts: dict[Key, tuple[IntArray, ...]]) -> list[Result]:
        for key, ids in contexts.items():
            targets = tuple(ContextTarget(each, (Need(0, units),)) for each in ids)
            engine.submit(Evaluate(key, serial, targets, time.monotonic()))
        return engine.step()

    evaluate(1, {key: (ids,) for key, ids in texts.items()})
    assert not engine.idle
    # A token at the start makes it one too many: the last quarter moves to a context of its own.
    longer = {key: np.insert(ids, 3, 5) for key, ids in texts.items()}
    cut = full * 3 // 4
    evaluate(2, {key: (ids[:cut], np.append(bos, ids[cut:])) for key, ids in longer.items()})
    assert not engine.idle
    wanted = {key: (ids[:cut], np.append(bos, np.append(ids[cut:], 7))) for key, ids in longer.items()}
    results = evaluate(3, wanted)
    while not engine.idle:
        results += engine.step()
    assert {result.serial for result in results if isinstance(result, Values)} == {3}
    for key, contexts in wanted.items():
        for number, ids in enumerate(contexts):
            expected = model.full_pass(ids)
            found = {unit: np.full(len(ids), np.nan) for unit in units}
            for result in results:
                if isinstance(result, Values) and (result.key, result.context) == (key, number):
                    for unit, row in zip(result.units, result.data, strict=True):
                        found[unit][result.start : result.start + len(row)] = row
            for (hook, index), row in found.items():
                np.testing.assert_allclose(row, expected[hook][:, index], atol=TOLERANCE)


@pytest.mark.parametrize("name", ["gpt2", "llama", "gpt-neox", "mistral", "gemma2", "opt"])
def test_a_shared_pass_at_its_edges(name: str, loaded: Load, random: np.random.Generator) -> None:
    """One token alone, a context that is filled by the pass, one that is full but for nothing, a window's length."""
    model = loaded(name)
    full = model.facts.context_tokens
    before = [0, full - 1, full - 5, 16, 15, 1]
    after = [1, full, full, 17, 16, 9]
    engine = Engine(model.runner, PLENTY)
    clients = [Client(engine, (f"session {number}", "d")) for number in range(len(before))]
    texts = [random.integers(0, model.facts.vocabulary, full) for _ in clients]
    units = [(neuron_hook(layer), 1) for layer in range(model.facts.layers)]
    for lengths in (before, after):
        for client, text, length in zip(clients, texts, lengths, strict=True):
            if length:
                client.ask(text[:length], units, len(client.ids))
        reports = []
        while not engine.idle:
            reports.append(engine.reported_step())
            for client in clients:
                client.take(reports[-1].results)
        for client in clients:
            if len(client.ids):
                assert client.error(model) <= TOLERANCE
    assert max(report.forward_pass.documents for report in reports if report.forward_pass) == len(clients)


def test_half_precision_is_right_to_its_own_rounding(tmp_path: Path, random: np.random.Generator) -> None:
    """bfloat16 keeps 8 bits of mantissa, so each operation rounds by up to 1/256 of its value, and passes of other
    shapes round elsewhere: 3 % of the largest activation are allowed, a few such roundings in a row."""
    folder = make("llama", tmp_path)
    options = LoadOptions(device="cpu", dtype="bfloat16")
    model = Loaded(*load_model(ModelSpec("half", "half", str(folder)), options, lambda percentage, message: None))
    assert model.facts.dtype == "bfloat16"
    client = Client(Engine(model.runner, PLENTY))
    client.ask(random.integers(0, model.facts.vocabulary, 60), some_units(model, random, 6, neurons_only=True), 0)
    client.settle()
    for _ in range(5):
        ids, keep = edited(client.ids, random, model)
        client.ask(ids, list(client.values), keep)
        client.settle()
        largest = max(np.abs(values).max() for values in model.full_pass(client.ids).values())
        assert client.error(model) <= 0.03 * largest


needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device, and this machine has none")


@needs_cuda
def test_on_a_gpu(tmp_path: Path, random: np.random.Generator) -> None:
    folder = make("gpt2", tmp_path)
    spec = ModelSpec("gpu", "gpu", str(folder))
    model = Loaded(*load_model(spec, LoadOptions(device="cuda"), lambda percentage, message: None))
    assert model.facts.device == "cuda"
    client = Client(Engine(model.runner, PLENTY))
    client.ask(random.integers(0, model.facts.vocabulary, 60), some_units(model, random, 6), 0)
    client.settle()
    assert client.error(model) <= 1e-3


@needs_cuda
def test_a_worker_ends_with_its_gpu(tmp_path: Path) -> None:
    """An id without an embedding is a failed assertion on the device, and CUDA refuses everything after it."""
    spec = ModelSpec("gpu", "gpu", str(make("gpt2", tmp_path)))
    with Launcher() as launcher:
        worker, _ = launcher.launch()
        worker.send((spec, LoadOptions(device="cuda")))
        while not isinstance(news := worker.recv(), LoadedModel):
            assert isinstance(news, LoadProgress)
        target = ContextTarget(np.array([news.vocabulary]), (Need(0, ((neuron_hook(0), 0),)),))
        worker.send(Evaluate(("session", "document"), 1, (target,), time.monotonic()))
        with suppress(EOFError):  # the end of its pipe is the end of the process
            while worker.poll(60):
                worker.recv()
            pytest.fail("the worker did not end")


def test_little_memory_makes_nobody_compute_everything_again_and_again(
    loaded: Load, random: np.random.Generator
) -> None:
    model = loaded("gpt2")
    full = model.facts.context_tokens
    engine = Engine(model.runner, cache_bytes=1)
    units = ((neuron_hook(2), 1),)
    for number in range(3):
        targets = tuple(
            ContextTarget(random.integers(0, model.facts.vocabulary, full), (Need(0, units),)) for _ in range(3)
        )
        engine.submit(Evaluate((f"session {number}", "d"), 1, targets, time.monotonic()))
    finished = []
    with library_attention(model.runner.trunk):  # one document a pass
        while not engine.idle:
            finished += [result for result in engine.step() if isinstance(result, Finished)]
    assert len(finished) == 3
    assert all(done.computed_tokens <= 2 * 3 * full for done in finished)


def test_a_long_probe_is_computed_in_chunks(
    loaded: Load, random: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = loaded("llama")
    monkeypatch.setattr("ws_server.engine.engine.LARGEST_CHUNK", 16)
    engine = Engine(model.runner, PLENTY)
    ids = random.integers(0, model.facts.vocabulary, 60)
    engine.submit(Probe(("s", "d"), 1, 5, ids, (0, 2), 3, by_ratio=False))
    reports = []
    while not engine.idle:
        reports.append(engine.reported_step())
    assert [report.forward_pass.tokens for report in reports if report.forward_pass] == [16, 16, 16, 12]
    (probed,) = reports[-1].results
    assert isinstance(probed, Probed)
    top = probed.top[0]
    assert top.value == pytest.approx(
        float(model.full_pass(ids)[neuron_hook(top.layer)][-1, top.neuron]), abs=TOLERANCE
    )
