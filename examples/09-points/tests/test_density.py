"""The density of a toy is that of its points."""

import numpy as np
import pytest
from difftool_points.toys import TOYS, centres, draw, log_density


@pytest.mark.parametrize("toy", TOYS)
def test_the_density_adds_up_to_one_and_is_that_of_the_points(toy):
    axes = centres(toy)[0].shape[1]
    line = np.linspace(-2, 2, 401)
    grid = np.stack(np.meshgrid(*[line] * axes), -1).reshape(-1, axes)
    p = np.exp(log_density(toy, grid))
    cell = (line[1] - line[0]) ** axes
    assert p.sum() * cell == pytest.approx(1, abs=1e-3)
    points = draw(toy, 4000, np.random.default_rng(0))
    entropy = -(p * np.log(p + 1e-300)).sum() * cell
    assert -log_density(toy, points).mean() == pytest.approx(entropy, abs=0.05)
