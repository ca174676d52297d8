"""Other kernels give what the library's give."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from transformers.activations import NewGELUActivation
from transformers.pytorch_utils import Conv1D

from tests.support.loaded import Loaded
from tests.support.models import ARCHITECTURES, make
from ws_server.engine.catalog import LoadOptions, ModelSpec
from ws_server.engine.kernels import use_quick_kernels
from ws_server.engine.loading import load_model

one_dnn = pytest.mark.skipif(
    not torch.backends.mkldnn.is_available() or torch.backends.cpu.get_cpu_capability() not in ("AVX2", "AVX512"),
    reason="this processor's kernels are left to torch",
)


def modules() -> list[nn.Module]:
    torch.manual_seed(0)
    conv = Conv1D(90, 50)
    nn.init.normal_(conv.bias)
    return [conv, nn.Linear(50, 90), nn.Linear(50, 70, bias=False), NewGELUActivation()]


@one_dnn
@pytest.mark.parametrize("module", modules(), ids=lambda module: f"{module}")
def test_a_module_gives_the_same(module: nn.Module) -> None:
    quick = copy.deepcopy(module)
    use_quick_kernels(quick, True)
    assert quick.forward is not type(module).forward
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for shape in ((1, 1, 50), (2, 50), (1, 2, 50), (1, 3, 50), (4, 8, 50), (1, 100, 50)):
            rows = torch.randn(shape, generator=generator)
            torch.testing.assert_close(quick(rows), module(rows), rtol=0, atol=1e-5)
            part = torch.randn((*shape[:-1], 80), generator=generator)[..., 7:57]  # not contiguous
            if not isinstance(module, Conv1D):  # the library's takes no such thing
                torch.testing.assert_close(quick(part), module(part), rtol=0, atol=1e-5)
    use_quick_kernels(quick, False)
    assert "forward" not in vars(quick)


@one_dnn
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_layer_of_every_architecture_has_them(name: str, loaded: Callable[[str], Loaded]) -> None:
    trunk = loaded(name).runner.trunk
    kinds = (nn.Linear, Conv1D, NewGELUActivation)
    layers = [module for module in trunk.model.modules() if isinstance(module, kinds)]
    assert len(layers) >= 4 * loaded(name).runner.layers
    assert all("forward" in vars(layer) for layer in layers)


def test_weights_are_not_copied(loaded: Callable[[str], Loaded]) -> None:
    runner = loaded("gpt2").runner
    theirs = {parameter.data_ptr() for parameter in runner.bridge.original_model.parameters()}
    assert {parameter.data_ptr() for parameter in runner.trunk.model.parameters()} <= theirs
    # A changed weight changes what comes out: no kernel keeps one of its own.
    layer = runner.trunk.model.h[0].mlp.c_fc
    rows = torch.from_numpy(np.random.default_rng(0).normal(size=(5, layer.nx)).astype(np.float32))
    with torch.no_grad():
        before = layer(rows)
        layer.weight.mul_(2)
        doubled = layer(rows) - layer.bias
        layer.weight.div_(2)
    torch.testing.assert_close(doubled, 2 * (before - layer.bias), rtol=0, atol=1e-5)


@one_dnn
@pytest.mark.parametrize("way", ["raises", "is wrong"])
def test_a_kernel_that_does_not_work_here_is_not_used(
    way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(module: nn.Linear | Conv1D) -> Callable[[torch.Tensor], torch.Tensor]:
        def forward(rows: torch.Tensor) -> torch.Tensor:
            if way == "raises":
                raise RuntimeError("could not create a primitive")
            return type(module).forward(module, rows) * 1.1

        return forward

    monkeypatch.setattr("ws_server.engine.kernels._linear", broken)
    spec = ModelSpec("gpt2", "gpt2", str(make("gpt2", tmp_path)))
    trunk = load_model(spec, LoadOptions(device="cpu"), lambda percentage, message: None)[0].trunk
    assert trunk.takes_several
    assert not any("forward" in vars(module) for module in trunk.model.modules())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_keeps_the_librarys(dtype: torch.dtype) -> None:
    for module in modules()[:-1]:
        half = module.to(dtype)
        use_quick_kernels(half, True)
        assert "forward" not in vars(half)


def test_a_subclass_keeps_its_own() -> None:
    class Scaled(nn.Linear):
        def forward(self, rows: torch.Tensor) -> torch.Tensor:
            return 2 * super().forward(rows)

    scaled = Scaled(8, 8)
    use_quick_kernels(scaled, True)
    assert "forward" not in vars(scaled)
