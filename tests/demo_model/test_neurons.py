"""Detectors mark what they say, and the figures of selectivity are what their names say."""

from __future__ import annotations

import numpy as np
import pytest

from ws_server.demo_model.training.activations import Evaluated
from ws_server.demo_model.training.neurons import (
    DETECTORS,
    OPENING_TEXT,
    Finding,
    area_under_curve,
    average_precision,
    choose,
    search,
    top_examples,
)

BY_NAME = {detector.name: detector for detector in DETECTORS}


def marked(name: str, text: str) -> str:
    """The characters of a text that a detector marks, when each character is a token."""
    mask = BY_NAME[name].mask(text, np.arange(1, len(text) + 1))
    return "".join(character for character, inside in zip(text, mask, strict=True) if inside)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("digits", "in 1811, 25 of", "181125"),
        ("verse numbers", "1:3 And 2:4\n12:31 The", "1:312:31"),
        ("opening quotation marks", 'said "No" and "Yes"', '""'),
        ("quoted speech", 'He: "No, it is." then', '"No, it is."'),
        ("indentation", "def f():\n    return 1\n", "    "),
        ("titles (Mr., Mrs., Miss, Sir)", "Mr. Dale and Mrs. Dale", "Mr.Mrs."),
        ("names after a title", "Mr. Dale saw Miss Elliot", "DaleElliot"),
        ("self", "self.x = selfish", "self"),
        ("attributes after a dot", "self.total = os.path", "totalpath"),
        ("exception names", "raise KeyError(name)", "KeyError"),
    ],
)
def test_a_detector_marks_its_class(name: str, text: str, expected: str) -> None:
    assert marked(name, text) == expected


def test_selectivity_agrees_with_its_definition() -> None:
    random = np.random.default_rng(0)
    values = random.normal(size=200).round(1).astype(np.float32)  # with ties
    labels = random.random(200) < 0.2
    pairs = values[labels][:, None] - values[~labels][None, :]
    assert area_under_curve(values, labels) == pytest.approx((pairs > 0).mean() + (pairs == 0).mean() / 2)
    ranked = sorted(range(200), key=lambda i: -values[i])
    precisions = [labels[ranked[: n + 1]].mean() for n in range(200) if labels[ranked[n]]]
    assert average_precision(values, labels) == pytest.approx(np.mean(precisions))


def evaluated(layers: int = 2, neurons: int = 12, tokens: int = 3000) -> Evaluated:
    """Noise over a text of letters."""
    values = np.random.default_rng(1).normal(size=(layers, neurons, tokens)).astype(np.float32)
    return Evaluated(
        texts=("a" * (tokens // 2), "b" * (tokens // 2)),
        document=np.repeat([0, 1], tokens // 2),
        ids=np.zeros(tokens, dtype=np.int64),
        starts=np.tile(np.arange(tokens // 2), 2),
        stops=np.tile(np.arange(tokens // 2) + 1, 2),
        values=values,
    )


def test_the_search_finds_a_planted_neuron_and_its_examples() -> None:
    text = evaluated()
    mask = np.random.default_rng(2).random(3000) < 0.05
    text.values[1, 7][mask] += 9
    (best, *_) = search(text, {"planted": mask})
    assert (best.key, best.detector) == ("L1N7", "planted")
    assert best.average_precision > 0.99
    assert best.top_hits == 1.0
    first, second = top_examples(text, best, count=2)
    assert first["activation"] == text.values[1, 7].max() > second["activation"]
    assert {first["token"], second["token"]} == {"a", "b"}


def test_the_choice_spreads_over_layers_and_classes() -> None:
    findings = [
        Finding(0, n, name, 0.9 - n / 100, 0.99, 1.0, 0.01)
        for n, name in enumerate(["digits", "verse numbers", "self", "line ends", "commas", "of"])
    ]
    findings.append(Finding(1, 0, "indentation", 0.5, 0.9, 0.95, 0.01))
    fires = dict.fromkeys(findings, 0.9) | {findings[2]: 0.1}
    chosen = [(finding.layer, finding.detector) for finding in choose(findings, fires)]
    assert chosen == [(0, "digits"), (0, "line ends"), (0, "commas"), (1, "indentation")]


def test_the_opening_text_holds_what_is_looked_for() -> None:
    for name in ("digits", "verse numbers", "opening quotation marks", "indentation", "self", "exception names", "of"):
        if name != "of":
            assert marked(name, OPENING_TEXT)
