"""Samplers give what diffusers' schedulers give, for the same denoiser, noise and table of betas.

diffusers walks the variance-preserving path z = x / sqrt(1 + sigma^2), except in its Heun, which speaks sigma.
"""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from difftool.process.options import LinearOptions
from difftool.process.schedule import Linear
from difftool.samplers.ancestral import ddim, ddpm
from difftool.samplers.dpmpp import dpmpp_2m
from difftool.samplers.heun import heun
from difftool.samplers.pndm import pndm
from difftool.testing.parts import load

diffusers = pytest.importorskip("diffusers")

SHAPE = (2, 3, 8)
BETAS = {
    "beta_start": 1e-4,
    "beta_end": 0.02,
    "beta_schedule": "linear",
    "num_train_timesteps": 1000,
}
STEPS = 12


def denoise(x: Tensor, sigma: float) -> Tensor:
    """Exact for data at -1 and 1, with a twist so that coordinates interact."""
    return torch.tanh(x / (0.1 + sigma**2)) * 0.9 + 0.1 * x.roll(1, -1) / (1 + sigma**2)


def unit(seed: int):
    generator = torch.Generator().manual_seed(seed)
    return lambda *interval: torch.randn(SHAPE, generator=generator, dtype=torch.float64)


def theirs(scheduler, z: Tensor, speaks_sigma: bool = False, **step) -> Tensor:
    """Their sampling loop around our denoiser, as a predictor of eps."""
    abar = scheduler.alphas_cumprod.double()
    for t in scheduler.timesteps:
        sigma = (1 / abar[int(t)] - 1).sqrt().item()
        x = z if speaks_sigma else z * math.sqrt(1 + sigma**2)
        z = scheduler.step((x - denoise(x, sigma)) / sigma, t, z, **step).prev_sample
    return z


def ours(sampler, sigmas: list[float], **knobs) -> Tensor:
    *_, last = sampler(denoise, start(sigmas[0]), sigmas, unit(1), **knobs)
    return last.x


def start(sigma: float) -> Tensor:
    return unit(0)() * sigma


def path(sigma: float) -> Tensor:
    return start(sigma) / math.sqrt(1 + sigma**2)


def agree(a: Tensor, b: Tensor) -> None:
    assert ((a - b).norm() / b.norm()).item() < 1e-4


def table(spacing: str, n: int = STEPS) -> list[float]:
    return Linear(LinearOptions(spacing=spacing)).sigmas(n)


@pytest.mark.parametrize("spacing", ["leading", "trailing", "linspace"])
@pytest.mark.parametrize("n", [1, 7, 50, 1000])
def test_the_table_and_its_spacings(spacing, n):
    scheduler = diffusers.DDIMScheduler(**BETAS, timestep_spacing=spacing)
    scheduler.set_timesteps(n)
    if (spacing, n) == (
        "linspace",
        1,
    ):  # numpy's linspace of one entry is its lower end; a sampler must start at the noisy one
        return
    sigmas = (1 / scheduler.alphas_cumprod.double() - 1).sqrt()[scheduler.timesteps]
    torch.testing.assert_close(
        torch.tensor(table(spacing, n)[:-1], dtype=torch.float64), sigmas, rtol=1e-3, atol=1e-5
    )


def test_zero_terminal_snr():
    scheduler = diffusers.DDIMScheduler(
        **BETAS, timestep_spacing="trailing", rescale_betas_zero_snr=True
    )
    scheduler.set_timesteps(20)
    sigmas = (1 / scheduler.alphas_cumprod.double() - 1).sqrt()[scheduler.timesteps]
    mine = torch.tensor(Linear(LinearOptions(terminal=1e6)).sigmas(20)[:-1], dtype=torch.float64)
    torch.testing.assert_close(mine[1:], sigmas[1:], rtol=1e-3, atol=1e-5)
    assert mine[0].item() == pytest.approx(1e6)


