"""Options and fixtures of all tests."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from tests.support.loaded import Loaded

# Read when torch is loaded. On a busy machine, threads that spin while waiting make passes many times slower.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# All servers of the tests are on this machine. A proxy is for what is downloaded.
for _name in ("no_proxy", "NO_PROXY"):
    os.environ[_name] = ",".join(filter(None, [os.environ.get(_name), "127.0.0.1,localhost"]))

# How long one example takes depends on how busy the machine is.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--hub", action="store_true", help="also run the tests that need the Hugging Face Hub")
    parser.addoption("--vscode", action="store_true", help="also run the tests in a real Visual Studio Code")
    parser.addoption("--update-snapshots", action="store_true", help="accept the page as it looks now")


def pytest_configure(config: pytest.Config) -> None:
    if not config.getoption("--hub"):
        os.environ["HF_HUB_OFFLINE"] = "1"  # read when its library is imported


LEFT_OUT = {
    "hub": "needs weights from the Hugging Face Hub; run it with: pytest --hub",
    "vscode": "needs Visual Studio Code, 600 MB; run it with: make test-vscode",
}
"""Markers of tests that run only with an option of the same name, and why."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip the tests with a marker of `LEFT_OUT`, unless their option is given."""
    for name, reason in LEFT_OUT.items():
        if not config.getoption(f"--{name}"):
            for item in items:
                if item.get_closest_marker(name):
                    item.add_marker(pytest.mark.skip(reason=reason))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Which browsers were used, if any were."""
    reports = [report for reports in terminalreporter.stats.values() for report in reports]
    if any("browser" in getattr(report, "keywords", ()) for report in reports):
        from tests.browser import chromium

        for line in chromium.names():
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Loaded]:
    """Loads the tiny model of an architecture of `tests/support/models.py`, each of them once."""
    # Not at the top: most tests need no torch, and it takes seconds to import.
    from tests.support.loaded import Loaded
    from tests.support.models import make
    from ws_server.engine.catalog import LoadOptions, ModelSpec
    from ws_server.engine.loading import load_model

    @cache
    def load(name: str) -> Loaded:
        folder = make(name, tmp_path_factory.mktemp("models"))
        spec = ModelSpec(name, name, str(folder))
        return Loaded(*load_model(spec, LoadOptions(device="cpu"), lambda percentage, message: None))

    return load


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.fixture(scope="session")
def published_case() -> dict[str, Any]:
    """Text, tokens and activations as shown in TransformerLens's demo notebook "Interactive Neuroscope"."""
    case: dict[str, Any] = json.loads((Path(__file__).parent / "data" / "published_case.json").read_text())
    return case
