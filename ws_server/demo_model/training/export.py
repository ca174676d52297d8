"""Writes a training checkpoint as a model folder in Hugging Face layout, and everything published about it.

    python -m ws_server.demo_model.training.export            weights, configuration, tokenizer
    python -m ws_server.demo_model.training.export --all      also statistics, figures, the opening and the model card

The weights are rounded to float16, and all figures are those of the rounded weights.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import torch

from ws_server.demo_model.training.corpus import DEFAULT_WORK
from ws_server.demo_model.training.data import BOS
from ws_server.demo_model.training.train import CONTEXT, Recipe, new_model
from ws_server.engine.catalog import EMBEDDED_FOLDER

TOKENIZER_CONFIG = {
    "tokenizer_class": "PreTrainedTokenizerFast",
    "bos_token": BOS,
    "eos_token": BOS,
    "unk_token": BOS,
    "model_max_length": CONTEXT,
    "clean_up_tokenization_spaces": False,
}


def export(checkpoint: Path, tokenizer: Path, folder: Path) -> dict[str, Any]:
    """Writes config.json, model.safetensors, tokenizer.json and tokenizer_config.json; returns facts of the run."""
    state = torch.load(checkpoint, weights_only=True)
    recipe = Recipe(**state["recipe"])
    model = new_model(recipe)
    model.load_state_dict(state["model"])
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        model.half().save_pretrained(temporary)  # type: ignore[no-untyped-call]
        for name in ("config.json", "model.safetensors"):
            shutil.copyfile(Path(temporary) / name, folder / name)
    shutil.copyfile(tokenizer, folder / "tokenizer.json")
    (folder / "tokenizer_config.json").write_text(json.dumps(TOKENIZER_CONFIG, indent=2) + "\n", encoding="utf-8")
    steps, seen, _, seconds = state["counters"]
    return {
        "recipe": {
            **state["recipe"],
            "curriculum": [[str(until), length] for until, length in recipe.curriculum],
        },
        "schedule": state["schedule"],
        "parameters": sum(p.numel() for p in model.parameters()),
        "steps": steps,
        "tokens": seen,
        "seconds": round(seconds),
        "torch": torch.__version__,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Export a training checkpoint as a model folder.")
    parser.add_argument("--work", type=Path, default=DEFAULT_WORK, help="work folder (default: %(default)s)")
    parser.add_argument("--run", default="main", help="name of the run (default: %(default)s)")
    parser.add_argument("--folder", type=Path, default=EMBEDDED_FOLDER, help="where to write (default: %(default)s)")
    parser.add_argument("--all", action="store_true", help="also statistics, figures, opening and model card")
    options = parser.parse_args()
    run = options.work / "runs" / options.run
    facts = export(run / "checkpoint.pt", options.work / "tokens/tokenizer.json", options.folder)
    print(json.dumps(facts, indent=2))
    if options.all:
        from ws_server.demo_model.training.card import describe

        describe(options.work, options.folder, facts)


if __name__ == "__main__":
    main()
