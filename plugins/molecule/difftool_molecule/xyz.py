"""XYZ, plain and extended (https://github.com/libAtoms/extxyz), and QM9's own.

Ramakrishnan et al. 2014, doi:10.1038/sdata.2014.22.

A record is the number of atoms, a comment, and a line for each atom: symbol, x, y, z in angstrom.
An extended comment tells the columns of these lines by ``Properties=`` and holds properties as
``key=value``. QM9's comment is ``gdb``, a number and fifteen properties; after the atoms come lines
of frequencies, SMILES and InChI, and a number may be written as ``1.2*^-6``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import BinaryIO, NamedTuple

import numpy as np

from difftool import DataError, remark

from .elements import NUMBERS
from .molecule import Molecule
from .reader import Atoms, TextReader

QM9 = ("A", "B", "C", "mu", "alpha", "homo", "lumo", "gap", "r2", "zpve", "U0", "U", "H", "G", "Cv")
"""The properties of QM9 in the order of its files."""

QM9_TAIL = 3
"""Lines after the atoms in QM9's files."""

CELL = ("lattice", "pbc", "properties", "virial", "stress")
"""Keys of extended XYZ that speak of a crystal's cell, or of the file."""

CHARGES = ("formal_charge", "formal_charges")

PAIR = re.compile(
    r"""(?:^|(?<=\s))([A-Za-z_][\w.-]*)=("(?:[^"\\]|\\.)*"|'[^']*'|\{[^}]*\}|\[[^\]]*\]|\S+)"""
)
NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
VECTOR = re.compile(rf"[\[{{]|{NUMBER.pattern}([\s,]+{NUMBER.pattern})+\s*$")


class Layout(NamedTuple):
    """The columns of the values in an atom's line; a file may have no charges."""

    symbol: int = 0
    position: int = 1
    charge: int | None = None


class XyzReader(TextReader):
    """One molecule after another, each beginning where a line holds a number alone and the line
    above it did not.
    """

    def starts(self, file: BinaryIO) -> Iterator[int]:
        here, begun, fresh = 0, False, False
        for line in file:
            if fresh:  # a comment may be a number too
                fresh = False
            elif (fresh := line.strip().isdigit()) or (line.strip() and not begun):
                yield here
                begun = True
            here += len(line)

    def properties(self, text: str) -> Mapping[str, str]:
        comment = text.replace("*^", "e").split("\n", 2)[1] if "\n" in text else ""
        if _is_qm9(comment):
            return dict(zip(QM9, comment.split()[2:], strict=True))
        return dict(_pairs(comment))

    def constitution(self, text: str) -> Atoms:
        first, comment, *lines = text.rstrip().split("\n")
        count, layout = int(first), _layout(comment)
        rows = [line.split() for line in lines[:count]]
        numbers = [_element(row[layout.symbol]) for row in rows]
        if len(numbers) != count:
            raise ValueError(f"{len(numbers)} atoms of {count}")
        charged = layout.charge is not None and any(float(row[layout.charge]) for row in rows)
        return Atoms(numbers, charged)

    def parse(self, text: str, name: str) -> Molecule:
        first, _, rest = text.replace("*^", "e").partition("\n")
        if not first.strip().isdecimal():
            raise DataError(
                f"{name} does not begin with the number of its atoms, but with "
                f"{first.strip()[:40]!r}. Correct or remove it."
            )
        comment, _, rest = rest.partition("\n")
        lines, count = rest.rstrip().split("\n") if rest.strip() else [], int(first)
        if len(lines) != (count + QM9_TAIL if _is_qm9(comment) else count):
            raise DataError(
                f"{name} says it has {count} atoms, and {len(lines)} lines follow. It is cut off, "
                "or the number is wrong."
            )
        _tell_periodic(comment)
        return _molecule(lines[:count], _layout_of(comment, name), name)


def _molecule(lines: list[str], layout: Layout, name: str) -> Molecule:
    rows = [_atom(line.split(), layout, f"{name}, atom {i},") for i, line in enumerate(lines, 1)]
    numbers, positions, charges = zip(*rows, strict=True) if rows else ((), (), ())
    return Molecule(
        np.array(numbers, np.int64),
        np.array(positions, np.float64).reshape(-1, 3),
        np.array(charges, np.int64),
    )


def _atom(row: list[str], layout: Layout, name: str) -> tuple[int, list[float], int]:
    start = layout.position
    try:
        number = _element(row[layout.symbol])
        position = [_real(row[start]), _real(row[start + 1]), _real(row[start + 2])]
        charge = 0 if layout.charge is None else int(float(row[layout.charge]))
    except (ValueError, OverflowError, IndexError):
        raise DataError(
            f"{name} is not a symbol and three numbers but {' '.join(row)[:60]!r}. Correct or "
            "remove it."
        ) from None
    if not number:
        raise DataError(
            f"{name} is of no known element: {row[layout.symbol]!r}. Symbols are as in the "
            "periodic table: H, C, Cl."
        )
    return number, position, charge


def _element(word: str) -> int:
    """The atomic number of a symbol, with or without the atom's own number (``O1``); 0 if unknown."""
    return NUMBERS.get(word) or NUMBERS.get(word.rstrip("0123456789"), 0)


def _real(word: str) -> float:
    """A number, also as Fortran writes it: ``1.0D+00``."""
    return float(word.replace("D", "e").replace("d", "e"))


# --- comments -------------------------------------------------------------------------------------


def _is_qm9(comment: str) -> bool:
    return comment.startswith("gdb") and len(comment.split()) == 2 + len(QM9)


def _pairs(comment: str) -> Iterator[tuple[str, str]]:
    """Keys and values.

    A plain comment may be anything, a SMILES among it, so that there only what is a number or
    quoted counts.
    """
    extended = "properties=" in comment.lower()
    for key, value in PAIR.findall(comment) if "=" in comment else ():
        text = re.sub(r"\\(.)", r"\1", value[1:-1]) if value[0] in "\"'" else value
        if (
            key.lower() not in CELL
            and not VECTOR.match(text)
            and (extended or text != value or NUMBER.fullmatch(value))
        ):
            yield key, text


def _layout(comment: str) -> Layout:
    """Where ``Properties=species:S:1:pos:R:3:...`` puts what.

    Raises ValueError when it does not say.
    """
    if "properties=" not in comment.lower():
        return Layout()
    value = next(
        (value.strip("\"'") for key, value in PAIR.findall(comment) if key.lower() == "properties"),
        "",
    ).split(":")
    widths = [int(width) for width in value[2::3]]
    columns = {name: sum(widths[:i]) for i, name in enumerate(value[::3])}
    symbol = next(
        (columns[name] for name in ("species", "symbols", "Z", "z") if name in columns), None
    )
    if symbol is None or "pos" not in columns:
        raise ValueError("no species and pos")
    return Layout(
        symbol, columns["pos"], next((columns[name] for name in CHARGES if name in columns), None)
    )


def _layout_of(comment: str, name: str) -> Layout:
    try:
        return _layout(comment)
    except ValueError:
        raise DataError(
            f"{name} has Properties without species and pos. Write them as "
            "Properties=species:S:1:pos:R:3."
        ) from None


def _tell_periodic(comment: str) -> None:
    if "lattice=" in (lower := comment.lower()) and 'pbc="f f f"' not in lower:
        remark("periodic: its cell is left aside, and its atoms are taken as they stand")
