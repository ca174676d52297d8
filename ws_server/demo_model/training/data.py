"""The embedded model's tokenizer and token streams.

The tokenizer is a byte-level BPE with GPT-2's pre-tokenisation. `<|endoftext|>` (id 0) is both BOS and EOS: it stands
before every document of a stream, and in front of every training sequence, wherever in a document that begins. So
BOS followed by arbitrary text, as in use, looks like the training text.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from ws_server.demo_model.training.corpus import Document, read_documents

BOS = "<|endoftext|>"
BOS_ID = 0
VOCABULARY = 4096

# How often a source's text is read in the time in which the standard library's is read once. Novels are small and
# good to look at; glosses are large, and hard for so small a model.
WEIGHTS = {
    "austen": 1.6,
    "mobydick": 1.6,
    "bible": 1.2,
    "stdlib": 1.0,
    "pydocs": 0.6,
    "wordnet": 0.5,
    "jargon": 1.2,
}

Tokens = npt.NDArray[np.uint16]


def train_tokenizer(documents: list[Document]) -> Tokenizer:
    """Learns the vocabulary from a sample that holds the sources in the proportions they are trained in."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[BOS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    largest = max(WEIGHTS.values())
    sample = [d.text for d in documents if _unit_hash(d) < WEIGHTS[d.source] / largest]
    tokenizer.train_from_iterator(sample, trainer)
    return tokenizer


def _unit_hash(document: Document) -> float:
    """A number in [0, 1) that depends only on the document's name."""
    digest = hashlib.sha256(f"order/{document.source}/{document.name}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def encode_documents(tokenizer: Tokenizer, documents: list[Document]) -> Tokens:
    """All documents in one stream, BOS before each: `[tokens]`."""
    stream: list[int] = []
    for encoding in tokenizer.encode_batch([d.text for d in documents]):
        stream.append(BOS_ID)
        stream.extend(encoding.ids)
    return np.array(stream, dtype=np.uint16)


def prepare(work: Path) -> None:
    """Writes `tokens/tokenizer.json` and `tokens/{train,heldout}-SOURCE.npy`, unless they are there."""
    folder = work / "tokens"
    if (folder / "done").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    training = read_documents(work / "corpus/train.jsonl")
    tokenizer = train_tokenizer(training)
    tokenizer.save(str(folder / "tokenizer.json"))
    for part, documents in (("train", training), ("heldout", read_documents(work / "corpus/heldout.jsonl"))):
        for source in WEIGHTS:
            # Shuffled, so that neighbours in a stream are not neighbours in a book.
            chosen = sorted((d for d in documents if d.source == source), key=_unit_hash)
            np.save(folder / f"{part}-{source}.npy", encode_documents(tokenizer, chosen))
    (folder / "done").touch()


def load_tokens(work: Path, part: str) -> dict[str, Tokens]:
    """The token stream of each source, of the part `train` or `heldout`."""
    return {source: np.load(work / f"tokens/{part}-{source}.npy") for source in WEIGHTS}


@dataclass(frozen=True)
class Sampler:
    """Draws training sequences; the n-th one is a pure function of `n` and `seed`, so nothing need be saved.

    Sequence n starts at the place that the fraction `n * golden ratio (mod 1)` of the weighted text points to: a
    sequence of low discrepancy, by which every batch holds the sources in their proportions, and every stretch of
    text comes up equally often.
    """

    stream: Tokens  # all sources, one after another
    starts: npt.NDArray[np.float64]  # [sources + 1] cumulated share of the sources
    offsets: npt.NDArray[np.int64]  # [sources + 1] where each source lies in the stream
    seed: int

    @classmethod
    def of(cls, tokens: dict[str, Tokens], seed: int) -> Sampler:
        lengths = np.array([len(t) for t in tokens.values()])
        mass = lengths * np.array([WEIGHTS[source] for source in tokens])
        return cls(
            stream=np.concatenate(list(tokens.values())),
            starts=np.concatenate([[0.0], np.cumsum(mass) / mass.sum()]),
            offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
            seed=seed,
        )

    def batch(self, first: int, count: int, length: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Inputs and targets `[count, length]` of the sequences `first .. first + count`.

        An input is BOS and `length - 1` tokens; its targets are these tokens and the one that follows.
        """
        step, phase = 0x9E3779B97F4A7C15, self.seed * 0xD1B54A32D192ED03
        inputs = np.empty((count, length), dtype=np.int64)
        targets = np.empty((count, length), dtype=np.int64)
        for row in range(count):
            at = ((first + row) * step + phase) % 2**64 / 2**64
            place = int(np.interp(at, self.starts, self.offsets))
            targets[row] = self.stream[min(place, len(self.stream) - length) :][:length]
            inputs[row, 0] = BOS_ID
            inputs[row, 1:] = targets[row, :-1]
        return inputs, targets
