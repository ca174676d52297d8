"""Statistics of a model's neurons over a large text: reads and writes the file beside the weights.

A model folder may hold `statistics.safetensors`. It is an ordinary safetensors file with float32 tensors

    max, min, mean, std, density    [layers, neurons]
    quantiles                       [layers, neurons, levels]

and string metadata `format` ("neuroscope-statistics/1"), `levels` (JSON list of the quantile levels, ascending),
`tokens` (their number), `weights` (SHA-256 of the weights' files, `weights_digest`) and `text` (its source). With other
weights the statistics are not used. The activations are those of `blocks.{layer}.mlp.hook_post`, without BOS positions;
`std` divides by the number of tokens, `density` is the fraction of activations above 0.

Any model folder may have such a file. This module does not import torch, and does not compute the figures.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from ..errors import ModelLoadFailed

STATISTICS_FILE = "statistics.safetensors"
FORMAT = "neuroscope-statistics/1"

FloatArray = np.ndarray[Any, np.dtype[np.float32]]


@dataclass(frozen=True, slots=True)
class NeuronStatistics:
    """Figures of all neurons of a model; the arrays are `[layers, neurons]`, `quantiles` has `levels` last."""

    max: FloatArray
    min: FloatArray
    mean: FloatArray
    std: FloatArray
    density: FloatArray
    quantiles: FloatArray
    levels: tuple[float, ...]
    tokens: int
    weights: str
    text: str

    def __post_init__(self) -> None:
        """Checks that the figures are consistent.

        Raises:
            ValueError: they are not.
        """
        shape = self.max.shape
        if len(shape) != 2:
            raise ValueError(f"max must be [layers, neurons], but has shape {list(shape)}")
        for name in _ARRAYS:
            expected = (*shape, len(self.levels)) if name == "quantiles" else shape
            array = getattr(self, name)
            if array.shape != expected:
                raise ValueError(f"{name} has shape {list(array.shape)}, expected {list(expected)}")
            if not np.isfinite(array).all():
                raise ValueError(f"{name} holds values that are not finite")
        if (self.min > self.max).any():
            raise ValueError("a neuron has a min above its max")
        if not all(0 <= level <= 1 for level in self.levels) or list(self.levels) != sorted(set(self.levels)):
            raise ValueError("levels must be ascending and between 0 and 1")

    @property
    def layers(self) -> int:
        return int(self.max.shape[0])

    @property
    def neurons_per_layer(self) -> int:
        return int(self.max.shape[1])

    def of(self, layer: int, neuron: int) -> dict[str, Any]:
        """One neuron's figures in plain numbers: max, min, mean, std, density, quantiles (level -> value).

        Raises:
            IndexError: there is no such neuron.
        """
        if not (0 <= layer < self.layers and 0 <= neuron < self.neurons_per_layer):
            raise IndexError(f"no neuron L{layer}N{neuron}")
        figures: dict[str, Any] = {name: float(getattr(self, name)[layer, neuron]) for name in _ARRAYS[:-1]}
        values = self.quantiles[layer, neuron].tolist()
        figures["quantiles"] = {f"{level:g}": value for level, value in zip(self.levels, values, strict=True)}
        return figures

    def save(self, folder: Path) -> Path:
        """Writes the file into a model's folder and returns its path."""
        path = folder / STATISTICS_FILE
        metadata = {
            "format": FORMAT,
            "levels": json.dumps(self.levels),
            "tokens": str(self.tokens),
            "weights": self.weights,
            "text": self.text,
        }
        tensors = {name: np.ascontiguousarray(getattr(self, name), dtype=np.float32) for name in _ARRAYS}
        path.write_bytes(save(tensors, metadata))
        return path

    @classmethod
    def load(cls, folder: Path, shape: tuple[int, int] | None = None) -> NeuronStatistics | None:
        """Reads the file in a model's folder; None if there is none.

        Args:
            folder: the model's folder.
            shape: the model's (layers, neurons a layer), if the file is to be checked against them.

        Raises:
            ModelLoadFailed: the file is damaged, of another format, or of a model of another shape.
        """
        path = folder / STATISTICS_FILE
        if not path.exists():
            return None
        try:
            # The type stubs of safetensors leave the numpy flavour untyped.
            with safe_open(path, framework="numpy") as file:  # type: ignore[no-untyped-call, unused-ignore]
                metadata: Mapping[str, str] = file.metadata() or {}
                if metadata.get("format") != FORMAT:
                    raise ValueError(f"its format is {metadata.get('format')!r}, not {FORMAT!r}")
                arrays = {name: np.asarray(file.get_tensor(name), dtype=np.float32) for name in _ARRAYS}
            statistics = cls(
                **arrays,
                levels=tuple(float(level) for level in json.loads(metadata["levels"])),
                tokens=int(metadata["tokens"]),
                weights=metadata["weights"],
                text=metadata["text"],
            )
            if shape is not None and statistics.max.shape != shape:
                raise ValueError(f"it describes {statistics.max.shape} layers and neurons, the model has {shape}")
        except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
            raise ModelLoadFailed(f"the neuron statistics {path} cannot be used: {error}") from error
        return statistics


_BLOCK = 1 << 22
"""Bytes that are read at a time; weights may be larger than the memory."""
_ARRAYS = ("max", "min", "mean", "std", "density", "quantiles")


def weights_digest(folder: Path) -> str:
    """SHA-256 over the contents of a folder's `*.safetensors` weights, in order of their names."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.safetensors")):
        if path.name != STATISTICS_FILE:
            with path.open("rb") as file:
                while block := file.read(_BLOCK):
                    digest.update(block)
    return digest.hexdigest()
