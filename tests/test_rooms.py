"""The rules of the house: which room may import which."""

from __future__ import annotations

import ast
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


def imports(path: Path, top_level_only: bool = False) -> set[str]:
    """Absolute names of everything that a module imports."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    package = ["ws_server", *path.relative_to(PACKAGE).parts[:-1]]
    found: set[str] = set()
    for node in tree.body if top_level_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            found |= {module, *(f"{module}.{name.name}" for name in node.names)}
    return found


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
