"""The distance of reconstructions, on examples whose distance is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from difftool.metrics.reconstruction import psnr, reconstruction_numbers, spectral_db, ssim

RNG = np.random.default_rng(0)


def test_psnr_is_its_definition_and_finite_where_nothing_is_wrong():
    given = np.zeros((1, 4, 4), np.uint8)
    assert psnr(given, given + 10, 255.0) == pytest.approx(20 * math.log10(25.5))
    assert 100 < psnr(given, given, 255.0) < math.inf


def test_ssim_is_1_for_equal_pictures_and_falls_with_noise_and_with_contrast():
    given = RNG.integers(0, 255, (3, 24, 24)).astype(np.float64)
    assert ssim(given, given, 255.0) == pytest.approx(1)
    flat = np.full_like(given, 100.0)
    luminance = (2 * 100 * 50 + 6.5025) / (100**2 + 50**2 + 6.5025)  # of constants, Eq. 6
    assert ssim(flat, flat / 2, 255.0) == pytest.approx(luminance)
    noisy = [ssim(given, given + level * RNG.normal(size=given.shape), 255.0) for level in (10, 60)]
    assert 1 > noisy[0] > noisy[1] > 0


def test_a_spectrum_that_is_twice_as_loud_is_6_db_away():
    sound = RNG.normal(size=(1, 4_000))
    assert spectral_db(sound, sound) == 0
    assert spectral_db(sound, 2 * sound) == pytest.approx(20 * math.log10(2), rel=0.01)


def test_which_numbers_there_are_follows_from_the_axes():
    for shape, names in (
        ((3, 16, 16), {"psnr_db", "ssim"}),
        ((1, 900), {"psnr_db", "spectral_db"}),
    ):
        some = [RNG.normal(size=shape) for _ in range(3)]
        found = reconstruction_numbers(some, [one + 0.1 for one in some])
        assert set(found) == names
        assert all(error >= 0 for _, error in found.values())
