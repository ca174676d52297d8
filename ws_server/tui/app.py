"""The terminal frontend: an editor whose tokens are coloured by the neuron in focus, and a row for each neuron."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from itertools import accumulate
from typing import Any, ClassVar

import numpy as np
from rich.console import RenderableType
from rich.style import Style
from rich.text import Text
from textual import events, on
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.geometry import Region
from textual.strip import Strip
from textual.widgets import Footer, Input, Static, TextArea

from ..client import Client, Disconnected, Document, ServerError
from ..client.table import FloatMatrix
from ..client.text import Offsets
from .colour import INKS, bars, reach, wash

_TOP = 5
"""Neurons that `Top here` adds."""
_OWN_NEURONS = 6
_BAR_WIDTH = 50
_TIMEOUT = 30.0
"""Seconds that a key's request waits for the server."""
_NARROW = 70
"""Columns below which the rows stand under the text instead of beside it."""
_SAMPLE = "Type here. Every token is coloured by how strongly the neuron in focus fires on it.\n"

_NO_SPANS: Offsets = np.zeros(0, np.int64)


class TokenEditor(TextArea):
    """An editor whose tokens have background colours."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+home", "to_start", show=False),
        Binding("ctrl+end", "to_end", show=False),
    ]

    def __init__(self, text: str) -> None:
        # Highlighting the cursor's line would hide the colours of its tokens.
        super().__init__(text, show_line_numbers=False, tab_behavior="focus", highlight_cursor_line=False, id="editor")
        self._starts = self._stops = _NO_SPANS
        self._style: Callable[[int], Style] = lambda index: Style.null()
        self._layout: tuple[list[int], list[int]] | None = None
        self._row = 0

    def paint(self, starts: Offsets, stops: Offsets, style: Callable[[int], Style]) -> None:
        """Colours tokens, whose spans [tokens] are in characters of the current text.

        Args:
            style: gives the style of a token; called for visible ones.
        """
        self._starts, self._stops, self._style = starts, stops, style
        self._layout = None
        self.notify_style_update()
        self.refresh()

    def render_lines(self, crop: Region) -> list[Strip]:
        self._layout = None  # the text or the width may have changed since the last frame
        return super().render_lines(crop)

    def render_line(self, y: int) -> Strip:
        self._row = self.scroll_offset.y + y
        return super().render_line(y)

    def get_line(self, line_index: int) -> Text:
        """A line of the text, called for each row of the screen. Only the tokens of that row are coloured, as a line of
        thousands of tokens may have hundreds of rows."""
        line = super().get_line(line_index)
        if self._layout is None:
            self._layout = self._laid_out()
        line_starts, first_rows = self._layout
        edges = [0, *self.wrapped_document.get_offsets(line_index), len(line.plain)]
        row = min(max(self._row - first_rows[line_index], 0), len(edges) - 2)
        line_start = line_starts[line_index]
        start, stop = line_start + edges[row], line_start + edges[row + 1]
        # Spans are in order, so those of the row are a slice of them.
        first = int(np.searchsorted(self._stops, start, side="right"))
        last = int(np.searchsorted(self._starts, stop, side="left"))
        spans = zip(self._starts[first:last].tolist(), self._stops[first:last].tolist(), strict=True)
        for index, (begin, end) in enumerate(spans, start=first):
            line.stylize(self._style(index), max(begin, start) - line_start, min(end, stop) - line_start)
        return line

    def _laid_out(self) -> tuple[list[int], list[int]]:
        """Where each line begins: its offset in the text, and its first row."""
        lines, newline = self.document.lines, len(self.document.newline)
        rows = (len(self.wrapped_document.get_offsets(index)) + 1 for index in range(len(lines)))
        return (
            list(accumulate((len(line) + newline for line in lines), initial=0)),
            list(accumulate(rows, initial=0)),
        )

    def offset_of(self, line: int) -> int:
        """Where a line begins in the text."""
        return sum(len(before) + len(self.document.newline) for before in self.document.lines[:line])

    def action_to_start(self) -> None:
        self.move_cursor((0, 0))

    def action_to_end(self) -> None:
        self.move_cursor(self.document.end)

    @property
    def caret(self) -> int:
        """Offset of the caret in the text."""
        line, column = self.cursor_location
        return self.offset_of(line) + column


class NeuroscopeTerminal(App[str | None]):
    """Runs until the user quits, or the first connection fails; then returns why.

    Args:
        client: not entered yet; the app connects and closes it.
        text: the editor's first text.
        neurons: keys to start with; by default a few of the middle layer.
    """

    TITLE = "Neuroscope"
    ENABLE_COMMAND_PALETTE = False
    CSS = """
    #status { height: 1; padding: 0 1; background: $panel; color: $text-muted; }
    #main { layout: horizontal; height: 1fr; }
    #editor { width: 1fr; height: 1fr; border: none; padding: 0 1; }
    #side { width: 45%; max-width: 56; border-left: solid $panel; padding: 0 1; overflow-y: auto; }
    #main.narrow { layout: vertical; }
    #main.narrow #side {
        width: 100%; max-width: 100%; height: auto; max-height: 45%; border-left: none; border-top: solid $panel;
    }
    #add { dock: bottom; border: tall $accent; display: none; }
    #add.open { display: block; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f2", "add", "Add", priority=True),
        Binding("f4", "top", "Top here", priority=True),
        Binding("f8", "remove", "Remove", priority=True),
        Binding("alt+up", "move(-1)", "Row up", priority=True),
        Binding("alt+down", "move(1)", "Row down", priority=True),
        Binding("alt+left", "step(-1)", "Neuron -1", priority=True),
        Binding("alt+right", "step(1)", "Neuron +1", priority=True),
        Binding("ctrl+q", "quit", "Quit", priority=True),
        Binding("escape", "close_add", show=False, priority=True),
    ]

    def __init__(self, client: Client, text: str = _SAMPLE, neurons: Sequence[str] = ()) -> None:
        super().__init__()
        self._client = client
        self._first_text = text
        self._first_neurons = list(neurons)
        self._document: Document | None = None
        self._focus: str | None = None
        self._problem = ""
        self._following: asyncio.Task[None] | None = None
        self._requests: set[asyncio.Task[None]] = set()
        self._one_at_a_time = asyncio.Lock()
        self._drawing = False

    # -------------------------------------------------------------------------------- life

    def compose(self) -> ComposeResult:
        yield Static("Connecting", id="status")
        with Container(id="main"):
            yield TokenEditor(self._first_text)
            yield Static(id="side")
        yield Input(placeholder="L3N42, several with spaces", id="add")
        yield Footer()

    async def on_mount(self) -> None:
        self.editor.focus()
        self._following = asyncio.ensure_future(self._follow())

    async def on_unmount(self) -> None:
        tasks = [*self._requests, *([] if self._following is None else [self._following])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _follow(self) -> None:
        """Shows what the server sends, as it comes."""
        try:
            await self._client.__aenter__()
        except Exception as error:  # shown when the terminal is back
            self.exit(f"{error}")
            return
        try:
            self._client.timeout = _TIMEOUT  # the model is loaded
            self._client.on_error = lambda error: self._complain(error.message)
            await self._begin(self._client)
            assert self._document is not None
            async for _ in self._document.updates():
                self._show()
            self._client.raise_if_closed()
        except Exception as error:
            self._complain(f"The connection has ended, the text is still here: {error}")
        finally:
            await self._client.close()

    async def _begin(self, client: Client) -> None:
        keys = self._first_neurons
        if not keys and client.model is not None:
            layer = client.model["layers"] // 2
            keys = [f"L{layer}N{number}" for number in range(min(_OWN_NEURONS, client.model["neuronsPerLayer"]))]
        await self._ask(self._subscribe(keys))
        document = None
        while document is None:
            try:
                # Without the text, which the server may refuse.
                document = await client.open()
            except TimeoutError as error:
                self._complain(f"{error}")
        self._document = document
        document.set_text(self.editor.text)

    @property
    def editor(self) -> TokenEditor:
        return self.query_one(TokenEditor)

    @property
    def document(self) -> Document | None:
        """None until the server has it."""
        return self._document

    # -------------------------------------------------------------------------------- what is shown

    @property
    def keys(self) -> list[str]:
        return [neuron["key"] for neuron in self._client.neurons]

    @property
    def focus_key(self) -> str | None:
        """The neuron that colours the text."""
        return self._focus if self._focus in self.keys else next(iter(self.keys), None)

    def on_resize(self, event: events.Resize) -> None:
        self.query_one("#main").set_class(event.size.width < _NARROW, "narrow")
        self._show()

    def _show(self) -> None:
        """Draws soon; a key and the server's answer to it are often drawn together."""
        if not self._drawing and self.is_running:
            self._drawing = True
            self.call_later(self._draw)

    def _draw(self) -> None:
        self._drawing = False
        document = self._document
        if document is None or not self.is_running:
            return
        starts, stops = document.spans
        keys = self.keys
        values = document.values(keys)
        if self.focus_key is None:
            self.editor.paint(_NO_SPANS, _NO_SPANS, lambda index: Style.null())
        else:
            row = keys.index(self.focus_key)
            line, ink = values[row], INKS[row % len(INKS)]
            strongest = reach(self._client.neurons[row], line)
            self.editor.paint(starts, stops, lambda index: wash(float(line[index]), strongest, ink))
        self.query_one("#side", Static).update(self._rows(document, starts, stops, values))
        self.query_one("#status", Static).update(self._status(document, len(starts)))

    def _rows(self, document: Document, starts: Offsets, stops: Offsets, values: FloatMatrix) -> RenderableType:
        """For each neuron: name, value at the caret, strongest token and its value, and bars below."""
        here = token_before(starts, stops, self.editor.caret)
        own = stops > starts  # not BOS
        at = "" if here is None else f"at {document.token_text(here)!r}, token {here}"
        lines = [Text(at, style="dim")]
        width = min(_BAR_WIDTH, self.query_one("#side").content_size.width - 2)
        for row, (neuron, line) in enumerate(zip(self._client.neurons, values, strict=True)):
            focused = neuron["key"] == self.focus_key
            ink = Style(color=INKS[row % len(INKS)].rgb, bold=focused)
            facts = f"{'' if here is None else f'{line[here]:.3f}':>9}"
            if own.any():
                peak = int(np.where(own & ~np.isnan(line), line, -np.inf).argmax())
                facts += f"   max {line[peak]:.3f} at {document.token_text(peak)!r}"
            lines.append(Text.assemble((f"{'▸' if focused else ' '} {neuron['key']:<10}", ink), facts))
            lines.append(Text(f"  {bars(line, reach(neuron, line), width)}", ink))
        rows = Text("\n", no_wrap=True, overflow="ellipsis").join(lines)
        rows.no_wrap, rows.overflow = True, "ellipsis"
        return rows

    def _status(self, document: Document, tokens: int) -> Text:
        model = self._client.model or {}
        done, settled = document.last_done, document.is_settled
        state = {"ready": "connected" if settled else "computing"}.get(self._client.state, self._client.state)
        timing = f"{done.timing['totalMs']:.0f} ms" if done is not None and settled else ""
        facts = f"{model.get('id', '')}  {model.get('layers', '')} x {model.get('neuronsPerLayer', '')}"
        problem = self._problem or (document.problem.message if document.problem is not None else "")
        text = Text(f"{state}  ", no_wrap=True, overflow="ellipsis")
        if problem:
            text.append(f"{problem}  ", style="bold yellow")
        text.append(f"{facts}  {tokens} tokens  {timing}")
        return text

    # -------------------------------------------------------------------------------- what is done

    @on(TextArea.Changed)
    def _typed(self) -> None:
        if self._document is not None:
            try:
                self._document.set_text(self.editor.text)
            except ValueError as error:
                self._complain(f"{error}")

    @on(TextArea.SelectionChanged)
    def _moved(self) -> None:
        self._show()

    def action_add(self) -> None:
        field = self.query_one("#add", Input)
        field.add_class("open")
        field.focus()

    def action_close_add(self) -> None:
        field = self.query_one("#add", Input)
        field.remove_class("open")
        field.value = ""
        self.editor.focus()

    @on(Input.Submitted)
    def _added(self, event: Input.Submitted) -> None:
        keys = event.value.replace(",", " ").split()
        self.action_close_add()
        self._ask(self._subscribe(keys))

    def action_move(self, step: int) -> None:
        keys = self.keys
        if self.focus_key is not None:
            self._focus = keys[(keys.index(self.focus_key) + step) % len(keys)]
            self._show()

    def action_step(self, by: int) -> None:
        """Replaces the neuron in focus by the next of its layer that has no row."""
        self._ask(self._step(by))

    async def _step(self, by: int) -> None:
        key = self.focus_key
        neuron = next((neuron for neuron in self._client.neurons if neuron["key"] == key), None)
        if neuron is None or key is None or not key.startswith("L"):
            return
        number = neuron["neuron"] + by
        while f"L{neuron['layer']}N{number}" in self.keys:
            number += by
        if number >= 0:
            # The new one first, so that the layer stays captured.
            await self._subscribe([f"L{neuron['layer']}N{number}"])
            await self._client.unsubscribe(key)

    def action_top(self) -> None:
        """Adds the neurons that are highest at the caret's token."""
        self._ask(self._add_top())

    async def _add_top(self) -> None:
        if self._document is not None:
            here = token_before(*self._document.spans, self.editor.caret)
            if here is not None:
                best = await self._document.top(here, _TOP)
                await self._subscribe([neuron["key"] for neuron in best])

    def action_remove(self) -> None:
        self._ask(self._remove())

    async def _remove(self) -> None:
        if self.focus_key is not None:
            key, keys = self.focus_key, self.keys
            index = keys.index(key)
            self._focus = next(iter([*keys[index + 1 :], *keys[:index][::-1]]), None)
            await self._client.unsubscribe(key)

    async def _subscribe(self, keys: Sequence[str]) -> None:
        """Adds neurons and focuses the last."""
        await self._client.subscribe(*keys)
        self._focus = keys[-1] if keys else self._focus

    def _ask(self, request: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Makes a request in the background, after earlier ones; shows the error if it is refused."""

        async def ask() -> None:
            try:
                async with self._one_at_a_time:
                    self._complain("")
                    await request
            except ServerError as error:
                self._complain(error.message)
            except (Disconnected, TimeoutError) as error:
                self._complain(f"{error}")
            finally:
                request.close()
                self._show()

        task = asyncio.ensure_future(ask())
        self._requests.add(task)
        task.add_done_callback(self._requests.discard)
        return task

    def _complain(self, problem: str) -> None:
        self._problem = problem
        self._show()


def token_before(starts: Offsets, stops: Offsets, caret: int) -> int | None:
    """Index of the token that covers the character before the caret, or the first character."""
    at = max(0, caret - 1)
    index = int(np.searchsorted(stops, at, side="right"))
    return index if index < len(starts) and starts[index] <= at else None


def run_terminal(url: str, token: str | None, text: str | None, neurons: Sequence[str]) -> str | None:
    """Runs the app in this terminal; returns why it could not start, or None after the user has quit."""
    client = Client(url, token=token, name="neuroscope tui")
    return NeuroscopeTerminal(client, _SAMPLE if text is None else text, neurons).run()
