"""Points: .csv files with one or two numbers <-> float32 ``[d, 1]``."""

import numpy as np

from difftool import Arrays

from .toys import TOYS, centres, draw, log_density


class Points(Arrays):
    """Points of a toy distribution, or of the user's own."""

    suffixes = (".csv",)

    def load(self, path):
        return np.loadtxt(path, np.float32, delimiter=",", ndmin=1)[:, None]

    def save(self, array, path, info):
        np.savetxt(path, array.T, fmt="%.6f", delimiter=",")

    def draw(self, axes, example):
        x, y = (*example[:, 0], 0.0)[:2]
        axes.plot(x, y, "o", markersize=3)
        axes.set(xlim=(-2, 2), ylim=(-2, 2), aspect="equal")

    def preview(self, examples, stem, titles=()):
        """All points in one figure; those of each title have a colour."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(3, 3), dpi=80, layout="constrained")
        axes = figure.add_subplot(xlim=(-2, 2), ylim=(-2, 2), aspect="equal")
        for title in dict.fromkeys(titles or [""]):
            some = [
                e
                for e, t in zip(examples, titles or [""] * len(examples), strict=True)
                if t == title
            ]
            x, y = np.array([(*e[:, 0], 0.0)[:2] for e in some]).T
            axes.plot(x, y, "o", markersize=2, label=title)
        if titles and any(titles):
            axes.legend(frameon=False, fontsize=6)
        path = stem.with_name(stem.name + ".png")
        figure.savefig(path, format="png")
        return path

    def demo(self, folder):
        """1,000 points of each toy; modality.toy says which are read."""
        for name in TOYS:
            (folder / name).mkdir()
            for i, point in enumerate(draw(name, 1000, np.random.default_rng(0))):
                np.savetxt(folder / name / f"{i:04d}.csv", point[None], fmt="%.6f", delimiter=",")

    def scan(self, path):
        toy = path / self.options.toy
        return super().scan(toy if toy.is_dir() else path)

    def log_density(self, examples):
        points = examples.reshape(len(examples), -1).astype(np.float64)
        toy = self.options.toy
        return log_density(toy, points) if points.shape[1] == centres(toy)[0].shape[1] else None
