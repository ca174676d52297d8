"""Running out of memory: how it shows itself, what may be kept on a device, and what can be given back to it."""

from __future__ import annotations

import ctypes
import gc
import sys

import torch

_OUT_OF_MEMORY = ("out of memory", "allocate memory", "not enough memory", "alloc_failed")
"""Words of plain `RuntimeError`s: of CUDA and MPS; of the CPU on Linux and macOS; on Windows; of cuBLAS and cuDNN."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a pass failed for lack of memory. Only some of these errors have a type of their own."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in _OUT_OF_MEMORY)


def cache_budget(device: str, share: int, models: int) -> int:
    """Bytes of computed state that one of `models` models may keep: its share of the server's budget; on a GPU at most
    its share of a quarter of the GPU's memory."""
    if device != "cuda":
        return share
    _, total = torch.cuda.mem_get_info()
    return min(share, int(total) // 4 // models)


def empty_device_cache() -> None:
    """Gives freed buffers back to the device, so that other processes, or larger buffers, can use their memory."""
    gc.collect()  # what a failed pass left may be held by a circle of references
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    elif torch.backends.mps.is_available():
        torch.mps.empty_cache()
    give_back_memory()


def give_back_memory() -> None:
    """Gives what was freed on the CPU back to the system. The C library keeps it: buffers of many sizes that come and
    go for days leave more and more that fits nothing. Takes some milliseconds."""
    if _trim is not None:
        _trim(0)


_trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform.startswith("linux") else None
"""Where the C library is glibc."""
