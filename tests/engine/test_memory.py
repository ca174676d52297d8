"""Out of memory: what others keep is dropped and computed again later; nobody's answer is lost, and no process ends."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import torch

from tests.engine.test_engine import PLENTY, TOLERANCE, Client
from tests.support.loaded import Loaded
from ws_server.engine.cache import Rows
from ws_server.engine.commands import FloatMatrix, Probe, Probed, neuron_hook
from ws_server.engine.device_memory import cache_budget, is_out_of_memory
from ws_server.engine.engine import Engine

Load = Callable[[str], Loaded]
UNITS = [(neuron_hook(2), 5)]
TOO_MUCH = 1 << 60


def engine_with_two(model: Loaded, random: np.random.Generator) -> tuple[Client, Client]:
    """The first has kept something; the second has still to be computed."""
    engine = Engine(model.runner, PLENTY)
    first, second = Client(engine, ("first", "d")), Client(engine, ("second", "d"))
    first.ask(random.integers(0, model.facts.vocabulary, 40), UNITS, 0)
    first.settle()
    second.ask(random.integers(0, model.facts.vocabulary, 30), UNITS, 0)
    return first, second


@contextmanager
def full_memory(model: Loaded, while_kept: Client) -> Iterator[list[weakref.ref[torch.Tensor]]]:
    """A pass runs out of memory as long as a document keeps anything; yields what those passes had allocated."""
    leftovers: list[weakref.ref[torch.Tensor]] = []

    def allocate(module: object, inputs: object) -> None:
        assert not any(tensor() is not None for tensor in leftovers)
        if while_kept.engine._documents[while_kept.key].nbytes:
            activations = torch.ones(1000)
            leftovers.append(weakref.ref(activations))
            torch.empty(TOO_MUCH)

    block = model.runner.trunk.model.h[1].register_forward_pre_hook(allocate)
    try:
        yield leftovers
    finally:
        block.remove()


def test_a_pass_that_runs_out_of_memory_is_tried_again_without_what_others_keep(
    loaded: Load, random: np.random.Generator
) -> None:
    """And without what the failed pass had allocated."""
    model = loaded("gpt2")
    first, second = engine_with_two(model, random)
    with full_memory(model, first) as failed:
        second.settle()
    assert len(failed) == 1
    assert second.error(model) <= TOLERANCE
    first.ask(np.append(first.ids, 1), UNITS, 40)
    assert first.settle().computed_tokens == 41
    assert first.error(model) <= TOLERANCE


def test_a_question_that_runs_out_of_memory_is_tried_again_too(loaded: Load, random: np.random.Generator) -> None:
    model = loaded("gpt2")
    first, second = engine_with_two(model, random)
    second.engine.submit(Probe(second.key, 1, 0, second.ids, (0, 2), 1, by_ratio=False))
    results = []
    with full_memory(model, first) as failed:
        while not second.engine.idle:
            results += second.engine.step()
            second.take(results)
    assert len(failed) == 1
    (probed,) = (result for result in results if isinstance(result, Probed))
    top = probed.top[0]
    expected = model.full_pass(second.ids)[neuron_hook(top.layer)][-1, top.neuron]
    assert top.value == pytest.approx(float(expected), abs=TOLERANCE)
    assert second.error(model) <= TOLERANCE


def test_values_that_cannot_be_read_back_for_lack_of_memory_are_read_again(
    loaded: Load, random: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = loaded("gpt2")
    first, second = engine_with_two(model, random)
    read = Rows.read

    def read_if_there_is_memory(self: Rows, start: int, stop: int, columns: list[int]) -> FloatMatrix:
        if first.engine._documents[first.key].nbytes:
            torch.empty(TOO_MUCH)
        return read(self, start, stop, columns)

    monkeypatch.setattr(Rows, "read", read_if_there_is_memory)
    second.settle()
    assert second.error(model) <= TOLERANCE


def test_a_device_without_memory_for_its_probe_is_not_lost(
    loaded: Load, random: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a GPU that is full, the allocation of a single number fails like that of the pass before it."""
    model = loaded("gpt2")
    first, second = engine_with_two(model, random)

    def no_memory(*sizes: int, **options: object) -> torch.Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 MiB.")

    with full_memory(model, first) as failed, monkeypatch.context() as patch:
        patch.setattr(torch, "zeros", no_memory)
        second.settle()
    assert failed
    assert second.error(model) <= TOLERANCE


@pytest.mark.parametrize(
    "message",
    [
        "[enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to "
        "allocate 4611686018427387904 bytes. Error code 12 (Cannot allocate memory)",
        "[enforce fail at alloc_cpu.cpp:80] data. DefaultCPUAllocator: not enough memory: you tried to allocate 8 b",
        "CUDA error: out of memory",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "MPS backend out of memory (MPS allocated: 8.93 GB, other allocations: 1.02 MB, max allowed: 9.07 GB).",
    ],
)
def test_what_libraries_say_when_memory_is_short(message: str) -> None:
    assert is_out_of_memory(RuntimeError(message))


def test_other_errors_are_not_taken_for_a_lack_of_memory() -> None:
    assert not is_out_of_memory(RuntimeError("CUDA error: device-side assert triggered"))
    assert not is_out_of_memory(ValueError("out of memory"))
    with pytest.raises(RuntimeError) as caught:
        torch.empty(TOO_MUCH)
    assert is_out_of_memory(caught.value)


def test_a_smaller_budget_frees_memory_at_once(loaded: Load, random: np.random.Generator) -> None:
    model = loaded("gpt2")
    first, second = engine_with_two(model, random)
    second.settle()
    engine = first.engine
    engine.set_budget(engine.nbytes - 1)
    assert [key for key, document in engine._documents.items() if document.nbytes] == [second.key]
    engine.set_budget(0)
    assert engine.nbytes == 0
    engine.set_budget(PLENTY)
    for client in (first, second):
        client.ask(np.append(client.ids, 1), UNITS, len(client.ids))
        client.settle()
        assert client.error(model) <= TOLERANCE


def test_models_share_one_budget() -> None:
    assert cache_budget("cpu", 1000, 3) == 1000
    if torch.cuda.is_available():
        _, total = torch.cuda.mem_get_info()
        assert cache_budget("cuda", total, 1) == total // 4
        assert cache_budget("cuda", total, 3) == total // 12
        assert cache_budget("cuda", 1000, 3) == 1000


def test_without_memory_to_shrink_a_buffer_it_stays_as_it_is(
    loaded: Load, random: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A text is shortened where there is no memory even for the smaller buffers."""
    model = loaded("gpt2")
    client = Client(Engine(model.runner, PLENTY))
    client.ask(random.integers(0, model.facts.vocabulary, 60), UNITS, 0)
    client.settle()
    monkeypatch.setattr(Rows, "fit", lambda self, count: torch.empty(TOO_MUCH))
    client.ask(np.append(client.ids[:10], 1), UNITS, 10)
    assert client.settle().computed_tokens == 1
    assert client.error(model) <= TOLERANCE
