"""A document of a connected client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from .errors import Disconnected, ServerError
from .neurons import ChangedNeuron
from .state import DocumentState, Done, Send, Token
from .table import FloatMatrix
from .text import Change, Offsets, difference

if TYPE_CHECKING:
    import pandas


class Session(Protocol):
    """What a document needs of its client."""

    neurons: list[dict[str, Any]]

    @property
    def closed(self) -> bool: ...

    def raise_if_closed(self) -> None: ...

    @property
    def subscriptions_settled(self) -> bool: ...

    async def top(
        self, document: Document, token: int, k: int, *, layers: Sequence[int] | None, by: str
    ) -> list[dict[str, Any]]: ...

    async def changed(
        self, document: Document, k: int, *, since: int | None, layers: Sequence[int] | None, by: str
    ) -> list[ChangedNeuron]: ...

    async def close_document(self, document: Document) -> None: ...


class Document:
    """A text on the server, with its tokens and values. Made by `Client.open`; use it in the client's event loop."""

    def __init__(self, client: Session, uri: str, text: str) -> None:
        self._client = client
        self._state = DocumentState(uri, text)
        self._waiting: list[asyncio.Future[None]] = []
        self._change_count = 0
        self._open_answered = False
        self.problem: ServerError | None = None
        """Why there are no values of the newest text: the server refused it, or could not compute them."""

    # -------------------------------------------------------------------------------- state

    @property
    def uri(self) -> str:
        return self._state.uri

    @property
    def text(self) -> str:
        return self._state.text

    @property
    def version(self) -> int:
        """Grows with every change."""
        return self._state.version

    @property
    def tokens(self) -> list[Token]:
        """The tokens, with spans in characters of the current text, including unanswered changes."""
        return self._state.tokens

    @property
    def spans(self) -> tuple[Offsets, Offsets]:
        """Starts and stops of `tokens`, int64 [tokens] each; much faster for thousands of them."""
        return self._state.spans

    def token_text(self, index: int) -> str:
        """The text of one of `tokens`."""
        return self._state.token_text(index)

    @property
    def last_done(self) -> Done | None:
        """What the last completely answered version cost; None before the first."""
        return self._state.done

    @property
    def is_settled(self) -> bool:
        """Whether every value of every subscribed neuron for the newest text is here."""
        return self._state.answered and self._client.subscriptions_settled

    def values(self, neurons: Sequence[str] | None = None) -> FloatMatrix:
        """Activations, float32 [neurons, tokens], rows in the order of `neurons`; NaN if one has not come yet.

        Columns are those of `tokens`. While `is_settled` is false, some may be of an older text: see `current`.

        Args:
            neurons: keys such as `L3N42`; all subscribed ones in row order when None.

        Raises:
            KeyError: a neuron that is not subscribed.
        """
        return self._state.activations.matrix(self._keys(neurons))

    def current(self, neurons: Sequence[str] | None = None) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Whether each of `values` is of the newest text that the server has tokenized, bool [neurons, tokens]."""
        return self._state.activations.current(self._keys(neurons))

    def to_pandas(self, neurons: Sequence[str] | None = None) -> pandas.DataFrame:
        """One row per token: `id`, `text`, `start`, `stop`, `special`, `segment`, then one column per neuron.

        Raises:
            ImportError: pandas is not installed.
        """
        import pandas

        keys = self._keys(neurons)
        columns = ("id", "text", "start", "stop", "special", "segment")
        frame: dict[str, Any] = {name: [getattr(token, name) for token in self.tokens] for name in columns}
        frame.update(zip(keys, self.values(keys), strict=True))
        return pandas.DataFrame(frame).rename_axis("token")

    def _keys(self, neurons: Sequence[str] | None) -> Sequence[str]:
        return [neuron["key"] for neuron in self._client.neurons] if neurons is None else neurons

    # -------------------------------------------------------------------------------- methods

    def change(self, changes: Iterable[Change]) -> None:
        """Changes the text at several places at once; offsets count characters of the text before all of them.

        Without a connection, the server gets the text after reconnecting.

        Raises:
            ValueError: changes overlap, leave the text, or hold a lone surrogate. Nothing is changed then.
        """
        version, problem = self.version, self.problem
        self.problem = None  # until the server reports it about this text
        try:
            self._state.change(list(changes))
        finally:
            if self.version == version:
                self.problem = problem  # nothing has changed
        self._notify()

    def replace(self, start: int, stop: int, insert: str) -> None:
        """Replaces the characters `[start, stop)` by `insert`."""
        self.change([Change(start, stop, insert)])

    def insert(self, at: int, text: str) -> None:
        self.replace(at, at, text)

    def append(self, text: str) -> None:
        self.insert(len(self.text), text)

    def set_text(self, text: str) -> None:
        """Makes `text` the whole text, by replacing what differs."""
        self.change(difference(self.text, text))

    async def settled(self) -> Document:
        """Waits until `is_settled`, however long; `asyncio.wait_for` can limit it.

        Raises:
            ServerError: the server refused this text, or could not compute its values. The next change or
                subscription makes it try again.
            Disconnected: the client was closed.
        """
        while not self.is_settled:
            if self.problem is not None:
                raise self.problem
            await self._next_change()
        return self

    async def updates(self) -> AsyncIterator[Document]:
        """Yields the document each time that its text, tokens or values have changed. Changes that come faster than
        they are read are merged. Ends when the client is closed."""
        seen = -1
        while not self._client.closed:
            if self._change_count == seen:
                with suppress(Disconnected):
                    await self._next_change()
            else:
                seen = self._change_count
                yield self

    async def top(
        self, token: int, k: int = 10, *, layers: Sequence[int] | None = None, by: str = "activation"
    ) -> list[dict[str, Any]]:
        """See `Client.top`."""
        return await self._client.top(self, token, k, layers=layers, by=by)

    async def changed(
        self, k: int = 10, *, since: int | None = None, layers: Sequence[int] | None = None, by: str = "activation"
    ) -> list[ChangedNeuron]:
        """See `Client.changed`. Waits until the newest text is computed."""
        await self.settled()
        return await self._client.changed(self, k, since=since, layers=layers, by=by)

    async def close(self) -> None:
        """Closes it here and on the server."""
        await self._client.close_document(self)

    # -------------------------------------------------------------------------------- for the client

    def attach(self, send: Send) -> None:
        """A connection is there."""
        self.problem = None
        self._state.attach(send)

    def detach(self) -> None:
        """The connection is gone."""
        self._state.detach()
        self._notify()

    def keep(self, keys: Iterable[str]) -> None:
        """Sets the rows. The server evaluates the text for them, unless it has refused the text."""
        if not self._state.is_refused:
            self.problem = None
        self._state.activations.keep(keys)
        self._notify()

    def model_changed(self) -> None:
        self._state.model_changed()
        self._notify()

    def receive(self, method: str, params: Mapping[str, Any]) -> None:
        """Handles a notification about this document."""
        try:
            if self._state.receive(method, params):
                self._notify()
        except (ValueError, KeyError, TypeError):
            self._state.open()  # it does not fit the state here: open it again

    def opened(self, version: int, problem: ServerError | None) -> None:
        """The answer to the `document/open` of `version`; answers to older ones are ignored."""
        if version == self._state.opened_at:
            self._open_answered = True
            if problem is not None:
                self.refuse()
            self.fail(problem)

    def refuse(self) -> None:
        """The server has no text to change: the next change opens it again."""
        self._state.refused()

    def fail(self, problem: ServerError | None) -> None:
        """There will be no values of the newest text, because of `error`."""
        self.problem = problem
        self._notify()

    async def wait_until_opened(self) -> None:
        """Raises the server's error if it refuses the text."""
        while not self._open_answered:
            await self._next_change()
        if self._state.is_refused and self.problem is not None:
            raise self.problem

    async def _next_change(self) -> None:
        """Waits for the next change; raises `Disconnected` once the client is closed."""
        self._client.raise_if_closed()
        change: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(change)
        await change
        self._client.raise_if_closed()

    def _notify(self) -> None:
        self._change_count += 1
        waiting, self._waiting = self._waiting, []
        for change in waiting:
            if not change.done():
                change.set_result(None)
