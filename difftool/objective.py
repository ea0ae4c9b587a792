"""Objective: the modules that are trained, and the loss that is minimised."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from .batch import Batch
from .context import Context
from .denoiser import Denoiser
from .process.process import Process
from .rng import Rng
from .shapes import expand_as
from .space import Space


@dataclass(frozen=True, slots=True)
class Player:
    """A part of an objective with its own optimizer. Denoising has one, adversarial training two.

    Attributes:
        name: unique within the objective; losses are reported under it.
        module: its parameters that require gradients are optimised. Players share no parameter.
        optimizer: settings that differ from the run's table ``optimizer``, such as ``{"lr":
            1e-4}``.
        every: steps of the run per step of this player, which takes the first one.
        averaged: whether averages of its weights are maintained.
    """

    name: str
    module: nn.Module
    optimizer: Mapping[str, Any] | None = None
    every: int = 1
    averaged: bool = True


class Moment(NamedTuple):
    """The progress of training.

    Attributes:
        step: steps taken so far; 0 in the first step.
        steps: steps of the whole run.
        seen: examples seen so far, on all devices.
    """

    step: int
    steps: int
    seen: int


class Noised(NamedTuple):
    """What the network meets in training; ``denoiser(*noised)`` is its estimate of x0.

    Attributes:
        x: ``[b, ...]``, the noisy examples.
        sigma: ``[b]``, their noise levels.
        cond: the conditions, some replaced by null.
        mask: as in ``Batch``.
    """

    x: Tensor
    sigma: Tensor
    cond: Mapping[str, Tensor]
    mask: Tensor | None


class Objective(nn.Module, ABC):
    """A training method: the training loop minimises ``loss`` for each of ``players`` in turn.

    It is built with (options, context). A checkpoint holds its submodules. An average that is a
    target is a submodule without gradients. A frozen teacher is a stage from ``context.open``,
    which must not be a submodule, so that it is not saved again.

    The batch arrives as the data are: without noise, and with every condition that is known. An
    objective that trains the denoiser therefore has three duties, and one method for each half:

    - ``noised`` adds the noise, keeps given entries free of it where ``batch.noise_free`` says so,
      and drops conditions, which guidance needs.
    - ``mean_square`` averages an error over what is learnt: neither padding nor given entries.

    An objective that needs its own draws can take the parts: ``process``, ``space`` and
    ``drop_conditions``. ``objective_contract`` checks the duties.

    Attributes:
        generative: whether it trains the stage's denoiser, which then makes samples. A class
            without one, such as an autoencoder, sets False and overrides ``model`` and
            ``reconstruct``.
        previews: whether a preview can be made of it; an override of False needs no ``reconstruct``.
        two_outputs: whether the denoiser's network has a second output of the shape of the example
            (``Denoiser.outputs``), such as learned variances.
        told: what the denoiser's network is told beside the noise level (``Denoiser.told``).
        reads_examples: whether the loss depends on the examples, and not on their conditions, masks
            and given entries alone, as where a teacher's samples are learnt.
        fills: whether it gives a new network its first weights itself, from another model.
        precision: if not ``generative``, the dtype in which its networks compute in training; one
            that heeds ``Context.precision`` sets it.
        denoiser: that of the stage; there is none if not ``generative``.
        process: its preconditioning, density of noise levels, weighting and schedule.
        space: where its noise lives, and how errors are averaged.
    """

    generative: bool = True
    previews: bool = True
    two_outputs: bool = False
    told: Sequence[str] = ()
    reads_examples: bool = True
    fills: bool = False
    precision: torch.dtype = torch.float32
    denoiser: Denoiser
    process: Process
    space: Space

    def __init__(self, options: object, context: Context) -> None:
        super().__init__()
        self.options = options
        assert context.process is not None
        assert context.representation is not None
        self.process, self.space = context.process, context.representation.space
        if context.denoiser is not None:
            self.denoiser = context.denoiser

    @property
    def model(self) -> nn.Module:
        """The module that a model file holds; everything else is in checkpoints only."""
        return self.denoiser

    @abstractmethod
    def players(self) -> Sequence[Player]:
        """The players, in the order of their turns in a step. Called before training, always alike."""

    @abstractmethod
    def loss(self, batch: Batch, rng: Rng, moment: Moment, player: str) -> Tensor:
        """The loss of this player for each example: ``[b]``, float32. Other players are frozen.

        Args:
            batch: encoded examples in model units, on the device.
            rng: the only source of randomness, apart from dropout layers.
            player: name of the player that takes this step.
        """

    def noised(self, batch: Batch, rng: Rng, sigma: Tensor | None = None) -> Noised:
        """What the network meets in training: x = x0 + sigma * eps, with conditions dropped.

        A process without noise degrades x0 instead; ``sigma`` is then the severity.

        Karras et al. 2022, Eq. 2; Ho & Salimans 2022, Alg. 1.

        Args:
            batch: as ``loss`` is given it.
            sigma: noise levels ``[b]``, all above 0; None draws them from the process's density.
        """
        x0, mask = batch.x, batch.mask
        if sigma is None:
            sigma = self.process.density.draw(len(batch), rng)
        if (degradation := self.denoiser.degradation) is None:
            x = x0 + expand_as(sigma, x0) * self.space.noise(x0.shape, rng, mask)
        else:
            degradation.measure(x0)
            x = degradation.degrade(x0, sigma, degradation.draw(x0.shape, rng))
            x = self.space.project(x, mask)
        if batch.observed is not None and batch.noise_free:
            x = self.space.keep(x, x0, batch.observed, mask)
        return Noised(x, sigma, drop_conditions(self.denoiser, batch.cond, rng), mask)

    def mean_square(self, error: Tensor, batch: Batch) -> Tensor:
        """``[b, ...] -> [b]``: the mean squared error over what is learnt.

        Given entries have no error, because samples keep them. Padding does not count.
        """
        if batch.observed is not None:
            error = self.space.keep(error, torch.zeros_like(error), batch.observed, batch.mask)
        return self.space.mean_square(error, batch.mask)

    def stepped(self, moment: Moment) -> None:
        """Called without gradients after each step, to update a target average, for example.

        It lets the network restore its constraints; an override calls it too.
        """
        if self.generative:
            self.denoiser.backbone.stepped()

    def merged(self, tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """The tensors of the model file, from those of ``model`` by name: averages where there are
        some. An override may give other names, if it has changed the network.
        """
        return tensors

    def adapter(self, tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor] | None:
        """What a file beside the model file holds, if the objective only adds to another model;
        else None.

        Args:
            tensors: as for ``merged``.
        """
        del tensors
        return None

    def reconstruct(self, batch: Batch) -> Batch:
        """The model's reconstruction of encoded examples, for the preview of a model that cannot
        sample.
        """
        raise NotImplementedError(
            f"{type(self).__name__} cannot reconstruct examples. Override reconstruct(): it trains "
            "no denoiser."
        )

    def complaints(self, batch: Batch) -> Iterable[str]:
        """What is plainly wrong with the model, in sentences with a fix; by default nothing.

        The run shows them. Called without gradients, in eval mode, whenever a model is saved, on
        encoded examples of the data.
        """
        del batch
        return ()


class Denoising(Objective):
    """Denoising score matching: E lambda(sigma) |D(x0 + sigma eps; sigma) - x0|^2.

    Karras et al. 2022, Eq. 2.

    The error is computed on the target of F, (x0 - skip x) / out, with weight lambda out^2: the
    same loss, better conditioned (Eq. 8).
    """

    def players(self) -> Sequence[Player]:
        return [Player("denoiser", self.denoiser)]

    def loss(self, batch: Batch, rng: Rng, moment: Moment, player: str) -> Tensor:
        noisy = self.noised(batch, rng)
        memory = remembered(self.denoiser, noisy, moment)
        output, c = self.denoiser.network(*noisy, memory)
        target = (batch.x - expand_as(c.skip, batch.x) * noisy.x) / expand_as(c.out, batch.x)
        weight = self.process.weighting.weight(noisy.sigma) * c.out.square()
        weighted = weight * self.mean_square(output - target, batch)
        return self.process.weighting.loss(noisy.sigma, weighted)


def remembered(denoiser: Denoiser, noisy: Noised, moment: Moment) -> Tensor | None:
    """What a denoiser that remembers made of every second example just now; zeros for the others.

    Chen et al. 2022, arXiv:2208.04202, Alg. 1, draws the examples at random, half of them on
    average. No gradient reaches this first evaluation.
    """
    if not denoiser.remembers:
        return None
    # of a batch of one, every second step; else the step is not read: a CUDA graph would keep it
    rows = slice(moment.step % 2 if len(noisy.x) == 1 else 0, None, 2)
    x, sigma = noisy.x[rows], noisy.sigma[rows]
    if not len(x):
        return None
    mask = noisy.mask if noisy.mask is None or len(noisy.mask) == 1 else noisy.mask[rows]
    with torch.no_grad():
        signals = denoiser.signals({name: value[rows] for name, value in noisy.cond.items()})
        _, memory = denoiser.remember(x, sigma, signals, mask)
        if memory is None:
            return None
        return memory.new_zeros(len(noisy.x), *memory.shape[1:]).index_copy(
            0, torch.arange(len(noisy.x), device=x.device)[rows], memory
        )


def drop_conditions(denoiser: Denoiser, cond: Mapping[str, Tensor], rng: Rng) -> dict[str, Tensor]:
    """Replace each condition by null, per example, with the ``dropout`` of its conditioner, and all
    that can be dropped together with the denoiser's ``drop_all``.

    Ho & Salimans 2022, arXiv:2207.12598, Alg. 1; together: Brooks et al. 2023, Sec. 3.2.
    """
    kept, share = {}, denoiser.drop_all
    together = rng.uniform((len(next(iter(cond.values()))),)) < share if share and cond else None
    for name, conditioner in denoiser.conditioners.items():
        value = cond[name]
        if conditioner.dropout > 0:
            dropped = rng.uniform((len(value),)) < conditioner.dropout
            dropped = dropped if together is None else dropped | together
            value = conditioner.null(value).where(expand_as(dropped, value), value)
        kept[name] = value
    return kept