@pytest.mark.parametrize("variance", ["small", "large"])
def test_ddpm(variance):
    scheduler = diffusers.DDPMScheduler(
        **BETAS, variance_type=f"fixed_{variance}", clip_sample=False, timestep_spacing="leading"
    )
    scheduler.set_timesteps(STEPS)
    sigmas = table("leading")
    reference = theirs(scheduler, path(sigmas[0]), generator=torch.Generator().manual_seed(1))
    agree(ours(ddpm, sigmas, variance=variance), reference)


@pytest.mark.parametrize("spacing", ["leading", "trailing"])
@pytest.mark.parametrize("eta", [0.0, 0.6])
def test_ddim(spacing, eta):
    scheduler = diffusers.DDIMScheduler(**BETAS, clip_sample=False, timestep_spacing=spacing)
    n = 10  # divides the table: DDIMScheduler takes the level arrived at to be a whole step ratio below
    scheduler.set_timesteps(n)
    sigmas = table(spacing, n)
    reference = theirs(
        scheduler, path(sigmas[0]), eta=eta, generator=torch.Generator().manual_seed(1)
    )
    agree(ours(ddim, sigmas, eta=eta), reference)


def test_heun():
    scheduler = diffusers.HeunDiscreteScheduler(**BETAS, timestep_spacing="trailing")
    scheduler.set_timesteps(STEPS)
    sigmas = table("trailing")
    agree(ours(heun, sigmas), theirs(scheduler, start(sigmas[0]), speaks_sigma=True))


@pytest.mark.parametrize("n", [2, STEPS, 30])
def test_dpmpp_2m(n):
    scheduler = diffusers.DPMSolverMultistepScheduler(
        **BETAS,
        algorithm_type="dpmsolver++",
        solver_order=2,
        solver_type="midpoint",
        final_sigmas_type="zero",
        timestep_spacing="trailing",
    )
    scheduler.set_timesteps(n)
    sigmas = table("trailing", n)
    agree(ours(dpmpp_2m, sigmas), theirs(scheduler, path(sigmas[0])))


@pytest.mark.parametrize("n", [2, 5, 20])
def test_pndm(n):
    scheduler = diffusers.PNDMScheduler(
        **BETAS, skip_prk_steps=True, set_alpha_to_one=True, timestep_spacing="leading"
    )
    scheduler.set_timesteps(n)
    sigmas = table("leading", n)
    agree(ours(pndm, sigmas), theirs(scheduler, path(sigmas[0])))


def walked(scheduler, n: int, x: Tensor, stride: int = 1) -> tuple[list[float], Tensor]:
    """The levels of their table, to rounding, and their result after n steps of ``stride`` levels."""
    # one more, since they end an exponential schedule with a step of no length
    scheduler.set_timesteps(n * stride + (stride > 1))
    sigmas = scheduler.sigmas.double().tolist()[: n * stride + 1]
    z = x * sigmas[0] / math.sqrt(1 + sigmas[0] ** 2)
    for sigma, t in zip(sigmas[:-1], scheduler.timesteps, strict=False):
        x = z * math.sqrt(1 + sigma**2)
        z = scheduler.step((x - denoise(x, sigma)) / sigma, t, z).prev_sample.double()
    return sigmas[::stride], z * math.sqrt(1 + sigmas[-1] ** 2)


def meets(name: str, sigmas: list[float], reference: Tensor, **knobs) -> None:
    sampler, options = load("sampler", name, **knobs)
    *_, last = sampler(denoise, unit(0)() * sigmas[0], sigmas, unit(1), **options.model_dump())
    assert ((last.x - reference).norm() / reference.norm()).item() < 1e-5


@pytest.mark.parametrize("variant", ["bh1", "bh2"])
@pytest.mark.parametrize("order", [1, 2, 3])
def test_unipc(order, variant):
    scheduler = diffusers.UniPCMultistepScheduler(
        **BETAS,
        solver_order=order,
        solver_type=variant,
        final_sigmas_type="sigma_min",
        lower_order_final=False,
        timestep_spacing="linspace",
    )
    meets("unipc", *walked(scheduler, STEPS, unit(0)()), order=order, variant=f"B{variant[-1]}")


