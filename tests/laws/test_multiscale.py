"""The multi-scale loss counts each resolution with its weight."""

from __future__ import annotations

import pytest
import torch

from difftool import Batch
from difftool.objectives.multiscale import Multiscale
from difftool.objectives.options import MultiscaleOptions
from difftool.rng import Stream
from difftool.space import Euclidean


def objective(smallest: int) -> Multiscale:
    made = Multiscale.__new__(Multiscale)
    torch.nn.Module.__init__(made)
    made.options, made.space = MultiscaleOptions(smallest=smallest), Euclidean()
    return made


def test_each_resolution_counts_with_one_over_its_size():
    error = Stream(0, "error").normal((3, 2, 16, 16))
    found = objective(4).mean_square(error, Batch(error))
    blocks = [error.unfold(2, k, k).unfold(3, k, k).mean((-1, -2)) for k in (1, 2, 4)]
    squares = [one.square().mean((1, 2, 3)) for one in blocks]
    wanted = (squares[0] / 16 + squares[1] / 8 + squares[2] / 4) / (1 / 16 + 1 / 8 + 1 / 4)
    torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize("shape", [(3, 2, 16), (3, 2, 6, 16), (3, 2, 4, 8, 16)])
def test_a_constant_error_counts_alike_on_any_axes(shape):
    error = torch.full(shape, 0.5)
    torch.testing.assert_close(
        objective(4).mean_square(error, Batch(error)), torch.full((3,), 0.25)
    )


def test_fine_errors_count_less_than_coarse_ones():
    fine = torch.tensor([1.0, -1.0]).repeat(8).expand(1, 1, 16)
    coarse = torch.ones(1, 1, 16)
    made = objective(4)
    assert made.mean_square(fine, Batch(fine)) < 0.2 * made.mean_square(coarse, Batch(coarse))
