"""Bonds perceived from positions, as RDKit molecules, and for the files that are written."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .bonds import bonds
from .chemistry import has_rdkit, require_rdkit
from .elements import HYDROGEN
from .molecule import Molecule

if TYPE_CHECKING:
    from rdkit.Chem import Mol, RWMol

ITERATIONS = 20_000
"""Combinations of valencies that RDKit may try on one molecule, which takes it a third of a second.

Ordinary ones take a few. Of a chain of sulfur that lacks a hydrogen there are three to the power of
its length.
"""


class Structure(NamedTuple):
    """What a file says about a molecule apart from its positions.

    Attributes:
        bonds: ``(i, j, order)`` with ``i < j``, in their order.
        charges: int ``[n]``, formal.
    """

    bonds: tuple[tuple[int, int, int], ...]
    charges: np.ndarray


def structure(raw: np.ndarray) -> Structure:
    """Bonds and charges of ``[n, 5]``: RDKit's, in the Kekulé form, where it is there and finds
    any; else those of the tables.

    Where no hydrogen is, they are taken to have been dropped, and RDKit, which would fill all
    valencies without them, is not asked.
    """
    numbers, positions, charges, _ = Molecule.from_raw(raw)
    if HYDROGEN in numbers and has_rdkit() and (mol := perceived(raw)) is not None:
        return _kekulised(mol)
    found = bonds(numbers, positions)
    return Structure(
        tuple(zip(found.first.tolist(), found.second.tolist(), found.order.tolist(), strict=True)),
        charges,
    )


def _kekulised(mol: Mol) -> Structure:
    from rdkit import Chem

    plain = Chem.RWMol(mol)
    Chem.Kekulize(plain, clearAromaticFlags=True)
    ends = (
        (*sorted((bond.GetBeginAtomIdx(), bond.GetEndAtomIdx())), round(bond.GetBondTypeAsDouble()))
        for bond in plain.GetBonds()
    )
    return Structure(
        tuple(sorted((i, j, order) for i, j, order in ends)),
        np.array([atom.GetFormalCharge() for atom in plain.GetAtoms()]),
    )


# --- RDKit's molecules ----------------------------------------------------------------------------


def perceived(raw: np.ndarray) -> Mol | None:
    """``[n, 5]`` as a sanitised molecule by RDKit's xyz2mol (Kim & Kim 2015,
    doi:10.1002/bkcs.10334), or None where it finds none.

    It connects atoms by their covalent radii, and lays the bonds so that all valencies are filled
    and the formal charges add up to the sum of the example's. Hydrogens have to be there.

    Raises:
        UsageError: RDKit is not installed.
    """
    Chem = require_rdkit("Finding whole molecules")
    from rdkit.Chem import rdDetermineBonds

    if not np.isfinite(raw).all():
        return None
    mol = _atoms(raw)
    conformer = Chem.Conformer(mol.GetNumAtoms())
    conformer.SetPositions(Molecule.from_raw(raw).positions)
    mol.AddConformer(conformer)
    with suppress(ValueError, RuntimeError):  # what cannot be, and what took too many tries
        rdDetermineBonds.DetermineBonds(
            mol, charge=Chem.GetFormalCharge(mol), embedChiral=False, maxIterations=ITERATIONS
        )
        Chem.SanitizeMol(mol)
        return mol if _complete(mol) else None
    return None


def _complete(mol: Mol) -> bool:
    """Whether every valency is filled by an atom of the molecule: RDKit completes a single carbon
    atom to methane.
    """
    return not any(atom.GetTotalNumHs() or atom.GetNumRadicalElectrons() for atom in mol.GetAtoms())


def tabulated(raw: np.ndarray) -> Mol | None:
    """``[n, 5]`` as a sanitised molecule with the bonds of the tables, or None where an atom has
    more of them than it can.

    An atom with fewer than it can have passes: RDKit thinks hydrogens in. So it was published, and
    so fragments pass.

    Raises:
        UsageError: RDKit is not installed.
    """
    Chem = require_rdkit("Judging bonds")
    kinds = {1: Chem.BondType.SINGLE, 2: Chem.BondType.DOUBLE, 3: Chem.BondType.TRIPLE}
    mol = _atoms(raw)
    numbers, positions, _, _ = Molecule.from_raw(raw)
    found = bonds(numbers, positions)
    for i, j, order in zip(
        found.first.tolist(), found.second.tolist(), found.order.tolist(), strict=True
    ):
        mol.AddBond(i, j, kinds[order])
    with suppress(ValueError):
        Chem.SanitizeMol(mol)
        return mol
    return None


def _atoms(raw: np.ndarray) -> RWMol:
    """Atoms without bonds."""
    from rdkit import Chem

    mol = Chem.RWMol()
    numbers, _, charges, _ = Molecule.from_raw(raw)
    for number, charge in zip(numbers.tolist(), charges.tolist(), strict=True):
        atom = Chem.Atom(number)
        atom.SetFormalCharge(charge)
        mol.AddAtom(atom)
    return mol


def connected(mol: Mol) -> bool:
    """Whether all atoms are connected."""
    from rdkit import Chem

    return len(Chem.GetMolFrags(mol)) == 1


def smiles(mol: Mol) -> str:
    """The canonical SMILES of the constitution: mirror images and isomers about a double bond are
    the same.
    """
    from rdkit import Chem

    return Chem.MolToSmiles(Chem.RemoveHs(mol), isomericSmiles=False)
