"""The contract of an optimizer, tested on a problem with a known solution."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ..engine.checkpoint import optimizer_state, restore_optimizer
from .parts import load, named, needs_no_torch

STEPS = 400


class Quadratic(nn.Module):
    """Least squares with a unique solution: a matrix, and a vector without weight decay."""

    def __init__(self) -> None:
        super().__init__()
        draws = torch.Generator().manual_seed(0)
        self.x, self.target = (
            torch.randn(64, 6, generator=draws),
            torch.randn(64, 4, generator=draws),
        )
        self.layer = nn.Linear(6, 4)
        with torch.no_grad():
            for p in self.layer.parameters():
                p.copy_(torch.randn(p.shape, generator=draws))

    def loss(self) -> Tensor:
        return (self.layer(self.x) - self.target).square().mean()

    def least(self) -> float:
        """The smallest possible loss."""
        with_one = torch.cat([self.x, torch.ones(len(self.x), 1)], 1)
        solution = torch.linalg.lstsq(with_one, self.target).solution
        return (with_one @ solution - self.target).square().mean().item()


def optimizer_contract(
    name: str, *, options: dict[str, Any] | None = None, lr: float = 0.05
) -> type:
    """Tests that check an optimizer against its contract.

    Args:
        options: settings other than the defaults.
        lr: a learning rate that solves a small least-squares problem when it falls linearly to 0.
    """

    def made(module: nn.Module, **more: Any) -> torch.optim.Optimizer:
        make, settings = load("optimizer", name, **{"lr": lr, **(options or {}), **more})
        return make(module, settings, torch.float32)

    def stepped(
        problem: Quadratic, optimizer: torch.optim.Optimizer, steps: range, total: int = STEPS
    ) -> None:
        for step in steps:
            for group in optimizer.param_groups:
                group["lr"] = lr * (1 - step / total)
            optimizer.zero_grad()
            problem.loss().backward()
            optimizer.step()

    class OptimizerContract:
        def test_its_options_need_no_torch(self) -> None:
            """difftool imports them to print help."""
            assert needs_no_torch("optimizer", name)

        def test_it_solves_a_least_squares_problem(self) -> None:
            problem = Quadratic()
            begun, least = problem.loss().item() - problem.least(), problem.least()
            stepped(problem, made(problem), range(STEPS))
            assert problem.loss().item() - least < 0.02 * begun, (
                "the loss is not near its minimum after 400 steps; is lr right for it?"
            )

        @pytest.mark.parametrize("option", sorted(options or {}))
        def test_each_setting_has_an_effect(self, option: str) -> None:
            """Of those that the contract was given, with values other than the defaults."""
            given, usual = Quadratic(), Quadratic()
            stepped(given, made(given), range(20))
            make, settings = load("optimizer", name, **{"lr": lr, **_without(options, option)})
            stepped(usual, make(usual, settings, torch.float32), range(20))
            assert not torch.equal(given.layer.weight, usual.layer.weight)

        def test_every_group_follows_the_learning_rate(self) -> None:
            """With a rate of 0, no parameter changes."""
            problem = Quadratic()
            before = deepcopy(problem.state_dict())
            optimizer = made(problem, weight_decay=0.5)
            for group in optimizer.param_groups:
                group["lr"] = 0.0
            problem.loss().backward()
            optimizer.step()
            assert all(
                torch.equal(value, before[key]) for key, value in problem.state_dict().items()
            )

        def test_what_requires_no_gradient_is_left_alone(self) -> None:
            problem = Quadratic()
            problem.layer.bias.requires_grad_(False)
            before = problem.layer.bias.clone()
            stepped(problem, made(problem, weight_decay=0.5), range(3))
            assert torch.equal(problem.layer.bias, before)

        def test_what_has_no_gradient_in_a_step_is_left_alone(self) -> None:
            """Another player of an objective may take the step."""
            problem = Quadratic()
            optimizer = made(problem, weight_decay=0.5)
            stepped(problem, optimizer, range(2))
            before = problem.layer.bias.clone()
            problem.layer.weight.grad = torch.ones_like(problem.layer.weight)
            problem.layer.bias.grad = None
            optimizer.step()
            assert torch.equal(problem.layer.bias, before)

        def test_weight_decay_is_of_matrices_alone(self) -> None:
            problem = Quadratic()
            before = deepcopy(problem.layer.state_dict())
            optimizer = made(problem, weight_decay=0.5)
            for p in problem.parameters():
                p.grad = torch.zeros_like(p)
            optimizer.step()
            assert problem.layer.weight.norm() < before["weight"].norm()
            torch.testing.assert_close(problem.layer.bias.detach(), before["bias"])

        @pytest.mark.parametrize("at", [0, 1, 5])
        def test_a_resumed_run_goes_on_bit_for_bit(self, at: int) -> None:
            """A checkpoint stores only the tensors in the optimizer's ``state`` of a parameter."""
            whole = Quadratic()
            stepped(whole, made(whole), range(10))
            stopped = Quadratic()
            optimizer = made(stopped)
            stepped(stopped, optimizer, range(at))
            resumed = Quadratic()
            resumed.load_state_dict(stopped.state_dict())
            again = made(resumed)
            restore_optimizer(
                optimizer_state(dict(stopped.named_parameters()), optimizer),
                dict(resumed.named_parameters()),
                again,
            )
            stepped(resumed, again, range(at, 10))
            assert all(
                torch.equal(value, whole.state_dict()[key])
                for key, value in resumed.state_dict().items()
            )

    return named(OptimizerContract, name)


def _without(options: dict[str, Any] | None, name: str) -> dict[str, Any]:
    return {key: value for key, value in (options or {}).items() if key != name}
