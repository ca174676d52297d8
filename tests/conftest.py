"""Options that hold for all tests."""

from __future__ import annotations

import pytest


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
