"""Drawn molecules: all atoms seen at their place, in their colour, the near ones before the far ones, and never mirrored."""

from __future__ import annotations

import math

import numpy as np
import pytest

from difftool_image.grid import GAP, SIDE
from difftool_molecule.ball_and_stick import (
    RING,
    WRONG,
    ball_radius,
    colour,
    drawn,
    extent,
    facing,
)
from difftool_molecule.ball_and_stick import (
    scene as to_turn,
)
from difftool_molecule.sheet import ASPECT, CELL, CLOSEST, LETTERS, formula, sheet
from difftool_molecule.solids import Scene

from .geometries import (
    ALL,
    BENZENE,
    ETHENE,
    METHANE,
    WATER,
    line,
    mirrored,
    raw,
    tetrahedron,
    together,
    turned,
)

RED, BLUE = np.float32([255, 0, 0]), np.float32([0, 0, 255])
LINE = math.ceil(1.5 * LETTERS)  # pixels that titles take below a row
CROOKED = raw(
    ("C", 0, 0, 0), ("C", 1.54, 0, 0), ("O", 2.1, 1.3, 0), ("N", 2.3, -1.1, 0.6), ("F", -0.5, -0.4, 1.2), ("H", -0.4, -0.7, -0.8),
    ("H", -0.4, 1.0, -0.2), ("C", 3.7, -1.2, 0.1), ("H", 1.7, -1.9, 0.8), ("H", 4.2, -0.3, -0.3),
)  # fmt: skip
CHIRAL = tetrahedron("C", 1.4, "H", "F", "Cl", "Br")


def pixels(image) -> np.ndarray:
    return np.asarray(image).astype(int)


def reddish(picture: np.ndarray) -> np.ndarray:
    return (picture[..., 0] > 2 * picture[..., 2] + 20) & (
        picture[..., 0] > 2 * picture[..., 1] + 20
    )


# --- solids ----------------------------------------------------------------------------------------------------------


def scene() -> Scene:
    """Ten pixels per angstrom, from -5 to 5 each way."""
    return Scene(100, 100, 10)


def test_a_ball_is_round_and_at_its_place():
    one = scene()
    one.ball(np.array([2.0, 1.0, 0.0]), 1.5, RED)
    rows, columns = np.nonzero(np.isfinite(one.depth))
    assert (columns.min(), columns.max() + 1, rows.min(), rows.max() + 1) == (55, 85, 25, 55)
    assert len(rows) == pytest.approx(np.pi * 15**2, rel=0.02)
    assert one.depth.max() == pytest.approx(1.5, abs=0.01)


@pytest.mark.parametrize(("near", "far"), [(RED, BLUE), (BLUE, RED)])
@pytest.mark.parametrize("first", ["near", "far"])
def test_what_is_nearer_hides_what_is_farther(near, far, first):
    one = scene()
    balls = [(np.array([0.0, 0.0, 1.0]), near), (np.array([0.5, 0.0, -1.0]), far)]
    for place, paint in balls if first == "near" else balls[::-1]:
        one.ball(place, 1.0, paint)
    picture = pixels(one.picture())
    assert picture[50, 50].argmax() == near.argmax()
    assert picture[50, 63].argmax() == far.argmax()


def test_balls_that_meet_cut_each_other_where_they_do():
    one = scene()
    one.ball(np.array([-0.5, 0.0, 0.0]), 1.0, RED)
    one.ball(np.array([0.5, 0.0, 0.0]), 1.0, BLUE)
    picture = pixels(one.picture())
    assert (picture[50, 37:49].argmax(-1) == 0).all()
    assert (picture[50, 52:63].argmax(-1) == 2).all()


@pytest.mark.parametrize("rise", [0.0, 0.4, -1.2, 3.0])
@pytest.mark.parametrize("angle", [0.0, 0.7, 2.0])
def test_a_rod_lies_where_its_axis_does(rise, angle):
    """Every point seen is so far from the axis, and between the ends."""
    one = Scene(400, 400, 40)
    a = np.array([-1.5 * np.cos(angle), -1.5 * np.sin(angle), -rise])
    b = -a
    one.rod(a, b, 0.3, RED)
    rows, columns = np.nonzero(np.isfinite(one.depth))
    points = np.stack(
        ((columns + 0.5 - 200) / 40, (200 - rows - 0.5) / 40, one.depth[rows, columns]), 1
    )
    axis = (b - a) / np.linalg.norm(b - a)
    along = (points - a) @ axis
    aside = np.linalg.norm(points - a - along[:, None] * axis, axis=1)
    assert len(points) > 2000
    assert np.allclose(aside, 0.3, atol=1e-3)
    assert along.min() > -1e-3
    assert along.max() < np.linalg.norm(b - a) + 1e-3
    assert along.min() < 0.05
    assert along.max() > np.linalg.norm(b - a) - 0.05


