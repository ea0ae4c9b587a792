"""The built-in demo set: ten symbols at many positions, sizes, angles and colours.

They are drawn here, so nothing is downloaded.
"""

from __future__ import annotations

import colorsys
import math
import random
from collections.abc import Callable
from pathlib import Path

from PIL import Image, ImageDraw

SIZE = 32
COUNT = 300
"""Pictures of each class."""

FINE = 4  # drawn larger by this, then reduced, for smooth edges

Point = tuple[float, float]
Outline = list[Point]


def write_demo(folder: Path, count: int = COUNT) -> None:
    """Write ``count`` pictures of each class to ``folder/CLASS/0000.png``; always the same ones."""
    for name, draw in SYMBOLS.items():
        (folder / name).mkdir(parents=True)
        for i in range(count):
            picture(draw, random.Random(f"{name}/{i}")).save(folder / name / f"{i:04d}.png")


def picture(symbol: Callable[[], list[Outline]], rng: random.Random) -> Image.Image:
    """One symbol on a plain background. Outlines after the first are holes."""
    ink, ground = _colours(rng)
    side = SIZE * FINE
    radius = side * rng.uniform(0.30, 0.42)
    room = (side / 2 - radius) * 0.7
    x, y = side / 2 + rng.uniform(-room, room), side / 2 + rng.uniform(-room, room)
    angle = math.radians(rng.uniform(-15, 15))
    mask = Image.new("L", (side, side))
    pen = ImageDraw.Draw(mask)
    for i, outline in enumerate(symbol()):
        pen.polygon([_place(point, x, y, radius, angle) for point in outline], fill=0 if i else 255)
    image = Image.new("RGB", (side, side), ground)
    image.paste(ink, (0, 0, side, side), mask)
    return image.resize((SIZE, SIZE), Image.Resampling.BOX)


def _place(point: Point, x: float, y: float, radius: float, angle: float) -> Point:
    c, s = math.cos(angle), math.sin(angle)
    return x + radius * (c * point[0] - s * point[1]), y + radius * (s * point[0] + c * point[1])


def _colours(rng: random.Random) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """A strong colour, and a pale background of another hue."""
    hue = rng.random()
    ink = colorsys.hsv_to_rgb(hue, rng.uniform(0.75, 0.95), rng.uniform(0.55, 0.8))
    ground = colorsys.hsv_to_rgb(
        (hue + rng.uniform(0.3, 0.7)) % 1, rng.uniform(0.08, 0.2), rng.uniform(0.94, 1.0)
    )
    return _bytes(ink), _bytes(ground)


def _bytes(colour: tuple[float, float, float]) -> tuple[int, int, int]:
    r, g, b = (round(255 * part) for part in colour)
    return r, g, b


# --- the symbols, in a square from -1 to 1, y down ------------------------------------------------


def _arc(
    radius: float, start: float = 0, stop: float = 360, x: float = 0, y: float = 0, n: int = 64
) -> Outline:
    angles = (math.radians(start + (stop - start) * i / n) for i in range(n + 1))
    return [(x + radius * math.cos(a), y + radius * math.sin(a)) for a in angles]


def _star() -> list[Outline]:
    return [
        [
            (r * math.sin(a), -r * math.cos(a))
            for i in range(10)
            for r, a in [((1.05, 0.45)[i % 2], math.pi * i / 5)]
        ]
    ]


def _heart() -> list[Outline]:
    def height(a: float) -> float:
        return 13 * math.cos(a) - 5 * math.cos(2 * a) - 2 * math.cos(3 * a) - math.cos(4 * a) + 2.5

    return [
        [(math.sin(a) ** 3, -height(a) / 15.5) for a in (2 * math.pi * i / 80 for i in range(80))]
    ]


def _moon() -> list[Outline]:
    return [_arc(1), _arc(0.82, x=0.45, y=-0.12)]


def _drop() -> list[Outline]:
    return [[*_arc(0.66, -25, 205, y=0.34), (0.0, -1.05)]]


def _cross() -> list[Outline]:
    arm = ((0.3, 0.95), (-0.3, 0.95), (-0.3, 0.3))
    return [
        [
            (-w * a - u * b, w * b - u * a)
            for a, b in ((0, 1), (1, 0), (0, -1), (-1, 0))
            for w, u in arm
        ]
    ]


def _house() -> list[Outline]:
    walls = [
        (0.0, -1.0),
        (1.0, -0.1),
        (0.72, -0.1),
        (0.72, 0.9),
        (-0.72, 0.9),
        (-0.72, -0.1),
        (-1.0, -0.1),
    ]
    return [walls, [(-0.22, 0.92), (-0.22, 0.3), (0.22, 0.3), (0.22, 0.92)]]


SYMBOLS: dict[str, Callable[[], list[Outline]]] = {
    "arrow": lambda: [
        [(-1, -0.28), (0.1, -0.28), (0.1, -0.75), (1, 0), (0.1, 0.75), (0.1, 0.28), (-1, 0.28)]
    ],
    "cross": _cross,
    "disc": lambda: [_arc(0.9)],
    "drop": _drop,
    "heart": _heart,
    "house": _house,
    "moon": _moon,
    "ring": lambda: [_arc(0.95), _arc(0.52)],
    "star": _star,
    "triangle": lambda: [[(0, -0.95), (1, 0.8), (-1, 0.8)]],
}
