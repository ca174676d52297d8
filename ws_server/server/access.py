"""Who may talk to the server: Host, Origin and token of a request.

A page of another site can open a websocket to any address, and a name that it owns can be made to resolve to
ours (DNS rebinding). So a request has to name us by an address or by a name that is ours, and a page has to come
from us or from an origin that the operator listed.

On an address that other machines can reach, a secret is needed as well: in the link that the operator was given, as
`?token=`, which is exchanged for a cookie; or, for programs, in the same place or as `Authorization: Bearer`.
"""

from __future__ import annotations

import hmac
import ipaddress
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

from websockets.http11 import Request

COOKIE = "neuroscope_token"


class Refusal(Exception):
    """A request that is not answered; carries the HTTP status and a sentence."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Access:
    """The rule of one server.

    Args:
        host: what the server is bound to.
        allowed_origins: origins besides its own, such as `https://lab.example`; `*` allows all.
        token: the secret that is needed; None where none is.
    """

    def __init__(self, host: str, allowed_origins: tuple[str, ...], token: str | None) -> None:
        self._token = token
        self._origins = {origin.rstrip("/").lower() for origin in allowed_origins}
        self._names = {"localhost", host.lower()}
        self._names |= {name for origin in self._origins if (name := urlsplit(origin).hostname) is not None}

    def check_source(self, request: Request, *, opens_socket: bool) -> None:
        """Looks at `Host`, and at `Origin` where a page could use our cookies or our place in the network.

        Raises:
            Refusal: 403.
        """
        host = request.headers.get("Host")
        name = _hostname(host)
        if name is None or not (name in self._names or _is_address(name)):
            raise Refusal(403, "The Host header does not name this server.")
        origin = request.headers.get("Origin")
        if not opens_socket or origin is None or "*" in self._origins or origin.lower() in self._origins:
            return
        parts = urlsplit(origin)
        if parts.scheme not in ("http", "https") or host is None or parts.netloc.lower() != host.lower():
            raise Refusal(403, "Pages of this origin may not connect; see --allow-origin.")

    def check_token(self, request: Request) -> bool:
        """Looks for the token, if one is needed.

        Returns:
            Whether it came in the address, so that it should be exchanged for a cookie.

        Raises:
            Refusal: 401.
        """
        if self._token is None:
            return False
        in_address = parse_qs(urlsplit(request.path).query).get("token", [""])[0]
        if self._is_token(in_address):
            return True
        bearer = request.headers.get("Authorization", "")
        if self._is_token(bearer.removeprefix("Bearer ")) or self._is_token(_cookie(request)):
            return False
        raise Refusal(401, "This server asks for its token; open the link that it printed when it started.")

    def cookie(self) -> str:
        """The header value that keeps the token in a browser, out of reach of scripts and of other sites."""
        return f"{COOKIE}={self._token}; Path=/; HttpOnly; SameSite=Strict"

    def _is_token(self, text: str) -> bool:
        assert self._token is not None
        return hmac.compare_digest(text.encode("utf-8", "surrogateescape"), self._token.encode())


def without_token(path: str) -> str:
    """The same address, relative to its own folder, without `?token=`."""
    parts = urlsplit(path)
    query = urlencode([(name, value) for name, value in parse_qsl(parts.query) if name != "token"])
    name = parts.path.rsplit("/", 1)[-1]
    return f"./{name}" + (f"?{query}" if query else "")


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server on `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _cookie(request: Request) -> str:
    try:
        morsel = SimpleCookie(request.headers.get("Cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return morsel.value if morsel is not None else ""


def _hostname(host: str | None) -> str | None:
    if not host:
        return None
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
