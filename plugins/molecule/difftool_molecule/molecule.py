"""Molecule: atoms in space, as files hold them, and the array that is cached of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from difftool import DataError

from .near import near

SAME_PLACE = 0.001
"""Angstrom: nearer atoms are at one place.

No bond is shorter than 0.74, but what a model made that has learnt little is to be read too.
"""

NUMBER, CHARGE = 3, 4
"""Columns of a raw example; the first three are x, y and z."""


class Molecule(NamedTuple):
    """Atoms in the file's order.

    Attributes:
        numbers: int64 ``[n]``, atomic numbers.
        positions: float64 ``[n, 3]``, in angstrom.
        charges: int64 ``[n]``, formal ones.
        bonds: ``(i, j, order)``, order as in SDF (4 is aromatic); None where the file says nothing
            of bonds.
    """

    numbers: np.ndarray
    positions: np.ndarray
    charges: np.ndarray
    bonds: tuple[tuple[int, int, int], ...] | None = None

    def raw(self) -> np.ndarray:
        """float32 ``[n, 5]``: x, y, z, atomic number, formal charge."""
        return np.concatenate(
            [self.positions, self.numbers[:, None], self.charges[:, None]], axis=1
        ).astype(np.float32)

    @classmethod
    def from_raw(cls, array: np.ndarray) -> Molecule:
        """The molecule in a raw example ``[n, 5]``; rows without an element are padding."""
        real = array[array[:, NUMBER] > 0]
        numbers, charges = (
            np.rint(real[:, column]).astype(np.int64) for column in (NUMBER, CHARGE)
        )
        return cls(numbers, real[:, :3].astype(np.float64), charges)

    def taken(self, atoms: Sequence[int] | np.ndarray) -> Molecule:
        """These atoms, in this order, and the bonds among them."""
        atoms = np.asarray(atoms, np.int64)
        place = {int(old): new for new, old in enumerate(atoms)}
        bonds = self.bonds and tuple(
            (place[i], place[j], order) for i, j, order in self.bonds if i in place and j in place
        )
        return Molecule(self.numbers[atoms], self.positions[atoms], self.charges[atoms], bonds)


def checked(molecule: Molecule, name: str) -> Molecule:
    """The molecule, if a model can learn from it.

    Args:
        name: what to call it in a message.

    Raises:
        DataError: it has no atoms, atoms of no element, positions that are not finite, or two atoms
            at one place.
    """
    if not len(molecule.numbers):
        raise DataError(f"{name} has no atoms. Remove it.")
    if not ((molecule.numbers > 0) & (molecule.numbers <= 118)).all():
        atom = int(np.argmin((molecule.numbers > 0) & (molecule.numbers <= 118)))
        raise DataError(
            f"{name}, atom {atom + 1}: there is no element {molecule.numbers[atom]}. Correct or "
            "remove it."
        )
    finite = np.isfinite(molecule.positions).all(1)
    if not finite.all():
        raise DataError(
            f"{name}, atom {int(np.argmin(finite)) + 1}: its position is not a number (NaN or "
            "infinite). Correct or remove it."
        )
    first, second, distances = near(molecule.positions, SAME_PLACE)
    if len(distances):
        raise DataError(
            f"{name} has two atoms at one place: {first[0] + 1} and {second[0] + 1} are "
            f"{distances[0]:.4f} apart. Correct or remove it; positions are in angstrom."
        )
    return molecule
