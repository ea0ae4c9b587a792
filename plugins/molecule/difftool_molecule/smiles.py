"""Lists of SMILES, one molecule in each line or table row. RDKit computes their geometries."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from difftool import DataError, remark

from .chemistry import require_rdkit
from .molecule import Molecule, checked
from .packed import suffix_of
from .reader import Atoms, Columns, Reader, held, typed, whole_text

if TYPE_CHECKING:
    from rdkit.Chem import Mol

COLUMN = "smiles"
"""What the column of a table is called that holds them."""

NAME = "name"

SEED = 2020
"""Of the embedding, so that a SMILES has one geometry."""

ATTEMPTS = 50
"""Embeddings tried before a molecule is given up."""

LARGEST = 400
"""Atoms up to which a geometry is made.

Time grows with a high power of their number: of 450 it took half a minute.
"""

STEPS = 2000
"""Of the minimisation, at most."""

GAP = 4.0
"""Angstrom between the parts of a salt before the minimisation, which brings them together."""

FOR_WHAT = "Reading SMILES"


class Row(NamedTuple):
    """A molecule and its line number, from 1."""

    smiles: str
    line: int


class Listing(NamedTuple):
    """A file's rows and, for each, its further columns."""

    rows: list[Row]
    columns: list[Columns]


class SmilesReader(Reader):
    """``.smi`` files: a SMILES and, after a blank, a name.

    Tables: a column called smiles, and others.
    """

    def columns(self, path: Path) -> list[Columns]:
        return held(listing, path).columns

    def atoms(self, path: Path) -> list[Atoms | None]:
        return [_constitution(row.smiles) for row in held(listing, path).rows]

    def molecule(self, path: Path, part: int) -> Molecule:
        row = held(listing, path).rows[part]
        name = f"{path} (line {row.line}: {row.smiles})"
        return checked(conformer(row.smiles, name), name)


def listing(path: Path) -> Listing:
    """What a file lists. Raises DataError when it lists nothing, or has no column of SMILES."""
    table = {".csv": ",", ".tsv": "\t"}.get(suffix_of(path))
    found = list(_from_table(path, table) if table else _from_lines(path))
    if not found:
        raise DataError(f"{path} lists no molecules. Remove it or copy it again.")
    return Listing([row for row, _ in found], typed([columns for _, columns in found]))


def _from_lines(path: Path) -> Iterator[tuple[Row, dict[str, str]]]:
    for number, line in enumerate(whole_text(path).split("\n"), 1):
        smiles, *rest = line.split(maxsplit=1) or [""]
        if smiles and not line.startswith("#") and not (number == 1 and smiles.lower() == COLUMN):
            yield Row(smiles, number), {NAME: rest[0]} if rest else {}


def _from_table(path: Path, delimiter: str) -> Iterator[tuple[Row, dict[str, str]]]:
    reader = csv.reader(io.StringIO(whole_text(path)), delimiter=delimiter)
    try:
        header = [cell.strip() for cell in next(reader, [])]
        smiles = header[_column(header, path)]
        for cells in filter(any, reader):
            row = dict(zip(header, cells, strict=False))
            yield Row(row.pop(smiles, "").strip(), reader.line_num), row
    except csv.Error as error:
        raise DataError(
            f"{path}, line {reader.line_num}: no table of text ({error}). Save it as "
            "comma-separated text."
        ) from None


def _column(header: list[str], path: Path) -> int:
    """The place of the column of SMILES: that of this name, else the only one with it in its name."""
    lower = [name.lower() for name in header]
    if COLUMN in lower:
        return lower.index(COLUMN)
    near = [i for i, name in enumerate(lower) if COLUMN in name]
    if len(near) != 1:
        shown = ", ".join(header)[:200] or "none"
        raise DataError(
            f"{path} has no column smiles. Name one so in its first line, or remove the file. (It "
            f"has: {shown}.)"
        )
    return near[0]


# --- chemistry ------------------------------------------------------------------------------------


