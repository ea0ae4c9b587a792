"""geometry: clashes, strain and the checks of PoseBusters."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np

from difftool import Metric

from .bonds import bonds
from .chemistry import require_rdkit
from .molecule import Molecule
from .near import near
from .perceive import connected, perceived

if TYPE_CHECKING:
    from rdkit.Chem import Mol

CLOSE = 0.6
"""Share of the sum of two van der Waals radii below which atoms that share no neighbour clash."""

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
        if find_spec("posebusters"):
            found["posebusters"] = sum(map(passes, whole)) / len(some)
        return found


def clashes(raw: np.ndarray) -> bool:
    """Whether two atoms at least three bonds apart lie in each other, by their radii."""
    from rdkit.Chem import GetPeriodicTable

    numbers, positions, _, _ = Molecule.from_raw(raw)
    radius = np.array([GetPeriodicTable().GetRvdw(int(z)) for z in numbers])
    first, second, _ = near(positions, CLOSE * radius)
    found = bonds(numbers, positions)
    joined = np.eye(len(numbers), dtype=int)
    joined[found.first, found.second] = joined[found.second, found.first] = 1
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
