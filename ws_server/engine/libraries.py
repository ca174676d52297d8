"""Imports the numerical libraries, which takes seconds, without dependencies of theirs that are never used here."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType

_MODULES = (
    "torch",
    "transformers.modeling_utils",
    "transformer_lens",
    "ws_server.engine.loading",
    "ws_server.engine.engine",
)
_UNUSED = ("datasets", "datasets.arrow_dataset", "datasets.iterable_dataset", "datasets.load", "pandas")
"""What TransformerLens imports for its evaluations and tables: a fifth of the import time, and a thread that keeps
running."""


def import_libraries(give_up: Callable[[], bool] = lambda: False) -> None:
    """Imports everything that loading a model and computing with it need; a second call does nothing.

    Args:
        give_up: called before each of the large imports; if it returns true, the rest is not imported.
    """
    if _MODULES[-1] in sys.modules:
        return
    gc.disable()  # imports make millions of objects and hardly any garbage; collecting it takes a tenth of the time
    try:
        for name in _MODULES:
            if give_up():
                return
            if name == "transformer_lens":
                _import_transformer_lens()
            else:
                import_module(name)
        gc.freeze()  # these objects are not collected later either, which would copy memory that forks share
    finally:
        gc.enable()


def _import_transformer_lens() -> None:
    try:
        with _stand_ins():
            import_module("transformer_lens.model_bridge")
    except (ImportError, AttributeError):  # another release may need more of them
        for name in [name for name in sys.modules if name.split(".")[0] == "transformer_lens"]:
            del sys.modules[name]
        import_module("transformer_lens.model_bridge")


@contextmanager
def _stand_ins() -> Iterator[None]:
    """Names imported from the modules of `_UNUSED` are empty classes in this context; later imports get the real
    modules."""
    absent = [name for name in (*_UNUSED, "pytest") if name not in sys.modules]
    for name in absent:
        sys.modules[name] = _StandIn(name)
    if "pytest" in absent:
        sys.modules["pytest"] = None  # type: ignore[assignment]  # optional for TransformerLens
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]


class _StandIn(ModuleType):
    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__spec__ = ModuleSpec(name, None)  # Transformers reads it to find out whether the module exists
        self.__path__: list[str] = []

    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})
