"""Plain HTTP on the websocket's port: the web client, health, metrics and the OpenRPC document.

The files are read once into a table of paths, so that no request can reach any other file.
"""

from __future__ import annotations

import email.utils
import hashlib
import http
import mimetypes
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from websockets.datastructures import Headers
from websockets.http11 import Response

STATIC_FOLDER = Path(__file__).parent.parent / "static"

PAGE = ("/", "/index.html")

EMBEDDABLE = "/neuro-scope.js"
"""The script that pages of other sites may load. To connect, their origin must still be allowed."""

_FOR_ANY_PAGE = {"Access-Control-Allow-Origin": "*", "Cross-Origin-Resource-Policy": "cross-origin"}

_NOT_BUILT = b"""<!doctype html><meta charset="utf-8"><title>Neuroscope</title>
<p>The server runs, but this installation has no web client: it was installed without its build step.
Install the package with <code>pip install .</code>, or run <code>npm run build</code> in <code>web_client/</code>.
"""


@dataclass(frozen=True, slots=True)
class Resource:
    """A body that does not change while the server runs."""

    body: bytes
    content_type: str
    etag: str

    @classmethod
    def of(cls, body: bytes, content_type: str) -> Resource:
        return cls(body, content_type, f'"{hashlib.sha256(body).hexdigest()[:20]}"')


class Site:
    """Answers `GET` requests.

    Args:
        live: paths whose content is produced at each request: the content type, and a function that returns status and
            body.
        made: paths whose content was produced at the start: the content and its type.
    """

    def __init__(
        self,
        live: dict[str, tuple[str, Callable[[], Awaitable[tuple[int, bytes]]]]],
        made: dict[str, tuple[bytes, str]],
        folder: Path = STATIC_FOLDER,
    ) -> None:
        self._live = live
        self._table = _read(folder)
        self._made = made.keys()
        self._table |= {path: Resource.of(body, content_type) for path, (body, content_type) in made.items()}

    def is_part_of_the_client(self, path: str) -> bool:
        """Whether a path is a file of the web client other than its page, the same in every installation."""
        return path in self._table and path not in (*PAGE, *self._made)

    def nothing(self) -> Response:
        return respond(404, b"Not found.\n")

    async def answer(self, path: str, if_none_match: str | None) -> Response:
        """The response to `GET path`."""
        if path in self._live:
            content_type, make = self._live[path]
            status, body = await make()
            return respond(status, body, content_type, {"Cache-Control": "no-store"})
        resource = self._table.get(path)
        if resource is None:
            return self.nothing()
        headers = {"ETag": resource.etag, "Cache-Control": "no-cache"}
        if path == EMBEDDABLE:
            headers |= _FOR_ANY_PAGE
        if if_none_match == resource.etag:
            return respond(304, b"", resource.content_type, headers)
        return respond(200, resource.body, resource.content_type, headers)


def respond(
    status: int,
    body: bytes,
    content_type: str = "text/plain; charset=utf-8",
    extra: dict[str, str] | None = None,
) -> Response:
    """A complete response, except for the headers that `RequestGate` adds to all."""
    headers = Headers(
        {
            "Date": email.utils.formatdate(usegmt=True),
            "Connection": "close",
            "Content-Length": str(len(body)),
            "Content-Type": content_type,
            **(extra or {}),
        }
    )
    return Response(status, http.HTTPStatus(status).phrase, headers, body)


def _read(folder: Path) -> dict[str, Resource]:
    table: dict[str, Resource] = {}
    for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
        if path.is_file():
            content_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
            if content_type.startswith("text/") or content_type.endswith(("javascript", "json")):
                content_type += "; charset=utf-8"
            table["/" + path.relative_to(folder).as_posix()] = Resource.of(path.read_bytes(), content_type)
    index = table.get("/index.html")
    table["/"] = index if index is not None else Resource.of(_NOT_BUILT, "text/html; charset=utf-8")
    return table
