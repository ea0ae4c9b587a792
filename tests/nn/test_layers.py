"""The U-Net's parts."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from difftool.nn.embedding import Fourier
from difftool.nn.layers import conv, patchify, unpatchify, upsample
from difftool.nn.norm import GroupNorm


@pytest.mark.parametrize("sizes", [(7,), (6, 5), (3, 4, 5)], ids=str)
@pytest.mark.parametrize("side", [1, 2, 4])
def test_patches_go_back_together(sizes, side):
    x = torch.randn(2, 3, *sizes)
    patches = patchify(x, side)
    assert patches.shape == (2, 3 * side ** len(sizes), *(-(-n // side) for n in sizes))
    assert torch.equal(unpatchify(patches, side, x.shape[2:]), x)


def test_patches_are_pixel_unshuffle_in_two_dimensions():
    x = torch.randn(2, 3, 8, 4)
    assert torch.equal(patchify(x, 2), F.pixel_unshuffle(x, 2))


def test_upsampling_repeats_and_cuts():
    x = torch.arange(3.0).view(1, 1, 3)
    assert upsample(x, 2, torch.Size([5])).flatten().tolist() == [0, 0, 1, 1, 2]
    assert upsample(x, 1, torch.Size([3])).flatten().tolist() == [0, 1, 2]


@pytest.mark.parametrize("d", [1, 2, 3])
def test_convolutions_keep_the_variance(d):
    torch.manual_seed(0)
    y = conv(d, 64, 64)(torch.randn(2, 64, *(9,) * d))
    assert y[(..., *(slice(1, -1),) * d)].var().item() == pytest.approx(1, abs=0.25)


@pytest.mark.parametrize("shape", [(3, 24, 10), (3, 24, 4, 5), (3, 24, 2, 3, 4)], ids=str)
@pytest.mark.parametrize("channels_last", [False, True])
def test_film_is_a_scale_and_a_shift_of_the_norm(shape, channels_last):
    norm, x, film = GroupNorm(24), torch.randn(shape), torch.randn(3, 48)
    torch.nn.init.normal_(norm.weight)
    torch.nn.init.normal_(norm.bias)
    scale, shift = (f.view(3, 24, *(1,) * (x.ndim - 2)) for f in film.chunk(2, 1))
    x = x.transpose(1, -1).contiguous().transpose(1, -1) if channels_last else x
    expected = F.group_norm(x, norm.groups, norm.weight, norm.bias) * (1 + scale) + shift
    torch.testing.assert_close(norm(x, film), expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(
        norm(x, film, torch.ones_like(x[:, :1])), expected, atol=1e-5, rtol=1e-5
    )


@pytest.mark.parametrize(
    ("channels", "groups"), [(3, 1), (8, 2), (64, 16), (128, 32), (512, 32), (40, 10)]
)
def test_groups_divide_the_channels(channels, groups):
    assert GroupNorm(channels).groups == groups


def test_fourier_features_have_unit_variance_and_tell_levels_apart():
    features = Fourier(128)(torch.linspace(-1.6, 1.1, 1000))
    assert features.square().mean().item() == pytest.approx(1, abs=0.01)
    assert (features[1:] - features[:-1]).norm(dim=1).min() > 0.01


def test_a_mask_may_be_one_for_all_positions():
    norm, x = GroupNorm(24), torch.randn(2, 24, 4, 5)
    thin = torch.tensor([True, False]).view(2, 1, 1, 1)
    torch.testing.assert_close(norm(x, mask=thin)[0], norm(x, mask=thin.expand(2, 1, 4, 5))[0])
    torch.testing.assert_close(norm(x, mask=thin)[0], norm(x)[0], atol=1e-5, rtol=1e-5)
