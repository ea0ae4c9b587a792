"""Voxels: .ply, .obj and .npy files <-> float32 ``[1, size, size, size]``, 1 where there is matter."""

import json

import numpy as np

from difftool import Arrays, DataError

from .formats import read_obj, read_ply


class Voxels(Arrays):
    """Shapes fill the grid: points lie between -1 and 1, or are scaled to do so."""

    suffixes = (".ply", ".obj", ".npy")
    says_how_made = True

    def fit(self, items):
        return self.with_options(shape=(1, *3 * [self.options.size]))

    def load(self, path):
        if path.suffix.lower() == ".npy":
            return self._resized(np.load(path), path)
        points = (read_ply if path.suffix.lower() == ".ply" else read_obj)(path)
        points = points / max(1.0, np.abs(points).max(initial=0))
        size = self.options.size
        grid = np.zeros((1, size, size, size), np.float32)
        x, y, z = np.clip((points + 1) / 2 * size, 0, size - 1).astype(int).T
        grid[0, x, y, z] = 1
        return grid

    def _resized(self, grid, path):
        """The largest of each block of voxels."""
        size = self.options.size
        if grid.ndim != 3 or set(grid.shape) != {grid.shape[0]} or grid.shape[0] % size:
            raise DataError(
                f"{path} holds a grid of shape {grid.shape}. Remove it, or set modality.size to a "
                "divisor of its side: cubes are needed."
            )
        block = grid.shape[0] // size
        return grid.reshape(size, block, size, block, size, block).max((1, 3, 5))[None]

    def save(self, array, path, info):
        size = array.shape[-1]
        points = (np.argwhere(array[0] > 0.5) + 0.5) / size * 2 - 1
        axes = "".join(f"property float {axis}\n" for axis in "xyz")
        head = f"ply\nformat ascii 1.0\ncomment {json.dumps(dict(info))}\n"
        head += f"element vertex {len(points)}\n{axes}end_header\n"
        path.write_text(head + "".join(f"{x:.6f} {y:.6f} {z:.6f}\n" for x, y, z in points))

    def draw(self, axes, example):
        """Seen from above: how high the shape is at each place."""
        height = np.arange(1, example.shape[-1] + 1) * (example[0] > 0.5)
        axes.imshow(height.max(2), vmin=0, vmax=example.shape[-1])

    def demo(self, folder):
        """Balls, boxes and rings of 32 voxels, 40 of each."""
        rng = np.random.default_rng(0)
        x, y, z = np.moveaxis((np.indices((32, 32, 32)) + 0.5) / 16 - 1, 0, 0)
        for name in ("ball", "box", "ring"):
            (folder / name).mkdir()
            for i in range(40):
                a, b = rng.uniform(0.5, 0.8), rng.uniform(0.2, 0.3)
                inside = {
                    "ball": x**2 + y**2 + z**2 < a**2,
                    "box": np.maximum(abs(x) / a, np.maximum(abs(y) / (a - b), abs(z) / a)) < 1,
                    "ring": (np.hypot(x, y) - a + b / 2) ** 2 + z**2 < b**2,
                }[name]
                np.save(folder / name / f"{i:02d}.npy", inside)
