"""The widget: what of a text and its neurons the notebook and the browser share.

Every trait is set in the kernel's own thread, in its event loop between cells, or while somebody reads. The browser's
side is `web_client/src/notebook`: it sends edits as changes, and draws what the traits with a leading underscore tell.
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
    """A list of keys; takes any of their spellings."""

    def validate(self, obj: Any, value: Any) -> list[str]:
        try:
            return neuron_keys(value)
        except (ValueError, TypeError) as error:
            raise traitlets.TraitError(str(error)) from None


class _Awaited(traitlets.Any):
    """Waits, when read, until it is that of the text as it is."""

    def get(self, obj: Any, cls: Any = None) -> Any:
        obj._catch_up()
        return super().get(obj, cls)

    def set(self, obj: Any, value: Any) -> None:
        # Arrays do not compare to one truth value; this is set only where it differs.
        old = obj._trait_values.get(self.name)
        obj._trait_values[self.name] = value
        obj._notify_trait(self.name, old, value)


class Widget(AnyWidget):
    """An editor in a cell, whose tokens are coloured by neurons of a language model at every keystroke.

    Its traits can be set, read, observed and linked as those of any widget: `text`, `neurons` and `focus` both ways,
    `tokens`, `values`, `status`, `problem` and `model` to be read. `tokens` and `values` change together, whenever all
    values of a text have come; reading them waits for those of the newest text, and raises what is wrong.

    Args:
        text: of the editor.
        neurons: such as `["L3N42", "L1N5-7"]` or `"L3N42 L1N5-7"`. The first colours the text, the others are stripes
            under it, until another is chosen by `focus` or by a click.
        url: the server's page or websocket, as the kernel reaches it; a `?token=` in it is used.
        token: the server's access token, where it asks for one.
        model: id of a model that the server offers; its default one when None.
        timeout: seconds that reading waits at most.

    Raises:
        ValueError: `url` is no address, or `text` holds a lone surrogate.
        TraitError: something in `neurons` names no neuron.
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
    problem = traitlets.Unicode(read_only=True, help="What is wrong, as a sentence; else empty.").tag(sync=True)
    model = traitlets.Unicode(read_only=True, help="Id of the model; empty while there is none.").tag(sync=True)

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
        self._taking = 0
        self._thread: LoopThread | None = None
        self._shared = SharedText(text)
        self._starts = self._stops = np.zeros(0, np.int64)  # [tokens], in characters of the text
        self._wish = 0
        self._news: Snapshot | None = None
        self._kernel: asyncio.AbstractEventLoop | None = None
        with suppress(RuntimeError):
            self._kernel = asyncio.get_running_loop()
        self._link = Link(client, text, model, self._told)
        super().__init__(text=text, neurons=neurons)
        with self._take_in_turn():
            self.set_trait("tokens", [])
            self.set_trait("values", np.zeros((len(self.neurons), 0), np.float32))
        self._thread = LoopThread()
        self._do(self._link.want, self.neurons, self._wish)
        self._do(self._link.start)
        self.on_msg(self._heard)

    # -------------------------------------------------------------------------------- for people

    @property
    def data(self) -> pandas.DataFrame:
        """A row a token: `id`, `text`, `start`, `stop`, `special`, `segment`, then a column a neuron.

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
        """Ends the session and takes the widget from the page. It can be done again."""
        thread, self._thread = getattr(self, "_thread", None), None
        if thread is not None:
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
        if self._thread is not None and not self._taking and change["new"] != self._shared.text:
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
        if self._thread is not None and not self._taking:
            self._wish += 1
            self._compute()
            self._do(self._link.want, self.neurons, self._wish)

    def _heard(self, _: Any, content: Any, buffers: Any) -> None:
        """A message of an editor in the browser."""
        if self._thread is None:
            return
        match content:
            case {"kind": "edit", "author": str(author), "revision": int(revision), "updates": list(updates)}:
                try:
                    taken = self._shared.accept(author, revision, updates)
                except ValueError:
                    self._tell_all(author)
                    return
                if taken:
                    self._commit(taken)
                else:
                    self._tell_since(revision, author)
            case {"kind": "missed", "author": str(author), "revision": int(revision)}:
                self._tell_since(revision, author)

    def _commit(self, updates: Sequence[Update]) -> None:
        """The shared text has been changed: tell the editors, the server, and who observes."""
        for update in updates:
            self._starts, self._stops = map_spans(self._starts, self._stops, update.changes)
        text, revision = self._shared.text, self._shared.revision
        self._do(self._link.change, text, [update.changes for update in updates])
        self._tell_since(revision - len(updates), updates[0].author)
        with self._take_in_turn(), self.hold_sync():
            self._revision = revision
            self._spans = self._wire_spans()
            self._compute()
            self.text = text

    def _compute(self) -> None:
        """The values that are there are no longer those that are wanted."""
        if self.status == "ready":
            self.set_trait("status", "computing")

    def _tell_since(self, revision: int, author: str) -> None:
        updates = self._shared.since(revision)
        if updates is None:
            self._tell_all(author)
        else:
            told = [{"author": update.author, "changes": update.wire} for update in updates]
            self.send({"kind": "updates", "revision": revision, "updates": told})

    def _tell_all(self, author: str) -> None:
        self.send({"kind": "text", "author": author, "revision": self._shared.revision, "text": self._shared.text})

    # -------------------------------------------------------------------------------- what comes from the server

    def _told(self, snapshot: Snapshot) -> None:
        """In the link's thread."""
        planned, self._news = self._news is not None, snapshot
        if self._kernel is not None and not planned:
            with suppress(RuntimeError):  # the kernel ends
                self._kernel.call_soon_threadsafe(self._take_news)

    def _take_news(self) -> None:
        snapshot, self._news = self._news, None
        if snapshot is None or self._thread is None:
            return
        # One from before the newest edit or wish is followed by one that knows of it.
        if (snapshot.revision, snapshot.wish) == (self._shared.revision, self._wish):
            self._take(snapshot)

    def _catch_up(self) -> None:
        """The newest text's values, if this is not already said to somebody who observes."""
        if self._thread is not None and not self._taking:
            try:
                snapshot = self._wait(self._link.settled())
            except Exception:
                self._take_news()  # which says what is wrong, too
                raise
            self._take(snapshot)

    def _take(self, snapshot: Snapshot) -> None:
        keys = [str(neuron["key"]) for neuron in snapshot.neurons]
        tokens = list(snapshot.tokens)
        with self._take_in_turn():
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
    def _take_in_turn(self) -> Iterator[None]:
        """What is set here was not set by anybody, and what is read here waits for nothing."""
        self._taking += 1
        try:
            yield
        finally:
            self._taking -= 1

    def _do(self, verb: Callable[..., None], *arguments: Any) -> None:
        """Calls `verb` in the link's thread, in the order of these calls."""
        if self._thread is not None:
            self._thread.loop.call_soon_threadsafe(verb, *arguments)

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        if self._thread is None:
            work.close()
            raise RuntimeError("The widget is closed.")
        return self._thread.wait(work, self._timeout)


def _row(neuron: Mapping[str, Any]) -> dict[str, Any]:
    """What the browser needs of a neuron for its colours."""
    statistics = neuron.get("statistics")
    kept = None if statistics is None else {name: statistics[name] for name in ("min", "max", "quantiles")}
    return {"key": neuron["key"], "statistics": kept}
