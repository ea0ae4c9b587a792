"""Ball and stick: a molecule drawn as shaded balls and sticks that hide each other."""

from __future__ import annotations

from functools import cache

import numpy as np
from PIL import Image

from difftool import Scene as Turned

from .bonds import bonds, stable
from .elements import RADII, number
from .molecule import Molecule
from .solids import Scene

FINE = 3  # drawn larger by this, then reduced, for smooth edges

WRONG = np.array((235, 0, 60), np.float32)
"""The ring about an atom whose bonds do not add up."""

COLOURS = """
    H:f4f4f4 Li:cc80ff Be:c2ff00 B:ffb5b5 C:6e6e6e N:3050f8 O:f01414 F:7fd64a Na:ab5cf2 Mg:8aff00 Al:bfa6a6 Si:f0c8a0 P:ff8000 S:f2d91f
    Cl:1ff01f K:8f40d4 Ca:3dff00 Fe:e06633 Ni:50d050 Cu:c88033 Zn:7d80b0 As:bd80e3 Se:ffa100 Br:a62929 Sn:668080 I:940094
"""
"""What chemists are used to (Corey, Pauling and Koltun's, as Jmol has them), a little darker where
white paper asks for it.
"""

KEPT = np.array((40, 130, 255), np.float32)
"""The ring about an atom that an edit keeps."""

OUTER = 1.7  # its radius, in which the red one has room
BEHIND = np.array((0, 0, 0.01))  # that one

OTHER = "dd77ff"  # of elements that are not among them

RING = 1.35  # its radius in those of the ball

STICK, THIN = 0.11, 0.065
"""Radii in angstrom of sticks: of a single bond, and of each of several."""

APART = {1: (0.0,), 2: (-0.13, 0.13), 3: (-0.19, 0.0, 0.19)}
"""How far, in angstrom, the sticks of a bond of each order lie to the side of its line."""

TILT = np.deg2rad((16.0, -12.0))
"""About the horizontal and the vertical axis, so that what is flat is not seen quite from above and
nothing lies quite behind another.
"""


def drawn(
    raw: np.ndarray, width: int, height: int, scale: float, kept: np.ndarray | None = None
) -> Image.Image:
    """Float ``[n, 5]`` as a picture: seen along its shortest axis, its longest one across.

    Atoms whose bonds do not add up have a red ring, unless no hydrogen is there to complete any.
    What is not at a finite place is not seen.

    Args:
        width, height: of the picture, in pixels.
        scale: pixels per angstrom.
        kept: which atoms have a blue ring, as truth values ``[n]``; None for none.
    """
    finite = np.isfinite(raw).all(1)
    kept = np.zeros(len(raw), bool) if kept is None else kept
    raw, kept = raw[finite], kept[finite]
    numbers, positions, _, _ = Molecule.from_raw(raw)
    scene = Scene(width * FINE, height * FINE, scale * FINE)
    if len(numbers):
        places = facing(positions)
        for i, j, order, _ in zip(*bonds(numbers, positions), strict=True):
            _stick(
                scene,
                places[i],
                places[j],
                int(order),
                colour(int(numbers[i])),
                colour(int(numbers[j])),
            )
        wrong = ~stable(raw) & (numbers == 1).any()
        atoms = zip(places, numbers.tolist(), wrong.tolist(), kept.tolist(), strict=True)
        for place, z, ringed, stays in atoms:
            scene.ball(place, ball_radius(z), colour(z))
            if stays:
                scene.disc(place - BEHIND, OUTER * ball_radius(z), KEPT)
            if ringed:
                scene.disc(place, RING * ball_radius(z), WRONG)
    return scene.picture().reduce(FINE)


def scene(raw: np.ndarray) -> Turned:
    """Float ``[n, 5]`` as balls and sticks in angstrom, to turn; without what is at no finite place."""
    numbers, positions, _, _ = Molecule.from_raw(raw[np.isfinite(raw).all(1)])
    found = bonds(numbers, positions)
    return Turned(
        [[*map(float, at), ball_radius(int(z))] for at, z in zip(positions, numbers, strict=True)],
        ["#" + "".join(f"{int(part):02x}" for part in colour(int(z))) for z in numbers],
        list(zip(found.first.tolist(), found.second.tolist(), found.order.tolist(), strict=True)),
    )


def ball_radius(z: int) -> float:
    """Radius of an atom's ball in angstrom, by its atomic number."""
    return 0.14 + 0.33 * RADII[z]


def facing(positions: np.ndarray) -> np.ndarray:
    """``[n, 3]``, centred and rotated (never mirrored): the longest principal axis to the right,
    the shortest towards the viewer.
    """
    centred = positions - positions.mean(0)
    _, axes = np.linalg.eigh(np.cov(centred.T, bias=True))
    axes = axes[:, ::-1]
    # to which side the later atoms are, so that a molecule that is turned or changed a little looks
    # the same; the farther atoms would not say it of one that is nearly symmetric
    later = (np.arange(len(centred)) - (len(centred) - 1) / 2) @ centred @ axes
    axes = axes * np.where(later.round(6) < 0, -1, 1)
    axes[:, 2] = np.cross(axes[:, 0], axes[:, 1])
    places = centred @ axes @ _tilted()
    return places - (places.max(0) + places.min(0)) / 2


def extent(raw: np.ndarray) -> tuple[float, float]:
    """Distance from the centre of a drawn molecule to its edge in angstrom, across and down; 0 if
    nothing is visible.
    """
    raw = raw[np.isfinite(raw).all(1)]
    if not len(raw):
        return 0.0, 0.0
    numbers, positions, _, _ = Molecule.from_raw(raw)
    balls = np.array([RING * ball_radius(z) for z in numbers.tolist()])
    across, down = (np.abs(facing(positions)[:, :2]) + balls[:, None]).max(0).tolist()
    return across, down


def _tilted() -> np.ndarray:
    (c, d), (s, t) = np.cos(TILT), np.sin(TILT)
    return np.array([[1, 0, 0], [0, c, s], [0, -s, c]]) @ np.array(
        [[d, 0, -t], [0, 1, 0], [t, 0, d]]
    )


def colour(z: int) -> np.ndarray:
    """The red, green and blue of an element, 0 to 255."""
    return _colours().get(z, _rgb(OTHER))


@cache
def _colours() -> dict[int, np.ndarray]:
    return {
        number(symbol): _rgb(code) for symbol, code in (word.split(":") for word in COLOURS.split())
    }


def _rgb(code: str) -> np.ndarray:
    return np.array([int(code[k : k + 2], 16) for k in (0, 2, 4)], np.float32)


def _stick(
    scene: Scene,
    a: np.ndarray,
    b: np.ndarray,
    order: int,
    colour_a: np.ndarray,
    colour_b: np.ndarray,
) -> None:
    """As many sticks side by side as the order of the bond; each half has the colour of its atom."""
    across = np.array((a[1] - b[1], b[0] - a[0], 0.0))
    across /= max(float(np.linalg.norm(across)), 1e-9)
    for apart in APART[order]:
        aside, middle = apart * across, (a + b) / 2
        scene.rod(a + aside, middle + aside, STICK if order == 1 else THIN, colour_a)
        scene.rod(middle + aside, b + aside, STICK if order == 1 else THIN, colour_b)
