"""What an edit changed, against its slow twin: full passes over both texts, subtracted."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pytest
import torch

from tests.support.loaded import Loaded
from ws_server.engine.commands import (
    Compare,
    Compared,
    ContextPair,
    ContextTarget,
    Evaluate,
    Failed,
    Finished,
    FloatMatrix,
    IntArray,
    Key,
    Need,
    Probe,
    Probed,
    Result,
    Withdraw,
    neuron_hook,
)
from ws_server.engine.engine import Engine
from ws_server.engine.ranking import Changes

TOLERANCE = 1e-4
PLENTY = 1 << 40
KEY: Key = ("session", "document")
Load = Callable[[str], Loaded]


def write(engine: Engine, serial: int, *contexts: IntArray, layer: int = 0) -> None:
    """Asks for one neuron of `layer` in all of a document."""
    needs = (Need(0, ((neuron_hook(layer), 1),)),)
    engine.submit(Evaluate(KEY, serial, tuple(ContextTarget(ids, needs) for ids in contexts), time.monotonic()))


def run(engine: Engine) -> list[Result]:
    results: list[Result] = []
    while not engine.idle:
        results += engine.step()
    return results


def pair_of(old: IntArray, new: IntArray, behind: int, context: int = 0) -> ContextPair:
    """The last `behind` tokens of both are compared."""
    return ContextPair(
        context, old, new, np.arange(len(old) - behind, len(old)), np.arange(len(new) - behind, len(new))
    )


def stacked(model: Loaded, ids: IntArray) -> FloatMatrix:
    """All neurons by one plain pass, [layers, tokens, width]."""
    values = model.full_pass(ids)
    return np.stack([values[neuron_hook(layer)] for layer in range(model.facts.layers)])


def check(model: Loaded, compare: Compare, answer: Result, maxima: FloatMatrix | None = None) -> None:
    """Holds an answer against full passes over both texts."""
    assert isinstance(answer, Compared)
    assert answer.ticket == compare.ticket
    layers = list(compare.layers)
    parts, places = [], []
    for pair in compare.pairs:
        before, after = stacked(model, pair.old_ids)[layers], stacked(model, pair.new_ids)[layers]
        parts.append(np.stack([before[:, pair.old_at], after[:, pair.new_at]]))
        places += [(pair.context, int(token)) for token in pair.new_at]
    before, after = np.concatenate(parts, axis=2)  # [layers, compared, width] each
    change = after - before
    size = np.abs(change).max(axis=1)  # [layers, width]
    if compare.by_ratio:
        assert maxima is not None
        with np.errstate(divide="ignore", invalid="ignore"):
            size = np.where(maxima[layers] > 0, size / maxima[layers], -np.inf)
    expected = np.sort(size.ravel())[::-1][: compare.k]
    found = [(abs(u.after - u.before) / (maxima[u.layer, u.neuron] if compare.by_ratio else 1)) for u in answer.changed]
    np.testing.assert_allclose(found, expected[: len(found)], atol=TOLERANCE)
    assert len(found) == min(compare.k, size.size)
    assert len({(unit.layer, unit.neuron) for unit in answer.changed}) == len(found)
    for unit in answer.changed:
        row, at = layers.index(unit.layer), places.index((unit.context, unit.token))
        assert unit.before == pytest.approx(float(before[row, at, unit.neuron]), abs=TOLERANCE)
        assert unit.after == pytest.approx(float(after[row, at, unit.neuron]), abs=TOLERANCE)
        assert abs(unit.after - unit.before) >= np.abs(change[row, :, unit.neuron]).max() - TOLERANCE
        if maxima is None:
            assert unit.ratio is None
        elif maxima[unit.layer, unit.neuron] > 0:
            wanted = (unit.after - unit.before) / maxima[unit.layer, unit.neuron]
            assert unit.ratio == pytest.approx(float(wanted), rel=1e-3)
        else:
            assert unit.ratio is None


@pytest.mark.parametrize("name", ["gpt2", "llama", "gpt-neo", "opt"])
def test_changes_are_those_between_two_full_passes(name: str, loaded: Load, random: np.random.Generator) -> None:
    """Whatever was captured of either text: the subscription is of one shallow neuron."""
    model = loaded(name)
    engine = Engine(model.runner, PLENTY)
    ids = random.integers(0, model.facts.vocabulary, 60)
    write(engine, 1, ids)
    run(engine)
    for step in range(8):
        place = int(random.integers(0, len(ids) - 5))
        removed, added = int(random.integers(0, 4)), int(random.integers(1, 4))
        new = np.concatenate(
            [ids[:place], random.integers(0, model.facts.vocabulary, added), ids[place + removed :]]
        ).astype(np.int64)
        write(engine, step + 2, new, layer=step % model.facts.layers)
        layers = ((0, 1), tuple(range(model.facts.layers)), (1,))[step % 3]
        compare = Compare(KEY, step, (pair_of(ids, new, len(ids) - place - removed),), layers, 12, by_ratio=False)
        engine.submit(compare)
        (*others, answer) = run(engine)
        assert isinstance(others[-1], Finished)  # the values that are subscribed to come first
        check(model, compare, answer)
        ids = new


def test_without_prefix_reuse_the_changes_are_the_same(
    loaded: Load, random: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = loaded("gpt-neo")
    monkeypatch.setattr(model.runner, "reuses_prefix", False)
    engine = Engine(model.runner, PLENTY)
    old = random.integers(0, model.facts.vocabulary, 40)
    new = np.insert(old, 11, 7)
    write(engine, 1, new)
    compare = Compare(KEY, 1, (pair_of(old, new, 29),), (0, 1, 2), 9, by_ratio=False)
    engine.submit(compare)
    check(model, compare, run(engine)[-1])


def test_changes_by_ratio_and_of_several_contexts(loaded: Load, random: np.random.Generator) -> None:
    model = loaded("llama")
    maxima = random.uniform(0.01, 5, (model.facts.layers, model.facts.neurons_per_layer)).astype(np.float32)
    maxima[:, ::3] = 0  # never above 0 in the statistics: there is no ratio
    engine = Engine(model.runner, PLENTY, maxima)
    old = [random.integers(0, model.facts.vocabulary, 30) for _ in range(3)]
    new = [old[0], np.insert(old[1], 4, 9), np.delete(old[2], 8)]
    write(engine, 1, *old)
    run(engine)
    write(engine, 2, *new)
    pairs = (pair_of(old[1], new[1], 26, context=1), pair_of(old[2], new[2], 21, context=2))
    for by_ratio in (True, False):
        compare = Compare(KEY, 5, pairs, tuple(range(model.facts.layers)), 40, by_ratio)
        engine.submit(compare)
        answer = run(engine)[-1]
        check(model, compare, answer, maxima)
        assert isinstance(answer, Compared)
        assert {unit.context for unit in answer.changed} == {1, 2}


def test_an_edit_costs_a_comparison_about_what_it_cost_itself(loaded: Load, random: np.random.Generator) -> None:
    model = loaded("llama")
    engine = Engine(model.runner, PLENTY)
    layers = tuple(range(model.facts.layers))
    text = random.integers(0, model.facts.vocabulary, 90)
    deepest = model.facts.layers - 1
    write(engine, 1, text, layer=deepest)
    run(engine)
    typed = text
    for serial in range(2, 6):
        typed = np.insert(typed, 60, serial)
        write(engine, serial, typed, layer=deepest)
        run(engine)
        engine.submit(Compare(KEY, serial, (pair_of(text, typed, 30),), layers, 5, by_ratio=False))
        steps = []
        while not engine.idle:
            steps.append(engine.reported_step().forward_pass)
        made = [report.tokens for report in steps if report is not None]
        # The first: layers nobody had asked for, and the tail of the old text. Then: what an edit has just made, at
        # most; the text as it was before the first of them is still there.
        assert made == ([90 + 1, 30] if serial == 2 else [30 + serial - 1])


def test_a_comparison_waits_for_edits_and_probes(loaded: Load, random: np.random.Generator) -> None:
    model = loaded("gpt2")
    engine = Engine(model.runner, PLENTY)
    old = random.integers(0, model.facts.vocabulary, 90)
    new = np.insert(old, 2, 7)
    write(engine, 1, new)
    compare = Compare(KEY, 1, (pair_of(old, new, 88),), (0, 1, 2), 3, by_ratio=False)
    engine.submit(compare)
    engine.submit(Probe(KEY, 2, 0, new[:5], (0, 1), 3, by_ratio=False))
    newer = np.append(new, 3)
    results: list[Result] = []
    for _ in range(2):
        results += engine.step()
    write(engine, 2, newer)
    results += run(engine)
    kinds = [type(result) for result in results]
    assert kinds.index(Probed) < kinds.index(Finished) < kinds.index(Compared)
    check(model, compare, results[-1])  # of the text that it was asked about


def test_a_withdrawn_question_costs_nothing_more(loaded: Load, random: np.random.Generator) -> None:
    model = loaded("gpt2")
    engine = Engine(model.runner, PLENTY)
    old = random.integers(0, model.facts.vocabulary, 60)
    new = np.insert(old, 2, 7)
    write(engine, 1, new)
    run(engine)
    engine.submit(Compare(KEY, 1, (pair_of(old, new, 58),), (0, 1, 2), 3, by_ratio=False))
    assert engine.step() == []
    engine.submit(Probe(KEY, 2, 0, new, (0, 1, 2), 3, by_ratio=False))
    engine.submit(Withdraw(KEY, 1))
    engine.submit(Withdraw(KEY, 2))
    engine.submit(Withdraw(("nobody", "x"), 1))
    assert engine.idle
    assert engine.step() == []


def test_a_budget_costs_comparisons_only_time(loaded: Load, random: np.random.Generator) -> None:
    model = loaded("gpt2")
    engine = Engine(model.runner, cache_bytes=1)
    texts = [random.integers(0, model.facts.vocabulary, 60) for _ in range(3)]
    layers = tuple(range(model.facts.layers))
    wanted: dict[Key, Compare] = {}
    for number, old in enumerate(texts):
        key = (f"session {number}", "d")
        new = np.insert(old, 5, 7)
        needs = (Need(0, ((neuron_hook(0), 1),)),)
        engine.submit(Evaluate(key, 1, (ContextTarget(new, needs),), 0.0))
        wanted[key] = Compare(key, number, (pair_of(old, new, 55),), layers, 5, by_ratio=False)
        engine.submit(wanted[key])
    results = run(engine)
    answers = [result for result in results if isinstance(result, Compared)]
    assert len(answers) == 3
    for answer in answers:
        check(model, wanted[answer.key], answer)
    held = [key for key, document in engine._documents.items() if document.nbytes]
    assert len(held) == 1
    assert engine._documents[held[0]].former is None


def test_memory_of_the_former_text_is_accounted_for_and_goes_first(loaded: Load, random: np.random.Generator) -> None:
    model = loaded("gpt2")
    old = random.integers(0, model.facts.vocabulary, 60)
    new = np.insert(old, 5, 7)
    roomy = Engine(model.runner, PLENTY)
    write(roomy, 1, new)
    roomy.submit(Compare(KEY, 1, (pair_of(old, new, 55),), (0, 1, 2), 5, by_ratio=False))
    run(roomy)
    document = roomy._documents[KEY]
    assert document.former is not None
    assert roomy.nbytes == document.contexts[0].cache.nbytes + document.former.nbytes
    tight = Engine(model.runner, roomy.nbytes - 1)
    write(tight, 1, new)
    tight.submit(Compare(KEY, 1, (pair_of(old, new, 55),), (0, 1, 2), 5, by_ratio=False))
    run(tight)
    assert tight._documents[KEY].former is None
    assert tight.nbytes == document.contexts[0].cache.nbytes


def test_a_failed_comparison_is_told(
    loaded: Load, random: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = loaded("gpt2")
    engine = Engine(model.runner, PLENTY)
    old = random.integers(0, model.facts.vocabulary, 20)
    new = np.insert(old, 5, 7)
    write(engine, 1, new)
    run(engine)
    compare = Compare(KEY, 3, (pair_of(old, new, 15),), (0, 1, 2), 5, by_ratio=False)
    with monkeypatch.context() as patch:
        patch.setattr(model.runner, "extend", lambda pieces: 1 / 0)
        engine.submit(compare)
        assert run(engine) == [Failed(KEY, "The forward pass failed: ZeroDivisionError.", ticket=3)]
    engine.submit(compare)
    check(model, compare, run(engine)[-1])


def test_a_long_comparison_is_made_in_chunks(
    loaded: Load, random: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between them newer edits get their turn."""
    monkeypatch.setattr("ws_server.engine.engine.LARGEST_CHUNK", 40)
    model = loaded("mistral")
    engine = Engine(model.runner, PLENTY)
    old = random.integers(0, model.facts.vocabulary, 96)
    new = old.copy()
    new[0] = (new[0] + 1) % model.facts.vocabulary
    engine.submit(Evaluate(KEY, 1, (ContextTarget(new, ()),), 0.0))
    compare = Compare(KEY, 3, (pair_of(old, new, 95),), (0, 1), 5, by_ratio=False)
    engine.submit(compare)
    sizes = []
    while not engine.idle:
        report = engine.reported_step()
        sizes += [report.forward_pass.tokens] if report.forward_pass is not None else []
    assert sizes == [40, 40, 16] * 2
    check(model, compare, report.results[0])


def test_what_is_no_number_has_not_changed() -> None:
    changes = Changes((2,), 3)
    before = torch.tensor([[0.0, np.inf, np.nan], [1.0, 1.0, 1.0]])
    after = torch.tensor([[0.5, 0.0, 1.0], [0.0, 1.0, np.inf]])
    changes.take(0, 4, np.array([8, 9]), before, after)
    (unit,) = changes.highest(None, 3, by_ratio=False)
    assert (unit.layer, unit.neuron, unit.context, unit.token) == (2, 0, 4, 9)
    assert (unit.before, unit.after, unit.ratio) == (1.0, 0.0, None)
