"""The server's settings: one frozen object, no I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Limits:
    """What one server allows. `initialize` reports each limit to clients, and `serve` has an option for each."""

    sessions: int = 128
    """Sessions at once, connected or waiting to be resumed."""
    sessions_per_address: int = 64
    """Sessions of one address."""
    frame_bytes: int = 16 * 1024 * 1024
    """Bytes of one incoming frame; a larger one closes the connection with 1009."""
    documents: int = 32
    """Open documents of one session."""
    document_characters: int = 1_000_000
    """Characters (code points) of one document."""
    document_tokens: int = 65_536
    """Tokens of one document."""
    subscriptions: int = 1024
    """Subscribed neurons of one session."""
    messages_per_second: int = 500
    """Messages a second of one connection; a faster client is not read until it is within the limit again."""
    cache_bytes: int = 0
    """Computed state (keys, values and activations) of all models together; 0 means a quarter of the machine's memory.
    The models in memory share it equally; on a GPU they share a quarter of its memory, if that is less. The document
    that a model is computing is kept even if its state alone exceeds the share."""
    models_loaded: int = 4
    """Models in memory at once; when another is requested, one that no session uses is unloaded."""
    idle_seconds: float = 86_400.0
    """How long a connection may be idle before it is closed; 0 means for ever."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How the server runs.

    `models` holds names as given on the command line: a Hugging Face name, optionally ``NAME@REVISION``, or a
    local folder; empty means the embedded model. The first is the default.
    """

    models: tuple[str, ...] = ()
    host: str = "127.0.0.1"
    port: int = 8740
    device: str = "auto"
    dtype: str = "float32"
    open_browser: bool = False
    compression: bool = False
    """permessage-deflate; costs more time than it saves on loopback."""
    allowed_origins: tuple[str, ...] = ()
    """Origins, besides the server's own, whose pages may connect."""
    allowed_hosts: tuple[str, ...] = ()
    """Names of the server besides `localhost`, `host` and, if other machines can reach it, this machine's."""
    embedders: tuple[str, ...] = ()
    """Origins whose pages may show ours in a frame; `*` means all."""
    token: str | None = None
    """The secret that clients need; if none is given and other machines can connect, one is generated."""
    tls_certificate: Path | None = None
    """PEM file of the server's certificate; with it, the server accepts TLS only."""
    tls_key: Path | None = None
    """PEM file of its private key; None if the key is in the certificate's file."""
    base_path: str = ""
    """Path below which a reverse proxy serves it, such as `/neuroscope`; without a slash at the end."""
    trusted_proxies: tuple[str, ...] = ()
    """Addresses or networks whose `X-Forwarded-For` and `X-Forwarded-Proto` are trusted."""
    log_format: str = "text"
    """Format of the workers' log: `text` or `json`."""
    resume_seconds: float = 60.0
    """How long a dropped connection's session is kept."""
    slow_client_seconds: float = 30.0
    """How long a client may leave pending data unread before its connection is closed."""
    keepalive_seconds: float = 20.0
    """Time between pings; a peer that is silent for two intervals is considered dead."""
    flood_seconds: float = 60.0
    """How long a connection may exceed the message rate before it is closed with 1008."""
    drain_seconds: float = 10.0
    """How long a shutdown (SIGTERM) waits for pending work to be answered; SIGINT does not wait."""
    worker_seconds: float = 5.0
    """How long `/readyz` waits for the worker: a server whose passes take longer is not ready for more work."""
    handshake_seconds: float = 10.0
    """How long a peer may take for the TLS handshake, and again for the websocket handshake."""
    close_seconds: float = 1.0
    """How long shutdown waits for the closing handshakes of open connections."""
    context_tokens: int = 8192
    """The longest context, even if a model supports longer ones."""
    limits: Limits = field(default_factory=Limits)
