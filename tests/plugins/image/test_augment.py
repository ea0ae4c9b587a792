"""Random changes: nothing at p = 0, told of whatever they do, a function of the stream alone."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from difftool import Batch, Stream, Streams
from difftool_image.augment import AUGMENT, augment, draw, flip, matrices, warp

from .conftest import SHAPES, modality, pattern


def batch(n: int = 32, height: int = 12, width: int = 16, channels: int = 3) -> Batch:
    pictures = [pattern(height, width, channels, seed).transpose(2, 0, 1) for seed in range(n)]
    return Batch(torch.from_numpy(np.stack(pictures)))


def stream(step: int = 0) -> Stream:
    return Stream(0, "augment", step)


def test_nothing_asked_for_is_the_batch_itself():
    raw = batch()
    one = modality(size=16, channels="rgb")
    assert one.augment(raw, stream()) is raw
    assert one.describe(SHAPES)[2] == ()


def test_at_probability_zero_only_the_mirror_is_left():
    raw = batch()
    out = augment(raw, stream(), 0.0)
    label = out.cond[AUGMENT]
    assert label.shape == (32, 9)
    assert not label[:, 1:].any()
    mirrored = label[:, 0].bool()
    assert 4 < mirrored.sum() < 28
    assert torch.equal(out.x[mirrored], raw.x[mirrored].flip(-1))
    assert torch.equal(out.x[~mirrored], raw.x[~mirrored])


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_shape_and_type_are_kept(channels):
    raw = batch(4, channels=channels)
    out = augment(raw, stream(), 1.0)
    assert out.x.shape == raw.x.shape
    assert out.x.dtype == torch.uint8


def test_the_label_is_zero_exactly_where_nothing_was_done():
    raw = batch(256)
    out = augment(raw, stream(), 0.12)
    untouched = (out.cond[AUGMENT] == 0).all(1)
    same = (out.x == raw.x).flatten(1).all(1)
    assert 20 < untouched.sum() < 200
    assert torch.equal(untouched, same)


def test_the_label_tells_what_was_done():
    """The same label on the same picture gives the same result: nothing leaks."""
    raw = batch()
    out = augment(raw, stream(), 1.0)
    label = out.cond[AUGMENT]
    x = torch.where(label[:, 0, None, None, None] > 0, raw.x.flip(-1), raw.x)
    x = torch.where(label[:, 1, None, None, None] > 0, x.flip(-2), x)
    assert torch.equal(out.x, warp(x, matrices(label, 12, 16)))


def test_deterministic_per_stream():
    raw = batch()
    assert torch.equal(augment(raw, stream(), 0.5).x, augment(raw, stream(), 0.5).x)
    assert not torch.equal(augment(raw, stream(), 0.5).x, augment(raw, stream(1), 0.5).x)


def test_an_example_does_not_depend_on_its_neighbours():
    raw = batch(8)
    whole = augment(raw, Streams(0, "augment", range(8)), 0.7)
    part = augment(raw.map(lambda t: t[5:6]), Streams(0, "augment", [5]), 0.7)
    assert torch.equal(whole.x[5:6], part.x)
    assert torch.equal(whole.cond[AUGMENT][5:6], part.cond[AUGMENT])


def test_the_flip_is_half_of_them_and_is_not_told():
    raw = batch(256)
    out = flip(raw, stream())
    mirrored = (out.x == raw.x.flip(-1)).flatten(1).all(1)
    assert 96 < mirrored.sum() < 160
    assert torch.equal(out.x[~mirrored], raw.x[~mirrored])
    assert not out.cond


def test_how_often():
    label = draw(20_000, stream(), 0.12)
    share = (label != 0).float().mean(0)
    expected = torch.tensor([0.5, 0.06, 0.12, 0.12, 0.12, 0.12, 0.12, 0.12, 0.12])
    assert torch.allclose(share, expected, atol=0.015)


# --- the transformations ---------------------------------------------------------------------------------------------


def one(place: int, *values: float) -> torch.Tensor:
    label = torch.zeros(1, 9)
    label[0, place : place + len(values)] = torch.tensor(values)
    return label


def dot(y: int, x: int, height: int = 17, width: int = 33) -> torch.Tensor:
    picture = torch.zeros(1, 1, height, width, dtype=torch.uint8)
    picture[0, 0, y, x] = 255
    return picture


def place(picture: torch.Tensor) -> tuple[float, float]:
    weight = picture[0, 0].float()
    y, x = torch.meshgrid(
        torch.arange(weight.shape[0]), torch.arange(weight.shape[1]), indexing="ij"
    )
    return float((weight * y).sum() / weight.sum()), float((weight * x).sum() / weight.sum())


def moved(label: torch.Tensor, y: int, x: int) -> tuple[float, float]:
    picture = dot(y, x)
    return place(warp(picture, matrices(label, *picture.shape[2:])))


def test_zero_is_the_identity():
    raw = batch(2).x
    assert torch.equal(warp(raw, matrices(torch.zeros(2, 9), 12, 16)), raw)


def test_rotation_turns_about_the_centre_without_distortion():
    """A quarter turn moves four pixels to the right of the centre to four above or below it, also where pictures are wide."""
    y, x = moved(one(3, math.cos(math.pi / 2) - 1, math.sin(math.pi / 2)), 8, 20)
    assert abs(x - 16) < 0.1
    assert abs(abs(y - 8) - 4) < 0.1


def test_scale_enlarges():
    y, x = moved(one(2, 1.0), 8, 26)
    assert abs(y - 8) < 0.2
    assert abs(x - 16 - 10 * 2**0.2) < 0.2


def test_stretch_enlarges_one_axis_and_reduces_the_other():
    along, across = moved(one(5, 1.0, 0.0), 8, 26), moved(one(5, 0.0, 1.0), 8, 26)
    assert abs(along[1] - 16 - 10 * 2**0.2) < 0.2
    assert abs(across[1] - 16 - 10 * 2**-0.2) < 0.2


def test_shift_is_a_share_of_the_sides():
    y, x = moved(one(7, 1.0, -0.5), 8, 16)
    assert abs(x - 16 - 33 / 8) < 0.1
    assert abs(y - 8 + 17 / 16) < 0.1


def test_edges_are_reflected():
    flat = torch.full((1, 1, 9, 9), 77, dtype=torch.uint8)
    assert (warp(flat, matrices(draw(1, stream(), 1.0), 9, 9)) == 77).all()
