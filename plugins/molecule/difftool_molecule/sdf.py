"""SDF and MOL files, V2000 and V3000 (CTfile formats, BIOVIA 2020), as they stand: hydrogens,
charges and bonds are the file's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import BinaryIO, NamedTuple

import numpy as np

from difftool import DataError

from .elements import NUMBERS
from .molecule import Molecule
from .reader import Atoms, TextReader

END = "M  END"
DELIMITER = "$$$$"
V30 = "M  V30 "

CHARGE_CODES = {"1": 3, "2": 2, "3": 1, "5": -1, "6": -2, "7": -3}
"""Formal charges by their code in an atom's line; ``M  CHG`` lines win."""

FLAT = 4
"""Atoms of a plane that are suspicious: three always lie in one."""

FIELD = re.compile(
    r"^>[^\n]*?<([^>\n]+)>[^\n]*\n((?:(?!\$\$\$\$)[^\n]*\S[^\n]*(?:\n|\Z))*)", re.MULTILINE
)

Atom = tuple[int, float, float, float, int]
"""Atomic number, x, y, z, formal charge."""


class Table(NamedTuple):
    """The content of a record, in both versions of the format."""

    atoms: list[Atom]
    bonds: list[tuple[int, int, int]]


class SdfReader(TextReader):
    """Records end with ``$$$$``; a MOL file is one record without it."""

    def starts(self, file: BinaryIO) -> Iterator[int]:
        start = here = 0
        filled = False
        for line in file:
            here += len(line)
            filled = filled or not line.isspace()
            if line.startswith(DELIMITER.encode()):
                yield start
                start, filled = here, False
        if filled:
            yield start

    def properties(self, text: str) -> Mapping[str, str]:
        return dict(FIELD.findall(text, max(0, text.find(END))))

    def constitution(self, text: str) -> Atoms:
        lines = text.split("\n")
        if "V3000" in lines[3]:
            found = _v3000(lines)
            return Atoms([z for z, *_ in found.atoms], any(charge for *_, charge in found.atoms))
        atoms = lines[4 : 4 + int(lines[3][:3])]
        charged = "\nM  CHG" in text or any(line[36:39].strip() in CHARGE_CODES for line in atoms)
        return Atoms([NUMBERS.get(line[31:34].strip(), 0) for line in atoms], charged)

    def parse(self, text: str, name: str) -> Molecule:
        lines = text.split("\n")
        end = next((i for i, line in enumerate(lines) if line.startswith(END)), -1)
        if fault := _cut_off(text, lines, end):
            raise DataError(
                f"{name} is cut off: {fault}. Copy the file again, or remove the molecule."
            )
        try:
            found = (_v3000 if "V3000" in lines[3] else _v2000)(lines[:end])
        except ValueError as error:
            raise DataError(f"{name} is damaged: {error}. Correct or remove it.") from None
        positions = np.array([row[1:4] for row in found.atoms], np.float64).reshape(-1, 3)
        _refuse_flat(positions, lines[1], name)
        numbers, charges = (
            np.array([row[column] for row in found.atoms], np.int64) for column in (0, 4)
        )
        return Molecule(numbers, positions, charges, tuple(found.bonds))


def _cut_off(text: str, lines: Sequence[str], end: int) -> str:
    """What is missing of a record whose atoms and bonds end with line ``end``, in words; nothing
    where it is whole.
    """
    if len(lines) < 4 or 0 <= end < 4:
        return "it ends before its line of counts"
    if end < 0:
        return f"it has no line {END!r}"
    fields = text[text.index(END) :].rstrip("\n")
    open_field = ">" in fields and DELIMITER not in fields and not text.endswith("\n\n")
    return f"it ends within its properties, at line {len(lines) - 1}" if open_field else ""


def _refuse_flat(positions: np.ndarray, second_line: str, name: str) -> None:
    """A drawing, all of it at z = 0; planar molecules say in the second line that they are meant to
    be 3D.
    """
    flag = second_line[20:22].upper()
    if (
        len(positions)
        and not positions[:, 2].any()
        and (flag == "2D" or (flag != "3D" and len(positions) >= FLAT))
    ):
        raise DataError(
            f"{name} is a drawing, all of it at z = 0: there is no geometry to learn. RDKit makes "
            "geometries from SMILES: give a list of those (.smi). If it is flat in truth, write "
            "3D into columns 21 and 22 of its second line."
        )


# --- both versions --------------------------------------------------------------------------------


def _atom(symbol: str, position: Sequence[str], charge: int, place: int) -> Atom:
    """Raises ValueError when there is no such element, or a coordinate is not a number."""
    if not (number := NUMBERS.get(symbol, 0)):
        raise ValueError(f"atom {place} is of no known element, {symbol!r}")
    try:
        x, y, z = map(float, position)
    except ValueError:
        raise ValueError(
            f"atom {place} has no three coordinates, but {' '.join(position)!r}"
        ) from None
    return number, x, y, z, charge


