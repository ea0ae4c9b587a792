"""Tiles: what is blended from parts is what the whole would have been, without seams, and the network never sees more than it may."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from difftool.guidance.cfg import classifier_free
from difftool.nn.backbone import Signals
from difftool.tiles import Tiled, blend, starts

SIGMA = torch.tensor([0.7, 1.3])


class Toy:
    """A denoiser made of a function of x, its label and what lies beside it; notes what it is given."""

    def __init__(self, f) -> None:
        self.f, self.shapes = f, list[tuple[int, ...]]()

    def signals(self, cond: dict[str, Tensor]) -> Signals:
        return Signals(vector=cond["label"], channels=cond["low"])

    def __call__(
        self, x: Tensor, sigma: Tensor, signals: Signals, mask: Tensor | None = None
    ) -> Tensor:
        assert sigma.shape == signals.vector.shape == x.shape[:1]
        assert mask is None or len(mask) == len(x)
        self.shapes.append(tuple(x.shape))
        spread = (-1, *(1,) * (x.ndim - 1))
        x0 = (
            self.f(x) / (1 + sigma.view(spread) ** 2)
            + 0.1 * signals.vector.view(spread)
            + signals.channels
        )
        return x0 if mask is None else x0 * mask + torch.where(mask, 0.0, torch.nan)

    def null(self, cond: dict[str, Tensor]) -> dict[str, Tensor]:
        return {**cond, "label": torch.zeros_like(cond["label"])}


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def told(x: Tensor) -> dict[str, Tensor]:
    return {"label": torch.arange(1.0, len(x) + 1), "low": noise(*x.shape, seed=1)}


def shown(x: Tensor) -> Signals:
    return Toy(torch.tanh).signals(told(x))


def smooth(x: Tensor) -> Tensor:
    """Each entry and its neighbours along every axis, zeros beyond the edges: a receptive field of three."""
    for axis in range(2, x.ndim):
        before, after = (torch.zeros_like(x.narrow(axis, 0, 1)) for _ in range(2))
        wide = torch.cat((before, x, after), axis)
        x = sum(wide.narrow(axis, i, x.shape[axis]) for i in range(3)) / 3
    return x


SHAPES = [(2, 3, 50), (2, 3, 19, 33), (2, 1, 7, 12, 9)]
TILES = [(16,), (8, 10), (4, 12, 5)]
CUTS = list(zip(SHAPES, TILES, strict=True))


@given(n=st.integers(1, 80), size=st.integers(1, 40), overlap=st.floats(0, 0.9))
@settings(max_examples=200, deadline=None)
def test_windows_cover_every_entry_and_weights_sum_to_one(n, size, overlap):
    size = min(n, size)
    at = starts(n, size, overlap)
    total = torch.zeros(n, dtype=torch.float64)
    for start, weights in zip(at, blend(n, size, at), strict=True):
        assert weights.min() >= 0
        total[start : start + size] += weights
    torch.testing.assert_close(total, torch.ones(n, dtype=torch.float64))
    steps = [b - a for a, b in pairwise(at)]
    assert all(0 < step <= max(1, size * (1 - overlap)) for step in steps)
    assert len(set(steps[:-1])) <= 1


@pytest.mark.parametrize("overlap", [0.0, 0.25, 0.6])
@pytest.mark.parametrize(("shape", "tile"), CUTS)
def test_of_a_pointwise_denoiser_tiles_change_nothing(shape, tile, overlap):
    x, toy = noise(*shape), Toy(torch.tanh)
    whole = toy(x, SIGMA, shown(x))
    torch.testing.assert_close(Tiled(toy, tile, overlap, 64)(x, SIGMA, shown(x)), whole)


@pytest.mark.parametrize(("shape", "tile"), CUTS)
def test_the_network_sees_no_more_at_once_than_it_may(shape, tile):
    x = noise(*shape)
    for most in (1, 3, 64):
        toy = Toy(torch.tanh)
        made = Tiled(toy, tile, 0.25, most)(x, SIGMA, shown(x))
        assert max(shape[0] for shape in toy.shapes) <= most
        assert {shape[2:] for shape in toy.shapes} == {tile}
        torch.testing.assert_close(made, toy(x, SIGMA, shown(x)))


def test_an_axis_that_is_no_larger_than_a_tile_is_not_cut():
    x, toy = noise(2, 3, 6, 40), Toy(torch.tanh)
    Tiled(toy, (8, 16), 0.25, 2)(x, SIGMA, shown(x))
    assert set(toy.shapes) == {(2, 3, 6, 16)}


@pytest.mark.parametrize(("shape", "tile"), CUTS)
def test_of_a_small_receptive_field_only_blends_change_and_little(shape, tile):
    """A tile's edge is the edge of the world to the network; what it makes of that counts next to nothing where tiles overlap."""
    x, toy = noise(*shape), Toy(smooth)
    whole, made = toy(x, SIGMA, shown(x)), Tiled(toy, tile, 0.5, 64)(x, SIGMA, shown(x))
    places = torch.ones(shape[2:], dtype=torch.bool)
    for axis, (n, size) in enumerate(zip(shape[2:], tile, strict=True)):
        at = starts(n, size, 0.5)
        edges = set(at[1:]) | {start + size - 1 for start in at[:-1]}
        inner = torch.tensor([i not in edges for i in range(n)])
        places &= inner.reshape(-1, *(1,) * (len(tile) - 1 - axis))
    error = (made - whole).abs()
    assert error[..., places].max() < 1e-6
    assert error.max() > 0
    cut = Tiled(toy, tile, 0.0, 64)(x, SIGMA, shown(x))
    assert error.square().mean() < 0.2 * (cut - whole).square().mean()


