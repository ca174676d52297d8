"""Sessions, driven without sockets or processes: what they send, and what they have computed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.loaded import Loaded
from tests.support.session import Driver
from ws_server.config import Limits
from ws_server.document.text import Text
from ws_server.document.tokens import TokenList
from ws_server.engine.commands import Evaluate, Withdraw, neuron_hook
from ws_server.engine.engine import Engine
from ws_server.model import ServedModel
from ws_server.session import (
    Notify,
    Refuse,
)
from ws_server.session.documents import Document, SentContext

Load = Callable[[str], Loaded]
SOME = ["L0N1", "L2N5", "blocks.1.hook_resid_post/3"]


@pytest.fixture
def driver(loaded: Load) -> Driver:
    return Driver(loaded("gpt2"))


# ------------------------------------------------------------------------------------ documents


def test_the_order_of_a_first_conversation(driver: Driver) -> None:
    driver.call("neurons/subscribe", neurons=SOME)
    request = driver.open("The keeper counted 12 waves.")
    driver.settle()
    assert driver.methods() == ["Reply", "Reply", "document/tokens", "activations/update", "activations/done"]
    assert driver.answer(request) == {"uri": "a", "version": 1, "tokenCount": len(driver.views["a"].tokens)}
    driver.check("The keeper counted 12 waves.")


def test_only_what_can_have_changed_is_sent(driver: Driver) -> None:
    driver.call("neurons/subscribe", neurons=SOME)
    driver.open("The keeper counted 12 waves")
    driver.settle()
    count = len(driver.views["a"].tokens)
    driver.sent.clear()
    driver.change(2, (27, 27, "."))
    driver.settle()
    tokens, update, done = (effect.params for effect in driver.sent)
    assert (tokens["start"], tokens["deleteCount"], len(tokens["tokens"])) == (count, 0, 1)
    assert (update["start"], update["count"]) == (count, 1)
    assert (done["computedTokens"], done["reusedTokens"], done["forwardPasses"]) == (1, count, 1)


def test_opening_again_sends_everything_and_computes_nothing(driver: Driver) -> None:
    driver.call("neurons/subscribe", neurons=SOME)
    driver.open("The keeper counted 12 waves")
    driver.settle()
    driver.open("The keeper counted 12 waves", version=9)
    driver.settle()
    assert driver.views["a"].done[-1]["computedTokens"] == 0
    driver.check("The keeper counted 12 waves")


def test_edits_that_come_while_tokenizing_are_merged_and_the_last_is_answered(driver: Driver) -> None:
    driver.call("neurons/subscribe", neurons=SOME)
    driver.open("a")
    driver.settle()
    for version in range(2, 7):
        driver.change(version, (version - 1, version - 1, "b"))
    driver.settle()
    versions = [effect.params["version"] for effect in driver.sent if isinstance(effect, Notify)]
    assert set(versions) == {1, 2, 6}
    assert [done["version"] for done in driver.views["a"].done] == [1, 6]
    driver.check("abbbbb")


def test_a_slow_reader_gets_the_newest_version_only(driver: Driver) -> None:
    driver.call("neurons/subscribe", neurons=SOME)
    driver.open("a")
    driver.settle()
    driver.perform(driver.session.pause_writing())
    for version in range(2, 50):
        driver.change(version, (0, 0, "x"))
        driver.settle()
    assert driver.views["a"].version == 1
    driver.perform(driver.session.resume_writing())
    driver.settle()
    assert [done["version"] for done in driver.views["a"].done] == [1, 49]
    driver.check("x" * 48 + "a")


def test_nothing_is_computed_for_who_does_not_read(driver: Driver) -> None:
    """Pending results are sent, requests are computed when there is room again, and nothing twice."""
    text = "word " * 300
    driver.call("neurons/subscribe", neurons=SOME)
    driver.open(text)
    driver.tokenize()
    driver.compute()
    driver.perform(driver.session.pause_writing())
    assert driver.engine.idle
    known = driver.view_count()
    request = driver.ask("neurons/subscribe", neurons=["L1N9"])
    assert driver.answer(request) is not None
    driver.settle()
    assert driver.view_count() == known
    driver.perform(driver.session.resume_writing())
    driver.settle()
    assert len(driver.views["a"].done) == 1
    driver.check(text)


def test_tokens_of_who_does_not_read_are_kept_for_later(driver: Driver) -> None:
    driver.call("neurons/subscribe", neurons=SOME)
    opened = driver.open("a")
    driver.open("another", uri="b")
    driver.perform(driver.session.pause_writing())
    driver.settle()  # it was being tokenized when the client stopped reading
    assert driver.views["a"].version is None
    assert driver.answer(opened) is None
    driver.change(2, (0, 0, "x"))
    driver.settle()
    driver.perform(driver.session.resume_writing())
    assert driver.answer(opened)["version"] == 1
    assert driver.views["a"].version == 1
    driver.settle()
    assert [done["version"] for done in driver.views["a"].done] == [2]
    driver.check("xa")
    driver.check("another", uri="b")


def test_searches_that_nobody_waits_for_are_not_made(driver: Driver) -> None:
    driver.open("The keeper counted 12 waves")
    driver.settle()
    search = {"uri": "a", "token": 3, "k": 1}
    waiting = [driver.ask("neurons/top", **search) for _ in range(64)]
    assert driver.call("neurons/top", **search) == -32014
    driver.notify("$/cancelRequest", id=waiting[0])
    driver.notify("$/cancelRequest", id=waiting[9])
    waiting.append(driver.ask("neurons/top", **search))
    withdrawn = [command for command in driver.commands if isinstance(command, Withdraw)]
    assert len(withdrawn) == 2
    driver.settle()
    answers = [driver.answer(request) for request in waiting]
    assert [answer for answer in answers if answer == -32800] == [-32800] * 2
    assert all(answer["token"] == 3 for answer in answers if answer != -32800)


def test_an_impossible_change_asks_once_for_the_text(driver: Driver) -> None:
    driver.open("abc")
    driver.settle()
    assert [effect.method for effect in driver.change(2, (9, 9, "x"))] == ["document/resync"]
    assert driver.change(3, (0, 0, "x")) == []
    driver.open("abcd", version=2)
    driver.settle()
    driver.change(3, (4, 4, "e"))
    driver.settle()
    driver.check("abcde")


def test_a_change_that_cannot_be_read_is_an_error_and_asks_for_the_text(driver: Driver) -> None:
    driver.open("abc")
    driver.settle()
    effects = driver.notify("document/change", uri="a", version="2", changes=[])
    assert [effect.method for effect in effects] == ["$/error", "document/resync"]


def test_changes_of_a_document_that_is_not_open_ask_once(driver: Driver) -> None:
    assert [effect.method for effect in driver.change(1, uri="b")] == ["document/resync"]
    assert driver.change(2, uri="b") == []


def test_closing_ends_a_document(driver: Driver) -> None:
    pending = driver.open("abc")
    assert driver.call("document/close", uri="a") == {}
    assert driver.answer(pending) == -32800
    assert driver.call("document/close", uri="a") == -32012
    assert driver.call("neurons/top", uri="a", token=0, k=1) == -32012
    driver.settle()
    assert driver.engine.nbytes == 0


def test_contexts_that_are_divided_anew_while_a_pass_runs(driver: Driver) -> None:
    driver.call("neurons/subscribe", neurons=SOME)
    text = "The keeper counted waves and wrote\n" * 30
    driver.open(text)
    driver.tokenize()
    version = 1
    for place in (0, 200, 500, 90):
        driver.compute()
        version += 1
        driver.change(version, (place, place, "another line\n\n"))
        text = text[:place] + "another line\n\n" + text[place:]
        driver.tokenize()
    driver.settle()
    assert len(list(driver.session.model.tokenizer.tokenize(text, "utf-16").contexts())) > 3
    driver.check(text)


# ------------------------------------------------------------------------------------ limits


def test_limits_at_and_past(loaded: Load) -> None:
    driver = Driver(loaded("gpt2"), Limits(documents=2, document_characters=10, document_tokens=6, subscriptions=2))
    assert driver.call("neurons/subscribe", neurons=["L0N0", "L0N1"])
    assert driver.call("neurons/subscribe", neurons=["L0N2"]) == -32013
    assert len(driver.session.subscriptions()) == 2

    assert driver.call("document/open", uri="long", version=1, text="x" * 11) == -32013
    at_limit = driver.open("     ", uri="a")  # spaces are merged: few tokens
    driver.open("b", uri="b")
    driver.settle()
    assert driver.answer(at_limit)["version"] == 1
    assert driver.call("document/open", uri="c", version=1, text="") == -32013

    effects = driver.change(2, (0, 0, "123456"), uri="a")
    assert [effect.method for effect in effects] == ["$/error", "document/resync"]
    assert effects[0].params["data"] == {"limit": "documentCharacters", "maximum": 10, "uri": "a", "version": 2}

    driver.change(2, (0, 0, "#!?%&"), uri="b")
    before = len(driver.sent)
    driver.settle()
    assert [effect.method for effect in driver.sent[before:]] == ["$/error", "document/resync"]
    assert driver.sent[before].params["data"] == {"limit": "documentTokens", "maximum": 6, "uri": "b", "version": 2}
    too_many = driver.open("#!?%&()", uri="b")
    assert [work.unsure for work in driver.work] == [True]
    driver.settle()
    assert driver.answer(too_many) == -32013
    assert [document["uri"] for document in driver.session.open_documents()] == ["a"]


# ------------------------------------------------------------------------------------ neurons


def test_subscribing_is_all_or_nothing(driver: Driver) -> None:
    request = driver.ask("neurons/subscribe", neurons=["L0N1", {"layer": 7, "neuron": 0}])
    (refusal,) = [effect for effect in driver.sent if isinstance(effect, Refuse) and effect.id == request]
    assert refusal.error.data == {"member": "neurons.1", "neuron": "L7N0"}
    assert driver.session.subscriptions() == []


@pytest.mark.parametrize(
    "reference",
    ["N1", "L0", "l0n1", "L0N99999", "L99N0", "blocks.0.nothing/1", {"hook": "ln_final.hook_out", "index": 0}, ""],
)
def test_references_that_name_nothing(driver: Driver, reference: Any) -> None:
    assert driver.call("neurons/subscribe", neurons=[reference]) == -32602


def test_subscribing_in_the_middle_and_taking_it_back(driver: Driver) -> None:
    text = "The keeper counted 12 waves"
    driver.call("neurons/subscribe", neurons=["L1N1"])
    driver.open(text)
    driver.settle()
    result = driver.call("neurons/subscribe", neurons=["L1N1", "L1N2", "L1N1", "blocks.1.mlp.hook_post/3"])
    assert [neuron["key"] for neuron in result["neurons"]] == ["L1N1", "L1N2", "L1N3"]
    driver.settle()
    assert driver.views["a"].done[-1]["forwardPasses"] == 0
    driver.check(text)
    driver.call("neurons/unsubscribe", neurons=["L1N1", "L0N0"])
    assert [neuron["key"] for neuron in driver.session.subscriptions()] == ["L1N2", "L1N3"]
    driver.views["a"].values.clear()
    driver.call("neurons/subscribe", neurons=["L1N1"])
    driver.settle()
    assert set(driver.views["a"].values) == {"L1N1"}  # the others' values are known already


def test_top_neurons(driver: Driver) -> None:
    driver.open("The keeper counted 12 waves")
    driver.settle()
    request = driver.ask("neurons/top", uri="a", token=3, k=4, layers=[2, 0])
    driver.settle()
    result = driver.answer(request)
    ids = np.array([token["id"] for token in driver.views["a"].tokens])
    expected = driver.model.full_pass(ids)
    best = sorted((float(v) for layer in (0, 2) for v in expected[neuron_hook(layer)][3]), reverse=True)[:4]
    assert [neuron["value"] for neuron in result["neurons"]] == pytest.approx(best, abs=1e-4)
    assert (result["version"], result["token"]) == (1, 3)
    assert driver.call("neurons/top", uri="a", token=99, k=1) == -32602
    assert driver.call("neurons/top", uri="a", token=0, k=1, layers=[3]) == -32602
    assert driver.call("neurons/top", uri="a", token=0, k=1, by="ratio") == -32602


def test_changed_neurons(driver: Driver) -> None:
    before = "The keeper counted 12 waves and wrote them down"
    after = "The girl counted 12 waves and wrote them down"
    driver.open(before)
    driver.settle()
    nothing = driver.call("neurons/changed", uri="a", k=3)
    assert nothing == {"version": 1, "previousVersion": None, "layers": [0, 1, 2], "comparedTokens": 0, "neurons": []}
    old = np.array([token["id"] for token in driver.views["a"].tokens])
    for version, (place, removed, inserted) in enumerate([(4, 6, ""), (4, 0, "gi"), (6, 0, "rl")], start=2):
        driver.change(version, (place, place + removed, inserted))
        driver.settle()
    driver.check(after)
    tokens = driver.views["a"].tokens
    new = np.array([token["id"] for token in tokens])
    request = driver.ask("neurons/changed", uri="a", k=4, since=1, layers=[2, 1])
    driver.settle()
    result = driver.answer(request)
    assert (result["version"], result["previousVersion"], result["layers"]) == (4, 1, [2, 1])
    behind = result["comparedTokens"]
    assert tokens[len(new) - behind]["from"] == after.index(" counted")
    first, second = driver.model.full_pass(old), driver.model.full_pass(new)
    change = {
        layer: second[neuron_hook(layer)][-behind:] - first[neuron_hook(layer)][-behind:] for layer in (1, 2)
    }  # [compared, width]
    largest = sorted(
        ((np.abs(values).max(axis=0)[i], f"L{layer}N{i}") for layer, values in change.items() for i in range(192)),
        reverse=True,
    )
    assert [neuron["key"] for neuron in result["neurons"]] == [key for _, key in largest[:4]]
    for neuron in result["neurons"]:
        column = change[neuron["layer"]][:, neuron["neuron"]]
        at = int(np.abs(column).argmax())
        assert neuron["token"] == len(new) - behind + at
        assert neuron["change"] == pytest.approx(float(column[at]), abs=1e-4)
        assert neuron["after"] - neuron["before"] == pytest.approx(neuron["change"])
    # Without `since` it is the last version but one, and with one that was never told the one before it.
    for since, previous in ((None, 3), (3, 3), (2, 2), (99, 3), (-5, 1)):
        request = driver.ask("neurons/changed", uri="a", k=1, **({} if since is None else {"since": since}))
        driver.settle()
        assert driver.answer(request)["previousVersion"] == previous
    for wrong in ({"k": 0}, {"layers": [3]}, {"layers": []}, {"by": "ratio"}, {"since": "1"}):
        assert driver.call("neurons/changed", **{"uri": "a", "k": 1, **wrong}) == -32602
    assert driver.call("neurons/changed", uri="b", k=1) == -32012


def test_changes_are_not_told_of_a_text_that_has_moved_on(driver: Driver) -> None:
    driver.open("The keeper counted 12 waves")
    assert driver.call("neurons/changed", uri="a", k=1) == -32800  # not read yet
    driver.settle()
    driver.change(2, (4, 10, "girl"))
    driver.settle()
    asked = driver.ask("neurons/changed", uri="a", k=1)
    cancelled = driver.ask("neurons/changed", uri="a", k=2)
    driver.notify("$/cancelRequest", id=cancelled)
    assert driver.answer(cancelled) == -32800
    driver.change(3, (0, 3, "A"))
    driver.tokenize()
    assert driver.answer(asked) == -32800
    assert not any(document.comparisons for document in driver.engine._documents.values())
    driver.settle()
    driver.check("A girl counted 12 waves")
    asked = driver.ask("neurons/changed", uri="a", k=1)
    driver.perform(driver.session.detach())
    assert driver.engine.idle  # nobody waits for it any more
    assert driver.answer(asked) is None
    driver.open("A girl counted 12 waves", version=1)
    driver.settle()
    assert driver.call("neurons/changed", uri="a", k=1)["previousVersion"] is None  # versions may be used again


def test_few_versions_of_a_long_document_are_remembered(monkeypatch: pytest.MonkeyPatch, driver: Driver) -> None:
    monkeypatch.setattr("ws_server.session.documents._REMEMBERED_TOKENS", 20)
    monkeypatch.setattr("ws_server.session.documents._REMEMBERED_VERSIONS", 5)
    driver.open("waves")
    for version in range(2, 12):
        driver.settle()
        driver.change(version, (0, 0, "a"))
    driver.settle()
    oldest = []
    for version, text in ((12, "a" * 12), (13, "a" * 300), (14, "a" * 300)):
        driver.change(version, (0, 0, text))
        driver.settle()
        oldest.append(driver.call("neurons/changed", uri="a", k=1, since=0, layers=[0]))
        driver.settle()
    former = driver.session._documents["a"].history
    assert [version for version, _ in former] == [13]


def test_cancelling(driver: Driver) -> None:
    opening = driver.open("abc")
    driver.notify("$/cancelRequest", id=opening)
    assert driver.answer(opening) == -32800
    driver.settle()
    driver.check("abc")
    top = driver.ask("neurons/top", uri="a", token=0, k=1)
    driver.notify("$/cancelRequest", id=top)
    driver.settle()
    assert driver.answer(top) == -32800
    assert driver.notify("$/cancelRequest", id=top) == []


# ------------------------------------------------------------------------------------ models


def test_going_over_to_another_model(loaded: Load) -> None:
    driver = Driver(loaded("gpt2"), offered=("gpt2", "neo"))
    driver.call("neurons/subscribe", neurons=["L2N5", "L0N191"])
    driver.open("The keeper")
    driver.settle()
    assert driver.call("model/load", model="nothing") == -32010
    request = driver.ask("model/load", model="neo")
    driver.change(2, (10, 10, " counted"))
    driver.settle()

    driver.model = loaded("gpt-neo")
    driver.engine = Engine(driver.model.runner, 1 << 40)
    driver.perform(driver.session.model_loaded(request, ServedModel.of("neo", driver.model.facts)))
    assert driver.answer(request)["dropped"] == ["L0N191"]
    driver.settle()
    splice = next(e.params for e in reversed(driver.sent) if isinstance(e, Notify) and e.method == "document/tokens")
    assert (splice["start"], splice["deleteCount"] > 0, splice["shift"]) == (0, True, 0)
    driver.check("The keeper counted")


def test_a_cancelled_load_leaves_the_session_as_it_was(loaded: Load) -> None:
    driver = Driver(loaded("gpt2"), offered=("gpt2", "neo"))
    request = driver.ask("model/load", model="neo")
    driver.notify("$/cancelRequest", id=request)
    assert driver.answer(request) == -32800
    assert driver.given_up == [request]
    driver.perform(driver.session.model_loaded(request, ServedModel.of("neo", loaded("gpt-neo").facts)))
    assert driver.session.model.id == "gpt2"
    assert driver.answer(request) == -32800


# ------------------------------------------------------------------------------------ trouble


def test_a_dropped_connection_keeps_what_was_computed(driver: Driver) -> None:
    driver.call("neurons/subscribe", neurons=SOME)
    driver.open("The keeper counted 12 waves")
    driver.settle()
    driver.perform(driver.session.detach())
    assert driver.session.open_documents() == [{"uri": "a", "version": 1, "length": 27}]
    driver.session.attach("utf-32", "json")
    assert [effect.method for effect in driver.change(2, (0, 0, "x"))] == ["document/resync"]
    driver.open("The keeper counted 12 waves!", version=2)
    driver.settle()
    assert driver.views["a"].done[-1]["computedTokens"] == 1
    driver.check("The keeper counted 12 waves!")


def test_only_what_is_opened_again_is_evaluated_after_a_resumption(driver: Driver) -> None:
    """However the client reads, and whatever it asks for: of the rest it knows nothing."""
    driver.call("neurons/subscribe", neurons=SOME)
    for uri in "ab":
        driver.open("The keeper counted 12 waves", uri=uri)
    driver.tokenize()
    driver.tokenize()
    driver.perform(driver.session.detach())
    driver.session.attach("utf-16", "json")
    driver.open("The keeper counted 13 waves", uri="b", version=2)
    driver.sent.clear()
    driver.commands.clear()
    driver.perform(driver.session.pause_writing())
    driver.perform(driver.session.resume_writing())
    driver.perform(driver.session.engine_lost([]))
    driver.perform(driver.session.engine_replaced())
    driver.call("neurons/subscribe", neurons=["L1N1"])
    driver.settle()
    driver.check("The keeper counted 13 waves", uri="b")
    assert {command.key[1] for command in driver.commands} == {"b"}
    assert {effect.params["uri"] for effect in driver.sent if isinstance(effect, Notify)} == {"b"}
    assert not driver.session.has_pending_work


def test_a_version_that_is_overtaken_can_fail_unheard(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    """A newer one is on its way: it is answered by what becomes of that."""
    driver.call("neurons/subscribe", neurons=SOME)
    driver.open("The keeper")
    driver.tokenize()
    driver.change(2, (10, 10, "!"))
    with monkeypatch.context() as broken:
        broken.setattr(driver.model.runner, "extend", lambda *arguments: 1 / 0)
        driver.compute()
    assert "$/error" not in driver.methods()
    driver.settle()
    assert driver.views["a"].done[-1]["version"] == 2
    driver.check("The keeper!")


def test_a_text_with_too_many_tokens_that_is_shorter_by_now_is_never_missed(loaded: Load) -> None:
    driver = Driver(loaded("gpt2"), Limits(document_tokens=6))
    driver.call("neurons/subscribe", neurons=SOME)
    opened = driver.open("#!?%&()*+#!?%&()*+")
    driver.change(2, (3, 18, ""))
    driver.settle()
    assert driver.answer(opened)["version"] == 2
    driver.change(3, (0, 0, "#!?%&()*+"))
    driver.change(4, (0, 9, ""))
    driver.settle()
    assert not {"$/error", "document/resync"} & set(driver.methods())
    assert driver.views["a"].done[-1]["version"] == 4
    driver.check("#!?")


def test_results_of_a_lost_worker_are_asked_for_again(driver: Driver) -> None:
    driver.call("neurons/subscribe", neurons=SOME)
    driver.open("The keeper counted 12 waves")
    driver.tokenize()
    top = driver.ask("neurons/top", uri="a", token=0, k=1)
    driver.engine = Engine(driver.model.runner, 1 << 40)  # the worker with its engine is gone
    driver.perform(driver.session.engine_lost([]))
    assert driver.answer(top) == -32603
    driver.perform(driver.session.engine_replaced())
    driver.settle()
    driver.check("The keeper counted 12 waves")


def test_what_workers_die_of_is_computed_alone_and_then_not_again(driver: Driver) -> None:
    driver.call("neurons/subscribe", neurons=SOME)
    driver.open("The keeper")
    driver.open("counted 12 waves", uri="b")
    for _ in range(2):
        driver.tokenize()

    def die(*at_work: str) -> None:
        driver.engine = Engine(driver.model.runner, 1 << 40)
        driver.perform(driver.session.engine_lost(at_work))
        driver.commands.clear()
        driver.perform(driver.session.engine_replaced())

    def asked() -> list[tuple[str, bool]]:
        return [(command.key[1], command.alone) for command in driver.commands if isinstance(command, Evaluate)]

    die("a", "b")  # in one pass: either may be the cause
    assert asked() == [("a", True), ("b", True)]
    assert driver.session.crashes == 0
    while not driver.views["b"].done:
        driver.compute()
    driver.views["a"].done.clear()
    driver.change(2, (0, 0, "?"))
    driver.tokenize()
    die("a")
    die("a")
    assert asked() == []
    assert driver.methods()[-1] == "$/error"
    assert driver.sent[-1].params["method"] == "document/change"
    assert driver.sent[-1].params["data"] == {"uri": "a", "version": 2}
    assert driver.session.crashes == 1
    # It is tried once more for each edit; and what was computed is nobody's fault any more.
    driver.change(3, (0, 1, "!"))
    driver.settle()
    assert asked() == [("a", True)]
    driver.check("!The keeper")
    driver.check("counted 12 waves", uri="b")
    driver.change(4, (0, 1, ""))
    driver.tokenize()
    assert asked() == [("a", True), ("a", False)]
    for _ in range(2):
        die("a")
    assert driver.session.crashes == 2


@pytest.mark.parametrize("cause", ["document/open", "document/change", "neurons/subscribe"])
def test_a_failed_pass_is_told_as_what_caused_it(driver: Driver, monkeypatch: pytest.MonkeyPatch, cause: str) -> None:
    driver.call("neurons/subscribe", neurons=["L0N1"])
    driver.open("The keeper")
    if cause != "document/open":
        driver.settle()
    if cause == "document/change":
        driver.change(2, (0, 0, "!"))
    elif cause == "neurons/subscribe":
        driver.call("neurons/subscribe", neurons=["L2N1"])
    with monkeypatch.context() as broken:
        broken.setattr(driver.model.runner, "extend", lambda *arguments: 1 / 0)
        driver.settle()
    assert driver.sent[-1].params["method"] == cause
    assert driver.sent[-1].params["code"] == -32603


def test_a_failed_pass_is_told_and_the_next_edit_is_answered(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    driver.call("neurons/subscribe", neurons=SOME)
    with monkeypatch.context() as broken:
        broken.setattr(driver.model.runner, "extend", lambda *arguments: 1 / 0)
        driver.open("The keeper")
        driver.settle()
    assert driver.methods()[-1] == "$/error"
    assert driver.sent[-1].params["code"] == -32603
    driver.change(2, (10, 10, "!"))
    driver.settle()
    driver.check("The keeper!")


def test_late_results_are_dropped(driver: Driver) -> None:
    driver.call("neurons/subscribe", neurons=SOME)
    driver.open("The keeper")
    driver.tokenize()
    late = driver.engine.step()
    driver.change(2, (0, 10, "Another"))
    driver.tokenize()
    before = len(driver.sent)
    for result in late:
        driver.perform(driver.session.computed(result))
    assert len(driver.sent) == before
    driver.settle()
    driver.check("Another")


# ------------------------------------------------------------------------------------ at random

words = st.sampled_from(["the", " sea", "\n", "\n\n", "é", "😀", " 12", "\r\n", "\t", "x", "👩‍👩‍👧‍👦"])
pieces = st.lists(words, max_size=25).map("".join)


@st.composite
def actions(draw: st.DrawFn) -> tuple[str, Any]:
    kind = draw(st.sampled_from(["edit", "edit", "edit", "tokenize", "compute", "subscribe", "unsubscribe", "open"]))
    detail: Any = None
    if kind == "edit":
        detail = (draw(st.floats(0, 1)), draw(st.integers(0, 12)), draw(pieces))
    elif kind in ("subscribe", "unsubscribe"):
        detail = draw(st.lists(st.sampled_from(["L0N1", "L1N7", "L2N3", "L0N2", SOME[2]]), max_size=3))
    return kind, detail


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(script=st.lists(actions(), max_size=25), start=pieces)
def test_whatever_happens_the_client_has_the_models_values(
    loaded: Load, encoding: Any, script: list[tuple[str, Any]], start: str
) -> None:
    """Edits, subscriptions and the doers' steps in any order; texts of several contexts among them."""
    driver = Driver(loaded("gpt2"))
    driver.session.attach(encoding, "json")
    driver.call("neurons/subscribe", neurons=["L1N7"])
    text, version = start * 6, 1
    driver.open(text)
    for kind, detail in script:
        if kind == "edit":
            place, removed, insert = detail
            first = round(place * len(text))
            last = min(len(text), first + removed)
            version += 1
            driver.change(version, (_units(text[:first], encoding), _units(text[:last], encoding), insert))
            text = text[:first] + insert + text[last:]
        elif kind == "open":
            version += 1
            driver.open(text, version)
        elif kind in ("subscribe", "unsubscribe"):
            driver.call(f"neurons/{kind}", neurons=detail)
            if kind == "unsubscribe":
                for view in driver.views.values():
                    view.values = {key: row for key, row in view.values.items() if key not in detail}
        else:
            getattr(driver, kind)()
    driver.settle()
    assert driver.views["a"].version == version
    assert driver.views["a"].done[-1]["version"] == version
    driver.check(text)
    assert "document/resync" not in driver.methods()