def test_what_lies_beyond_the_paper_is_cut_off():
    one = scene()
    for place in ((-5.0, 0.0, 0.0), (5.5, 5.5, 0.0), (400.0, 0.0, 0.0), (-1e9, 1e9, 0.0)):
        one.ball(np.array(place), 1.0, RED)
        one.rod(np.array(place), np.array(place) + np.array([1.0, 2.0, 3.0]), 0.2, RED)
    picture = pixels(one.picture())
    assert reddish(picture[50, :9]).all()
    assert (picture[30:70, 30:70] == 255).all()


def test_light_falls_from_above():
    one = scene()
    one.ball(np.zeros(3), 4.0, RED)
    picture = pixels(one.picture())
    assert picture[25, 50, 0] > 1.3 * picture[75, 50, 0]


# --- molecules -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ALL)
def test_facing_turns_and_never_mirrors(name):
    example = together(ALL[name], CHIRAL, apart=3)
    places = facing(example[:, :3].astype(float))
    apart = [
        np.linalg.norm(x[:, None] - x, axis=-1) for x in (places, example[:, :3].astype(float))
    ]
    assert np.allclose(*apart, atol=1e-5)
    middle = [x - x.mean(0) for x in (places, example[:, :3].astype(float))]
    assert np.linalg.det(np.linalg.lstsq(middle[1], middle[0], rcond=None)[0]) == pytest.approx(
        1, abs=1e-4
    )


def test_the_longest_axis_lies_across_and_the_shortest_towards_the_viewer():
    spread = facing(turned(together(BENZENE, BENZENE, apart=4.0))[:, :3].astype(float)).std(0)
    assert spread[0] > spread[1] > spread[2]


@pytest.mark.parametrize("seed", range(4))
def test_a_turned_molecule_looks_the_same(seed):
    one, other = (pixels(drawn(some, 200, 160, 25)) for some in (CROOKED, turned(CROOKED, seed)))
    assert (np.abs(one - other).max(-1) > 60).mean() < 0.001


def test_a_symmetric_molecule_that_is_changed_a_little_is_seen_from_the_same_side():
    """As before and after an edit."""
    chain = np.array([[0, 0.4, 0.0], [1.3, -0.4, 0.1], [2.6, 0.4, -0.1], [3.9, -0.4, 0.0]])
    rng = np.random.default_rng(0)
    for _ in range(8):
        assert np.abs(facing(chain + rng.normal(0, 0.01, chain.shape)) - facing(chain)).max() < 0.3


def test_its_mirror_image_does_not():
    one, other = (pixels(drawn(some, 200, 160, 25)) for some in (CROOKED, mirrored(CROOKED)))
    assert (np.abs(one - other).max(-1) > 60).mean() > 0.005


def test_every_element_has_its_colour():
    for symbol, z, channel in (("O", 8, 0), ("N", 7, 2), ("F", 9, 1)):
        picture = pixels(drawn(line((symbol, 0)), 100, 80, 40))
        assert (picture[40, 50].argmax(), colour(z).argmax()) == (channel, channel)
    assert (colour(79) == colour(92)).all()


def test_atoms_are_where_they_are_seen():
    """Of water far apart, three balls of their sizes."""
    example = line(("O", 0), ("O", 6.0), ("H", 4.0))
    picture = pixels(drawn(example, 400, 320, 30))
    inked = (picture < 250).any(-1)
    columns = np.flatnonzero(inked.any(0))
    groups = np.split(columns, np.flatnonzero(np.diff(columns) > 1) + 1)
    assert len(groups) == 3
    widths = sorted(len(group) for group in groups)
    ring = RING * 2 * 30
    assert widths == pytest.approx(
        [ring * ball_radius(1), ring * ball_radius(8), ring * ball_radius(8)], abs=3
    )


def test_bonds_are_drawn_as_often_as_their_order_says():
    """Across the middle of a bond of two carbons without hydrogens: runs of ink."""
    for length, order in ((1.5, 1), (1.34, 2), (1.2, 3)):
        picture = pixels(drawn(line(("C", 0), ("C", length)), 400, 320, 120))
        middle = (picture[:, 200] < 240).any(-1)
        assert (np.diff(middle.astype(int)) == 1).sum() == order


def test_atoms_with_wrong_bonds_have_a_ring():
    ring = (np.abs(pixels(drawn(METHANE, 200, 160, 40)) - WRONG) < 8).all(-1)
    assert not ring.any()
    broken = METHANE[:4]
    ring = (np.abs(pixels(drawn(broken, 200, 160, 40)) - WRONG) < 8).all(-1)
    assert ring.sum() > 100


def test_heavy_atoms_alone_have_none():
    """Where hydrogens were dropped, nothing adds up, and rings everywhere would say nothing."""
    ring = (np.abs(pixels(drawn(BENZENE[:6], 200, 160, 30)) - WRONG) < 8).all(-1)
    assert not ring.any()


@pytest.mark.parametrize("strange", [np.nan, np.inf])
def test_atoms_at_no_place_are_not_seen_and_the_others_are(strange):
    example = together(METHANE, WATER, apart=3)
    example[5:, 0] = strange
    assert np.array_equal(drawn(example, 200, 160, 40), drawn(METHANE, 200, 160, 40))
    nothing = METHANE.copy()
    nothing[:, 0] = strange
    assert (pixels(drawn(nothing, 50, 40, 10)) == 255).all()
    assert extent(nothing) == (0, 0)


