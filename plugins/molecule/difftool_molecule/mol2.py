"""Tripos MOL2: records of sections, of which the atoms are read.

Tripos Mol2 File Format, SYBYL 7.1 (2005). An atom's line has its number, name, x, y, z in angstrom
and SYBYL type, such as ``C.ar``, whose first part is the element. The partial charges of the file
are no formal ones, so atoms have none, but for the ammonium of type ``N.4``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import BinaryIO

import numpy as np

from difftool import DataError

from .elements import NUMBERS
from .molecule import Molecule
from .reader import Atoms, TextReader

SECTION, RECORD, ATOMS = "@<TRIPOS>", b"@<TRIPOS>MOLECULE", "@<TRIPOS>ATOM"

CHARGES = {"N.4": 1}
"""Types that say a formal charge."""


class Mol2Reader(TextReader):
    """One molecule after another, each beginning with its section ``MOLECULE``."""

    def starts(self, file: BinaryIO) -> Iterator[int]:
        here = 0
        for line in file:
            if line.strip() == RECORD:
                yield here
            here += len(line)

    def properties(self, text: str) -> Mapping[str, str]:
        return {}

    def constitution(self, text: str) -> Atoms:
        kinds = [row[5] for row in _rows(text)]
        return Atoms([_element(kind) for kind in kinds], any(kind in CHARGES for kind in kinds))

    def parse(self, text: str, name: str) -> Molecule:
        rows, said = _rows(text), _said(text)
        if len(rows) != said:
            raise DataError(
                f"{name} says it has {said} atoms, and {len(rows)} lines of atoms follow. It is "
                "cut off, or the number is wrong."
            )
        numbers, positions, charges = [], [], []
        for i, row in enumerate(rows, 1):
            try:
                positions.append([float(word) for word in row[2:5]])
                numbers.append(_element(row[5]))
            except (ValueError, IndexError):
                raise DataError(
                    f"{name}, atom {i}, is not a number, a name, three numbers and a type but "
                    f"{' '.join(row)[:60]!r}. Correct or remove it."
                ) from None
            if not numbers[-1]:
                raise DataError(f"{name}, atom {i}, is of no known element: {row[5]!r}.")
            charges.append(CHARGES.get(row[5], 0))
        return Molecule(
            np.array(numbers, np.int64),
            np.array(positions, np.float64).reshape(-1, 3),
            np.array(charges, np.int64),
        )


def _rows(text: str) -> list[list[str]]:
    """The words of each atom's line."""
    _, _, rest = text.partition(ATOMS)
    section = rest.partition(SECTION)[0]
    return [row for line in section.split("\n")[1:] if (row := line.split()) and row[0] != "#"]


def _said(text: str) -> int:
    """The number of atoms that the record announces, in the line below the molecule's name."""
    lines = text.split("\n")
    words = lines[2].split() if len(lines) > 2 else []
    return int(words[0]) if words and words[0].isdecimal() and len(words[0]) < 10 else -1


def _element(kind: str) -> int:
    """The atomic number of a SYBYL type; 0 for none, such as a dummy."""
    return NUMBERS.get(kind.partition(".")[0].capitalize(), 0)
