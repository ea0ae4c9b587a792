"""What the symmetries of space promise, of D through the Denoiser and of whole sampling runs, to float precision."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from difftool import Denoiser, Interface, Stream
from difftool.process.options import EdmOptions, KarrasOptions
from difftool.process.preconditioning import Edm
from difftool.process.schedule import Karras
from difftool.testing.parts import load
from difftool_molecule.centred import Centred
from difftool_molecule.egnn import Egnn
from difftool_molecule.network_options import EgnnOptions

from .test_centred import rotation

B, N, FEATURES = 4, 9, 6
SAMPLERS = ["heun", "dpmpp_2m", "euler_ancestral"]
SPACE = Centred(N)
MASK = (torch.arange(N) < torch.tensor([9, 6, 2, 7])[:, None]).unsqueeze(-1)
SCHEDULE = Karras(KarrasOptions(sigma_max=20.0))
SIGMA = torch.tensor([0.02, 0.3, 2.0, 20.0])
TOLERANCE = {
    torch.float32: {"atol": 2e-4, "rtol": 1e-3},
    torch.float64: {"atol": 1e-9, "rtol": 1e-9},
}

every_precision = pytest.mark.parametrize("dtype", TOLERANCE, ids=["fp32", "fp64"])
every_sampler = pytest.mark.parametrize("sampler", SAMPLERS)


class Exact(Denoiser):
    """The Denoiser, but for its rounding to single precision."""

    def forward(self, x, sigma, cond, mask=None):
        c = self.preconditioning.coefficients(sigma)
        skip, out, in_ = (t[:, None, None] for t in (c.skip, c.out, c.in_))
        return skip * x + out * self.backbone(in_ * x, c.noise, self.signals(cond), mask)


def denoiser(dtype: torch.dtype = torch.float64, **options) -> Denoiser:
    torch.manual_seed(0)
    network = Egnn(
        EgnnOptions(layers=3, features=16, embedding=8, **options), Interface((None, 3 + FEATURES))
    )
    with torch.no_grad():
        for p in network.parameters():
            p.add_(0.05 * torch.randn(p.shape))
    row = Edm(EdmOptions(sigma_data=1.0), SCHEDULE)
    return (Denoiser if dtype == torch.float32 else Exact)(network.to(dtype), row, {}).eval()


def noise(purpose: str = "x", dtype: torch.dtype = torch.float64) -> Tensor:
    return SPACE.noise((B, N, 3 + FEATURES), Stream(0, purpose), MASK).to(dtype)


def turn(mirrored: bool, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.block_diag(rotation(3, mirrored), torch.eye(FEATURES, dtype=torch.float64)).to(
        dtype
    )


@torch.no_grad()
def estimate(model: Denoiser, x: Tensor) -> Tensor:
    return model(x, SIGMA.to(x.dtype), {}, MASK)


@torch.no_grad()
def sample(
    model: Denoiser, sampler: str, change=lambda x: x, dtype: torch.dtype = torch.float64
) -> Tensor:
    """Ten steps from noise that has been changed, the fresh noise on the way as well."""
    steps, options = load("sampler", sampler)
    sigmas, draws = SCHEDULE.sigmas(10), iter(range(100))

    def fresh(*interval: float) -> Tensor:
        return change(noise(f"draw {next(draws)}", dtype))

    def denoise(x: Tensor, sigma: float) -> Tensor:
        return model(x, x.new_full((len(x),), sigma), {}, MASK)

    *_, last = steps(denoise, fresh() * sigmas[0], sigmas, fresh, **options.model_dump())
    return last.x


# --- D ----------------------------------------------------------------------------------------------------------------


@every_precision
@pytest.mark.parametrize("mirrored", [False, True], ids=["turned", "mirrored"])
def test_the_estimate_turns_with_what_is_turned_or_mirrored(dtype, mirrored):
    model, x, q = denoiser(dtype), noise(dtype=dtype), turn(mirrored, dtype)
    torch.testing.assert_close(estimate(model, x @ q), estimate(model, x) @ q, **TOLERANCE[dtype])


@every_precision
def test_without_reflections_it_turns_and_mirror_images_differ(dtype):
    model, x = denoiser(dtype, reflections=False), noise(dtype=dtype)
    rotated, mirrored = turn(False, dtype), turn(True, dtype)
    torch.testing.assert_close(
        estimate(model, x @ rotated), estimate(model, x) @ rotated, **TOLERANCE[dtype]
    )
    one, other = estimate(model, x @ mirrored), estimate(model, x) @ mirrored
    assert ((one - other).norm(dim=(1, 2)) > 1e-4 * other.norm(dim=(1, 2)))[
        [0, 1, 3]
    ].all()  # two atoms have no handedness


@every_precision
@pytest.mark.parametrize("reflections", [True, False])
def test_what_the_network_says_of_a_moved_molecule_is_the_same(dtype, reflections):
    """D returns where it found it; in the space, where no molecule has a place of its own, the estimates are one."""
    model, x = denoiser(dtype, reflections=reflections), noise(dtype=dtype)
    moved = (x + torch.tensor([2.0, -1, 0.5, *[0] * FEATURES], dtype=dtype)) * MASK
    here, there = (SPACE.project(estimate(model, at), MASK) for at in (x, moved))
    torch.testing.assert_close(there, here, **TOLERANCE[dtype])


@every_precision
@pytest.mark.parametrize("reflections", [True, False])
def test_atoms_may_stand_in_any_order(dtype, reflections):
    model, x = denoiser(dtype, reflections=reflections), noise(dtype=dtype)
    order = torch.tensor([4, 0, 8, 2, 6, 1, 7, 3, 5])
    with torch.no_grad():
        shuffled = model(x[:, order], SIGMA.to(dtype), {}, MASK[:, order])
    torch.testing.assert_close(shuffled, estimate(model, x)[:, order], **TOLERANCE[dtype])


def test_the_estimate_stays_in_the_space():
    found = estimate(denoiser(torch.float32), noise(dtype=torch.float32))
    assert (found[..., :3] * MASK).sum(1).div(MASK.sum(1)).abs().max() < 1e-5
    assert not found.masked_select(~MASK).any()


# --- sampling ---------------------------------------------------------------------------------------------------------


@every_sampler
@every_precision
@pytest.mark.parametrize("mirrored", [False, True], ids=["turned", "mirrored"])
def test_samples_turn_with_their_noise(sampler, dtype, mirrored):
    model, q = denoiser(dtype), turn(mirrored, dtype)
    usual, turned = (
        sample(model, sampler, change, dtype) for change in (lambda x: x, lambda x: x @ q)
    )
    assert usual.std() > 0.05
    torch.testing.assert_close(turned, usual @ q, **TOLERANCE[dtype])


@every_sampler
def test_without_reflections_mirrored_noise_gives_another_molecule(sampler):
    model, mirrored, rotated = denoiser(reflections=False), turn(True), turn(False)
    usual = sample(model, sampler)
    torch.testing.assert_close(
        sample(model, sampler, lambda x: x @ rotated), usual @ rotated, **TOLERANCE[torch.float64]
    )
    assert (sample(model, sampler, lambda x: x @ mirrored) - usual @ mirrored)[
        0
    ].norm() > 1e-2 * usual[0].norm()


@every_sampler
def test_samples_have_no_centre_of_mass(sampler):
    """Though nothing projects between steps."""
    found = sample(denoiser(torch.float32), sampler, dtype=torch.float32)
    assert (found[..., :3].sum(1) / MASK.sum(1)).abs().max() < 1e-5
    assert not found.masked_select(~MASK).any()


@every_sampler
def test_a_sample_does_not_depend_on_padding(sampler):
    """What is written in padding at the start changes nothing, and so does leaving the padding away."""
    model = denoiser()
    usual = sample(model, sampler)
    torch.testing.assert_close(
        sample(model, sampler, lambda x: torch.where(MASK, x, 5.0)) * MASK,
        usual,
        **TOLERANCE[torch.float64],
    )


@every_sampler
def test_the_order_of_atoms_in_noise_is_that_in_samples(sampler):
    model, order = denoiser(), torch.tensor([1, 0, *range(2, N)])  # two that are real in all
    usual = sample(model, sampler)
    torch.testing.assert_close(
        sample(model, sampler, lambda x: x[:, order]), usual[:, order], **TOLERANCE[torch.float64]
    )
