"""The package as it is distributed: requirements, contents of wheel and sdist, and what is installed."""

from __future__ import annotations

import ast
import importlib.metadata
import importlib.resources
import json
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

import ws_server

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent
DISTRIBUTION = "interactive-neuroscope"
MODEL_FILES = ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]
DATA_FILES = ["statistics.safetensors", "opening.json"]

with (ROOT / "pyproject.toml").open("rb") as file:
    PYPROJECT: dict[str, Any] = tomllib.load(file)
PROJECT = PYPROJECT["project"]


def requirements() -> list[str]:
    extras = PROJECT["optional-dependencies"].values()
    return [*PYPROJECT["build-system"]["requires"], *PROJECT["dependencies"], *(r for e in extras for r in e)]


def distribution_name(requirement: str) -> str:
    match = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert match, requirement
    return re.sub(r"[-_.]+", "-", match[0]).lower()


@pytest.mark.parametrize("requirement", requirements())
def test_every_requirement_has_a_lower_and_an_upper_bound(requirement: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9._-]+>=[0-9.]+,<[0-9.]+(; .+)?", requirement)


EXTRA_OF_ROOM = {"tui": "tui", "client": "notebook", "notebook": "notebook"}
"""Which rooms may need more than the package itself, and by which extra they get it."""


def test_the_package_requires_what_it_imports_and_nothing_else() -> None:
    required = {distribution_name(requirement) for requirement in PROJECT["dependencies"]}
    providers = importlib.metadata.packages_distributions()
    imported: dict[str, set[str]] = {}
    for path in (ROOT / "ws_server").rglob("*.py"):
        if "training" in path.parts:  # the wheel does not have it
            continue
        for module in imported_modules(path):
            top = module.partition(".")[0]
            if top in sys.stdlib_module_names or top in {"ws_server", "__future__"}:
                continue
            [name] = {distribution_name(provider) for provider in providers[top]}
            imported.setdefault(name, set()).add(path.relative_to(ROOT).as_posix())
    assert required <= imported.keys()
    for name, files in imported.items():
        for file in files if name not in required else ():
            extra = EXTRA_OF_ROOM[file.split("/")[1]]
            provided = {distribution_name(requirement) for requirement in PROJECT["optional-dependencies"][extra]}
            assert name in provided, f"{file} imports {name}"


def imported_modules(path: Path) -> set[str]:
    modules: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            modules.add(node.module)
    return modules


@pytest.mark.parametrize("folder", ["web_client", "web_client/vscode", "tests/browser"])
def test_lock_files_pin_contents_and_name_no_registry(folder: str) -> None:
    lock = json.loads((ROOT / folder / "package-lock.json").read_text(encoding="utf-8"))
    packages = {path: package for path, package in lock["packages"].items() if path}
    assert packages
    assert [path for path, package in packages.items() if "resolved" in package] == []
    assert [path for path, package in packages.items() if not package.get("integrity")] == []
    npmrc = (ROOT / folder / ".npmrc").read_text(encoding="utf-8")
    assert "omit-lockfile-registry-resolved=true" in npmrc.split()
    assert "registry=" not in npmrc.replace("omit-lockfile-registry-resolved=", "")


def test_the_installed_distribution_describes_itself() -> None:
    metadata = importlib.metadata.metadata(DISTRIBUTION)
    assert metadata["Version"] == ws_server.__version__
    assert metadata["License-Expression"] == "MIT"
    assert metadata["Requires-Python"] == ">=3.10"
    scripts = importlib.metadata.entry_points(group="console_scripts", name="neuroscope")
    assert [script.value for script in scripts] == ["ws_server.cli:main"]


def test_the_installed_package_carries_the_embedded_model() -> None:
    folder = importlib.resources.files("ws_server") / "demo_model"
    assert [name for name in [*MODEL_FILES, *DATA_FILES] if not (folder / name).is_file()] == []
    weights = folder / "model.safetensors"
    with importlib.resources.as_file(weights) as path:
        assert path.stat().st_size < 16_000_000


def test_the_installed_page_refers_to_installed_files_only() -> None:
    static = importlib.resources.files("ws_server") / "static"
    page = (static / "index.html").read_text(encoding="utf-8")
    references = re.findall(r"""(?:src|href)=["']?([^"'\s>]+)""", page)
    assert any(reference.endswith(".js") for reference in references)
    for reference in references:
        if not reference.startswith("data:"):
            assert "//" not in reference, f"{reference} comes from elsewhere"
            assert (static / reference.removeprefix("./").removeprefix("/")).is_file(), reference


def test_the_built_client_reveals_nothing_about_the_machine_it_was_built_on() -> None:
    static = ROOT / "ws_server" / "static"
    files = [path for path in static.rglob("*") if path.is_file()]
    assert files
    traces = {str(ROOT), str(Path.home())} - {"/", "/root"}
    assert [path for path in files for trace in traces if trace.encode() in path.read_bytes()] == []


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the sdist of the working tree."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(folder), "-t", "wheel", "-t", "sdist"]
    subprocess.run(command, cwd=ROOT, check=True, stdin=subprocess.DEVNULL)
    return folder


def test_the_wheel_is_pure_and_complete(built: Path) -> None:
    [wheel] = built.glob("*.whl")
    assert wheel.name == f"interactive_neuroscope-{ws_server.__version__}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    data = {f"ws_server/demo_model/{name}" for name in [*MODEL_FILES, *DATA_FILES]}
    wanted = {"ws_server/cli.py", "ws_server/py.typed", "ws_server/static/index.html", *data}
    assert wanted <= names
    tops = {name.partition("/")[0] for name in names}
    assert tops == {"ws_server", f"interactive_neuroscope-{ws_server.__version__}.dist-info"}
    assert [name for name in names if "__pycache__" in name or "node_modules" in name] == []
    embedded = [name.split("/", 2)[2] for name in names if name.startswith("ws_server/demo_model/")]
    assert set(embedded) == {"__init__.py", "README.md", "figures.json", *MODEL_FILES, *DATA_FILES}


def test_the_sdist_has_the_sources_of_all_that_the_wheel_has(built: Path) -> None:
    [sdist] = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    wanted = {"pyproject.toml", "hatch_build.py", "README.md", "LICENSE", "ws_server/cli.py"}
    client = {"web_client/package.json", "web_client/package-lock.json", "web_client/.npmrc"}
    training = {"ws_server/demo_model/training/train.py", "ws_server/demo_model/training/export.py"}
    assert wanted | client | training <= names
    assert any(name.startswith("web_client/src/") for name in names)
    built_here = re.compile(r"(^|/)(node_modules|__pycache__|\.venv|\.chromium|\.training)/|^ws_server/static/")
    assert [name for name in names if built_here.search(name)] == []
