"""A session that fails at something that no connection waits for: it ends, and the others notice nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, NoReturn

import pytest

from tests.server.test_models import LOADED, PlayedWorker
from ws_server.config import Settings
from ws_server.engine.catalog import LoadOptions, ModelSpec
from ws_server.engine.commands import Failed, LoadedModel
from ws_server.protocol.messages import Resume
from ws_server.server.effect_runner import EffectRunner
from ws_server.server.metrics import Metrics
from ws_server.server.models import Models
from ws_server.server.sessions import Sessions
from ws_server.server.tokenizing import Tokenizing


class Holder:
    address = "127.0.0.1"

    def __init__(self) -> None:
        self.runner: EffectRunner | None = None
        self.closed: tuple[int, str] | None = None

    async def close(self, code: int, reason: str) -> None:
        self.closed = code, reason


class Place:
    """Two sessions of a model whose worker is played."""

    def __init__(self) -> None:
        self.workers: list[PlayedWorker] = []
        metrics = Metrics()
        self.sessions = Sessions(Settings(), lambda: self.models, Tokenizing(), metrics)
        self.models = Models(
            [ModelSpec("played", "Played", "nowhere")],
            LoadOptions(),
            self._start,
            self.sessions.computed,
            self.sessions.engine_lost,
            self.sessions.engine_replaced,
            metrics,
            1,
            1,
            self.sessions.models_in_use,
        )

    def _start(
        self, spec: ModelSpec, options: LoadOptions, on_message: Callable[[Any], None], on_end: Callable[[], None]
    ) -> PlayedWorker:
        self.workers.append(PlayedWorker(on_message, on_end))
        return self.workers[-1]

    def serve(self, loaded: LoadedModel = LOADED) -> None:
        self.workers[-1].send(loaded)

    async def begin(self) -> Holder:
        load = asyncio.ensure_future(self.models.load("played"))
        await asyncio.sleep(0)
        if not load.done():
            self.serve()
        holder = Holder()
        holder.runner = self.sessions.begin(await load, holder)
        return holder


def _fail(*arguments: object) -> NoReturn:
    raise RuntimeError("a fault of one session")


@pytest.mark.parametrize("happening", ["computed", "engine_lost", "engine_replaced", "expire", "detach"])
@pytest.mark.parametrize("also_at_its_end", [False, True])
async def test_a_session_that_fails_ends_and_no_other(
    happening: str, also_at_its_end: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place()
    faulty, other = await place.begin(), await place.begin()
    assert faulty.runner is not None
    assert other.runner is not None
    seen: list[str] = []
    session, healthy = faulty.runner.session, other.runner.session
    monkeypatch.setattr(session, happening, _fail)
    if also_at_its_end:
        monkeypatch.setattr(session, "forget_all", _fail)
    original = getattr(healthy, happening)
    monkeypatch.setattr(healthy, happening, lambda *arguments: seen.append(happening) or original(*arguments))
    runners = faulty.runner, other.runner
    for runner in runners:
        match happening:
            case "computed":
                place.sessions.computed(Failed((runner.session.id, "d"), "no reason", serial=0))
            case "expire":
                runner._expire()
            case "detach":
                resumed = place.sessions.resume(_resume(runner), Holder())
                assert resumed is (None if runner is runners[0] else runner)
    if happening.startswith("engine"):
        place.workers[-1].die()
        await asyncio.sleep(0)
    if happening == "engine_replaced":
        place.models["played"].end()
        place.sessions.engine_replaced("played")
    await asyncio.sleep(0)
    assert seen == [happening]
    assert place.sessions.models_in_use() == {"played"}
    assert len(place.sessions) == 1
    if happening != "detach":
        assert (faulty.runner, other.runner) == (None, runners[1])
        assert faulty.closed == (1011, "internal error")
        assert other.closed is None
    place.models.end()


def _resume(runner: EffectRunner) -> Resume:
    return Resume(session=runner.session.id, resumeToken=runner.session.resume_token)
