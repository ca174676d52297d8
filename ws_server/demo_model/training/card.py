"""Everything published about the exported model: statistics, held-out figures, the opening, and the model card.

`describe` computes the figures, keeps them in `figures.json` beside the model, and renders `README.md` from that file.
No figure of the card is written by hand.

    python -m ws_server.demo_model.training.card        renders the card again from figures.json
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ws_server.demo_model.training import activations, neurons
from ws_server.demo_model.training.data import WEIGHTS
from ws_server.demo_model.training.evaluate import evaluate, samples
from ws_server.demo_model.training.neuron_statistics import held_out_sample, summarise
from ws_server.engine.catalog import EMBEDDED_FOLDER
from ws_server.engine.statistics import weights_digest

FIGURES = "figures.json"


def describe(work: Path, folder: Path, training: dict[str, Any]) -> None:
    """Writes statistics.safetensors, opening.json, figures.json and README.md into the model's folder."""
    bridge = activations.boot(folder)
    documents = held_out_sample(work)
    texts = [document.text for document in documents]
    held_out = activations.evaluate(bridge, texts, activations.tokenize(folder, bridge, texts))
    statistics = summarise(held_out, weights_digest(folder), "held-out text of the training corpus")
    statistics.save(folder)

    opening_text = neurons.OPENING_TEXT
    opening = activations.evaluate(bridge, [opening_text], activations.tokenize(folder, bridge, [opening_text]))
    findings = neurons.search(held_out, neurons.detect(held_out))
    fires = neurons.firing(findings, opening, statistics.max)
    chosen = neurons.choose(findings, fires)
    (folder / "opening.json").write_text(
        json.dumps({"text": opening_text, "neurons": [finding.key for finding in chosen]}, indent=2) + "\n",
        encoding="utf-8",
    )
    figures = {
        "training": training,
        "corpus": json.loads((work / "corpus/manifest.json").read_text(encoding="utf-8")),
        "weights_sha256": weights_digest(folder),
        "weights_bytes": (folder / "model.safetensors").stat().st_size,
        "held_out": evaluate(folder, work),
        "statistics": {"tokens": statistics.tokens, "levels": statistics.levels},
        "opening": [
            asdict(finding)
            | {
                "key": finding.key,
                "fires": fires[finding],
                "statistics": statistics.of(finding.layer, finding.neuron),
                "examples": neurons.top_examples(held_out, finding),
            }
            for finding in chosen
        ],
        "opening_tokens": len(opening.ids),
        "best_by_detector": [asdict(f) | {"key": f.key} for f in _best(findings)],
        "samples": samples(folder),
    }
    (folder / FIGURES).write_text(json.dumps(figures, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    (folder / "README.md").write_text(render(figures), encoding="utf-8")


def _best(findings: list[neurons.Finding]) -> list[neurons.Finding]:
    """The first finding of each detector."""
    first: dict[str, neurons.Finding] = {}
    for finding in findings:
        first.setdefault(finding.detector, finding)
    return list(first.values())


def _table(head: list[str], rows: list[list[str]]) -> str:
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *rows])


def _visible(text: str) -> str:
    """A piece of text, escaped for a table cell."""
    marks = {"\n": "⏎", "|": "¦", "`": "'", "<": "&lt;", ">": "&gt;", "*": "\\*", "_": "\\_", "[": "\\[", "]": "\\]"}
    return "".join(marks.get(character, character) for character in text)


def _example(example: dict[str, Any]) -> str:
    token = example["token"].replace("\n", "⏎").replace(" ", "␣").replace("`", "'").replace("|", "¦")
    return f"…{_visible(example['before'][-30:])}**`{token}`**{_visible(example['after'][:12])}…"