def _units(text: str, encoding: str) -> int:
    return len(text) if encoding == "utf-32" else len(text.encode("utf-16-le")) // 2


def test_commands_carry_each_context_whole(driver: Driver) -> None:
    """The engine compares ids itself, so that no delta can get lost on the way to it."""
    driver.call("neurons/subscribe", neurons=["L0N1"])
    driver.open("word " * 300)
    driver.settle()
    evaluate = next(command for command in driver.commands if isinstance(command, Evaluate))
    assert len(evaluate.contexts) > 2
    ids = [token["id"] for token in driver.views["a"].tokens]
    assert np.concatenate([target.ids for target in evaluate.contexts]).tolist() == ids
    assert replace(evaluate, serial=0).key == (driver.session.id, "a")


def test_a_deletion_right_at_the_start_of_a_context_leaves_no_values_known() -> None:
    """The same token may stand for one character or two (normalizers do that), so equal ids are not enough."""
    plain = np.zeros(3, dtype=bool)
    old = TokenList(np.array([5, 5, 5]), np.array([0, 2, 3]), np.array([2, 3, 4]), plain)
    new = TokenList(np.array([5, 5]), np.array([0, 1]), np.array([1, 2]), plain[:2])
    unit = (neuron_hook(0), 1)
    document = Document(
        Text(1, "abcd", "utf-16"), tokens=old, tokens_version=1, contexts=[SentContext(old.ids, {3: (unit,)})]
    )
    splice = document.take_tokens(new, 2, (unit,))
    assert (splice.start, splice.delete, splice.insert) == (0, 1, 0)
    assert document.contexts[0].lengths == {0: (unit,)}


