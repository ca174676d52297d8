"""Held-out figures of a model folder, beside a unigram and a trigram model over the same tokens, and samples.

    python -m ws_server.demo_model.training.evaluate

All three models predict every token of every held-out document. The network sees it in contexts of BOS and at most
`context - 1` tokens, one after another without overlap, so at the head of a context it knows nothing of what came
before; the trigram model always sees the two tokens before. Both are fitted on the whole training text.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from rich.progress import track
from transformers import AutoModelForCausalLM, AutoTokenizer

from ws_server.demo_model.training.corpus import DEFAULT_WORK, read_documents
from ws_server.demo_model.training.data import BOS_ID, WEIGHTS, load_tokens
from ws_server.demo_model.training.ngram import Ints, Trigram, Unigram
from ws_server.engine.catalog import EMBEDDED_FOLDER

PROMPTS = (
    "CHAPTER I\n\n",
    "She was not at all",
    "1:1 And it came to pass",
    "captain (noun):",
    "class Stack:\n    def __init__(self",
    "    def close(self):\n        if self.",
)


def load(folder: Path) -> Any:
    """The model of a folder, float32."""
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)  # in evaluation mode


def model_scores(model: Any, stream: Ints) -> npt.NDArray[np.float64]:
    """Log probability, in nats, of each token of one document (no BOS in it): `[tokens]`."""
    size = int(model.config.n_positions)
    scores = []
    for start in range(0, len(stream), size):
        # BOS and size - 1 tokens predict size tokens.
        target = torch.from_numpy(stream[start : start + size])
        context = torch.cat([torch.tensor([BOS_ID]), target[:-1]])
        with torch.no_grad():
            logits = model(context[None]).logits[0]  # [tokens, vocabulary]
        scores.append(-torch.nn.functional.cross_entropy(logits, target, reduction="none").double().numpy())
    return np.concatenate(scores)


def documents_of(stream: Ints) -> list[Ints]:
    """Splits a stream at its BOS tokens, which are left out."""
    return [part[1:] for part in np.split(stream, np.flatnonzero(stream == BOS_ID)) if len(part) > 1]


def figures(nats: float, tokens: int, size: int) -> dict[str, float]:
    """Nats a token and bits a byte."""
    return {"nats_per_token": nats / tokens, "bits_per_byte": nats / math.log(2) / size}


def evaluate(folder: Path, work: Path) -> dict[str, Any]:
    """Figures of network, unigram and trigram, in all and by source."""
    model = load(folder)
    vocabulary = int(model.config.vocab_size)
    train, held_out = ({s: t.astype(np.int64) for s, t in load_tokens(work, p).items()} for p in ("train", "heldout"))
    # Two boundary tokens before each document, so that the trigram model never looks into the one before.
    padded = np.concatenate([np.repeat(t, 1 + (t == BOS_ID)) for t in train.values()])
    trigram = Trigram.fit(padded, vocabulary, BOS_ID)
    unigram = Unigram.fit(padded[padded != BOS_ID], vocabulary)
    sizes = dict.fromkeys(WEIGHTS, 0)
    for document in read_documents(work / "corpus/heldout.jsonl"):
        sizes[document.source] += len(document.text.encode("utf-8"))
    nats: dict[str, dict[str, float]] = {}
    tokens: dict[str, int] = {}
    for source, stream in track(held_out.items(), "Held-out text"):
        documents = documents_of(stream)
        tokens[source] = sum(map(len, documents))
        nats[source] = {
            "network": -sum(float(model_scores(model, document).sum()) for document in documents),
            "trigram": -sum(float(trigram.score(document).sum()) for document in documents),
            "unigram": -sum(float(unigram.score(document).sum()) for document in documents),
        }
    result: dict[str, Any] = {"sources": {}}
    for source, of_models in nats.items():
        result["sources"][source] = {"tokens": tokens[source], "bytes": sizes[source]} | {
            name: figures(value, tokens[source], sizes[source]) for name, value in of_models.items()
        }
    total, size = sum(tokens.values()), sum(sizes.values())
    result["all"] = {"tokens": total, "bytes": size} | {
        name: figures(sum(of_models[name] for of_models in nats.values()), total, size)
        for name in ("network", "trigram", "unigram")
    }
    return result


def samples(folder: Path, prompts: Sequence[str] = PROMPTS, seed: int = 1) -> list[dict[str, str]]:
    """What the model writes after each prompt: temperature 0.8, from the 40 likeliest tokens."""
    model = load(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    written = []
    torch.manual_seed(seed)
    for prompt in prompts:
        ids = torch.tensor([[BOS_ID, *tokenizer(prompt, add_special_tokens=False)["input_ids"]]])
        answer = model.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=120, do_sample=True, temperature=0.8, top_k=40,
            pad_token_id=BOS_ID,
        )  # fmt: skip
        written.append(
            {"prompt": prompt, "text": str(tokenizer.decode(answer[0, ids.shape[1] :], skip_special_tokens=True))}
        )
    return written


def main() -> None:
    parser = argparse.ArgumentParser(description="Held-out figures and samples of the embedded model.")
    parser.add_argument("--work", type=Path, default=DEFAULT_WORK, help="work folder (default: %(default)s)")
    parser.add_argument("--folder", type=Path, default=EMBEDDED_FOLDER, help="model (default: %(default)s)")
    options = parser.parse_args()
    print(json.dumps({**evaluate(options.folder, options.work), "samples": samples(options.folder)}, indent=2))


if __name__ == "__main__":
    main()
