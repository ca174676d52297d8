"""The tokenizer and the order in which training sequences are drawn."""

from __future__ import annotations

import numpy as np

from ws_server.demo_model.training.corpus import Document
from ws_server.demo_model.training.data import BOS, BOS_ID, WEIGHTS, Sampler, encode_documents, train_tokenizer

TEXTS = [
    "def add(self, n):\n    return self.n + n\n",
    '1:3 And God said, "Let there be light".\n',
    "naïve 🎉\x00 café\n",
]


def make_sampler(seed: int = 1) -> Sampler:
    """Two sources whose tokens tell where they stand: 0..999 and 1000..3999."""
    return Sampler.of(
        {"austen": np.arange(1000, dtype=np.uint16), "stdlib": np.arange(1000, 4000, dtype=np.uint16)}, seed
    )


def test_any_text_survives_the_tokenizer_and_bos_is_the_first_id() -> None:
    documents = [Document("stdlib", str(i), text) for i, text in enumerate(TEXTS * 40)]
    tokenizer = train_tokenizer(documents)
    assert tokenizer.token_to_id(BOS) == BOS_ID
    for text in [*TEXTS, "\ufffd\u2028 漢字"]:
        assert tokenizer.decode(tokenizer.encode(text).ids) == text
    stream = encode_documents(tokenizer, documents[:2])
    assert list(np.flatnonzero(stream == BOS_ID)) == [0, 1 + len(tokenizer.encode(TEXTS[0]).ids)]


def test_a_sequence_is_bos_and_text_and_its_targets_are_the_text_one_token_on() -> None:
    inputs, targets = make_sampler().batch(5, 7, 16)
    assert inputs.shape == targets.shape == (7, 16)
    assert (inputs[:, 0] == BOS_ID).all()
    assert np.array_equal(inputs[:, 1:], targets[:, :-1])
    assert (np.diff(targets, axis=1) == 1).all()


def test_a_sequence_depends_on_its_number_and_the_seed_alone() -> None:
    sampler = make_sampler()
    whole, parts = sampler.batch(0, 6, 8)[1], [sampler.batch(n, 1, 8)[1] for n in range(6)]
    assert np.array_equal(whole, np.concatenate(parts))
    assert not np.array_equal(whole, make_sampler(seed=2).batch(0, 6, 8)[1])


def test_sources_come_in_their_proportions_and_all_text_equally_often() -> None:
    starts = make_sampler().batch(0, 4600, 1)[1][:, 0]
    share = 1000 * WEIGHTS["austen"] / (1000 * WEIGHTS["austen"] + 3000 * WEIGHTS["stdlib"])
    assert abs((starts < 1000).mean() - share) < 0.002
    hits = np.histogram(starts[starts >= 1000], bins=100)[0]
    assert hits.max() - hits.min() <= 3
