"""coverage: precision, recall, density and coverage of examples, by nearest neighbours."""

from __future__ import annotations

from functools import partial

import numpy as np

from ..description import Description
from ..metric import FeatureMetric, Features
from .neighbours import Once, radii, squared_distances
from .options import CoverageOptions


class Coverage(FeatureMetric):
    """Precision and density say how good examples are; recall and coverage, how varied.

    Kynkaanniemi et al. 2019, arXiv:1904.06991, Eq. 1 and 2; Naeem et al. 2020, arXiv:2002.09797,
    Eq. 3 and 4. A set is the union of balls around its members, each as wide as the distance to the
    member's k-th neighbour. Recall and coverage grow with the number of examples: compare those of
    equally many.
    """

    options: CoverageOptions
    equal = True

    def __init__(self, options: CoverageOptions, description: Description) -> None:
        super().__init__(options, description)
        self._of_data = Once(partial(radii, k=options.neighbours))

    def is_share(self, name: str) -> bool:
        return name == "precision"

    def measure_features(self, examples: Features, data: Features) -> dict[str, float]:
        """``precision``, ``recall``, ``density``, ``coverage``; all but density are shares.

        Raises:
            UsageError: no more examples, or data, than neighbours.
        """
        x, y, k = examples.vectors, data.vectors, self.options.neighbours
        around_y, around_x = self._of_data(y), radii(x, k)
        apart = np.sqrt(squared_distances(x, y))
        inside = apart <= around_y  # [n, m]: whether an example is in the ball of one of the data
        return {
            "precision": float(inside.any(1).mean()),
            "recall": float((apart <= around_x[:, None]).any(0).mean()),
            "density": float(inside.sum(1).mean() / k),
            "coverage": float(inside.any(0).mean()),
        }
