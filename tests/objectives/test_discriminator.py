"""A discriminator reads what the blocks of any network make of an example."""

from __future__ import annotations

import pytest
import torch

from difftool import Interface
from difftool.denoiser import Denoiser
from difftool.errors import UsageError
from difftool.nn.backbone import Backbone
from difftool.objectives.discriminator import Discriminator
from difftool.rng import Stream
from difftool.testing.parts import load

from .gaussian import process

NETWORKS = {
    "unet": ((3, 8, 8), {"channels": 8, "multipliers": (1, 2), "blocks": 1}),
    "dit": ((3, 8, 8), {"width": 24, "depth": 2, "head_width": 12}),
    "egnn": ((None, 9), {"layers": 2, "features": 16, "embedding": 8}),
}


def denoiser(name):
    shape, options = NETWORKS[name]
    target, settings = load("backbone", name, **options)
    torch.manual_seed(0)
    found = Denoiser(target(settings, Interface(shape)), process().preconditioning, {}).eval()
    for p in found.parameters():  # no block that is zero at first
        p.data.add_(0.05 * torch.randn_like(p))
    return found, shape


def examples(shape, n=64):
    sizes = [7 if size is None else size for size in shape]
    return Stream(0, "examples").normal((n, *sizes))


@pytest.mark.parametrize("name", NETWORKS)
def test_it_learns_to_tell_small_from_large(name):
    network, shape = denoiser(name)
    network.requires_grad_(False)
    made = Discriminator(network, shape)
    x, sigma = examples(shape), torch.full((64,), 0.3)
    optimizer = torch.optim.Adam(made.parameters(), lr=0.02)
    for _ in range(60):
        large, small = made(network, x, sigma, {})[0], made(network, 0.5 * x, sigma, {})[0]
        optimizer.zero_grad()
        torch.nn.functional.softplus(torch.cat((-large, small))).mean().backward()
        optimizer.step()
    assert (large > 0).float().mean() > 0.9
    assert (small < 0).float().mean() > 0.9


@pytest.mark.parametrize("name", NETWORKS)
def test_each_example_is_judged_alone_and_its_estimate_is_the_denoiser_s(name):
    network, shape = denoiser(name)
    made, x, sigma = Discriminator(network, shape), examples(shape, 3), torch.ones(3)
    with torch.no_grad():
        logits, estimate = made(network, x, sigma, {})
        alone, _ = made(network, x[1:2], sigma[1:2], {})
        torch.testing.assert_close(logits[1:2], alone, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(estimate, network(x, sigma, {}))


def test_a_network_without_blocks_is_refused():
    class Bare(Backbone):
        def regions(self):
            yield from ()

        def forward(self, x, c_noise, signals, mask=None):
            return x

    with pytest.raises(UsageError, match="no blocks to look at"):
        Discriminator(Denoiser(Bare(), process().preconditioning, {}), (3,))
