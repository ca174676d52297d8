"""`make bench-page`: times from a key press to painted colours, in a real browser.

The server runs with the embedded model, the page in the browser of the tests. Times end when the browser reports that
the frame was presented, so they contain everything that a person waits for: the page, the network, the tokenizer, the
model, layout, paint, and the wait for the screen's next frame. The notebook's way is measured in turn with it, with the
same model, text and neuron. A time depends on the machine and its load; the ratio does so less.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import statistics
import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from importlib.resources import as_file, files
from pathlib import Path
from time import perf_counter

# As in a worker of the server; read when torch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from playwright.sync_api import Browser, sync_playwright
from rich.console import Console
from rich.table import Table
from tokenizers import Tokenizer

from tests.benchmarks.notebook import Notebook
from tests.browser import chromium
from tests.support.server import ServerProcess
from ws_server.bench import Row

PROBE = Path(__file__).with_name("probe.js")

SETTLED = """
async ([version, neurons]) => {
    while (!(window.neuroscope?.settled && neuroscope.version > version && neuroscope.neurons.length === neurons)) {
        await new Promise((resolve) => setTimeout(resolve, 10));
    }
    return neuroscope.version;
}
"""

# Actions on the heatmap, as events of the page; each returns the ms until it is painted.
HEATMAP_ACTIONS = {
    "zoomed": "(canvas, step) => probe.wheel(canvas, { deltaY: step % 20 < 10 ? -40 : 40, ctrlKey: true })",
    "moved": "(canvas, step) => probe.wheel(canvas, step < 2 ? { deltaY: -60, ctrlKey: true } : { deltaX: 30 })",
    "pointed at": "(canvas, step) => probe.point(canvas, 200 + 9 * step, 90)",
}

NEURONS = ["L0N125", "L0N468", "L1N234", "L1N748", "L2N99", "L2N519", "L3N615", "L3N1019"]
ONE, ONE_PLACE = "L3N615", (3, 615)


@dataclass(frozen=True)
class Key:
    """The times of one key press, in ms."""

    own: float
    """From the key to the frame that shows what it did by itself: the character, the neuron's name."""
    first: float
    """From the key to the frame with the first new colours: those at the caret."""
    colours: float
    """From the key to the frame with all new colours."""
    page: float
    """The part of `colours` in which the page did not wait for the server: until it sent, and after the last value."""


class Typist:
    """A page that is typed into.

    Args:
        browser: to open it in.
        url: the server's.
        neurons: the rows; the first is in focus.
    """

    def __init__(self, browser: Browser, url: str, neurons: Sequence[str]) -> None:
        self.page = browser.new_page(viewport={"width": 1440, "height": 900})
        self.page.set_default_timeout(60_000)
        self.page.add_init_script(path=PROBE)
        opening = json.dumps({"text": "", "neurons": list(neurons)})
        self.page.route("**/opening.json", lambda route: route.fulfill(body=opening, content_type="application/json"))
        self._neurons = len(neurons)
        self._random = random.Random(0)
        self.page.goto(url)
        self._version = self._settled(-1)

    def write(self, text: str) -> None:
        self.page.locator(".cm-content").press("ControlOrMeta+a")
        self.page.keyboard.insert_text(text)
        self._version = self._settled(self._version)

    def caret(self, share: float) -> None:
        """Puts the caret after this share of the text, at the end of a word."""
        self.page.locator(".cm-content").press("ControlOrMeta+Home")
        if share == 1:
            self.page.keyboard.press("ControlOrMeta+End")
        elif share > 0:
            words = len(self.page.evaluate("neuroscope.text").split())
            for _ in range(int(words * share)):
                self.page.keyboard.press("ControlOrMeta+ArrowRight")

    def type(self, keys: str) -> list[Key]:
        """Presses each key when the one before it has been answered."""
        return [self._key("edit", key) for key in keys]

    def step(self, steps: int) -> list[Key]:
        """Steps from neuron to neuron."""
        self.page.get_by_test_id("focus-neuron").focus()
        return [self._key("step", "ArrowUp") for _ in range(steps)]

    def _key(self, kind: str, key: str) -> Key:
        # At any moment between two frames, as people do.
        self.page.wait_for_timeout(self._random.uniform(40, 80))
        self.page.evaluate("(kind) => { window.measured = probe.measure(kind); }", kind)
        self.page.keyboard.press(key)
        times = self.page.evaluate("window.measured")
        pressed, answered = times["pressed"], times["answered"]
        waited = 0.0 if answered is None else answered - (times["sent"] or answered)
        colours = times["colours"] - pressed
        self._settled(self._version)
        return Key(times["own"] - pressed, times["first"] - pressed, colours, colours - waited)

    def _settled(self, version: int) -> int:
        settled: int = self.page.evaluate(SETTLED, [version, self._neurons])
        return settled


