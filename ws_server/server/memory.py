"""How much memory can be used."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

_WHERE_UNKNOWN = 16 * 1024**3
_CGROUP_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


def usable_memory() -> int:
    """Bytes of the machine's memory, or of the container's limit if that is less."""
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        memory = _WHERE_UNKNOWN
    for path in _CGROUP_LIMITS:
        with suppress(OSError, ValueError):  # no such hierarchy, or "max"
            memory = min(memory, int(path.read_text()))
    return memory
