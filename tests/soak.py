"""Many typists, some of them misbehaving: nothing may be lost, slow, wrong or left over.

    python -m tests.soak                                  # 50 typists for 60 seconds on the embedded model (make soak)
    python -m tests.soak --seconds 10 --typists 10

Each edits at random places in a session of its own. Some read slowly, some lose their connection now and then and
resume their session, some paste thousands of tokens. In the end every document's newest version must be done, with the
values of a plain pass of Hugging Face's own model over the whole text.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.resources import as_file, files
from pathlib import Path
from random import Random
from typing import Any

from websockets.exceptions import ConnectionClosed

from tests.support.client import Client
from tests.support.edits import Editor
from tests.support.server import ServerProcess

LIMIT_OF_LAG = 0.1
"""Largest lag of the event loop, in seconds, at the 99th percentile."""
GROWTH = 0.1
"""Share by which resident memory may grow between the end of the warm-up and the end."""
TOLERANCE = 2e-4
"""Largest absolute difference of a value. A float32 pass of this model differs by up to 1e-4 from one in double
precision, for values of up to 30, and so does ours, with other roundings."""

# Measures the lag of an idle process: the share that is due to a busy machine, not to the event loop.
_IDLE = """
import select, sys, time
late, due = [], time.monotonic()
while not select.select([sys.stdin], [], [], 0)[0]:
    due += 0.02
    time.sleep(max(0, due - time.monotonic()))
    now = time.monotonic()
    late.append(max(0, now - due))
    while due + 0.02 <= now:
        due += 0.02
        late.append(now - due)