def _integers(texts: Iterable[str], what: str) -> list[int]:
    texts = list(texts)
    try:
        return [int(text) for text in texts]
    except ValueError:
        raise ValueError(f"{what} is {' '.join(texts)!r}") from None


def _bond(first: int, second: int, order: int, count: int, place: int) -> tuple[int, int, int]:
    """A bond with atoms counted from 0; files count from 1."""
    if not (1 <= first <= count and 1 <= second <= count) or first == second:
        raise ValueError(f"bond {place} is between atoms {first} and {second} of {count}")
    return first - 1, second - 1, order


# --- V2000: columns of fixed width ----------------------------------------------------------------


def _v2000(lines: list[str]) -> Table:
    count, bond_count = _integers((lines[3][:3], lines[3][3:6]), "its line of counts")
    rows, bonds, rest = (
        lines[4 : 4 + count],
        lines[4 + count : 4 + count + bond_count],
        lines[4 + count + bond_count :],
    )
    if len(rows) + len(bonds) < count + bond_count or (rest and not rest[0][:1].isalpha()):
        found = sum(not line[:1].isalpha() for line in lines[4:])
        raise ValueError(
            f"it says it has {count} atoms and {bond_count} bonds, and {found} lines are there "
            "for them"
        )
    charges = _charges(rows, rest)
    atoms = [
        _atom(
            row[31:34].strip(),
            (row[:10].strip(), row[10:20].strip(), row[20:30].strip()),
            charge,
            i,
        )
        for i, (row, charge) in enumerate(zip(rows, charges, strict=True), 1)
    ]
    ends = (
        _integers((line[:3], line[3:6], line[6:9]), f"bond {i}") for i, line in enumerate(bonds, 1)
    )
    return Table(
        atoms,
        [_bond(first, second, order, count, i) for i, (first, second, order) in enumerate(ends, 1)],
    )


def _charges(rows: Sequence[str], rest: Sequence[str]) -> list[int]:
    """Formal charges: of the lines ``M  CHG`` where there are any, else by the codes in the atoms'
    lines.
    """
    stated = [line[9:].split() for line in rest if line.startswith("M  CHG")]
    if not stated:
        return [CHARGE_CODES.get(row[36:39].strip(), 0) for row in rows]
    charges = [0] * len(rows)
    for words in stated:
        values = _integers(words, "a line of charges")
        for place, charge in zip(values[::2], values[1::2], strict=False):
            if not 1 <= place <= len(rows):
                raise ValueError(f"it gives a charge to atom {place} of {len(rows)}")
            charges[place - 1] = charge
    return charges


# --- V3000: words ---------------------------------------------------------------------------------


def _v3000(lines: Sequence[str]) -> Table:
    blocks = _blocks(lines)
    if len(counts := " ".join(blocks["COUNTS"]).split()[1:3]) < 2:
        raise ValueError("it has no line of counts")
    count, bond_count = _integers(counts, "its line of counts")
    rows = [row.split() for row in blocks["ATOM"]]
    bonds = [row.split() for row in blocks["BOND"]]
    if (len(rows), len(bonds)) != (count, bond_count):
        raise ValueError(
            f"it says it has {count} atoms and {bond_count} bonds, and there are {len(rows)} and "
            f"{len(bonds)}"
        )
    atoms = [
        _atom((*row, "", "")[1], row[2:5], _charge(row[5:]), i) for i, row in enumerate(rows, 1)
    ]
    place = {row[0]: i for i, row in enumerate(rows, 1)}
    words = ((*row, "", "", "", "")[1:4] for row in bonds)
    ends = (
        _integers((str(place.get(first, 0)), str(place.get(second, 0)), order), f"bond {i}")
        for i, (order, first, second) in enumerate(words, 1)
    )
    return Table(
        atoms,
        [_bond(first, second, order, count, i) for i, (first, second, order) in enumerate(ends, 1)],
    )


def _charge(words: Iterable[str]) -> int:
    return next(
        (_integers([word[4:]], "a charge")[0] for word in words if word.startswith("CHG=")), 0
    )


def _blocks(lines: Iterable[str]) -> dict[str, list[str]]:
    """The lines of the blocks of atoms and bonds, and that of the counts; a line that ends with a
    dash is continued in the next.
    """
    found: dict[str, list[str]] = {"COUNTS": [], "ATOM": [], "BOND": []}
    block, begun = "", ""
    for line in lines:
        if not line.startswith(V30):
            continue
        begun += line[len(V30) :].rstrip()
        if begun.endswith("-"):
            begun = begun[:-1]
            continue
        word, _, rest = begun.partition(" ")
        if word in ("BEGIN", "END"):
            block = rest.strip() if word == "BEGIN" else ""
        elif word == "COUNTS" or block in ("ATOM", "BOND"):
            found[block if block in found else word].append(begun)
        begun = ""
    return found
