"""Count-based language models over the same tokens: what the embedded model has to beat.

The unigram model is add-one smoothed. The trigram model is interpolated modified Kneser-Ney (Chen & Goodman,
"An empirical study of smoothing techniques for language modeling", 1998, section 3), with the discounts
estimated from the counts of counts, and a uniform distribution below the unigrams.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Unigram:
    """Token frequencies."""

    log_probabilities: Floats  # [vocabulary]

    @classmethod
    def fit(cls, stream: Ints, vocabulary: int) -> Unigram:
        counts = np.bincount(stream, minlength=vocabulary) + 1.0
        return cls(np.log(counts / counts.sum()))

    def score(self, stream: Ints) -> Floats:
        """Log probability, in nats, of each token: `[tokens]`."""
        return self.log_probabilities[stream]


@dataclass(frozen=True)
class _Level:
    """Discounted counts of one n-gram order, n-grams and their contexts as integers in rising order."""

    grams: Ints
    probabilities: Floats  # of a gram's last token after its context, discounted
    contexts: Ints
    remainders: Floats  # probability left over for the lower order

    @classmethod
    def fit(cls, grams: Ints, counts: Ints, vocabulary: int) -> _Level:
        frequency = np.bincount(np.minimum(counts, 5), minlength=6)[1:5].astype(np.float64)  # of the counts 1..4
        base = frequency[0] / max(1.0, frequency[0] + 2 * frequency[1])
        discounts = np.zeros(4)
        for n in (1, 2, 3):
            # Tiny texts may lack some count; any discount between 0 and n gives a proper distribution.
            estimate = n - (n + 1) * base * frequency[n] / frequency[n - 1] if frequency[n - 1] else n / 2
            discounts[n] = min(max(estimate, 0.01), n - 0.01)
        discount = discounts[np.minimum(counts, 3)]
        contexts, where = np.unique(grams // vocabulary, return_inverse=True)
        totals = np.bincount(where, weights=counts)
        return cls(
            grams,
            (counts - discount) / totals[where],
            contexts,
            np.bincount(where, weights=discount) / totals,
        )

    def interpolate(self, grams: Ints, vocabulary: int, lower: Floats) -> Floats:
        """Probabilities of the last tokens of `grams`, given those of the lower order."""
        at = np.minimum(np.searchsorted(self.grams, grams), len(self.grams) - 1)
        own = np.where(self.grams[at] == grams, self.probabilities[at], 0.0)
        contexts = grams // vocabulary
        at = np.minimum(np.searchsorted(self.contexts, contexts), len(self.contexts) - 1)
        remainder = np.where(self.contexts[at] == contexts, self.remainders[at], 1.0)
        return own + remainder * lower


def _trigrams(stream: Ints, vocabulary: int, boundary: int) -> Ints:
    """Each token with the two before it as one integer; before the stream there are boundary tokens."""
    padded = np.concatenate([[boundary, boundary], stream])
    grams: Ints = (padded[:-2] * vocabulary + padded[1:-1]) * vocabulary + padded[2:]
    return grams


@dataclass(frozen=True)
class Trigram:
    """Interpolated modified Kneser-Ney of order 3."""

    vocabulary: int
    boundary: int
    levels: tuple[_Level, ...]  # trigrams, bigrams, unigrams

    @classmethod
    def fit(cls, stream: Ints, vocabulary: int, boundary: int) -> Trigram:
        grams, counts = np.unique(_trigrams(stream, vocabulary, boundary), return_counts=True)
        levels = [_Level.fit(grams, counts, vocabulary)]
        for order in (2, 1):
            # Lower orders count in how many different contexts a gram was met, not how often.
            grams, counts = np.unique(grams % vocabulary**order, return_counts=True)
            levels.append(_Level.fit(grams, counts, vocabulary))
        return cls(vocabulary, boundary, tuple(levels))

    def score(self, stream: Ints) -> Floats:
        """Log probability, in nats, of each token after the two before it: `[tokens]`."""
        trigrams = _trigrams(stream, self.vocabulary, self.boundary)
        probabilities = np.full(len(stream), 1.0 / self.vocabulary)
        for order, level in zip((1, 2, 3), reversed(self.levels), strict=True):
            probabilities = level.interpolate(trigrams % self.vocabulary**order, self.vocabulary, probabilities)
        scores: Floats = np.log(probabilities)
        return scores
