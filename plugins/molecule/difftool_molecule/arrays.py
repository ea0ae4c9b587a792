"""NumPy archives (.npz) of arrays, one row to a molecule.

Either padded: positions ``[count, n, 3]`` and atomic numbers ``[count, n]`` with zeros where there
is no atom, or ``[n]`` where all are alike; or flat: positions ``[atoms, 3]``, numbers ``[atoms]``,
and ``offsets`` ``[count + 1]`` or ``sizes`` ``[count]``. Formal charges lie as the numbers do.
Further arrays of ``count`` values are properties. Positions are in angstrom.
"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from difftool import DataError

from .elements import NUMBERS, SYMBOLS
from .molecule import Molecule, checked
from .reader import PROVENANCE, Atoms, Columns, Reader, called, held, opened

POSITIONS = ("positions", "pos", "R", "coords", "coordinates", "xyz")
ELEMENTS = (
    "numbers",
    "atomic_numbers",
    "elements",
    "symbols",
    "z",
    "Z",
    "nuclear_charges",
    "species",
    "atoms",
    "charges",
)
CHARGES = ("formal_charges", "formal_charge", "charges")
OFFSETS = ("offsets", "offset", "ptr", "indptr")
SIZES = ("sizes", "size", "num_atoms", "n_atoms", "natoms", "counts")
"""What the arrays are called, the likeliest first."""


class Table(NamedTuple):
    """Molecules one after another: of the i-th, the atoms ``offsets[i]`` to ``offsets[i + 1]``,
    rows without an element being padding.

    Attributes:
        numbers: int64 ``[atoms]``.
        positions: ``[atoms, 3]``.
        charges: int64 ``[atoms]``.
        offsets: int64 ``[count + 1]``.
        columns: one for each molecule.
    """

    numbers: np.ndarray
    positions: np.ndarray
    charges: np.ndarray
    offsets: np.ndarray
    columns: list[Columns]


class ArrayReader(Reader):
    """Archives are read whole, and kept in memory while they are in use."""

    def columns(self, path: Path) -> list[Columns]:
        return held(table, path).columns

    def atoms(self, path: Path) -> list[Atoms | None]:
        found = held(table, path)
        rows, charges = (
            np.split(array, found.offsets[1:-1]) for array in (found.numbers, found.charges)
        )
        return [
            _constitution(row[row != 0], charge) for row, charge in zip(rows, charges, strict=True)
        ]

    def molecule(self, path: Path, part: int) -> Molecule:
        found = held(table, path)
        at = slice(*found.offsets[part : part + 2].tolist())
        real = found.numbers[at] != 0
        one = Molecule(
            found.numbers[at][real],
            found.positions[at][real].astype(np.float64),
            found.charges[at][real],
        )
        return checked(one, called(path, part, len(found.columns)))


def _constitution(numbers: np.ndarray, charges: np.ndarray) -> Atoms | None:
    known = len(numbers) and numbers.min() > 0 and numbers.max() < len(SYMBOLS)
    return Atoms(numbers.tolist(), bool(charges.any())) if known else None


def table(path: Path) -> Table:
    """The molecules of an archive.

    Raises DataError when it is damaged, or its arrays are not there or do not fit.
    """
    arrays = _arrays(path)
    positions, numbers = (_first(arrays, names, path) for names in (POSITIONS, ELEMENTS))
    if (
        positions.ndim not in (2, 3)
        or positions.shape[-1] != 3
        or not np.issubdtype(positions.dtype, np.number)
    ):
        raise _unfit(path, arrays)
    offsets = _offsets(arrays, positions, path)
    count = len(offsets) - 1
    if positions.ndim == 3 and numbers.ndim == 1:
        numbers = np.broadcast_to(numbers, (count, *numbers.shape))
    if numbers.shape != positions.shape[:-1] or not count:
        raise _unfit(path, arrays)
    return Table(
        _atomic(numbers).reshape(-1),
        positions.reshape(-1, 3),
        _charges(arrays, numbers),
        offsets,
        _columns(arrays, count),
    )


def _arrays(path: Path) -> dict[str, np.ndarray]:
    with opened(path, text=False) as file:
        try:
            _refuse_large(path)
            with np.load(file, allow_pickle=False) as archive:
                return {name: archive[name] for name in archive.files}
        except (MemoryError, DataError):
            raise
        except (
            Exception
        ) as error:  # zipfile, zlib and NumPy raise a dozen kinds of exception on damaged files
            if "pickle" in str(error) and zipfile.is_zipfile(path):
                raise DataError(
                    f"{path} holds arrays of Python objects, which are not read: opening them may "
                    "run anything. Save plain arrays, padded with zeros, or flat with offsets."
                ) from None
            raise DataError(
                f"{path} is damaged, or no archive of NumPy arrays (.npz). Copy or make it again. "
                f"({error})"
            ) from None


MOST_BYTES = 1 << 32
"""Of an archive's arrays, unpacked: they are read whole, and a small file can unpack to more than
the memory there is.
"""


def _refuse_large(path: Path) -> None:
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        total = sum(_size(archive, entry) for entry in archive.infolist())
    if total > MOST_BYTES:
        raise DataError(
            f"{path} unpacks to {total / 1e9:.1f} GB, and at most {MOST_BYTES / 1e9:.1f} GB are "
            "read at once. Split it into several files."
        )


def _size(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> int:
    """Bytes of an array as its own header states them, which is what NumPy allocates; else of the
    entry.
    """
    with archive.open(entry) as file:
        try:
            version = np.lib.format.read_magic(file)
            read = (
                np.lib.format.read_array_header_1_0
                if version == (1, 0)
                else np.lib.format.read_array_header_2_0
            )
            shape, _, dtype = read(file)
        except ValueError:  # np.load says what is wrong with it
            return entry.file_size
    return max(entry.file_size, math.prod(shape) * dtype.itemsize)


def _first(arrays: Mapping[str, np.ndarray], names: Sequence[str], path: Path) -> np.ndarray:
    for name in names:
        if name in arrays:
            return arrays[name]
    raise DataError(
        f"{path} has no array {names[0]} ({', '.join(names[1:])}). Name it so. (It has: "
        f"{_shapes(arrays)}.)"
    )


def _offsets(arrays: Mapping[str, np.ndarray], positions: np.ndarray, path: Path) -> np.ndarray:
    """The index of the first atom of each molecule among all atoms, int64 ``[count + 1]``."""
    if positions.ndim == 3:
        count, n = positions.shape[:2]
        return np.arange(count + 1, dtype=np.int64) * n
    if not any(name in arrays for name in (*OFFSETS, *SIZES)):
        raise DataError(
            f"{path} has all atoms in a row and no array {OFFSETS[0]} or {SIZES[0]} that divides "
            "them. Add one."
        )
    named = next((arrays[name] for name in OFFSETS if name in arrays), None)
    given = _first(arrays, SIZES, path) if named is None else named
    if given.dtype.kind not in "iuf":
        raise _unfit(path, arrays)
    found = _whole(np.concatenate([[0], np.cumsum(given)]) if named is None else given)
    if (
        found.ndim != 1
        or not len(found)
        or found[0] != 0
        or found[-1] != len(positions)
        or (np.diff(found) < 0).any()
    ):
        raise DataError(
            f"{path} divides {len(positions):,} atoms at places that do not fit. Offsets go up "
            "from 0 to that number; sizes add up to it."
        )
    return found


def _atomic(numbers: np.ndarray) -> np.ndarray:
    """Atomic numbers int64, from numbers or symbols; -1 for an unknown element, which reading the
    molecule reports.
    """
    if numbers.dtype.kind not in "US":
        return np.where(
            (whole := _whole(numbers)) == numbers, whole, -1
        )  # partial charges may lie under a name of theirs
    symbols, places = np.unique(numbers, return_inverse=True)
    texts = [
        symbol.decode("latin-1") if isinstance(symbol, bytes) else str(symbol) for symbol in symbols
    ]
    return np.array(
        [NUMBERS.get(text.strip(), -1 if text.strip() else 0) for text in texts], np.int64
    )[places].reshape(numbers.shape)


def _charges(arrays: Mapping[str, np.ndarray], numbers: np.ndarray) -> np.ndarray:
    """Formal charges, flat: of an array ``charges`` too, unless that holds the atomic numbers, or
    charges that are partial.
    """
    taken = next(name for name in ELEMENTS if name in arrays)
    for name in CHARGES:
        found = arrays.get(name, numbers[:0])
        if (
            name != taken
            and found.shape == numbers.shape
            and found.dtype.kind in "iuf"
            and (_whole(found) == found).all()
        ):
            return _whole(found).reshape(-1)
    return np.zeros(numbers.size, np.int64)


def _whole(values: np.ndarray) -> np.ndarray:
    """int64, rounded towards zero; undefined for NaN."""
    with np.errstate(invalid="ignore"):
        return values.astype(np.int64)


def _columns(arrays: Mapping[str, np.ndarray], count: int) -> list[Columns]:
    used = {*POSITIONS, *ELEMENTS, *CHARGES, *OFFSETS, *SIZES, PROVENANCE}
    named = {
        name: values
        for name, values in arrays.items()
        if name not in used and values.shape in ((count,), (count, 1))
    }
    plain = {name: _values(values.reshape(-1)) for name, values in named.items()}
    return [
        {
            name: value
            for name, values in plain.items()
            if (value := values[i]) is not None and value != ""
        }
        for i in range(count)
    ]


def _values(values: np.ndarray) -> list[str | float | None]:
    """Values as text or numbers; None for those that are not finite."""
    if values.dtype.kind in "biuf":
        return [float(value) if np.isfinite(value) else None for value in values.tolist()]
    return [
        value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
        for value in values.tolist()
    ]


def _unfit(path: Path, arrays: Mapping[str, np.ndarray]) -> DataError:
    return DataError(
        f"{path} has arrays that do not fit: {_shapes(arrays)}. Positions are [molecules, atoms, "
        "3] and numbers [molecules, atoms], or both without the first axis, with offsets."
    )


def _shapes(arrays: Mapping[str, np.ndarray]) -> str:
    return ", ".join(f"{name} {list(array.shape)}" for name, array in arrays.items()) or "nothing"
