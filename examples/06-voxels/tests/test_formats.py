"""Files that other programs write."""

import numpy as np
import pytest
from difftool_voxels.options import VoxelsOptions
from difftool_voxels.voxels import Voxels

POINTS = np.array([[-0.9, -0.9, -0.9], [0.9, 0.1, 0.4], [0.0, 0.0, 0.9]])
HEAD = "ply\nformat {form} 1.0\nelement vertex 3\nproperty uchar red\nproperty float x\nproperty float y\nproperty double z\n{faces}end_header\n"
FACES = "element face 1\nproperty list uchar int vertex_indices\n"


def expected():
    grid = np.zeros((1, 8, 8, 8), np.float32)
    for x, y, z in ((POINTS + 1) * 4).astype(int):
        grid[0, x, y, z] = 1
    return grid


@pytest.mark.parametrize("form", ["ascii", "binary_little_endian", "binary_big_endian"])
def test_vertices_of_a_ply_file(tmp_path, form):
    order = ">" if "big" in form else "<"
    table = np.zeros(
        3, [("red", "u1"), ("x", order + "f4"), ("y", order + "f4"), ("z", order + "f8")]
    )
    table["x"], table["y"], table["z"] = POINTS.T
    text = "".join(f"0 {x} {y} {z}\n" for x, y, z in POINTS).encode()
    body = text + b"3 0 1 2\n" if form == "ascii" else table.tobytes() + b"\3\0\0\0\0"
    path = tmp_path / "a.ply"
    path.write_bytes(HEAD.format(form=form, faces=FACES).encode() + body)
    assert np.array_equal(Voxels(VoxelsOptions(size=8)).load(path), expected())


def test_a_cube_of_faces_is_a_hollow_cube(tmp_path):
    corners = [(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]
    faces = [(1, 2, 4, 3), (5, 6, 8, 7), (1, 2, 6, 5), (3, 4, 8, 7), (1, 3, 7, 5), (2, 4, 8, 6)]
    lines = [f"v {x} {y} {z}" for x, y, z in corners]
    lines += ["f " + " ".join(f"{n}/1/1" for n in face) for face in faces]
    path = tmp_path / "cube.obj"
    path.write_text("\n".join(lines))
    grid = Voxels(VoxelsOptions(size=8)).load(path)[0]
    assert not grid[1:-1, 1:-1, 1:-1].any()
    assert grid.sum() == 8**3 - 6**3
