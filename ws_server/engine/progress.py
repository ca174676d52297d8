"""Reports the progress of loading a model: bytes from the Hugging Face Hub, then tensors of its weights.

Both libraries show progress bars in a terminal; here the figures go to a callback instead. Nothing depends on them, and
errors are left to the loading itself, which reports them properly.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from huggingface_hub import snapshot_download, try_to_load_from_cache
from transformers.utils.logging import set_tqdm_hook

from .catalog import ModelSpec

Report = Callable[[float, str], None]
"""Takes the fraction that is done, in [0, 1], and a description."""

_FILES = [
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "model.safetensors.index.json",
    "model-*-of-*.safetensors",
    "tokenizer*",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.*",
    "merges.txt",
    "*.model",
]
"""The files that Transformers reads; a repository may hold the same weights in other formats, too."""

_MEGABYTE = 1_000_000


def download(spec: ModelSpec, report: Report) -> None:
    """Downloads a model from the Hub into the local cache, if it is not there already."""
    if isinstance(try_to_load_from_cache(spec.source, "model.safetensors", revision=spec.revision), str):
        return

    class Bar(_Bar):
        bytes = _Bytes(report)

    with suppress(Exception):
        snapshot_download(spec.source, revision=spec.revision, allow_patterns=_FILES, tqdm_class=Bar)


@contextmanager
def reporting_weights(report: Report) -> Iterator[None]:
    """Inside this context, calls `report` as the tensors of the weights are loaded."""

    def hook(factory: Callable[..., Any], arguments: tuple[Any, ...], options: dict[str, Any]) -> Any:
        if options.get("desc") != "Loading weights" or not arguments:
            return factory(*arguments, **options)
        return _counted(arguments[0], report)

    set_tqdm_hook(hook)
    try:
        yield
    finally:
        set_tqdm_hook(None)


def _counted(items: Any, report: Report) -> Iterator[Any]:
    total = len(items)
    reported = 0.0
    for number, item in enumerate(items):
        yield item
        share = (number + 1) / total
        if share >= reported + 0.05 or share == 1:
            reported = share
            report(share, f"Loading the weights, {number + 1} of {total} tensors")


class _Bytes:
    """Sums up the bytes of one model's files, which several threads download."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._lock = threading.Lock()
        self._reported = -1

    def seen(self, done: float, total: float) -> None:
        with self._lock:
            megabytes = int(done / _MEGABYTE)
            if total < _MEGABYTE or megabytes == self._reported:  # the small files come first
                return
            self._reported = megabytes
            self._report(min(1.0, done / total), f"Downloading, {megabytes} of {round(total / _MEGABYTE)} MB")


class _Bar:
    """The part of tqdm's interface that `huggingface_hub` uses. Bars that count bytes report to `bytes`."""

    bytes: _Bytes
    _class_lock = threading.RLock()

    def __init__(self, iterable: Iterable[Any] = (), *, total: float | None = None, initial: float = 0, **options: Any):
        self._iterable = iterable
        self._counts_bytes = options.get("unit") == "B"
        self.total, self.n = total, initial

    def __iter__(self) -> Iterator[Any]:
        return iter(self._iterable)

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def update(self, n: float | None = 1) -> None:
        self.n += n or 0
        if self._counts_bytes:
            self.bytes.seen(self.n, self.total or 0)

    @classmethod
    def get_lock(cls) -> Any:
        return cls._class_lock

    @classmethod
    def set_lock(cls, lock: Any) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *arguments, **options: None
