"""Raw molecules to SDF and XYZ files, written atomically, with their provenance."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

from difftool import creating

from .elements import SYMBOLS
from .molecule import CHARGE, Molecule
from .perceive import Structure, structure
from .reader import PROVENANCE

Format = Literal["sdf", "xyz"]

PROGRAM = "difftool"

V2000_MOST = 999
"""Atoms, and bonds, that the older form of SDF can count to."""

V2000_WIDEST = 9999.0
"""Angstrom that its columns have room for."""


def write(example: np.ndarray, stem: Path, format: Format, info: Mapping[str, Any]) -> Path:
    """Write float ``[n, 5]`` to ``stem`` plus the format's suffix; returns the path.

    The same molecule gives the same bytes.

    SDF has bonds and formal charges: RDKit's where it is installed and finds any, else those of the
    tables of bond lengths. It is of the form V2000, which every program reads, unless the molecule
    is too large for that. XYZ has atoms, and their charges if any.

    Args:
        info: provenance, kept as JSON in SDF's field or XYZ's comment of the name ``difftool``.

    Raises:
        UsageError: the file exists; it is left as it was.
        DifftoolError: the disk is full.
    """
    path = stem.with_name(f"{stem.name}.{format}")
    lines = WRITERS[format](example, stem.name, json.dumps(info, default=str) if info else "")
    with creating(path) as partial:
        partial.write_bytes("".join(f"{line}\n" for line in lines).encode())
    return path


def _symbols(example: np.ndarray) -> list[str]:
    return [SYMBOLS[z] for z in Molecule.from_raw(example).numbers]


# --- SDF ------------------------------------------------------------------------------------------


def _sdf(example: np.ndarray, name: str, provenance: str) -> Iterator[str]:
    """CTfile formats, BIOVIA 2020.

    The second line has room for a date: without one, the bytes stay the same.
    """
    found = structure(example)
    large = (
        max(len(example), len(found.bonds)) > V2000_MOST
        or (np.abs(example[:, :3]) >= V2000_WIDEST).any()
    )
    yield from (" ".join(name.split())[:80], f"  {PROGRAM:<8}{'':10}3D", "")
    yield from (_v3000 if large else _v2000)(example, found)
    yield "M  END"
    if provenance:
        yield from (f">  <{PROVENANCE}>", provenance, "")
    yield "$$$$"


def _v2000(example: np.ndarray, found: Structure) -> Iterator[str]:
    yield f"{len(example):3d}{len(found.bonds):3d}  0  0  0  0  0  0  0  0999 V2000"
    for symbol, (x, y, z) in zip(_symbols(example), example[:, :3], strict=True):
        yield f"{x:10.4f}{y:10.4f}{z:10.4f} {symbol:<3}" + " 0" + "  0" * 11
    for i, j, order in found.bonds:
        yield f"{i + 1:3d}{j + 1:3d}{order:3d}  0"
    ions = np.flatnonzero(found.charges).tolist()
    for some in (ions[k : k + 8] for k in range(0, len(ions), 8)):  # as many as a line may hold
        yield f"M  CHG{len(some):3d}" + "".join(f" {i + 1:3d} {found.charges[i]:3d}" for i in some)


def _v3000(example: np.ndarray, found: Structure) -> Iterator[str]:
    yield "  0  0  0     0  0            999 V3000"
    yield from (
        "M  V30 BEGIN CTAB",
        f"M  V30 COUNTS {len(example)} {len(found.bonds)} 0 0 0",
        "M  V30 BEGIN ATOM",
    )
    for i, (symbol, (x, y, z), charge) in enumerate(
        zip(_symbols(example), example[:, :3], found.charges, strict=True), 1
    ):
        yield f"M  V30 {i} {symbol} {x:.4f} {y:.4f} {z:.4f} 0" + (
            f" CHG={charge}" if charge else ""
        )
    yield from ("M  V30 END ATOM", "M  V30 BEGIN BOND")
    for k, (i, j, order) in enumerate(found.bonds, 1):
        yield f"M  V30 {k} {order} {i + 1} {j + 1}"
    yield from ("M  V30 END BOND", "M  V30 END CTAB")


# --- XYZ ------------------------------------------------------------------------------------------


def _xyz(example: np.ndarray, name: str, provenance: str) -> Iterator[str]:
    """Extended XYZ (https://github.com/libAtoms/extxyz).

    It is plain XYZ too, unless ions ask for a column of their charges.
    """
    del name
    charged = bool(example[:, CHARGE].any())
    yield str(len(example))
    yield (
        "Properties=species:S:1:pos:R:3"
        + ":formal_charge:I:1" * charged
        + f" {PROVENANCE}={_quoted(provenance)}" * bool(provenance)
    )
    for symbol, (x, y, z), charge in zip(
        _symbols(example), example[:, :3], example[:, CHARGE], strict=True
    ):
        yield f"{symbol:<2} {x:12.6f} {y:12.6f} {z:12.6f}" + f" {charge:3.0f}" * charged


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


WRITERS: dict[Format, Callable[[np.ndarray, str, str], Iterator[str]]] = {"sdf": _sdf, "xyz": _xyz}
