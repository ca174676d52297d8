"""Faster kernels for the modules in which a pass spends its time. Modules, parameters and hooks stay as they are.

A linear layer over a few tokens should cost no more than reading its weights once. With MKL, which torch uses for
float32, it does: on processors that are not Intel's, eight rows take twice as long as one. With oneDNN eight rows take
hardly longer than one, whether or not the weights are transposed in memory (those of Conv1D are), and the weights are
not copied. For a single row, torch's product of a matrix and a vector is the fastest.

The library writes out the GELU of GPT-2 in eight operations; torch has it as one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import nn
from transformers.activations import NewGELUActivation
from transformers.pytorch_utils import Conv1D

_Forward = Callable[[torch.Tensor], torch.Tensor]


def use_quick_kernels(model: nn.Module, wanted: bool) -> None:
    """Chooses between our kernels and the library's for all modules of `model` that have both."""
    for module in model.modules():
        vars(module).pop("forward", None)
        quick = _quick_forward(module) if wanted else None
        if quick is not None:
            module.forward = quick


def _quick_forward(module: nn.Module) -> _Forward | None:
    # Subclasses may compute something else.
    if type(module) is NewGELUActivation:
        return _gelu
    if type(module) in (nn.Linear, Conv1D) and _suits_one_dnn(module.weight):
        return _linear(cast("nn.Linear | Conv1D", module))
    return None


def _suits_one_dnn(weight: object) -> bool:
    # Elsewhere torch's own choice is good: oneDNN for half precision, on other processors the library made for them.
    return (
        isinstance(weight, torch.Tensor)
        and weight.device.type == "cpu"
        and weight.dtype == torch.float32
        and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
        and torch.backends.cpu.get_cpu_capability() in ("AVX2", "AVX512")
    )


def _gelu(rows: torch.Tensor) -> torch.Tensor:
    return nn.functional.gelu(rows, approximate="tanh")


def _linear(module: nn.Linear | Conv1D) -> _Forward:
    kind: Any = type(module)
    product = torch.ops.mkldnn._linear_pointwise.default

    def forward(rows: torch.Tensor) -> torch.Tensor:
        if rows.numel() == rows.shape[-1]:
            alone: torch.Tensor = kind.forward(module, rows)
            return alone
        weight = module.weight.t() if kind is Conv1D else module.weight  # [out, in], a view
        output: torch.Tensor = product(rows, weight, module.bias, "none", [], "")
        return output

    return forward
