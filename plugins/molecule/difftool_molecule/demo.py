"""The built-in demo set: small organic molecules, from round to long.

``scripts/make_demo.py`` made them, so nothing is downloaded.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from .elements import SYMBOLS

FILE = Path(__file__).with_name("demo.npz")


def write_demo(folder: Path) -> None:
    """Write ``folder/molecules.xyz``, extended XYZ with the ``anisotropy`` of each molecule; always
    the same.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "molecules.xyz", "w", encoding="utf-8", newline="\n") as file:
        for numbers, positions in molecules():
            file.write(
                f"{len(numbers)}\nProperties=species:S:1:pos:R:3 "
                f"anisotropy={anisotropy(positions):.4f}\n"
            )
            rows = zip(numbers.tolist(), positions.tolist(), strict=True)
            file.writelines(
                f"{SYMBOLS[number]} {x:.3f} {y:.3f} {z:.3f}\n" for number, (x, y, z) in rows
            )


def molecules() -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Atomic numbers ``[n]`` and positions ``[n, 3]`` in angstrom of each; the file has the latter
    in thousandths.
    """
    with np.load(FILE, allow_pickle=False) as file:
        edges = np.cumsum(file["sizes"], dtype=int)[:-1]
        yield from zip(
            np.split(file["numbers"], edges), np.split(file["positions"] / 1000, edges), strict=True
        )


def anisotropy(positions: np.ndarray) -> float:
    """The relative shape anisotropy of ``[n, 3]`` positions.

    Theodorou & Suter 1985, doi:10.1021/ma00148a028.

    It is 0 for what is as wide in all directions, a quarter for a disc and 1 for a rod, whatever
    the size. Here it is a property to ask samples for that can be seen.
    """
    centred = positions - positions.mean(0)
    moments = np.linalg.eigvalsh(centred.T @ centred)
    pairs = moments[0] * moments[1] + moments[1] * moments[2] + moments[2] * moments[0]
    return max(0.0, float(1 - 3 * pairs / moments.sum() ** 2)) if moments.sum() else 0.0
