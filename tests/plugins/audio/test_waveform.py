"""The samples as they are."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from difftool import Batch, Description
from difftool_audio.waveform import Waveform

RATE = 16_000
NOISE = (torch.randn(3, 2, 4000, generator=torch.Generator().manual_seed(0)) * 3000).to(torch.int16)
DESCRIPTION = Description((2, 4000), "int16", 3, extra={"rate": RATE})


def fitted(*batches: Batch) -> Waveform:
    measured = Waveform(None, DESCRIPTION).measure(batches)
    return Waveform(None, replace(DESCRIPTION, measured=measured))


def test_the_scale_is_that_of_all_batches_together_whatever_their_sizes():
    x = (
        fitted(Batch(NOISE[:1] // 2), Batch(NOISE[1:]))
        .encode(Batch(torch.cat((NOISE[:1] // 2, NOISE[1:]))))
        .x
    )
    torch.testing.assert_close(x.square().mean().sqrt(), torch.tensor(0.5))


def test_padding_counts_for_nothing():
    short, mask = NOISE.clone(), torch.arange(4000).expand(3, 1, -1) < 1000
    short[..., 1000:] = 0
    padded, alone = fitted(Batch(short, mask=mask)), fitted(Batch(NOISE[..., :1000]))
    assert padded.scale == pytest.approx(alone.scale)
    torch.testing.assert_close(
        padded.encode(Batch(NOISE, mask=mask)).x[..., :1000],
        alone.encode(Batch(NOISE[..., :1000])).x,
    )
    assert padded.encode(Batch(NOISE, mask=mask)).x[..., 1000:].abs().max() == 0
    assert padded.decode(Batch(torch.ones(3, 2, 4000), mask=mask)).x[..., 1000:].abs().max() == 0


def test_what_is_in_the_padding_does_not_turn_an_example_down():
    x, mask = torch.full((1, 2, 4000), 0.1), torch.arange(4000).expand(1, 1, -1) < 1000
    x[..., 1000:] = 100
    assert fitted(Batch(NOISE)).decode(Batch(x, mask=mask)).x[..., :1000].min() > 0


def test_every_bit_is_kept_at_any_scale():
    every = torch.arange(-32767, 32768, dtype=torch.int16).reshape(1, 1, -1)
    for scale in (1e-1, 0.7, 3.3, 500.0):
        one = Waveform(None, replace(DESCRIPTION, measured={"scale": scale}))
        assert torch.equal(one.decode(one.encode(Batch(every))).x, every)


def test_silent_data_is_not_blown_up():
    scale = fitted(Batch(NOISE * 0)).scale
    assert math.isfinite(scale)
    assert scale <= 500
