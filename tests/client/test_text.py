"""Changes of a text and spans through them, against the obvious way."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ws_server.client.text import Change, applied, difference, map_spans, normalized

TEXT = st.text(alphabet="ab😀\n é", max_size=40)


@st.composite
def texts_with_changes(draw: st.DrawFn) -> tuple[str, tuple[Change, ...]]:
    text = draw(TEXT)
    edges = sorted(draw(st.lists(st.integers(0, len(text)), max_size=8)))
    pairs = list(zip(edges[::2], edges[1::2], strict=False))
    changes = [Change(start, stop, draw(st.text(alphabet="XY😀", max_size=4))) for start, stop in pairs]
    return text, normalized(draw(st.permutations(changes)), len(text))


@given(texts_with_changes())
def test_changes_are_applied_as_if_from_the_end(case: tuple[str, tuple[Change, ...]]) -> None:
    text, changes = case
    expected = text
    for change in reversed(changes):
        expected = expected[: change.start] + change.insert + expected[change.stop :]
    assert applied(text, changes) == expected
    assert all(one.stop < other.start for one, other in pairwise(changes))


@given(TEXT, TEXT)
def test_a_difference_makes_one_text_of_the_other(old: str, new: str) -> None:
    changes = difference(old, new)
    assert applied(old, changes) == new
    assert (changes == ()) == (old == new)
    for change in changes:
        # Nothing that is the same at its edges is replaced.
        replaced = old[change.start : change.stop]
        assert not (replaced and change.insert and replaced[0] == change.insert[0])
        assert not (replaced and change.insert and replaced[-1] == change.insert[-1])


@given(texts_with_changes(), st.data())
def test_spans_keep_the_characters_that_stay(case: tuple[str, tuple[Change, ...]], data: st.DataObject) -> None:
    text, changes = case
    edges = sorted(data.draw(st.lists(st.integers(0, len(text)), min_size=2, max_size=10)))
    starts, stops = np.array(edges[:-1], np.int64), np.array(edges[1:], np.int64)
    mapped = map_spans(starts, stops, changes)
    # The slow way: each character of the new text knows the place it had in the old one, or None.
    origin: list[int | None] = []
    end = 0
    for change in changes:
        origin += [*range(end, change.start), *([None] * len(change.insert))]
        end = change.stop
    origin += range(end, len(text))
    for start, stop, new_start, new_stop in zip(starts, stops, *mapped, strict=True):
        kept = [place for place in range(start, stop) if place in origin]
        inside = origin[new_start:new_stop]
        assert [place for place in inside if place is not None] == kept
        if inside:
            assert inside[0] == kept[0]
            assert inside[-1] == kept[-1]


@pytest.mark.parametrize(
    "changes",
    [
        [Change(0, 2, ""), Change(1, 3, "")],
        [Change(0, 4, "")],
        [Change(2, 1, "")],
        [Change(-1, 0, "")],
        [Change(0, 0, "\ud83d")],
    ],
)
def test_impossible_changes_are_refused(changes: list[Change]) -> None:
    with pytest.raises(ValueError, match=r"overlaps another|half a surrogate pair"):
        normalized(changes, 3)
