"""Decides for every HTTP request whether it is answered, by what, and with which headers.

`Access` has the rules and `Site` the answers. This module adds the base path (`--base-path`), the redirect that removes
a token from the address, and the headers that restrict what the page may do.
"""

from __future__ import annotations

import re

from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from ..config import Settings
from .access import Access, Refusal, field, without_token
from .forwarded import Peer
from .site import PAGE, Site, respond

_OPEN_TO_ALL = {"/healthz", "/readyz"}
"""Answered without a token: they reveal nothing but the server's health."""

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; "
    "manifest-src 'self'; base-uri 'none'; form-action 'none'; "
    # Only the templates of the page's library (Lit) may turn strings into markup.
    "require-trusted-types-for 'script'; trusted-types lit-html; "
)

_FIXED_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class RequestGate:
    """Admits or refuses requests.

    Args:
        settings: the base path and the origins that may embed the page.
        access: the rules.
        site: what is served besides the websocket.
    """

    def __init__(self, settings: Settings, access: Access, site: Site) -> None:
        self._base = settings.base_path
        self._access = access
        self._site = site
        self._embedders = settings.embedders

    async def answer(self, request: Request, peer: Peer) -> Response | None:
        """The response to a request; None if it may open a websocket."""
        path = self._below(request.path.partition("?")[0])
        opens_socket = path == "/ws"
        try:
            self._access.check_source(request, opens_socket=opens_socket, secure=peer.secure)
            if path is None:
                return self._site.nothing()
            is_open = path in _OPEN_TO_ALL or self._site.is_part_of_the_client(path)
            in_address = not is_open and self._access.check_token(request)
        except Refusal as refusal:
            return respond(refusal.status, f"{refusal.message}\n".encode(), extra={"Cache-Control": "no-store"})
        if opens_socket:
            return None
        if path == "":
            return respond(308, b"", extra={"Location": _into(request.path)})
        if in_address and path in PAGE and not self._is_embedded(request):
            # Remove the token from the address, so that it is neither in the browser's history nor in copied links.
            cookie = self._access.cookie(f"{self._base}/", secure=peer.secure)
            extra = {"Location": without_token(request.path), "Set-Cookie": cookie, "Cache-Control": "no-store"}
            return respond(303, b"", extra=extra)
        return await self._site.answer(path, field(request, "If-None-Match"))

    def stamp(self, request: Request, headers: Headers) -> None:
        """Adds the security headers to any response."""
        ancestors = " ".join(["'self'", *self._embedders]) if self._embedders else "'none'"
        policy = f"{_POLICY}connect-src {_connections(request)}; frame-ancestors {ancestors}"
        for name, value in {**_FIXED_HEADERS, "Content-Security-Policy": policy}.items():
            headers.setdefault(name, value)
        if not self._embedders:
            headers["X-Frame-Options"] = "DENY"

    def _below(self, path: str) -> str | None:
        """The part of a path after the base path: empty for the base path itself, None if it is outside."""
        if path == self._base or path.startswith(f"{self._base}/"):
            return path[len(self._base) :]
        return None

    def _is_embedded(self, request: Request) -> bool:
        """Whether the request is for a frame on another site that may embed us; browsers send no cookies there."""
        return bool(self._embedders) and field(request, "Sec-Fetch-Dest") in ("iframe", "frame")


def _into(path: str) -> str:
    folder, question, query = path.partition("?")
    return f"./{folder.rsplit('/', 1)[-1]}/{question}{query}"


def _connections(request: Request) -> str:
    """Where the page may connect to. In some browsers `'self'` does not cover websockets."""
    host = field(request, "Host") or ""
    return f"'self' ws://{host} wss://{host}" if re.fullmatch(r"[\w.\-:\[\]]+", host, re.ASCII) else "'self'"