def _constitution(smiles: str) -> Atoms | None:
    """The atoms, with the hydrogens that the geometry will have."""
    chem = require_rdkit(FOR_WHAT)
    if not smiles or (mol := chem.MolFromSmiles(smiles)) is None:
        return None
    atoms = list(mol.GetAtoms())
    hydrogens = sum(atom.GetTotalNumHs() for atom in atoms)
    return Atoms(
        [atom.GetAtomicNum() for atom in atoms] + [1] * hydrogens,
        any(atom.GetFormalCharge() for atom in atoms),
    )


def conformer(smiles: str, name: str) -> Molecule:
    """One geometry with all hydrogens, the same each time: ETKDGv3 (Wang et al. 2020), minimised in
    MMFF94 where that knows the molecule.

    Raises:
        DataError: it is not a SMILES, or no geometry can be found.
        UsageError: RDKit is not installed.
    """
    chem = require_rdkit(FOR_WHAT)
    if not smiles or (flat := chem.MolFromSmiles(smiles)) is None:
        raise DataError(
            f"{name} is not the SMILES of a molecule. Correct or remove it. ({_why_not(smiles)})"
        )
    mol = chem.AddHs(flat)
    if (count := mol.GetNumAtoms()) > LARGEST:
        raise DataError(
            f"{name} has {count} atoms. Give a file with its geometry: of more than {LARGEST}, "
            "making one takes minutes."
        )
    _embed(mol, name)
    return _as_molecule(mol)


def _embed(mol: Mol, name: str) -> None:
    from rdkit.Chem import rdDistGeom, rdForceFieldHelpers

    how: Any = rdDistGeom.ETKDGv3()  # its stubs think that its settings are of its own kind
    how.randomSeed, how.maxIterations = SEED, ATTEMPTS
    if rdDistGeom.EmbedMolecule(mol, how) != 0:
        how.useRandomCoords = True  # finds large rings and cages that distances alone do not
        if rdDistGeom.EmbedMolecule(mol, how) != 0:
            raise DataError(
                f"{name} was given no geometry in {2 * ATTEMPTS} attempts of RDKit's. Remove it, "
                "or give a file with one."
            )
    _set_apart(mol)
    if not rdForceFieldHelpers.MMFFHasAllMoleculeParams(mol):
        remark("MMFF94 does not know some of its atoms: its geometry is as embedded, not minimised")
    elif (
        rdForceFieldHelpers.MMFFOptimizeMolecule(
            mol, maxIters=STEPS, ignoreInterfragInteractions=False
        )
        != 0
    ):
        remark(f"its minimisation had not ended after {STEPS} steps")


def _set_apart(mol: Mol) -> None:
    """Move unconnected parts into a row: each was embedded around the origin, one inside the other."""
    parts = require_rdkit(FOR_WHAT).GetMolFrags(mol)
    if len(parts) < 2:
        return
    conformer = mol.GetConformer()
    positions, edge = conformer.GetPositions(), 0.0
    for part in map(list, parts):
        positions[part, 0] += edge - positions[part, 0].min()
        edge = positions[part, 0].max() + GAP
    conformer.SetPositions(positions)


def _why_not(smiles: str) -> str:
    """The reason that RDKit gives."""
    chem = require_rdkit(FOR_WHAT)
    if not smiles:
        return "There is none."
    if (mol := chem.MolFromSmiles(smiles, sanitize=False)) is None:
        return "Its syntax is wrong."
    return (
        "; ".join(problem.Message() for problem in chem.DetectChemistryProblems(mol))
        or "It cannot be made sense of."
    )


def _as_molecule(mol: Mol) -> Molecule:
    atoms = list(mol.GetAtoms())
    return Molecule(
        np.array([atom.GetAtomicNum() for atom in atoms], np.int64),
        np.asarray(mol.GetConformer().GetPositions(), np.float64),
        np.array([atom.GetFormalCharge() for atom in atoms], np.int64),
        tuple(
            (
                bond.GetBeginAtomIdx(),
                bond.GetEndAtomIdx(),
                4 if bond.GetIsAromatic() else round(bond.GetBondTypeAsDouble()),
            )
            for bond in mol.GetBonds()
        ),
    )
