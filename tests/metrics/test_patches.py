"""patches: nothing where two sets are alike, more the less they are; of any number of axes, of any sizes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from difftool import Description, UsageError
from difftool.metrics import patches
from difftool.metrics.options import PatchesOptions
from difftool.metrics.patches import Patches
from difftool.metrics.pyramid import doubled, halved, pyramid
from difftool.testing import metric_contract

RNG = np.random.default_rng(0)


def smooth(count: int, *shape: int) -> list[np.ndarray]:
    """Smooth noise in bytes: ``shape`` is channels, then axes."""
    x = gaussian_filter(RNG.standard_normal((count, *shape)), (0, 0, *(1.5 for _ in shape[1:])))
    return list((x / x.std() * 18 + 128).clip(0, 255).astype(np.uint8))


def measured(examples, data, *shape: int | None) -> dict[str, float]:
    return Patches(
        PatchesOptions(), Description(shape or data[0].shape, data[0].dtype.name, len(data))
    ).measure(examples, data)


LINES = [RNG.integers(-99, 99, (2, n), dtype=np.int16) for n in (300, 60, 5, 200)]
TestPictures = metric_contract("patches", smooth(3, 3, 16, 21), smooth(4, 3, 16, 21))
TestLines = metric_contract("patches", LINES, LINES[1:])
TestClips = metric_contract("patches", smooth(2, 9, 3, 8, 8), smooth(3, 9, 3, 8, 8))
TestSmall = metric_contract("patches", smooth(3, 3, 4, 4), smooth(4, 3, 4, 4))
TestFloats = metric_contract(
    "patches", [RNG.random((1, 99)) for _ in range(2)], [np.zeros((1, 99)) for _ in range(2)]
)


@pytest.mark.parametrize("shape", [(1, 900), (3, 24, 31), (2, 9, 16, 16)], ids=str)
def test_it_is_small_between_two_halves_and_large_of_what_is_spoilt(shape):
    one, other = smooth(48, *shape), smooth(200, *shape)
    floor = measured(one, other)["distance"]
    spoilt = {
        "blurred": [
            gaussian_filter(x.astype(float), (0, *(1.0 for _ in shape[1:]))).astype(np.uint8)
            for x in one
        ],
        "noisy": [(x + RNG.normal(0, 8, x.shape)).clip(0, 255).astype(np.uint8) for x in one],
        "shifted": [x + np.uint8(10) for x in one],
        "of little contrast": [(128 + (x.astype(float) - 128) * 0.6).astype(np.uint8) for x in one],
    }
    assert floor < 0.12
    for what, examples in spoilt.items():
        assert measured(examples, other)["distance"] > 1.5 * floor, what


def test_it_grows_with_what_is_wrong():
    one, other = smooth(48, 1, 24, 24), smooth(100, 1, 24, 24)
    noisy = [
        [(x + RNG.normal(0, std, x.shape)).clip(0, 255).astype(np.uint8) for x in one]
        for std in (0, 4, 8, 16)
    ]
    found = [measured(examples, other)["distance"] for examples in noisy]
    assert found == sorted(found)


def test_the_same_examples_are_at_no_distance():
    one = smooth(10, 3, 16, 16)
    assert measured(one[::-1], one) == {"distance": 0.0, "fine": 0.0, "coarse": 0.0}


def test_each_scale_sees_what_is_wrong_there():
    one, other = smooth(64, 1, 32, 32), smooth(64, 1, 32, 32)
    floor, darker = measured(one, other), measured([x - np.uint8(12) for x in one], other)
    noisy = measured(
        [(x + RNG.normal(0, 9, x.shape)).clip(0, 255).astype(np.uint8) for x in one], other
    )
    assert darker["fine"] == pytest.approx(floor["fine"], rel=0.05)
    assert darker["coarse"] > 3 * floor["coarse"]
    assert noisy["fine"] > 3 * floor["fine"]
    assert noisy["coarse"] < 2 * floor["coarse"]


def test_sets_of_other_lengths_and_counts_are_compared():
    drawn = [RNG.standard_normal((1, n)) for n in RNG.integers(150, 2000, 300)]
    short = [x[:, :150] for x in drawn[:20]]
    assert measured(drawn[:20], drawn[20:], 1, None)["fine"] < 0.1
    assert measured(short, drawn[20:], 1, None)["fine"] < 0.1
    assert measured([x * 2 for x in short], drawn[20:], 1, None)["fine"] > 0.4


def test_the_data_s_side_is_the_same_whether_it_is_kept_or_not():
    one, two, data = smooth(4, 1, 16, 16), smooth(6, 1, 16, 16), smooth(9, 1, 16, 16)
    metric = Patches(PatchesOptions(), Description((1, 16, 16), "uint8", 9))
    assert [metric.measure(some, data) for some in (one, two, one)] == [
        measured(some, data) for some in (one, two, one)
    ]
    assert metric.measure(one, two) == measured(one, two)


def test_of_many_examples_fewer_patches_are_taken(monkeypatch):
    one, other = smooth(40, 1, 16, 16), smooth(80, 1, 16, 16)
    whole = measured(one, other)["distance"]
    monkeypatch.setattr(patches, "MOST", 80 * 8)
    assert measured(one, other)["distance"] == pytest.approx(whole, abs=0.05)


def test_other_channels_are_refused_in_words():
    with pytest.raises(
        UsageError, match="An example of 1 x 8 x 8 does not fit the data, 3 x any x any"
    ):
        measured(smooth(1, 1, 8, 8), smooth(2, 3, 8, 8), 3, None, None)


@pytest.mark.parametrize("n", [1, 2, 7, 8])
def test_half_as_many_and_back(n):
    """Straight lines and constants are kept, as far as no edge is met; sizes are as they were."""
    flat, line = np.full((1, n), 3.0), np.arange(64.0)[None]
    assert halved(flat, 1).shape == (1, -(-n // 2))
    assert np.array_equal(doubled(halved(flat, 1), 1, n), flat)
    assert np.allclose(doubled(halved(line, 1), 1, 64)[:, 6:-6], line[:, 6:-6])


def test_a_pyramid_can_be_put_together_again():
    x, axes = RNG.standard_normal((2, 3, 13, 10)), [(2, 3), (2,)]
    fine, middle, rest = pyramid(x, axes)
    assert [scale.shape for scale in (fine, middle, rest)] == [
        (2, 3, 13, 10),
        (2, 3, 7, 5),
        (2, 3, 4, 5),
    ]
    again = middle + doubled(rest, 2, 7)
    assert np.allclose(fine + doubled(doubled(again, 3, 10), 2, 13), x)
