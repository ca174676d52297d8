"""Runs Node and npm of the tests' environment, and programs that `web_client` installed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WEB_CLIENT = ROOT / "web_client"
MODULES = WEB_CLIENT / "node_modules"


def run(
    *command: str | Path, cwd: Path, environment: Mapping[str, str] | None = None, timeout: float = 100
) -> subprocess.CompletedProcess[str]:
    """Runs a program that came with the tests' Node to its end; if it fails, its output is in the failure."""
    scripts = str(Path(sys.executable).parent)
    path = os.pathsep.join([scripts, os.environ.get("PATH", os.defpath)])
    done = subprocess.run(
        [str(Path(scripts) / str(command[0])), *map(str, command[1:])],
        cwd=cwd,
        env={"NODE_USE_SYSTEM_CA": "1", **os.environ, "PATH": path, **(environment or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=timeout,
    )
    assert done.returncode == 0, f"{command[0]} failed in {cwd}:\n{done.stdout}\n{done.stderr}"
    return done
