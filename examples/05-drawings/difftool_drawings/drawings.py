"""Drawings: .svg and .json files <-> float32 ``[3, n]``: x, y and whether the pen is down.

The pen moves to a point without drawing where the third channel is 0.
"""

import json
from xml.etree import ElementTree

import numpy as np

from difftool import Sequences

from .demo import drawing

SVG = "http://www.w3.org/2000/svg"


class Drawings(Sequences):
    """Strokes: lists of points, in a square from 0 to 100."""

    suffixes = (".svg", ".json")
    says_how_made = True

    def load(self, path):
        return joined(_strokes(path))

    def save(self, array, path, info):
        root = ElementTree.Element("svg", xmlns=SVG, viewBox="0 0 100 100")
        ElementTree.SubElement(root, "desc").text = json.dumps(dict(info))
        for stroke in split(array):
            points = " ".join(f"{x:.3f},{y:.3f}" for x, y in stroke)
            style = {"fill": "none", "stroke": "black"}
            ElementTree.SubElement(root, "polyline", points=points, **style)
        ElementTree.ElementTree(root).write(path, encoding="utf-8")

    def read(self, item):
        return super().read(item)[:, :: self.options.every]

    def draw(self, axes, example):
        for stroke in split(example):
            axes.plot(*stroke.T, color="black", linewidth=1)
        axes.set(xlim=(0, 100), ylim=(100, 0), aspect="equal")

    def demo(self, folder):
        """Squares, flowers and pairs of circles, 60 of each."""
        rng = np.random.default_rng(0)
        for name in ("circles", "flower", "square"):
            (folder / name).mkdir()
            for i in range(60):
                strokes = [stroke.round(2).tolist() for stroke in drawing(name, rng)]
                (folder / name / f"{i:02d}.json").write_text(json.dumps({"strokes": strokes}))


def _strokes(path):
    if path.suffix.lower() != ".svg":
        return [np.array(stroke) for stroke in json.loads(path.read_text())["strokes"]]
    lines = ElementTree.parse(path).getroot().iter(f"{{{SVG}}}polyline")
    texts = (line.get("points").replace(",", " ").split() for line in lines)
    return [np.array(text, float).reshape(-1, 2) for text in texts]


def joined(strokes):
    """Strokes ``[n, 2]`` -> ``[3, sum of n]``."""
    down = [np.arange(len(stroke)) > 0 for stroke in strokes]
    return np.vstack([np.concatenate(strokes).T, np.concatenate(down)])


def split(array):
    """``[3, n]`` -> strokes ``[n, 2]``; one begins wherever the pen is not down."""
    starts = np.flatnonzero(array[2] < 0.5)
    return [part.T for part in np.split(array[:2], starts[starts > 0], axis=1)]
