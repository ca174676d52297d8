"""The kernel's copy of a text, under the edits of several editors that each are behind in their own way."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest

from tests.support.client import from_units, to_units
from tests.support.edits import Editor
from ws_server.client.text import Change, applied, normalized
from ws_server.notebook.neurons import neuron_keys
from ws_server.notebook.shared_text import SharedText, Wire


def spliced(text: str, changes: Wire) -> str:
    """The slow way: in UTF-16 units, from the last change to the first."""
    units = text.encode("utf-16-le")
    for change in sorted(changes, key=lambda change: change["from"], reverse=True):
        insert = change["insert"].encode("utf-16-le")
        units = units[: 2 * change["from"]] + insert + units[2 * change["to"] :]
    return units.decode("utf-16-le")


@dataclass
class Browser:
    """Has a text of some revision, and follows the updates from there on."""

    text: str
    revision: int = 0

    def follow(self, shared: SharedText) -> None:
        for update in shared.since(self.revision) or []:
            self.text = spliced(self.text, update.wire)
            self.revision += 1


@pytest.mark.parametrize("seed", range(3))
def test_all_copies_are_the_same_after_any_edits(seed: int) -> None:
    editor = Editor(seed, "utf-16", size=60)
    start = "It was \U0001f600 the best."
    shared, browsers = SharedText(start), [Browser(start), Browser(start)]
    program = start  # follows in code points, as a document of the client does
    taken = 0
    for _ in range(300):
        browser = browsers[editor.random.random() < 0.5]
        if editor.random.random() < 0.7:
            browser.follow(shared)
        wire = [
            {"from": begin, "to": end, "insert": re.sub("[\ud800-\udfff]", "\ufffd", from_units(text))}
            for begin, end, text in editor.changes(to_units(browser.text, "utf-16"))
        ]
        is_newest = browser.revision == shared.revision
        updates = shared.accept("browser", browser.revision, [wire])
        assert bool(updates) == is_newest
        for update in updates:
            program = applied(program, normalized(update.changes, len(program)))
            taken += 1
        if editor.random.random() < 0.2:
            insertion = [Change(min(3, len(program)), min(3, len(program)), "\U0001f642")]
            program = applied(program, insertion)
            shared.edit(insertion, "kernel")
        assert program == shared.text
    assert taken > 100
    for browser in browsers:
        browser.follow(shared)
        assert (browser.text, browser.revision) == (shared.text, shared.revision)


def test_what_does_not_fit_changes_nothing() -> None:
    shared = SharedText("a\U0001f600b")
    good = [{"from": 0, "to": 1, "insert": "A"}]
    for bad in (
        [{"from": 2, "to": 3, "insert": ""}],  # inside a pair
        [{"from": 0, "to": 5, "insert": ""}],
        [{"from": 1, "to": 0, "insert": ""}],
        [{"from": 0, "to": 0, "insert": "\ud800"}],
        [{"from": 0, "to": 3, "insert": ""}, {"from": 1, "to": 3, "insert": ""}],
        [{"from": 0, "insert": ""}],
        [{"from": "0", "to": 1, "insert": ""}],
    ):
        with pytest.raises(ValueError, match=r"fit|surrogate"):
            shared.accept("browser", 0, [good, bad])
        assert (shared.text, shared.revision, shared.since(0)) == ("a\U0001f600b", 0, [])
    assert shared.accept("browser", 1, [good]) == []
    assert len(shared.accept("browser", 0, [good, good])) == 2
    assert shared.since(3) is None
    for _ in range(1500):
        shared.edit([Change(0, 1, "a")], "kernel")
    assert shared.since(2) is None
    assert len(shared.since(shared.revision - 10) or []) == 10


def test_neurons_as_people_write_them() -> None:
    assert neuron_keys("l3n42, L1N5-7 L1N6") == ["L3N42", "L1N5", "L1N6", "L1N7"]
    assert neuron_keys(["blocks.3.hook_resid_post/7", "blocks.03.mlp.hook_post/9", "L0N1-N2"]) == [
        "blocks.3.hook_resid_post/7", "L3N9", "L0N1", "L0N2",
    ]  # fmt: skip
    assert neuron_keys("") == neuron_keys([]) == []
    for wrong in ("seven", "L3", "L3N9-2", "L1N0-256", "3/", "L1N-4"):
        with pytest.raises(ValueError, match=r"neuron"):
            neuron_keys(wrong)
