"""Questions about a document: each ends, and in the way that its end tells."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.loaded import Loaded
from tests.support.session import Driver
from ws_server.config import Limits
from ws_server.engine.commands import Probe, Withdraw
from ws_server.engine.engine import Engine
from ws_server.session.queries import LONGEST_WAIT, MOST_QUERIES

Load = Callable[[str], Loaded]
TEXT = "The keeper counted 12 waves"


@pytest.fixture
def driver(loaded: Load) -> Driver:
    driver = Driver(loaded("gpt2"), Limits(document_tokens=30))
    driver.open(TEXT)
    driver.settle()
    return driver


def top(driver: Driver) -> int:
    return driver.ask("neurons/top", uri="a", token=1, k=1)


def test_asked_while_the_worker_is_replaced_it_waits_for_the_next(driver: Driver) -> None:
    before = top(driver)
    driver.perform(driver.session.engine_lost([]))
    assert driver.answer(before) == -32603
    driver.commands.clear()
    asked = top(driver)
    assert driver.commands == []  # nobody would hear it
    driver.engine = Engine(driver.model.runner, 1 << 40)
    driver.perform(driver.session.engine_replaced())
    driver.settle()
    assert driver.answer(asked)["token"] == 1
    assert not driver.session.has_pending_work


@pytest.mark.parametrize("text", [TEXT, "#!?%&()*+" * 20])
def test_opened_again_its_document_is_another(driver: Driver, text: str) -> None:
    """Whether the new text is taken or has too many tokens: the answer would be about another."""
    asked = top(driver)
    opened = driver.open(text, version=2)
    assert driver.answer(asked) == -32800
    driver.settle()
    assert driver.answer(opened) == (-32013 if text != TEXT else {"uri": "a", "version": 2, "tokenCount": 10})
    assert not driver.session.has_pending_work


def test_a_refused_open_leaves_it_alone(loaded: Load) -> None:
    driver = Driver(loaded("gpt2"), Limits(document_characters=30))
    driver.open(TEXT)
    driver.settle()
    asked = top(driver)
    assert driver.call("document/open", uri="a", version=2, text="x" * 31) == -32013
    driver.settle()
    assert driver.answer(asked)["version"] == 1


def test_closed_its_document_is_gone(driver: Driver) -> None:
    asked = top(driver)
    assert driver.call("document/close", uri="a") == {}
    assert driver.answer(asked) == -32800


def test_one_that_waits_too_long_is_refused(driver: Driver) -> None:
    now = [0.0]
    driver.session._queries._clock = lambda: now[0]
    assert driver.session.deadline is None
    first = top(driver)
    now[0] = 1.0
    second = top(driver)
    assert driver.session.deadline == LONGEST_WAIT
    now[0] = LONGEST_WAIT
    driver.commands.clear()
    driver.perform(driver.session.expire())
    assert (driver.answer(first), driver.answer(second)) == (-32014, None)
    assert [type(command) for command in driver.commands] == [Withdraw]
    assert driver.session.deadline == LONGEST_WAIT + 1
    driver.settle()
    assert driver.answer(second)["token"] == 1
    assert driver.answer(first) == -32014
    assert driver.session.deadline is None


def test_an_end_makes_room_for_another(driver: Driver) -> None:
    waiting = [top(driver) for _ in range(MOST_QUERIES)]
    assert driver.answer(top(driver)) == -32014
    driver.perform(driver.session.engine_lost([]))
    assert {driver.answer(asked) for asked in waiting} == {-32603}
    asked = top(driver)
    driver.engine = Engine(driver.model.runner, 1 << 40)
    driver.perform(driver.session.engine_replaced())
    driver.settle()
    assert driver.answer(asked)["token"] == 1


def test_nothing_is_asked_about_a_text_that_is_lost(driver: Driver) -> None:
    driver.perform(driver.session.detach())
    driver.session.attach("utf-16", "json")
    driver.commands.clear()
    assert driver.call("neurons/top", uri="a", token=1, k=1) == -32800
    assert driver.call("neurons/changed", uri="a", k=1) == -32800
    assert not [command for command in driver.commands if isinstance(command, Probe)]
