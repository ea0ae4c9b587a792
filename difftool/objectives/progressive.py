"""Progressive distillation: one step of the student is two steps of its teacher."""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import Tensor

from ..batch import Batch
from ..context import Context
from ..objective import Moment, Noised
from ..rng import Rng
from .few import between, estimate_of, second_order, stepped_to
from .options import ProgressiveOptions
from .taught import Taught


class Progressive(Taught):
    """Rounds in which the number of steps is halved   (Salimans & Ho 2022, arXiv:2202.00512, Alg. 2).

    In the first round the student learns a step of second order of the teacher, which takes two
    evaluations. Then a copy of itself is its teacher, and it learns two of its steps. The levels of
    a round are among those of the round before.
    """

    options: ProgressiveOptions

    def __init__(self, options: ProgressiveOptions, context: Context) -> None:
        super().__init__(options, context)
        self.before = deepcopy(self.denoiser).requires_grad_(False)
        """The student as the last round left it; of no use in the first."""

    def round(self, moment: Moment) -> int:
        """The number of the round, from 0."""
        return min(self.options.rounds * moment.step // moment.steps, self.options.rounds - 1)

    def loss(self, batch: Batch, rng: Rng, moment: Moment, player: str) -> Tensor:
        number = self.round(moment)
        levels = torch.tensor(self.levels(number), device=batch.x.device)
        steps = len(levels) // 2
        place = 2 * (rng.uniform((len(batch),)) * steps).long().clamp_max(steps - 1)
        t, middle, s = levels[place], levels[place + 1], levels[place + 2]
        noisy = self.noised(batch, rng, t)
        with torch.no_grad():
            first = self.known(number, noisy, batch)
            later = noisy._replace(x=stepped_to(noisy.x, first, t, middle), sigma=middle)
            second = self.known(number, later, batch)
            if number == 0:
                data = self.process.preconditioning.sigma_data
                target = second_order(first, second, t, middle, s, data)
            else:
                reached = stepped_to(later.x, second, middle, s)
                target = estimate_of(noisy.x, reached, t, s)
        return self.weighted(t, self.mean_square(self.denoiser(*noisy) - target, batch))

    def levels(self, number: int) -> list[float]:
        """The levels of the teacher of a round: twice as many as the student's, which are even."""
        last = self.process.schedule.sigmas(self.options.evaluations)
        return between(self.process.schedule, last, 2 ** (self.options.rounds - number))

    def known(self, number: int, noisy: Noised, batch: Batch) -> Tensor:
        """The estimate of the teacher of a round."""
        if number == 0:
            return self.taught(noisy, batch)
        return self.settled(self.before(*noisy), batch)

    def stepped(self, moment: Moment) -> None:
        super().stepped(moment)
        if self.round(moment) != self.round(moment._replace(step=moment.step - 1)):
            self.before.load_state_dict(self.denoiser.state_dict())