# --- sheets ----------------------------------------------------------------------------------------------------------


def inked(picture: np.ndarray) -> tuple[int, int]:
    """Width and height of what is not paper."""
    there = (picture < 245).any(-1)
    return tuple(int(np.ptp(np.flatnonzero(there.any(axis)))) + 1 for axis in (0, 1))


def cells(picture: np.ndarray, n: int, columns: int) -> list[np.ndarray]:
    height = round(ASPECT * CELL)
    corners = (
        (GAP + i // columns * (height + LINE + GAP), GAP + i % columns * (CELL + GAP))
        for i in range(n)
    )
    return [picture[top : top + height, left : left + CELL] for top, left in corners]


def test_each_molecule_fills_its_cell_and_no_more():
    examples = [turned(together(BENZENE, BENZENE, apart=5), seed) for seed in range(4)]
    picture = np.asarray(sheet(examples))
    for cell in cells(picture, 4, 2):
        width, height = inked(cell)
        assert 0.85 * CELL < width <= CELL
        assert height < cell.shape[0]
        edge = np.concatenate((cell[0], cell[-1], cell[:, 0], cell[:, -1]))
        assert (edge == 255).all()


def test_all_are_drawn_to_one_scale():
    small, large = cells(np.asarray(sheet([ETHENE, together(ETHENE, ETHENE, apart=5)])), 2, 2)
    assert inked(small)[0] < 0.6 * inked(large)[0]


def test_one_that_reaches_far_is_drawn_smaller_and_does_not_make_others_small():
    scattered = BENZENE * np.float32([50, 50, 50, 1, 1])
    alone = cells(np.asarray(sheet([METHANE, WATER, ETHENE, BENZENE])), 4, 2)
    beside = cells(np.asarray(sheet([METHANE, WATER, ETHENE, BENZENE, scattered])), 5, 3)
    for i in range(4):
        assert np.array_equal(alone[i], beside[i])
    width, height = inked(beside[4])
    assert 0.5 * CELL < max(width, height) <= CELL


@pytest.mark.parametrize("factor", [1e3, 1e12, 1e37])
@pytest.mark.filterwarnings("error")
def test_what_is_scattered_far_and_wide_is_dust(factor):
    dust = (
        np.asarray(sheet([BENZENE * np.float32([factor, factor, factor, 1, 1])]))[
            : round(ASPECT * CELL)
        ]
        < 250
    ).any(-1)
    assert 12 <= dust.sum() < 200


def test_the_smallest_do_not_fill_their_cell():
    width, _ = inked(cells(np.asarray(sheet([line(("C", 0))])), 1, 1)[0])
    assert width == pytest.approx(2 * ball_radius(6) * CELL / 2 / CLOSEST, abs=3)


def test_titles_or_else_formulas_stand_below():
    titled, untitled, blank = (
        np.asarray(sheet([WATER, METHANE], titles)) for titles in (["a", "a"], (), ["", ""])
    )
    assert titled.shape == untitled.shape
    assert np.array_equal(untitled, blank)
    height = round(ASPECT * CELL) + GAP
    assert np.array_equal(titled[:height], untitled[:height])
    halves = [picture[height:, GAP : GAP + CELL] for picture in (titled, untitled)]
    assert not np.array_equal(*halves)
    assert halves[0].min() < 128


@pytest.mark.parametrize(
    ("example", "name"),
    [
        (WATER, "H2O"), (METHANE, "CH4"), (BENZENE, "C6H6"), (CHIRAL, "CHBrClF"), (line(("C", 0), ("O", 1.13)), "CO"),
        (raw(("Na", 0, 0, 0), ("Cl", 2, 0, 0)), "ClNa"),
    ],
)  # fmt: skip
def test_formulas_are_in_hills_order(example, name):
    assert formula(example) == name


@pytest.mark.parametrize("n", [1, 2, 3, 16, 50])
def test_sheets_are_of_a_size_to_look_at(n):
    width, height = sheet([METHANE] * n, ["a title"] * n).size
    assert max(width, height) <= 1.2 * SIDE
    assert n < 3 or 0.5 < width / height < 2


def test_a_sheet_of_nothing_finite_is_drawn_all_the_same():
    nothing = METHANE.copy()
    nothing[:, :3] = np.nan
    assert (np.asarray(sheet([nothing, nothing], ["", ""]))[: round(ASPECT * CELL)] == 255).all()


def test_what_a_page_turns_is_the_molecule_with_its_bonds():
    found = to_turn(raw(("C", 0, 0, 0), ("O", 1.2, 0, 0), ("H", np.nan, 0, 0)))
    assert [ball[:3] for ball in found.balls] == pytest.approx(np.array([[0, 0, 0], [1.2, 0, 0]]))
    assert found.sticks == [(0, 1, 2)]
    assert found.colours[0] != found.colours[1]
    assert all(len(colour) == 7 and colour[0] == "#" for colour in found.colours)
