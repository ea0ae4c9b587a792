"""The built-in demo set: one to three shapes that bounce off the walls and off each other.

They are drawn here, so nothing is downloaded.
"""

from __future__ import annotations

import csv
import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np

SIZE = 32
FRAMES, FPS = 16, 8
COUNT = 100
"""Clips of each colour and number of shapes."""

GROUND = (22, 24, 38)
COLOURS = {
    "blue": (64, 128, 255),
    "green": (48, 200, 96),
    "red": (240, 64, 56),
    "yellow": (255, 208, 48),
}
NUMBERS = {1: "one", 2: "two", 3: "three"}

RADIUS = 4.0, 6.0
"""Pixels, from the smallest shape to the largest."""

SPEED = 1.0, 2.5
"""Pixels per frame at which shapes start; what they take from each other changes it."""


def write_demo(folder: Path, count: int = COUNT) -> None:
    """Write ``count`` clips of each kind to ``folder/COLOUR-NUMBER-0000.mov``; always the same
    ones.

    ``metadata.csv`` has the columns colour, count and caption.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows: list[tuple[str, str, int, str]] = []
    for colour, ink in COLOURS.items():
        for number in NUMBERS:
            for i in range(count):
                name = f"{colour}-{number}-{i:04d}"
                bodies = scene(number, random.Random(name))
                rows.append((f"{name}.mov", colour, number, caption(colour, bodies)))
                save(clip(bodies, ink), folder / rows[-1][0])
    with open(folder / "metadata.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("file_name", "colour", "count", "caption"), *rows])


def save(frames: np.ndarray, path: Path) -> None:
    """Write uint8 ``[t, h, w, 3]`` without loss.

    The codec (QuickTime Animation) is small for plain backgrounds and the fastest to read.
    """
    with av.open(str(path), "w", format="mov", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("qtrle", FPS)
        stream.pix_fmt, stream.height, stream.width = "rgb24", *frames.shape[1:3]
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, "rgb24")))
        container.mux(stream.encode(None))


# --- how they look --------------------------------------------------------------------------------


class Shape(NamedTuple):
    """Lengths in radii: of the disc around it that a shape just fits into.

    Attributes:
        outside: how far the points ``(x, y)`` lie outside it for a radius, in pixels; negative
            within.
        side: from the centre to the left and right end.
        top: from the centre to the upper end.
        bottom: from the centre to the lower end.
    """

    outside: Callable[[np.ndarray, np.ndarray, float], np.ndarray]
    side: float
    top: float
    bottom: float


def _disc(x: np.ndarray, y: np.ndarray, radius: float) -> np.ndarray:
    return np.hypot(x, y) - radius


def _square(x: np.ndarray, y: np.ndarray, radius: float) -> np.ndarray:
    return np.maximum(abs(x), abs(y)) - radius * math.sqrt(0.5)


def _triangle(x: np.ndarray, y: np.ndarray, radius: float) -> np.ndarray:
    return np.maximum(y, abs(x) * math.sqrt(0.75) - y / 2) - radius / 2


SHAPES = {
    "disc": Shape(_disc, 1, 1, 1),
    "square": Shape(_square, math.sqrt(0.5), math.sqrt(0.5), math.sqrt(0.5)),
    "triangle": Shape(_triangle, math.sqrt(0.75), 1, 0.5),
}


def clip(bodies: Sequence[Body], ink: Sequence[int]) -> np.ndarray:
    """uint8 ``[t, h, w, 3]`` from the present state of the bodies, which are moved."""
    frames = []
    for _ in range(FRAMES):
        frames.append(picture(bodies, ink))
        advance(bodies, 1)
    return np.stack(frames)


def picture(bodies: Sequence[Body], ink: Sequence[int]) -> np.ndarray:
    """uint8 ``[h, w, 3]`` with smooth edges.

    How much of a pixel is covered follows from the distance of its centre from the edge.
    """
    y, x = np.mgrid[:SIZE, :SIZE] + 0.5
    outside = np.min(
        [SHAPES[body.kind].outside(x - body.x, y - body.y, body.radius) for body in bodies], 0
    )
    share = np.clip(0.5 - outside, 0, 1)[..., None]
    return np.round(np.array(GROUND) * (1 - share) + np.array(ink) * share).astype(np.uint8)


def caption(colour: str, bodies: Sequence[Body]) -> str:
    """A description such as "two red discs" or "a blue disc and a blue square"."""
    kinds = [body.kind for body in bodies]
    parts = [
        f"a {colour} {kind}" if (n := kinds.count(kind)) == 1 else f"{NUMBERS[n]} {colour} {kind}s"
        for kind in sorted({*kinds})
    ]
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


# --- how they move --------------------------------------------------------------------------------


@dataclass
class Body:
    """A shape on its way.

    Lengths in pixels, speeds in pixels per frame, y down; the mass is the square of the radius.

    It meets the walls with its own outline, and others with the disc around it.
    """

    kind: str
    radius: float
    x: float
    y: float
    u: float = 0.0
    v: float = 0.0

    @property
    def mass(self) -> float:
        return self.radius**2

    @property
    def room(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Between what its centre stays: left and right, top and bottom."""
        _, *lengths = SHAPES[self.kind]
        side, top, bottom = (self.radius * length for length in lengths)
        return (side, SIZE - side), (top, SIZE - bottom)

    def gap(self, other: Body) -> float:
        """Pixels between the discs around two."""
        return math.hypot(self.x - other.x, self.y - other.y) - self.radius - other.radius


