"""Who may talk to the server: Host, Origin and token of a request.

A page of another site can open a websocket to any address, and a name that it owns can be made to resolve to
ours (DNS rebinding). So a request has to name us by an address or by a name that is ours, and a page has to come
from us or from an origin that the operator listed.

Where others than this machine can connect, a secret is needed as well: in the link that the operator was given, as
`?token=`, which is exchanged for a cookie; or, for programs, in the same place or as `Authorization: Bearer`.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets
import socket
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

from websockets.http11 import Request

_SCHEMES = ("https", "http")
_DEFAULT_PORTS = {"http": 80, "https": 443}


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
        allowed_hosts: further names of the server.
    """

    def __init__(
        self, host: str, allowed_origins: tuple[str, ...], token: str | None, allowed_hosts: tuple[str, ...] = ()
    ) -> None:
        self._token = token
        self._once: str | None = None
        self._origins = {origin.rstrip("/").lower() for origin in allowed_origins}
        self._names = {"localhost", host.lower(), *(name.lower() for name in allowed_hosts)}
        self._names |= {name for origin in self._origins if (name := urlsplit(origin).hostname) is not None}
        if not is_loopback(host):
            name = socket.gethostname().lower()
            self._names |= {name, name.partition(".")[0], f"{name.partition('.')[0]}.local"}
        # A browser does not tell servers on one machine apart by their ports, and so neither would their cookies.
        self._cookie_name = f"neuroscope_{self._derived('name')[:8]}"
        self._cookie_value = self._derived("cookie")

    def check_source(self, request: Request, *, opens_socket: bool, secure: bool = False) -> None:
        """Looks at `Host`, and at `Origin` where a page could use our cookies or our place in the network.

        Args:
            secure: whether the request is known to have been encrypted; its page has to have been, too.

        Raises:
            Refusal: 403.
        """
        host = field(request, "Host")
        name = _hostname(host)
        if name is None or not (name in self._names or _is_address(name)):
            raise Refusal(403, "The Host header does not name this server; see --allow-host.")
        origin = field(request, "Origin")
        if not opens_socket or origin is None or "*" in self._origins or origin.lower() in self._origins:
            return
        place = _place(origin)
        if place is None or place not in [_place(f"{scheme}://{host}") for scheme in _SCHEMES[: 1 if secure else 2]]:
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
        in_address = parse_qs(_split(request.path)[1]).get("token", [""])[0]
        if _same(in_address, self._token) or self._is_ticket(in_address):
            return True
        bearer = field(request, "Authorization") or ""
        if _same(bearer.removeprefix("Bearer "), self._token) or _same(self._cookie(request), self._cookie_value):
            return False
        if in_address or bearer or self._cookie(request):
            raise Refusal(401, "This is not the server's token; open the link that it printed when it last started.")
        raise Refusal(401, "This server asks for its token; open the link that it printed when it started.")

    def cookie(self, path: str = "/", *, secure: bool = False) -> str:
        """The header value that lets a browser in again: out of reach of scripts and of other sites, and of no use
        as a link.

        Args:
            path: below which the server is.
            secure: whether the browser must send it over encrypted connections only.
        """
        attributes = f"Path={path}; HttpOnly; SameSite=Strict" + ("; Secure" if secure else "")
        return f"{self._cookie_name}={self._cookie_value}; {attributes}"

    def ticket(self) -> str | None:
        """What stands for the token in an address, once; None where no token is needed. Others on this machine can see
        with which address a browser was started."""
        self._once = secrets.token_urlsafe(24) if self._token is not None else None
        return self._once

    def _is_ticket(self, text: str) -> bool:
        if self._once is None or not _same(text, self._once):
            return False
        self._once = None
        return True

    def _derived(self, purpose: str) -> str:
        return hmac.new((self._token or "").encode(), purpose.encode(), hashlib.sha256).hexdigest()

    def _cookie(self, request: Request) -> str:
        # Others on this machine may have set cookies that no standard parser reads past.
        for header in request.headers.get_all("Cookie"):
            for pair in header.split(";"):
                name, _, value = pair.strip().partition("=")
                if name == self._cookie_name:
                    return value
        return ""


def field(request: Request, name: str) -> str | None:
    """A header of a request; one that was sent several times is a list, which is no name, origin or token of ours."""
    values = request.headers.get_all(name)
    return ", ".join(values) if values else None


def without_token(path: str) -> str:
    """The same address, relative to its own folder, without `?token=`."""
    folders, query = _split(path)
    query = urlencode([(name, value) for name, value in parse_qsl(query) if name != "token"])
    return f"./{folders.rpartition('/')[2]}" + (f"?{query}" if query else "")


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server on `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _split(path: str) -> tuple[str, str]:
    """Path and query of what is asked for, which need not be the address of anything."""
    path, _, query = path.partition("#")[0].partition("?")
    return path, query


def _same(text: str, secret: str) -> bool:
    """In a time that tells nothing of where they differ."""
    return hmac.compare_digest(text.encode("utf-8", "surrogateescape"), secret.encode())


def _place(url: str) -> tuple[str, str | None, int | None] | None:
    """Scheme, name and port of an origin; None where it is none of a page."""
    try:
        parts = urlsplit(url.lower())
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in _DEFAULT_PORTS or parts.hostname is None:
        return None
    if parts.path or parts.query or parts.fragment or "@" in parts.netloc:
        return None
    return parts.scheme, parts.hostname, port if port is not None else _DEFAULT_PORTS[parts.scheme]


def _hostname(host: str | None) -> str | None:
    place = _place(f"http://{host}")
    return place[1] if place is not None else None


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
