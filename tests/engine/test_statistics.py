"""The statistics file of a model folder: what is written is read, and what is damaged is refused."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from ws_server.engine.statistics import STATISTICS_FILE, NeuronStatistics, weights_digest
from ws_server.errors import ModelLoadFailed

LEVELS = (0.01, 0.5, 0.999)


@pytest.fixture
def statistics() -> NeuronStatistics:
    """Figures of 2 layers of 5 neurons over 300 random activations each."""
    values = np.random.default_rng(3).normal(size=(2, 5, 300)).astype(np.float32)
    return NeuronStatistics(
        max=values.max(2),
        min=values.min(2),
        mean=values.mean(2),
        std=values.std(2),
        density=(values > 0).mean(2).astype(np.float32),
        quantiles=np.moveaxis(np.quantile(values, LEVELS, axis=2), 0, 2).astype(np.float32),
        levels=LEVELS,
        tokens=300,
        weights="0" * 64,
        text="random numbers",
    )


def test_what_is_saved_is_loaded(statistics: NeuronStatistics, tmp_path: Path) -> None:
    statistics.save(tmp_path)
    loaded = NeuronStatistics.load(tmp_path, (2, 5))
    assert loaded is not None
    for field in dataclasses.fields(NeuronStatistics):
        assert np.array_equal(getattr(loaded, field.name), getattr(statistics, field.name))


def test_a_folder_without_the_file_has_no_statistics(tmp_path: Path) -> None:
    assert NeuronStatistics.load(tmp_path) is None


def test_one_neurons_figures_are_plain_floats(statistics: NeuronStatistics) -> None:
    figures = statistics.of(1, 4)
    assert list(figures) == ["max", "min", "mean", "std", "density", "quantiles"]
    assert list(figures["quantiles"]) == ["0.01", "0.5", "0.999"]
    numbers = [*list(figures.values())[:-1], *figures["quantiles"].values()]
    assert all(type(number) is float for number in numbers)
    assert figures["max"] == statistics.max[1, 4]
    assert figures["quantiles"]["0.5"] == statistics.quantiles[1, 4, 1]


@pytest.mark.parametrize(("layer", "neuron"), [(2, 0), (0, 5), (-1, 0), (0, -1)])
def test_a_neuron_that_does_not_exist_is_refused(statistics: NeuronStatistics, layer: int, neuron: int) -> None:
    with pytest.raises(IndexError, match=f"L{layer}N{neuron}"):
        statistics.of(layer, neuron)


def test_a_truncated_file_is_refused(statistics: NeuronStatistics, tmp_path: Path) -> None:
    path = statistics.save(tmp_path)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ModelLoadFailed, match="cannot be used"):
        NeuronStatistics.load(tmp_path)


def test_an_unknown_format_is_refused(tmp_path: Path) -> None:
    save_file({"max": np.zeros((1, 1), dtype=np.float32)}, tmp_path / STATISTICS_FILE, {"format": "other"})
    with pytest.raises(ModelLoadFailed, match="format"):
        NeuronStatistics.load(tmp_path)


def test_a_missing_tensor_is_refused(statistics: NeuronStatistics, tmp_path: Path) -> None:
    metadata = {"format": "neuroscope-statistics/1", "levels": "[]", "tokens": "1", "weights": "", "text": ""}
    save_file({"max": statistics.max}, tmp_path / STATISTICS_FILE, metadata)
    with pytest.raises(ModelLoadFailed, match="min"):
        NeuronStatistics.load(tmp_path)


def test_figures_of_a_model_of_another_shape_are_refused(statistics: NeuronStatistics, tmp_path: Path) -> None:
    statistics.save(tmp_path)
    with pytest.raises(ModelLoadFailed, match="the model has"):
        NeuronStatistics.load(tmp_path, (2, 6))


@pytest.mark.parametrize(
    "change",
    [
        {"mean": np.zeros((2, 4), dtype=np.float32)},
        {"quantiles": np.zeros((2, 5, 2), dtype=np.float32)},
        {"std": np.full((2, 5), np.nan, dtype=np.float32)},
        {"min": np.full((2, 5), 99, dtype=np.float32)},
        {"levels": (0.5, 0.01, 0.999)},
        {"max": np.zeros(5, dtype=np.float32)},
    ],
)
def test_figures_that_do_not_fit_each_other_are_refused(
    statistics: NeuronStatistics, change: dict[str, object]
) -> None:
    with pytest.raises(ValueError, match=r"shape|finite|above|levels"):
        dataclasses.replace(statistics, **change)  # type: ignore[arg-type]


def test_the_digest_is_that_of_the_weights_alone(statistics: NeuronStatistics, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    before = weights_digest(tmp_path)
    statistics.save(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    assert weights_digest(tmp_path) == before
    (tmp_path / "model.safetensors").write_bytes(b"others")
    assert weights_digest(tmp_path) != before
