"""Finds neurons that a person recognises at sight, by evidence from held-out text.

A *detector* marks the tokens of a class that anybody can see: digits, opening quotation marks, indentation. For each
detector the neuron is sought whose highest activations over the held-out text fall on that class most exactly,
measured by average precision (the area under precision over recall when tokens are ranked by activation). The
opening shows the best of them, of all layers, on a text in which each of them fires strongly.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ws_server.demo_model.training.activations import Evaluated

Mask = npt.NDArray[np.bool_]

OPENING_TEXT = '''"My dear Mr. Harding," said Mrs. Dale one morning, "have you heard that the old house is let \
at last?" He had not; but she had counted 25 carriages since June 1811, and could not be silent.

1:3 And God said, Let there be light: and there was light.
1:4 And God saw the light, that it was good; and he blessed thee, and thy children.

class Ledger(Account):
    """Counts pounds and pence."""

    def add(self, name, amount=0):
        # An unknown name is an error.
        if name not in self.names:
            raise KeyError(name)
        self.total += amount * 240
        return self.total
'''


@dataclass(frozen=True)
class Detector:
    """A class of tokens: those whose last character lies in a match of `pattern`."""

    name: str
    pattern: str

    def mask(self, text: str, stops: npt.NDArray[np.int64]) -> Mask:
        """Which tokens of a text belong to the class; `stops` are their ends in code points: `[tokens]`."""
        inside = np.zeros(len(text), dtype=np.bool_)
        for match in re.finditer(self.pattern, text, re.MULTILINE):
            inside[match.start() : match.end()] = True
        result: Mask = inside[stops - 1]
        return result


DETECTORS = tuple(
    Detector(name, pattern)
    for name, pattern in {
        "digits": r"\d+",
        "verse numbers": r"^\d+:\d+",
        "years": r"\b1[5-9]\d\d\b",
        "opening quotation marks": r'(?:(?<=\s)|^)"(?=\w)',
        "closing quotation marks": r'(?<=[.,!?])"(?=\s|$)',
        "quoted speech": r'(?:(?<=\s)|^)"[A-Z][^"\n]{1,600}"',
        "line ends": r"\n",
        "empty lines": r"\n\n",
        "indentation": r"^[ ]+(?=\S)",
        "commas": r",",
        "full stops that end a sentence": r"(?<=[a-z])\.(?=\s|$)",
        "semicolons": r";",
        "colons": r":",
        "dashes": r"--",
        "opening brackets": r"[(\[{]",
        "closing brackets": r"[)\]}]",
        "equals signs": r"=",
        "underscores": r"_",
        "self": r"\bself\b",
        "attributes after a dot": r"(?<=[a-z]\.)[a-z]\w*",
        "comments in code": r"(?:^|(?<=\s))# .*$",
        "Python keywords": r"^ *(?:def|class|return|if|elif|else|import|try|except|raise)\b(?=[^\n]*[:()_=]|\s*$)",
        "def and class": r"^\s*(?:def|class)\b",
        "import": r"^\s*(?:import|from)\b",
        "exception names": r"\b[A-Z]\w*(?:Error|Exception|Warning)\b",
        "True, False and None": r"\b(?:True|False|None)\b",
        "triple quotes": r'"""',
        "all capitals": r"\b[A-Z]{2,}\b",
        "capitalised words inside a sentence": r"(?<=[a-z,] )[A-Z][a-z]+",
        "titles (Mr., Mrs., Miss, Sir)": r"\b(?:Mr|Mrs|Miss|Sir|Lady|Captain|Colonel|Dr)\b\.?",
        "names after a title": r"(?<=\bMr\. |\bSir )[A-Z][a-z]+|(?<=\bMrs\. |\bMiss |\bLady )[A-Z][a-z]+",
        "God and the LORD": r"\b(?:God|LORD|Lord)\b",
        "biblical words": r"\b(?:thou|thee|thy|ye|unto|hath|shalt|saith|thine|hast|behold|begat)\b",
        "the": r"\b[Tt]he\b",
        "of": r"\bof\b",
        "to": r"\bto\b",
        "and": r"\b[Aa]nd\b",
        "or": r"\bor\b",
        "not and n't": r"\bnot\b|n't\b",
        "forms of to be": r"\b(?:is|are|was|were|be|been|being|am)\b",
        "modal verbs": r"\b(?:would|could|should|might|must|may|can|will|shall)\b",
        "she, her": r"\b(?:[Ss]he|[Hh]er|hers|herself)\b",
        "he, him, his": r"\b(?:[Hh]e|[Hh]im|[Hh]is|himself)\b",
        "I, me, my": r"\b(?:I|me|my|myself)\b",
        "verbs of saying": r"\b(?:said|cried|replied|answered|saith|exclaimed|spake|says)\b",
        "words in -ing": r"\b\w+ing\b",
        "words in -ed": r"\b\w{2,}ed\b",
        "words in -ly": r"\b\w{2,}ly\b",
        "part of speech in a gloss": r"\((?:noun|verb|adj|adv)\)",
        "sea and whaling": r"\b(?:whale|ship|sea|boat|sail|deck|ocean|whaling|harpoon)\w*",
        "family words": r"\b(?:father|mother|sister|brother|son|daughter|wife|husband|uncle|aunt|cousin)s?\b",
        "verses": r"^\d+:\d+ .*$",
        "dictionary entries": r"^[^(\n]+ \((?:noun|verb|adj|adv)\): .*$",
        "lines of code": r"^ {4,}\S.*[()=:]$",
        "text in brackets": r"(?<=\()[^()\n]{2,200}(?=\))",
        "the last token of a line": r"[^\s](?=\n)",
        "the first token of a line": r"(?:^|(?<=\n))[^\s]+",
        "the first word of a quotation": r'(?:(?<=\s")|(?<=^"))\w+',
        "words before a comma": r"\w(?=,)",
        "words before a full stop": r"\w(?=\.(?:\s|$))",
        "names before a bracket": r"\w(?=\()",
        "names before a dot": r"\w(?=\.[a-z_])",
        "words before of": r"\w(?= of\b)",
        "words before the": r"\w(?= the\b)",
        "number words": r"\b(?:two|three|four|five|six|seven|eight|nine|ten|twenty|hundred|thousand)\b",
    }.items()
)


