"""What an operator's tools ask: is it alive, can it serve, what has it done."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import time
from collections.abc import Callable

import pytest

from tests.server.conftest import Fleet
from tests.support.client import TIME_LIMIT, Client

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc, which only Linux has")


def until(condition: Callable[[], bool]) -> None:
    """Each look asks the server, which is what this waits with."""
    deadline = time.monotonic() + TIME_LIMIT
    while not condition():
        assert time.monotonic() < deadline, "it does not come"


def readiness(fleet: Fleet) -> tuple[int, str]:
    status, headers, body = fleet.server.get("/readyz")
    assert headers["content-type"].startswith("application/json")
    assert headers["cache-control"] == "no-store"
    return status, json.loads(body)["status"]


@linux
async def test_ready_means_that_the_model_answers(narrow: Fleet) -> None:
    """A worker that hangs, however it came to that, is no use; the server itself is alive all the same."""
    async with await Client.open(narrow.url) as client:
        await client.subscribe("L0N1")
        assert readiness(narrow) == (200, "ready")
        workers = narrow.server.workers()
        for pid in workers:
            os.kill(pid, signal.SIGSTOP)
        try:
            assert readiness(narrow) == (503, "the model does not answer")
            assert narrow.server.get("/healthz")[0] == 200
            await client.open_document("one", "some text")  # tokenizing needs no worker
        finally:
            for pid in workers:
                os.kill(pid, signal.SIGCONT)
        until(lambda: readiness(narrow) == (200, "ready"))
        await client.settled()
        narrow.reference("gpt2").check(client.documents["one"], client.subscribed)


def metrics(fleet: Fleet) -> dict[str, float]:
    status, headers, body = fleet.server.get("/metrics")
    assert status == 200
    assert headers["content-type"].startswith("text/plain")
    values = {}
    for line in body.decode().splitlines():
        if not line.startswith("#"):
            match = re.fullmatch(r"([a-z_]+(?:\{[^}]*\})?) (\S+)", line)
            assert match is not None, line
            values[match[1]] = float(match[2])
    return values


async def test_metrics_count_what_happens(narrow: Fleet) -> None:
    before = metrics(narrow)

    def grown(name: str) -> float:
        return metrics(narrow).get(name, 0) - before.get(name, 0)

    async with await Client.open(narrow.url) as client:
        await client.subscribe("L2N0")
        await client.open_document("one", "some text")
        await client.settled()
        dones = [client.documents["one"].done]
        await client.change("one", (9, 9, " more"))
        await client.settled()
        dones.append(client.documents["one"].done)
        assert metrics(narrow)["neuroscope_connections"] >= 1
        assert metrics(narrow)["neuroscope_sessions"] >= 1
        for histogram in ("tokenize", "queue", "first_update", "update"):
            assert grown(f"neuroscope_{histogram}_seconds_count") == 2
            assert grown(f"neuroscope_{histogram}_seconds_sum") >= 0
        assert grown("neuroscope_forward_seconds_count") == 2
        assert grown("neuroscope_pass_documents_count") == grown("neuroscope_pass_documents_sum") == 2
        assert grown("neuroscope_computed_tokens_total") == sum(done["computedTokens"] for done in dones) > 0
        assert grown("neuroscope_reused_tokens_total") == sum(done["reusedTokens"] for done in dones) > 0
        assert metrics(narrow)["neuroscope_merged_versions_total"] >= 0
        assert metrics(narrow)['neuroscope_cache_bytes{model="gpt2"}'] > 0
        assert grown('neuroscope_messages_total{method="document/open"}') == 1
    until(lambda: grown('neuroscope_closed_connections_total{code="1000"}') >= 1)
    assert narrow.server.get("/nothing")[0] == 404
    assert grown('neuroscope_http_responses_total{status="404"}') >= 1
    assert metrics(narrow)["process_resident_memory_bytes"] > 1024**2
    assert metrics(narrow)["neuroscope_event_loop_lag_seconds_count"] > 0
    versions = [name for name in metrics(narrow) if name.startswith("neuroscope_build_info{")]
    assert len(versions) == 1