print(sorted(late)[len(late) * 99 // 100])
"""

_SENTENCE = "It was the best of times, it was the worst of times, and {} of them counted {} waves.\n"


@dataclass(frozen=True)
class Load:
    """The load on the server."""

    seconds: float = 60.0
    warm_up: float = 30.0
    typists: int = 50
    keys_per_second: float = 5.0
    slow: int = 10
    cutting: int = 5
    cut_every: float = 3.5
    pasting: int = 2
    paste_every: float = 12.0
    paste_tokens: int = 5000
    rest: float = 11.0
    """Seconds before memory is measured: workers return freed memory every ten seconds."""
    seed: int = 0


@dataclass
class Figures:
    """What was measured."""

    edits: int = 0
    pastes: int = 0
    cuts: int = 0
    merged: int = 0
    documents: int = 0
    done: int = 0
    settling_seconds: float = 0.0
    first_update_ms: float = 0.0
    compared: int = 0
    worst: float = 0.0
    lag_ms: float = 0.0
    lag_share: float = 0.0
    memory_before: dict[str, int] = field(default_factory=dict)
    memory_after: dict[str, int] = field(default_factory=dict)
    complaints: list[str] = field(default_factory=list)

    @property
    def growth(self) -> float:
        """Growth of the process that has grown most."""
        ratios = (self.memory_after[name] / before for name, before in self.memory_before.items())
        return max(ratios, default=1.0) - 1

    def lines(self) -> list[str]:
        def mebibytes(memory: dict[str, int]) -> str:
            return ", ".join(f"{name} {size / 1024**2:.0f} MiB" for name, size in memory.items())

        figures = {
            "edits": f"{self.edits}, of which {self.pastes} pastes; {self.cuts} connections cut",
            "documents done": f"{self.done} of {self.documents}, {self.settling_seconds:.1f} s after the last edit",
            "versions answered by a newer one": f"{self.merged}",
            "edit to first values": f"{self.first_update_ms:.0f} ms at the median",
            "values compared": f"{self.compared}, largest difference {self.worst:.1e}",
            "event loop late": f"{self.lag_ms:.1f} ms at the 99th percentile",
            "memory after warm-up": mebibytes(self.memory_before),
            "memory at the end": f"{mebibytes(self.memory_after)}: {self.growth:+.1%}",
        }
        return [f"{name:34}{figure}" for name, figure in figures.items()]

    def lost(self) -> list[str]:
        """What went wrong or missing."""
        lost = list(self.complaints)
        if self.done != self.documents:
            lost.append(f"{self.documents - self.done} documents did not get their last done")
        return lost

    def missed(self) -> list[str]:
        """Which goals were missed."""
        missed = self.lost()
        if self.lag_share < 0.99:
            missed.append(
                f"the event loop is late by more than {LIMIT_OF_LAG * 1000:.0f} ms in {1 - self.lag_share:.1%}"
            )
        if self.growth > GROWTH:
            missed.append(f"resident memory of a process grew by {self.growth:.1%}")
        return missed


# ------------------------------------------------------------------------------------ typists


class Typist:
    """One person at one document."""

    def __init__(self, url: str, number: int, load: Load) -> None:
        self._url = url
        self._load = load
        self._random = Random(1000 * load.seed + number)
        self._encoding = "utf-16" if number % 2 else "utf-32"
        self._editor = Editor(self._random.randrange(1 << 30), self._encoding, size=400)
        self.is_slow = number < load.slow
        self._is_cutting = load.slow <= number < load.slow + load.cutting
        self._is_pasting = load.slow + load.cutting <= number < load.slow + load.cutting + load.pasting
        self.edits = self.pastes = self.cuts = 0
        self.client: Client

    async def arrive(self) -> None:
        await self._connect()
        # Slow readers have much to read, so that they fall behind.
        count = 150 if self.is_slow else self._random.choice((1, 4, 8))
        await self.client.subscribe(*{self._neuron() for _ in range(count)})
        await self.client.open_document("text", _SENTENCE.format("two", "seven"))

    async def type(self, until: float) -> None:
        """Types until a moment of `time.monotonic`."""
        tasks = [asyncio.ensure_future(self._read_slowly())] if self.is_slow else []
        pause = 1 / self._load.keys_per_second
        next_cut = time.monotonic() + self._until_cut()
        next_paste = time.monotonic() + self._random.uniform(0, self._load.paste_every / 4)
        due = time.monotonic() + self._random.uniform(0, pause)
        try:
            while due < until:
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                due += pause
                if self._is_cutting and time.monotonic() > next_cut:
                    next_cut = time.monotonic() + self._until_cut()
                    await self._cut()
                elif self._is_pasting and time.monotonic() > next_paste:
                    next_paste = time.monotonic() + self._load.paste_every
                    await self._paste()
                else:
                    await self._edit(self._editor.changes(self.client.documents["text"].text))
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self.client.go_on()

    async def rest(self) -> None:
        """Replaces the text by a short one."""
        await self._edit([(0, len(self.client.documents["text"].text), _SENTENCE.format("nobody", "all"))])

    async def _edit(self, changes: Sequence[tuple[int, int, str]]) -> None:
        await self.client.change("text", *changes)
        self.edits += 1

    async def _paste(self) -> None:
        """Replaces the text by a long one."""
        sentences = self._load.paste_tokens // 25  # a sentence has some 25 tokens
        text = "".join(_SENTENCE.format(number, self._random.randrange(1000)) for number in range(sentences))
        await self._edit([(0, len(self.client.documents["text"].text), text)])
        self.pastes += 1

    async def _cut(self) -> None:
        former = self.client
        document = former.documents["text"]
        former.cut()
        self.cuts += 1
        await self._connect(
            resume={member: former.initialized[member] for member in ("session", "resumeToken")},
            expected=former.initialized["session"],
        )
        message = self.client.opening("text", "", document.version + 1)
        message["params"]["text"] = document.text
        opened = self.client.documents["text"]
        opened.text, opened.texts = document.text, {opened.version: document.text}
        await self.client.send(message)

    def _until_cut(self) -> float:
        return self._random.uniform(0.5, 1.5) * self._load.cut_every

    async def _connect(self, expected: str | None = None, **params: Any) -> None:
        options: dict[str, Any] = {"ping_interval": None}  # a slow reader gets the pongs late, too
        if self.is_slow:
            options |= {"sock": await _narrow_socket(self._url), "max_queue": 1}
        self.client = await Client.dial(self._url, **options)
        hello = await self.client.initialize(positionEncodings=[self._encoding], **params)
        if expected is not None:
            assert (hello["resumed"], hello["session"]) == (True, expected), "its session was not kept"

    async def _read_slowly(self) -> None:
        """Reads a frame or two, then nothing for a while."""
        while True:
            self.client.pause()
            await asyncio.sleep(self._random.uniform(0.2, 0.8))
            frames = self.client.frames
            self.client.go_on()
            while self.client.frames < frames + 2:
                await asyncio.sleep(0.01)

    def _neuron(self) -> str:
        return f"L{self._random.randrange(4)}N{self._random.randrange(1024)}"


async def _narrow_socket(url: str) -> socket.socket:
    """A socket with a small receive buffer."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * 1024)
    connection.setblocking(False)
    host, port = url.removeprefix("http://").rstrip("/").split(":")
    await asyncio.get_running_loop().sock_connect(connection, (host, int(port)))
    return connection


# ------------------------------------------------------------------------------------ the server's side


def metrics(server: ServerProcess) -> dict[str, float]:
    text = server.get("/metrics")[2].decode()
    return {match[1]: float(match[2]) for match in re.finditer(r"^([a-z_]+(?:\{.*\})?) (\S+)$", text, re.MULTILINE)}


def histogram(before: dict[str, float], after: dict[str, float], name: str) -> list[tuple[float, float]]:
    """The observations in between: upper bounds of the buckets, and the number of observations below each."""
    pattern = re.compile(rf'{name}_bucket\{{le="(.*)"\}}')
    bounds = [(float(match[1]), key) for key in after if (match := pattern.fullmatch(key))]
    return [(bound, after[key] - before.get(key, 0.0)) for bound, key in sorted(bounds)]


def quantile(buckets: list[tuple[float, float]], level: float) -> float:
    """A quantile, interpolated within its bucket."""
    wanted = level * buckets[-1][1]
    low, below = 0.0, 0.0
    for bound, count in buckets:
        if count >= wanted:
            return bound if bound == float("inf") else low + (bound - low) * (wanted - below) / max(count - below, 1e-9)
        low, below = bound, count
    return low


def resident(server: ServerProcess) -> dict[str, int]:
    """Bytes of memory that the server and its worker hold (Linux)."""
    if not sys.platform.startswith("linux"):
        return {}

    def pages(pid: int) -> int:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1])

    (worker,) = server.workers()
    processes = {"server": server.pid, "worker": worker}
    return {name: pages(pid) * os.sysconf("SC_PAGE_SIZE") for name, pid in processes.items()}


