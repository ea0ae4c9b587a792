"""The demo clips: what they are labelled with is what is seen, and it moves by the laws of physics."""

from __future__ import annotations

import csv
import math
import random
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from difftool import scan_folder
from difftool_video.demo import (
    COLOURS,
    FPS,
    FRAMES,
    GROUND,
    NUMBERS,
    RADIUS,
    SHAPES,
    SIZE,
    Body,
    advance,
    caption,
    clip,
    picture,
    scene,
    write_demo,
)


def read(path: Path) -> np.ndarray:
    """uint8 ``[t, h, w, 3]``."""
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def cover(frames: np.ndarray, ink: tuple[int, int, int]) -> np.ndarray:
    """How much of every pixel ``[..., h, w]`` is of the ink, from the channel in which it differs from the ground the most."""
    channel = int(np.argmax(np.abs(np.subtract(ink, GROUND))))
    return (frames[..., channel].astype(float) - GROUND[channel]) / (ink[channel] - GROUND[channel])


def energy(bodies: list[Body]) -> float:
    return sum(body.mass * (body.u**2 + body.v**2) for body in bodies)


def watched(number: int, seed: int, frames: int = 100, step: float = 0.25):
    """A scene at every quarter of a frame."""
    bodies = scene(number, random.Random(seed))
    for _ in range(round(frames / step)):
        yield bodies
        advance(bodies, step)


# --- how they move ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("seed", range(8))
def test_nothing_leaves_the_box_and_nothing_overlaps(number, seed):
    for bodies in watched(number, seed):
        for i, body in enumerate(bodies):
            for place, (low, high) in zip((body.x, body.y), body.room, strict=True):
                assert low - 1e-9 <= place <= high + 1e-9
            assert all(body.gap(other) >= -1e-9 for other in bodies[:i])


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("seed", range(8))
def test_energy_is_kept(number, seed):
    found = [energy(bodies) for bodies in watched(number, seed)]
    assert np.allclose(found, found[0], rtol=1e-9)


@pytest.mark.parametrize("seed", range(8))
def test_one_alone_never_changes_its_speed_and_flies_straight_between_walls(seed):
    path = [(bodies[0].x, bodies[0].y, bodies[0].u, bodies[0].v) for bodies in watched(1, seed)]
    assert np.allclose(np.hypot(*np.array(path).T[2:]), np.hypot(*path[0][2:]))
    turns = 0
    for (x, y, u, v), (x1, y1, u1, v1) in pairwise(path):
        if (u, v) == (u1, v1):
            assert (x1 - x, y1 - y) == pytest.approx((u / 4, v / 4))
        turns += (u != u1) + (v != v1)
    assert turns >= 2


def test_a_wall_turns_the_speed_across_it():
    body = Body("disc", 4, 8, 16, -2, 1)
    advance([body], 3)
    assert (body.x, body.y, body.u, body.v) == pytest.approx((6, 19, 2, 1))


def test_equal_discs_that_meet_head_on_swap_their_speeds():
    a, b = Body("disc", 4, 8, 16, 2, 0), Body("square", 4, 20, 16, -1, 0)
    advance([a, b], 2)
    assert (a.u, b.u, a.v, b.v) == pytest.approx((-1, 2, 0, 0), abs=1e-12)
    assert (a.x, b.x) == pytest.approx((8 + 8 / 3 - 2 / 3, 20 - 4 / 3 + 4 / 3))


def test_a_collision_keeps_momentum_and_pushes_along_the_line_between_centres():
    a, b = Body("disc", 6, 10, 10, 2, 0.5), Body("disc", 4, 18, 16, -1, 0)  # they touch: 8, 6, 10
    before = np.array([[a.u, a.v], [b.u, b.v]])
    advance([a, b], 1e-6)
    given, taken = np.array([[a.u, a.v], [b.u, b.v]]) - before
    assert np.allclose(given * a.mass, -taken * b.mass)
    assert np.allclose(taken / np.hypot(*taken), (0.8, 0.6))
    assert energy([a, b]) == pytest.approx(36 * 4.25 + 16)


@pytest.mark.parametrize("seed", range(5))
def test_time_run_backwards_comes_back_to_the_start(seed):
    bodies = scene(3, random.Random(seed))
    start = [(body.x, body.y) for body in bodies]
    advance(bodies, FRAMES)
    assert (
        max(math.dist((body.x, body.y), place) for body, place in zip(bodies, start, strict=True))
        > 2
    )
    for body in bodies:
        body.u, body.v = -body.u, -body.v
    advance(bodies, FRAMES)
    assert np.allclose([(body.x, body.y) for body in bodies], start, atol=1e-6)


def test_steps_of_any_length_lead_to_the_same_place():
    one, many = (scene(3, random.Random(4)) for _ in range(2))
    advance(one, 8)
    for _ in range(80):
        advance(many, 0.1)
    assert np.allclose(
        [(body.x, body.y) for body in one], [(body.x, body.y) for body in many], atol=1e-6
    )


def test_most_clips_show_a_bounce():
    turned = 0
    for seed in range(100):
        bodies = scene(1, random.Random(seed))
        before = bodies[0].u, bodies[0].v
        advance(bodies, FRAMES - 1)
        turned += (bodies[0].u, bodies[0].v) != before
    assert turned > 60


