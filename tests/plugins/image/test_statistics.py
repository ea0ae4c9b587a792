"""Numbers of pictures: each is what its name says of a picture that is made for it."""

from __future__ import annotations

import numpy as np
import pytest

from difftool import Description, NoOptions
from difftool_image.statistics import Colour

RNG = np.random.default_rng(0)


def of(*examples: np.ndarray) -> dict[str, float]:
    shape = examples[0].shape
    return Colour(NoOptions(), Description(shape, "uint8", 9)).measure(examples, [])


def flat(*channels: int) -> np.ndarray:
    return np.stack([np.full((6, 6), value, np.uint8) for value in channels])


def test_flat_pictures_have_brightness_and_saturation_alone():
    assert of(flat(255)) == pytest.approx({"brightness": 1, "contrast": 0, "detail": 0})
    red = of(flat(255, 0, 0))
    assert red["brightness"] == pytest.approx(0.299)
    assert red["saturation"] == 1
    assert of(flat(255, 0, 0, 9)) == pytest.approx(red), "transparency is no colour"
    assert of(flat(0), flat(255))["brightness"] == pytest.approx(0.5)


def test_stripes_have_contrast_and_noise_has_detail():
    wide, fine = (np.tile(np.repeat([0, 255], n), (8, 8 // (2 * n)))[None] for n in (4, 1))
    found = [of(one.astype(np.uint8)) for one in (wide, fine)]
    assert [one["contrast"] for one in found] == pytest.approx([0.5, 0.5])
    assert found[1]["detail"] > 5 * found[0]["detail"]


def test_a_clip_has_the_numbers_of_its_frames():
    frames = RNG.integers(0, 256, (4, 3, 6, 6), dtype=np.uint8)
    each = [of(frame) for frame in frames]
    for name, value in of(frames).items():
        assert value == pytest.approx(np.mean([one[name] for one in each]))
