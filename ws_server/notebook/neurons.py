"""Names of neurons as people type them."""

from __future__ import annotations

import re
from collections.abc import Iterable

MOST_AT_ONCE = 256
"""The most neurons in a range, so that a typing error does not subscribe to thousands."""

_MLP = re.compile(r"L(\d+)N(\d+)(?:-N?(\d+))?", re.IGNORECASE)
_HOOK = re.compile(r"([\w.]*[a-zA-Z_][\w.]*)/(\d+)")
_MLP_HOOK = re.compile(r"blocks\.(\d+)\.mlp\.hook_post")


def neuron_keys(names: str | Iterable[str]) -> list[str]:
    """The keys of neurons: `L3N42`, ranges as `L3N40-48`, units of any hook point as `blocks.3.hook_resid_post/7`.

    Args:
        names: one string with spaces or commas between them, or several strings.

    Raises:
        ValueError: a name is not a neuron, or a range has too many.
    """
    parts = [part for name in ([names] if isinstance(names, str) else names) for part in re.split(r"[\s,;]+", name)]
    return list(dict.fromkeys(key for part in parts if part for key in _keys(part)))


def _keys(name: str) -> list[str]:
    if match := _MLP.fullmatch(name):
        layer, first = int(match[1]), int(match[2])
        last = first if match[3] is None else int(match[3])
        if not 0 <= last - first < MOST_AT_ONCE:
            raise ValueError(f"{name} should name 1 to {MOST_AT_ONCE} neurons, in ascending order")
        return [f"L{layer}N{neuron}" for neuron in range(first, last + 1)]
    if match := _HOOK.fullmatch(name):
        mlp = _MLP_HOOK.fullmatch(match[1])
        return [f"{match[1]}/{int(match[2])}" if mlp is None else f"L{int(mlp[1])}N{int(match[2])}"]
    raise ValueError(
        f"{name!r} is not a neuron: write layer and number, L3N42, a range, L3N40-48, or a component of any "
        "hook point, blocks.3.hook_resid_post/7"
    )