# --- how they look ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "area"), [("disc", math.pi), ("square", 2), ("triangle", 0.75 * math.sqrt(3))]
)
def test_shapes_have_their_area_their_place_and_their_extent(kind, area):
    ink = COLOURS["yellow"]
    body = Body(kind, 5.3, 15.7, 16.4)
    found = cover(picture([body], ink), ink)
    y, x = np.mgrid[:SIZE, :SIZE] + 0.5
    assert found.sum() == pytest.approx(area * 5.3**2, rel=0.03)
    assert ((x * found).sum() / found.sum(), (y * found).sum() / found.sum()) == pytest.approx(
        (15.7, 16.4), abs=0.06
    )
    assert np.allclose(found[np.hypot(x - 15.7, y - 16.4) > 5.3 + 1], 0)
    _, side, top, bottom = SHAPES[kind]
    columns, rows = (np.flatnonzero(found.max(axis) > 0.25) for axis in (0, 1))
    assert (columns[0], columns[-1] + 1) == pytest.approx(
        (15.7 - 5.3 * side, 15.7 + 5.3 * side), abs=1
    )
    assert (rows[0], rows[-1] + 1) == pytest.approx(
        (16.4 - 5.3 * top, 16.4 + 5.3 * bottom), abs=1.6
    )


@pytest.mark.parametrize("kind", SHAPES)
def test_a_shape_moves_by_less_than_a_pixel_where_it_should(kind):
    """Smooth edges: a tenth of a pixel is seen."""
    ink = COLOURS["blue"]
    frames = np.stack([picture([Body(kind, 5, 12 + 0.1 * k, 16)], ink) for k in range(20)])
    found = cover(frames, ink)
    centres = (found * (np.arange(SIZE) + 0.5)).sum((1, 2)) / found.sum((1, 2))
    assert np.allclose(np.diff(centres), 0.1, atol=0.06)


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("number", NUMBERS)
def test_as_many_shapes_are_seen_as_the_count_says(colour, number):
    """Connected parts of the first frame, and all between the ground and one ink."""
    for seed in range(10):
        bodies = scene(number, random.Random(seed))
        first = clip(bodies, COLOURS[colour])[0]
        found = cover(first, COLOURS[colour])
        assert (
            np.abs(
                first - (np.array(GROUND) + found[..., None] * np.subtract(COLOURS[colour], GROUND))
            ).max()
            <= 1.5
        )
        assert parts(found > 0.5) == number


def parts(mask: np.ndarray) -> int:
    """How many connected regions there are."""
    left, count = {*zip(*np.nonzero(mask), strict=True)}, 0
    while left:
        count, edge = count + 1, [left.pop()]
        while edge:
            y, x = edge.pop()
            near = {(y + 1, x), (y - 1, x), (y, x + 1), (y, x - 1)} & left
            left -= near
            edge += near
    return count


@pytest.mark.parametrize(
    ("kinds", "text"),
    [
        (["disc"], "a red disc"),
        (["square", "square"], "two red squares"),
        (["triangle", "disc"], "a red disc and a red triangle"),
        (["square", "disc", "square"], "a red disc and two red squares"),
        (["triangle", "disc", "square"], "a red disc, a red square and a red triangle"),
        (["disc"] * 3, "three red discs"),
    ],
)
def test_captions_say_what_is_there(kinds, text):
    assert caption("red", [Body(kind, 5, 0, 0) for kind in kinds]) == text


# --- the folder ------------------------------------------------------------------------------------------------------


def test_the_folder_is_read_with_colour_count_and_caption(tmp_path):
    write_demo(tmp_path, 2)
    items = scan_folder(tmp_path, (".mov",))
    assert len(items) == 2 * len(COLOURS) * len(NUMBERS)
    with open(tmp_path / "metadata.csv", encoding="utf-8") as file:
        rows = {row["file_name"]: row for row in csv.DictReader(file)}
    for item in items:
        row = rows[item.path.name]
        assert set(item.columns) == {"colour", "count", "caption"}
        assert item.columns["colour"] == row["colour"]
        assert item.columns["colour"] in item.columns["caption"]
        assert int(item.columns["count"]) == int(row["count"])
        frames = read(item.path)
        assert frames.shape == (FRAMES, SIZE, SIZE, 3)
        ink = COLOURS[row["colour"]]
        assert {GROUND, ink} <= {tuple(pixel) for pixel in frames.reshape(-1, 3).tolist()}
        assert cover(frames, ink).sum((1, 2)).min() > int(row["count"]) * 1.25 * RADIUS[0] ** 2


def test_files_hold_the_exact_frames_at_their_times(tmp_path):
    write_demo(tmp_path, 1)
    for colour, ink in COLOURS.items():
        path = tmp_path / f"{colour}-2-0000.mov"
        assert np.array_equal(read(path), clip(scene(2, random.Random(path.stem)), ink))
        with av.open(str(path)) as container:
            assert [frame.time for frame in container.decode(video=0)] == [
                k / FPS for k in range(FRAMES)
            ]


def test_it_is_the_same_every_time(tmp_path):
    for name in "ab":
        write_demo(tmp_path / name, 2)
    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert len(files) == 2 * 12 + 1
    for name in files:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert len({(tmp_path / "a" / name).read_bytes() for name in files}) == len(files)


def test_more_of_them_begin_with_the_same(tmp_path):
    for name, count in (("few", 1), ("more", 2)):
        write_demo(tmp_path / name, count)
    for path in (tmp_path / "few").glob("*.mov"):
        assert path.read_bytes() == (tmp_path / "more" / path.name).read_bytes()


def test_it_is_small(tmp_path):
    write_demo(tmp_path, 3)
    assert np.mean([path.stat().st_size for path in tmp_path.glob("*.mov")]) < 8000
