"""What the server counts, in Prometheus' text format."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from .. import __version__
from ..engine.commands import StepReport

disable_created_metrics()  # type: ignore[no-untyped-call]

_LAG_EVERY = 0.02
"""Seconds between two measurements of the event loop's delay."""
_ASLEEP = 30.0
"""Seconds; a longer delay is not counted: the process was suspended."""
_CLOSE_CODES = {1000, 1001, 1002, 1003, 1006, 1007, 1008, 1009, 1011}
"""Close codes that have a label of their own; clients may send any of thousands."""

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """Counters of one server."""

    def __init__(self) -> None:
        registry = self._registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        Info("neuroscope_build", "The server", registry=registry).info({"version": __version__})
        self._messages = Counter("neuroscope_messages", "Messages received", ["method"], registry=registry)
        self._notifications = Counter(
            "neuroscope_notifications", "Notifications to clients", ["method"], registry=registry
        )
        self._merged = Counter("neuroscope_merged_versions", "Versions answered by a newer one", registry=registry)
        self._documents = Histogram(
            "neuroscope_pass_documents", "Documents of one pass", buckets=(1, 2, 4, 8, 16), registry=registry
        )
        self._computed = Counter("neuroscope_computed_tokens", "Tokens computed", registry=registry)
        self._reused = Counter("neuroscope_reused_tokens", "Tokens answered from computed state", registry=registry)
        self._tokenize = Histogram(
            "neuroscope_tokenize_seconds", "Tokenizing one version", buckets=_SECONDS, registry=registry
        )
        self._queue = Histogram(
            "neuroscope_queue_seconds", "Waiting for the engine", buckets=_SECONDS, registry=registry
        )
        self._forward = Histogram("neuroscope_forward_seconds", "One forward pass", buckets=_SECONDS, registry=registry)
        self._first = Histogram(
            "neuroscope_first_update_seconds", "From an edit to its first values", buckets=_SECONDS, registry=registry
        )
        self._total = Histogram(
            "neuroscope_update_seconds", "From an edit to its done", buckets=_SECONDS, registry=registry
        )
        self._cache = Gauge("neuroscope_cache_bytes", "KV and capture buffers", ["model"], registry=registry)
        self._given_up = Counter(
            "neuroscope_given_up_connections", "Connections that the server closed", ["reason"], registry=registry
        )
        self._deaths = Counter("neuroscope_worker_deaths", "Workers that died", ["model"], registry=registry)
        self._lag = Histogram(
            "neuroscope_event_loop_lag_seconds", "Delay of the event loop", buckets=_SECONDS, registry=registry
        )
        self._sessions = Gauge("neuroscope_sessions", "Sessions alive", registry=registry)
        self._answers = Counter(
            "neuroscope_http_responses",
            "Responses to plain HTTP requests and refused handshakes",
            ["status"],
            registry=registry,
        )
        self._closed = Counter("neuroscope_closed_connections", "Closed websockets", ["code"], registry=registry)
        self._connections = Gauge("neuroscope_connections", "Open connections", registry=registry)

    def observe(self, sessions: Callable[[], float], connections: Callable[[], float]) -> None:
        """Sets the functions that the gauges read."""
        self._sessions.set_function(sessions)
        self._connections.set_function(connections)

    def answered(self, status: int) -> None:
        self._answers.labels(status).inc()

    def closed(self, code: int | None) -> None:
        """`code` is None for a connection that was lost without a closing handshake."""
        self._closed.labels(code if code in _CLOSE_CODES else "other").inc()

    def received(self, method: str) -> None:
        self._messages.labels(method).inc()

    def notified(self, method: str, params: Any) -> None:
        self._notifications.labels(method).inc()
        if method == "activations/done":
            timing = params["timing"]
            self._reused.inc(params["reusedTokens"])
            self._queue.observe(timing["queueMs"] / 1000)
            self._total.observe(timing["totalMs"] / 1000)
            if "firstUpdateMs" in timing:
                self._first.observe(timing["firstUpdateMs"] / 1000)

    def tokenized(self, seconds: float, merged: int) -> None:
        self._tokenize.observe(seconds)
        self._merged.inc(merged)

    def gave_up(self, reason: str) -> None:
        self._given_up.labels(reason).inc()

    def worker_died(self, model: str) -> None:
        self._deaths.labels(model).inc()

    def unloaded(self, model: str) -> None:
        self._cache.labels(model).set(0)

    async def watch_lag(self) -> None:
        """Measures the delay of the event loop, until cancelled.

        A long delay covers many measurements, and each of them is recorded with its own delay. Otherwise a long delay
        would count once, and short ones many times.
        """
        clock = asyncio.get_running_loop().time
        due = clock()
        while True:
            due += _LAG_EVERY
            await asyncio.sleep(due - clock())
            now = clock()
            if now - due > _ASLEEP:
                due = now
            while due + _LAG_EVERY <= now:
                self._lag.observe(now - due)
                due += _LAG_EVERY
            self._lag.observe(max(0.0, now - due))

    def stepped(self, model: str, report: StepReport) -> None:
        self._cache.labels(model).set(report.cache_bytes)
        if report.forward_pass is not None:
            self._documents.observe(report.forward_pass.documents)
            self._computed.inc(report.forward_pass.tokens)
            self._forward.observe(report.forward_pass.seconds)

    def text(self) -> bytes:
        return generate_latest(self._registry)
