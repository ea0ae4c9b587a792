"""PDB files: their ligands, each a molecule (wwPDB format 3.3).

A ligand is a residue of HETATM records that is neither water nor a lone atom, nor a residue of the
chain itself, as selenomethionine is, which ``SEQRES`` lists. Each is taken by itself, where it is
bonded to another too, and from every model. Of an atom that is at alternative places, the first is
taken. Hydrogens are there where the file has them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import numpy as np

from difftool import DataError

from .elements import HYDROGEN, NUMBERS
from .molecule import Molecule, checked
from .reader import Atoms, Columns, Reader, called, held, whole_text

WATER = ("HOH", "WAT", "DOD", "H2O", "OH2", "TIP", "TIP3", "SOL")


class Ligand(NamedTuple):
    """A residue's lines, and the serial numbers of atoms that are bonded."""

    residue: str
    lines: list[str]
    bonds: frozenset[tuple[str, str]]


class PdbReader(Reader):
    """The ligands of a structure, in the file's order."""

    def columns(self, path: Path) -> list[Columns]:
        return [{"residue": ligand.residue} for ligand in held(ligands, path)]

    def atoms(self, path: Path) -> list[Atoms | None]:
        return [_constitution(ligand) for ligand in held(ligands, path)]

    def molecule(self, path: Path, part: int) -> Molecule:
        found = held(ligands, path)
        name = called(path, part, len(found))
        return checked(_molecule(found[part], name), name)


def ligands(path: Path) -> list[Ligand]:
    """All ligands of a file. Raises DataError when there are none."""
    lines = whole_text(path).split("\n")
    chain = {
        residue for line in lines if line.startswith("SEQRES") for residue in line[19:].split()
    }
    residues: dict[tuple[int, str], list[str]] = defaultdict(list)
    model = 0
    for line in lines:
        model += line.startswith("MODEL ")
        if (
            line.startswith("HETATM")
            and (residue := line[17:20].strip()) not in chain
            and residue not in WATER
        ):
            residues[model, line[17:27]].append(line)  # name, chain, number and insertion code
    bonds = _bonds(line for line in lines if line.startswith("CONECT"))
    found = [
        Ligand(kept[0][17:20].strip(), kept, bonds)
        for rows in residues.values()
        if len(kept := _one_place_each(rows)) > 1
    ]
    if not found:
        raise DataError(
            f"{path} holds no ligand: {_instead(lines)}. Ligands are HETATM records that are "
            "neither water nor lone ions."
        )
    return found


def _one_place_each(lines: Iterable[str]) -> list[str]:
    """Each atom once: of those that are marked as at alternative places, by their names, the first."""
    seen: set[str] = set()
    kept = []
    for line in lines:
        if line[16:17] == " " or line[12:16] not in seen:
            kept.append(line)
        if line[16:17] != " ":
            seen.add(line[12:16])
    return kept


def _instead(lines: Sequence[str]) -> str:
    atoms, others = (
        sum(line.startswith(record) for line in lines) for record in ("ATOM  ", "HETATM")
    )
    return (
        f"it has {atoms:,} atoms of chains and {others:,} others"
        if atoms or others
        else "it has no atoms at all"
    )


def _bonds(lines: Iterable[str]) -> frozenset[tuple[str, str]]:
    """Pairs of serial numbers from ``CONECT`` records, five columns to a number."""
    found = (
        (line[6:11].strip(), line[i : i + 5].strip()) for line in lines for i in range(11, 31, 5)
    )
    return frozenset((first, second) for first, second in found if second)


def _constitution(ligand: Ligand) -> Atoms | None:
    numbers = [_number(line) for line in ligand.lines]
    return Atoms(numbers, any(_charge(line) for line in ligand.lines)) if all(numbers) else None


def _molecule(ligand: Ligand, name: str) -> Molecule:
    numbers = [_number(line) for line in ligand.lines]
    if not all(numbers):
        line = ligand.lines[numbers.index(0)]
        raise DataError(
            f"{name} holds an atom of no known element: {line.rstrip()!r}. Write its symbol into "
            "columns 77 and 78."
        )
    try:
        positions = [
            [float(line[column : column + 8]) for column in (30, 38, 46)] for line in ligand.lines
        ]
    except ValueError as error:
        raise DataError(
            f"{name} has a coordinate that is not a number in columns 31 to 54. Correct or remove "
            f"it. ({error})"
        ) from None
    return Molecule(
        np.array(numbers, np.int64),
        np.array(positions, np.float64),
        np.array([_charge(line) for line in ligand.lines], np.int64),
        _bonded(ligand),
    )


def _bonded(ligand: Ligand) -> tuple[tuple[int, int, int], ...] | None:
    """The bonds among its atoms, where the file names some for each.

    It does not tell their orders.
    """
    serials = [line[6:11].strip() for line in ligand.lines]
    pairs = [
        (i, j)
        for i, j in combinations(range(len(serials)), 2)
        if {(serials[i], serials[j]), (serials[j], serials[i])} & ligand.bonds
    ]
    return (
        tuple((i, j, 1) for i, j in pairs)
        if len({atom for pair in pairs for atom in pair}) == len(serials)
        else None
    )


def _number(line: str) -> int:
    """The atomic number by the columns of the element; where they are blank, by the atom's name,
    whose symbol ends in its second column.

    A name of four letters that begins with H, such as HG11, is a hydrogen's, and has no room for
    that.
    """
    if symbol := line[76:78].strip():
        return NUMBERS.get(symbol, 0)
    if line[12:13] == "H" and " " not in line[12:16]:
        return HYDROGEN
    return NUMBERS.get(line[12:14].strip(" 0123456789"), 0)


def _charge(line: str) -> int:
    """As ``2+`` or ``1-``."""
    digit, sign = line[78:79], line[79:80]
    return int(digit) * (-1 if sign == "-" else 1) if digit.isdigit() and sign in ("+", "-") else 0
