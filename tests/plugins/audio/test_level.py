"""Loudness on the way between 16 bits and floats."""

from __future__ import annotations

import math

import torch

from difftool_audio.level import PEAK, to_float, to_int16

EVERY = torch.arange(-PEAK, PEAK + 1, dtype=torch.int16).reshape(1, 1, -1)


def test_every_sample_survives_the_round_trip():
    assert torch.equal(to_int16(to_float(EVERY)), EVERY)


def test_one_is_full_scale():
    assert to_float(torch.tensor([[[16384]]], dtype=torch.int16)).item() == 0.5
    assert to_int16(torch.tensor([[[-0.5]]])).item() == -16384


def test_what_would_clip_is_turned_down_as_a_whole_and_its_neighbour_is_not():
    wave = torch.sin(torch.arange(1000) / 7)
    loud, soft = (torch.stack((wave, wave / 3)) * gain for gain in (1.5, 0.5))
    y = to_int16(torch.stack((loud, soft))).double() / 32768
    assert abs(20 * math.log10(y[0].abs().max()) + 0.1) < 0.01
    torch.testing.assert_close(
        y[0] / y[0].abs().max(), (loud / loud.abs().max()).double(), atol=1e-4, rtol=0
    )
    torch.testing.assert_close(y[1], soft.double(), atol=1 / 32768, rtol=0)


def test_the_loudest_that_fits_is_left_alone():
    x = torch.tensor([[[PEAK + 0.4, -PEAK - 0.4, 0.0]]]) / 32768
    assert to_int16(x).flatten().tolist() == [PEAK, -PEAK, 0]


def test_what_is_no_number_becomes_silence_and_the_rest_stays():
    x = torch.tensor([[[math.nan, math.inf, -math.inf, 0.25]], [[0.5, 0.5, 0.5, 0.5]]])
    assert to_int16(x).flatten().tolist() == [0, 0, 0, 8192] + [16384] * 4
    assert to_int16(torch.full((1, 2, 8), math.nan)).abs().max() == 0
    assert (
        to_int16(torch.full((1, 1, 4), 3e38)).abs().max() == 0
    )  # it has no finite 16-bit counterpart either


def test_the_input_is_not_written_to():
    x = torch.full((1, 1, 4), 2.0)
    to_int16(x)
    assert torch.equal(x, torch.full((1, 1, 4), 2.0))
