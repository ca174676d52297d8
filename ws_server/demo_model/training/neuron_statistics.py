"""Computes a model folder's neuron statistics and writes them beside its weights.

    python -m ws_server.demo_model.training.neuron_statistics --model FOLDER --text FILE [FILE ...]

Works for any local model folder in Hugging Face layout with a `tokenizer.json`. Without `--text` it reads the
held-out text of the embedded model. The quantiles are exact, so all activations are held in memory at once:
4 bytes for each token and neuron.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from rich.progress import track

from ws_server.demo_model.training.activations import Evaluated, boot, evaluate, tokenize
from ws_server.demo_model.training.corpus import DEFAULT_WORK, Document, read_documents
from ws_server.engine.catalog import EMBEDDED_FOLDER
from ws_server.engine.statistics import NeuronStatistics, weights_digest

LEVELS = (0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999)
HELD_OUT_CHARACTERS = 210_000
"""Most characters of one source, so that no source dominates the figures."""


def held_out_sample(work: Path) -> list[Document]:
    """The held-out documents, of each source up to `HELD_OUT_CHARACTERS`, in file order."""
    taken: dict[str, int] = {}
    sample = []
    for document in read_documents(work / "corpus/heldout.jsonl"):
        if taken.get(document.source, 0) < HELD_OUT_CHARACTERS:
            sample.append(document)
            taken[document.source] = taken.get(document.source, 0) + len(document.text)
    return sample


def summarise(evaluated: Evaluated, weights: str, text: str) -> NeuronStatistics:
    """The figures of all neurons."""
    values = evaluated.values  # [layers, neurons, tokens]
    layers, neurons, tokens = values.shape
    quantiles = np.empty((layers, neurons, len(LEVELS)), dtype=np.float32)
    mean, std = np.empty((layers, neurons)), np.empty((layers, neurons))
    for layer in track(range(layers), "Statistics of the layers"):
        for neuron in range(neurons):
            row = values[layer, neuron].astype(np.float64)
            quantiles[layer, neuron] = np.quantile(row, LEVELS)
            mean[layer, neuron], std[layer, neuron] = row.mean(), row.std()
    return NeuronStatistics(
        max=values.max(axis=2),
        min=values.min(axis=2),
        mean=mean.astype(np.float32),
        std=std.astype(np.float32),
        density=(np.count_nonzero(values > 0, axis=2) / tokens).astype(np.float32),
        quantiles=quantiles,
        levels=LEVELS,
        tokens=tokens,
        weights=weights,
        text=text,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Compute the neuron statistics of a model folder.")
    parser.add_argument("--model", type=Path, default=EMBEDDED_FOLDER, help="model folder (default: %(default)s)")
    parser.add_argument("--text", type=Path, nargs="+", help="UTF-8 text files (default: the held-out text)")
    parser.add_argument("--work", type=Path, default=DEFAULT_WORK, help="work folder (default: %(default)s)")
    options = parser.parse_args()
    if options.text:
        texts, told = [path.read_text(encoding="utf-8") for path in options.text], "text files"
    else:
        texts, told = [document.text for document in held_out_sample(options.work)], "held-out text"
    bridge = boot(options.model)
    evaluated = evaluate(bridge, texts, tokenize(options.model, bridge, texts))
    path = summarise(evaluated, weights_digest(options.model), told).save(options.model)
    print(f"{path}: {len(evaluated.ids):,} tokens")


if __name__ == "__main__":
    main()
