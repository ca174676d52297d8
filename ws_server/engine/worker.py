"""The process of one model: loads it, then computes what comes through a pipe.

A separate process keeps torch's start and every forward pass off the server's event loop and interpreter lock, and
frees a model's memory when it ends. It holds nothing that cannot be computed again.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from contextlib import suppress
from multiprocessing.connection import Connection
from urllib.parse import urlsplit

from .catalog import LoadOptions, ModelSpec
from .commands import AtWork, LoadFailed, LoadProgress, Ping, Pong, SetBudget
from .libraries import import_libraries
from .mailbox import Mailbox

_GIVE_BACK_EVERY = 10.0
"""Seconds between two returns of freed memory to the system."""


def run_worker(connection: Connection) -> None:
    """Runs a worker until its pipe is closed.

    Receives the model to load, a `ModelSpec`, and the `LoadOptions`, as a pair; then commands. Sends `LoadingNews`,
    then a `StepReport` for each step.
    """
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):  # the server has gone
        spec, options = connection.recv()
        inbox = Mailbox()
        threading.Thread(target=_receive, args=(connection, inbox), daemon=True).start()
        _serve(connection, inbox, spec, options)


def _receive(connection: Connection, inbox: Mailbox) -> None:
    try:
        while True:
            inbox.put(connection.recv())
    except (EOFError, OSError):
        os._exit(0)  # the server has ended; nobody needs what the main thread is doing, not even loading


def _serve(connection: Connection, inbox: Mailbox, spec: ModelSpec, options: LoadOptions) -> None:
    import_libraries()
    from huggingface_hub import constants

    from .device_memory import cache_budget, give_back_memory
    from .engine import Engine
    from .loading import ModelLoadError, load_model

    # A folder needs no network. If the Hub's name does not resolve, asking it anyway takes half a minute of retries
    # before the local cache is used.
    if spec.folder is not None or not hub_has_address():
        constants.HF_HUB_OFFLINE = True
    try:
        runner, loaded = load_model(spec, options, lambda done, message: connection.send(LoadProgress(done, message)))
    except ModelLoadError as error:
        connection.send(LoadFailed(f"{error}", error.detail))
        return
    except MemoryError:
        connection.send(LoadFailed(f"There is not enough memory for {spec.title}."))
        return
    maxima = loaded.statistics.max if loaded.statistics is not None else None
    # The server sends the budget while the model is still loading; without one, only the document at work is kept.
    engine = Engine(runner, 0, maxima, lambda keys: connection.send(AtWork(keys)))
    connection.send(loaded)
    given_back = time.monotonic()
    while True:
        # All waiting commands are read before each step, so that no step is spent on a stale evaluation.
        while (command := inbox.get(wait=engine.idle)) is not None:
            if isinstance(command, Ping):
                connection.send(Pong())
            elif isinstance(command, SetBudget):
                engine.set_budget(cache_budget(loaded.device, command.bytes, command.models))
            else:
                engine.submit(command)
        connection.send(engine.reported_step())
        if time.monotonic() - given_back > _GIVE_BACK_EVERY:
            give_back_memory()
            given_back = time.monotonic()


def hub_has_address() -> bool:
    """Whether the Hugging Face Hub's name resolves; assumed if there is a proxy, which resolves it instead."""
    if any(os.environ.get(name) for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")):
        return True
    endpoint = urlsplit(os.environ.get("HF_ENDPOINT", "https://huggingface.co"))
    try:
        socket.getaddrinfo(endpoint.hostname, endpoint.port or 443)
    except OSError:
        return False
    return True
