"""From activations to terminal colours and bars."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from rich.color import Color, blend_rgb
from rich.color_triplet import ColorTriplet
from rich.style import Style

from ..client.table import FloatMatrix

INKS = tuple(
    ColorTriplet(*rgb)
    for rgb in (
        (240, 120, 23),
        (31, 107, 178),
        (58, 179, 111),
        (242, 115, 220),
        (229, 190, 75),
        (89, 225, 234),
        (162, 78, 104),
        (128, 81, 244),
        (125, 112, 3),
    )
)
"""Colours of the rows in turn, the same as on the page in its dark theme."""
SLATE = ColorTriplet(128, 138, 150)
"""The colour of values below zero, of every neuron."""
GROUND = ColorTriplet(23, 25, 28)

_STEPS = 16
_CURVE = 0.62  # as on the page: most values are far below a neuron's maximum
_STRONGEST = 0.6
_LEAST_LEVEL = 0.999
_BARS = " ▁▂▃▄▅▆▇█"


def reach(neuron: Mapping[str, Any], values: FloatMatrix) -> float:
    """The value at which a neuron's colour is strongest: a high quantile on held-out text if there are statistics,
    otherwise the largest magnitude in `values`."""
    statistics = neuron.get("statistics")
    if statistics is not None:
        levels = sorted((float(level), value) for level, value in statistics.get("quantiles", {}).items())
        high = next((float(value) for level, value in levels if level >= _LEAST_LEVEL), float(statistics["max"]))
        return max(abs(high), 1e-6)
    finite = np.abs(values[np.isfinite(values)])
    return float(finite.max()) if finite.size and finite.max() > 0 else 1.0


def wash(value: float, reach: float, ink: ColorTriplet) -> Style:
    """The style of a token's text: the stronger the value, the stronger its background."""
    step = round(min(abs(value) / reach, 1.0) * _STEPS) if math.isfinite(value) else 0
    return Style.null() if step == 0 else _background(ink if value > 0 else SLATE, step)


@lru_cache(maxsize=1024)
def _background(ink: ColorTriplet, step: int) -> Style:
    share = _STRONGEST * (step / _STEPS) ** _CURVE
    return Style(bgcolor=Color.from_triplet(blend_rgb(GROUND, ink, share)))


def bars(values: Sequence[float] | FloatMatrix, reach: float, width: int) -> str:
    """A bar chart of at most `width` characters. Where several tokens share one, the highest is shown; values below
    zero are empty."""
    row = np.nan_to_num(np.asarray(values, dtype=np.float32))
    if not row.size or width <= 0:
        return ""
    width = min(width, row.size)
    edges = np.arange(width) * row.size // width
    highest = np.maximum.reduceat(row, edges)
    last = len(_BARS) - 1
    return "".join(_BARS[step] for step in np.clip(np.ceil(highest / reach * last), 0, last).astype(int).tolist())
