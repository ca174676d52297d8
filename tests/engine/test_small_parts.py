"""Decisions of the engine that need no model: pairing of contexts, turns, chunks, names of models."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ws_server.engine.catalog import EMBEDDED_ID, resolve_models
from ws_server.engine.commands import IntArray, hook_layer, neuron_hook
from ws_server.engine.context_matching import common_prefix, pair_contexts
from ws_server.engine.kv import grown_capacity
from ws_server.engine.scheduler import FIRST_CHUNK, LARGEST_CHUNK, FairShare, chunk_size
from ws_server.errors import StartupError

contexts = st.lists(st.lists(st.integers(0, 1), max_size=3).map(lambda ids: np.array(ids, dtype=np.int64)), max_size=6)


@given(contexts, contexts)
def test_every_old_context_is_continued_at_most_once_and_equal_ends_by_themselves(
    old: list[IntArray], new: list[IntArray]
) -> None:
    pairs = pair_contexts(old, new)
    assert len(pairs) == len(new)
    used = [pair for pair in pairs if pair is not None]
    assert len(used) == len(set(used)) == min(len(old), len(new))
    assert used == sorted(used)
    head = 0
    while head < min(len(old), len(new)) and np.array_equal(old[head], new[head]):
        assert pairs[head] == head
        head += 1


@given(st.lists(st.integers(0, 2), max_size=8), st.lists(st.integers(0, 2), max_size=8))
def test_common_prefix(one: list[int], other: list[int]) -> None:
    expected = 0
    while expected < min(len(one), len(other)) and one[expected] == other[expected]:
        expected += 1
    assert common_prefix(np.array(one, dtype=np.int64), np.array(other, dtype=np.int64)) == expected


def test_a_context_in_the_middle_changes_its_length() -> None:
    old = [np.array([number]) for number in range(5)]
    new = [old[0], old[1], np.array([7]), np.array([8]), old[3], old[4]]
    assert pair_contexts(old, new) == [0, 1, 2, None, 3, 4]
    assert pair_contexts(new, old) == [0, 1, 2, 4, 5]


def test_chunks_grow_to_their_limit() -> None:
    sizes = [chunk_size(done) for done in range(40)]
    assert sizes[0] == FIRST_CHUNK
    assert sizes[-1] == LARGEST_CHUNK
    assert sizes == sorted(sizes)


def test_who_had_least_is_served_next_and_nobody_starves() -> None:
    share = FairShare()
    served = []
    for _ in range(30):
        name = share.next(["slow", "quick"])
        served.append(name)
        share.charge(name, 1.0 if name == "slow" else 0.1)
    assert 2 <= served.count("slow") <= 4


def test_a_newcomer_is_not_served_alone_for_what_it_missed() -> None:
    share = FairShare()
    for _ in range(100):
        share.charge(share.next(["old"]), 1.0)
    served = []
    for _ in range(10):
        name = share.next(["old", "new"])
        served.append(name)
        share.charge(name, 1.0)
    assert served.count("old") == 5


@given(st.integers(1, 5000), st.integers(1, 5000))
def test_capacity_holds_what_is_needed_and_little_more(needed: int, limit: int) -> None:
    capacity = grown_capacity(needed, limit)
    assert needed <= capacity <= max(64, 2 * needed)


def test_hook_names() -> None:
    assert hook_layer(neuron_hook(12)) == 12
    with pytest.raises(ValueError, match="not a hook point of a block"):
        hook_layer("ln_final.hook_normalized")


def test_model_names_are_resolved_without_the_network(tmp_path: Path) -> None:
    assert [spec.id for spec in resolve_models(())] == [EMBEDDED_ID]
    (hub, pinned) = resolve_models(("EleutherAI/pythia-70m", "distilgpt2@main"))
    assert (hub.id, hub.source, hub.revision, hub.folder) == ("EleutherAI/pythia-70m",) * 2 + (None, None)
    assert (pinned.id, pinned.source, pinned.revision) == ("distilgpt2@main", "distilgpt2", "main")

    folder = tmp_path / "mine"
    folder.mkdir()
    for content, reason in (
        ({}, "no config.json"),
        ({"config.json": "{"}, "not JSON"),
        ({"config.json": "[]"}, "not a JSON object"),
        ({"config.json": "{}"}, "safetensors"),
        ({"model.safetensors": ""}, "tokenizer.json"),
    ):
        for file, text in content.items():
            (folder / file).write_text(text)
        with pytest.raises(StartupError, match=reason):
            resolve_models((str(folder),))
    (folder / "tokenizer.json").write_text("{}")
    (spec,) = resolve_models((str(folder),))
    assert (spec.id, spec.folder) == ("mine", folder)
    with pytest.raises(StartupError, match="would have the name"):
        resolve_models((str(folder), str(folder)))


def _model_folder(parent: Path) -> Path:
    folder = parent / "model"
    folder.mkdir()
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        (folder / name).write_text("{}")
    return folder


@pytest.mark.parametrize("file", ["config.json", "model.safetensors.index.json"])
def test_a_folder_in_place_of_a_file_is_refused_in_a_sentence(file: str, tmp_path: Path) -> None:
    folder = _model_folder(tmp_path)
    (folder / file).unlink(missing_ok=True)
    (folder / file).mkdir()
    with pytest.raises(StartupError, match=file.replace(".", r"\.")):
        resolve_models((str(folder),))


@pytest.mark.parametrize(
    "name",
    [
        "./nothing",
        "/nowhere/at/all",
        "~/nothing",
        "~nobody-here/model",
        "a" * 5000,
        "a/b/c",
        "a/..",
        "a/",
        "-a",
        "a--b",
        "a@",
        "",
        "two words",
        "a;b",
    ],
)
def test_what_is_no_model_is_refused_in_a_sentence(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(_model_folder(tmp_path))  # which an empty name does not mean
    with pytest.raises(StartupError, match=r"\.$"):
        resolve_models((name,))
