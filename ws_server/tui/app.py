"""The terminal frontend: an editor whose tokens are coloured by the neuron in focus, and a row for each neuron."""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import Sequence
from contextlib import suppress
from typing import ClassVar

import numpy as np
from rich.console import RenderableType
from rich.style import Style
from rich.text import Text
from textual import on
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widgets import Footer, Input, Static, TextArea

from ..client import Client, Document, ServerError, Token
from ..client.table import FloatMatrix
from .colour import INKS, bars, reach, wash

_TOP = 5
"""Neurons that `Top here` adds."""
_OWN_NEURONS = 6
_BAR_WIDTH = 50
_SAMPLE = "Type here. Every token is coloured by how strongly the neuron in focus fires on it.\n"


class TokenEditor(TextArea):
    """An editor that gives its tokens the colours that it is told."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+home", "to_start", show=False),
        Binding("ctrl+end", "to_end", show=False),
    ]

    def __init__(self, text: str) -> None:
        # A background of the cursor's line would cover the tokens' own.
        super().__init__(text, show_line_numbers=False, tab_behavior="focus", highlight_cursor_line=False, id="editor")
        self._tokens: Sequence[Token] = ()
        self._styles: Sequence[Style] = ()
        self._stops: list[int] = []

    def paint(self, tokens: Sequence[Token], styles: Sequence[Style]) -> None:
        """Colours each of `tokens`, whose spans are in characters of the text as it is now."""
        self._tokens, self._styles = tokens, styles
        self._stops = [token.stop for token in tokens]
        self.notify_style_update()
        self.refresh()

    def get_line(self, line_index: int) -> Text:
        line = super().get_line(line_index)
        start = self.offset_of(line_index)
        stop = start + len(line.plain)
        # Spans are in order, so the line's own are a slice of them.
        for index in range(bisect_right(self._stops, start), len(self._tokens)):
            token = self._tokens[index]
            if token.start >= stop:
                break
            line.stylize(self._styles[index], max(token.start - start, 0), min(token.stop, stop) - start)
        return line

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
    """Runs until it is left, or the server's session cannot be had; then returns why.

    Args:
        client: not entered yet; the app connects and closes it.
        text: what the editor opens with.
        neurons: keys to begin with; a few of the middle layer when there are none.
    """

    TITLE = "Neuroscope"
    ENABLE_COMMAND_PALETTE = False
    CSS = """
    #status { height: 1; padding: 0 1; background: $panel; color: $text-muted; }
    #editor { width: 1fr; border: none; padding: 0 1; }
    #side { width: 56; border-left: solid $panel; padding: 0 1; overflow-y: auto; }
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

    # -------------------------------------------------------------------------------- life

    def compose(self) -> ComposeResult:
        yield Static("Connecting", id="status")
        with Horizontal():
            yield TokenEditor(self._first_text)
            yield Static(id="side")
        yield Input(placeholder="L3N42, several with spaces", id="add")
        yield Footer()

    async def on_mount(self) -> None:
        self.editor.focus()
        self._following = asyncio.ensure_future(self._follow())

    async def on_unmount(self) -> None:
        if self._following is not None:
            self._following.cancel()
            await asyncio.gather(self._following, return_exceptions=True)

    async def _follow(self) -> None:
        """Shows what the server sends, as it comes."""
        try:
            async with self._client as client:
                client.on_error = lambda error: self._complain(error.message)
                await self._begin(client)
                assert self._document is not None
                async for _ in self._document.updates():
                    self._show()
        except Exception as error:  # told when the terminal is back
            self.exit(f"{error}")

    async def _begin(self, client: Client) -> None:
        keys = self._first_neurons
        if not keys and client.model is not None:
            layer = client.model["layers"] // 2
            keys = [f"L{layer}N{number}" for number in range(min(_OWN_NEURONS, client.model["neuronsPerLayer"]))]
        await self._subscribe(keys)
        self._document = await client.open(self.editor.text)
        self._document.set_text(self.editor.text)  # it may have been typed into meanwhile

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

    def _show(self) -> None:
        if self._document is None or not self.is_running:
            return
        tokens, keys = self._document.tokens, self.keys
        values = self._document.values(keys)
        styles = [Style.null()] * len(tokens)
        if self.focus_key is not None:
            row = keys.index(self.focus_key)
            strongest = reach(self._client.neurons[row], values[row])
            ink = INKS[row % len(INKS)]
            styles = [wash(value, strongest, ink) for value in values[row].tolist()]
        self.editor.paint(tokens, styles)
        self.query_one("#side", Static).update(self._rows(tokens, values))
        self.query_one("#status", Static).update(self._status(tokens))

    def _rows(self, tokens: Sequence[Token], values: FloatMatrix) -> RenderableType:
        """Each neuron: name, value at the caret, strongest token and its value, and under it its bars."""
        here = _token_before(tokens, self.editor.caret)
        own = [index for index, token in enumerate(tokens) if not token.special]
        lines = [Text("" if here is None else f"at {tokens[here].text!r}, token {here}", style="dim")]
        for row, (neuron, line) in enumerate(zip(self._client.neurons, values, strict=True)):
            focused = neuron["key"] == self.focus_key
            ink = Style(color=INKS[row % len(INKS)].rgb, bold=focused)
            peak = max(own, key=lambda index: np.nan_to_num(line[index], nan=-np.inf), default=None)
            facts = f"{'' if here is None else f'{line[here]:.3f}':>9}"
            if peak is not None:
                facts += f"   max {line[peak]:.3f} at {tokens[peak].text!r}"
            lines.append(Text.assemble((f"{'▸' if focused else ' '} {neuron['key']:<10}", ink), facts))
            lines.append(Text(f"  {bars(line, reach(neuron, line), _BAR_WIDTH)}", ink))
        return Text("\n").join(lines)

    def _status(self, tokens: Sequence[Token]) -> Text:
        model = self._client.model or {}
        done = self._document.last_done if self._document is not None else None
        settled = self._document is not None and self._document.is_settled
        state = {"ready": "connected" if settled else "computing"}.get(self._client.state, self._client.state)
        timing = f"{done.timing['totalMs']:.0f} ms" if done is not None and settled else ""
        facts = f"{model.get('id', '')}  {model.get('layers', '')} x {model.get('neuronsPerLayer', '')}"
        text = Text(f"{state}  {facts}  {len(tokens)} tokens  {timing}")
        if self._problem:
            text.append(f"  {self._problem}", style="bold yellow")
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
    async def _added(self, event: Input.Submitted) -> None:
        keys = event.value.replace(",", " ").split()
        self.action_close_add()
        await self._subscribe(keys)

    def action_move(self, step: int) -> None:
        keys = self.keys
        if self.focus_key is not None:
            self._focus = keys[(keys.index(self.focus_key) + step) % len(keys)]
            self._show()

    async def action_step(self, by: int) -> None:
        """Another neuron of the same layer in place of the one in focus; over those that have a row."""
        key = self.focus_key
        neuron = next((neuron for neuron in self._client.neurons if neuron["key"] == key), None)
        if neuron is None or key is None or not key.startswith("L"):
            return
        number = neuron["neuron"] + by
        while f"L{neuron['layer']}N{number}" in self.keys:
            number += by
        # First the new one, so that the layer stays captured.
        if number >= 0 and await self._subscribe([f"L{neuron['layer']}N{number}"]):
            await self._unsubscribe(key)

    async def action_top(self) -> None:
        """Adds the neurons that are highest at the caret's token."""
        if self._document is None:
            return
        here = _token_before(self._document.tokens, self.editor.caret)
        if here is None:
            return
        try:
            best = await self._document.top(here, _TOP)
        except ServerError as error:
            self._complain(error.message)
            return
        await self._subscribe([neuron["key"] for neuron in best])

    async def action_remove(self) -> None:
        if self.focus_key is not None:
            key, keys = self.focus_key, self.keys
            index = keys.index(key)
            self._focus = next(iter([*keys[index + 1 :], *keys[:index][::-1]]), None)
            await self._unsubscribe(key)

    async def _subscribe(self, keys: Sequence[str]) -> bool:
        """Adds neurons and focuses the last; whether the server has them."""
        try:
            await self._client.subscribe(*keys)
        except ServerError as error:
            self._complain(error.message)
            return False
        self._focus = keys[-1] if keys else self._focus
        self._complain("")
        return True

    async def _unsubscribe(self, key: str) -> None:
        with suppress(ServerError):  # then the server does not have it either
            await self._client.unsubscribe(key)
        self._show()

    def _complain(self, problem: str) -> None:
        self._problem = problem
        self._show()


def _token_before(tokens: Sequence[Token], caret: int) -> int | None:
    """Index of the token that covers the character before the caret, or the first character."""
    at = max(0, caret - 1)
    return next((index for index, token in enumerate(tokens) if token.start <= at < token.stop), None)


def run_terminal(url: str, token: str | None, text: str | None, neurons: Sequence[str]) -> str | None:
    """Runs the app in this terminal; returns why it could not go on, None when it was left."""
    client = Client(url, token=token, name="neuroscope tui")
    return NeuroscopeTerminal(client, _SAMPLE if text is None else text, neurons).run()
