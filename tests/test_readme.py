"""What the README tells works as it is written."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_frontends_of_the_readme_run_against_the_embedded_model() -> None:
    raw, packaged, widget = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    server = subprocess.Popen(
        [sys.executable, "-m", "ws_server", "serve", "--port", "0", "--no-open"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None
        address = server.stdout.readline().split()[-1]
        raw = raw.replace("ws://127.0.0.1:8740/ws", address.replace("http", "ws") + "ws")
        packaged = packaged.replace("http://127.0.0.1:8740/", address)
        widget = widget.replace("http://127.0.0.1:8740/", address) + "print(widget.values.shape, widget.status)"
        done, table, shown = (
            subprocess.run([sys.executable, "-c", example], capture_output=True, text=True, timeout=90)
            for example in (raw, packaged, widget)
        )
        assert done.returncode == table.returncode == 0, done.stderr + table.stderr
        assert shown.stdout == "(2, 8) ready\n", shown.stderr
    finally:
        server.terminate()
        server.communicate(timeout=20)
    lines = done.stdout.splitlines()
    assert lines[0].startswith("'<|endoftext|>' L1N5 ")
    assert len(lines) > 5
    assert table.stdout.startswith("[[")
    assert re.search(r"^0 +0 +<\|endoftext\|> ", table.stdout, re.MULTILINE)
    assert all(re.fullmatch(r"'.*' L1N5 -?\d+\.\d{3} L2N42 -?\d+\.\d{3}", line) for line in lines)


def test_every_file_that_the_readme_links_to_exists() -> None:
    links = [link for link in re.findall(r"\]\(([^)]+)\)", README) if not link.startswith("http")]
    assert links
    for link in links:
        assert (ROOT / link).is_file(), link


def test_the_commands_and_options_exist() -> None:
    from ws_server.cli import _parser

    for line in re.findall(r"^neuroscope .*$", README, re.MULTILINE):
        _parser().parse_args(line.split()[1:])
    targets = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"^make (\w+)$", README, re.MULTILINE):
        assert f"\n{target}:" in targets
