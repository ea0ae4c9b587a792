"""Samplers give what the equations of their papers give, written out here.

The references walk the papers' path z = alpha x with alpha = 1 / sqrt(1 + sigma^2), its noise level
s = alpha sigma and its log-SNR lambda = ln(alpha / s), where samplers here walk x at sigma. All is
in float64, on an analytic denoiser that is not linear.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.integrate import quad, solve_ivp
from torch import Tensor

from difftool.errors import UsageError
from difftool.testing.parts import load
from difftool.testing.sampler import levels, one_path

SHAPE = (2, 5)
SIGMAS = levels(9, low=0.03, high=12.0)


def denoise(x: Tensor, sigma: float) -> Tensor:
    """Exact for data at -1 and 1, with a twist so that coordinates interact."""
    return torch.tanh(x / (0.1 + sigma**2)) * 0.9 + 0.1 * x.roll(1, -1) / (1 + sigma**2)


def slope(x: Tensor, sigma: float) -> Tensor:
    return (x - denoise(x, sigma)) / sigma


def start() -> Tensor:
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 12


def ours(name: str, noise=None, sigmas=SIGMAS, **knobs) -> Tensor:
    sampler, options = load("sampler", name, **knobs)
    *_, last = sampler(denoise, start(), sigmas, noise or no_noise, **options.model_dump())
    return last.x


def no_noise(sigma: float, sigma_next: float) -> Tensor:
    raise AssertionError("a deterministic sampler asks for noise")


def agree(found: Tensor, reference: Tensor, within: float = 1e-9) -> None:
    assert ((found - reference).norm() / reference.norm()).item() < within


class Vp:
    """A level of the variance-preserving path, and the model there."""

    def __init__(self, sigma: float) -> None:
        self.sigma = sigma
        self.alpha = 1 / math.sqrt(1 + sigma**2)
        self.s = sigma * self.alpha
        self.lam = math.log(self.alpha / self.s)

    @classmethod
    def at(cls, lam: float) -> Vp:
        return cls(math.exp(-lam))

    def x0(self, z: Tensor) -> Tensor:
        return denoise(z / self.alpha, self.sigma)

    def eps(self, z: Tensor) -> Tensor:
        return (z - self.alpha * self.x0(z)) / self.s


PATH = [Vp(sigma) for sigma in SIGMAS]


def walk(step: Callable[[Tensor, int, Vp, Vp], Tensor]) -> Tensor:
    """x at the end, from steps of z."""
    z = start() * PATH[0].alpha
    for i, (a, b) in enumerate(pairwise(PATH)):
        z = step(z, i, a, b)
    return z / PATH[-1].alpha


def dpm_solver_2(z: Tensor, i: int, a: Vp, b: Vp) -> Tensor:
    """Lu et al. 2022, arXiv:2206.00927, Alg. 1."""
    h = b.lam - a.lam
    m = Vp.at(a.lam + h / 2)
    u = m.alpha / a.alpha * z - m.s * math.expm1(h / 2) * a.eps(z)
    return b.alpha / a.alpha * z - b.s * math.expm1(h) * m.eps(u)


def dpm_solver_3(z: Tensor, i: int, a: Vp, b: Vp) -> Tensor:
    """Alg. 2."""
    h, r1, r2 = b.lam - a.lam, 1 / 3, 2 / 3
    m1, m2 = Vp.at(a.lam + r1 * h), Vp.at(a.lam + r2 * h)
    eps = a.eps(z)
    u1 = m1.alpha / a.alpha * z - m1.s * math.expm1(r1 * h) * eps
    d1 = m1.eps(u1) - eps
    u2 = m2.alpha / a.alpha * z - m2.s * math.expm1(r2 * h) * eps
    u2 = u2 - m2.s * r2 / r1 * (math.expm1(r2 * h) / (r2 * h) - 1) * d1
    d2 = m2.eps(u2) - eps
    z = b.alpha / a.alpha * z - b.s * math.expm1(h) * eps
    return z - b.s / r2 * (math.expm1(h) / h - 1) * d2


def dpmpp_2s(z: Tensor, i: int, a: Vp, b: Vp) -> Tensor:
    """Lu et al. 2022, arXiv:2211.01095, Alg. 1, r = 1/2."""
    h = b.lam - a.lam
    m = Vp.at(a.lam + h / 2)
    u = m.s / a.s * z - m.alpha * math.expm1(-h / 2) * a.x0(z)
    return b.s / a.s * z - b.alpha * math.expm1(-h) * m.x0(u)


@pytest.mark.parametrize(
    ("name", "knobs", "step"),
    [
        ("dpm_solver", {"order": 2}, dpm_solver_2),
        ("dpm_solver", {"order": 3}, dpm_solver_3),
        ("dpmpp_2s", {}, dpmpp_2s),
    ],
    ids=["dpm_solver_2", "dpm_solver_3", "dpmpp_2s"],
)
def test_singlestep_solvers(name, knobs, step):
    agree(ours(name, **knobs), walk(step))


def test_dpmpp_sde():
    """The whole step's noise is that of one path, although it is drawn in two parts."""

    def step(z: Tensor, i: int, a: Vp, b: Vp) -> Tensor:
        h = b.lam - a.lam
        m = Vp.at(a.lam + h / 2)
        u = m.s / a.s * math.exp(-h / 2) * z - m.alpha * math.expm1(-h) * a.x0(z)
        u = u + m.s * math.sqrt(-math.expm1(-h)) * path(a.sigma, m.sigma)
        z = b.s / a.s * math.exp(-h) * z - b.alpha * math.expm1(-2 * h) * m.x0(u)
        return z + b.s * math.sqrt(-math.expm1(-2 * h)) * path(a.sigma, b.sigma)

    path = one_path(SHAPE)
    # a path has its values on a grid of levels that are 1e-5 apart
    agree(ours("dpmpp_sde", one_path(SHAPE)), walk(step), within=1e-4)


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
def test_dpmpp_3m_sde(eta):
    """As k-diffusion has it, in x."""
    noise, x, past = fresh(), start(), []
    for a, b in pairwise(PATH):
        d, h = denoise(x, a.sigma), b.lam - a.lam
        past = [(a, d), *past]
        e = (1 + eta) * h
        x = math.exp(-e) * x - math.expm1(-e) * d
        phi_2 = math.expm1(-e) / e + 1
        if len(past) == 2:
            x = x + phi_2 * (d - past[1][1]) / ((a.lam - past[1][0].lam) / h)
        elif len(past) > 2:
            r0, r1 = (a.lam - past[1][0].lam) / h, (past[1][0].lam - past[2][0].lam) / h
            d10, d11 = (d - past[1][1]) / r0, (past[1][1] - past[2][1]) / r1
            d1 = d10 + (d10 - d11) * r0 / (r0 + r1)
            d2 = (d10 - d11) / (r0 + r1)
            x = x + phi_2 * d1 - (phi_2 / e - 0.5) * d2
        if eta > 0:
            x = x + noise(a.sigma, b.sigma) * b.sigma * math.sqrt(1 - math.exp(-2 * eta * h))
    agree(ours("dpmpp_3m_sde", fresh(), eta=eta), x)


