"""The Visual Studio Code extension as a person installs it."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.node import WEB_CLIENT, run

EXTENSION = WEB_CLIENT / "vscode"


def package(folder: Path) -> Path:
    """What `npm run package` makes, in an empty folder of its own."""
    installed = EXTENSION / "node_modules" / ".package-lock.json"
    lock = EXTENSION / "package-lock.json"
    if not installed.is_file() or installed.stat().st_mtime < lock.stat().st_mtime:
        run("npm", "ci", "--ignore-scripts", "--omit=optional", cwd=EXTENSION)
    run("node", EXTENSION / "build.mjs", folder / "dist", cwd=EXTENSION)
    manifest = json.loads((EXTENSION / "package.json").read_text("utf-8"))
    # The same words, in a folder that no other run writes to.
    build, package = manifest["scripts"]["package"].split(" && cd dist && ")
    assert build == "node build.mjs"
    vsce, *arguments = package.split()
    assert vsce == "vsce"
    run("node", EXTENSION / "node_modules" / "@vscode" / "vsce" / "vsce", *arguments, cwd=folder / "dist")
    [made] = folder.glob("*.vsix")
    return made
