"""The contract of an objective, tested with a very small network."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ..batch import Batch
from ..conditioner import Conditioner
from ..conditioners.columns import NumberColumn
from ..context import Context
from ..denoiser import Denoiser
from ..description import Description
from ..engine.checkpoint import restore_state, training_state
from ..engine.step import TrainStep
from ..nn.backbone import Backbone, Signals
from ..nn.second_output import SecondOutput
from ..objective import Moment, Objective
from ..optimizers.adamw import adamw
from ..optimizers.optimizer import OptimizerFactory
from ..optimizers.options import AdamwOptions
from ..options import NoOptions
from ..plugin.spec import load_object
from ..process.process import Process
from ..rng import Stream
from ..settings import EmaOptions, TrainOptions
from ..space import Euclidean, Space
from .parts import load, named, registry

SHAPE = (3, 8)
NULL = -1.0


class Pointwise(Backbone):
    """A network that treats each entry alone, so that padding cannot affect other entries."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.outer = nn.Linear(2, 16), nn.Linear(16, 1)

    def forward(
        self, x: Tensor, c_noise: Tensor, signals: Signals, mask: Tensor | None = None
    ) -> Tensor:
        noise = c_noise.to(x.dtype).reshape(-1, *(1,) * (x.ndim - 1)).expand_as(x)
        return self.outer(torch.tanh(self.inner(torch.stack([x, noise], -1)))).squeeze(-1)


