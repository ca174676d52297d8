"""The process of one model: loads it, then computes what comes through a pipe.

A process of its own keeps torch's start and every forward pass off the server's event loop and interpreter lock,
and takes a model's memory with it when it goes. It holds nothing that cannot be computed again.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from contextlib import suppress
from multiprocessing.connection import Connection
from urllib.parse import urlsplit

from .. import logs
from .catalog import LoadOptions, ModelSpec
from .commands import AtWork, LoadFailed, LoadProgress, Ping, Pong
from .mailbox import Mailbox

_GIVE_BACK_EVERY = 10.0
"""Seconds after which freed memory is given back to the system."""

_KERNELS_KEPT = "128"
"""oneDNN makes a kernel for each number of rows, in a millisecond, and keeps it: half a megabyte each, and there are as
many as a context has tokens, for each shape of weights. By itself it keeps 1024."""


def run_worker(connection: Connection, spec: ModelSpec, options: LoadOptions) -> None:
    """Entry point of the process. Sends `LoadingNews`, then a `StepReport` a step; ends when the pipe does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the server ends its workers
    # Threads that wait by spinning take the processor from those they wait for, as soon as others need it too.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    for cache in ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY"):
        os.environ.setdefault(cache, _KERNELS_KEPT)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # standard output belongs to the server's one line
    logs.set_up("error", options.log_format, knows_texts=False)
    inbox = Mailbox()
    threading.Thread(target=_receive, args=(connection, inbox), daemon=True).start()
    with suppress(BrokenPipeError, ConnectionResetError):  # the server is gone
        _serve(connection, inbox, spec, options)


def _receive(connection: Connection, inbox: Mailbox) -> None:
    try:
        while True:
            inbox.put(connection.recv())
    except (EOFError, OSError):
        os._exit(0)  # the server is gone; what the main thread is in the middle of, loading included, is for nobody


def _serve(connection: Connection, inbox: Mailbox, spec: ModelSpec, options: LoadOptions) -> None:
    connection.send(LoadProgress(5, "Starting PyTorch and TransformerLens"))
    # Read when the libraries are imported. A folder answers for itself; and where the Hub has no address, asking it
    # anyway takes half a minute of retries before the local cache is looked at.
    os.environ.setdefault("HF_HUB_VERBOSITY", "critical")
    if spec.folder is not None or not hub_has_address():
        os.environ["HF_HUB_OFFLINE"] = "1"
    from .device_memory import device_budget, give_back_memory
    from .engine import Engine
    from .loading import ModelLoadError, load_model

    try:
        runner, loaded = load_model(spec, options, lambda done, message: connection.send(LoadProgress(done, message)))
    except ModelLoadError as error:
        connection.send(LoadFailed(f"{error}", error.detail))
        return
    except MemoryError:
        connection.send(LoadFailed(f"There is not enough memory for {spec.title}."))
        return
    maxima = loaded.statistics.max if loaded.statistics is not None else None
    budget = device_budget(loaded.device, options.cache_bytes)
    engine = Engine(runner, budget, maxima, lambda keys: connection.send(AtWork(keys)))
    connection.send(loaded)
    given_back = time.monotonic()
    while True:
        # Newer commands are taken in before each step, so that a step is never spent on a stale evaluation.
        while (command := inbox.get(wait=engine.idle)) is not None:
            if isinstance(command, Ping):
                connection.send(Pong())
            else:
                engine.submit(command)
        connection.send(engine.reported_step())
        if time.monotonic() - given_back > _GIVE_BACK_EVERY:
            give_back_memory()
            given_back = time.monotonic()


def hub_has_address() -> bool:
    """Whether the Hugging Face Hub can be looked up from here; assumed where a proxy does that."""
    if any(os.environ.get(name) for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")):
        return True
    endpoint = urlsplit(os.environ.get("HF_ENDPOINT", "https://huggingface.co"))
    try:
        socket.getaddrinfo(endpoint.hostname, endpoint.port or 443)
    except OSError:
        return False
    return True
