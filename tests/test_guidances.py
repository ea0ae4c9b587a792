"""The guidances beside classifier-free guidance, on models whose estimates are known exactly."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from difftool.batch import Batch
from difftool.errors import UsageError
from difftool.guidance import options as o
from difftool.guidance.apg import Momentum, Projected, shortened
from difftool.guidance.auto import Autoguidance
from difftool.guidance.bind import bind
from difftool.guidance.cfg import classifier_free, growing
from difftool.guidance.cfgpp import CfgPlusPlus
from difftool.guidance.composition import Composition
from difftool.guidance.guidance import Sampling
from difftool.guidance.reconstruction import Reconstruction
from difftool.guidance.threshold import Thresholded, percentile
from difftool.nn.backbone import Signals
from difftool.samplers.euler import euler
from difftool.testing.parts import load
from difftool.testing.sampler import levels, unit_vector

LABEL = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
COND = {"label": LABEL}
X = torch.randn(3, 4, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
SIGMA = 0.7


class Gaussian:
    """D of data N(shift * label, variance); the null label is 0."""

    def __init__(self, variance: float = 0.25, shift: float = 0.3, names=("label",)) -> None:
        self.variance, self.shift, self.names = variance, shift, names

    def signals(self, cond: dict[str, Tensor]) -> Signals:
        return Signals(vector=cond["label"])

    def null(self, cond: dict[str, Tensor]) -> dict[str, Tensor]:
        return {name: torch.zeros_like(cond[name]) for name in self.names}

    def __call__(
        self, x: Tensor, sigma: Tensor, signals: Signals, mask: Tensor | None = None
    ) -> Tensor:
        mean = self.shift * signals.vector.reshape(-1, *(1,) * (x.ndim - 1))
        share = self.variance / (self.variance + sigma.reshape(mean.shape) ** 2)
        x0 = mean + share * (x - mean)
        return x0 if mask is None else x0 * mask


MODEL = Gaussian()


def given(x: Tensor = X, sigma: float = SIGMA) -> Tensor:
    return bind(MODEL, COND)(x, sigma)


def free(x: Tensor = X, sigma: float = SIGMA) -> Tensor:
    return bind(MODEL, MODEL.null(COND))(x, sigma)


# --- autoguidance ------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [0.0, 1.0, 3.0])
def test_autoguidance_by_itself_changes_nothing(scale):
    guidance = Autoguidance(o.AutoguidanceOptions(model="itself", scale=scale), Gaussian())
    torch.testing.assert_close(guidance.bind(MODEL, COND)(X, SIGMA), given())


def test_autoguidance_extrapolates_from_the_worse_model():
    worse = Gaussian(variance=1.0)
    guidance = Autoguidance(o.AutoguidanceOptions(model="worse", scale=2.5), worse)
    bad = bind(worse, COND)(X, SIGMA)
    torch.testing.assert_close(guidance.bind(MODEL, COND)(X, SIGMA), bad + 2.5 * (given() - bad))


def test_autoguidance_keeps_to_its_interval():
    settings = o.AutoguidanceOptions(model="worse", scale=2.5, low=0.5, high=1.0)
    denoise = Autoguidance(settings, Gaussian(variance=1.0)).bind(MODEL, COND)
    for sigma, changed in [(0.5, False), (0.7, True), (1.5, False)]:
        assert torch.equal(denoise(X, sigma), given(sigma=sigma)) is not changed


def test_a_worse_model_may_have_no_conditions_but_none_of_its_own():
    class Unconditional(Gaussian):
        def signals(self, cond):
            assert cond == {}
            return Signals(vector=torch.zeros(3, dtype=torch.float64))

    settings = o.AutoguidanceOptions(model="worse", scale=2.0)
    guided = Autoguidance(settings, Unconditional(names=())).bind(MODEL, COND)(X, SIGMA)
    torch.testing.assert_close(guided, 2 * given() - free())
    with pytest.raises(UsageError, match="needs the condition 'style'"):
        Autoguidance(settings, Gaussian(names=("style",))).bind(MODEL, COND)


@pytest.mark.parametrize(
    ("guidance", "settings"),
    [(Autoguidance, o.AutoguidanceOptions()), (Composition, o.CompositionOptions())],
)
def test_without_another_model_it_says_how_to_get_one(guidance, settings):
    with pytest.raises(UsageError, match=r"guidances\.NAME\.model"):
        guidance.build(settings, None)


# --- composition -------------------------------------------------------------------------------


@pytest.mark.parametrize("sigma", [0.1, 1.0, 20.0])
def test_a_composition_of_gaussians_is_their_normalised_product(sigma):
    """N(m_1, v_1) N(m_2, v_2) is a normal density of precision 1 / v_1 + 1 / v_2."""
    other = Gaussian(variance=1.5, shift=-1.0)
    settings = o.CompositionOptions(models=("other",), weights=(1.0, 1.0))
    x0 = Composition(settings, [other]).bind(MODEL, COND)(X, sigma)
    v_1, v_2 = MODEL.variance + sigma**2, other.variance + sigma**2
    precision = 1 / v_1 + 1 / v_2
    label = LABEL[:, None, None]
    mean = (MODEL.shift * label / v_1 + other.shift * label / v_2) / precision
    torch.testing.assert_close((x0 - X) / sigma**2, -precision * (X - mean))


def test_equal_weights_of_one_model_are_that_model():
    settings = o.CompositionOptions(models=("a", "b"))
    x0 = Composition(settings, [Gaussian(), Gaussian()]).bind(MODEL, COND)(X, SIGMA)
    torch.testing.assert_close(x0, given())


def test_langevin_dynamics_samples_the_product():
    """Of N(0, 0.25) and N(0, 1): N(0, 0.2). The run is linear, so that its variance is exact."""
    settings = o.CompositionOptions(models=("other",), weights=(1.0, 1.0))
    cond = {"label": torch.zeros(1, dtype=torch.float64)}
    denoise = Composition(settings, [Gaussian(variance=1.0)]).bind(MODEL, cond)
    sigmas, size = levels(60, low=0.05, high=10.0), 20 * 61 + 1
    draws = (unit_vector(i, size) for i in range(1, size))
    sampler, _ = load("sampler", "langevin")
    *_, last = sampler(
        denoise, sigmas[0] * unit_vector(0, size), sigmas, lambda *i: next(draws), inner_steps=20
    )
    noisy = 1 / (1 / (0.25 + 0.05**2) + 1 / (1 + 0.05**2))
    assert last.x.square().sum().item() == pytest.approx(noisy, rel=0.1)


# --- CFG++ -------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [0.0, 0.6, 1.0])
def test_cfgpp_is_the_paper_s_step(scale):
    """Chung et al. 2024, arXiv:2406.08070, Alg. 2: the guided x0 and the unconditional eps."""
    sigmas = levels(6)
    guidance = CfgPlusPlus(o.CfgppOptions(scale=scale)).prepare(
        Sampling(range(3), sigmas, Batch(X, COND))
    )
    x = start = X * sigmas[0]
    for sigma, after in pairwise(sigmas):
        eps = (x - free(x, sigma)) / sigma
        x = free(x, sigma) + scale * (given(x, sigma) - free(x, sigma)) + after * eps
    *_, last = euler(guidance.bind(MODEL, COND), start, sigmas, None)
    torch.testing.assert_close(last.x, x)


# --- adaptive projected guidance ---------------------------------------------------------------


def apg(**settings) -> Tensor:
    return Projected(o.ApgOptions(**settings)).bind(MODEL, COND)(X, SIGMA)


def test_apg_with_nothing_removed_is_classifier_free_guidance():
    expected = classifier_free(MODEL, COND, scale=4.0)(X, SIGMA)
    torch.testing.assert_close(apg(scale=4.0, parallel=1.0, momentum=0.0), expected)


def test_apg_guides_at_right_angles_to_the_estimate():
    change = apg(scale=4.0, momentum=0.0) - given()
    assert change.norm() > 0.1
    along = (change * given()).flatten(1).sum(1)
    torch.testing.assert_close(along, torch.zeros_like(along), atol=1e-12, rtol=0)
    rest = (given() - free()) * 3 - change
    cosine = torch.nn.functional.cosine_similarity(rest.flatten(1), given().flatten(1)).abs()
    torch.testing.assert_close(cosine, torch.ones_like(cosine))


def test_apg_bounds_the_guidance():
    d = torch.full((2, 3, 4), 2.0)
    d[1] = 0.1
    short = shortened(d, 0.5)
    torch.testing.assert_close(short[0], torch.full((3, 4), 0.5))
    assert torch.equal(short[1], d[1])
    mask = torch.ones(2, 3, 4, dtype=torch.bool)
    mask[:, 1:] = False
    torch.testing.assert_close(shortened(d * mask, 0.5, mask)[0, 0], torch.full((4,), 0.5))


def test_momentum_adds_the_level_before_once():
    one = torch.ones(1)
    momentum = Momentum(-0.5)
    assert [momentum(one, sigma).item() for sigma in (3.0, 2.0, 2.0, 1.0)] == [1, 0.5, 0.5, 0.75]
    assert momentum(one, 5.0).item() == 1  # other samples begin


# --- thresholds and schedules ------------------------------------------------------------------


def test_dynamic_thresholding_as_in_the_paper():
    x0 = Thresholded(o.ThresholdOptions(percentile=0.7, bound=0.2)).bind(MODEL, COND)(X, SIGMA)
    s = given().abs().flatten(1).quantile(0.7, 1).clamp_min(0.2)[:, None, None]
    torch.testing.assert_close(x0, given().clamp(-s, s) * 0.2 / s)
    wide = Thresholded(o.ThresholdOptions(bound=100.0)).bind(MODEL, COND)(X, SIGMA)
    assert torch.equal(wide, given())


def test_a_percentile_is_that_of_the_real_entries():
    mask = torch.ones(3, 4, 1, dtype=torch.bool)
    mask[:, 3:] = False
    expected = X[:, :3].flatten(1).quantile(0.3, 1)
    torch.testing.assert_close(percentile(X * mask, 0.3, mask), expected)


@pytest.mark.parametrize("growth", ["constant", "linear", "cosine"])
def test_the_mean_scale_over_flow_time_is_the_scale(growth):
    times = [(i + 0.5) / 2000 for i in range(2000)]
    scales = [growing(4.0, growth, t / (1 - t)) for t in times]
    assert sum(scales) / len(scales) == pytest.approx(4, rel=1e-3)
    assert growth == "constant" or scales == sorted(scales, reverse=True)


def test_a_growing_scale_guides_more_at_less_noise():
    denoise = classifier_free(MODEL, COND, scale=3.0, growth="linear")
    for sigma in (0.1, 5.0):
        weight = 1 + 2 * 2 / (1 + sigma)
        expected = free(sigma=sigma) + weight * (given(sigma=sigma) - free(sigma=sigma))
        torch.testing.assert_close(denoise(X, sigma), expected)


# --- reconstruction ----------------------------------------------------------------------------


@pytest.mark.parametrize("noise", [0.0, 0.4])
def test_reconstruction_of_gaussian_data_is_the_posterior_mean(noise):
    """Of x0 ~ N(mean, v) with x = x0 + sigma eps and y = x0 + noise: Bayes' rule."""
    y, observed = torch.ones_like(X), torch.zeros(3, 4, 2, dtype=torch.bool)
    observed[:, :2] = True
    settings = o.ReconstructionOptions(spread=math.sqrt(MODEL.variance), noise=noise)
    guidance = Reconstruction(settings).prepare(
        Sampling(range(3), (SIGMA, 0.0), Batch(y, COND, observed=observed))
    )
    x0 = guidance.bind(MODEL, COND)(X, SIGMA)
    v = 1 / (1 / SIGMA**2 + 1 / MODEL.variance)
    expected = torch.where(observed, given() + v / (v + noise**2) * (y - given()), given())
    torch.testing.assert_close(x0, expected)
    assert not x0.requires_grad


def test_without_given_entries_it_is_the_model():
    guidance = Reconstruction(o.ReconstructionOptions())
    prepared = guidance.prepare(Sampling(range(3), (SIGMA, 0.0), Batch(X, COND)))
    assert torch.equal(prepared.bind(MODEL, COND)(X, SIGMA), given())
