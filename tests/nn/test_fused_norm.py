"""The Triton kernels of group normalisation give what the formula gives, run by Triton's interpreter on a CPU.

In a process of its own: the interpreter is chosen when Triton is imported.
"""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec

import pytest
import torch

from difftool.nn.norm import GroupNorm, NormActivation

SHAPES = [(3, 12, 5, 7), (2, 32, 9), (2, 24, 3, 4, 5)]
FORMATS = {4: torch.channels_last, 5: torch.channels_last_3d}


@pytest.mark.heavy  # Triton's interpreter is slow
@pytest.mark.skipif(find_spec("triton") is None, reason="Triton is not installed")
def test_values_and_gradients_are_those_of_the_formula():
    done = subprocess.run(
        [sys.executable, __file__],
        capture_output=True,
        text=True,
        env={**os.environ, "TRITON_INTERPRET": "1"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split() == ["48", "agree"]


def compare() -> int:
    """Check both kinds of layers with film, masks and memory formats; returns how many agree."""
    from difftool.nn.fused_norm import agrees_with_formula

    assert agrees_with_formula("cpu")
    torch.manual_seed(0)
    count = 0
    for shape in SHAPES:
        for last in (False, True):
            for kind in (GroupNorm, NormActivation):
                for film in (False, True):
                    for masked in (False, True):
                        agree(shape, last, kind, film, masked)
                        count += 1
    return count


def agree(shape: tuple[int, ...], last: bool, kind: type[GroupNorm], film: bool, masked: bool):
    from difftool.nn.fused_norm import fused_norm

    b, channels = shape[:2]
    layer = kind(channels)
    with torch.no_grad():
        layer.weight.uniform_(0.5, 1.5)
        layer.bias.uniform_(-1, 1)
    x = torch.randn(shape) * 2 + 3
    x = x.to(memory_format=FORMATS[x.ndim]) if last and x.ndim in FORMATS else x
    steer = torch.randn(b, 2 * channels) if film else None
    mask = torch.ones(b, 1, *shape[2:], dtype=torch.bool) if masked else None
    if mask is not None:
        mask[0, ..., -2:] = False
    inputs = [t.requires_grad_() for t in (x, layer.weight, layer.bias, steer) if t is not None]
    plain = layer(x, steer, mask)
    plain = plain if mask is None else plain * mask
    silu = kind is NormActivation
    fused = fused_norm(x, layer.groups, layer.weight, layer.bias, layer.eps, steer, mask, silu)
    assert fused.stride() == x.stride()
    slope = torch.randn(shape)
    found = [fused, *torch.autograd.grad(fused, inputs, slope)]
    expected = [plain, *torch.autograd.grad(plain, inputs, slope)]
    for a, e in zip(found, expected, strict=True):
        assert (a - e).norm() <= 1e-4 * e.norm(), (shape, last, kind, film, masked)


if __name__ == "__main__":
    print(compare(), "agree")
