"""Opens a websocket from a server's address, and explains failures in helpful sentences."""

from __future__ import annotations

import asyncio
import http
import ipaddress
import ssl
from urllib.parse import parse_qs, urlsplit, urlunsplit
from urllib.request import getproxies, proxy_bypass

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidProxy, InvalidStatus, ProxyError, WebSocketException
from websockets.http11 import Response

from .errors import Disconnected

PING_SECONDS = 4.0
"""How often a server that may have died is pinged."""
PONG_SECONDS = 6.0
"""How long its answer may take before the connection is considered lost."""
_CLOSE_SECONDS = 1.0
_LONGEST_QUOTE = 200


def websocket_address(url: str) -> tuple[str, str | None]:
    """The websocket's address for a server's page or websocket, and the token that the address carries.

    Raises:
        ValueError: it is not such an address.
    """
    parts = urlsplit(url if "//" in url else f"http://{url}")
    scheme = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}.get(parts.scheme)
    if scheme is None or not parts.hostname or not _has_valid_port(parts.netloc):
        raise ValueError(f"{url!r} is not a server's address, such as http://127.0.0.1:8740/")
    path = parts.path if parts.path.endswith("/ws") else parts.path.rstrip("/") + "/ws"
    token = parse_qs(parts.query).get("token", [None])[0]
    return urlunsplit((scheme, parts.netloc, path, "", "")), token


def _has_valid_port(netloc: str) -> bool:
    try:
        return urlsplit(f"//{netloc}").port != 0
    except ValueError:
        return False


async def open_socket(address: str, token: str | None) -> ClientConnection:
    """Connects to a websocket's address.

    Raises:
        Disconnected: it failed; the message says why, and what to do about it.
    """
    if token is not None and not token.isprintable():
        raise Disconnected("The access token has a line break or another character that no token can have.")
    proxy = proxy_for(address)
    try:
        return await connect(
            address,
            additional_headers={} if token is None else {"Authorization": f"Bearer {token}"},
            proxy=proxy,
            max_size=None,  # one frame may hold all values of a long text
            ping_interval=PING_SECONDS,
            ping_timeout=PONG_SECONDS,
            close_timeout=_CLOSE_SECONDS,
        )
    except (OSError, WebSocketException, asyncio.TimeoutError, ImportError, EOFError, ValueError) as error:
        reason = _why(error, address, proxy)
    raise Disconnected(reason)


def proxy_for(address: str) -> str | None:
    """The environment's proxy for this address; none for this machine itself."""
    parts = urlsplit(address)
    host = parts.hostname or ""
    if _is_this_machine(host) or proxy_bypass(f"{host}:{parts.port or (443 if parts.scheme == 'wss' else 80)}"):
        return None
    proxies = getproxies()
    schemes = ("wss", "socks", "https", "all") if parts.scheme == "wss" else ("ws", "socks", "https", "http", "all")
    return next((proxies[scheme] for scheme in schemes if scheme in proxies), None)


def _is_this_machine(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback or (mapped or address).is_unspecified


def _why(error: Exception, address: str, proxy: str | None) -> str:
    """Why there is no connection, as a sentence."""
    if proxy is not None:
        name = _without_password(proxy)
        if isinstance(error, InvalidProxy) or type(error) is ValueError:  # of its port, or its IPv6 address
            return f"The environment's proxy, {name}, is not a valid address: correct it or set no_proxy."
        if isinstance(error, ImportError):
            return f"The SOCKS proxy {name} needs the package python-socks: install it, or set no_proxy."
        if isinstance(error, ProxyError) or (isinstance(error, OSError) and not isinstance(error, ssl.SSLError)):
            return f"The proxy {name} could not connect to {address} ({_cause(error)}); set no_proxy to bypass it."
    secure = address.startswith("wss:")
    if isinstance(error, InvalidStatus):
        return _refusal(error.response, address)
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"The certificate of {address} is not trusted ({error.verify_message}): set SSL_CERT_FILE to a file "
            "with the certificate of its issuer."
        )
    if secure and isinstance(error, ssl.SSLError | ConnectionResetError):
        return f"The server at {address} does not use TLS ({_cause(error)}): try the link with http:// instead."
    if isinstance(error, TimeoutError | asyncio.TimeoutError):
        return f"The server at {address} does not answer."
    if isinstance(error, OSError | ValueError) and not isinstance(error, ConnectionResetError):
        return f"There is no server at {address} ({_cause(error)}): start one with `neuroscope serve`."
    hint = "" if secure else "; if its link begins with https://, use that"
    return f"The server at {address} is not a Neuroscope server ({_cause(error)}){hint}."


def _refusal(response: Response, address: str) -> str:
    status = response.status_code
    try:
        name = f"{status} {http.HTTPStatus(status).phrase}"
    except ValueError:
        name = f"{status}"
    body = (response.body or b"").decode(errors="replace").strip()
    is_sentence = response.headers.get("Content-Type", "").startswith("text/plain") and "\n" not in body
    if is_sentence and 0 < len(body) <= _LONGEST_QUOTE:
        return f"The server refused the connection ({name}): {body}"
    return f"The server at {address} is not a Neuroscope server, or a proxy in front of it refuses ({name})."


def _cause(error: Exception) -> str:
    text = error.strerror if isinstance(error, OSError) and error.strerror else f"{error}"
    lines = text.strip().rstrip(".").splitlines()
    return lines[0][:_LONGEST_QUOTE] if lines else type(error).__name__


def _without_password(proxy: str) -> str:
    scheme, separator, rest = proxy.rpartition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"
