"""Out-of-memory errors, the budget of a device, and how to return freed memory."""

from __future__ import annotations

import ctypes
import gc
import sys

import torch

_OUT_OF_MEMORY = ("out of memory", "allocate memory", "not enough memory", "alloc_failed")
"""How plain `RuntimeError`s report it: those of CUDA and MPS; of the CPU on Linux and macOS; on Windows; of cuBLAS and
cuDNN."""


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
    """Returns freed buffers to the device, so that other processes, or larger buffers, can use their memory."""
    gc.collect()  # tensors of a failed pass may be held by a reference cycle
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    elif torch.backends.mps.is_available():
        torch.mps.empty_cache()
    give_back_memory()


def give_back_memory() -> None:
    """Returns freed CPU memory to the system. The C library keeps it, and over days of buffers of many sizes it would
    fragment. Takes some milliseconds."""
    if _trim is not None:
        _trim(0)


_trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform.startswith("linux") else None
"""Only if the C library is glibc."""
