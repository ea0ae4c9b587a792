"""Points of .ply and .obj files, ``[n, 3]``."""

from itertools import pairwise

import numpy as np

TYPES = {
    "char": "i1", "uchar": "u1", "short": "i2", "ushort": "u2", "int": "i4", "uint": "u4",
    "float": "f4", "double": "f8", "int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2",
    "int32": "i4", "uint32": "u4", "float32": "f4", "float64": "f8",
}  # fmt: skip
DENSITY = 64
"""Points along each side of a triangle, enough for grids of this size."""


def read_ply(path):
    """The vertices, of a text or binary file (Turk 1994, The PLY Polygon File Format)."""
    head, _, body = path.read_bytes().partition(b"end_header\n")
    lines = [line.split() for line in head.decode("ascii", "replace").splitlines()]
    if lines[:1] != [["ply"]]:
        raise ValueError("it does not begin with ply")
    form = next(line[1] for line in lines if line[:1] == ["format"])
    elements = [line for line in lines if line[:1] == ["element"]]
    if elements[0][1] != "vertex":
        raise ValueError("its first element is not vertex")
    count, start = int(elements[0][2]), lines.index(elements[0]) + 1
    end = lines.index(elements[1]) if len(elements) > 1 else len(lines)
    columns = [(line[2], line[1]) for line in lines[start:end] if line[:1] == ["property"]]
    names = [name for name, _ in columns]
    if form == "ascii":
        rows = np.array([line.split() for line in body.decode().splitlines()[:count]], float)
        rows = rows.reshape(count, len(names))
        return rows[:, [names.index(axis) for axis in "xyz"]]
    order = "<" if "little" in form else ">"
    table = np.frombuffer(body, [(n, order + TYPES[kind]) for n, kind in columns], count)
    return np.stack([table[axis] for axis in "xyz"], 1).astype(float)


def read_obj(path):
    """The vertices, and points on the faces, which are cut into triangles."""
    rows = [line.split() for line in path.read_text().splitlines()]
    vertices = np.array([row[1:4] for row in rows if row[:1] == ["v"]], float).reshape(-1, 3)
    if not len(vertices):
        raise ValueError("it has no vertices")
    u, v = np.mgrid[: DENSITY + 1, : DENSITY + 1] / DENSITY
    weights = np.stack((1 - u - v, u, v), -1)[u + v <= 1]
    points = [vertices]
    for row in (row for row in rows if row[:1] == ["f"]):
        corners = [int(word.partition("/")[0]) for word in row[1:]]
        corners = [n - 1 if n > 0 else n for n in corners]
        for second, third in pairwise(corners[1:]):
            points.append(weights @ vertices[[corners[0], second, third]])
    return np.concatenate(points)
