"""Trains the embedded model.

    python -m ws_server.demo_model.training.train --tokens 30e6 --decay-tokens 8e6

The state lies in one checkpoint file, replaced atomically. Started again, the run goes on from there, bit for bit as if
it had not been interrupted (same machine, same number of threads). The learning rate is a function of the number of
tokens seen: it warms up, stays, and falls linearly to zero over the last `--decay-tokens` of `--tokens`. A run may be
stopped at any time and continued with other values of the two, so the length need not be known at the start; the state
from which the rate began to fall is kept as `stable.pt`, from which training can go on for longer.

Matrices inside the blocks are trained with Muon, embeddings, biases and layer norms with AdamW.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from torch import nn
from transformers import GPT2Config, GPT2LMHeadModel

from ws_server.demo_model.training.corpus import DEFAULT_WORK
from ws_server.demo_model.training.data import BOS_ID, VOCABULARY, Sampler, load_tokens, prepare

CONTEXT = 512


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the weights, given the text."""

    seed: int = 1
    layers: int = 4
    width: int = 256
    heads: int = 4
    neurons: int = 1024
    batch_tokens: int = 4096
    curriculum: tuple[tuple[float, int], ...] = ((8e6, 128), (9.6e6, 256), (float("inf"), CONTEXT))
    """(until this many tokens were seen, sequence length): short sequences first, as they cost less."""
    warmup_tokens: float = 400_000
    muon_rate: float = 6e-3
    adam_rate: float = 3e-3
    weight_decay: float = 0.02

    def sequence_length(self, seen: int) -> int:
        """Tokens a training sequence when `seen` tokens were seen."""
        return next(length for until, length in self.curriculum if seen < until)


@dataclass(frozen=True)
class Schedule:
    """How long a run is: it sees `tokens` in all, and the learning rate falls over the last `decay_tokens`."""

    tokens: float
    decay_tokens: float

    @property
    def decay_start(self) -> float:
        return self.tokens - self.decay_tokens

    def rate(self, seen: int, recipe: Recipe) -> float:
        """Learning rate, as a fraction of its highest value, when `seen` tokens were seen."""
        warm = (seen + recipe.batch_tokens) / recipe.warmup_tokens
        return max(0.0, min(1.0, warm, (self.tokens - seen) / self.decay_tokens))


def new_model(recipe: Recipe) -> GPT2LMHeadModel:
    """A fresh model with the recipe's shape and seed; float32."""
    torch.manual_seed(recipe.seed)
    model = GPT2LMHeadModel(
        GPT2Config(
            vocab_size=VOCABULARY,
            n_positions=CONTEXT,
            n_embd=recipe.width,
            n_layer=recipe.layers,
            n_head=recipe.heads,
            n_inner=recipe.neurons,
            activation_function="gelu_new",
            resid_pdrop=0.0,
            embd_pdrop=0.0,
            attn_pdrop=0.0,
            bos_token_id=BOS_ID,
            eos_token_id=BOS_ID,
        )
    )
    # Compiled, it is faster on CPUs than the fused kernel with its backward pass.
    model.set_attn_implementation("eager")
    return model


