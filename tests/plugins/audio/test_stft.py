"""The compressed complex spectrum."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from difftool import Batch, Description, UsageError
from difftool_audio.options import StftOptions
from difftool_audio.stft import Stft

RATE = 16_000
EXACT = 32768 * 1e-4


def noise(b: int = 2, c: int = 1, n: int = 5000, rms: float = 3000.0) -> torch.Tensor:
    return (
        (torch.randn(b, c, n, generator=torch.Generator().manual_seed(1)) * rms)
        .clamp(-32767, 32767)
        .to(torch.int16)
    )


def fitted(raw: Batch, rate: int = RATE, **options) -> Stft:
    description = Description(tuple(raw.x.shape[1:]), "int16", len(raw), extra={"rate": rate})
    settings = StftOptions(**options)
    return Stft(settings, replace(description, measured=Stft(settings, description).measure([raw])))


@pytest.mark.parametrize(
    "options",
    [{}, {"compression": 1.0}, {"compression": 0.3}, {"window": 512}, {"hop": 100, "window": 300}],
)
@pytest.mark.parametrize("rms", [30, 3000, 20_000])
def test_it_inverts_to_a_ten_thousandth_of_full_scale(options, rms):
    raw = Batch(noise(2, 2, 4567, rms))
    one = fitted(raw, **options)
    back = one.decode(one.encode(raw)).x[..., :4567]
    assert (back.int() - raw.x.int()).abs().max() <= EXACT


def test_a_constant_and_the_highest_frequency_are_kept():
    """Both share the lowest bin."""
    alternating = 3000 * (-1) ** torch.arange(4000)
    raw = Batch((alternating + 1000).to(torch.int16).expand(1, 1, -1))
    one = fitted(raw)
    assert (one.decode(one.encode(raw)).x[..., :4000].int() - raw.x.int()).abs().max() <= EXACT


def test_shapes_suit_a_network():
    one = fitted(Batch(noise(1, 2, 16_000)))
    assert one.shape == (4, 128, 126)
    assert one.shape == tuple(one.encode(Batch(noise(1, 2, 16_000))).x.shape[1:])


def test_compression_is_the_power_of_the_amplitude_and_keeps_the_phase():
    raw = Batch(noise())
    plain, half = (fitted(raw, compression=power) for power in (1.0, 0.5))
    z, w = (one.encode(raw).x[:, 0] + 1j * one.encode(raw).x[:, 1] for one in (plain, half))
    torch.testing.assert_close((w / half.scale).abs().square(), (z / plain.scale).abs())
    torch.testing.assert_close(w / w.abs(), z / z.abs(), atol=1e-4, rtol=0)


def test_the_data_comes_to_lie_at_half_a_unit_whatever_its_level():
    for rms in (20, 3000):
        raw = Batch(noise(4, rms=rms))
        assert fitted(raw).encode(raw).x.square().mean().sqrt() == pytest.approx(0.5, rel=1e-3)


def test_padding_changes_nothing():
    raw, mask = noise(1, 1, 5000), torch.arange(5000).expand(1, 1, -1) < 3001
    one = fitted(Batch(raw))
    padded, alone = one.encode(Batch(raw, mask=mask)), one.encode(Batch(raw[..., :3001]))
    real = alone.x.shape[-1]
    assert padded.mask.flatten().tolist() == [True] * real + [False] * (padded.x.shape[-1] - real)
    torch.testing.assert_close(padded.x[..., :real], alone.x)
    assert padded.x[..., real:].abs().max() == 0
    back, back_alone = one.decode(padded), one.decode(alone)
    n = back_alone.x.shape[-1]
    assert n >= 3001
    assert torch.equal(back.x[..., :n], back_alone.x)
    assert back.x[..., n:].abs().max() == 0
    assert back.mask.flatten().tolist() == [True] * n + [False] * (back.x.shape[-1] - n)


def test_padding_does_not_count_in_the_scale():
    raw, mask = noise(1, 1, 5120), torch.arange(5120).expand(1, 1, -1) < 2560
    assert fitted(Batch(raw, mask=mask)).scale == pytest.approx(
        fitted(Batch(raw[..., :2560])).scale, rel=1e-6
    )


def test_silence_stays_silent():
    silent = Batch(torch.zeros(1, 1, 1000, dtype=torch.int16))
    one = fitted(silent)
    assert one.decode(one.encode(silent)).x.abs().max() == 0


def test_a_window_that_would_leave_gaps_is_refused():
    with pytest.raises(UsageError, match="take at least 512"):
        fitted(Batch(noise()), hop=256, window=300)


def test_a_window_without_a_middle_is_refused():
    """One of 1001 samples would lose the last frame, and with it the end of every sound."""
    with pytest.raises(UsageError, match="even"):
        fitted(Batch(noise()), hop=500, window=1001)
