"""Entries of an example that are given: not learnt, kept by samples, whatever the sampler."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from difftool.batch import Batch, together
from difftool.guidance.inpaint import keeping
from difftool.objective import Denoising, Moment
from difftool.options import NoOptions
from difftool.process.density import LogNormal
from difftool.process.options import EdmOptions, KarrasOptions, LogNormalOptions
from difftool.process.preconditioning import Edm
from difftool.process.process import Process
from difftool.process.schedule import Karras
from difftool.process.weighting import Uniform
from difftool.rng import Stream
from difftool.space import Euclidean
from difftool.testing.parts import load

SCHEDULE = Karras(KarrasOptions())
ROW = Edm(EdmOptions(), SCHEDULE)
PROCESS = Process(ROW, LogNormal(LogNormalOptions(), SCHEDULE), Uniform(NoOptions(), ROW), SCHEDULE)
KNOWN = torch.tensor([[True, False, False], [False, True, False]])


def losses(
    batch: Batch, met: list[torch.Tensor] | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """The loss ``[b]`` and the gradient of what the network gave; ``met`` gets what the network was given."""
    output = torch.zeros_like(batch.x, requires_grad=True)

    def network(x, sigma, cond, mask, memory):
        if met is not None:
            met.append(x)
        return output, ROW.coefficients(sigma)

    denoiser, representation = (
        SimpleNamespace(
            network=network,
            conditioners={},
            remembers=False,
            degradation=None,
            drop_all=0.0,
            told={},
        ),
        SimpleNamespace(space=Euclidean()),
    )
    context: Any = SimpleNamespace(
        denoiser=denoiser, process=PROCESS, representation=representation
    )
    loss = Denoising(NoOptions(), context).loss(
        batch, Stream(0, "loss"), Moment(0, 1, 0), "denoiser"
    )
    loss.sum().backward()
    assert output.grad is not None
    return loss.detach(), output.grad


def test_nothing_is_learnt_of_what_is_known():
    x = torch.randn(2, 3)
    loss, gradient = losses(Batch(x, observed=KNOWN))
    assert not gradient[KNOWN].any()
    assert gradient[~KNOWN].all()
    plain, _ = losses(Batch(x))
    assert (loss < plain).all()


def test_the_network_meets_what_is_known_as_it_is_where_a_batch_says_so_and_else_under_noise():
    x, met = torch.randn(2, 3), list[torch.Tensor]()
    plain, _ = losses(Batch(x, observed=KNOWN), met)
    clean, _ = losses(Batch(x, observed=KNOWN, noise_free=True), met)
    assert not torch.isclose(met[0], x)[KNOWN].any()
    assert torch.equal(met[1][KNOWN], x[KNOWN])
    assert torch.equal(met[1][~KNOWN], met[0][~KNOWN])
    torch.testing.assert_close(clean, plain)  # what was given does not depend on it here


def test_samples_are_made_by_a_network_that_meets_it_in_the_same_way():
    x0, met = torch.randn(2, 3), list[torch.Tensor]()

    def denoise(x, sigma):
        met.append(x)
        return 0.3 * x

    for clean in (False, True):
        keeping(denoise, Euclidean(), x0, KNOWN, clean=clean)(x0 + 5, 5.0)
    assert torch.equal(met[0], x0 + 5)
    assert torch.equal(met[1], torch.where(KNOWN, x0, x0 + 5))


def test_it_comes_along_wherever_a_batch_goes():
    batch = Batch(torch.zeros(2, 3), {"a": torch.zeros(2)}, observed=KNOWN)
    assert torch.equal(batch.map(lambda t: t[1:]).observed, KNOWN[1:])
    assert batch.with_x(torch.ones(2, 3)).with_cond(a=torch.ones(2)).observed is KNOWN


@pytest.mark.parametrize("clean", [False, True])
def test_how_the_network_meets_it_comes_along_too(clean):
    batch = Batch(torch.zeros(2, 3), observed=KNOWN, noise_free=clean)
    assert batch.map(lambda t: t[1:]).part(0, 1).with_x(torch.ones(1, 3)).noise_free is clean
    assert together([batch, batch]).noise_free is clean


@pytest.mark.parametrize(
    "sampler",
    ["ddpm", "ddim", "euler", "euler_ancestral", "heun", "dpmpp_2m", "dpmpp_2m_sde", "pndm"],
)
def test_samples_keep_what_is_known(sampler):
    torch.manual_seed(0)
    x0, sigmas = torch.randn(2, 3), SCHEDULE.sigmas(12)
    function, knobs = load("sampler", sampler)
    denoise = keeping(lambda x, sigma: 0.3 * x / (1 + sigma), Euclidean(), x0, KNOWN)
    x = list(
        function(
            denoise,
            torch.randn(2, 3) * sigmas[0],
            sigmas,
            lambda sigma, after: torch.randn(2, 3),
            **knobs.model_dump(),
        )
    )[-1].x
    torch.testing.assert_close(x[KNOWN], x0[KNOWN], atol=1e-4, rtol=1e-4)
    assert not torch.isclose(x[~KNOWN], x0[~KNOWN], atol=1e-2).any()
