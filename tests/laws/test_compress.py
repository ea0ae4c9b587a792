"""Compression as laws: what it leaves alone, that more is worse, ends of axes, and padding."""

from __future__ import annotations

import io
from itertools import pairwise

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from difftool import Batch, Description, Stream
from difftool.bridges.compress import BLOCK, compressed
from difftool.bridges.options import ResampleOptions
from difftool.bridges.resample import Resample
from difftool_image.pixels import Pixels

LAYOUTS = [
    ((2, 1, 37), [2]),
    ((2, 3, 13, 22), [2, 3]),
    ((2, 9, 3, 16, 10), [1, 3, 4]),
    ((2, 11, 3, 4, 4), [1]),
]


def noise(*shape: int, seed: int = 0) -> Tensor:
    return 100 + 50 * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def at(x: Tensor, axes: list[int], strength: float, mask: Tensor | None = None) -> Tensor:
    return compressed(x, mask, axes, torch.full((len(x),), strength))


@pytest.mark.parametrize(("shape", "axes"), LAYOUTS)
def test_no_strength_changes_nothing_and_more_is_worse(shape, axes):
    x = noise(*shape)
    torch.testing.assert_close(at(x, axes, 0.0), x, rtol=1e-5, atol=1e-4)
    errors = [
        (at(x, axes, strength) - x).square().mean().sqrt()
        for strength in (0.1, 0.3, 1.0, 3.0, 10.0, 100.0)
    ]
    assert all(less < more for less, more in pairwise(errors))
    assert errors[0] < 0.1 * x.std()
    assert errors[-1] < 1.1 * x.std()  # of each block its mean is left


@pytest.mark.parametrize(("shape", "axes"), LAYOUTS)
def test_a_constant_stays_what_it_is(shape, axes):
    x = torch.full(shape, 77.0)
    torch.testing.assert_close(at(x, axes, 5.0), x)


def test_what_is_even_along_blocks_keeps_their_means():
    x = noise(1, 1, 5 * BLOCK)
    means = (at(x, [2], 100.0).unflatten(2, (5, BLOCK)).mean(3), x.unflatten(2, (5, BLOCK)).mean(3))
    torch.testing.assert_close(*means)


def test_fine_detail_goes_before_coarse():
    places = torch.arange(16 * BLOCK) + 0.5
    slow, fast = (torch.cos(torch.pi * k * places / BLOCK)[None, None] for k in (1, 7))
    x = slow + 0.2 * fast
    left = at(x, [2], 1.5)
    assert ((left * fast).mean() / (fast * fast).mean()).abs() < 1e-3
    assert ((left * slow).mean() / (slow * slow).mean()) > 0.8


def test_each_example_has_its_own_strength_and_sees_no_other():
    x = noise(3, 2, 20, 20)
    strength = torch.tensor([0.0, 0.5, 4.0])
    made = compressed(x, None, [2, 3], strength)
    for i in range(3):
        torch.testing.assert_close(
            made[i : i + 1], compressed(x[i : i + 1], None, [2, 3], strength[i : i + 1])
        )
    errors = (made - x).flatten(1).std(1)
    assert errors[0] < 1e-4 < errors[1] < errors[2]


@pytest.mark.parametrize(
    ("shape", "axes", "masked"), [((1, 1, 37), [2], 2), ((1, 13, 3, 16, 10), [1, 3, 4], 1)]
)
def test_padding_is_as_if_it_were_not_there(shape, axes, masked):
    x, n = noise(*shape), shape[masked]
    more = torch.full((*shape[:masked], 11, *shape[masked + 1 :]), 9e3)
    mask = (torch.arange(n + 11) < n).reshape(
        1, *(1,) * (masked - 1), -1, *(1,) * (len(shape) - 1 - masked)
    )
    made = at(torch.cat((x, more), masked), axes, 2.0, mask)
    torch.testing.assert_close(made.narrow(masked, 0, n), at(x, axes, 2.0))


def test_strength_one_is_about_jpeg_at_quality_fifty():
    """On a picture of usual contrast: the errors of the two are of one size."""
    y, x = np.mgrid[:128, :128] / 128
    rng = np.random.default_rng(0)
    picture = (
        128
        + 60 * np.sin(9 * x + 5 * y * y)
        + 30 * (np.hypot(x - 0.5, y - 0.5) < 0.3)
        + rng.normal(0, 12, x.shape)
    )
    picture = picture.clip(0, 255).astype(np.uint8)
    for quality, strength in ((50, 1.0), (10, 5.0)):
        Image.fromarray(picture).save(file := io.BytesIO(), "JPEG", quality=quality)
        theirs = np.asarray(Image.open(file)).astype(float) - picture
        ours = (
            at(torch.from_numpy(picture).float()[None, None], [2, 3], strength)[0, 0].numpy()
            - picture
        )
        assert 0.6 < ours.std() / theirs.std() < 1.6


def test_the_bridge_compresses_after_blur_in_raw_units_and_draws_a_strength_for_each():
    about = Description((3, 18, 24), "uint8", 10)

    def bridge(**options: float) -> Resample:
        return Resample(ResampleOptions(factors=(1, 2, 2), **options), about, Pixels(None, about))

    low = Batch(noise(1, 3, 9, 12).clamp(0, 255).to(torch.uint8).expand(32, -1, -1, -1))
    made = bridge(compress=4.0).corrupt(low, Stream(0, "t")).x
    assert (made.dtype, made.shape) == (torch.uint8, low.x.shape)
    errors = (made.float() - low.x.float()).flatten(1).std(1)
    assert errors.unique().numel() > 20
    blurred, both = (
        bridge(blur=1.0, compress=c).corrupt(low, Stream(0, "t")).x.float() for c in (0.0, 4.0)
    )
    assert (blurred - both).abs().max() > 5
    assert bridge().corrupt(low, Stream(0, "t")) is low
