"""Consistency distillation: the pair lies on the teacher's probability flow."""

from __future__ import annotations

from torch import Tensor

from ..batch import Batch
from ..objective import Noised
from .consistency import Consistency
from .few import stepped_to
from .options import ConsistencyDistillationOptions
from .taught import Taught


class ConsistencyDistillation(Taught, Consistency):
    """D at level t shall be D at a lower level r, where one step of the teacher leads.

    Song et al. 2023, arXiv:2303.01469, Alg. 2, with the pairs and the loss of easy consistency
    tuning. With the widest gap the target is the teacher's guided estimate, so that the student
    starts by learning the guidance.
    """

    options: ConsistencyDistillationOptions

    def nearer(self, noisy: Noised, r: Tensor, batch: Batch) -> Tensor:
        return stepped_to(noisy.x, self.taught(noisy, batch), noisy.sigma, r)
