"""The learning rate as a function of the examples seen, and settings that could only go wrong."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from difftool.nn.magnitude import MPLayer
from difftool.optimizers.muon import QUINTICS, muon, orthogonal
from difftool.optimizers.optimizer import learning_rate
from difftool.optimizers.options import AdamwOptions, MuonOptions, OptimizerOptions


def test_warm_up_then_cosine_to_zero():
    o = OptimizerOptions(lr=1.0, warmup=100, decay="cosine")
    assert learning_rate(o, 49, 1100) == pytest.approx(0.5)
    assert learning_rate(o, 600, 1100) == pytest.approx(0.5)
    assert learning_rate(o, 1100, 1100) == pytest.approx(0.0)


def test_a_decay_in_cycles_begins_anew_in_each():
    o = OptimizerOptions(lr=1.0, decay="linear", cycles=4)
    rates = [learning_rate(o, seen, 400) for seen in (0, 50, 99, 100, 150, 399, 400)]
    assert rates == pytest.approx([1, 0.5, 0.01, 1, 0.5, 0.01, 0])
    o = OptimizerOptions(lr=1.0, decay="cosine", cycles=2, warmup=10)
    assert [learning_rate(o, seen, 400) for seen in (4, 200, 300)] == pytest.approx(
        [0.5 * learning_rate(o.model_copy(update={"warmup": 0}), 4, 400), 1, 0.5]
    )


def test_inverse_square_root_begins_where_it_is_told_to():
    o = OptimizerOptions(lr=1.0, decay="inverse-sqrt", decay_start=100)
    assert learning_rate(o, 100, 10_000) == 1.0
    assert learning_rate(o, 400, 10_000) == pytest.approx(1 / math.sqrt(4))


def test_an_inverse_square_root_without_its_start_is_refused():
    """It would fall from the first example on: to a hundredth within ten thousand."""
    with pytest.raises(ValueError, match="decay_start"):
        OptimizerOptions(decay="inverse-sqrt")


@pytest.mark.parametrize("betas", [(0.9, 1.0), (-0.1, 0.9)])
def test_betas_out_of_range_are_a_fault_of_the_config(betas):
    with pytest.raises(ValueError, match="betas"):
        AdamwOptions(betas=betas)


# --- Muon ------------------------------------------------------------------------------------------------------------


def small_model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Embedding(5, 8),
        nn.Linear(8, 12),
        nn.LayerNorm(12),
        nn.Unflatten(1, (3, 4)),
        nn.Conv1d(3, 6, 3),
        nn.Flatten(),
    )


@pytest.mark.parametrize("shape", [(3, 8, 24), (2, 24, 8), (1, 1, 30), (4, 16, 16)])
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_updates_of_matrices_are_nearly_orthogonal(shape, precision):
    """As the singular value decomposition says: x = u s v, and the nearest orthogonal matrix is u v."""
    x = torch.randn(shape, generator=torch.manual_seed(0), dtype=torch.float64)
    u, _, v = torch.linalg.svd(x, full_matrices=False)
    found = orthogonal(x.to(precision)).double()
    assert torch.linalg.svdvals(found).min() > 0.3
    assert torch.linalg.svdvals(found).max() < 1.3
    assert nn.functional.cosine_similarity(found.flatten(), (u @ v).flatten(), dim=0) > 0.95


def test_matrices_of_one_shape_are_orthogonalised_as_each_alone():
    x = torch.randn(5, 8, 24) * torch.logspace(-6, 3, 5)[:, None, None]
    alone = torch.cat([orthogonal(one[None]) for one in x])
    torch.testing.assert_close(orthogonal(x), alone, atol=1e-5, rtol=1e-4)
    assert not orthogonal(torch.zeros(1, 4, 6)).any()


def test_wide_matrices_are_orthogonalised_by_products_of_small_ones_alike():
    x = torch.randn(2, 12, 40, dtype=torch.float64) * torch.logspace(0, -3, 40, dtype=torch.float64)
    directly = orthogonal(x)  # only float32 takes the short way
    torch.testing.assert_close(orthogonal(x.float()).double(), directly, atol=1e-3, rtol=0)


def test_the_polynomials_bring_singular_values_near_one_and_forgive_rounding():
    s = torch.logspace(math.log10(0.003), 0, 1000, dtype=torch.float64)
    for i, (a, b, c) in enumerate(QUINTICS):
        s = s * (1 + 0.01 * (-1) ** (torch.arange(1000) + i))  # as half precision errs, and more
        s = a * s + b * s**3 + c * s**5
    assert s.min() > 0.75
    assert s.max() < 1.25


def test_muon_takes_the_matrices_and_adamw_the_rest():
    model = small_model()
    optimizer = muon(model, MuonOptions())
    model(torch.arange(5)).square().sum().backward()
    optimizer.step()
    kept = {name: set(optimizer.state[p]) for name, p in model.named_parameters()}
    assert {name for name, state in kept.items() if state == {"momentum"}} == {
        "1.weight",
        "4.weight",
    }
    assert all(
        state == {"step", "exp_avg", "exp_avg_sq"}
        for state in kept.values()
        if state != {"momentum"}
    )


def test_a_step_of_muon_is_as_large_as_one_of_adamw_and_does_not_see_the_scale_of_gradients():
    steps = []
    for scale in (1.0, 1e-4):
        model = small_model()
        before = model[1].weight.detach().clone()
        (scale * model(torch.arange(5)).square().sum()).backward()
        muon(model, MuonOptions(lr=1e-2)).step()
        steps.append(model[1].weight.detach() - before)
    torch.testing.assert_close(*steps, rtol=1e-3, atol=1e-5)
    assert 0.1e-2 < steps[0].square().mean().sqrt() < 0.3e-2


def test_weights_of_unit_length_take_the_same_step_for_their_size():
    """A layer that divides by the root of its inputs moves as one whose weights are smaller by as much."""
    torch.manual_seed(0)
    unit, plain, x = MPLayer(0, 64, 16), nn.Linear(64, 16, bias=False), torch.randn(5, 64)
    plain.weight.data = unit.weight.detach() / 8
    before = [unit.weight.detach().clone(), plain.weight.detach().clone()]
    for layer in (unit, plain):
        layer(x).square().sum().backward()
    plain.weight.grad = unit.weight.grad.clone()  # without the part along the weights
    for layer in (unit, plain):
        muon(layer, MuonOptions(lr=1e-2, weight_decay=0.0)).step()
    torch.testing.assert_close(unit.weight - before[0], 8 * (plain.weight - before[1]))
    unit.force()
    assert 0.01 < (unit.weight - before[0]).square().mean().sqrt() < 0.03  # of entries of about one


def test_muon_follows_the_learning_rate_and_decays_matrices_only():
    model = small_model()
    optimizer = muon(model, MuonOptions(lr=1.0, weight_decay=0.5))
    for group in optimizer.param_groups:
        group["lr"] = 0.1
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    for p in model.parameters():
        p.grad = torch.zeros_like(p)
    optimizer.step()
    for name, p in model.named_parameters():
        torch.testing.assert_close(p.detach(), before[name] * (0.95 if p.ndim > 1 else 1.0))


def test_muon_finds_the_least_squares_solution():
    torch.manual_seed(0)
    model, x, target = nn.Linear(6, 4, bias=False), torch.randn(50, 6), torch.randn(6, 4)
    optimizer = muon(model, MuonOptions())
    for i in range(300):
        for group in optimizer.param_groups:
            group["lr"] = 0.1 * (1 - i / 300)
        optimizer.zero_grad()
        (model(x) - x @ target).square().mean().backward()
        optimizer.step()
    torch.testing.assert_close(model.weight.detach(), target.T, atol=0.02, rtol=0)
