"""What the server counts, in Prometheus' text format."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)

disable_created_metrics()  # type: ignore[no-untyped-call]

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """Counters of one server."""

    def __init__(self) -> None:
        registry = self._registry = CollectorRegistry()
        self._messages = Counter("neuroscope_messages", "Messages received", ["method"], registry=registry)
        self._notifications = Counter(
            "neuroscope_notifications", "Notifications to clients", ["method"], registry=registry
        )
        self._passes = Counter("neuroscope_forward_passes", "Forward passes", registry=registry)
        self._computed = Counter("neuroscope_computed_tokens", "Tokens computed", registry=registry)
        self._reused = Counter("neuroscope_reused_tokens", "Tokens answered from what was computed", registry=registry)
        self._tokenize = Histogram(
            "neuroscope_tokenize_seconds", "Tokenizing one version", buckets=_SECONDS, registry=registry
        )
        self._queue = Histogram(
            "neuroscope_queue_seconds", "Waiting for the engine", buckets=_SECONDS, registry=registry
        )
        self._forward = Histogram(
            "neuroscope_forward_seconds", "Forward passes of one version", buckets=_SECONDS, registry=registry
        )
        self._total = Histogram(
            "neuroscope_update_seconds", "From an edit to its done", buckets=_SECONDS, registry=registry
        )
        self._sessions = Gauge("neuroscope_sessions", "Sessions alive", registry=registry)
        self._connections = Gauge("neuroscope_connections", "Open connections", registry=registry)

    def observe(self, sessions: Callable[[], float], connections: Callable[[], float]) -> None:
        """Where the gauges are read."""
        self._sessions.set_function(sessions)
        self._connections.set_function(connections)

    def received(self, method: str) -> None:
        self._messages.labels(method).inc()

    def notified(self, method: str, params: Any) -> None:
        self._notifications.labels(method).inc()
        if method == "activations/done":
            timing = params["timing"]
            self._passes.inc(params["forwardPasses"])
            self._computed.inc(params["computedTokens"])
            self._reused.inc(params["reusedTokens"])
            self._queue.observe(timing["queueMs"] / 1000)
            self._forward.observe(timing["forwardMs"] / 1000)
            self._total.observe(timing["totalMs"] / 1000)

    def tokenized(self, seconds: float) -> None:
        self._tokenize.observe(seconds)

    def text(self) -> bytes:
        return generate_latest(self._registry)
