"""The rules of the house: which room may import which."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "ws_server"

MAY_IMPORT = {
    "errors": set(),
    "config": set(),
    "logs": set(),
    "streams": set(),
    "import_path": set(),
    "protocol": {"errors"},
    "client": {"errors"},
    "conformance": {"errors", "client"},
    "tui": {"errors", "client"},
    "notebook": {"errors", "client", "document"},
    "document": {"errors"},
    "engine": {"errors", "logs", "streams"},
    "model": {"errors", "protocol", "document", "engine"},
    "session": {"errors", "config", "protocol", "document", "engine", "model"},
    "server": {
        "errors",
        "config",
        "logs",
        "streams",
        "import_path",
        "protocol",
        "document",
        "engine",
        "model",
        "session",
    },
    "demo_model": {"errors", "document", "engine"},
    "bench": {"errors", "config", "protocol", "engine", "model", "session"},
    "cli": {"errors", "config", "logs", "streams", "engine", "server", "bench", "conformance", "tui"},
    "__main__": {"cli", "import_path"},
}
"""Room to rooms. A room is a module or a folder directly below the package."""

SERVER_PROCESS = {
    "errors",
    "client",
    "conformance",
    "notebook",
    "config",
    "logs",
    "streams",
    "import_path",
    "protocol",
    "document",
    "model",
    "session",
    "server",
    "cli",
    "__main__",
}
WITHOUT_TORCH = {"commands", "catalog", "context_matching", "statistics", "scheduler", "__init__"}
"""Modules of the engine that the server process imports."""


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def import_pairs(path: Path, top_level_only: bool = False) -> Iterator[tuple[str, str | None]]:
    """The absolute name of each module that a module imports, and what it imports from there, if not the module."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    package = ["ws_server", *path.relative_to(PACKAGE).parts[:-1]]
    for node in tree.body if top_level_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((name.name, None) for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield from ((module, name.name) for name in node.names)


def imports(path: Path, top_level_only: bool = False) -> set[str]:
    """Absolute names of everything that a module imports."""
    pairs = list(import_pairs(path, top_level_only))
    return {module for module, _ in pairs} | {f"{module}.{name}" for module, name in pairs if name is not None}


MODULES = sorted(
    path
    for path in PACKAGE.rglob("*.py")
    # Examples are programs of others, which know the protocol and nothing of the house.
    if (path.parent != PACKAGE or path.name != "__init__.py") and path.parent.name != "examples"
)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_rooms_import_only_what_stands_above_them(path: Path) -> None:
    own = room(path)
    for name in imports(path):
        parts = name.split(".")
        if (
            parts[0] == "ws_server"
            and len(parts) > 1
            and (PACKAGE / parts[1]).exists() | (PACKAGE / f"{parts[1]}.py").exists()
        ):
            assert parts[1] == own or parts[1] in MAY_IMPORT[own], f"{own} must not import {parts[1]}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_torch_stays_in_the_workers_and_sockets_in_the_server(path: Path) -> None:
    own = room(path)
    top = {name.split(".")[0] for name in imports(path, top_level_only=True)}
    if own in SERVER_PROCESS or (own == "engine" and path.stem in WITHOUT_TORCH):
        assert not top & {"torch", "transformers", "transformer_lens"}
    if own not in ("server", "client", "conformance", "tui", "notebook"):
        assert not top & {"websockets", "asyncio"}


def module_name(path: Path) -> str:
    return ".".join(["ws_server", *path.relative_to(PACKAGE).with_suffix("").parts]).removesuffix(".__init__")


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Imports for type checkers and those inside of functions included."""
    names = {module_name(path): path for path in MODULES}
    graph = {
        # `from .package import module` is an import of the module.
        name: {f"{base}.{member}" if f"{base}.{member}" in names else base for base, member in import_pairs(path)}
        for name, path in names.items()
    }
    assert graph["ws_server.client.client"] >= {"ws_server.client.open_document", "ws_server.client.rpc"}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"a circle of imports: {' -> '.join(reversed(error.args[1]))}")