def render(figures: dict[str, Any]) -> str:
    """The model card as Markdown."""
    training, held_out, recipe = figures["training"], figures["held_out"], figures["training"]["recipe"]
    every = held_out["all"]
    sources = [
        [
            source["title"],
            source["licence"],
            f"`{source['package']}`",
            f"{source['train_bytes'] / 1e6:.2f}",
            f"{source['heldout_bytes'] / 1e3:.0f}",
            f"{WEIGHTS[source['name']]:g}",
        ]
        for source in figures["corpus"]["sources"]
    ]
    results = [
        [label, *(f"{every[name][unit]:.3f}" for unit in ("nats_per_token", "bits_per_byte"))]
        for name, label in (
            ("network", "**this model**"),
            ("trigram", "trigram, interpolated modified Kneser-Ney"),
            ("unigram", "unigram"),
        )
    ]
    by_source = [
        [source, f"{row['tokens']:,}"] + [f"{row[m]['nats_per_token']:.3f}" for m in ("network", "trigram", "unigram")]
        for source, row in held_out["sources"].items()
    ]
    opening = [
        [
            f["key"],
            f["detector"],
            f"{f['average_precision']:.2f}",
            f"{f['area_under_curve']:.3f}",
            f"{100 * f['top_hits']:.0f} %",
            f"{100 * f['share']:.2f} %",
            f"{f['statistics']['max']:.2f}",
            f"{100 * f['fires']:.0f} %",
        ]
        for f in figures["opening"]
    ]
    examples = "\n".join(
        f"- **{f['key']}** ({f['detector']}): " + " · ".join(_example(e) for e in f["examples"][:5])
        for f in figures["opening"]
    )
    curriculum = ", then ".join(
        f"{length} tokens" + ("" if until == "inf" else f" (until {float(until) / 1e6:g} million)")
        for until, length in recipe["curriculum"]
    )
    note = f"\n- {training['note']}" if "note" in training else ""
    written = "\n\n".join(f"````text\n{s['prompt']}▌{s['text']}\n````" for s in figures["samples"])
    schedule = training["schedule"]
    total, decay = schedule["tokens"], schedule["decay_tokens"]
    return f"""# The embedded model

A small language model of English prose and Python code, here so that Neuroscope shows a real, trained network without
fetching anything. It is a GPT-2 ({recipe["layers"]} layers, width {recipe["width"]}, {recipe["heads"]} heads,
{recipe["neurons"]} neurons a layer, context 512, vocabulary 4096, tied embeddings, {training["parameters"]:,}
parameters) in the ordinary Hugging Face layout; weights in float16, {figures["weights_bytes"] / 1e6:.1f} MB.

Figures, tables, examples and samples below are rendered by `python -m ws_server.demo_model.training.card` from
`figures.json`, which the export script computes from the exported weights (SHA-256
`{figures["weights_sha256"][:16]}…`).

## Text

Public domain or permissive, gathered by `python -m ws_server.demo_model.training.corpus` from packages that anybody
can install.

{_table(["source", "licence", "package", "training MB", "held-out kB", "weight"], sources)}

`weight` is how often a source is read in the time in which the standard library is read once. The copyright notices of
the Python Software Foundation (Python and its documentation) and of Princeton University (WordNet 3.0, "Copyright 2006
by Princeton University. All rights reserved.") belong to these sources.

Held out are whole documents (chapters, modules, pages, runs of 32 dictionary entries), about 4 % of each source, chosen
by a hash of their names. Chapters of one novel share their characters, and modules of one package their habits: the
held-out text is unseen, but not foreign.

## Training

- {training["tokens"]:,} tokens in {training["steps"]:,} steps of {recipe["batch_tokens"]:,} tokens;
  {training["seconds"] / 60:.0f} minutes on two CPU cores shared with other work
  (torch {training["torch"]}, bfloat16 autocast, `torch.compile`); seed {recipe["seed"]}.
- Every sequence begins with `<|endoftext|>` (BOS) and then starts anywhere in a document.
  Sequences of {curriculum}.
- Muon (rate {recipe["muon_rate"]:g}) for the matrices of the blocks, AdamW (rate {recipe["adam_rate"]:g}) for the rest.
  Warm-up over {recipe["warmup_tokens"] / 1e6:g} million tokens, then constant, then linear to zero over the last
  {decay / 1e6:.2f} million of {total / 1e6:.2f} million.
- Byte-level BPE with GPT-2's pre-tokenisation, learned on the training text.{note}

## Held-out results

Every one of {every["tokens"]:,} held-out tokens ({every["bytes"]:,} bytes) is predicted, in contexts of BOS and at most
511 tokens. The unigram and trigram models are fitted on the same training text over the same tokens.

{_table(["model", "nats a token", "bits a byte"], results)}

By source, nats a token:

{_table(["source", "tokens", "this model", "trigram", "unigram"], by_source)}

## Neurons

`statistics.safetensors` holds, of every neuron, max, min, mean, standard deviation, density (share of activations above
0) and quantiles over {figures["statistics"]["tokens"]:,} held-out tokens, BOS positions left out.

The page opens with a text of {figures["opening_tokens"]} tokens and the neurons below. They were found by asking, for
each of {len(figures["best_by_detector"])} classes of tokens that a person recognises, which neuron's activation ranks
held-out tokens of the class first. *AP* is the average precision of that ranking (chance gives the share of the class),
*AUC* the probability that a token of the class has a higher activation than another, *top 100* the part of the 100
highest activations that falls on the class, *here* the highest activation in the opening text as a part of the highest
in held-out text.

{_table(["neuron", "class", "AP", "AUC", "top 100", "share", "max", "here"], opening)}

Highest held-out activations, one a document (`⏎` is a line end, `␣` a space):

{examples}

## Samples

Temperature 0.8, from the 40 likeliest tokens, seed 1, one sample a prompt; the prompt ends at `▌`. The prompts were
chosen to show the kinds of text: with others the Python in particular is weaker.

{written}

## Limits

The model is tiny and has read little: it writes the sound of its sources, not sense, and knows nothing of the world.
Its English is that of Austen, Melville, the King James Bible and dictionaries; other languages and most other code are
foreign to it. Its text carries the views of the nineteenth century and earlier. It is meant for looking at neurons, not
for use as a language model.

## How to make it again, or train it longer

```
python -m ws_server.demo_model.training.corpus              # needs apt-get and dpkg (Debian, Ubuntu); no root
python -m ws_server.demo_model.training.train --tokens {total:.0f} --decay-tokens {decay:.0f}
python -m ws_server.demo_model.training.export --all        # weights, statistics, opening, figures, this card
```

Sources, tokens and checkpoints lie in `.training/`. Training stops at any time (Ctrl-C) and goes on from its checkpoint
when started again. To train longer, copy `stable.pt`, the state before the rate fell, over `checkpoint.pt` and give a
larger `--tokens`. `python -m ws_server.demo_model.training.train --help` tells the rest.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description="Render the model card from figures.json.")
    parser.add_argument("--folder", type=Path, default=EMBEDDED_FOLDER, help="model (default: %(default)s)")
    folder = parser.parse_args().folder
    figures = json.loads((folder / FIGURES).read_text(encoding="utf-8"))
    (folder / "README.md").write_text(render(figures), encoding="utf-8")


if __name__ == "__main__":
    main()