@pytest.mark.parametrize("shared", [True, False])
def test_padding_is_cut_with_x_and_leaks_nothing(shared):
    """A tile that is all padding among them, of which the network makes NaN."""
    x = noise(2, 3, 50)
    mask = torch.arange(50) < torch.tensor([[[20]], [[20 if shared else 33]]])
    mask = mask[:1] if shared else mask
    toy = Toy(torch.tanh)
    made = Tiled(toy, (8,), 0.25, 5)(x, SIGMA, shown(x), mask)
    torch.testing.assert_close(made, torch.where(mask, Toy(torch.tanh)(x, SIGMA, shown(x)), 0.0))


def test_guidance_goes_around_tiles_and_sees_the_whole():
    x = noise(2, 3, 50)
    whole = classifier_free(Toy(torch.tanh), told(x), scale=3.0, rescale=0.7)(x, 0.9)
    toy = Toy(torch.tanh)
    made = classifier_free(Tiled(toy, (16,), 0.25, 4), told(x), scale=3.0, rescale=0.7)(x, 0.9)
    torch.testing.assert_close(made, whole)
    assert max(shape[0] for shape in toy.shapes) == 4


def test_a_tile_s_neighbour_in_the_batch_changes_nothing():
    x, toy = noise(2, 3, 50), Toy(smooth)
    tiled = Tiled(toy, (16,), 0.25, 4)
    together = tiled(x, SIGMA, shown(x))
    alone = tiled(
        x[1:], SIGMA[1:], Signals(**{name: value[1:] for name, value in shown(x).tensors().items()})
    )
    torch.testing.assert_close(together[1:], alone)


def test_tiles_that_disagree_leave_no_seam():
    """The worst case: each tile is told nothing of the others, and makes a level of its own."""
    x, toy = noise(1, 1, 4, 592), Toy(lambda x: x.mean((2, 3), keepdim=True).expand_as(x) * 10)
    nothing = Signals(torch.zeros(1), channels=torch.zeros_like(x))
    made = Tiled(toy, (4, 64), 0.25, 64)(x, torch.zeros(1), nothing)
    steps, at = made.diff(dim=-1).abs()[0, 0, 0], starts(592, 64, 0.25)
    seams = [i for start in at[1:] for i in (start - 1, start, start + 15, start + 16)]
    assert steps.max() > 0.05
    assert steps[seams].max() < 0.2 * steps.max()
