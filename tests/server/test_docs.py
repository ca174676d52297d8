"""`/docs`: the protocol for reading, on the port."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from tests.server.conftest import Fleet
from ws_server.protocol.messages import METHODS


class Page(HTMLParser):
    """Ids, references and text of a page; every element that is opened must be closed."""

    EMPTY = ("meta", "link", "br", "hr", "img")

    def __init__(self, html: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.references: list[str] = []
        self.elements: set[str] = set()
        self.text = ""
        self._open: list[str] = []
        self.feed(html)
        assert self._open == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        if tag not in self.EMPTY:
            self._open.append(tag)
        for name, value in attributes:
            assert not name.startswith("on")
            assert name != "style"
            if name == "id":
                self.ids.append(value or "")
            elif name in ("href", "src"):
                self.references.append(value or "")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_protocol_can_be_read_where_the_server_is(fleet: Fleet) -> None:
    status, headers, body = fleet.server.get("/docs")
    assert status == 200
    assert headers["content-type"] == "text/html; charset=utf-8"
    page = Page(body.decode())
    assert "script" not in page.elements
    assert len(page.ids) == len(set(page.ids))
    for reference in page.references:
        if reference.startswith("#"):
            assert reference[1:] in page.ids
        elif not reference.startswith("https://"):
            assert fleet.server.get(reference.removeprefix("./"))[0] == 200, reference
    for method in METHODS.values():
        assert page.text.count(method.name) >= 2, "in the prose and in the reference"
        assert re.sub("`", "", method.summary) in page.text
    assert fleet.server.get("/docs.css")[1]["content-type"] == "text/css; charset=utf-8"
