"""Finds the client's address when reverse proxies are in between.

A proxy connects on behalf of its clients. Each proxy appends the address that it saw to `X-Forwarded-For`, and
`X-Forwarded-Proto` says how the last one was reached. Anybody can send such headers, so they are used only as far as
the operator trusts the proxies that wrote them.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from websockets.datastructures import Headers

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class Peer:
    """Where a request comes from: the address, and whether it was encrypted as far as is known."""

    address: str
    secure: bool


class Proxies:
    """The trusted proxies.

    Args:
        trusted: addresses or networks, such as `127.0.0.1` or `10.0.0.0/8`.

    Raises:
        ValueError: one is neither.
    """

    def __init__(self, trusted: tuple[str, ...]) -> None:
        self._networks = [ipaddress.ip_network(text, strict=False) for text in trusted]

    def __bool__(self) -> bool:
        return bool(self._networks)

    def peer(self, connected: str, secure: bool, headers: Headers) -> Peer:
        """The client that sent a request.

        Args:
            connected: the address that the connection comes from.
            secure: whether that connection is encrypted.
            headers: the request's headers.
        """
        address = _address(connected)
        if address is None or not self._trusts(address):
            return Peer(str(address) if address is not None else connected, secure)
        chain = [name.strip() for header in headers.get_all("X-Forwarded-For") for name in header.split(",")]
        while chain and self._trusts(address) and (before := _address(chain.pop())) is not None:
            address = before
        protocol = ",".join(headers.get_all("X-Forwarded-Proto")).rpartition(",")[2].strip().lower()
        return Peer(str(address), protocol in ("https", "wss") if protocol else secure)

    def _trusts(self, address: _Address) -> bool:
        return any(address in network for network in self._networks)


def _address(text: str) -> _Address | None:
    """The address in `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1` or `[2001:db8::1]:80`."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
