"""Small molecules, in memory and as the text of files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from difftool import DataError
from difftool_molecule.elements import SYMBOLS, number
from difftool_molecule.files import molecule
from difftool_molecule.modality import MoleculeModality
from difftool_molecule.molecule import Molecule
from difftool_molecule.options import MoleculeOptions

Bonds = Sequence[tuple[int, int, int]]


def made(
    symbols: str, positions: Any, charges: Sequence[int] = (), bonds: Bonds | None = None
) -> Molecule:
    """A molecule of symbols apart by blanks."""
    numbers = np.array([number(symbol) for symbol in symbols.split()], np.int64)
    return Molecule(
        numbers,
        np.array(positions, np.float64).reshape(-1, 3),
        np.array(charges or [0] * len(numbers), np.int64),
        None if bonds is None else tuple(bonds),
    )


def water(x: float = 0.0) -> Molecule:
    """Moved along the first axis."""
    return made(
        "O H H",
        [[x, 0, 0.119], [x, 0.763, -0.477], [x, -0.763, -0.477]],
        bonds=[(0, 1, 1), (0, 2, 1)],
    )


def methane(length: float = 1.09) -> Molecule:
    corners = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) * length / 3**0.5
    return made("C H H H H", [[0, 0, 0], *corners], bonds=[(0, i, 1) for i in range(1, 5)])


def salt() -> Molecule:
    """Hydroxide with lithium beside it, out of reach of a bond."""
    return made(
        "O H Li", [[0, 0, 0.1], [0, 0, 1.06], [0, 3.5, 0]], charges=[-1, 0, 1], bonds=[(0, 1, 1)]
    )


def carbons(n: int) -> Molecule:
    """A zigzag chain."""
    k = np.arange(n)
    return made(
        "C " * n,
        np.stack([1.25 * k, 0.8 * (k % 2), 0.1 * (k % 3)], 1),
        bonds=[(i, i + 1, 1) for i in range(n - 1)],
    )


# --- files -----------------------------------------------------------------------------------------------------------


def xyz(one: Molecule, comment: str = "") -> str:
    rows = (
        f"{SYMBOLS[z]} {x:.6f} {y:.6f} {w:.6f}"
        for z, (x, y, w) in zip(one.numbers, one.positions, strict=True)
    )
    return "\n".join([str(len(one.numbers)), comment, *rows]) + "\n"


def sdf(
    one: Molecule, flag: str = "3D", version: int = 2000, title: str = "", **fields: Any
) -> str:
    """A whole record."""
    block = v2000(one) if version == 2000 else v3000(one)
    data = "".join(f">  <{name}>\n{value}\n\n" for name, value in fields.items())
    return f"{title}\n  a test{'':12}{flag}\n\n{block}M  END\n{data}$$$$\n"


def v2000(one: Molecule) -> str:
    rows = [f"{len(one.numbers):3d}{len(one.bonds or ()):3d}  0  0  0  0  0  0  0  0999 V2000"]
    rows += [
        f"{x:10.4f}{y:10.4f}{w:10.4f} {SYMBOLS[z]:<3} 0  0  0  0"
        for z, (x, y, w) in zip(one.numbers, one.positions, strict=True)
    ]
    rows += [f"{i + 1:3d}{j + 1:3d}{order:3d}  0" for i, j, order in one.bonds or ()]
    rows += [f"M  CHG  1 {i + 1:3d} {one.charges[i]:3d}" for i in np.flatnonzero(one.charges)]
    return "\n".join(rows) + "\n"


def v3000(one: Molecule) -> str:
    """Atoms are numbered in tens, as they may be, and a line is broken, as it may be."""
    rows = ["  0  0  0     0  0            999 V3000"]
    rows += [
        "M  V30 BEGIN CTAB",
        f"M  V30 COUNTS {len(one.numbers)} {len(one.bonds or ())} 0 0 0",
        "M  V30 BEGIN ATOM",
    ]
    for i, (z, (x, y, w)) in enumerate(zip(one.numbers, one.positions, strict=True), 1):
        charge = one.charges[i - 1]
        rows += [
            f"M  V30 {10 * i} {SYMBOLS[z]} {x:.4f} {y:.4f} -",
            f"M  V30 {w:.4f} 0" + (f" CHG={charge}" if charge else ""),
        ]
    rows += ["M  V30 END ATOM", "M  V30 BEGIN BOND"]
    rows += [
        f"M  V30 {k} {order} {10 * (i + 1)} {10 * (j + 1)}"
        for k, (i, j, order) in enumerate(one.bonds or (), 1)
    ]
    return "\n".join([*rows, "M  V30 END BOND", "M  V30 END CTAB"]) + "\n"


def save(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())
    return path


def same(one: Molecule, other: Molecule, within: float = 1e-4) -> None:
    """The same atoms at the same places, with the same charges."""
    np.testing.assert_array_equal(one.numbers, other.numbers)
    np.testing.assert_allclose(one.positions, other.positions, atol=within)
    np.testing.assert_array_equal(one.charges, other.charges)


def refusal(path: Path, part: int = 0) -> str:
    """Why a molecule is refused."""
    with pytest.raises(DataError) as caught:
        molecule(path, part)
    assert str(path) in str(caught.value)
    return str(caught.value)


def modality(**options: Any) -> MoleculeModality:
    return MoleculeModality(MoleculeOptions(**options))


@pytest.fixture
def folder(tmp_path):
    """Ten molecules of two kinds in a file of each kind."""
    save(
        tmp_path / "water.xyz",
        "".join(xyz(water(x), f"Properties=species:S:1:pos:R:3 energy={x}") for x in range(5)),
    )
    save(
        tmp_path / "methane.sdf",
        "".join(sdf(methane(1.07 + 0.01 * k), energy=k - 0.5) for k in range(5)),
    )
    return tmp_path