def fresh(seed: int = 3):
    generator = torch.Generator().manual_seed(seed)
    return lambda *interval: torch.randn(SHAPE, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("variant", ["B1", "B2"])
def test_unipc(variant):
    """UniP-2 and UniC-2 (Zhao et al. 2023, arXiv:2302.04867, Alg. 7 and 8)."""

    def uni(z: Tensor, a: Vp, b: Vp, d0: Tensor, others: list[tuple[Vp, Tensor]]) -> Tensor:
        h = b.lam - a.lam
        big = -h if variant == "B1" else math.expm1(-h)
        z = b.s / a.s * z - b.alpha * math.expm1(-h) * d0
        r = [(level.lam - a.lam) / h for level, _ in others]
        if len(r) < 2:
            weights = [0.5]
        else:
            # phi_2 and phi_3 of -h by their definition as integrals
            phi = [
                quad(lambda u, k=k: math.exp(-h * (1 - u)) * u**k / math.factorial(k), 0, 1)[0]
                for k in (1, 2)
            ]
            rows = [[1.0, 1.0], r]
            weights = np.linalg.solve(rows, [-h * phi[0] / big, -2 * h * phi[1] / big]).tolist()
        for (_, d), weight, r_m in zip(others, weights, r, strict=False):
            z = z - b.alpha * big * weight / r_m * (d - d0)
        return z

    z = predicted = start() * PATH[0].alpha
    before: list[tuple[Vp, Tensor]] = []
    for a, b in pairwise(PATH):
        d = a.x0(predicted)
        if before:
            z = uni(z, before[0][0], a, before[0][1], [*before[1:], (a, d)])
        before = [(a, d), *before][:2]
        predicted = uni(z, a, b, d, before[1:])
    agree(ours("unipc", order=2, variant=variant), predicted / PATH[-1].alpha)


def test_unipc_without_past_is_ddim():
    x, a, b = start(), SIGMAS[0], SIGMAS[1]
    agree(ours("unipc", sigmas=[a, b]), x + (b - a) * slope(x, a))


@pytest.mark.parametrize("degree", [1, 2, 3])
def test_deis(degree):
    """Zhang & Chen 2023, arXiv:2204.13902, Eq. 15, with alpha(t) and beta(t) of their diffusion."""

    def beta(t: float) -> float:
        return 0.1 + 19.9 * t

    def alpha_bar(t: float) -> float:
        return math.exp(-(0.1 * t + 19.9 * t**2 / 2))

    def time(sigma: float) -> float:
        target = -math.log1p(sigma**2)
        return float(np.roots([-19.9 / 2, -0.1, -target]).max())

    def under(tau: float, end: float, j: int, nodes: list[float]) -> float:
        ratio = math.prod(
            (tau - other) / (nodes[j] - other) for k, other in enumerate(nodes) if k != j
        )
        psi = math.sqrt(alpha_bar(end) / alpha_bar(tau))
        return 0.5 * psi * beta(tau) / math.sqrt(1 - alpha_bar(tau)) * ratio

    past: list[tuple[float, Tensor]] = []

    def step(z: Tensor, i: int, a: Vp, b: Vp) -> Tensor:
        past.insert(0, (time(a.sigma), a.eps(z)))
        del past[degree + 1 :]
        nodes, end = [t for t, _ in past], time(b.sigma)
        z = b.alpha / a.alpha * z
        for j, (_, eps) in enumerate(past):
            z = z + quad(under, nodes[0], end, (end, j, nodes), epsabs=1e-12)[0] * eps
        return z

    agree(ours("deis", degree=degree), walk(step), within=1e-8)


def test_lms():
    """The polynomial through four slopes, integrated by its antiderivative."""
    x, past = start(), []
    for a, b in pairwise(SIGMAS):
        past = [(a, slope(x, a)), *past][:4]
        for j, (at, d) in enumerate(past):
            others = [level for k, (level, _) in enumerate(past) if k != j]
            basis = np.poly1d(np.poly(others)) / math.prod(at - other for other in others)
            integral = basis.integ()
            x = x + (integral(b) - integral(a)) * d
    agree(ours("lms"), x)


WEIGHTS = [[1.0], [1.5, -0.5], [23 / 12, -16 / 12, 5 / 12], [55 / 24, -59 / 24, 37 / 24, -9 / 24]]


@pytest.mark.parametrize("name", ["ipndm", "plms"])
def test_pseudo_linear_multistep(name):
    """DDIM's transfer phi of a combination of eps (Liu et al. 2022, arXiv:2202.09778, Eq. 11)."""

    def transfer(z: Tensor, eps: Tensor, a: Vp, b: Vp) -> Tensor:
        return b.alpha * (z - a.s * eps) / a.alpha + b.s * eps

    past: list[Tensor] = []

    def step(z: Tensor, i: int, a: Vp, b: Vp) -> Tensor:
        past.insert(0, a.eps(z))
        if name == "plms" and i < 3:  # Eq. 13
            m = Vp((a.sigma + b.sigma) / 2)
            e1 = past[0]
            e2 = m.eps(transfer(z, e1, a, m))
            e3 = m.eps(transfer(z, e2, a, m))
            e4 = b.eps(transfer(z, e3, a, b))
            return transfer(z, (e1 + 2 * e2 + 2 * e3 + e4) / 6, a, b)
        weights = WEIGHTS[min(i, 3)]
        return transfer(z, sum(w * e for w, e in zip(weights, past, strict=False)), a, b)

    agree(ours(name), walk(step))


@pytest.mark.parametrize(
    ("predictor", "corrector", "tau"), [(3, 3, 1.0), (2, 1, 0.5), (3, 0, 0.7), (1, 2, 0.0)]
)
def test_sa_solver(predictor, corrector, tau):
    """Xue et al. 2023, arXiv:2309.05019, Eq. 14 and 17, with b_j by quadrature."""

    def adams(z: Tensor, a: Vp, b: Vp, known: list[tuple[Vp, Tensor]], xi: Tensor) -> Tensor:
        rate, h = 1 + tau**2, b.lam - a.lam
        out = (
            b.s / a.s * math.exp(-(tau**2) * h) * z
            + b.s * math.sqrt(-math.expm1(-2 * tau**2 * h)) * xi
        )
        for j, (own, d) in enumerate(known):
            others = [level.lam for k, (level, _) in enumerate(known) if k != j]

            def under(lam: float, own=own, others=others) -> float:
                ratio = math.prod((lam - other) / (own.lam - other) for other in others)
                return math.exp(rate * lam - tau**2 * b.lam) * rate * ratio

            out = out + b.s * quad(under, a.lam, b.lam, epsabs=1e-13)[0] * d
        return out

    noise = fresh()
    z = before = predicted = start() * PATH[0].alpha
    known: list[tuple[Vp, Tensor]] = []
    xi = torch.zeros(SHAPE, dtype=torch.float64)
    for a, b in pairwise(PATH):
        d = a.x0(predicted)
        if known:
            z = predicted
            if corrector:
                z = adams(before, known[0][0], a, [(a, d), *known[:corrector]], xi)
        known = [(a, d), *known]
        xi = noise(a.sigma, b.sigma) if tau else xi
        before, predicted = z, adams(z, a, b, known[:predictor], xi)
    agree(
        ours("sa_solver", fresh(), predictor=predictor, corrector=corrector, tau=tau),
        predicted / PATH[-1].alpha,
        within=1e-8,
    )


def flat(sigma: float, x: np.ndarray) -> np.ndarray:
    """The probability-flow ODE as scipy takes it."""
    return slope(torch.from_numpy(x).reshape(SHAPE), sigma).reshape(-1).numpy()


def exact() -> Tensor:
    solved = solve_ivp(
        flat, (SIGMAS[0], SIGMAS[-1]), start().reshape(-1).numpy(), "DOP853", rtol=1e-12, atol=1e-12
    )
    return torch.from_numpy(solved.y[:, -1]).reshape(SHAPE)


def test_rk4():
    x = start()
    for a, b in pairwise(SIGMAS):
        h, m = b - a, (a + b) / 2
        k1 = slope(x, a)
        k2 = slope(x + h / 2 * k1, m)
        k3 = slope(x + h / 2 * k2, m)
        k4 = slope(x + h * k3, b)
        x = x + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    agree(ours("rk4"), x)


@pytest.mark.parametrize("tolerance", [1e-3, 1e-5, 1e-7, 1e-9])
@pytest.mark.parametrize("sigmas", [[SIGMAS[0], SIGMAS[-1]], SIGMAS], ids=["one step", "nine"])
def test_rk45_keeps_its_tolerance_whatever_the_levels(tolerance, sigmas):
    error = ours("rk45", sigmas=sigmas, tolerance=tolerance) - exact()
    assert error.abs().max().item() < 20 * tolerance


def test_rk45_takes_no_more_evaluations_than_scipy_s_solver():
    count = [0]

    def counted(x: Tensor, sigma: float) -> Tensor:
        count[0] += 1
        return denoise(x, sigma)

    sampler, options = load("sampler", "rk45", tolerance=1e-6)
    list(sampler(counted, start(), [SIGMAS[0], SIGMAS[-1]], no_noise, **options.model_dump()))
    theirs = solve_ivp(
        flat,
        (SIGMAS[0], SIGMAS[-1]),
        start().reshape(-1).numpy(),
        "RK45",
        rtol=1e-6,
        atol=1e-6,
    )
    assert 0.7 * theirs.nfev < count[0] < 1.1 * theirs.nfev


def test_rk45_needs_more_evaluations_for_a_smaller_tolerance():
    counts = []
    for tolerance in (1e-3, 1e-5, 1e-7):
        calls = [0]

        def counted(x: Tensor, sigma: float, calls=calls) -> Tensor:
            calls[0] += 1
            return denoise(x, sigma)

        sampler, options = load("sampler", "rk45", tolerance=tolerance)
        list(sampler(counted, start(), SIGMAS[::4], no_noise, **options.model_dump()))
        counts.append(calls[0])
    assert counts == sorted(set(counts))


def test_rk45_that_cannot_reach_its_tolerance_says_what_to_change():
    with pytest.raises(UsageError, match=r"sampler\.tolerance"):
        ours("rk45", tolerance=1e-9, max_evaluations=30)


def test_predictor_corrector():
    """Song et al. 2021, arXiv:2011.13456, Alg. 2 and 4, with two correctors at each level."""
    noise, x, r = fresh(), start(), 0.16
    for a, b in pairwise(SIGMAS):
        score = (denoise(x, a) - x) / a**2
        x = x + (a**2 - b**2) * score + math.sqrt(a**2 - b**2) * noise()
        for _ in range(2):
            g, z = (denoise(x, b) - x) / b**2, noise()
            epsilon = 2 * (r * z.norm(dim=1, keepdim=True) / g.norm(dim=1, keepdim=True)) ** 2
            x = x + epsilon * g + (2 * epsilon).sqrt() * z
    agree(ours("predictor_corrector", fresh(), corrector_steps=2), x)


def test_ancestral_predictor():
    """Without a corrector it is ancestral sampling (Song et al. 2021, Eq. 47)."""
    found = ours("predictor_corrector", fresh(), predictor="ancestral", corrector_steps=0)
    agree(found, ours("euler_ancestral", fresh()))


def test_langevin():
    """Song & Ermon 2019, arXiv:1907.05600, Alg. 1."""
    noise, x = fresh(), start()
    for sigma in SIGMAS[1:]:
        alpha = 0.2 * sigma**2
        for _ in range(4):
            x = x + alpha / 2 * (denoise(x, sigma) - x) / sigma**2 + math.sqrt(alpha) * noise()
    agree(ours("langevin", fresh(), inner_steps=4), x)


def test_restart():
    """Xu et al. 2023, arXiv:2306.14878, Alg. 2: Heun's method, and twice up and down again."""

    def heun(x: Tensor, a: float, b: float) -> Tensor:
        d = slope(x, a)
        return x + (b - a) / 2 * (d + slope(x + (b - a) * d, b))

    noise, x, low, high = fresh(), start(), 0.2, 1.5
    for a, b in pairwise(SIGMAS):
        x = heun(x, a, b)
        if a > low >= b:
            grid = (np.linspace(high ** (1 / 7), b ** (1 / 7), 4) ** 7).tolist()
            for _ in range(2):
                x = x + math.sqrt(high**2 - b**2) * noise()
                for c, d in pairwise(grid):
                    x = heun(x, c, d)
    agree(ours("restart", fresh(), low=low, high=high), x)
    agree(ours("restart", restarts=0), ours("heun"))
