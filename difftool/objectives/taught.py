"""Objectives with a teacher: a trained run whose estimates, guided as it samples, are learnt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

import torch
from torch import Tensor

from ..batch import Batch
from ..context import Context
from ..errors import UsageError
from ..files import checksum
from ..names import local_path
from ..nn.adapter_file import adapter_tensors
from ..nn.adapters import adapters_of, add_low_rank, merged
from ..objective import Noised, Objective, Player, drop_conditions
from ..rng import Rng
from ..samplers.dpmpp import dpmpp_2m
from ..shapes import expand_as
from .few import require_no_memory
from .finetune import start_from
from .options import TaughtOptions

if TYPE_CHECKING:
    from ..denoiser import Denoiser


class Taught(Objective):
    """An objective whose student learns from the estimates of another run, the teacher.

    The teacher's guidance is folded in: what is learnt is D(null) + scale (D(cond) - D(null)) (Ho &
    Salimans 2022, arXiv:2207.12598, Eq. 6), and the student needs no guidance of its own.

    Raises:
        UsageError: no teacher is named, its examples differ, or it does not make the same samples.
    """

    options: TaughtOptions
    alone: bool = False
    """Whether it trains without a teacher too, from the data."""
    _teacher: tuple[Denoiser, ...] = ()

    def __init__(self, options: TaughtOptions, context: Context) -> None:
        super().__init__(options, context)
        require_no_memory(self.denoiser, type(self).__name__)
        if not options.teacher and self.alone:
            return
        if not options.teacher:
            raise UsageError(
                "objective.teacher is empty. Name a trained run there, or use difftool distill, "
                "which does so: this objective learns from another model."
            )
        if options.hold and not model_of(options.teacher).is_file():
            self._teacher = (self.hold(),)  # the checkpoint fills it
            self._lower()
            return
        if options.checksum:
            require_same(options.teacher, options.checksum)
        opened = context.open(options.teacher)
        assert context.representation is not None
        if opened.representation.shape != context.representation.shape:
            raise UsageError(
                f"{options.teacher} makes examples of shape {opened.representation.shape}, and "
                f"this run is for {context.representation.shape}. Train on the teacher's data with "
                "the teacher's settings: the student learns from its estimates."
            )
        # not a submodule: it is not saved again, unless it is held
        self._teacher = (opened.denoiser,)
        if options.hold:
            held = self.hold()
            held.load_state_dict(opened.denoiser.state_dict(), strict=False)
            self._teacher = (held,)
        if options.rank:
            start_from(self.denoiser, opened.denoiser)
            self._lower()

    def _lower(self) -> None:
        """Learn changes of low rank beside the student's weights, if they are asked for."""
        if self.options.rank:
            self.fills = True
            add_low_rank(self.denoiser, self.options.rank)

    def merged(self, tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        return merged(adapters_of(self.denoiser), tensors)

    def adapter(self, tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor] | None:
        return adapter_tensors(adapters_of(self.denoiser), tensors) if self.options.rank else None

    def hold(self) -> Denoiser:
        """A frozen network like the student's, for the teacher, which checkpoints hold."""
        self.held = deepcopy(self.denoiser).eval().requires_grad_(False)
        return self.held

    def train(self, mode: bool = True) -> Self:
        """The mode of training; that of a teacher which is held stays that of evaluation."""
        super().train(mode)
        if self.options.hold and self._teacher:
            self.teacher.eval()
        return self

    @property
    def teacher(self) -> Denoiser:
        """The frozen network of the teacher."""
        return self._teacher[0]

    def players(self) -> Sequence[Player]:
        return [Player("denoiser", self.denoiser)]

    @torch.no_grad()
    def taught(self, noisy: Noised, batch: Batch, scale: float | Tensor | None = None) -> Tensor:
        """The guided estimate of the teacher, with given entries in place: ``[b, ...]``.

        Args:
            scale: that of the guidance, for all examples or ``[b]``; None for the setting.
        """
        scale = self.options.guidance if scale is None else scale
        cond = {name: noisy.cond[name] for name in self.teacher.conditioners}
        if "scale" in self.teacher.told:
            signals = replace(
                self.teacher.signals(cond), scale=torch.ones_like(noisy.sigma) * scale
            )
            return self.settled(self.teacher(noisy.x, noisy.sigma, signals, noisy.mask), batch)
        found = self.teacher(noisy.x, noisy.sigma, cond, noisy.mask)
        droppable = {name for name, one in self.teacher.conditioners.items() if one.dropout > 0}
        if droppable and not (isinstance(scale, float) and scale == 1):
            # the network never went without the others, such as the input of a stage that refines
            null = cond | {n: v for n, v in self.teacher.null(cond).items() if n in droppable}
            without = self.teacher(noisy.x, noisy.sigma, null, noisy.mask)
            weight = scale if isinstance(scale, float) else expand_as(scale, found)
            found = without + weight * (found - without)
        return self.settled(found, batch)

    def settled(self, estimate: Tensor, batch: Batch) -> Tensor:
        """An estimate as a point of the space, with the given entries in place."""
        estimate = self.space.project(estimate, batch.mask)
        if batch.observed is None:
            return estimate
        return self.space.keep(estimate, batch.x, batch.observed, batch.mask)

    def started(self, batch: Batch, rng: Rng) -> Noised:
        """Where sampling starts: noise alone, at the highest level, under the batch's conditions."""
        x0, mask = batch.x, batch.mask
        x = self.process.schedule.sigma_max * self.space.noise(x0.shape, rng, mask)
        if batch.observed is not None:
            given = x0 if batch.noise_free else x0 + x
            x = self.space.keep(x, given, batch.observed, mask)
        sigma = x0.new_full((len(batch),), self.process.schedule.sigma_max)
        return Noised(x, sigma, drop_conditions(self.denoiser, batch.cond, rng), mask)

    def trajectory(self, start: Noised, batch: Batch, sigmas: Sequence[float]) -> list[Tensor]:
        """x at each level after the first, on the teacher's probability flow.

        Solved by DPM-Solver++ 2M (Lu et al. 2022, arXiv:2211.01095, Alg. 2).
        """

        def denoise(x: Tensor, sigma: float) -> Tensor:
            return self.taught(start._replace(x=x, sigma=x.new_full((len(x),), sigma)), batch)

        steps = dpmpp_2m(denoise, start.x, sigmas, _no_noise)
        with torch.no_grad():
            return [step.x for step in steps]

    def weighted(self, sigma: Tensor, error: Tensor) -> Tensor:
        """The loss of the mean squared errors of estimates, ``[b] -> [b]``."""
        weighting = self.process.weighting
        return weighting.loss(sigma, weighting.weight(sigma) * error)


def model_of(teacher: str) -> Path:
    """The teacher's model file, which may be missing."""
    path = local_path(teacher)
    return path / "model.safetensors" if path.suffix != ".safetensors" else path


def require_same(teacher: str, expected: str) -> None:
    """Raise UsageError where the teacher's model file is missing, or another one by now."""
    path = model_of(teacher)
    if not path.is_file():
        raise UsageError(
            f"The teacher {path} is missing. Put it back there: this run learns from it until its "
            "last step, and does not hold a copy (objective.hold)."
        )
    if checksum(path) != expected:
        raise UsageError(
            f"The teacher {path} has changed since this run began. Put the old file back, or begin "
            "a new run: half of a training by one teacher and half by another is repeatable by "
            "none."
        )


def _no_noise(sigma: float, sigma_next: float) -> Tensor:
    raise AssertionError("the probability flow has no noise")