def test_the_model_asked_for_last_is_the_one_that_the_session_gets(loaded: Load) -> None:
    driver = Driver(loaded("gpt2"), offered=("gpt2", "neo", "other"))
    first = driver.ask("model/load", model="other")
    second = driver.ask("model/load", model="neo")
    assert driver.answer(first) == -32800
    assert driver.given_up == [first]
    driver.perform(driver.session.model_loaded(second, ServedModel.of("neo", loaded("gpt-neo").facts)))
    driver.perform(driver.session.model_loaded(first, ServedModel.of("other", loaded("gpt2").facts)))
    assert driver.session.model.id == "neo"


def test_top_neurons_are_not_sought_with_the_tokens_of_another_model(loaded: Load) -> None:
    driver = Driver(loaded("gpt2"), offered=("gpt2", "neo"))
    driver.open("The keeper counted")
    driver.settle()
    request = driver.ask("model/load", model="neo")
    driver.perform(driver.session.model_loaded(request, ServedModel.of("neo", loaded("gpt-neo").facts)))
    assert driver.call("neurons/top", uri="a", token=0, k=1) == -32800


def test_a_text_that_was_opened_anew_need_not_be_tokenized(driver: Driver) -> None:
    driver.open("abc")
    work = driver.work[0]
    driver.open("abcd", version=2)
    assert not driver.session.waits_for(work.uri, work.ticket)
    assert driver.session.waits_for(driver.work[1].uri, driver.work[1].ticket)
