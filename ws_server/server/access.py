"""Who may use the server: checks Host, Origin and token of a request.

A page of another site can open a websocket to any address, and can make a name that it owns resolve to ours (DNS
rebinding). So the Host header has to be an address or one of our names, and a page has to come from our own origin or
from one that the operator listed.

If other machines can connect, a token is needed as well: as `?token=` in the link that the server printed, which is
exchanged for a cookie; or, for programs, in the same place or as `Authorization: Bearer`.
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
    """A request that is refused; carries the HTTP status and a message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Access:
    """The access rules of one server.

    Args:
        host: the address that the server is bound to.
        allowed_origins: origins besides its own, such as `https://lab.example`; `*` allows all.
        token: the secret that clients need; None if they need none.
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
        # Browsers do not separate cookies by port, so each server on a machine needs a name of its own.
        self._cookie_name = f"neuroscope_{self._derived('name')[:8]}"
        self._cookie_value = self._derived("cookie")

    def check_source(self, request: Request, *, opens_socket: bool, secure: bool = False) -> None:
        """Checks `Host`, and `Origin` if a page could exploit our cookies or our place in the network.

        Args:
            secure: whether the request is known to have been encrypted; then its page has to be, too.

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
        """Checks the token, if one is needed.

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
        raise Refusal(401, "This server requires its token; open the link that it printed when it started.")

    def cookie(self, path: str = "/", *, secure: bool = False) -> str:
        """The header value that admits a browser later on. Scripts and other sites cannot read it, and it does not work
        in a link.

        Args:
            path: the server's base path.
            secure: whether the browser may send it over encrypted connections only.
        """
        attributes = f"Path={path}; HttpOnly; SameSite=Strict" + ("; Secure" if secure else "")
        return f"{self._cookie_name}={self._cookie_value}; {attributes}"

    def ticket(self) -> str | None:
        """A substitute for the token that works once; None if no token is needed. Other users of this machine can see
        the command line, and so the address, with which a browser was started."""
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
        # Other servers on this machine may have set cookies that a standard parser rejects.
        for header in request.headers.get_all("Cookie"):
            for pair in header.split(";"):
                name, _, value = pair.strip().partition("=")
                if name == self._cookie_name:
                    return value
        return ""


def field(request: Request, name: str) -> str | None:
    """A header of a request. If it was sent several times the values are joined, which never is a valid name, origin
    or token."""
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
    """Path and query of a request target, which need not be a valid URL."""
    path, _, query = path.partition("#")[0].partition("?")
    return path, query


def _same(text: str, secret: str) -> bool:
    """Compares in constant time."""
    return hmac.compare_digest(text.encode("utf-8", "surrogateescape"), secret.encode())


def _place(url: str) -> tuple[str, str | None, int | None] | None:
    """Scheme, name and port of an origin; None if it is not an HTTP origin."""
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
