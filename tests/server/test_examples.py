"""The raw examples print the values of a plain computation."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.server.conftest import Fleet

FOLDER = Path(__file__).parents[2] / "ws_server" / "protocol" / "examples"
TEXT = "The wave came, and 42 more."


def run(command: list[str], fleet: Fleet) -> str:
    address = fleet.url.replace("http", "ws") + "ws"
    scripts = str(Path(sys.executable).parent)  # node and websocat are installed there with the tests
    path = os.pathsep.join([scripts, os.environ.get("PATH", os.defpath)])
    program = shutil.which(command[0], path=path)
    assert program is not None, f"{command[0]} is not installed; pip install -e '.[test]' does"
    done = subprocess.run(
        [program, *command[1:], address, TEXT],
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        env={**os.environ, "PATH": path},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def expected(fleet: Fleet) -> tuple[list[int], list[tuple[float, float]]]:
    """Ids of the text's own tokens, and at each the values of the two neurons."""
    reference = fleet.reference()
    ids = reference.ids(TEXT)
    whole = reference.activations([reference.tokenizer.bos_token_id, *ids])
    columns = [whole["blocks.0.mlp.hook_post"][1:, 1], whole["blocks.1.mlp.hook_post"][1:, 2]]
    return ids, list(zip(*(column.tolist() for column in columns), strict=True))


@pytest.mark.parametrize("command", [[sys.executable, str(FOLDER / "values.py")], ["node", str(FOLDER / "values.mjs")]])
def test_programs(command: list[str], fleet: Fleet) -> None:
    lines = [line.rsplit(" ", 2) for line in run(command, fleet).splitlines()]
    assert "".join(json.loads(text) for text, _, _ in lines[1:]).strip() == TEXT
    _, values = expected(fleet)
    told = [(float(one), float(other)) for _, one, other in lines[1:]]
    assert told == [pytest.approx(pair, abs=6e-4) for pair in values]


def test_shell(fleet: Fleet) -> None:
    messages = [json.loads(line) for line in run(["sh", str(FOLDER / "values.sh")], fleet).splitlines()]
    assert messages[-1]["method"] == "activations/done"
    (tokens,) = (m["params"]["tokens"] for m in messages if m.get("method") == "document/tokens")
    ids, values = expected(fleet)
    assert [token["id"] for token in tokens[1:]] == ids
    updates = [m["params"]["values"] for m in messages if m.get("method") == "activations/update"]
    rows = [[value for update in updates for value in update[row]] for row in (0, 1)]
    assert list(zip(*(row[1:] for row in rows), strict=True)) == [pytest.approx(pair, abs=1e-4) for pair in values]