class Trainer:
    """Model, optimizers and counters of one run; `step()` takes one optimizer step."""

    def __init__(self, recipe: Recipe, sampler: Sampler, *, compiled: bool = True, bfloat16: bool = True) -> None:
        self.recipe = recipe
        self.sampler = sampler
        self.bfloat16 = bfloat16
        self.model = new_model(recipe)
        matrices = [p for name, p in self.model.named_parameters() if p.ndim == 2 and ".h." in name]
        inner = {id(p) for p in matrices}
        others = [p for p in self.model.parameters() if id(p) not in inner]
        self.optimizers: list[torch.optim.Optimizer] = [
            torch.optim.Muon(
                matrices,
                lr=recipe.muon_rate,
                weight_decay=recipe.weight_decay,
                momentum=0.95,
                adjust_lr_fn="match_rms_adamw",
            ),
            torch.optim.AdamW(others, lr=recipe.adam_rate, betas=(0.9, 0.95), weight_decay=0.0),
        ]
        self.highest_rates = [recipe.muon_rate, recipe.adam_rate]
        self.loss = torch.compile(self._loss, dynamic=False) if compiled else self._loss
        self.steps = 0
        self.seen = 0  # tokens
        self.sequences = 0
        self.seconds = 0.0

    def _loss(self, inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Mean cross entropy in nats a token; both arguments are `[batch, position]`."""
        hidden = self.model.transformer(inputs, use_cache=False).last_hidden_state  # [batch, position, width]
        logits = self.model.lm_head(hidden).flatten(0, 1).float()  # [batch * position, vocabulary]
        return nn.functional.cross_entropy(logits, targets.flatten())

    def step(self, rate: float) -> torch.Tensor:
        """One optimizer step at `rate` times the highest learning rates; returns the loss."""
        began = time.perf_counter()
        length = self.recipe.sequence_length(self.seen)
        count = self.recipe.batch_tokens // length
        inputs, targets = (torch.from_numpy(a) for a in self.sampler.batch(self.sequences, count, length))
        with torch.autocast("cpu", torch.bfloat16, enabled=self.bfloat16):
            loss = self.loss(inputs, targets)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for optimizer, highest in zip(self.optimizers, self.highest_rates, strict=True):
            for group in optimizer.param_groups:
                group["lr"] = highest * rate
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self.steps += 1
        self.seen += count * length
        self.sequences += count
        self.seconds += time.perf_counter() - began
        return loss.detach()

    def save(self, path: Path, schedule: Schedule) -> None:
        """Writes the checkpoint; the file is either the old one or the new one, never half of one."""
        state = {
            "recipe": asdict(self.recipe),
            "schedule": asdict(schedule),
            "model": self.model.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "counters": (self.steps, self.seen, self.sequences, self.seconds),
        }
        partial = path.with_suffix(".partial")
        torch.save(state, partial)
        os.replace(partial, path)

    def load(self, path: Path) -> None:
        """Takes up the state written by `save`; the shapes of the model must be those of the recipe."""
        state: dict[str, Any] = torch.load(path, weights_only=True)
        self.model.load_state_dict(state["model"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.steps, self.seen, self.sequences, self.seconds = state["counters"]


def run(
    trainer: Trainer,
    checkpoint: Path,
    schedule: Schedule,
    *,
    stop: Callable[[], bool] = lambda: False,
    save_seconds: float = 150.0,
) -> None:
    """Trains to the schedule's end or until `stop()`; writes a checkpoint now and then and at the end."""
    columns = (TextColumn("{task.fields[told]}"), BarColumn(), TextColumn("{task.percentage:.1f} %"))
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    with (
        Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), refresh_per_second=1) as progress,
        (checkpoint.parent / "log.jsonl").open("a", encoding="utf-8") as log,
    ):
        bar = progress.add_task("", total=schedule.tokens, completed=trainer.seen, told="starting")
        saved = time.monotonic()
        average: float | None = None
        while trainer.seen < schedule.tokens and not stop():
            rate = schedule.rate(trainer.seen, trainer.recipe)
            if trainer.seen >= schedule.decay_start > trainer.seen - trainer.recipe.batch_tokens:
                trainer.save(checkpoint.with_name("stable.pt"), schedule)
            loss = float(trainer.step(rate))
            average = loss if average is None else 0.98 * average + 0.02 * loss
            told = f"{trainer.seen / 1e6:.2f}M tokens, loss {average:.3f}, rate {rate:.2f}"
            progress.update(bar, completed=trainer.seen, told=told)
            if trainer.steps % 20 == 0:
                entry = {"step": trainer.steps, "seen": trainer.seen, "loss": average, "rate": rate}
                print(json.dumps(entry | {"seconds": trainer.seconds}), file=log, flush=True)
            if time.monotonic() - saved > save_seconds:
                trainer.save(checkpoint, schedule)
                saved = time.monotonic()
    trainer.save(checkpoint, schedule)


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Train the embedded model on the text gathered by ws_server.demo_model.training.corpus. Goes on "
        "from WORK/runs/NAME/checkpoint.pt if there is one; Ctrl-C writes it and stops.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--work", type=Path, default=DEFAULT_WORK, help="work folder with the corpus")
    parser.add_argument("--run", default="main", help="name of the run: its state is in WORK/runs/NAME")
    parser.add_argument("--tokens", type=float, default=30e6, help="tokens to see in all, earlier ones included")
    parser.add_argument(
        "--decay-tokens", type=float, default=8e6, help="the learning rate falls over this many last ones"
    )
    parser.add_argument("--minutes", type=float, default=1e9, help="stop (to be continued) after this many minutes")
    parser.add_argument("--seed", type=int, default=Recipe.seed, help="of the initial weights and the text's order")
    parser.add_argument("--muon-rate", type=float, default=Recipe.muon_rate, help="highest learning rate of Muon")
    parser.add_argument("--adam-rate", type=float, default=Recipe.adam_rate, help="highest learning rate of AdamW")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="CPU threads")
    parser.add_argument("--no-compile", action="store_true", help="do without torch.compile (needs a C++ compiler)")
    parser.add_argument("--float32", action="store_true", help="do without bfloat16 autocast")
    options = parser.parse_args()

    torch.set_num_threads(options.threads)
    torch.use_deterministic_algorithms(True)
    prepare(options.work)
    recipe = Recipe(seed=options.seed, muon_rate=options.muon_rate, adam_rate=options.adam_rate)
    sampler = Sampler.of(load_tokens(options.work, "train"), options.seed)
    trainer = Trainer(recipe, sampler, compiled=not options.no_compile, bfloat16=not options.float32)
    checkpoint = options.work / "runs" / options.run / "checkpoint.pt"
    if checkpoint.exists():
        trainer.load(checkpoint)
        print(f"continuing after {trainer.seen:,} tokens", file=sys.stderr)
    asked = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: asked.set())
    deadline = time.monotonic() + 60 * options.minutes
    run(
        trainer,
        checkpoint,
        Schedule(options.tokens, options.decay_tokens),
        stop=lambda: asked.is_set() or time.monotonic() > deadline,
    )


if __name__ == "__main__":
    main()
