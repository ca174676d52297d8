"""SECURITY.md promises nothing without naming a test that exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from ws_server.cli import _parser

ROOT = Path(__file__).parents[1]
DOCUMENT = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def promises() -> list[str]:
    """The rows of the tables without their headings."""
    rows = re.findall(r"^\|(.*)\|$", DOCUMENT, re.MULTILINE)
    return [row for row in rows if row.strip() not in ("guarantee | shown by", "---|---")]


def functions(file: Path) -> set[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_every_promise_names_a_test_that_exists() -> None:
    assert len(promises()) > 20
    for row in promises():
        promise, _, shown = row.rpartition("|")
        named = TEST.findall(shown)
        assert named, promise
        assert TEST.sub("", shown).strip() == "", "something else than tests is named"
        for file, name in named:
            assert name.startswith("test_")
            assert name in functions(ROOT / file), f"{file}::{name}"


def test_the_commands_and_options_exist() -> None:
    for line in re.findall(r"^neuroscope .*$", DOCUMENT, re.MULTILINE):
        _parser().parse_args(line.split()[1:])
    known = {option for parser in _serve_actions() for option in parser}
    for option in re.findall(r"`(--[a-z-]+)", DOCUMENT):
        assert option in known, option
    targets = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"`make (\w+)`", DOCUMENT):
        assert f"\n{target}:" in targets


def _serve_actions() -> list[list[str]]:
    """The option strings of `serve`."""
    commands = next(action for action in _parser()._actions if isinstance(action.choices, dict))
    assert isinstance(commands.choices, dict)
    return [list(action.option_strings) for action in commands.choices["serve"]._actions]


def test_its_nginx_example_sends_what_the_server_reads() -> None:
    (example,) = re.findall(r"```nginx\n(.*?)```", DOCUMENT, re.DOTALL)
    for header in ("Host", "Upgrade", "Connection", "X-Forwarded-For", "X-Forwarded-Proto"):
        assert f"proxy_set_header {header} " in example
