"""Other kernels for what a pass of the plain model spends its time in; the modules, their parameters and hooks stay.

A few tokens' worth of a linear layer costs what reading its weights costs, if the matrix product is made for that.
That of MKL, which torch takes for float32, is not: on a processor that is not Intel's, eight rows cost it twice what
one does. oneDNN's costs hardly more than one, whichever way round the weights lie in memory (Conv1D keeps them
transposed), and needs no copy of them. For one row torch has a product of a matrix and a vector, which no other beats.

The GELU of GPT-2 is written out in the library as eight operations; torch has it as one.
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
    # Elsewhere torch chooses well by itself: oneDNN for half precision, on other processors the library made for them.
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
