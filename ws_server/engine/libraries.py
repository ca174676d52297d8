"""Imports the libraries that compute, which takes seconds, without what of them is never used here."""

from __future__ import annotations

import gc
from collections.abc import Callable
from importlib import import_module

_MODULES = (
    "torch",
    "transformers",
    "transformers.modeling_utils",
    "transformer_lens",
    "ws_server.engine.loading",
    "ws_server.engine.engine",
)


def import_libraries(give_up: Callable[[], bool] = lambda: False) -> None:
    """Imports everything that loading a model and computing with it need; nothing is left to do the second time.

    Args:
        give_up: asked before each of the large imports whether to go on.
    """
    gc.disable()  # importing makes millions of objects and hardly any garbage: looking for it takes a tenth of the time
    try:
        for name in _MODULES:
            if give_up():
                return
            import_module(name)
        gc.freeze()  # nor is any looked for in them later, which would copy the memory that forks share
    finally:
        gc.enable()
