"""Finds the neurons with the highest values, and those that changed most."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from .commands import ChangedUnit, FloatMatrix, IntArray, TopUnit

_FloatArray = np.ndarray[Any, np.dtype[np.float32]]


def top_units(
    values: FloatMatrix, layers: Sequence[int], maxima: FloatMatrix | None, k: int, by_ratio: bool
) -> tuple[TopUnit, ...]:
    """The `k` highest of `values` [layers, neurons], by themselves or over `maxima` [all layers, neurons]."""
    ratios = None if maxima is None else _ratios(values, maxima[list(layers)])
    rows, columns = _highest(values if not by_ratio or ratios is None else ratios, k)
    return tuple(
        TopUnit(
            layers[row],
            int(column),
            float(values[row, column]),
            None if ratios is None else _or_none(ratios[row, column]),
        )
        for row, column in zip(rows, columns, strict=True)
    )


class Changes:
    """The largest change of each neuron of some layers, and the token where it happened.

    Args:
        layers: the layers that are compared.
        width: neurons of a layer.
    """

    def __init__(self, layers: Sequence[int], width: int) -> None:
        shape = len(layers), width
        self._layers = layers
        self._before = np.zeros(shape, dtype=np.float32)
        self._after = np.zeros(shape, dtype=np.float32)
        self._contexts = np.zeros(shape, dtype=np.int64)
        self._tokens = np.zeros(shape, dtype=np.int64)

    def take(self, row: int, context: int, tokens: IntArray, before: torch.Tensor, after: torch.Tensor) -> None:
        """Adds layer `layers[row]` at `tokens` of a context: values `before` and `after` [tokens, neurons]. Where a
        value is not finite, as can happen in half precision, the change counts as 0."""
        sizes = torch.nan_to_num(after - before, nan=0.0, posinf=0.0, neginf=0.0).abs_()
        largest, at = sizes.max(dim=0)  # [neurons] each
        larger = largest.cpu().numpy() > np.abs(self._after[row] - self._before[row])
        self._before[row, larger] = before.gather(0, at[None])[0].cpu().numpy()[larger]
        self._after[row, larger] = after.gather(0, at[None])[0].cpu().numpy()[larger]
        self._contexts[row, larger] = context
        self._tokens[row, larger] = tokens[at.cpu().numpy()[larger]]

    def highest(self, maxima: FloatMatrix | None, k: int, by_ratio: bool) -> tuple[ChangedUnit, ...]:
        """The `k` neurons that changed most, without those that did not change; `maxima` as for `top_units`."""
        change = self._after - self._before
        ratios = None if maxima is None else _ratios(change, maxima[list(self._layers)])
        rows, columns = _highest(np.abs(change if not by_ratio or ratios is None else ratios), k)
        return tuple(
            ChangedUnit(
                self._layers[row],
                int(column),
                int(self._contexts[row, column]),
                int(self._tokens[row, column]),
                float(self._before[row, column]),
                float(self._after[row, column]),
                None if ratios is None else _or_none(ratios[row, column]),
            )
            for row, column in zip(rows, columns, strict=True)
            if change[row, column] != 0
        )


def _ratios(values: FloatMatrix, maxima: FloatMatrix) -> FloatMatrix:
    """Values as shares of the maxima; NaN where the maximum is not above 0."""
    return np.divide(values, maxima, out=np.full_like(values, np.nan), where=maxima > 0)


def _highest(values: FloatMatrix, k: int) -> tuple[IntArray, IntArray]:
    """Rows and columns of the `k` highest of `values`, NaN last; of equal ones the first."""
    flat: _FloatArray = np.where(np.isnan(values), -np.inf, values).ravel()
    best = np.argpartition(-flat, min(k, flat.size) - 1)[:k]
    best = best[np.argsort(-flat[best], kind="stable")]
    rows, columns = np.unravel_index(best, values.shape)
    return rows, columns


def _or_none(ratio: np.float32) -> float | None:
    return None if np.isnan(ratio) else float(ratio)
