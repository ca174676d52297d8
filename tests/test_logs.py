"""What a line of the log looks like, and what is not in it."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from ws_server import logs

TEXT = "the abbess keeps the xylograph"


forms = pytest.mark.parametrize("form", logs.FORMATS)


@contextmanager
def logging_as(form: str, *, knows_texts: bool = True) -> Iterator[None]:
    """As it is in the server's process, where nothing has been set up before."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    root.handlers.clear()
    logs.set_up("info", form, knows_texts=knows_texts)
    try:
        yield
    finally:
        root.handlers[:] = before[0]
        root.setLevel(before[1])


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    printed = capsys.readouterr()
    assert printed.out == ""
    return printed.err.splitlines()


@forms
def test_fields(capsys: pytest.CaptureFixture[str], form: str) -> None:
    log = logging.getLogger("test")
    extra = logs.about(a=1, b="plain-word", c='two "words"\n\x1b[31m', d=None, e=1 / 3, f="x" * 300, g=True)
    with logging_as(form):
        log.debug("too quiet")
        log.warning("something happened", extra=extra)
    (line,) = lines(capsys)
    if form == "json":
        event = json.loads(line)
        assert event.pop("time").endswith("Z")
        assert event == {
            "level": "warning",
            "logger": "test",
            "event": "something happened",
            "a": 1,
            "b": "plain-word",
            "c": 'two "words"\n\x1b[31m',
            "e": 0.333,
            "f": "x" * 200 + "...",
            "g": True,
        }
    else:
        _, _, rest = line.partition("Z ")
        assert rest == (
            "WARNING something happened a=1 b=plain-word "
            r'c="two \"words\"\n\u001b[31m" e=0.333 f=' + "x" * 200 + "... g=true"
        )


@forms
def test_exceptions_do_not_quote(capsys: pytest.CaptureFixture[str], form: str) -> None:
    """Their types and places are logged, the causes' too; their messages may quote a text."""

    def fail() -> None:
        try:
            int(TEXT)
        except ValueError as error:
            raise KeyError(TEXT) from error

    try:
        fail()
    except KeyError:
        with logging_as(form):
            logging.getLogger("test").exception("It failed.", extra=logs.about(session="abc"))
    printed = "\n".join(lines(capsys))
    assert TEXT not in printed
    for expected in ("It failed.", "ValueError", "KeyError", "test_logs.py", "in fail", "Traceback"):
        assert expected in printed
    assert printed.index("ValueError") < printed.index("KeyError")
    if form == "json":
        assert "exception" in json.loads(printed)


@forms
def test_workers_never_see_a_text_and_tell_what_exceptions_say(capsys: pytest.CaptureFixture[str], form: str) -> None:
    with logging_as(form, knows_texts=False):
        try:
            raise MemoryError("tried to allocate 3 GiB")
        except MemoryError:
            logging.getLogger("test").exception("It failed.")
    printed = "\n".join(lines(capsys))
    assert "MemoryError: tried to allocate 3 GiB" in printed
    assert "test_logs.py" in printed


@forms
def test_the_websocket_library_is_silent(capsys: pytest.CaptureFixture[str], form: str) -> None:
    """It would log frames and addresses as they are."""
    with logging_as(form):
        logging.getLogger("websockets.server").error("< TEXT %s", TEXT)
    assert lines(capsys) == []
