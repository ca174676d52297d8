"""What `neuroscope conformance` prints."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from ..errors import StartupError
from .suite import Outcome, check_server

_MARKS = {"kept": "[green]kept[/]", "broken": "[red bold]broken[/]", "not applicable": "[yellow]n/a[/]"}


def run_conformance(url: str, token: str | None, clauses: Sequence[str] | None, json_file: Path | None) -> int:
    """Checks a server and prints one line per clause; returns 0 if none is broken, otherwise 1.

    Raises:
        StartupError: there is no such server, or no such clause.
    """
    console = Console(highlight=False, soft_wrap=True)

    def tell(outcome: Outcome) -> None:
        console.print(f"{outcome.clause:>5}  {_MARKS[outcome.result]}  {escape(outcome.sentence)}")
        if outcome.detail:
            console.print(f"       [dim]{escape(outcome.detail)}[/]")

    try:
        outcomes = asyncio.run(check_server(url, token=token, clauses=clauses, tell=tell))
    except (OSError, ValueError) as error:
        raise StartupError(f"{error}") from None
    counts = {result: sum(outcome.result == result for outcome in outcomes) for result in _MARKS}
    console.print(f"{counts['kept']} kept, {counts['broken']} broken, {counts['not applicable']} not applicable")
    if json_file is not None:
        content = [asdict(outcome) | {"sentence": outcome.sentence} for outcome in outcomes]
        json_file.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return 1 if counts["broken"] else 0
