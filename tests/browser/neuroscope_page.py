"""The page, driven by keyboard and mouse, and compared with the reference."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from playwright.sync_api import Locator, Page

from tests.browser.reference import Reference

TOLERANCE = 1e-4
"""Largest absolute difference of an activation between a pass in pieces and one over the whole text."""

STEPS = 16
"""Colours on each side of zero."""

# The content policy forbids what Playwright's own `wait_for_function` does, so the page is asked once and answers
# when the condition holds.
WAIT = """
async ([text, neurons]) => {
    const seen = () => {
        const { settled, text, neurons, connection } = window.neuroscope ?? {};
        return { settled, text, neurons, connection };
    };
    const end = performance.now() + 60000;
    for (;;) {
        const now = seen();
        const right = (wanted, found) => wanted === null || JSON.stringify(wanted) === JSON.stringify(found);
        if (now.settled && right(text, now.text) && right(neurons, now.neurons)) return;
        if (performance.now() > end) throw new Error(`still ${JSON.stringify(now)}`);
        await new Promise((resolve) => setTimeout(resolve, 10));
    }
}
"""

# The lines of an editor, in pieces of text, their class and their background.
LINES = """
(content) => {
    return [...content.querySelectorAll(".cm-line")].map((line) => {
        const pieces = [];
        const walker = document.createTreeWalker(line, NodeFilter.SHOW_TEXT);
        while (walker.nextNode()) {
            const { data, parentElement } = walker.currentNode;
            if (parentElement.closest(".neuro-sign, .cm-placeholder") !== null) continue;
            const hidden = parentElement.closest(".neuro-hidden");
            const token = parentElement.closest(".neuro-token");
            const colour = token === null ? null
                : [...token.classList].find((name) => /^neuro-([np][0-9]+|z|none)$/.test(name));
            const background = token === null ? null : getComputedStyle(token).backgroundColor;
            const range = document.createRange();
            range.selectNode(walker.currentNode);
            const { top, bottom } = range.getBoundingClientRect();
            const far = token === null && (top > innerHeight || bottom < 0) ? "far" : null;
            pieces.push([hidden?.dataset.text ?? data, colour ?? far, background]);
        }
        return pieces;
    });
}
"""

# Where each character begins that is seen as one.
CHARACTERS = "((text) => [...new Intl.Segmenter().segment(text)].map(({ index }) => index))"

# What the page knows and what the editor shows, read in one go after the frame in which it was drawn.
READ = f"""
async (content) => {{
    const linesOf = {LINES};
    const frame = () => new Promise(requestAnimationFrame);
    await frame();
    await frame();
    const {{ settled, version, text, tokens, neurons, focus }} = window.neuroscope;
    const byNeuron = (read) => Object.fromEntries(neurons.map((key) => [key, read(key)]));
    return {{
        settled, version, text, tokens, neurons, focus, lines: linesOf(content),
        characters: {CHARACTERS}(text),
        values: byNeuron(window.neuroscope.values), scales: byNeuron(window.neuroscope.scale),
    }};
}}
"""


@dataclass(frozen=True)
class Shown:
    """What the page showed at one moment."""

    version: int
    text: str
    tokens: list[dict[str, Any]]
    neurons: list[str]
    focus: str | None
    values: dict[str, list[float | None]]
    scales: dict[str, dict[str, float]]
    lines: list[list[tuple[str, str | None, str | None]]]
    settled: bool
    characters: list[int] = field(default_factory=list)
    """Where each begins that is seen as one."""

    def colours(self) -> list[tuple[str, str | None, str | None]]:
        """Each UTF-16 unit of the text as the editor shows it, line ends left out: (unit, class, background)."""
        return [(unit, *rest) for line in self.lines for text, *rest in line for unit in units(text)]


class NeuroscopePage:
    """One page. It waits for conditions, never for a time."""

    def __init__(self, page: Page, reference: Reference) -> None:
        self.page = page
        self.reference = reference
        self.worst = 0.0
        """The largest difference from the reference seen so far."""

    @property
    def editor(self) -> Locator:
        return self.page.locator(".cm-content")

    def row(self, key: str) -> Locator:
        return self.page.locator(f"[data-testid=neuron-row][data-key={key}]")

    def open(self, url: str) -> NeuroscopePage:
        self.page.goto(url)
        self.wait()
        return self

    def write(self, text: str) -> None:
        """Replaces the whole text."""
        self.editor.press("ControlOrMeta+a")
        self.page.keyboard.insert_text(text)

    def paste(self, text: str) -> None:
        """Pastes a text from the clipboard."""
        self.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        self.page.evaluate("(text) => navigator.clipboard.writeText(text)", text)
        self.editor.press("ControlOrMeta+v")

    def wait(self, text: str | None = None, neurons: list[str] | None = None) -> None:
        """Waits until every value has arrived, for this text and these rows if they are given."""
        self.page.evaluate(WAIT, [text, neurons])

    def shows(self, text: str, *, neurons: list[str] | None = None) -> Shown:
        """Waits until the page has all values for this text (and these rows), and checks what it shows."""
        self.wait(text, neurons)
        shown = self.read()
        assert shown.settled
        assert shown.text == text
        self.check(shown)
        return shown

    def read(self) -> Shown:
        return Shown(**self.editor.evaluate(READ))

    def check(self, shown: Shown) -> None:
        """Compares tokens, values and colours with the reference."""
        check_spans(shown)
        ids = [token["id"] for token in shown.tokens]
        starts = [i for i, token in enumerate(shown.tokens) if token["segment"]]
        if starts in ([], [0]):
            assert ids == self.reference.ids(shown.text)
        if 0 not in starts:
            starts.insert(0, 0)
        for start, stop in zip(starts, [*starts[1:], len(ids)], strict=True):
            expected = self.reference.values(ids[start:stop], shown.neurons)
            for key in shown.neurons:
                values = shown.values[key]
                assert len(values) == len(ids)
                assert None not in values
                difference = float(np.abs(np.array(values[start:stop]) - expected[key]).max())
                assert difference <= TOLERANCE, f"{key} is {difference} off"
                self.worst = max(self.worst, difference)
        check_colours(shown)


def units(text: str) -> list[str]:
    """The UTF-16 units of a text, as strings."""
    encoded = text.encode("utf-16-le", "surrogatepass")
    return [encoded[i : i + 2].decode("utf-16-le", "surrogatepass") for i in range(0, len(encoded), 2)]


def check_spans(shown: Shown) -> None:
    """The spans are in order and cover the text; the text of a token of whole characters is that of its span."""
    text = units(shown.text)
    covered = 0
    for token in shown.tokens:
        start, stop = token["from"], token["to"]
        if token["special"]:
            assert start == stop
            continue
        assert start <= covered <= stop, f"a gap before {token}, or out of order"
        covered = max(covered, stop)
        if "\ufffd" not in token["text"]:
            # Some tokenizers put a space before the text, which is no character of it.
            assert text[start:stop] in (units(token["text"]), units(token["text"].removeprefix(" "))), token
    assert covered == len(text)


def check_colours(shown: Shown) -> None:
    """Every character in the editor has the colour of its token's value, or of one of its tokens if it has several."""
    drawn = shown.colours()
    assert [unit for unit, _, _ in drawn] == [unit for unit in units(shown.text) if unit != "\n"]
    allowed: list[set[str]] = [set() for _ in units(shown.text)]
    for i, token in enumerate(shown.tokens):
        for position in range(token["from"], token["to"]):
            allowed[position].add(colour_class(shown, i))
    # What is seen as one character is coloured as a whole.
    for start, stop in pairwise([*shown.characters, len(allowed)]):
        together = set[str]().union(*allowed[start:stop])
        allowed[start:stop] = [together] * (stop - start)
    visible = [colours for unit, colours in zip(units(shown.text), allowed, strict=True) if unit != "\n"]
    # Of a long line only what is near is coloured.
    wrong = [i for i, (_, colour, _) in enumerate(drawn) if colour not in visible[i] and colour != "far"]
    assert wrong == [], f"character {wrong[0]} is {drawn[wrong[0]]}, which is none of {visible[wrong[0]]}"


def colour_class(shown: Shown, token: int) -> str:
    """The class of the colour of a token's value, on the scale of the focused neuron."""
    if shown.focus is None:
        return "neuro-none"
    value = shown.values[shown.focus][token]
    assert value is not None
    return bucket_class(value, shown.scales[shown.focus])


def bucket_class(value: float, scale: dict[str, float]) -> str:
    """The class of the colour of a value."""
    bucket = min(STEPS, math.floor(abs(value) / (scale["max"] if value >= 0 else -scale["min"]) * STEPS + 0.5))
    return "neuro-z" if bucket == 0 else f"neuro-{'p' if value > 0 else 'n'}{bucket}"
