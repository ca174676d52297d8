"""The notebook's published case: 61 activations of L5N220 in distilgpt2."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

from ws_server.engine.catalog import LoadOptions, ModelSpec
from ws_server.engine.commands import ContextTarget, Evaluate, Need, Values, neuron_hook
from ws_server.engine.engine import Engine
from ws_server.engine.loading import load_model
from ws_server.model import ServedModel


@pytest.mark.hub
def test_the_published_activations_of_distilgpt2(published_case: dict[str, Any]) -> None:
    runner, facts = load_model(
        ModelSpec("distilgpt2", "distilgpt2", "distilgpt2"), LoadOptions(device="cpu"), lambda percentage, message: None
    )
    model = ServedModel.of("distilgpt2", facts)
    tokens = model.tokenizer.tokenize(published_case["text"], "utf-16")
    assert [model.tokenizer.text_of(token) for token in tokens.ids.tolist()] == published_case["tokens"]

    engine = Engine(runner, 1 << 40)
    unit = neuron_hook(published_case["layer"]), published_case["neuron"]
    engine.submit(Evaluate(("s", "d"), 1, (ContextTarget(tokens.ids, (Need(0, (unit,)),)),), time.monotonic()))
    values = np.full(len(tokens), np.nan, dtype=np.float32)
    while not engine.idle:
        for result in engine.step():
            if isinstance(result, Values):
                values[result.start : result.start + result.data.shape[1]] = result.data[0]
    np.testing.assert_allclose(values, published_case["activations"], atol=1e-4)