# ------------------------------------------------------------------------------------ the whole


async def soak(server: ServerProcess, load: Load, tell: Callable[[str], None] = lambda line: None) -> Figures:
    """Loads a server of the embedded model, and measures."""
    figures = Figures()
    typists = [Typist(server.url, number, load) for number in range(load.typists)]
    await asyncio.gather(*(typist.arrive() for typist in typists))
    tell(f"{load.typists} typists have arrived")

    async def all_type(seconds: float) -> None:
        until = time.monotonic() + seconds
        await asyncio.gather(*(typist.type(until) for typist in typists))

    async def all_settle() -> float:
        begun = time.monotonic()
        waits = (typist.client.until(typist.client.all_settled, "the last done", 120) for typist in typists)
        results = await asyncio.gather(*waits, return_exceptions=True)
        figures.complaints += [f"{error}" for error in results if error is not None]
        return time.monotonic() - begun

    async def memory_at_rest() -> dict[str, int]:
        """Measured with short texts only: long ones need memory while they exist, and come and go at random."""
        for pause in (load.rest, 0.0):
            await asyncio.gather(*(typist.rest() for typist in typists))
            await all_settle()
            await asyncio.sleep(pause)
        return resident(server)

    await all_type(load.warm_up)
    await all_settle()
    figures.memory_before = await memory_at_rest()
    for typist in typists:
        typist.edits = typist.pastes = typist.cuts = 0
    before = await asyncio.to_thread(metrics, server)
    tell("warm")
    await all_type(load.seconds)
    figures.settling_seconds = await all_settle()
    after = await asyncio.to_thread(metrics, server)

    lag = histogram(before, after, "neuroscope_event_loop_lag_seconds")
    figures.lag_ms = 1000 * quantile(lag, 0.99)
    figures.lag_share = next(count for bound, count in lag if bound >= LIMIT_OF_LAG) / lag[-1][1]
    figures.first_update_ms = 1000 * quantile(histogram(before, after, "neuroscope_first_update_seconds"), 0.5)
    figures.merged = int(after["neuroscope_merged_versions_total"] - before["neuroscope_merged_versions_total"])
    figures.edits = sum(typist.edits for typist in typists)
    figures.pastes = sum(typist.pastes for typist in typists)
    figures.cuts = sum(typist.cuts for typist in typists)
    for typist in typists:
        client = typist.client
        figures.documents += len(client.documents)
        figures.done += sum(client.is_settled(document) for document in client.documents.values())
        figures.complaints += [f"$/error: {error['message']}" for error in client.errors]
        figures.complaints += [f"resync: {resync['reason']}" for resync in client.resyncs]
    tell("comparing with plain passes")
    await asyncio.to_thread(_compare, typists, figures)
    figures.memory_after = await memory_at_rest()
    for typist in typists:
        with suppress(ConnectionClosed):
            await typist.client.close()
    return figures


def _compare(typists: Sequence[Typist], figures: Figures) -> None:
    from tests.support.reference import Reference  # imports PyTorch, which only now is needed

    with as_file(files("ws_server") / "demo_model") as folder:
        reference = Reference(folder)
    for typist in typists:
        for document in typist.client.documents.values():
            try:
                reference.check(document, typist.client.subscribed, TOLERANCE)
            except AssertionError as error:
                figures.complaints.append(f"{error}")
    figures.compared, figures.worst = reference.compared, reference.worst


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the figures; returns 1 if a goal was missed."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description="Many typists at once.")
    for name, default in vars(Load()).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(default), default=default, help="%(default)s")
    load = Load(**vars(parser.parse_args(arguments)))
    with tempfile.TemporaryDirectory() as folder:
        server = ServerProcess(Path(folder) / "stderr", [], afresh=True)
        idle = subprocess.Popen([sys.executable, "-c", _IDLE], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        os.nice(5)  # the server is measured, and this process takes a whole core
        try:
            figures = asyncio.run(soak(server, load, lambda line: print(f"... {line}", flush=True)))
        finally:
            said, _ = idle.communicate()
            server.stop()
    print("\n".join(figures.lines()))
    print(f"{'an idle process beside it':34}{1000 * float(said):.1f} ms late at the 99th percentile, all the time")
    for line in figures.missed():
        print(f"MISSED: {line}")
    return 1 if figures.missed() else 0


if __name__ == "__main__":
    sys.exit(main())
