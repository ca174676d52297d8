"""The embedded model in the package: it loads, and its card is right."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from transformer_lens.model_bridge import TransformerBridge

from ws_server.demo_model.training import activations, card, neurons
from ws_server.demo_model.training.evaluate import load, model_scores
from ws_server.demo_model.training.neuron_statistics import summarise
from ws_server.engine.catalog import EMBEDDED_FOLDER
from ws_server.engine.statistics import NeuronStatistics, weights_digest

FOLDER = EMBEDDED_FOLDER


@pytest.fixture(scope="module")
def bridge() -> TransformerBridge:
    return activations.boot(FOLDER)


@pytest.fixture(scope="module")
def statistics() -> NeuronStatistics:
    statistics = NeuronStatistics.load(FOLDER, (4, 1024))
    assert statistics is not None
    return statistics


@pytest.fixture(scope="module")
def figures() -> dict[str, Any]:
    read: dict[str, Any] = json.loads((FOLDER / card.FIGURES).read_text(encoding="utf-8"))
    return read


@pytest.fixture(scope="module")
def opening() -> dict[str, Any]:
    read: dict[str, Any] = json.loads((FOLDER / "opening.json").read_text(encoding="utf-8"))
    return read


@pytest.fixture(scope="module")
def evaluated(bridge: TransformerBridge, opening: dict[str, Any]) -> activations.Evaluated:
    texts = [opening["text"]]
    return activations.evaluate(bridge, texts, activations.tokenize(FOLDER, bridge, texts))


def test_it_is_small() -> None:
    assert (FOLDER / "model.safetensors").stat().st_size < 16_000_000


def test_it_loads_and_its_hook_points_fire(bridge: TransformerBridge) -> None:
    ids = bridge.to_tokens("In the beginning")
    assert ids[0, 0] == bridge.tokenizer.bos_token_id == 0
    _, cache = bridge.run_with_cache(ids)
    for layer in range(4):
        post = cache[f"blocks.{layer}.mlp.hook_post"]
        assert post.shape == (1, ids.shape[1], 1024)
        assert torch.isfinite(post).all()


def test_figures_and_statistics_are_those_of_these_weights(
    statistics: NeuronStatistics, figures: dict[str, Any]
) -> None:
    assert statistics.weights == figures["weights_sha256"] == weights_digest(FOLDER)
    assert statistics.tokens == figures["statistics"]["tokens"] >= 200_000


def test_the_card_is_rendered_from_the_figures(figures: dict[str, Any]) -> None:
    assert (FOLDER / "README.md").read_text(encoding="utf-8") == card.render(figures)


def test_it_beats_the_trigram_model(figures: dict[str, Any]) -> None:
    every = figures["held_out"]["all"]
    network, trigram, unigram = (every[name]["bits_per_byte"] for name in ("network", "trigram", "unigram"))
    assert network < 0.92 * trigram < trigram < unigram


def test_it_predicts_text_as_the_card_says(figures: dict[str, Any], bridge: TransformerBridge) -> None:
    # Sentences made for this test, of the kinds it was trained on: no worse than twice the figure for held-out text.
    text = "She was very happy to see her sister, and they walked into the garden.\n\nimport os\n\ndef size(self):\n"
    ids = np.array(bridge.tokenizer(text, add_special_tokens=False)["input_ids"])
    nats = -model_scores(load(FOLDER), ids).mean()
    assert nats < 2 * figures["held_out"]["all"]["network"]["nats_per_token"]


def test_statistics_agree_with_an_independent_computation(evaluated: activations.Evaluated) -> None:
    """Transformers alone, by forward hooks of its own modules, against what the script computes."""
    model = load(FOLDER)
    kept: dict[int, np.ndarray[Any, Any]] = {}

    def keep(layer: int) -> Any:
        def hook(module: object, arguments: object, output: torch.Tensor) -> None:
            kept[layer] = output[0, 1:].numpy()  # [tokens, neurons], without BOS

        return hook

    for layer, block in enumerate(model.transformer.h):
        block.mlp.act.register_forward_hook(keep(layer))
    with torch.no_grad():
        model(torch.tensor([[0, *evaluated.ids.tolist()]]))
    told = summarise(evaluated, "0" * 64, "the opening text")
    for layer, values in kept.items():
        for name, expected in {
            "max": values.max(0),
            "min": values.min(0),
            "mean": values.mean(0),
            "std": values.std(0),
            "density": (values > 0).mean(0),
        }.items():
            np.testing.assert_allclose(getattr(told, name)[layer], expected, atol=1e-4)
        expected = np.quantile(values, told.levels, axis=0).T
        np.testing.assert_allclose(told.quantiles[layer], expected, atol=1e-4)


def test_the_opening_is_of_a_readable_size(opening: dict[str, Any], evaluated: activations.Evaluated) -> None:
    assert 100 <= len(evaluated.ids) <= 300
    assert 6 <= len(opening["neurons"]) == len(set(opening["neurons"])) <= 8


def test_neurons_of_the_opening_do_what_the_card_says(
    figures: dict[str, Any],
    opening: dict[str, Any],
    evaluated: activations.Evaluated,
    statistics: NeuronStatistics,
) -> None:
    assert [told["key"] for told in figures["opening"]] == opening["neurons"]
    masks = neurons.detect(evaluated)
    for told in figures["opening"]:
        assert told["key"] == f"L{told['layer']}N{told['neuron']}"
        assert told["statistics"] == statistics.of(told["layer"], told["neuron"])
        assert told["examples"][0]["activation"] == pytest.approx(told["statistics"]["max"])
        values = evaluated.values[told["layer"], told["neuron"]]
        assert masks[told["detector"]][values.argmax()], told["key"]
        assert values.max() / told["statistics"]["max"] == pytest.approx(told["fires"], abs=1e-3)
        assert told["top_hits"] >= 0.9
        assert told["average_precision"] > 3 * told["share"]