@dataclass(frozen=True)
class Sizes:
    tokens: int = 500
    long: int = 4000
    keys: int = 40
    heatmap: int = 200


class Bench:
    def __init__(self, browser: Browser, server: ServerProcess, folder: Path, sizes: Sizes) -> None:
        self._browser, self._url, self._folder, self._sizes = browser, server.url, folder, sizes
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._sample: str = json.loads((folder / "opening.json").read_text())["text"]

    def text(self, tokens: int) -> str:
        """The embedded model's sample, over and over, up to so many tokens."""
        encoded = self._tokenizer.encode(self._sample * (tokens // 100 + 1), add_special_tokens=False)
        return (self._sample * (tokens // 100 + 1))[: encoded.offsets[tokens - 1][1]]

    def edits(self) -> Iterator[Row]:
        """Eight neurons; a key at the end, and one that makes a half or all of the text be computed again."""
        typist = Typist(self._browser, self._url, NEURONS)
        text = self.text(self._sizes.tokens)
        typist.write(text)
        typist.type("x")  # what is done once
        goals = ("<= 60", "<= 120")
        for place, share in (("at the end", 1.0), ("in the middle", 0.5), ("at the start", 0.0)):
            typist.write(text)
            typist.caret(share)
            keys = typist.type(_typed(self._sizes.keys))
            name = f"{self._sizes.tokens} tokens, {len(NEURONS)} neurons, a key {place}: "
            if share < 1:
                yield from _median_and_95(f"{name}first colours", [key.first for key in keys], *goals)
                yield from _median_and_95("  all colours", [key.colours for key in keys])
            else:
                yield from _median_and_95(f"{name}colours", [key.colours for key in keys], *goals)
            yield from _median_and_95("  the page alone", [key.page for key in keys])
            yield from _median_and_95("  the character", [key.own for key in keys])
        steps = [key.colours for key in typist.step(self._sizes.keys)]
        yield from _median_and_95("to a neighbouring neuron: colours", steps, "<= 50")
        typist.page.close()

    def long(self) -> Iterator[Row]:
        """A text of several contexts: the editor must not get slow, whatever the model does."""
        typist = Typist(self._browser, self._url, NEURONS)
        text = self.text(self._sizes.long)
        for place, share in (("at the end", 1.0), ("at the start", 0.0)):
            typist.write(text)
            typist.caret(share)
            keys = typist.type(_typed(self._sizes.keys // 2))
            name = f"{self._sizes.long} tokens, {len(NEURONS)} neurons, a key {place}: "
            yield from _median_and_95(f"{name}the character", [key.own for key in keys], "<= 50")
            yield from _median_and_95("  first colours", [key.first for key in keys])
            yield from _median_and_95("  all colours", [key.colours for key in keys])
            yield from _median_and_95("  the page alone", [key.page for key in keys])
        typist.page.close()

    def heatmap(self) -> Iterator[Row]:
        """Many neurons over a text of several contexts, on one canvas."""
        layers, numbers = 4, self._sizes.heatmap // 4
        neurons = [f"L{layer}N{number}" for layer in range(layers) for number in range(numbers)]
        typist = Typist(self._browser, self._url, neurons)
        typist.write(self.text(self._sizes.long))
        typist.caret(1)
        page = typist.page
        name = f"heatmap, {len(neurons)} neurons x {self._sizes.long} tokens: "
        plain = [key.own for key in typist.type(_typed(self._sizes.keys // 2))]
        page.keyboard.press("F8")
        canvas = page.get_by_test_id("heatmap-canvas")
        for what, action in HEATMAP_ACTIONS.items():
            # At the frame after the action, painting of everything on the page included.
            times = [canvas.evaluate(action, step) for step in range(self._sizes.keys)]
            yield from _median_and_95(f"{name}{what}, painted", times, "<= 50")
        page.get_by_test_id("heatmap-sort").select_option("similarity")
        page.wait_for_timeout(1000)
        with_it = [key.own for key in typist.type(_typed(self._sizes.keys // 2))]
        yield Row(f"{name}a character, sorted by similarity", statistics.median(with_it), "ms")
        yield Row("  the same without the heatmap", statistics.median(plain), "ms")
        page.close()

    def peer(self, model: str) -> Iterator[Row]:
        """One neuron, in turn with the notebook's way."""
        notebook = Notebook(str(self._folder))
        frame = self._browser.new_page(viewport={"width": 1440, "height": 900})
        frame.add_init_script(path=PROBE)
        page = '<!doctype html><title>Notebook</title><div id="picture"></div>'
        frame.route("**/notebook", lambda route: route.fulfill(body=page, content_type="text/html"))
        frame.goto(self._url + "notebook")
        typist = Typist(self._browser, self._url, [ONE])
        text = self.text(self._sizes.tokens)
        typist.write(text)
        typist.caret(1)
        typist.type("x")
        notebook.picture(text, *ONE_PLACE)
        text += "x"
        ours: list[float] = []
        theirs: list[float] = []
        painting: list[float] = []
        for key in _typed(self._sizes.keys // 2):
            ours += [typed.colours for typed in typist.type(key)]
            text += key
            begun = perf_counter()
            picture = notebook.picture(text, *ONE_PLACE)
            called = (perf_counter() - begun) * 1e3
            frame.bring_to_front()
            painting.append(frame.evaluate("(html) => probe.show(html)", picture))
            typist.page.bring_to_front()
            theirs.append(called + painting[-1])
        name = f"{model}, {self._sizes.tokens} tokens, 1 neuron: "
        yield Row(f"{name}the notebook's way / ours", statistics.median(theirs) / statistics.median(ours), "x", ">= 10")
        yield Row("  ours, from the key to its colours", statistics.median(ours), "ms")
        yield Row("  the notebook's callback, and painting its HTML", statistics.median(theirs), "ms")
        yield Row("  of it, painting", statistics.median(painting), "ms")
        frame.close()
        typist.page.close()


def _typed(keys: int) -> str:
    """What is typed: words and numbers."""
    return ("and in 1811 she said so " * (keys // 20 + 1))[:keys]


def _median_and_95(name: str, times: Sequence[float], median: str = "", high: str = "") -> Iterator[Row]:
    yield Row(f"{name}, median", statistics.median(times), "ms", median)
    yield Row(f"{name}, 95 %", statistics.quantiles(times, n=20)[-1], "ms", high)


@contextmanager
def _distilgpt2_shaped(embedded: Path) -> Iterator[Path]:
    """A model of a size that people use, with random weights: they do not matter to time."""
    from transformers import GPT2Config, GPT2LMHeadModel

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        GPT2LMHeadModel(GPT2Config(n_layer=6)).save_pretrained(folder)
        for file in ("tokenizer.json", "tokenizer_config.json", "opening.json"):
            shutil.copy(embedded / file, folder)
        yield folder


@contextmanager
def _served(folder: Path, models: Sequence[Path]) -> Iterator[ServerProcess]:
    server = ServerProcess(folder / "log", models, afresh=True)
    try:
        yield server
    finally:
        server.stop()


PARTS = {
    "edits": "Measuring edits",
    "long": "Measuring a long text",
    "heatmap": "Measuring the heatmap",
    "peer": "Measuring the notebook's way",
    "larger": "Measuring the notebook's way with a larger model",
}


def measure(sizes: Sizes, parts: Collection[str], tell: Callable[[str], None]) -> Iterator[Row]:
    """The rows of these `PARTS`; `tell` is called with what comes."""
    found = chromium.find()
    if found is None:
        raise SystemExit("There is no browser: run `python tests/browser/chromium.py`, or put a Chromium on PATH.")
    with ExitStack() as stack:
        embedded = stack.enter_context(as_file(files("ws_server") / "demo_model"))
        logs = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        playwright = stack.enter_context(sync_playwright())
        browser = playwright.chromium.launch(
            executable_path=found.executable, args=chromium.FLAGS, env={**os.environ, **found.environment}
        )
        stack.callback(browser.close)
        if any(part != "larger" for part in parts):
            with _served(logs, []) as server:
                bench = Bench(browser, server, embedded, sizes)
                own = {"edits": bench.edits, "long": bench.long, "heatmap": bench.heatmap}
                for part, rows in {**own, "peer": lambda: bench.peer("embedded model")}.items():
                    if part in parts:
                        tell(PARTS[part])
                        yield from rows()
        if "larger" in parts:
            larger = stack.enter_context(_distilgpt2_shaped(embedded))
            with _served(logs, [larger]) as server:
                tell(PARTS["larger"])
                yield from Bench(browser, server, larger, sizes).peer("distilgpt2's shape")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.page", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--keys", type=int, default=Sizes.keys, help="how many keys are typed in each place")
    parser.add_argument("--only", choices=PARTS, nargs="+", default=list(PARTS), help="measure these parts alone")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args(arguments)
    console = Console()
    table = Table("what", box=None, pad_edge=False)
    table.add_column("measured", justify="right")
    table.add_column("goal", justify="right")
    table.add_column("")
    with console.status("Starting") as status:
        rows = list(measure(Sizes(keys=options.keys), options.only, status.update))
    for row in rows:
        mark = {None: "", True: "[green]yes[/]", False: "[red]no[/]"}[row.met]
        table.add_row(row.name, f"{row.value:.1f} {row.unit}", row.goal, mark)
    found = chromium.find()
    machine = f"{chromium.version(found) if found else ''}, software rendering, {os.cpu_count()} cores"
    console.print(machine)
    console.print(table)
    if options.json is not None:
        content = {"machine": machine, "rows": [asdict(row) | {"met": row.met} for row in rows]}
        options.json.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
