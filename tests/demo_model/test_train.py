"""The trainer: deterministic, resumable bit for bit, and it learns."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from ws_server.demo_model.training.data import Sampler
from ws_server.demo_model.training.train import Recipe, Schedule, Trainer, run

RECIPE = Recipe(
    layers=1,
    width=32,
    heads=2,
    neurons=64,
    batch_tokens=256,
    curriculum=((1024, 32), (math.inf, 64)),
    warmup_tokens=512,
)
SCHEDULE = Schedule(tokens=3072, decay_tokens=1024)


def make_trainer(recipe: Recipe = RECIPE) -> Trainer:
    """A trainer of a text with something to learn: each token is followed by its double."""
    tokens = np.cumprod(np.full(4000, 2), dtype=np.int64) % 61
    return Trainer(recipe, Sampler.of({"austen": tokens.astype(np.uint16)}, recipe.seed), compiled=False)


def weights(trainer: Trainer) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in trainer.model.state_dict().items()}


def same(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


@pytest.fixture
def uninterrupted(tmp_path: Path) -> Trainer:
    trainer = make_trainer()
    run(trainer, tmp_path / "whole" / "checkpoint.pt", SCHEDULE)
    return trainer


def test_an_interrupted_run_ends_with_the_same_bits(uninterrupted: Trainer, tmp_path: Path) -> None:
    checkpoint = tmp_path / "parts" / "checkpoint.pt"
    for steps in (3, 5, 10, 1000):  # before and after sequences grow longer, and while the rate falls
        trainer = make_trainer()
        if checkpoint.exists():
            trainer.load(checkpoint)
        run(trainer, checkpoint, SCHEDULE, stop=lambda trainer=trainer, steps=steps: trainer.steps >= steps)
    assert trainer.steps == uninterrupted.steps == 12
    assert trainer.sequences == uninterrupted.sequences
    assert same(weights(trainer), weights(uninterrupted))


def test_the_seed_decides_the_weights(uninterrupted: Trainer, tmp_path: Path) -> None:
    again = make_trainer()
    run(again, tmp_path / "again" / "checkpoint.pt", SCHEDULE)
    assert same(weights(again), weights(uninterrupted))
    other = make_trainer(Recipe(**{**RECIPE.__dict__, "seed": 2}))
    run(other, tmp_path / "other" / "checkpoint.pt", SCHEDULE)
    assert not same(weights(other), weights(uninterrupted))


def test_it_learns(tmp_path: Path) -> None:
    trainer = make_trainer()
    first = float(trainer.step(1.0))
    run(trainer, tmp_path / "checkpoint.pt", Schedule(20_000, 5_000))
    assert first == pytest.approx(math.log(4096), abs=0.5)  # at first all tokens are equally likely
    assert float(trainer.step(0.0)) < math.log(60) / 2  # more than the frequencies of the 60 tokens that occur


def test_the_state_before_the_rate_falls_is_kept(uninterrupted: Trainer, tmp_path: Path) -> None:
    stable = make_trainer()
    stable.load(tmp_path / "whole" / "stable.pt")
    assert stable.seen == SCHEDULE.decay_start
    longer = Schedule(6144, 1024)
    assert longer.rate(stable.seen, RECIPE) == 1.0


def test_the_rate_warms_up_stays_and_falls_to_zero() -> None:
    rates = [SCHEDULE.rate(seen, RECIPE) for seen in range(0, 3073, 256)]
    assert rates[:3] == [0.5, 1.0, 1.0]
    assert rates[8:] == [1.0, 0.75, 0.5, 0.25, 0.0]


def test_sequences_grow_as_the_curriculum_says() -> None:
    assert [RECIPE.sequence_length(seen) for seen in (0, 1023, 1024, 10**9)] == [32, 32, 64, 64]
