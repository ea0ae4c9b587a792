"""Weightings: what the papers write, and losses of order one for every row."""

from __future__ import annotations

import pytest
import torch

from difftool.options import NoOptions
from difftool.plugin.registry import Registry
from difftool.process import options as o
from difftool.process.preconditioning import X0, Edm, Eps, Flow, V
from difftool.process.schedule import Karras
from difftool.process.weighting import Edm as EdmWeighting
from difftool.process.weighting import MinSnr, SoftMinSnr, Uniform

REGISTRY = Registry.load_all()
KARRAS = Karras(o.KarrasOptions())
SIGMA = torch.logspace(-2.5, 1.8, 40, dtype=torch.float64)
ROWS = {"edm": Edm, "eps": Eps, "v": V, "flow": Flow, "x0": X0}
MODELS = {"edm": o.EdmOptions, "x0": o.EdmOptions}


def row(name: str):
    return ROWS[name](MODELS.get(name, o.PathOptions)(), KARRAS)


def test_all_the_weightings_are_registered():
    assert set(REGISTRY.names("weighting")) >= {"edm", "uniform", "min-snr", "soft-min-snr"}


@pytest.mark.parametrize("name", ROWS)
def test_uniform_weighs_the_native_target_by_one(name):
    weight = Uniform(NoOptions(), row(name)).weight(SIGMA)
    torch.testing.assert_close(
        weight * row(name).coefficients(SIGMA).out.square(), torch.ones_like(SIGMA)
    )


def test_uniform_in_the_edm_row_is_edms():
    weight = EdmWeighting(NoOptions(), row("edm")).weight(SIGMA)
    torch.testing.assert_close(weight, (SIGMA**2 + 0.25) / (SIGMA * 0.5) ** 2)
    torch.testing.assert_close(weight, Uniform(NoOptions(), row("edm")).weight(SIGMA))


def test_min_snr_in_the_eps_row_is_the_papers():
    snr = SIGMA**-2
    weight = (
        MinSnr(o.MinSnrOptions(), row("eps")).weight(SIGMA) * SIGMA**2
    )  # as a weight of the error in eps
    torch.testing.assert_close(weight, snr.clamp(max=5) / snr)


def test_soft_min_snr_is_the_papers_at_its_sigma_data():
    snr = SIGMA**-2
    torch.testing.assert_close(
        SoftMinSnr(o.SoftMinSnrOptions(), row("edm")).weight(SIGMA), 4 * snr / (snr + 4)
    )


@pytest.mark.parametrize("spec", REGISTRY.specs("weighting"), ids=lambda spec: spec.name)
@pytest.mark.parametrize("name", ROWS)
def test_the_loss_of_a_perfect_denoiser_is_of_order_one(spec, name):
    preconditioning = row(name)
    sd = preconditioning.sigma_data
    error = (SIGMA * sd) ** 2 / (SIGMA**2 + sd**2)  # of the best D for N(0, sd^2)
    weight = REGISTRY.load(spec)(REGISTRY.options(spec)(), preconditioning).weight(SIGMA)
    loss = weight * error
    assert weight.gt(0).all()
    assert loss.max() < 3
    assert loss.max() > 0.1
