"""geometry: clashes, strain and the checks of PoseBusters."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np

from difftool import Metric

from .chemistry import require_rdkit
from .elements import RADII
from .molecule import Molecule
from .near import near
from .perceive import connected, perceived

if TYPE_CHECKING:
    from rdkit.Chem import Mol

CLOSE = 0.6
"""Share of the sum of two van der Waals radii below which atoms that share no neighbour clash."""

SHORT, LONG = 0.6, 1.3
"""Length of a bond over the sum of two covalent radii: no bond is shorter, and none is longer."""

APART = 3
"""Bonds between two atoms from which on they should keep their distance."""

MOST = 128
"""Molecules that are relaxed, evenly chosen: it takes some milliseconds each."""

STEPS = 200
"""Steps of the force field."""


class Geometry(Metric):
    """What is wrong with the places of atoms.

    Strain is how much energy a force field (MMFF94, Halgren 1996) takes away when it relaxes a
    molecule, as in Harris et al. 2023, arXiv:2308.07413. PoseBusters (Buttenschoen et al. 2024,
    arXiv:2308.05777) is asked where it is installed.
    """

    def measure(
        self, examples: Sequence[np.ndarray], data: Sequence[np.ndarray]
    ) -> dict[str, float]:
        """``clashing``, the share of molecules in which two atoms clash; ``strain``, in kcal/mol
        for each atom, the median of those that are one whole molecule; ``posebusters``, the share
        of all that pass every check of a single molecule.

        Raises:
            UsageError: RDKit is not installed.
        """
        del data
        require_rdkit("The strain of molecules")
        found = {"clashing": float(np.mean([clashes(one) for one in examples]))}
        some = [
            examples[i]
            for i in np.linspace(0, len(examples) - 1, min(MOST, len(examples)), dtype=int)
        ]
        whole = [mol for one in some if (mol := perceived(one)) is not None and connected(mol)]
        strains = [value for mol in whole if (value := strain(mol)) is not None]
        found["strain"] = float(np.median(strains)) if strains else float("nan")
        with suppress(ImportError):  # it is not installed, or not whole
            import posebusters  # noqa: F401

            found["posebusters"] = sum(map(passes, whole)) / len(some)
        return found


def clashes(raw: np.ndarray) -> bool:
    """Whether two atoms lie in each other: nearer than any bond, or at least three bonds apart and
    nearer than their radii allow.
    """
    from rdkit.Chem import GetPeriodicTable

    numbers, positions, _, _ = Molecule.from_raw(raw)
    radius = np.array([GetPeriodicTable().GetRvdw(int(z)) for z in numbers])
    first, second, _ = near(positions, CLOSE * radius)
    bonded = np.array([RADII[int(z)] for z in numbers])
    if len(near(positions, SHORT * bonded)[0]):
        return True
    # a bond that is too long is no clash
    one, other, _ = near(positions, LONG * bonded)
    joined = np.eye(len(numbers), dtype=int)
    joined[one, other] = joined[other, one] = 1
    reached = np.linalg.matrix_power(joined, APART - 1)
    return bool((reached[first, second] == 0).any())


def strain(mol: Mol) -> float | None:
    """kcal/mol for each atom that a force field takes away; None where it does not know them."""
    from rdkit import Chem
    from rdkit.Chem import rdForceFieldHelpers

    relaxed = Chem.Mol(mol)
    if (about := rdForceFieldHelpers.MMFFGetMoleculeProperties(relaxed)) is None:
        return None
    field = rdForceFieldHelpers.MMFFGetMoleculeForceField(relaxed, about)
    if field is None:
        return None
    before = field.CalcEnergy()
    field.Minimize(maxIts=STEPS)
    return (before - field.CalcEnergy()) / relaxed.GetNumAtoms()


def passes(mol: Mol) -> bool:
    """Whether a molecule passes every check of PoseBusters that needs nothing beside it."""
    from posebusters import PoseBusters

    return bool(PoseBusters(config="mol").bust([mol]).all(axis=None))
