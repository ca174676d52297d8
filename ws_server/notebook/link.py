"""A widget's connection: one text and its neurons on a server, followed in an event loop of its own.

Everything here happens in a thread, so neither the kernel's event loop nor a cell that runs for long holds it up. What
is known is told as a `Snapshot`. Knows nothing of Jupyter.
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
    """What is known of the text at one moment."""

    status: Status
    problem: str
    """What is wrong, as a sentence; empty when nothing is."""
    model: str
    revision: int
    """Of the text whose tokens these are."""
    wish: int
    """Number of the last wish for neurons that was heard."""
    answered: bool
    """Whether `neurons` are the answer to it."""
    neurons: Sequence[Mapping[str, Any]]
    tokens: Sequence[Token]
    values: FloatMatrix
    """[neurons, tokens]; NaN where there is none yet."""
    current: BoolVector
    """[tokens]; whether every neuron's value there is of the newest text."""


class Link:
    """Belongs to its loop: every method is to be called there.

    Args:
        client: not entered yet.
        model: id of the model to choose; the server's default one when None.
        tell: called with every new snapshot.
    """

    def __init__(self, client: Client, text: str, model: str | None, tell: Callable[[Snapshot], None]) -> None:
        self._client = client
        self._model = model
        self._report = tell
        self._text, self._revision = text, 0
        self._wanted: Sequence[str] = ()
        self._granted: Sequence[str] = ()
        self._wish = 0
        self._answered = -1
        self._refusal: ServerError | None = None  # of the last wish
        self._unreached: Exception | None = None  # why there has never been a connection
        self._fault: BaseException | None = None  # ours, which ends everything
        self._complaint = ""
        self._closed = False
        self._document: Document | None = None
        self._waiting: list[asyncio.Future[None]] = []
        self._wishing = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        client.on_error = self._complain
        client.on_state = self._connection_changed

    def start(self) -> None:
        self._begin(self._run())

    async def close(self) -> None:
        self._closed = True
        await self._client.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tell()

    def change(self, text: str, changes: Sequence[Sequence[Change]]) -> None:
        """The text after a number of revisions, each of which was a set of changes in code points."""
        self._text = text
        self._revision += len(changes)
        self._complaint = ""
        if self._document is not None:
            for change in changes:
                self._document.change(change)
        self._tell()

    def want(self, neurons: Sequence[str], wish: int) -> None:
        """Has these neurons, in this order, in the place of those before. Refused, it keeps those."""
        self._wanted, self._wish, self._refusal, self._complaint = neurons, wish, None, ""
        if self._document is not None:
            self._begin(self._subscribe())
        self._tell()

    async def settled(self) -> Snapshot:
        """Waits for all values of the newest text.

        Raises:
            Disconnected: there is no server, or the widget was closed.
            ServerError: it does not take this text, or did not take the neurons that were asked for last.
        """
        while (snapshot := self.snapshot()).status != "ready":
            if self._closed:
                raise Disconnected("The widget is closed.")
            if (error := self._fault or self._unreached) is not None:
                raise error
            if self._document is not None and self._document.problem is not None:
                raise self._document.problem
            news: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(news)
            await news
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
            self._wish,
            self._answered == self._wish,
            [neurons[key] for key in keys],
            [] if document is None else document.tokens,
            np.zeros((len(keys), 0), np.float32) if document is None else document.values(keys),
            current,
        )

    # -------------------------------------------------------------------------------- inside

    async def _run(self) -> None:
        """Connects, as often as it takes; from then on the client stays connected by itself."""
        while True:
            try:
                await self._client.__aenter__()
                break
            except (Disconnected, ServerError, TimeoutError) as error:
                self._unreached = error
                self._tell()
            await asyncio.sleep(_RETRY_SECONDS)
        self._unreached = None
        self._tell()
        document = None
        while document is None:
            try:
                # Without its text, which may be one that the server does not take.
                document = await self._client.open()
            except (Disconnected, TimeoutError):
                await asyncio.sleep(_RETRY_SECONDS)
        await self._choose_model()
        self._document = document
        document.set_text(self._text)
        self._begin(self._subscribe())
        async for _ in document.updates():
            self._tell()

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
        """Brings the server's subscriptions after the wish."""
        async with self._wishing:
            wanted, wish = self._wanted, self._wish
            try:
                if wanted:
                    await self._client.subscribe(*wanted)
                surplus = [neuron["key"] for neuron in self._client.neurons if neuron["key"] not in wanted]
                if surplus:
                    await self._client.unsubscribe(*surplus)
            except ServerError as error:
                if wish == self._wish:
                    self._refusal, self._complaint = error, error.message
                    self._wanted = self._granted
            except (Disconnected, TimeoutError):
                return  # asked again on the next connection
            else:
                self._granted = wanted
            self._answered = max(self._answered, wish)
        self._tell()

    def _connection_changed(self, state: str) -> None:
        if state == "ready" and self._document is not None:
            self._begin(self._subscribe())
        self._tell()

    def _complain(self, error: ServerError) -> None:
        self._complaint = error.message
        self._tell()

    def _status(self) -> tuple[Status, str]:
        if self._closed:
            return "closed", ""
        if self._fault is not None:
            return "closed", f"The widget's connection ended by a fault: {self._fault!r}"
        if self._unreached is not None:
            return "waiting", f"{self._unreached} Trying again."
        if self._client.state == "waiting":
            return "waiting", "The connection to the server is lost; trying again. Edits are kept."
        if self._document is None:
            return "connecting", ""
        if self._document.problem is not None:
            return "refused", self._document.problem.message
        ready = self._document.is_settled and self._answered == self._wish
        return ("ready" if ready else "computing"), self._complaint

    def _tell(self) -> None:
        self._report(self.snapshot())
        waiting, self._waiting = self._waiting, []
        for news in waiting:
            if not news.done():
                news.set_result(None)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fault = error
            self._tell()
