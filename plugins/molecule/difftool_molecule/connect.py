"""connect: the connected parts of a molecule."""

from __future__ import annotations

import numpy as np

from .elements import RADII
from .molecule import Molecule
from .near import near

STRETCH = 1.3
"""Atoms are bonded up to this multiple of the sum of their covalent radii, where a file names no
bonds.
"""


def parts(molecule: Molecule) -> list[np.ndarray]:
    """The indices of the atoms of each connected part, the largest part first, of equal ones that
    with the earlier atom.

    By the file's bonds where it has any, else by distance: atoms are bonded up to 1.3 times the sum
    of their covalent radii.
    """
    first, second = _bonded(molecule)
    label = np.arange(len(molecule.numbers))
    # each atom takes the smallest label among its own, its neighbours' and that of the atom it is
    # labelled by
    while True:
        lowest = label.copy()
        np.minimum.at(lowest, first, label[second])
        np.minimum.at(lowest, second, label[first])
        lowest = np.minimum(lowest, lowest[lowest])
        if (lowest == label).all():
            break
        label = lowest
    found = [np.flatnonzero(label == one) for one in np.unique(label)]
    return sorted(found, key=len, reverse=True)


def _bonded(molecule: Molecule) -> tuple[np.ndarray, np.ndarray]:
    """Both ends of every bond."""
    if molecule.bonds is not None:
        ends = np.asarray([bond[:2] for bond in molecule.bonds], np.int64).reshape(-1, 2)
        return ends[:, 0], ends[:, 1]
    first, second, _ = near(
        molecule.positions, np.array([STRETCH * RADII[z] for z in molecule.numbers.tolist()])
    )
    return first, second