def scene(number: int, rng: random.Random) -> list[Body]:
    """This many shapes at random positions, apart from each other, with random directions."""
    bodies: list[Body] = []
    while len(bodies) < number:
        body = Body(rng.choice([*SHAPES]), rng.uniform(*RADIUS), 0, 0)
        body.x, body.y = (rng.uniform(*span) for span in body.room)
        speed, angle = rng.uniform(*SPEED), rng.uniform(0, 2 * math.pi)
        body.u, body.v = speed * math.cos(angle), speed * math.sin(angle)
        if all(body.gap(other) > 0 for other in bodies):
            bodies.append(body)
    return bodies


def advance(bodies: Sequence[Body], time: float) -> None:
    """Move the bodies on by ``time`` frames, from contact to contact: exact, without friction or
    gravity.
    """
    while True:
        wait, act = min(_contacts(bodies), key=lambda contact: contact[0])
        for body in bodies:
            body.x += body.u * min(wait, time)
            body.y += body.v * min(wait, time)
        if wait >= time:
            return
        act()
        time -= wait


def _contacts(bodies: Sequence[Body]) -> Iterator[tuple[float, Callable[[], None]]]:
    """The time until each contact, if there were no others before it, and its effect."""
    for i, a in enumerate(bodies):
        across, down = a.room
        yield _until_wall(a.x, a.u, across), partial(setattr, a, "u", -a.u)
        yield _until_wall(a.y, a.v, down), partial(setattr, a, "v", -a.v)
        for b in bodies[:i]:
            yield _until_touch(a, b), partial(_bounce, a, b)


def _until_wall(place: float, speed: float, span: tuple[float, float]) -> float:
    return max(0.0, (span[speed > 0] - place) / speed) if speed else math.inf


def _until_touch(a: Body, b: Body) -> float:
    """The first time at which |difference of places + time · difference of speeds| is the sum of
    the radii.
    """
    x, y, u, v = a.x - b.x, a.y - b.y, a.u - b.u, a.v - b.v
    nearing = -(x * u + y * v)
    apart = x * x + y * y - (a.radius + b.radius) ** 2
    root = nearing**2 - (u * u + v * v) * apart
    return max(0.0, apart / (nearing + math.sqrt(root))) if nearing > 0 and root >= 0 else math.inf


def _bounce(a: Body, b: Body) -> None:
    """An elastic collision: momentum is exchanged along the line between the centres."""
    x, y = a.x - b.x, a.y - b.y
    push = 2 * ((a.u - b.u) * x + (a.v - b.v) * y) / ((x * x + y * y) * (a.mass + b.mass))
    a.u, a.v = a.u - push * b.mass * x, a.v - push * b.mass * y
    b.u, b.v = b.u + push * a.mass * x, b.v + push * a.mass * y
