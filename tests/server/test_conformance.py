"""The server keeps every clause of its protocol; black box."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.server.conftest import Fleet
from tests.support.client import Client
from tests.support.server import run_command
from ws_server.conformance import CLAUSES

NOT_APPLICABLE = {
    "fleet": {"5.12", "7.7"},  # its models have no statistics, and it grants more neurons than they have
    "narrow": {"3.8"},  # it holds one model
}
LEFT_OUT = {"fleet": set[str](), "narrow": {"6.1", "6.2"}}  # its narrow limits are for others


@pytest.mark.parametrize("fixture", ["fleet", "narrow"])
async def test_every_clause_is_kept(fixture: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    fleet: Fleet = request.getfixturevalue(fixture)
    if fixture == "fleet":
        async with await Client.open(fleet.url) as client:
            await client.load("llama")  # the suite itself has no model loaded
    wanted = [number for number in CLAUSES if number not in LEFT_OUT[fixture]]
    arguments = [argument for number in wanted for argument in ("--clause", number)]
    done = run_command("conformance", fleet.url, *arguments, "--json", str(tmp_path / "outcomes.json"), timeout=100)
    outcomes = json.loads((tmp_path / "outcomes.json").read_text(encoding="utf-8"))
    assert [outcome for outcome in outcomes if outcome["result"] == "broken"] == []
    passed_over = {outcome["clause"] for outcome in outcomes if outcome["result"] == "not applicable"}
    assert passed_over == NOT_APPLICABLE[fixture]
    assert done.returncode == 0
    kept = len(wanted) - len(passed_over)
    assert done.stdout.splitlines()[-1] == f"{kept} kept, 0 broken, {len(passed_over)} not applicable"


def test_where_there_is_no_server() -> None:
    done = run_command("conformance", "http://127.0.0.1:9/")
    assert done.returncode == 2
    assert done.stderr.startswith("neuroscope: ")
