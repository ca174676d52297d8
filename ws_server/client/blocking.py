"""The same client for programs without asyncio: notebooks and scripts. Its methods wait for their results.

    from ws_server.client.blocking import Client

    with Client("http://127.0.0.1:8740/") as client:
        client.subscribe("L1N5", "L2N42")
        document = client.open("It was the best of times.")
        document.values()                       # waits, then float32 [neurons, tokens]
        document.append(" It was the worst of times.")
        document.to_pandas()

Everything runs in an event loop in a separate thread, so it can be used from any thread, and beside a running loop.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from concurrent.futures import CancelledError as FutureCancelled
from typing import TYPE_CHECKING, Any, TypeVar

from . import client as asynchronous
from . import open_document as asynchronous_document
from .client import DEFAULT_TIMEOUT
from .errors import Disconnected
from .neurons import ChangedNeuron, NeuronRef
from .state import Done, Token
from .table import FloatMatrix
from .text import Change

if TYPE_CHECKING:
    import pandas

T = TypeVar("T")


class LoopThread:
    """An event loop in a thread."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._process = os.getpid()
        self._stopped = False
        self._submitting = threading.Lock()  # nothing is submitted once the loop is being stopped
        self._thread = threading.Thread(target=self.loop.run_forever, name="neuroscope-client", daemon=True)
        self._thread.start()

    @property
    def is_running(self) -> bool:
        """Whether the thread is running: not after `stop`, and not in a process that was forked from this one."""
        return not self._stopped and os.getpid() == self._process

    def wait(self, work: Coroutine[Any, Any, T], timeout: float | None) -> T:
        """Runs a coroutine there, and cancels it if this thread is interrupted or the time is over.

        Raises:
            TimeoutError: it took longer than `timeout` seconds.
            Disconnected: the loop was stopped, or this process has been forked from the one that it runs in.
            RuntimeError: this is the loop's own thread, which would wait for itself.
        """
        try:
            self._check()
            with self._submitting:
                self._check()
                result = asyncio.run_coroutine_threadsafe(asyncio.wait_for(work, timeout), self.loop)
        except (Disconnected, RuntimeError):
            work.close()
            raise
        try:
            return result.result()
        except (TimeoutError, asyncio.TimeoutError) as error:
            raise TimeoutError(f"{error}" or f"no answer within {timeout} seconds") from None
        except BaseException as error:
            result.cancel()
            if self._stopped and isinstance(error, asyncio.CancelledError | FutureCancelled):
                raise Disconnected("The client is closed.") from None
            raise

    def _check(self) -> None:
        if os.getpid() != self._process:
            raise Disconnected("This client belongs to the process that called os.fork(); make a new one.")
        if self._stopped:
            raise Disconnected("The client is closed.")
        if threading.current_thread() is self._thread:
            raise RuntimeError("A callback runs in the client's own thread and must not wait for the client.")

    def stop(self) -> None:
        """Ends the thread; calls that wait in other threads raise `Disconnected`. Does nothing if it is not running."""
        if not self.is_running:
            return
        with self._submitting:
            self._stopped = True
        asyncio.run_coroutine_threadsafe(_cancel_everything(), self.loop).result()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


async def _cancel_everything() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


class Client:
    """See `ws_server.client.Client` for the other arguments. A context manager; or call `close` at the end.

    Args:
        timeout: seconds that any method waits at most before it raises `TimeoutError`; None for no limit.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8740/",
        *,
        token: str | None = None,
        name: str = "python",
        timeout: float | None = DEFAULT_TIMEOUT,
    ) -> None:
        self._client = asynchronous.Client(url, token=token, name=name, timeout=None)  # the limit is set below
        self._timeout = timeout
        self._loop = LoopThread()
        try:
            self._wait(self._client.__aenter__())
        except BaseException:
            self._loop.stop()
            raise

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the client for good. It can be called again, and in a forked process, where it does nothing."""
        if self._loop.is_running:
            self._wait(self._client.close())
            self._loop.stop()

    @property
    def model(self) -> dict[str, Any] | None:
        return self._client.model

    @property
    def models(self) -> list[dict[str, Any]]:
        return self._client.models

    @property
    def limits(self) -> dict[str, int]:
        return self._client.limits

    @property
    def neurons(self) -> list[dict[str, Any]]:
        """The subscribed neurons, in row order."""
        return self._client.neurons

    def subscribe(self, *neurons: NeuronRef) -> list[dict[str, Any]]:
        return self._wait(self._client.subscribe(*neurons))

    def unsubscribe(self, *neurons: NeuronRef) -> list[dict[str, Any]]:
        return self._wait(self._client.unsubscribe(*neurons))

    def load_model(self, model: str, progress: Callable[[Mapping[str, Any]], None] | None = None) -> dict[str, Any]:
        """`progress` is called in the client's thread."""
        return self._wait(self._client.load_model(model, progress))

    def open(self, text: str = "", uri: str | None = None) -> Document:
        return Document(self, self._wait(self._client.open(text, uri)))

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        try:
            return self._loop.wait(work, self._timeout)
        except TimeoutError:
            raise TimeoutError(self._client.explain_timeout(self._timeout)) from None

    def _do(self, verb: Callable[..., T], *arguments: Any) -> T:
        """Calls `verb` in the client's thread, where everything else happens."""

        async def work() -> T:
            return verb(*arguments)

        return self._wait(work())


class Document:
    """See `ws_server.client.Document`. Reading values and tokens waits for those of the newest text."""

    def __init__(self, client: Client, document: asynchronous_document.Document) -> None:
        self._client = client
        self._document = document

    @property
    def uri(self) -> str:
        return self._document.uri

    @property
    def text(self) -> str:
        return self._document.text

    @property
    def version(self) -> int:
        """Increases with every change."""
        return self._document.version

    @property
    def tokens(self) -> list[Token]:
        return self._settled(lambda document: document.tokens)

    @property
    def last_done(self) -> Done | None:
        return self._settled(lambda document: document.last_done)

    def values(self, neurons: Sequence[str] | None = None) -> FloatMatrix:
        """Activations, float32 [neurons, tokens]."""
        return self._settled(lambda document: document.values(neurons))

    def to_pandas(self, neurons: Sequence[str] | None = None) -> pandas.DataFrame:
        return self._settled(lambda document: document.to_pandas(neurons))

    def top(
        self, token: int, k: int = 10, *, layers: Sequence[int] | None = None, by: str = "activation"
    ) -> list[dict[str, Any]]:
        return self._client._wait(self._document.top(token, k, layers=layers, by=by))

    def changed(
        self, k: int = 10, *, since: int | None = None, layers: Sequence[int] | None = None, by: str = "activation"
    ) -> list[ChangedNeuron]:
        return self._client._wait(self._document.changed(k, since=since, layers=layers, by=by))

    def change(self, changes: Iterable[Change]) -> None:
        self._client._do(self._document.change, list(changes))

    def replace(self, start: int, stop: int, insert: str) -> None:
        self._client._do(self._document.replace, start, stop, insert)

    def insert(self, at: int, text: str) -> None:
        self._client._do(self._document.insert, at, text)

    def append(self, text: str) -> None:
        self._client._do(self._document.append, text)

    def set_text(self, text: str) -> None:
        self._client._do(self._document.set_text, text)

    def close(self) -> None:
        self._client._wait(self._document.close())

    def _settled(self, read: Callable[[asynchronous_document.Document], T]) -> T:
        async def work() -> T:
            return read(await self._document.settled())

        return self._client._wait(work())
