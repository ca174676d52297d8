"""Who may talk to the server: Host and Origin of a request.

A page of another site can open a websocket to any address, and a name that it owns can be made to resolve to
ours (DNS rebinding). So a browser's request has to name us by an address or by a name that is ours, and its
page has to come from us or from an origin that the operator listed.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit


class Access:
    """The rule of one server.

    Args:
        host: what the server is bound to.
        allowed_origins: origins besides its own, such as `https://lab.example`; `*` allows all.
    """

    def __init__(self, host: str, allowed_origins: tuple[str, ...]) -> None:
        self._names = {"localhost", host.lower()}
        self._origins = {origin.rstrip("/").lower() for origin in allowed_origins}
        self._names |= {name for origin in self._origins if (name := urlsplit(origin).hostname) is not None}

    def refusal(self, host: str | None, origin: str | None) -> str | None:
        """Why a request with these headers is refused; None where it is not."""
        name = _hostname(host)
        if name is None or not (name in self._names or _is_address(name)):
            return "The Host header does not name this server."
        if origin is None or "*" in self._origins:
            return None
        if origin.lower() in self._origins:
            return None
        parts = urlsplit(origin)
        if parts.scheme in ("http", "https") and host is not None and parts.netloc.lower() == host.lower():
            return None
        return "Pages of this origin may not connect; see --allow-origin."


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
