"""The widget: the state that notebook and browser share.

Traits are set in the kernel's own thread only: in its event loop between cells, or while a trait is read. The browser's
side is `web_client/src/notebook`: it sends edits as changes, and draws the traits with a leading underscore.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import traitlets
from anywidget import AnyWidget

from ..client import Client
from ..client.blocking import LoopThread
from ..client.client import DEFAULT_TIMEOUT
from ..client.text import check_text, difference, map_spans
from .link import Link, Snapshot
from .neurons import neuron_keys
from .shared_text import SharedText, Update

if TYPE_CHECKING:
    import pandas

T = TypeVar("T")

_DRAWING = Path(__file__).parents[1] / "static" / "notebook.js"
_SPECIAL, _SEGMENT = 1, 2


class _Neurons(traitlets.List[str]):
    """A list of keys; accepts other spellings of them."""

    def validate(self, obj: Any, value: Any) -> list[str]:
        try:
            return neuron_keys(value)
        except (ValueError, TypeError) as error:
            raise traitlets.TraitError(str(error)) from None


class _Awaited(traitlets.Any):
    """When read, waits for the value of the current text."""

    def get(self, obj: Any, cls: Any = None) -> Any:
        obj._catch_up()
        return super().get(obj, cls)

    def set(self, obj: Any, value: Any) -> None:
        # Arrays cannot be compared by `==`; callers set this only if it has changed.
        old = obj._trait_values.get(self.name)
        obj._trait_values[self.name] = value
        obj._notify_trait(self.name, old, value)


class Widget(AnyWidget):
    """An editor in a cell, whose tokens are coloured by neurons of a language model at every keystroke.

    Its traits can be set, read, observed and linked like those of any widget: `text`, `neurons` and `focus` both ways,
    `tokens`, `values`, `status`, `problem` and `model` read-only. `tokens` and `values` change together, when all
    values of a text have come; reading them waits for those of the newest text, and raises an error if they cannot be
    computed.

    Args:
        text: the editor's text.
        neurons: such as `["L3N42", "L1N5-7"]` or `"L3N42 L1N5-7"`. The first colours the text, the others are stripes
            under it, until another is chosen by `focus` or by a click.
        url: the server's page or websocket, as seen from the kernel; a `?token=` in it is used.
        token: the server's access token, if it requires one.
        model: id of a model that the server offers; its default one when None.
        timeout: seconds that reading waits at most.

    Raises:
        ValueError: `url` is not an address, or `text` holds a lone surrogate.
        TraitError: a name in `neurons` is not a neuron.
    """

    _esm = _DRAWING

    text = traitlets.Unicode(help="The text; setting it sends what differs.").tag(sync=True)
    neurons = _Neurons(traitlets.Unicode(), help="Keys, in row order.").tag(sync=True)
    focus = traitlets.Unicode(None, allow_none=True, help="Key of the neuron that colours the text.").tag(sync=True)
    tokens = _Awaited(read_only=True, help="A list of `ws_server.client.Token`, spans in characters.")
    values = _Awaited(read_only=True, help="Activations, float32 [neurons, tokens].")
    status = traitlets.Unicode(
        "connecting", read_only=True, help="connecting, computing, ready, waiting, refused or closed."
    ).tag(sync=True)
    problem = traitlets.Unicode(read_only=True, help="What is wrong, as a sentence; otherwise empty.").tag(sync=True)
    model = traitlets.Unicode(read_only=True, help="Id of the model; empty until there is one.").tag(sync=True)

    # What the browser draws. Arrays are little-endian.
    _revision = traitlets.Int().tag(sync=True)  # of the text, as editors count its changes
    _rows: traitlets.List[Any] = traitlets.List().tag(sync=True)  # {key, statistics: {min, max, quantiles} | null}
    _tokens: traitlets.List[Any] = traitlets.List().tag(sync=True)  # [id, text, special: 1 + begins a context: 2]
    _spans = traitlets.Bytes().tag(sync=True)  # int32 [tokens, 2], UTF-16 units of `text`
    _values = traitlets.Bytes().tag(sync=True)  # float32 [rows, tokens]
    _current = traitlets.Bytes().tag(sync=True)  # uint8 [tokens], 1 where all values are of `text`

    def __init__(
        self,
        text: str = "",
        neurons: str | Iterable[str] = (),
        *,
        url: str = "http://127.0.0.1:8740/",
        token: str | None = None,
        model: str | None = None,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> None:
        check_text(text)
        client = Client(url, token=token, name="notebook")
        self._timeout = timeout
        self._internal = 0
        self._thread: LoopThread | None = None
        self._shared = SharedText(text)
        self._starts = self._stops = np.zeros(0, np.int64)  # [tokens], in characters of the text
        self._request = 0
        self._newest: Snapshot | None = None
        self._kernel: asyncio.AbstractEventLoop | None = None
        with suppress(RuntimeError):
            self._kernel = asyncio.get_running_loop()
        self._link = Link(client, text, model, self._snapshot_came)
        super().__init__(text=text, neurons=neurons)
        with self._internally():
            self.set_trait("tokens", [])
            self.set_trait("values", np.zeros((len(self.neurons), 0), np.float32))
        self._thread = LoopThread()
        self._do(self._link.want, self.neurons, self._request)
        self._do(self._link.start)
        self.on_msg(self._message_came)

    # -------------------------------------------------------------------------------- public

    @property
    def data(self) -> pandas.DataFrame:
        """One row per token: `id`, `text`, `start`, `stop`, `special`, `segment`, then one column per neuron.

        Waits as `values` does.

        Raises:
            ImportError: pandas is not installed.
        """
        return self._wait(self._link.frame())

    def top(
        self, token: int, k: int = 10, *, layers: Sequence[int] | None = None, by: str = "activation"
    ) -> list[dict[str, Any]]:
        """The neurons that are highest at a token; see `ws_server.client.Client.top`."""
        return self._wait(self._link.top(token, k, layers, by))

    def close(self) -> None:
        """Ends the session and removes the widget from the page. It can be called again."""
        thread, self._thread = getattr(self, "_thread", None), None
        if thread is not None:
            if thread.is_running:  # not in a forked process
                thread.wait(self._link.close(), 10)
                thread.stop()
            self.set_trait("problem", "")
            self.set_trait("status", "closed")
        super().close()

    # -------------------------------------------------------------------------------- set here or in the browser

    @traitlets.validate("text")
    def _text_is_sendable(self, proposal: Any) -> str:
        try:
            check_text(proposal["value"])
        except ValueError as error:
            raise traitlets.TraitError(str(error)) from None
        return str(proposal["value"])

    @traitlets.observe("text")
    def _text_was_set(self, change: Any) -> None:
        if self._thread is not None and not self._internal and change["new"] != self._shared.text:
            self._commit([self._shared.edit(difference(self._shared.text, change["new"]), "kernel")])

    @traitlets.validate("focus")
    def _focus_is_there(self, proposal: Any) -> str | None:
        focus = proposal["value"]
        if focus is None:
            return None
        keys = neuron_keys(focus)
        if len(keys) != 1 or keys[0] not in self.neurons:
            raise traitlets.TraitError(f"{focus} is not among the neurons of this widget: {', '.join(self.neurons)}")
        return keys[0]

    @traitlets.observe("neurons")
    def _neurons_were_set(self, change: Any) -> None:
        if self.focus not in self.neurons:
            self.focus = next(iter(self.neurons), None)
        if self._thread is not None and not self._internal:
            self._request += 1
            self._compute()
            self._do(self._link.want, self.neurons, self._request)

    def _message_came(self, _: Any, content: Any, buffers: Any) -> None:
        """A message of an editor in the browser."""
        if self._thread is None:
            return
        match content:
            case {"kind": "edit", "author": str(author), "revision": int(revision), "updates": list(updates)}:
                try:
                    taken = self._shared.accept(author, revision, updates)
                except ValueError:
                    self._send_text(author)
                    return
                if taken:
                    self._commit(taken)
                else:
                    self._send_since(revision, author)
            case {"kind": "missed", "author": str(author), "revision": int(revision)}:
                self._send_since(revision, author)

    def _commit(self, updates: Sequence[Update]) -> None:
        """The shared text has changed: passes it on to the editors, the server and the observers."""
        for update in updates:
            self._starts, self._stops = map_spans(self._starts, self._stops, update.changes)
        text, revision = self._shared.text, self._shared.revision
        self._do(self._link.change, text, [update.changes for update in updates])
        self._send_since(revision - len(updates), updates[0].author)
        with self._internally(), self.hold_sync():
            self._revision = revision
            self._spans = self._wire_spans()
            self._compute()
            self.text = text

    def _compute(self) -> None:
        """The present values are out of date."""
        if self.status == "ready":
            self.set_trait("status", "computing")

    def _send_since(self, revision: int, author: str) -> None:
        updates = self._shared.since(revision)
        if updates is None:
            self._send_text(author)
        else:
            missed = [{"author": update.author, "changes": update.wire} for update in updates]
            self.send({"kind": "updates", "revision": revision, "updates": missed})

    def _send_text(self, author: str) -> None:
        self.send({"kind": "text", "author": author, "revision": self._shared.revision, "text": self._shared.text})

    # -------------------------------------------------------------------------------- what comes from the server

    def _snapshot_came(self, snapshot: Snapshot) -> None:
        """Called in the link's thread."""
        planned, self._newest = self._newest is not None, snapshot
        if self._kernel is not None and not planned:
            with suppress(RuntimeError):  # the kernel is shutting down
                self._kernel.call_soon_threadsafe(self._take_newest)

    def _take_newest(self) -> None:
        snapshot, self._newest = self._newest, None
        if snapshot is None or self._thread is None:
            return
        # A snapshot from before the newest edit or request will be followed by a newer one.
        if (snapshot.revision, snapshot.request) == (self._shared.revision, self._request):
            self._take(snapshot)

    def _catch_up(self) -> None:
        """Waits for the values of the newest text, except where the traits are being set."""
        if self._thread is not None and not self._internal:
            try:
                snapshot = self._wait(self._link.settled())
            except Exception:
                self._take_newest()  # it may report a problem
                raise
            self._take(snapshot)

    def _take(self, snapshot: Snapshot) -> None:
        keys = [str(neuron["key"]) for neuron in snapshot.neurons]
        tokens = list(snapshot.tokens)
        with self._internally():
            with self.hold_sync():
                self._starts = np.array([token.start for token in tokens], np.int64)
                self._stops = np.array([token.stop for token in tokens], np.int64)
                self._spans = self._wire_spans()
                self._tokens = [
                    [token.id, token.text, _SPECIAL * token.special + _SEGMENT * token.segment] for token in tokens
                ]
                self._rows = [_row(neuron) for neuron in snapshot.neurons]
                self._values = snapshot.values.astype("<f4").tobytes()
                self._current = snapshot.current.astype(np.uint8).tobytes()
                if snapshot.answered:
                    self.neurons = keys
                self.set_trait("model", snapshot.model)
                self.set_trait("problem", snapshot.problem)
                if snapshot.status != "ready":
                    self.set_trait("status", snapshot.status)
            if snapshot.status == "ready":
                if tokens != self._trait_values["tokens"]:
                    self.set_trait("tokens", tokens)
                if not np.array_equal(snapshot.values, self._trait_values["values"], equal_nan=True):
                    self.set_trait("values", snapshot.values)
                self.set_trait("status", "ready")

    # -------------------------------------------------------------------------------- inside

    def _wire_spans(self) -> bytes:
        edges = self._shared.offsets.to_wire(np.stack([self._starts, self._stops], axis=-1))
        return edges.astype("<i4").tobytes()

    @contextmanager
    def _internally(self) -> Iterator[None]:
        """In this context, setting traits does not count as the user's, and reading them does not wait."""
        self._internal += 1
        try:
            yield
        finally:
            self._internal -= 1

    def _do(self, verb: Callable[..., None], *arguments: Any) -> None:
        """Calls `verb` in the link's thread, in call order."""
        if self._thread is not None:
            self._thread.loop.call_soon_threadsafe(verb, *arguments)

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        if self._thread is None:
            work.close()
            raise RuntimeError("The widget is closed.")
        return self._thread.wait(work, self._timeout)


def _row(neuron: Mapping[str, Any]) -> dict[str, Any]:
    """What the browser needs to colour by a neuron."""
    statistics = neuron.get("statistics")
    kept = None if statistics is None else {name: statistics[name] for name in ("min", "max", "quantiles")}
    return {"key": neuron["key"], "statistics": kept}
