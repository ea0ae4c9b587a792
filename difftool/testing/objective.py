"""The contract of an objective, on a network small enough to reason about."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ..batch import Batch
from ..denoiser import Denoiser
from ..nn.backbone import Backbone, Signals
from ..process.process import Process
from ..rng import Stream
from ..space import Euclidean
from .parts import load, named


class Pointwise(Backbone):
    """Sees each entry by itself, so padding cannot reach anything through it."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.outer = nn.Linear(2, 16), nn.Linear(16, 1)

    def forward(self, x: Tensor, c_noise: Tensor, signals: Signals, mask: Tensor | None = None) -> Tensor:
        noise = c_noise.to(x.dtype).reshape(-1, *(1,) * (x.ndim - 1)).expand_as(x)
        return self.outer(torch.tanh(self.inner(torch.stack([x, noise], -1)))).squeeze(-1)


def objective_contract(name: str, options: dict[str, Any] | None = None, *, process: str = "edm") -> type:
    """Tests that an objective of this name keeps what every objective promises.

    Args:
        process: the row of the table that it is tried on.
    """

    def columns() -> Process:
        from .parts import registry

        spec = registry().process(process)

        def build(kind: str, chosen: str, *context: Any) -> Any:
            target, settings = load(kind, chosen)
            return target(settings, *context)

        schedule = build("schedule", spec.schedule)
        row = build("process", process, schedule)
        return Process(row, build("density", spec.density, schedule), build("weighting", spec.weighting, row), schedule)

    def network() -> tuple[Denoiser, Process]:
        torch.manual_seed(0)
        chosen = columns()
        return Denoiser(Pointwise(), chosen.preconditioning, {}), chosen

    def loss(batch: Batch, step: int = 0, on: tuple[Denoiser, Process] | None = None) -> Tensor:
        target, settings = load("objective", name, **(options or {}))
        denoiser, chosen = on or network()
        return target(settings).loss(denoiser, chosen, Euclidean(), batch, Stream(0, "contract", step))

    x = Stream(0, "data").normal((6, 3, 8)) * 0.5

    class ObjectiveContract:
        def test_one_finite_loss_for_each_example(self):
            found = loss(Batch(x))
            assert (found.shape, found.dtype) == ((6,), torch.float32)
            assert found.isfinite().all()

        def test_it_draws_from_the_stream_alone(self):
            torch.manual_seed(1)
            one = loss(Batch(x))
            torch.manual_seed(2)
            assert torch.equal(one, loss(Batch(x)))
            assert not torch.equal(one, loss(Batch(x), step=1))

        def test_the_network_learns_from_it(self):
            denoiser, chosen = network()
            loss(Batch(x), on=(denoiser, chosen)).mean().backward()
            gradients = {n: p.grad for n, p in denoiser.named_parameters()}
            assert [n for n, g in gradients.items() if g is None or not g.isfinite().all()] == []
            assert any(g is not None and g.abs().max() > 0 for g in gradients.values())

        def test_padding_does_not_count(self):
            mask = torch.ones(6, 1, 8, dtype=torch.bool)
            mask[:, :, 5:] = False
            torch.testing.assert_close(loss(Batch(x * mask, mask=mask)), loss(Batch(torch.where(mask, x, 100.0), mask=mask)))

        def test_examples_are_left_alone(self):
            before = x.clone()
            loss(Batch(x))
            assert torch.equal(x, before)

    return named(ObjectiveContract, name)
