"""Whose turn it is, and how much is sent at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tests.engine.test_engine import PLENTY, TOLERANCE, Client
from tests.support.loaded import Loaded
from ws_server.engine.commands import (
    ContextTarget,
    Evaluate,
    Finished,
    Hold,
    Key,
    Need,
    Probe,
    Unit,
    Values,
    Withdraw,
    neuron_hook,
)
from ws_server.engine.engine import MOST_VALUES, Engine

Load = Callable[[str], Loaded]


def all_units(model: Loaded) -> list[Unit]:
    return [(hook, index) for hook, width in model.facts.hook_widths.items() for index in range(width)]


def test_a_message_holds_a_bounded_number_of_values(loaded: Load, random: np.random.Generator) -> None:
    model = loaded("gpt2")
    client = Client(Engine(model.runner, PLENTY))
    units = all_units(model)
    ids = random.integers(0, model.facts.vocabulary, 96)
    assert len(ids) * len(units) > MOST_VALUES
    client.ask(ids, [units[0], (neuron_hook(model.facts.layers - 1), 0)], 0)
    client.settle()
    client.ask(ids, units, len(ids))  # all is captured: without a limit it would be sent in one message
    sizes = []
    while not client.engine.idle:
        results = client.engine.step()
        sizes += [result.data.size for result in results if isinstance(result, Values)]
        client.take(results)
    assert len(sizes) > 1
    assert max(sizes) <= MOST_VALUES
    assert client.error(model) <= TOLERANCE


def test_who_is_told_much_does_not_keep_others_waiting(loaded: Load, random: np.random.Generator) -> None:
    model = loaded("gpt2")
    engine = Engine(model.runner, PLENTY)
    greedy, quick = Client(engine, ("greedy", "a")), Client(engine, ("quick", "a"))
    ids = random.integers(0, model.facts.vocabulary, 96)
    units = all_units(model)
    greedy.ask(ids, [(neuron_hook(model.facts.layers - 1), 0)], 0)
    greedy.settle()
    for _ in range(5):  # repeated messages about one document
        greedy.values.clear()
        greedy.ask(ids, units, 0)
        greedy.take(engine.step())
    quick.ask(ids[:3], [(neuron_hook(0), 1)], 0)
    steps = 0
    while not quick.finished:
        results = engine.step()
        greedy.take(results)
        quick.take(results)
        steps += 1
    assert steps <= 3
    greedy.settle()
    assert greedy.error(model) <= TOLERANCE
    assert quick.error(model) <= TOLERANCE


def test_a_short_edit_goes_before_the_rest_of_another_document_of_its_session(
    loaded: Load, random: np.random.Generator
) -> None:
    model = loaded("llama")
    engine = Engine(model.runner, PLENTY)
    long, short = Client(engine, ("one", "long")), Client(engine, ("one", "short"))
    units = [(neuron_hook(2), 5)]
    long.ask(random.integers(0, model.facts.vocabulary, 128), units, 0)
    long.take(engine.step())
    short.ask(random.integers(0, model.facts.vocabulary, 40), units, 0)
    results = engine.step()
    assert {result.key for result in results} == {short.key}
    long.take(results)
    short.take(results)
    while not engine.idle:
        results = engine.step()
        long.take(results)
        short.take(results)
    assert long.error(model) <= TOLERANCE
    assert short.error(model) <= TOLERANCE


def test_what_is_held_rests_until_it_is_asked_for_again(loaded: Load, random: np.random.Generator) -> None:
    model = loaded("llama")
    engine = Engine(model.runner, PLENTY)
    client = Client(engine)
    ids = random.integers(0, model.facts.vocabulary, 120)
    client.ask(ids, [(neuron_hook(2), 5)], 0)
    client.take(engine.step())
    engine.submit(Hold(client.key))
    assert engine.idle
    assert engine.step() == []
    known = client.known()
    assert 0 < known < len(ids)
    client.ask(ids, list(client.values), known)
    assert client.settle().computed_tokens == len(ids)  # those before it was held counted, and none twice
    assert client.error(model) <= TOLERANCE
    engine.submit(Hold(("nobody", "nothing")))
    assert engine.idle


def test_a_probe_that_is_withdrawn_is_not_answered(loaded: Load, random: np.random.Generator) -> None:
    model = loaded("gpt2")
    engine = Engine(model.runner, PLENTY)
    ids = random.integers(0, model.facts.vocabulary, 10)
    for ticket in (1, 2):
        engine.submit(Probe(("session", "a"), ticket, 0, ids, (0,), 3, False))
    engine.submit(Withdraw(("session", "a"), 1))
    engine.submit(Withdraw(("session", "b"), 1))
    tickets = []
    while not engine.idle:
        tickets += [result.ticket for result in engine.step()]  # type: ignore[union-attr]
    assert tickets == [2]


def test_what_is_suspected_is_computed_alone_and_every_pass_is_announced(
    loaded: Load, random: np.random.Generator
) -> None:
    model = loaded("gpt2")
    announced: list[tuple[Key, ...]] = []
    engine = Engine(model.runner, PLENTY, announce=announced.append)
    clients = [Client(engine, (f"session {number}", "a")) for number in range(4)]
    asked = random.integers(0, model.facts.vocabulary, (4, 6))
    for client, ids in zip(clients, asked, strict=True):
        client.ask(ids, [(neuron_hook(0), 0)], 0)
    suspect = clients[2]
    need = Need(0, ((neuron_hook(0), 0),))
    engine.submit(Evaluate(suspect.key, suspect.serial, (ContextTarget(suspect.ids, (need,)),), 0.0, alone=True))
    finished: list[Key] = []
    while not engine.idle:
        results = engine.step()
        finished += [result.key for result in results if isinstance(result, Finished)]
        for client in clients:
            client.take(results)
    assert sorted(map(set, announced), key=len) == [{suspect.key}, {c.key for c in clients if c is not suspect}]
    assert sorted(finished) == sorted(client.key for client in clients)
    assert max(client.error(model) for client in clients) <= TOLERANCE
