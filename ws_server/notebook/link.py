"""A widget's connection: one text and its neurons on a server, in a separate event loop.

It runs in a separate thread, so neither the kernel's event loop nor a long-running cell blocks it. Its state is
published as `Snapshot`s. Knows nothing about Jupyter.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..client import Change, Client, Disconnected, Document, ServerError, Token
from ..client.table import BoolVector, FloatMatrix

if TYPE_CHECKING:
    import pandas

Status = Literal["connecting", "computing", "ready", "waiting", "refused", "closed"]

_RETRY_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state of the text at one moment."""

    status: Status
    problem: str
    """What is wrong, as a sentence; otherwise empty."""
    model: str
    revision: int
    """Revision of the text that the tokens belong to."""
    request: int
    """Number of the last request for neurons that has arrived here."""
    answered: bool
    """Whether the server has answered it."""
    neurons: Sequence[Mapping[str, Any]]
    tokens: Sequence[Token]
    values: FloatMatrix
    """[neurons, tokens]; NaN if there is none yet."""
    current: BoolVector
    """[tokens]; whether every neuron's value there is of the newest text."""


class Link:
    """Call its methods only in its event loop.

    Args:
        client: not entered yet.
        model: id of the model to choose; the server's default one when None.
        publish: called with every new snapshot.
    """

    def __init__(self, client: Client, text: str, model: str | None, publish: Callable[[Snapshot], None]) -> None:
        self._client = client
        self._model = model
        self._on_snapshot = publish
        self._text, self._revision = text, 0
        self._wanted: Sequence[str] = ()
        self._granted: Sequence[str] = ()
        self._request = 0
        self._answered = -1
        self._refusal: ServerError | None = None  # of the last request for neurons
        self._unreached: Exception | None = None  # why there has been no connection yet
        self._fault: BaseException | None = None  # an unexpected error here; it ends everything
        self._complaint = ""
        self._closed = False
        self._document: Document | None = None
        self._waiting: list[asyncio.Future[None]] = []
        self._subscribing = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        client.on_error = self._complain
        client.on_state = self._connection_changed

    def start(self) -> None:
        self._start_task(self._run())

    async def close(self) -> None:
        self._closed = True
        await self._client.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._publish()

    def change(self, text: str, changes: Sequence[Sequence[Change]]) -> None:
        """Passes on the text after some revisions, and the changes of each, in code points."""
        self._text = text
        self._revision += len(changes)
        self._complaint = ""
        if self._document is not None:
            for change in changes:
                self._document.change(change)
        self._publish()

    def want(self, neurons: Sequence[str], request: int) -> None:
        """Replaces the neurons by these, in this order; if they are refused, the old ones stay."""
        self._wanted, self._request, self._refusal, self._complaint = neurons, request, None, ""
        if self._document is not None:
            self._start_task(self._subscribe())
        self._publish()

    async def settled(self) -> Snapshot:
        """Waits for all values of the newest text.

        Raises:
            Disconnected: there is no server, or the widget was closed.
            ServerError: it refused this text or the neurons that were set last, or could not compute the values.
        """
        while (snapshot := self.snapshot()).status != "ready":
            if self._closed:
                raise Disconnected("The widget is closed.")
            if (error := self._fault or self._unreached) is not None:
                raise error
            if self._document is not None and self._document.problem is not None:
                raise self._document.problem
            change: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(change)
            await change
        if self._refusal is not None:
            refusal, self._refusal = self._refusal, None
            raise refusal
        return snapshot

    async def frame(self) -> pandas.DataFrame:
        snapshot = await self.settled()
        assert self._document is not None
        return self._document.to_pandas([neuron["key"] for neuron in snapshot.neurons])

    async def top(self, token: int, k: int, layers: Sequence[int] | None, by: str) -> list[dict[str, Any]]:
        await self.settled()
        assert self._document is not None
        return await self._document.top(token, k, layers=layers, by=by)

    def snapshot(self) -> Snapshot:
        neurons = {neuron["key"]: neuron for neuron in self._client.neurons}
        keys = [key for key in self._wanted if key in neurons]
        document, facts = self._document, self._client.model
        status, problem = self._status()
        current: BoolVector = np.zeros(0, np.bool_) if document is None else np.all(document.current(keys), axis=0)
        return Snapshot(
            status,
            problem,
            "" if facts is None else str(facts["id"]),
            self._revision,
            self._request,
            self._answered == self._request,
            [neurons[key] for key in keys],
            [] if document is None else document.tokens,
            np.zeros((len(keys), 0), np.float32) if document is None else document.values(keys),
            current,
        )

    # -------------------------------------------------------------------------------- inside

    async def _run(self) -> None:
        """Tries to connect until it succeeds; from then on the client stays connected by itself."""
        while True:
            try:
                await self._client.__aenter__()
                break
            except (Disconnected, ServerError, TimeoutError) as error:
                self._unreached = error
                self._publish()
            await asyncio.sleep(_RETRY_SECONDS)
        self._unreached = None
        self._publish()
        document = None
        while document is None:
            try:
                # Without the text, which the server may refuse.
                document = await self._client.open()
            except (Disconnected, TimeoutError):
                await asyncio.sleep(_RETRY_SECONDS)
        await self._choose_model()
        self._document = document
        document.set_text(self._text)
        self._start_task(self._subscribe())
        async for _ in document.updates():
            self._publish()

    async def _choose_model(self) -> None:
        while self._model is not None and (self._client.model or {}).get("id") != self._model:
            try:
                await self._client.load_model(self._model)
            except ServerError as error:
                self._refusal, self._complaint = error, error.message
                return
            except (Disconnected, TimeoutError):
                await asyncio.sleep(_RETRY_SECONDS)

    async def _subscribe(self) -> None:
        """Makes the server's subscriptions those of the last request."""
        async with self._subscribing:
            wanted, request = self._wanted, self._request
            try:
                if wanted:
                    await self._client.subscribe(*wanted)
                surplus = [neuron["key"] for neuron in self._client.neurons if neuron["key"] not in wanted]
                if surplus:
                    await self._client.unsubscribe(*surplus)
            except ServerError as error:
                if request == self._request:
                    self._refusal, self._complaint = error, error.message
                    self._wanted = self._granted
            except Disconnected:
                return  # the next connection asks again
            except TimeoutError as error:
                self._complaint = f"{error}"
                self._start_task(self._subscribe())
                return
            else:
                self._granted = wanted
            self._answered = max(self._answered, request)
        self._publish()

    def _connection_changed(self, state: str) -> None:
        if state == "ready" and self._document is not None:
            self._start_task(self._subscribe())
        self._publish()

    def _complain(self, error: ServerError) -> None:
        self._complaint = error.message
        self._publish()

    def _status(self) -> tuple[Status, str]:
        if self._closed:
            return "closed", ""
        if self._fault is not None:
            return "closed", f"An unexpected error ended the widget's connection: {self._fault!r}"
        if self._unreached is not None:
            return "waiting", f"{self._unreached} Trying again."
        if self._client.state == "waiting":
            return "waiting", "The connection to the server is lost. Trying again; edits are kept."
        if self._document is None:
            return "connecting", ""
        if self._document.problem is not None:
            return "refused", self._document.problem.message
        ready = self._document.is_settled and self._answered == self._request
        return ("ready" if ready else "computing"), self._complaint

    def _publish(self) -> None:
        self._on_snapshot(self.snapshot())
        waiting, self._waiting = self._waiting, []
        for change in waiting:
            if not change.done():
                change.set_result(None)

    def _start_task(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fault = error
            self._publish()
