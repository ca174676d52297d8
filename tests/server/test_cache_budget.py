"""All models of a server share one budget for computed state, whichever come and go."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from ws_server.engine.catalog import LoadOptions, ModelSpec
from ws_server.engine.commands import Key, LoadFailed, SetBudget, ToWorker
from ws_server.errors import ModelLoadFailed
from ws_server.server.metrics import Metrics
from ws_server.server.models import Models

BUDGET = 12_000


class Worker:
    """Notes its budget; the test speaks for it."""

    at_work: tuple[Key, ...] = ()

    def __init__(self, send: Callable[[Any], None]) -> None:
        self.send = send
        self.budget: SetBudget | None = None

    def submit(self, command: ToWorker) -> None:
        assert isinstance(command, SetBudget)
        self.budget = command

    def end(self) -> None:
        self.budget = None


async def test_the_models_in_memory_share_the_budget() -> None:
    workers: dict[str, Worker] = {}

    def start(
        spec: ModelSpec, options: LoadOptions, on_message: Callable[[Any], None], on_end: Callable[[], None]
    ) -> Worker:
        workers[spec.id] = Worker(on_message)
        return workers[spec.id]

    def budgets() -> list[SetBudget | None]:
        return [worker.budget for worker in workers.values()]

    models = Models(
        [ModelSpec(name, name, name) for name in ("one", "two", "three")],
        LoadOptions(),
        start,
        lambda result: None,
        lambda model, keys: None,
        lambda model: None,
        Metrics(),
        BUDGET,
        3,
        lambda: (),
    )
    loads = []
    for name, share in (("one", 12_000), ("two", 6_000), ("three", 4_000)):
        loads.append(asyncio.ensure_future(models.load(name)))
        while name not in workers:
            await asyncio.sleep(0)
        assert budgets() == [SetBudget(share, len(workers))] * len(workers)

    # One that cannot be loaded gives its share back, and so does one that is taken out of memory.
    workers["three"].send(LoadFailed("It is not there."))
    assert budgets() == [SetBudget(6_000, 2), SetBudget(6_000, 2), None]
    models["two"].end()
    assert budgets() == [SetBudget(12_000, 1), None, None]
    models.end()
    for outcome in await asyncio.gather(*loads, return_exceptions=True):
        assert isinstance(outcome, ModelLoadFailed)
