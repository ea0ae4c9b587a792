"""Small molecules whose geometries are known by experiment, as raw examples."""

from __future__ import annotations

import numpy as np

from difftool_molecule.elements import number


def raw(
    *atoms: tuple[str, float, float, float], charges: dict[int, int] | None = None
) -> np.ndarray:
    """float32 ``[n, 5]`` of symbols and positions in angstrom; formal charges by the atom's place."""
    rows = [
        (x, y, z, number(symbol), (charges or {}).get(i, 0))
        for i, (symbol, x, y, z) in enumerate(atoms)
    ]
    return np.array(rows, np.float32)


def tetrahedron(centre: str, length: float, *corners: str) -> np.ndarray:
    """Atoms about another."""
    ways = np.array([(1, 1, 1), (1, -1, -1), (-1, 1, -1), (-1, -1, 1)]) / np.sqrt(3) * length
    return raw(
        (centre, 0, 0, 0),
        *((symbol, *way) for symbol, way in zip(corners, ways.tolist(), strict=False)),
    )


def line(*atoms: tuple[str, float]) -> np.ndarray:
    """Atoms on a line, each so far from the one before it."""
    places = np.cumsum([length for _, length in atoms])
    return raw(*((symbol, float(x), 0, 0) for (symbol, _), x in zip(atoms, places, strict=True)))


def ring(n: int, length: float, outward: float) -> np.ndarray:
    """A flat ring of carbons with bonds of this length, each with a hydrogen."""
    angles, radius = 2 * np.pi * np.arange(n) / n, length / 2 / np.sin(np.pi / n)
    flat = np.stack((np.cos(angles), np.sin(angles), 0 * angles), 1)
    atoms = [("C", *place) for place in (radius * flat).tolist()] + [
        ("H", *place) for place in ((radius + outward) * flat).tolist()
    ]
    return raw(*atoms)


WATER = raw(("O", 0, 0, 0), ("H", 0.9572, 0, 0), ("H", -0.24, 0.9266, 0))
METHANE = tetrahedron("C", 1.087, "H", "H", "H", "H")
AMMONIA = tetrahedron("N", 1.012, "H", "H", "H")
HYDROGEN_FLUORIDE = line(("H", 0), ("F", 0.917))
ACETYLENE = line(("H", 0), ("C", 1.061), ("C", 1.203), ("H", 1.061))
CYANIDE = line(("H", 0), ("C", 1.066), ("N", 1.153))
CARBON_DIOXIDE = line(("O", 0), ("C", 1.162), ("O", 1.162))
FORMALDEHYDE = raw(
    ("C", 0, 0, 0), ("O", 1.205, 0, 0), ("H", -0.583, 0.938, 0), ("H", -0.583, -0.938, 0)
)
ETHENE = raw(
    ("C", -0.6695, 0, 0), ("C", 0.6695, 0, 0),
    ("H", -1.2321, 0.9289, 0), ("H", -1.2321, -0.9289, 0), ("H", 1.2321, 0.9289, 0), ("H", 1.2321, -0.9289, 0),
)  # fmt: skip
BENZENE = ring(6, 1.397, 1.084)

ALL = {
    "water": WATER,
    "methane": METHANE,
    "ammonia": AMMONIA,
    "hydrogen fluoride": HYDROGEN_FLUORIDE,
    "acetylene": ACETYLENE,
    "hydrogen cyanide": CYANIDE,
    "carbon dioxide": CARBON_DIOXIDE,
    "formaldehyde": FORMALDEHYDE,
    "ethene": ETHENE,
}
"""Those whose atoms are all bonded as they should be by the tables of bond lengths."""

SMILES = dict(zip(ALL, ("O", "C", "N", "F", "C#C", "C#N", "O=C=O", "C=O", "C=C"), strict=True))


def together(*examples: np.ndarray, apart: float = 10.0) -> np.ndarray:
    """Several molecules as one example, far from each other."""
    return np.concatenate(
        [example + np.float32([apart * k, 0, 0, 0, 0]) for k, example in enumerate(examples)]
    )


def turned(example: np.ndarray, seed: int = 0) -> np.ndarray:
    """Rotated and moved."""
    rng = np.random.default_rng(seed)
    q, r = np.linalg.qr(rng.normal(size=(3, 3)))
    q *= np.sign(np.diag(r))
    q[:, 0] *= np.linalg.det(q)
    example = example.copy()
    example[:, :3] = example[:, :3] @ q.T.astype(np.float32) + rng.normal(size=3).astype(np.float32)
    return example


def mirrored(example: np.ndarray) -> np.ndarray:
    return example * np.float32([-1, 1, 1, 1, 1])
