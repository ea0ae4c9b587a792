"""A classifier of noisy examples, for classifier guidance."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from ..batch import Batch
from ..classifier import Classifier, recognisable
from ..context import Context
from ..errors import UsageError
from ..objective import Moment, Objective, Player
from ..rng import Rng
from ..shapes import expand_as
from .options import ClassifierOptions


class ClassifierTraining(Objective):
    """-E ln p(condition | x0 + sigma eps)   (Dhariwal & Nichol 2021, arXiv:2105.05233, Sec. 4).

    It learns every condition of the data that is a label, several labels or a number. The model
    makes no samples; the guidance ``classifier`` takes it.

    Raises:
        UsageError: the data have no such condition.
    """

    generative = False
    previews = False
    options: ClassifierOptions

    def __init__(self, options: ClassifierOptions, context: Context) -> None:
        super().__init__(options, context)
        columns = [c for c in context.description.conditions.values() if recognisable(c)]
        if not columns:
            raise UsageError(
                "The data have no condition to recognise: no labels and no numbers. Sort the files "
                "into folders, or add a metadata.csv: a classifier learns what they say."
            )
        assert context.representation is not None
        assert context.network is not None
        self.classifier = Classifier(
            context.network,
            context.representation.shape,
            self.process.preconditioning,
            columns,
            options.features,
        )

    @property
    def model(self) -> nn.Module:
        return self.classifier

    def players(self) -> Sequence[Player]:
        return [Player("classifier", self.classifier)]

    def loss(self, batch: Batch, rng: Rng, moment: Moment, player: str) -> Tensor:
        sigma = self.process.density.draw(len(batch), rng)
        noise = self.space.noise(batch.x.shape, rng, batch.mask)
        x = batch.x + expand_as(sigma, batch.x) * noise
        return -self.classifier.log_probability(x, sigma, batch.cond, batch.mask)
