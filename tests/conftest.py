"""Options that hold for all tests."""

from __future__ import annotations

import os

import pytest

# Read when torch is loaded: on a busy machine, threads that wait by spinning make its passes many times slower.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--hub", action="store_true", help="also run the tests that need the Hugging Face Hub")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests marked `hub` need weights that only the Hub has: leave them out, and say so, unless asked for."""
    if config.getoption("--hub"):
        return
    left_out = pytest.mark.skip(reason="needs weights from the Hugging Face Hub; run it with: pytest --hub")
    for item in items:
        if item.get_closest_marker("hub"):
            item.add_marker(left_out)
