"""Values that depend on more than a token's prefix, through the engine, against plain passes over each context."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from tests.engine.test_engine import PLENTY, TOLERANCE, Client
from tests.support.loaded import Loaded
from tests.support.models import configured
from ws_server.engine.catalog import LoadOptions, ModelSpec
from ws_server.engine.commands import ContextTarget, Evaluate, FloatMatrix, IntArray, Need, Unit, Values, neuron_hook
from ws_server.engine.engine import Engine
from ws_server.engine.loading import load_model
from ws_server.engine.runner import Piece

UNITS: tuple[Unit, ...] = tuple((neuron_hook(layer), index) for layer in range(3) for index in (0, 5, 11))


def load(folder: Path) -> Loaded:
    spec = ModelSpec("small", "small", str(folder))
    return Loaded(*load_model(spec, LoadOptions(device="cpu"), lambda percentage, message: None))


@pytest.fixture(scope="module")
def longrope(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    """Its rotary frequencies are others as soon as a context has more than 64 tokens."""
    folder = configured(
        tmp_path_factory.mktemp("longrope") / "phi3",
        "Phi3ForCausalLM",
        hidden_size=48,
        head_dim=12,
        max_position_embeddings=512,
        original_max_position_embeddings=64,
        rope_parameters={
            "rope_type": "longrope",
            "rope_theta": 1e4,
            "short_factor": [1.0] * 6,
            "long_factor": [1.0, 1.5, 2.0, 4.0, 8.0, 16.0],
            "original_max_position_embeddings": 64,
        },
    )
    return load(folder)


def split(ids: IntArray, most: int) -> list[IntArray]:
    return [ids[start : start + most] for start in range(0, len(ids), most)]


def evaluate(engine: Engine, texts: Sequence[Sequence[IntArray]], serial: int = 1) -> list[list[FloatMatrix]]:
    """Opens texts of several contexts each, one a session, at once; all values, [units, tokens] a context."""
    found = [[np.full((len(UNITS), len(ids)), np.nan, np.float32) for ids in contexts] for contexts in texts]
    for number, contexts in enumerate(texts):
        targets = tuple(ContextTarget(ids, (Need(0, UNITS),)) for ids in contexts)
        engine.submit(Evaluate((f"session {number}", "d"), serial, targets, time.monotonic()))
    while not engine.idle:
        for result in engine.step():
            if isinstance(result, Values):
                rows = found[int(result.key[0].split()[1])][result.context]
                for unit, row in zip(result.units, result.data, strict=True):
                    rows[UNITS.index(unit), result.start : result.start + len(row)] = row
    return found


def assert_right(model: Loaded, ids: IntArray, found: FloatMatrix) -> None:
    expected = model.full_pass(ids)
    np.testing.assert_allclose(found, [expected[hook][:, index] for hook, index in UNITS], atol=TOLERANCE)


def test_a_context_ends_where_its_frequencies_would_change(longrope: Loaded, random: np.random.Generator) -> None:
    assert longrope.facts.context_tokens == 64
    assert longrope.facts.notes == ("Contexts end at 64 tokens: a longer one would change all its values (longrope).",)
    cache = longrope.runner.new_cache()
    cache.align(random.integers(0, longrope.facts.vocabulary, 65))
    with pytest.raises(ValueError, match="64"):
        longrope.runner.extend([Piece(cache, 65, frozenset({neuron_hook(0)}))])


def test_a_text_that_grows_beyond_the_limit_and_shrinks_again(longrope: Loaded, random: np.random.Generator) -> None:
    engine = Engine(longrope.runner, PLENTY)
    text = random.integers(0, longrope.facts.vocabulary, 153)
    for serial, length in enumerate((64, 65, 60, 153, 64, 10)):
        contexts = split(text[:length], longrope.facts.context_tokens)
        for ids, found in zip(contexts, evaluate(engine, [contexts], serial)[0], strict=True):
            assert_right(longrope, ids, found)


def test_a_long_text_of_somebody_else_changes_nothing(longrope: Loaded, random: np.random.Generator) -> None:
    """Together in one pass, and one after the other: what a rotary embedding has cached is shared."""
    engine = Engine(longrope.runner, PLENTY)
    assert longrope.runner.trunk.takes_several
    long, short = (random.integers(0, longrope.facts.vocabulary, length) for length in (153, 20))
    texts = [split(long, longrope.facts.context_tokens), [short]]
    for serial in range(2):
        for contexts, matrices in zip(texts, evaluate(engine, texts, serial), strict=True):
            for ids, found in zip(contexts, matrices, strict=True):
                assert_right(longrope, ids, found)
        texts = [[np.append(ids, 3)[-64:] for ids in contexts] for contexts in texts]


def test_attention_that_is_not_scaled(tmp_path: Path, random: np.random.Generator) -> None:
    """TransformerLens ignores this option; the values are those of transformers all the same, at every hook point."""
    model = load(configured(tmp_path / "small", "GPT2LMHeadModel", scale_attn_weights=False))
    assert model.facts.notes == (
        "TransformerLens and transformers compute different values; those of transformers are shown.",
    )
    client = Client(Engine(model.runner, PLENTY))
    units = [(hook, index) for hook in model.facts.hook_widths for index in (0, 7)]
    ids = random.integers(0, model.facts.vocabulary, 70)
    for length, keep in ((50, 0), (51, 50), (70, 51), (30, 30)):
        client.ask(ids[:length], units, keep)
        client.settle()
        assert client.error(model) <= TOLERANCE