def detect(evaluated: Evaluated, detectors: Sequence[Detector] = DETECTORS) -> dict[str, Mask]:
    """The mask `[tokens]` of each detector over all evaluated tokens."""
    masks = {detector.name: np.zeros(len(evaluated.ids), dtype=np.bool_) for detector in detectors}
    edges = np.searchsorted(evaluated.document, np.arange(len(evaluated.texts) + 1))
    for index, text in enumerate(evaluated.texts):
        part = slice(edges[index], edges[index + 1])
        for detector in detectors:
            masks[detector.name][part] = detector.mask(text, evaluated.stops[part])
    return masks


def average_precision(values: npt.NDArray[np.float32], labels: Mask) -> float:
    """Mean precision at the places of the positives when tokens are ranked by falling value."""
    hits = labels[np.argsort(-values, kind="stable")]
    ranks = np.flatnonzero(hits) + 1
    return float((np.arange(1, len(ranks) + 1) / ranks).mean())


def area_under_curve(values: npt.NDArray[np.float32], labels: Mask) -> float:
    """Probability that a positive has a higher value than a negative (ties count half)."""
    order = np.sort(values)
    ranks = (np.searchsorted(order, values, "left") + np.searchsorted(order, values, "right") + 1) / 2
    positives = int(labels.sum())
    above = ranks[labels].sum() - positives * (positives + 1) / 2
    return float(above / (positives * (len(values) - positives)))


@dataclass(frozen=True)
class Finding:
    """How well one neuron stands for one detector."""

    layer: int
    neuron: int
    detector: str
    average_precision: float
    area_under_curve: float
    top_hits: float
    """Share of the 100 highest activations that fall on the class."""
    share: float
    """Share of all tokens that are of the class: what chance would give."""

    @property
    def key(self) -> str:
        return f"L{self.layer}N{self.neuron}"


