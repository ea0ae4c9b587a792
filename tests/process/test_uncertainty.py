"""Learned uncertainty: its optimum, its gradients, and that it trains with the denoiser."""

from __future__ import annotations

import torch
from safetensors.torch import load_file
from small import small_run, train

from difftool.options import NoOptions
from difftool.process.options import EdmOptions, KarrasOptions
from difftool.process.preconditioning import Edm
from difftool.process.schedule import Karras
from difftool.process.uncertainty import Uncertainty

ROW = Edm(EdmOptions(), Karras(KarrasOptions()))


def test_at_first_it_weighs_as_the_uniform_one_does():
    weighting, sigma = Uncertainty(NoOptions(), ROW), torch.logspace(-2, 1.5, 20)
    out = ROW.coefficients(sigma).out
    torch.testing.assert_close(weighting.weight(sigma) * out.square(), torch.ones(20))


def test_it_learns_the_logarithm_of_the_loss_of_each_level():
    """Errors that grow a thousandfold with sigma count the same in the end."""
    torch.manual_seed(0)
    weighting = Uncertainty(NoOptions(), ROW)
    optimizer = torch.optim.Adam(weighting.parameters(), lr=0.05)
    sigma = torch.logspace(-1, 1, 64)
    expected = 0.1 * sigma.pow(1.5)  # the mean squared error of F at each level
    for _ in range(400):
        error = expected * ROW.coefficients(sigma).out.square()
        loss = weighting.loss(sigma, weighting.weight(sigma) * error)
        loss.mean().backward()
        optimizer.step()
        optimizer.zero_grad()
    torch.testing.assert_close(weighting.log_variance(sigma), expected.log(), atol=0.15, rtol=0)
    torch.testing.assert_close(weighting.weight(sigma) * error, torch.ones(64), atol=0.2, rtol=0)


def test_the_loss_and_its_gradients_are_those_of_the_formula():
    weighting, sigma = Uncertainty(NoOptions(), ROW), torch.tensor([0.5, 3.0])
    weighting.coefficients.data.normal_(std=0.1)
    error = torch.tensor([0.3, 2.0], requires_grad=True)
    u = weighting.log_variance(sigma)
    formula = weighting.base.weight(sigma) * error / u.exp() + u
    loss = weighting.loss(sigma, weighting.weight(sigma) * error)
    torch.testing.assert_close(loss, formula)
    inputs = (error, weighting.coefficients)
    for one, other in zip(
        torch.autograd.grad(loss.sum(), inputs),
        torch.autograd.grad(formula.sum(), inputs),
        strict=True,
    ):
        torch.testing.assert_close(one, other)


def test_it_is_trained_and_saved_with_the_network(tmp_path):
    sets = [
        'weighting.use="uncertainty"',
        'backbone.use="edm2"',
        "optimizer.lr=0.05",
        "optimizer.warmup=0",
    ]
    run = train(tmp_path / "run", *small_run(steps=3, sets=sets))
    weights = load_file(run / "model.safetensors")
    (learned,) = (w for name, w in weights.items() if name.endswith("weighting.coefficients"))
    assert learned.any()
