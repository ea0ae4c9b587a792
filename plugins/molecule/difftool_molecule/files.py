"""The file formats of molecules, and their readers."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pathlib import Path

from difftool import DataError

from .molecule import Molecule
from .packed import GZIP, suffix_of
from .reader import Atoms, Columns, Reader

READERS = {
    ".sdf": "sdf:SdfReader", ".sd": "sdf:SdfReader", ".mol": "sdf:SdfReader", ".mdl": "sdf:SdfReader",
    ".xyz": "xyz:XyzReader", ".extxyz": "xyz:XyzReader",
    ".mol2": "mol2:Mol2Reader",
    ".pdb": "pdb:PdbReader", ".ent": "pdb:PdbReader",
    ".npz": "arrays:ArrayReader",
    ".smi": "smiles:SmilesReader", ".smiles": "smiles:SmilesReader", ".csv": "smiles:SmilesReader", ".tsv": "smiles:SmilesReader",
}  # fmt: skip

SUFFIXES = (*READERS, GZIP)


def columns_of(path: Path) -> list[Columns]:
    """The properties of each molecule in a file: numbers where all that have one have a number,
    else text. No geometry is made.

    A file that is bad as a whole counts as one molecule, so that it is named, as bad molecules are,
    when that is read.
    """
    try:
        return reader(path).columns(path)
    except DataError:
        return [{}]


def atoms_of(path: Path) -> list[Atoms | None]:
    """The atoms of each molecule in a file without their geometry; None for one that is bad.

    Raises:
        UsageError: RDKit is needed for it and not installed.
    """
    try:
        return reader(path).atoms(path)
    except DataError:
        return [None]


def molecule(path: Path, part: int = 0) -> Molecule:
    """One molecule of a file, as it stands there.

    Args:
        part: its number in the file, from 0.

    Raises:
        DataError: the file or the molecule is bad; names it, and says how.
        UsageError: RDKit is needed for it and not installed.
    """
    return reader(path).molecule(path, part)


def reader(path: Path) -> Reader:
    """The reader of files with this suffix. Raises DataError if there is none."""
    suffix = suffix_of(path)
    if suffix not in READERS or (suffix == ".npz" and path.suffix.lower() == GZIP):
        raise DataError(
            f"{path} is not a file of molecules, judging by its suffix. Give it the right one; "
            f"supported are: {' '.join(SUFFIXES)}."
        )
    return _reader(READERS[suffix])


@cache
def _reader(target: str) -> Reader:
    module, name = target.split(":")
    return getattr(import_module(f".{module}", __package__), name)()
