"""Numbers of clips: motion, restlessness and flicker of clips that are made for it."""

from __future__ import annotations

import numpy as np
import pytest

from difftool import Description, NoOptions
from difftool_video.statistics import MotionStatistics

RNG = np.random.default_rng(0)
PICTURE = RNG.integers(0, 200, (3, 8, 8), dtype=np.uint8)


def of(clip: np.ndarray) -> dict[str, float]:
    about = Description(clip.shape, "uint8", 9)
    return MotionStatistics(NoOptions(), about).measure([clip.astype(np.uint8)], [])


def test_a_still_does_not_move():
    found = of(np.repeat(PICTURE[None], 6, 0))
    assert found["motion"] == found["flicker"] == 0
    assert np.isnan(found["restlessness"])
    assert all(np.isnan(value) for value in of(PICTURE[None]).values())


def test_light_that_comes_and_goes_flickers_and_something_that_passes_does_not():
    blinking = of(np.stack([PICTURE + 51 * (i % 2) for i in range(6)]))
    assert blinking["flicker"] == pytest.approx(0.2)
    assert blinking["motion"] == pytest.approx(0.2)
    passing = of(np.stack([np.roll(PICTURE, i, 2) for i in range(6)]))
    assert passing["flicker"] == pytest.approx(0, abs=1e-9)
    assert passing["motion"] > 0.1


def test_frames_in_any_order_are_restless():
    place = np.arange(40)[None, None, None, :]
    smooth = [
        np.broadcast_to(128 + 100 * np.sin((place - i) / 6), (1, 1, 8, 40)) for i in range(12)
    ]
    clip = np.concatenate(smooth)
    calm, wild = of(clip), of(RNG.permutation(clip))
    assert calm["restlessness"] < 0.5
    assert wild["restlessness"] > 1.2
