"""The server keeps every clause of its protocol; black box."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.server.conftest import Fleet
from tests.support.server import run_command
from ws_server.conformance import CLAUSES


@pytest.mark.parametrize("fixture", ["fleet", "narrow"])
def test_every_clause_is_kept(fixture: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    fleet: Fleet = request.getfixturevalue(fixture)
    # Its narrow limits are for others; a check may need more documents or a session more.
    left_out = {"narrow": {"6.1"}}.get(fixture, set())
    wanted = [argument for number in CLAUSES if number not in left_out for argument in ("--clause", number)]
    done = run_command("conformance", fleet.url, *wanted, "--json", str(tmp_path / "outcomes.json"), timeout=100)
    outcomes = json.loads((tmp_path / "outcomes.json").read_text(encoding="utf-8"))
    assert [outcome for outcome in outcomes if outcome["result"] != "kept"] == []
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == f"{len(CLAUSES) - len(left_out)} kept, 0 broken, 0 not applicable"


def test_where_there_is_no_server() -> None:
    done = run_command("conformance", "http://127.0.0.1:9/")
    assert done.returncode == 2
    assert done.stderr.startswith("neuroscope: ")
