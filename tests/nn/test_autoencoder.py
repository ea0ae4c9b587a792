"""Autoencoders: sizes, padding, time, codes, gradients and divergences."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import nn

from difftool.errors import UsageError
from difftool.nn.autoencoder.bottleneck import Coded
from difftool.nn.autoencoder.codebook import Codebook
from difftool.nn.autoencoder.gaussian import Gaussian, divergence
from difftool.nn.autoencoder.network import Autoencoder, cut
from difftool.nn.autoencoder.options import BottleneckOptions
from difftool.nn.autoencoder.scalars import FiniteScalars
from difftool.rng import Stream

SIZES = {1: (33,), 2: (19, 22), 3: (9, 10, 11)}
METHODS = ("resize", "transposed", "shuffle")


def autoencoder(dimension: int, **options) -> Autoencoder:
    """A small one in which every weight says something."""
    torch.manual_seed(0)
    small = {"channels": 8, "multipliers": (1, 2, 2), "factors": (2, 3), "codes": 16}
    made = Autoencoder(BottleneckOptions(**{**small, **options}), 3, dimension)
    for p in made.parameters():
        if not p.any():
            nn.init.normal_(p, std=0.1)
    return made.eval().requires_grad_(False)


def examples(dimension: int, count: int = 2) -> torch.Tensor:
    return Stream(0, "examples").normal((count, 3, *SIZES[dimension]))


CASES = [*itertools.product((1, 2, 3), METHODS, (False,)), *((3, m, True) for m in METHODS)]


@pytest.mark.parametrize(("dimension", "method", "causal"), CASES)
def test_sizes_are_as_foretold_and_padding_has_no_influence(dimension, method, causal):
    made, x = autoencoder(dimension, upsampling=method, causal=causal), examples(dimension)
    z, _ = made.encode(x)
    assert z.shape[2:] == made.encoded_size(x.shape[2:])
    back = made.decode(z)
    assert back.shape[2:] == made.decoded_size(z.shape[2:])
    assert all(n >= asked for n, asked in zip(back.shape[2:], x.shape[2:], strict=True))
    assert torch.equal(made(x), cut(back, x.shape[2:]))
    for axis in range(2, x.ndim):
        kept = x.shape[axis] - 4
        mask = torch.ones_like(x[:, :1], dtype=torch.bool)
        mask.narrow(axis, kept, 4).fill_(False)
        padded, seen = made.encode(x, mask)
        alone, _ = made.encode(x.narrow(axis, 0, kept))
        torch.testing.assert_close(cut(padded, alone.shape[2:]), alone, atol=1e-5, rtol=1e-4)
        assert int(seen.sum()) == alone[:, :1].numel()
        torch.testing.assert_close(
            made(x, mask).narrow(axis, 0, kept), made(x.narrow(axis, 0, kept)), atol=1e-5, rtol=1e-4
        )


def test_another_factor_for_each_axis_and_patches():
    made = autoencoder(3, factors=((1, 2, 2), (2, 1, 3)), patch=(1, 2, 1))
    assert made.reduction == (2, 4, 6)
    assert made.encode(examples(3))[0].shape[2:] == (5, 3, 2)
    with pytest.raises(UsageError, match="2 axes"):
        autoencoder(2, factors=((1, 2, 2), 2))


@pytest.mark.parametrize("method", METHODS)
def test_no_frame_is_made_of_a_later_step_of_time_and_the_first_may_be_alone(method):
    made, x = autoencoder(3, upsampling=method, causal=True), examples(3)
    other = x.clone()
    other[:, :, 7:] += 1  # frames 1 to 6 are one step of time
    changed = (made(x) - made(other)).abs().amax((0, 1, 3, 4))
    assert not changed[:7].any()
    assert changed[7:].all()
    torch.testing.assert_close(made(x[:, :, :1]), made(x)[:, :, :1])
    sees_later = autoencoder(3, upsampling=method, causal=False)
    assert (sees_later(x) - sees_later(other))[:, :, :6].any()


def test_time_needs_three_axes():
    with pytest.raises(UsageError, match="three axes"):
        autoencoder(2, causal=True)


@pytest.mark.parametrize(
    "coded",
    [Codebook(4, 24, 0.9, 0.25, 0.0), FiniteScalars((3, 4, 2, 5))],
    ids=["vq", "fsq"],
)
def test_codes_round_trip_and_gradients_go_straight_through(coded: Coded):
    codes = torch.arange(coded.count).reshape(2, -1, 3)
    vectors = coded.vectors(codes)
    assert vectors.shape == (2, 4, *codes.shape[1:])
    assert torch.equal(coded.codes(vectors), codes)
    torch.testing.assert_close(coded.settled(vectors), vectors)
    z = Stream(0, "z").normal((2, 4, 3, 5)).requires_grad_()
    torch.testing.assert_close(coded.settled(z), coded.vectors(coded.codes(z)))
    weight = Stream(0, "weight").normal(z.shape)
    (weight * coded.settled(z)).sum().backward()
    assert torch.equal(z.grad, weight)


def test_a_code_is_the_nearest_one():
    coded = Codebook(3, 32, 0.9, 0.25, 0.0)
    z = Stream(0, "z").normal((5, 3, 7))
    distance = torch.cdist(z.transpose(1, 2).reshape(-1, 3), coded.vector)
    assert torch.equal(coded.codes(z).flatten(), distance.argmin(1))


def test_the_codebook_goes_to_the_means_of_what_chooses_it_and_dead_codes_start_again():
    coded = Codebook(2, 8, 0.5, 0.25, 0.1)
    centres = Stream(0, "centres").normal((4, 2)) * 3
    for step in range(60):
        rng = Stream(0, "batch", step)
        which = (rng.uniform((256,)) * 4).long()
        h = (centres[which] + 0.01 * rng.normal((256, 2))).T[None]
        coded.observe(h, None, rng)
        coded.stepped()
    nearest = torch.cdist(centres, coded.vector).min(1).values
    assert nearest.max() < 0.05
    assert coded.health(h, None)["perplexity"] > 3.5
    before = coded.vector.clone()
    coded.stepped()  # a step in which the encoder has no turn
    torch.testing.assert_close(coded.vector, before)


def test_padding_moves_no_code():
    mask = torch.arange(6) < 4
    found = []
    for filling in (0.0, 9.0):
        torch.manual_seed(0)
        coded = Codebook(2, 4, 0.5, 0.25, 0.0)
        for step in range(3):
            h = Stream(0, "h", step).normal((2, 2, 6)).where(mask, torch.tensor(filling))
            coded.observe(h, mask[None, None], Stream(0, "draw", step))
            coded.stepped()
        found.append(coded.vector)
    torch.testing.assert_close(*found)


def test_the_divergence_is_that_of_two_gaussians():
    mean, log_variance = torch.tensor([0.0, 1.5, -2.0]), torch.tensor([0.0, -3.0, 0.7])
    of = torch.distributions.Normal(mean, (0.5 * log_variance).exp())
    wanted = torch.distributions.kl_divergence(of, torch.distributions.Normal(0.0, 1.0))
    torch.testing.assert_close(divergence(mean, log_variance), wanted)


def test_what_a_channel_says_below_the_free_nats_costs_nothing():
    h = torch.zeros(3, 4, 5)
    h[:, 0] = 2.0  # the mean of the first channel: 2 nats
    h[:, 1] = 0.1
    paid, free = Gaussian(2, 1.0, 0.0), Gaussian(2, 1.0, 0.5)
    torch.testing.assert_close(paid.penalty(h, None), torch.full((3,), (2.0 + 0.005) / 2))
    torch.testing.assert_close(free.penalty(h, None), torch.full((3,), 1.0))


def test_draws_have_the_posterior_s_mean_and_spread():
    made = Gaussian(1, 1.0, 0.0)
    h = torch.tensor([2.0, math.log(0.25)]).reshape(1, 2, 1).expand(1, 2, 40_000)
    z = made.sample(made.moments(h), Stream(0, "draw"))
    assert abs(float(z.mean()) - 2) < 0.01
    assert abs(float(z.std()) - 0.5) < 0.01
    assert torch.equal(made.mean(h), h[:, :1])


@pytest.mark.parametrize("bottleneck", ["plain", "kl", "vq", "fsq"])
def test_a_bottleneck_learns_to_reconstruct(bottleneck):
    torch.manual_seed(0)
    made = Autoencoder(
        BottleneckOptions(channels=16, multipliers=(1,), patch=4, bottleneck=bottleneck), 1, 1
    )
    optimizer = torch.optim.Adam(made.parameters(), 1e-2)
    first = last = 0.0
    for step in range(60):
        rng = Stream(0, "batch", step)
        phase = rng.uniform((16, 1, 1)) * 6
        x = torch.sin(phase + torch.linspace(0, 6, 16))
        h, mask = made.features(x)
        made.bottleneck.observe(h, mask, rng)
        z = made.bottleneck.sample(made.bottleneck.moments(h), rng)
        error = (made.decode(z) - x).square().mean()
        (error + made.bottleneck.penalty(h, mask).mean()).backward()
        optimizer.step()
        optimizer.zero_grad()
        made.bottleneck.stepped()
        first, last = first or error.item(), error.item()
    assert last < 0.15 * first
