"""`neuroscope bench`: what an edit costs, compared with other ways to compute the same, on this machine.

Every comparison is a ratio of medians of two things measured in turn, A B A B ..., in one run: machines are noisy and
shared, and a single absolute time says little. The default model has distilgpt2's shape (6 layers, width 768, 12 heads,
50257 tokens, context 1024) and random weights, which do not affect the time.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .config import Limits
from .engine.catalog import EMBEDDED_FOLDER, LoadOptions, ModelSpec, resolve_models
from .engine.commands import ContextTarget, Evaluate, IntArray, LoadedModel, Need, Unit, Values, neuron_hook
from .model import ServedModel
from .protocol import codec
from .session import Compute, Effects, Notify, Session, Tokenize

if TYPE_CHECKING:
    from .engine.engine import Engine
    from .engine.runner import Runner


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table.

    `value` is in `unit`; `goal` is `<= x` or `>= x` in the same unit, or empty if the row is only for comparison.
    """

    name: str
    value: float
    unit: str
    goal: str = ""
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the goal is reached; None without one."""
        if not self.goal:
            return None
        relation, limit = self.goal.split()
        return self.value <= float(limit) if relation == "<=" else self.value >= float(limit)


@dataclass(frozen=True, slots=True)
class Sizes:
    """How large the texts are, in tokens."""

    tokens: int = 500
    long: int = 1000
    sessions: int = 8
    repetitions: int = 15


class Bench:
    """Measures one loaded model.

    Args:
        runner: the model's passes.
        facts: the model's facts.
        sizes: of the texts.
    """

    def __init__(self, runner: Runner, facts: LoadedModel, sizes: Sizes) -> None:
        import torch

        self._torch = torch
        self._runner = runner
        self._facts = facts
        room = facts.context_tokens - 1  # one is appended
        self._sizes = Sizes(min(sizes.tokens, room), min(sizes.long, room), sizes.sessions, sizes.repetitions)
        self._random = np.random.default_rng(0)
        self._serial = 0
        # Ids that every tokenizer has.
        self._vocabulary = min(facts.vocabulary, 4096)

    def rows(self, tell: Callable[[str], None]) -> list[Row]:
        """All rows, in the order of the table; `tell` is called with the name of the next measurement."""
        measurements: Sequence[tuple[str, Callable[[], list[Row]]]] = (
            ("one appended token", self._append),
            ("many neurons", self._neurons),
            ("the notebook's way", self._notebook),
            ("an edit at the start", self._edit_at_start),
            ("a keystroke during a long pass", self._interrupted),
            ("subscribing", self._subscribe),
            ("sessions together", self._together),
            ("bytes on the wire", self._wire),
            ("growth with the text", self._growth),
            ("peers", self._peers),
        )
        rows: list[Row] = []
        with self._torch.no_grad():
            for name, measure in measurements:
                tell(name)
                rows += measure()
        return rows

    # -------------------------------------------------------------------------------- measurements

    def _append(self) -> list[Row]:
        ids = self._ids(self._sizes.tokens)
        ours, plain = self._interleaved(self._appending(ids, self._units(8)), self._plain_step(ids))
        return [
            Row("append 1 token, 8 neurons, all layers / plain trunk's step", ours / plain, "x", "<= 1.3"),
            Row("  the same in milliseconds", ours * 1e3, "ms", note=f"{self._sizes.tokens} tokens"),
        ]

    def _neurons(self) -> list[Row]:
        ids = self._ids(self._sizes.tokens)
        many = self._appending(ids, self._units(64))
        # In the same layer as the deepest of the many, so that only the number of neurons differs.
        one = self._appending(ids, ((neuron_hook(self._facts.layers - 1), 0),))
        a, b = self._interleaved(many, one)
        return [Row("64 neurons / 1 neuron", a / b, "x", "<= 1.05")]

    def _notebook(self) -> list[Row]:
        ids = self._ids(self._sizes.tokens)
        last = ((neuron_hook(self._facts.layers - 1), 0),)
        theirs, ours, eight = self._interleaved(
            self._notebooks_way(np.append(ids, 1)),
            self._appending(ids, last),
            self._appending(ids, self._units(8)),
            repetitions=max(3, self._sizes.repetitions // 5),
        )
        return [
            Row("notebook's way / ours, 1 neuron", theirs / ours, "x", ">= 35"),
            Row("notebook's way, once a neuron / ours, 8 neurons", 8 * theirs / eight, "x", ">= 280"),
            Row("  the notebook's way for 1 neuron", theirs * 1e3, "ms"),
        ]

    def _edit_at_start(self) -> list[Row]:
        ids, units = self._ids(self._sizes.long), self._units(8)
        engine = self._engine()
        firsts: list[float] = []
        variants = [ids, np.insert(ids, 1, 7)[: self._facts.context_tokens]]

        def edit() -> None:
            variants.reverse()
            begun = time.perf_counter()
            self._submit(engine, "s", variants[0], 1, units)
            first = None
            while not engine.idle:
                results = engine.step()
                if first is None and any(isinstance(result, Values) for result in results):
                    first = time.perf_counter() - begun
            firsts.append(first or 0.0)

        self._submit(engine, "s", ids, 0, units)
        self._drain(engine)
        last, whole, step = self._interleaved(
            edit, self._plain_pass(ids), self._appending(ids, units), repetitions=max(5, self._sizes.repetitions // 3)
        )
        return [
            Row("edit at the start: first values / one-token step", statistics.median(firsts) / step, "x", "<= 3.5"),
            Row("edit at the start: last values / full plain pass", last / whole, "x", "<= 1.15"),
        ]

    def _interrupted(self) -> list[Row]:
        """A keystroke that arrives during the pass of an earlier one at the same place."""
        ids, units = self._ids(self._sizes.long), self._units(8)
        engine = self._engine()
        self._submit(engine, "s", ids, 0, units)
        self._drain(engine)

        def first_values(text: IntArray) -> float:
            begun = time.perf_counter()
            self._submit(engine, "s", text, 2, units)
            while not any(isinstance(result, Values) for result in engine.step()):
                pass
            return time.perf_counter() - begun

        busy, idle, chunk = [], [], []
        for number in range(1, self._sizes.repetitions + 1):
            # Each text differs from the one before it at the edit: nothing from there on is computed yet.
            edited = np.insert(ids, 2, 2 * number)[: self._facts.context_tokens]
            idle.append(first_values(edited))
            begun = time.perf_counter()
            engine.step()  # the next keystroke arrives during this chunk
            chunk.append(time.perf_counter() - begun)
            # It waits for at most this chunk; then its own values come as if the engine had been idle.
            busy.append(chunk[-1] + first_values(np.insert(edited, 2, 2 * number + 1)[: self._facts.context_tokens]))
            self._drain(engine)
        later = (statistics.median(busy) - statistics.median(idle)) / statistics.median(chunk)
        return [Row("keystroke during a long pass: first values come later by", later, "chunks", "<= 1.1")]

    def _subscribe(self) -> list[Row]:
        ids = self._ids(self._sizes.tokens)
        few = self._units(8)
        more = tuple((neuron_hook(number % self._facts.layers), 20 + number) for number in range(100))
        engine = self._engine()
        self._submit(engine, "s", ids, 0, few)
        self._drain(engine)
        passes = 0

        def subscribe() -> None:
            nonlocal passes
            self._submit(engine, "s", ids, 0, more)
            while not engine.idle:
                report = engine.reported_step()
                passes += report.forward_pass is not None

        milliseconds = self._median(subscribe) * 1e3
        return [
            Row("subscribe to 100 more neurons of captured layers", milliseconds, "ms", "<= 5"),
            Row("  forward passes for it", passes, "passes", "<= 0"),
        ]

    def _together(self) -> list[Row]:
        units = self._units(8)
        low = max(2, self._sizes.tokens * 3 // 5)
        lengths = np.linspace(low, self._sizes.tokens, self._sizes.sessions).astype(int)
        engine = self._engine()
        texts = {f"session {number}": self._ids(int(length)) for number, length in enumerate(lengths)}
        for name, ids in texts.items():
            self._submit(engine, name, ids, 0, units)
        self._drain(engine)

        def append(at_once: bool) -> Callable[[], None]:
            def run() -> None:
                for name, ids in texts.items():
                    self._submit(engine, name, np.append(ids, self._random.integers(self._vocabulary)), len(ids), units)
                    if not at_once:
                        self._drain(engine)
                self._drain(engine)

            return run

        apart, together = self._interleaved(append(False), append(True))
        return [Row(f"{len(texts)} sessions one after another / together", apart / together, "x", ">= 2")]

    def _wire(self) -> list[Row]:
        """A character appended to a text: all frames that the server sends for it."""
        served = ServedModel.of("bench", self._facts)
        session = Session(served, Limits(), list)
        engine = self._engine()
        frames: list[bytes] = []

        def perform(effects: Effects) -> None:
            for effect in effects:
                match effect:
                    case Tokenize():
                        tokens = effect.tokenizer.tokenize(effect.text, effect.encoding)
                        perform(session.tokenized(effect.uri, effect.ticket, tokens, 0.0))
                    case Compute():
                        engine.submit(effect.command)
                    case Notify():
                        frames.append(codec.encode(codec.notification(effect.method, effect.params)))
                    case _:
                        pass

        def send(method: str, request: bool = False, **params: Any) -> int:
            frames.clear()
            message = {"jsonrpc": "2.0", "method": method, "params": params} | ({"id": 1} if request else {})
            for item in codec.decode(codec.encode(message)).messages:
                perform(session.receive(item))
            while not engine.idle:
                for result in engine.step():
                    perform(session.computed(result))
            return sum(len(frame) for frame in frames)

        send("neurons/subscribe", True, neurons=[served.key(unit) for unit in self._units(8)])
        text = "It was the best of times, it was the worst of times. " * (self._sizes.tokens // 16)
        send("document/open", True, uri="document", version=1, text=text)
        size = send(
            "document/change", uri="document", version=2, changes=[{"from": len(text), "to": len(text), "insert": "x"}]
        )
        return [Row("all frames for one appended character, 8 neurons, JSON", size, "bytes", "<= 900")]

    def _growth(self) -> list[Row]:
        lengths = sorted({min(100, self._sizes.tokens), self._sizes.tokens, self._sizes.long})
        texts = [self._ids(length) for length in lengths]
        ours = [self._appending(ids, self._units(8)) for ids in texts]
        plain = [self._plain_step(ids) for ids in texts]
        seconds = self._interleaved(*ours, *plain)
        ratios = [one / other for one, other in zip(seconds, seconds[len(texts) :], strict=False)]
        rows = [
            Row(f"append at {length} tokens / plain trunk's step there", ratio, "x", "<= 1.3", f"{step * 1e3:.1f} ms")
            for length, ratio, step in zip(lengths, ratios, seconds, strict=False)
        ]
        return [*rows, Row("  growth from the first to the last / plain trunk's", ratios[-1] / ratios[0], "x", "<= 1")]

    def _peers(self) -> list[Row]:
        ids = self._ids(self._sizes.tokens)
        few = max(3, self._sizes.repetitions // 5)
        hooks = [neuron_hook(layer) for layer in range(self._facts.layers)]
        tokens = self._runner.tensor(ids)
        bridge = self._runner.bridge
        cached, whole = self._interleaved(
            lambda: bridge.run_with_cache(tokens, names_filter=hooks), self._plain_pass(ids), repetitions=few
        )
        weights = [
            p
            for name, p in self._plain.named_parameters()
            if p.ndim == 2 and "emb" not in name and "wte" not in name and "wpe" not in name
        ]
        vectors = [p.new_ones(p.shape[1]) for p in weights]
        step, limit = self._interleaved(
            self._plain_step(ids), lambda: [self._torch.mv(w, v) for w, v in zip(weights, vectors, strict=True)]
        )
        return [
            Row("peer: the bridge's run_with_cache, whole text", cached * 1e3, "ms"),
            Row("peer: plain trunk, whole text", whole * 1e3, "ms"),
            Row("peer: plain trunk's one-token step, KV cache, no hooks", step * 1e3, "ms"),
            Row("memory limit: reading the trunk's weights once", limit * 1e3, "ms"),
        ]

    # -------------------------------------------------------------------------------- what is timed

    @property
    def _plain(self) -> Any:
        """The plain transformers trunk, with the library's attention and kernels."""
        if not hasattr(self, "_plain_model"):
            from .engine.kernels import use_quick_kernels
            from .engine.trunk import plain_twin

            twin = plain_twin(self._runner.trunk.model)
            use_quick_kernels(twin, False)
            twin.set_attn_implementation("sdpa")
            self._plain_model = twin
        return self._plain_model

    def _plain_step(self, ids: IntArray) -> Callable[[], object]:
        from transformers import DynamicCache

        cache = DynamicCache()
        self._plain(self._runner.tensor(ids), past_key_values=cache, use_cache=True)
        token = self._runner.tensor(ids[:1])

        def step() -> None:
            self._plain(token, past_key_values=cache, use_cache=True)
            cache.crop(-1)

        return step

    def _plain_pass(self, ids: IntArray) -> Callable[[], object]:
        tokens = self._runner.tensor(ids)
        return lambda: self._plain(tokens, use_cache=False)

    def _notebooks_way(self, ids: IntArray) -> Callable[[], object]:
        """The whole text, logits included, for one neuron."""
        tokens = self._runner.tensor(ids)
        hook = neuron_hook(self._facts.layers - 1)
        kept: list[Any] = []

        def keep(tensor: Any, hook: Any) -> None:
            kept[:] = [tensor[0, :, 0]]

        return lambda: self._runner.bridge.run_with_hooks(tokens, fwd_hooks=[(hook, keep)])

    def _appending(self, ids: IntArray, units: tuple[Unit, ...]) -> Callable[[], object]:
        engine = self._engine()
        self._submit(engine, "s", ids, 0, units)
        self._drain(engine)
        tokens = iter(range(1, 1 << 30))

        def append() -> None:
            self._submit(engine, "s", np.append(ids, next(tokens) % self._vocabulary), len(ids), units)
            self._drain(engine)

        return append

    # -------------------------------------------------------------------------------- tools

    def _interleaved(self, *works: Callable[[], object], repetitions: int | None = None) -> list[float]:
        """Median seconds of several things done in turn, after a warm-up of each."""
        seconds: list[list[float]] = [[] for _ in works]
        for work in works:
            work()
        for _ in range(repetitions or self._sizes.repetitions):
            for work, taken in zip(works, seconds, strict=True):
                begun = time.perf_counter()
                work()
                taken.append(time.perf_counter() - begun)
        return [statistics.median(taken) for taken in seconds]

    def _median(self, work: Callable[[], object], repetitions: int | None = None) -> float:
        return self._interleaved(work, repetitions=repetitions)[0]

    def _engine(self) -> Engine:
        from .engine.engine import Engine

        return Engine(self._runner, 1 << 62)

    def _ids(self, count: int) -> IntArray:
        return self._random.integers(0, self._vocabulary, count)

    def _units(self, count: int) -> tuple[Unit, ...]:
        """Neurons of all layers."""
        layers = self._facts.layers
        return tuple((neuron_hook(number % layers), number // layers) for number in range(max(count, layers)))[:count]

    def _submit(self, engine: Engine, session: str, ids: IntArray, keep: int, units: tuple[Unit, ...]) -> None:
        self._serial += 1
        target = ContextTarget(ids, (Need(keep, units),))
        engine.submit(Evaluate((session, "document"), self._serial, (target,), time.monotonic()))

    @staticmethod
    def _drain(engine: Engine) -> None:
        while not engine.idle:
            engine.step()


# ------------------------------------------------------------------------------------ the command


def run_bench(model: str | None, options: LoadOptions, sizes: Sizes, json_file: Path | None) -> list[Row]:
    """Measures, prints the table on standard output, and writes it to `json_file` if there is one.

    Raises:
        StartupError: the model cannot be loaded.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as in a worker
    from rich.console import Console

    from .engine.loading import ModelLoadError, load_model
    from .errors import StartupError

    console = Console()
    with _model_spec(model) as spec, console.status("Loading the model") as status:
        try:
            runner, facts = load_model(spec, options, lambda percentage, message: None)
        except ModelLoadError as error:
            raise StartupError(f"{error}") from None
        bench = Bench(runner, facts, sizes)
        rows = bench.rows(lambda name: status.update(f"Measuring {name}"))
    machine = describe_machine(facts)
    console.print(_table(rows, f"{spec.title}: {machine}"))
    if json_file is not None:
        content = {"model": spec.id, "machine": machine, "rows": [asdict(row) | {"met": row.met} for row in rows]}
        json_file.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return rows


def describe_machine(facts: LoadedModel) -> str:
    import torch

    if facts.device == "cuda":
        processor = torch.cuda.get_device_name()
    else:
        processor = f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads"
    return f"{processor}, {facts.dtype}, torch {torch.__version__}, Python {sys.version.split()[0]}"


@contextmanager
def _model_spec(model: str | None) -> Any:
    if model is not None:
        yield resolve_models((model,))[0]
        return
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    with tempfile.TemporaryDirectory() as folder:
        torch.manual_seed(0)
        GPT2LMHeadModel(GPT2Config(n_layer=6)).save_pretrained(folder)
        for name in ("tokenizer.json", "tokenizer_config.json"):
            shutil.copy(EMBEDDED_FOLDER / name, folder)
        yield ModelSpec("distilgpt2-shaped", "Random weights in distilgpt2's shape", folder)


def _table(rows: Sequence[Row], title: str) -> Any:
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    table.add_column("what")
    table.add_column("measured", justify="right")
    table.add_column("goal", justify="right")
    table.add_column("")
    for row in rows:
        mark = {None: "", True: "[green]yes[/]", False: "[red]no[/]"}[row.met]
        digits = 0 if row.unit in ("bytes", "passes") else 2
        table.add_row(row.name, f"{row.value:.{digits}f} {row.unit}", row.goal, f"{mark} {row.note}".strip())
    return table
