"""What part of a molecule a user means, and what is kept of the rest."""

from __future__ import annotations

import numpy as np

from difftool import UsageError

from .centred import AXES
from .chemistry import require_rdkit
from .connect import parts
from .elements import HYDROGEN
from .molecule import Molecule
from .options import MoleculeSelection
from .perceive import perceived, tabulated

BRIDGED = 2.5
"""Angstrom between two atoms that are both bonded to a third."""

LINK = 1.27
"""Angstrom by which one more atom lengthens a chain of carbon."""


def selected(
    example: np.ndarray, selection: MoleculeSelection
) -> tuple[np.ndarray, np.ndarray | None]:
    """The molecule ``[n, 5]`` with the atoms that are asked for, and which are meant ``[n, 1]``.

    Raises UsageError where the selection does not fit the molecule.
    """
    meant = np.zeros((len(example), 1), bool)
    for part in selection.atoms.split(",") if selection.atoms else ():
        meant[_span(part, len(example))] = True
    if selection.smarts:
        meant[matching(example, selection.smarts)] = True
    if added := bridging(example) if selection.add == "auto" else selection.add:
        more = ((0, added), (0, 0))
        example, meant = np.pad(example, more), np.pad(meant, more, constant_values=True)
    return example, meant if meant.any() else None


def bridging(example: np.ndarray) -> int:
    """Atoms of a linker between the two parts of ``[n, 5]``: a chain that is as long as they are
    apart, each link of it with two hydrogens where the molecule has any.

    Raises UsageError where it has other than two parts.
    """
    molecule = Molecule.from_raw(example)
    if len(found := parts(molecule)) != 2:
        raise UsageError(
            f"--add auto chooses the atoms of a linker between two parts, and the molecule has "
            f"{len(found)}. Say how many atoms to add, such as --add 5."
        )
    heavy = molecule.numbers != HYDROGEN
    one, two = (molecule.positions[part[heavy[part]]] for part in found)
    if not len(one) or not len(two):
        one, two = (molecule.positions[part] for part in found)
    distance = float(np.linalg.norm(one[:, None] - two[None], axis=-1).min())
    links = max(1, 1 + round((distance - BRIDGED) / LINK))
    return links * (1 if heavy.all() else 3)


def matching(example: np.ndarray, smarts: str) -> list[int]:
    """The atoms of ``[n, 5]`` that a pattern covers, in any of its places.

    Raises UsageError where it is not a pattern, or nothing matches.
    """
    Chem = require_rdkit("Selecting atoms by a SMARTS pattern")
    pattern = Chem.MolFromSmarts(smarts)
    if pattern is None:
        raise UsageError(f"--smarts {smarts} is not a SMARTS pattern. Write one, such as [OX2H].")
    molecule = perceived(example) or tabulated(example)
    if molecule is None:
        raise UsageError(
            "--smarts cannot be used, because the bonds of the molecule cannot be told from its "
            "positions. Number the atoms with --atoms."
        )
    places = molecule.GetSubstructMatches(pattern)
    if not places:
        raise UsageError(
            f"--smarts {smarts} matches no atom of the molecule. Use another pattern, or number "
            "the atoms with --atoms."
        )
    return sorted({atom for place in places for atom in place})


def put_back(made: np.ndarray, example: np.ndarray, selected: np.ndarray) -> np.ndarray:
    """What was made ``[n, 5]``, moved to where the kept atoms are in the file, with these as they
    are there.
    """
    kept = ~selected[:, 0].astype(bool)
    if made.shape != example.shape or not kept.any():
        return made
    moved = made.copy()
    moved[:, :AXES] += (example[kept, :AXES] - made[kept, :AXES]).mean(0)
    return np.where(selected.astype(bool), moved, example)


def _span(part: str, atoms: int) -> slice:
    """Atoms such as 3-7 or 9, counted from 1. Raises UsageError where there are none."""
    first, _, last = part.partition("-")
    last = last or first
    if not (first.strip().isdigit() and last.strip().isdigit()):
        raise UsageError(f"--atoms: {part} does not have the form N or N-N, such as 3-7,9.")
    if not 1 <= int(first) <= int(last) <= atoms:
        raise UsageError(
            f"--atoms: {part} is not a part of the molecule, whose atoms are 1 to {atoms}."
        )
    return slice(int(first) - 1, int(last))