def search(evaluated: Evaluated, masks: dict[str, Mask], *, screened: int = 50_000, kept: int = 2) -> list[Finding]:
    """The best neurons of each detector, best first.

    All neurons are screened on a part of the tokens by their precision among as many highest activations as the
    class has members; average precision over all tokens then decides among the best of each layer.
    """
    values = evaluated.values  # [layers, neurons, tokens]
    layers, neurons, tokens = values.shape
    sample = np.unique(np.linspace(0, tokens - 1, min(screened, tokens)).astype(np.int64))
    names = [name for name, mask in masks.items() if mask[sample].sum() >= 20]
    labels = np.stack([masks[name][sample] for name in names])  # [detectors, sample]
    counts = labels.sum(1)
    precision = np.empty((len(names), layers, neurons), dtype=np.float32)
    for layer in range(layers):
        for neuron in range(neurons):
            row = values[layer, neuron][sample]
            order = np.argsort(-row)[: counts.max()]
            running = np.cumsum(labels[:, order], axis=1)
            precision[:, layer, neuron] = running[np.arange(len(names)), counts - 1] / counts
    findings = []
    for index, name in enumerate(names):
        for layer in range(layers):
            for neuron in np.argsort(-precision[index, layer])[:kept]:
                row, mask = values[layer, neuron], masks[name]
                top = np.argpartition(-row, 100)[:100]
                findings.append(
                    Finding(
                        layer,
                        int(neuron),
                        name,
                        average_precision(row, mask),
                        area_under_curve(row, mask),
                        float(mask[top].mean()),
                        float(mask.mean()),
                    )
                )
    return sorted(findings, key=lambda finding: -finding.average_precision)


def top_examples(evaluated: Evaluated, finding: Finding, count: int = 8) -> list[dict[str, Any]]:
    """The strongest held-out examples of a neuron, at most one a document, strongest first."""
    row = evaluated.values[finding.layer, finding.neuron]
    examples: list[dict[str, Any]] = []
    seen: set[int] = set()
    for token in np.argsort(-row):
        document = int(evaluated.document[token])
        if document not in seen:
            seen.add(document)
            before, text, after = evaluated.around(int(token))
            examples.append({"before": before, "token": text, "after": after, "activation": float(row[token])})
        if len(examples) == count:
            break
    return examples


def firing(findings: Sequence[Finding], opening: Evaluated, maxima: npt.NDArray[np.float32]) -> dict[Finding, float]:
    """The highest activation in the opening text over that in held-out text; 0 where it is not on the class.

    Args:
        findings: neurons and their classes.
        opening: the opening text, evaluated.
        maxima: highest activations in held-out text, `[layers, neurons]`.
    """
    masks = detect(opening)
    fires = {}
    for finding in findings:
        values = opening.values[finding.layer, finding.neuron]
        strongest = int(values.argmax())
        in_class = bool(masks[finding.detector][strongest])
        fires[finding] = float(values[strongest] / maxima[finding.layer, finding.neuron]) if in_class else 0.0
    return fires


def choose(findings: Sequence[Finding], fires: dict[Finding, float], count: int = 8) -> list[Finding]:
    """The neurons of the opening: different classes, different neurons, at most three a layer.

    Args:
        findings: best first.
        fires: what `firing` returns.
    """
    chosen: list[Finding] = []

    def take(candidates: Iterable[Finding], most: int) -> None:
        for finding in candidates:
            others = [c for c in chosen if c.layer == finding.layer]
            same_kind = any({finding.detector, c.detector} <= group for c in chosen for group in RELATED)
            known = any(finding.detector == c.detector or finding.key == c.key for c in chosen)
            if len(chosen) < count and len(others) < most and not same_kind and not known:
                chosen.append(finding)

    fit = [finding for finding in findings if finding.top_hits >= 0.9 and fires[finding] >= 0.5]
    # The deepest layers choose first: they have fewer neurons that are plain to see.
    for layer in sorted({finding.layer for finding in fit}, reverse=True):
        take((finding for finding in fit if finding.layer == layer), most=2)
    take(fit, most=3)
    return sorted(chosen, key=lambda finding: (finding.layer, finding.neuron))


RELATED = (
    {"digits", "verse numbers", "years", "number words"},
    {"verses", "biblical words"},
    {"opening quotation marks", "closing quotation marks", "quoted speech", "the first word of a quotation"},
    {"line ends", "empty lines", "the first token of a line", "the last token of a line"},
    {"titles (Mr., Mrs., Miss, Sir)", "names after a title", "capitalised words inside a sentence"},
    {"def and class", "Python keywords", "import", "lines of code"},
    {"names before a bracket", "opening brackets", "names before a dot"},
    {"words before a comma", "words before a full stop", "words before of", "words before the"},
    {"text in brackets", "closing brackets"},
    {"God and the LORD", "biblical words"},
    {"commas", "semicolons", "colons", "dashes", "full stops that end a sentence"},
    {"opening brackets", "closing brackets"},
    {"she, her", "he, him, his", "I, me, my"},
    {"the", "of", "to", "and", "or"},
)
"""Of each of these groups the opening shows at most one."""
