"""The count-based models are proper distributions and agree with a slow, literal version."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from ws_server.demo_model.training.ngram import Ints, Trigram, Unigram

VOCABULARY = 7


@pytest.fixture
def stream() -> Ints:
    return np.random.default_rng(5).choice(VOCABULARY, size=400, p=np.arange(1, 8) / 28).astype(np.int64)


@pytest.mark.parametrize("context", [(1, 2), (6, 6), (0, 0), (5, 1)])
def test_probabilities_of_all_next_tokens_add_up_to_one(stream: Ints, context: tuple[int, int]) -> None:
    trigram = Trigram.fit(stream[:40], VOCABULARY, 0)
    last = [np.exp(trigram.score(np.array([*context, token]))[-1]) for token in range(VOCABULARY)]
    assert sum(last) == pytest.approx(1.0, abs=1e-12)
    assert min(last) > 0


def slow_trigram(stream: Ints, query: tuple[int, int, int]) -> float:
    """Interpolated modified Kneser-Ney as it is written in the paper, with dictionaries."""
    padded = [0, 0, *stream.tolist()]
    levels = [Counter(zip(padded, padded[1:], padded[2:], strict=False))]
    for _ in range(2):
        levels.append(Counter(gram[1:] for gram in levels[-1]))
    probability = 1 / VOCABULARY
    for order, counts in ((1, levels[2]), (2, levels[1]), (3, levels[0])):
        n = {k: sum(1 for c in counts.values() if c == k) for k in range(1, 5)}
        base = n[1] / max(1, n[1] + 2 * n[2])

        def discount(count: int, n: dict[int, int] = n, base: float = base) -> float:
            k = min(count, 3)
            return min(max(k - (k + 1) * base * n[k + 1] / n[k] if n[k] else k / 2, 0.01), k - 0.01)

        gram = query[3 - order :]
        of_context = {g: c for g, c in counts.items() if g[:-1] == gram[:-1]}
        total = sum(of_context.values())
        if total:
            own = max(counts.get(gram, 0) - discount(counts[gram]), 0.0) if gram in counts else 0.0
            probability = own / total + sum(map(discount, of_context.values())) / total * probability
    return probability


def test_the_trigram_model_is_the_one_of_the_paper(stream: Ints) -> None:
    trigram = Trigram.fit(stream, VOCABULARY, 0)
    scores = trigram.score(np.array([3, 6, 5, 5, 1, 0, 2]))
    queries = [(0, 0, 3), (0, 3, 6), (3, 6, 5), (6, 5, 5), (5, 5, 1), (5, 1, 0), (1, 0, 2)]
    assert np.exp(scores) == pytest.approx([slow_trigram(stream, query) for query in queries], rel=1e-12)


def test_the_unigram_model_counts(stream: Ints) -> None:
    unigram = Unigram.fit(stream, VOCABULARY)
    expected = (np.sum(stream == 6) + 1) / (len(stream) + VOCABULARY)
    assert np.exp(unigram.score(np.array([6, 6]))) == pytest.approx([expected, expected])
