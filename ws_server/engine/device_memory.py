"""Running out of memory: how it shows itself, and what can be given back to the device."""

from __future__ import annotations

import ctypes
import sys

import torch


def is_lack_of_memory(error: BaseException) -> bool:
    """Whether memory is what a pass failed for lack of. On the CPU, torch raises a plain `RuntimeError` then."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and "allocate memory" in str(error)


def device_budget(device: str, budget: int) -> int:
    """Bytes for computed state: what was asked for, but on a GPU at most half of what a model has left there."""
    if device != "cuda":
        return budget
    free, _ = torch.cuda.mem_get_info()
    return min(budget, int(free) // 2)


def empty_device_cache() -> None:
    """Gives freed buffers back to a GPU, so that others, or larger ones, can have their place."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def give_back_memory() -> None:
    """Gives what was freed on the CPU back to the system. The C library keeps it: buffers of many sizes that come and
    go for days leave more and more that fits nothing. Takes some milliseconds."""
    if _trim is not None:
        _trim(0)


_trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform.startswith("linux") else None
"""Where the C library is glibc."""
