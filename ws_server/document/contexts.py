"""Where a document longer than the model's context is divided.

The division depends only on the tokens and the text, so it can be reproduced. Each context takes as many tokens as fit,
but ends with the last paragraph that ends in its last quarter, or else with the last line that does. So most edits move
only a few breaks.
"""

from __future__ import annotations

import numpy as np

from .tokens import BoolArray, IntArray


def break_points(text: str, starts: IntArray, stops: IntArray, limit: int) -> list[int]:
    """Indices of the tokens that begin the second and later contexts.

    Args:
        text: the document.
        starts, stops: spans of its tokens in code points, [tokens].
        limit: the most tokens that one context can take, its BOS not counted; at least 1.
    """
    count = len(starts)
    if count <= limit:
        return []
    quality = _break_quality(text, starts, stops)
    breaks: list[int] = []
    start = 0
    while count - start > limit:
        # A context of `size` tokens ends before token `start + size`.
        earliest, latest = start + max(1, limit - limit // 4), start + limit
        window = quality[earliest : latest + 1][::-1]
        start = latest - int(np.argmax(window))  # the last of the best
        breaks.append(start)
    return breaks


def _break_quality(text: str, starts: IntArray, stops: IntArray) -> IntArray:
    """How well a context can begin at each token, [tokens]: 3 after a paragraph, 2 after a line, 1 between characters,
    0 inside a character that several tokens share."""
    quality = np.ones(len(starts), dtype=np.int64)
    quality[1:][starts[1:] < stops[:-1]] = 0
    line_end = _ends_with(text, stops, "\n")
    paragraph_end = _ends_with(text, stops, "\n\n") | _ends_with(text, stops, "\n\r\n")
    quality[1:][line_end[:-1]] = 2
    quality[1:][paragraph_end[:-1]] = 3
    return quality


def _ends_with(text: str, stops: IntArray, ending: str) -> BoolArray:
    """Whether the text before each of `stops` ends with `ending`, [tokens]."""
    ends = np.zeros(len(text) + 1, dtype=np.bool_)
    position = text.find(ending)
    while position >= 0:
        ends[position + len(ending)] = True
        position = text.find(ending, position + 1)
    result: BoolArray = ends[stops]
    return result