@pytest.mark.parametrize("order", [2, 3])
def test_unipc_to_zero(order):
    """The last steps are of lower order, in both."""
    scheduler = diffusers.UniPCMultistepScheduler(
        **BETAS, solver_order=order, final_sigmas_type="zero", timestep_spacing="linspace"
    )
    meets("unipc", *walked(scheduler, STEPS, unit(0)()), order=order)


@pytest.mark.parametrize("order", [2, 3])
def test_deis(order):
    scheduler = diffusers.DEISMultistepScheduler(
        **BETAS, solver_order=order, lower_order_final=False, timestep_spacing="leading"
    )
    scheduler.set_timesteps(STEPS)
    levels, reference = walked(scheduler, STEPS, unit(0)())
    meets("deis", levels, reference, degree=order - 1, time="log")


def test_lms():
    scheduler = diffusers.LMSDiscreteScheduler(**BETAS, timestep_spacing="linspace")
    scheduler.set_timesteps(STEPS)
    sigmas, x = scheduler.sigmas.double().tolist(), unit(0)() * scheduler.sigmas[0].double()
    for sigma, t in zip(sigmas, scheduler.timesteps, strict=False):
        scheduler.is_scale_input_called = True
        x = scheduler.step((x - denoise(x, sigma)) / sigma, t, x).prev_sample
    meets("lms", sigmas, x)


@pytest.mark.parametrize(
    ("name", "algorithm", "order", "knobs"),
    [
        ("dpm_solver", "dpmsolver", 2, {"order": 2}),
        ("dpmpp_2s", "dpmsolver++", 2, {}),
    ],
)
def test_singlestep(name, algorithm, order, knobs):
    """Their inner levels are those of the table, which are ours where ln sigma is evenly spaced.

    Their order 3 is not the paper's Alg. 2: its second stage has another weight.
    """
    scheduler = diffusers.DPMSolverSinglestepScheduler(
        **BETAS,
        algorithm_type=algorithm,
        solver_order=order,
        use_exponential_sigmas=True,
        final_sigmas_type="sigma_min",
        lower_order_final=False,
    )
    meets(name, *walked(scheduler, 6, unit(0)(), order), **knobs)


def test_dpmpp_3m_sde_without_noise():
    """With noise theirs subtracts 1 / 2 where the exponential integrator adds it; see k-diffusion."""
    scheduler = diffusers.DPMSolverMultistepScheduler(
        **BETAS,
        algorithm_type="dpmsolver++",
        solver_order=3,
        solver_type="heun",
        lower_order_final=False,
        final_sigmas_type="zero",
        timestep_spacing="linspace",
    )
    meets("dpmpp_3m_sde", *walked(scheduler, STEPS, unit(0)()), eta=0.0)


@pytest.mark.parametrize("tau", [0.0, 1.0])
def test_sa_solver(tau):
    """Its first-order predictor; their second order has a term that is not in the paper."""
    scheduler = diffusers.SASolverScheduler(
        **BETAS, predictor_order=1, tau_func=lambda t: tau, timestep_spacing="linspace"
    )
    scheduler.set_timesteps(STEPS)
    generator = torch.Generator().manual_seed(1)
    sigmas = scheduler.sigmas.double().tolist()
    z = unit(0)() * sigmas[0] / math.sqrt(1 + sigmas[0] ** 2)
    for sigma, t in zip(sigmas, scheduler.timesteps, strict=False):
        x = z * math.sqrt(1 + sigma**2)
        scheduler.last_sample = None  # no corrector
        eps = (x - denoise(x, sigma)) / sigma
        z = scheduler.step(eps, t, z, generator=generator).prev_sample.double()
    reference = z * math.sqrt(1 + sigmas[-1] ** 2)
    meets("sa_solver", sigmas, reference, predictor=1, corrector=0, tau=tau)
