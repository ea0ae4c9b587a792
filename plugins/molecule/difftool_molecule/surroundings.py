"""surroundings: how many atoms of each element are how far from atoms of each other one."""

from __future__ import annotations

from itertools import combinations_with_replacement

import numpy as np

from .molecule import NUMBER

REACH, WIDTH = 9.6, 0.15
"""Angstrom: the farthest distance, and the width of a bin; a C-C bond is 1.54, a C=C bond 1.34."""


def surroundings(example: np.ndarray, elements: tuple[int, ...]) -> np.ndarray:
    """``[n, 5] -> [pairs of elements, distances]`` float32: pairs of atoms at each distance.

    It is the same for a molecule that is turned, moved, mirrored or renumbered. The pair of an
    element with itself counts each atom at distance 0, so that sizes and elements are seen too.
    Counts are square roots, as a pair in a small molecule says more than in a large one.
    """
    real = example[example[:, NUMBER] > 0]
    numbers, bins = real[:, NUMBER].round().astype(int), round(REACH / WIDTH)
    apart = np.linalg.norm(real[:, None, :3] - real[None, :, :3], axis=-1)
    at = np.minimum(apart / WIDTH, bins - 1).astype(int)
    found = []
    for one, other in combinations_with_replacement(sorted(elements), 2):
        between = at[np.ix_(numbers == one, numbers == other)]
        found.append(np.bincount(between.ravel(), minlength=bins))
    return np.sqrt(np.array(found)).astype(np.float32)
