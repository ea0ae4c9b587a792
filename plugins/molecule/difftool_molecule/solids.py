"""Drawn solids: shaded balls, rods and discs that hide each other."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from PIL import Image

PAPER = np.array((255, 255, 255), np.float32)

LIGHT = np.array((-0.35, 0.45, 0.82), np.float32)
"""Where it comes from: x to the right, y up, z towards the viewer."""


@dataclass
class Scene:
    """Solids as they are seen from far away.

    Lengths in angstrom, the origin in the middle, y up, z towards the viewer.

    Attributes:
        width, height: of the picture, in pixels.
        scale: pixels per angstrom.
        depth: ``[height, width]``, the z of what is seen.
        colour: ``[height, width, 3]``, 0 to 255.
    """

    width: int
    height: int
    scale: float
    depth: np.ndarray = field(init=False)
    colour: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.depth = np.full((self.height, self.width), -np.inf, np.float32)
        self.colour = np.broadcast_to(PAPER, (self.height, self.width, 3)).copy()

    def picture(self) -> Image.Image:
        return Image.fromarray(self.colour.round().clip(0, 255).astype(np.uint8))

    def ball(self, centre: np.ndarray, radius: float, colour: np.ndarray) -> None:
        radius = self._visible(radius)
        window, x, y = self._window(centre[:2] - radius, centre[:2] + radius)
        x, y = (x - centre[0]) / radius, (y - centre[1]) / radius
        z = np.sqrt(np.maximum(1 - x**2 - y**2, 0))
        self._put(window, centre[2] + radius * z, _lit(x, y, z, colour), x**2 + y**2 <= 1)

    def disc(self, centre: np.ndarray, radius: float, colour: np.ndarray) -> None:
        """Flat, towards the viewer."""
        radius = self._visible(radius)
        window, x, y = self._window(centre[:2] - radius, centre[:2] + radius)
        within = (x - centre[0]) ** 2 + (y - centre[1]) ** 2 <= radius**2
        self._put(
            window,
            np.full(within.shape, centre[2]),
            np.broadcast_to(colour, (*within.shape, 3)),
            within,
        )

    def rod(self, a: np.ndarray, b: np.ndarray, radius: float, colour: np.ndarray) -> None:
        """A cylinder from one end to the other, of which the ends are not drawn.

        With the axis at an angle to the picture, whose sine is ``rise`` and cosine ``run``: where
        the line of sight at ``along`` and ``aside`` of the axis as it is seen meets the surface, it
        is by ``bulge / run`` before the axis.
        """
        radius = self._visible(radius)
        axis = (b - a) / max(float(np.linalg.norm(b - a)), 1e-9)
        run, rise = float(np.hypot(*axis[:2])), float(axis[2])
        if run < 1e-3:  # seen end on, behind the balls at its ends
            return
        window, x, y = self._window(np.minimum(a, b)[:2] - radius, np.maximum(a, b)[:2] + radius)
        east, north = axis[:2] / run
        along, aside = (
            (x - a[0]) * east + (y - a[1]) * north,
            (y - a[1]) * east - (x - a[0]) * north,
        )
        bulge = np.sqrt(np.maximum(radius**2 - aside**2, 0))
        height = along * rise / run + bulge / run
        within = (np.abs(aside) <= radius) & _between(
            along * run + height * rise, float(np.linalg.norm(b - a))
        )
        side, up = aside / radius, bulge / radius
        normal = (-side * north - up * rise * east, side * east - up * rise * north, up * run)
        self._put(window, a[2] + height, _lit(*normal, colour), within)

    def _visible(self, radius: float) -> float:
        """A pixel at the least, so that what is scattered far and wide is dust and not nothing."""
        return max(radius, 1 / self.scale)

    def _window(
        self, low: np.ndarray, high: np.ndarray
    ) -> tuple[tuple[slice, slice], np.ndarray, np.ndarray]:
        """The pixels between two corners, and where their centres are: ``[1, w]`` and ``[h, 1]``."""
        left, right = (
            int(np.clip(self.width / 2 + edge * self.scale, 0, self.width))
            for edge in (low[0], high[0])
        )
        top, bottom = (
            int(np.clip(self.height / 2 - edge * self.scale, 0, self.height))
            for edge in (high[1], low[1])
        )
        columns, rows = (
            np.arange(left, min(right + 1, self.width)),
            np.arange(top, min(bottom + 1, self.height)),
        )
        x, y = (
            (columns + 0.5 - self.width / 2) / self.scale,
            (self.height / 2 - rows - 0.5) / self.scale,
        )
        return (
            (slice(top, top + len(rows)), slice(left, left + len(columns))),
            x[None].astype(np.float32),
            y[:, None].astype(np.float32),
        )

    def _put(
        self, window: tuple[slice, slice], depth: np.ndarray, colour: np.ndarray, within: np.ndarray
    ) -> None:
        """What lies before all that was put there so far."""
        seen = within & (depth > self.depth[window])
        self.depth[window][seen] = depth[seen]
        self.colour[window][seen] = colour[seen]


def _between(value: np.ndarray, high: float) -> np.ndarray:
    return (value >= 0) & (value <= high)


def _lit(x: np.ndarray, y: np.ndarray, z: np.ndarray, colour: np.ndarray) -> np.ndarray:
    """A colour under the light, on a surface whose normal is ``(x, y, z)``: darker towards the rim,
    with a small gloss (Blinn 1977).
    """
    light = LIGHT / np.linalg.norm(LIGHT)
    half = light + np.array((0, 0, 1), np.float32)
    half /= np.linalg.norm(half)
    shade = 0.42 + 0.58 * np.maximum(x * light[0] + y * light[1] + z * light[2], 0)
    shade = shade * (0.55 + 0.45 * np.clip(z / 0.45, 0, 1))
    gloss = 90 * np.maximum(x * half[0] + y * half[1] + z * half[2], 0) ** 40
    return colour * shade[..., None] + gloss[..., None]