class Centred(Euclidean):
    """A space in which each channel of an example has a mean of zero, as positions may have."""

    def project(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        if mask is None:
            return x - x.mean(-1, keepdim=True)
        return (x - (x * mask).sum(-1, keepdim=True) / mask.sum(-1, keepdim=True)) * mask


class Listening(Conditioner):
    """A conditioner that records its values and gives the network no signals."""

    dropout = 0.5

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[Tensor] = []

    def null(self, value: Tensor) -> Tensor:
        return torch.full_like(value, NULL)

    def forward(self, value: Tensor) -> Signals:
        self.heard.append(value.detach().clone())
        return Signals()


def _named_teacher(name: str) -> dict[str, str]:
    """A teacher for an objective that needs one."""
    fields = registry().options(registry().get("objective", name)).model_fields
    return {"teacher": "any"} if "teacher" in fields else {}


def objective_contract(
    name: str | type[Objective], options: dict[str, Any] | None = None, *, process: str = "edm"
) -> type:
    """Tests that check an objective against its contract.

    Args:
        name: its registered name, or its class.
        options: its settings, if the defaults are not sufficient. Any run that it opens by path is
            replaced by a small untrained one.
        process: the name of the process to test it with.
    """

    def columns() -> Process:
        spec = registry().process(process)

        def build(kind: str, chosen: str, *context: Any) -> Any:
            target, settings = load(kind, chosen)
            return target(settings, *context)

        schedule = build("schedule", spec.schedule)
        row = build("process", process, schedule)
        return Process(
            row,
            build("density", spec.density, schedule),
            build("weighting", spec.weighting, row),
            schedule,
        )

    def opened(path: Any, /, *, ema: float | None = None) -> Any:
        chosen = columns()
        teacher = (
            Denoiser(Pointwise(), chosen.preconditioning, {"noted": Listening()})
            .eval()
            .requires_grad_(False)
        )
        return SimpleNamespace(
            network=teacher,
            denoiser=teacher,
            process=chosen,
            representation=SimpleNamespace(space=Euclidean(), shape=SHAPE, oscillates=False),
            description=Description(SHAPE, "float32", 6),
        )

    def build(space: Space | None = None) -> Objective:
        """The same objective, with the same weights, each time."""
        torch.manual_seed(0)
        target, settings = (
            load("objective", name, **{**_named_teacher(name), **(options or {})})
            if isinstance(name, str)
            else (name, (options or {}).get("options", NoOptions()))
        )
        chosen: Process = columns()
        representation: Any = SimpleNamespace(
            space=space or Euclidean(), shape=SHAPE, oscillates=False
        )
        denoiser = (
            Denoiser(
                Pointwise(),
                chosen.preconditioning,
                {"noted": Listening()},
                second=SecondOutput(SHAPE[0], 1) if target.two_outputs else None,
            )
            if target.generative
            else None
        )
        noted = NumberColumn("noted", mean=0.0, std=1.0, low=-1.0, high=1.0)
        description = Description(SHAPE, "float32", 6, conditions={"noted": noted})
        built = (representation, chosen, denoiser, lambda interface: Pointwise())
        return target(settings, Context(description, torch.device("cpu"), opened, *built))

    def players(objective: Objective) -> Sequence[str]:
        return [player.name for player in objective.players()]

    def with_condition(batch: Batch) -> Batch:
        return batch.with_cond(noted=torch.ones(len(batch)))

    def loss(batch: Batch, step: int = 0, on: Objective | None = None, player: str = "") -> Tensor:
        objective = on or build()
        moment = Moment(step, 10, step * len(batch))
        return objective.loss(
            with_condition(batch),
            Stream(0, "contract", step),
            moment,
            player or players(objective)[0],
        )

    def met(objective: Objective, batch: Batch) -> list[tuple[Any, ...]]:
        """What the network is given while the loss is computed."""
        given = list[tuple[Any, ...]]()
        objective.denoiser.backbone.register_forward_pre_hook(
            lambda module, args: given.append(args)
        )
        loss(batch, on=objective)
        assert given, "the loss does not evaluate the denoiser"
        return given

    def training() -> TrainStep:
        objective = build()
        stage: Any = SimpleNamespace(
            objective=objective,
            network=objective.denoiser if objective.generative else None,
            modality=SimpleNamespace(augment=lambda raw, rng: raw),
            representation=SimpleNamespace(
                prepare=lambda raw: raw, draw=lambda prepared, rng: prepared
            ),
            description=Description(SHAPE, "float32", 6),
            bridge=None,
        )
        return TrainStep(
            stage,
            TrainOptions(batch=6, steps=10),
            OptimizerFactory(adamw, AdamwOptions()),
            EmaOptions(),
        )

    x = Stream(0, "data").normal((6, *SHAPE)) * 0.5
    generative = (
        load_object(registry().get("objective", name).target).generative
        if isinstance(name, str)
        else name.generative
    )
    of_denoisers = pytest.mark.skipif(not generative, reason="it trains no denoiser")

    class ObjectiveContract:
        def test_one_finite_loss_for_each_example_and_player_at_any_moment(self) -> None:
            objective = build()
            for player in players(objective):
                for step in (0, 9):
                    found = loss(Batch(x), step, objective, player)
                    assert (found.shape, found.dtype) == ((6,), torch.float32)
                    assert found.isfinite().all()

        def test_it_draws_from_the_stream_alone(self) -> None:
            objective = build()
            for player in players(objective):
                torch.manual_seed(1)
                one = loss(Batch(x), on=objective, player=player)
                torch.manual_seed(2)
                assert torch.equal(one, loss(Batch(x), on=objective, player=player))

        @of_denoisers
        def test_another_step_draws_other_noise(self) -> None:
            objective = build()
            for player in players(objective)[-1:]:
                now, later = (loss(Batch(x), step, objective, player) for step in (0, 1))
                assert not torch.equal(now, later)

        def test_every_player_learns_from_its_own_loss(self) -> None:
            """After some steps: two players may start as copies of one network."""
            step = training()
            for i in range(2):
                step(i, with_condition(Batch(x)))
            objective = step.objective
            for player in objective.players():
                objective.zero_grad(set_to_none=True)
                loss(Batch(x), on=objective, player=player.name).mean().backward()
                gradients = {
                    n: p.grad for n, p in player.module.named_parameters() if p.requires_grad
                }
                assert [
                    n for n, g in gradients.items() if g is None or not g.isfinite().all()
                ] == []
                assert any(g is not None and g.abs().max() > 0 for g in gradients.values())

        def test_padding_does_not_count(self) -> None:
            mask = torch.ones(6, 1, 8, dtype=torch.bool)
            mask[:, :, 5:] = False
            objective = build()
            for player in players(objective):
                clean = loss(Batch(x * mask, mask=mask), on=objective, player=player)
                dirty = loss(
                    Batch(torch.where(mask, x, 100.0), mask=mask), on=objective, player=player
                )
                torch.testing.assert_close(clean, dirty)

        def test_examples_are_left_alone(self) -> None:
            before, objective = x.clone(), build()
            for player in players(objective):
                loss(Batch(x), on=objective, player=player)
            assert torch.equal(x, before)

        @of_denoisers
        def test_conditions_are_dropped_as_often_as_their_conditioner_says(self) -> None:
            """Half of the time here.

            Guidance needs a network that also works without conditions.
            """
            objective = build()
            listening = objective.denoiser.conditioners["noted"]
            assert isinstance(listening, Listening)
            loss(Batch(Stream(0, "many").normal((400, *SHAPE))), on=objective)
            assert any(
                0.35 < float((values == NULL).float().mean()) < 0.65 for values in listening.heard
            )

        @of_denoisers
        def test_nothing_is_learnt_of_what_is_known(self) -> None:
            """What the network says of given entries does not matter: samples keep them."""
            known = torch.zeros(6, *SHAPE, dtype=torch.bool)
            known[:, 1] = True

            def misled(network: nn.Module, args: Any, output: Tensor) -> Tensor:
                given = known.repeat(1, output.shape[1] // SHAPE[0], 1)
                return torch.where(given, output + 3, output)

            batch, plain, strange = Batch(x, observed=known), build(), build()
            strange.denoiser.backbone.register_forward_hook(misled)
            torch.testing.assert_close(loss(batch, on=plain), loss(batch, on=strange))
            if plain.reads_examples:
                moved = Batch(torch.where(known, x + 3, x))
                assert any(
                    not torch.allclose(loss(Batch(x), player=one), loss(moved, player=one))
                    for one in players(plain)
                )

        @of_denoisers
        def test_what_is_known_is_met_clean_where_the_batch_says_so(self) -> None:
            known = torch.zeros(6, *SHAPE, dtype=torch.bool)
            known[:, 1] = True
            for args in met(build(), Batch(x, observed=known, noise_free=True)):
                scale = args[0][:, 1] / x[:, 1]  # one factor per example
                torch.testing.assert_close(scale, scale[:, :1].expand_as(scale))

        @of_denoisers
        def test_what_is_known_is_met_with_noise_where_the_batch_does_not_say_so(self) -> None:
            known = torch.zeros(6, *SHAPE, dtype=torch.bool)
            known[:, 1] = True
            scale = met(build(), Batch(x, observed=known))[0][0][:, 1] / x[:, 1]
            assert not torch.allclose(scale, scale[:, :1].expand_as(scale))

        @of_denoisers
        def test_the_network_meets_points_of_the_space(self) -> None:
            """Noise is drawn in the space, and not beside it."""
            space = Centred()
            for args in met(build(space), Batch(space.project(x))):
                torch.testing.assert_close(space.project(args[0]), args[0])

        @of_denoisers
        def test_the_network_is_given_the_mask(self) -> None:
            mask = torch.ones(6, 1, 8, dtype=torch.bool)
            mask[:, :, 5:] = False
            for args in met(build(), Batch(x * mask, mask=mask)):
                assert len(args) > 3
                assert args[3] is not None
                assert torch.equal(args[3].expand_as(mask), mask)

        def test_it_trains_and_resumes_to_the_bit(self) -> None:
            """All that the loss depends on is in the checkpoint or is rebuilt identically."""
            raw, whole, stopped, resumed = (
                with_condition(Batch(x)),
                training(),
                training(),
                training(),
            )
            for step in range(6):
                losses = whole(step, raw)
                assert all(value.isfinite() for value in losses.values())
            for step in range(3):
                stopped(step, raw)
            restore_state(
                {name: tensor.clone() for name, tensor in training_state(stopped).items()}, resumed
            )
            for step in range(3, 6):
                resumed(step, raw)
            ours, theirs = training_state(whole), training_state(resumed)
            assert ours.keys() == theirs.keys()
            assert [name for name in ours if not torch.equal(ours[name], theirs[name])] == []

        def test_every_player_moves_and_what_is_frozen_does_not(self) -> None:
            step = training()
            before = {name: tensor.clone() for name, tensor in step.weights().items()}
            learnt = {id(p): player.name for player in step.players for p in player.parameters}
            for i in range(4):
                step(i, with_condition(Batch(x)))
            moved = {
                learnt[id(t)]
                for name, t in step.weights().items()
                if id(t) in learnt and not torch.equal(t, before[name])
            }
            assert moved == {player.name for player in step.players}

    return named(ObjectiveContract, name if isinstance(name, str) else name.__name__)
