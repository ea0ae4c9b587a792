"""spectrogram: log-mel bands over time, which are small and close to hearing.

The phase is estimated again when samples become sound.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from difftool import Batch, Description, Euclidean, Representation

from .bands import LogMel
from .frames import Frames, rate_of
from .level import to_float, to_int16, to_int16_around
from .options import SpectrogramOptions

LEAST_STD = 0.25
"""Standard deviation, of the logarithm, below which a band is not stretched: 2 dB.

Less has a band in which there is never anything but the floor (above 4 kHz, say, in data that was
recorded at 8 kHz); stretched to full scale its hiss would be half of what is learnt."""

LOUDEST = 2.0
"""No band of a sound within full scale is louder; a model that asks for more is not obeyed, or the
exponential would overflow.
"""

RATIOS = 20
"""Rounds of the mel inversion: the bands are met to a few thousandths after 20, at a tenth of what
Griffin-Lim costs.
"""

MOMENTUM = 0.99
"""Of the fast Griffin-Lim algorithm (Perraudin et al. 2013), as torchaudio has it by default."""

PEAK = 0.9
"""Of full scale: where the phase is kept from adding up to more.

What the last round adds must fit above it.
"""

TINY = 1e-9


class Spectrogram(Representation):
    """``(log(band + floor) - mean) / std / 2``, mean and std of each band measured on the data.

    A band is the mean amplitude of the frequencies in it, weighted by the triangle of the mel
    scale. The floor is added, not cut at, so that it can be subtracted again. Without one, digital
    silence would be as far from room noise as that is from a shout: the distance of the two, and
    not the sound, would set mean and std. But where there is silence the smallest error of a
    network makes hiss in proportion to the floor. 1e-5 is as loud in each band as white noise at
    -78 dB: compare the rounding to 16 bits (-101 dB), a quiet room (-60 dB) a quarter of the way to
    speech, and hiss in proportion to it is not heard.
    """

    def __init__(self, options: SpectrogramOptions, description: Description) -> None:
        self.bands = LogMel(options, rate_of(description))
        self.frames, self.iterations = self.bands.frames, options.iterations
        self.mean = torch.tensor(description.measured.get("mean", [0.0] * options.mels))[:, None]
        self.std = torch.tensor(description.measured.get("std", [1.0] * options.mels))[:, None]
        self._copies: dict[torch.device, tuple[Tensor, Tensor]] = {}
        self.space = Euclidean()
        channels, samples = description.shape
        self.shape = (
            channels,
            options.mels,
            None if samples is None else self.frames.count(samples),
        )

    def measure(self, raw: Iterable[Batch]) -> dict[str, Any]:
        """Mean and standard deviation of each band over all real frames of all channels."""
        count, total, squares = (
            0.0,
            torch.zeros(len(self.mean)).double(),
            torch.zeros(len(self.mean)).double(),
        )
        for batch in raw:
            x, mask = self.bands(batch).double().cpu(), self.frames.mask(batch)
            real = (
                torch.ones_like(x[:, :, :1])
                if mask is None
                else mask.cpu().expand_as(x[:, :, :1]).double()
            )
            count += real.sum().item()
            total += (x * real).sum((0, 1, 3))
            squares += (x.square() * real).sum((0, 1, 3))
        mean = total / count
        std = (squares / count - mean.square()).clamp_min(LEAST_STD**2).sqrt()
        return {"mean": mean.tolist(), "std": std.tolist()}

    def encode(self, raw: Batch) -> Batch:
        """int16 ``[b, c, n]`` -> float32 ``[b, c, mels, frames]``."""
        mean, std = self._on(raw.x.device)
        mask = self.frames.mask(raw)
        return Batch(self.space.project((self.bands(raw) - mean) / (2 * std), mask), raw.cond, mask)

    def decode(self, batch: Batch) -> Batch:
        """float32 ``[b, c, mels, frames]`` -> int16 ``[b, c, (frames - 1) hop]``."""
        sound = self.frames.decode(batch, self._sound)
        return sound.with_x(to_int16(sound.x))

    def decode_around(self, batch: Batch, raw: Batch) -> Batch:
        """Like ``decode``, with a phase that fits the known samples, so that nothing clicks."""
        if raw.observed is None:
            return self.decode(batch)
        known = zip(to_float(raw.x), raw.observed.expand(raw.x.shape), strict=True)
        sound = self.frames.decode(batch, lambda x: self._sound(x, next(known)))
        return sound.with_x(to_int16_around(sound.x))

    def _on(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation, copied to each device once."""
        if device not in self._copies:
            self._copies[device] = (self.mean.to(device), self.std.to(device))
        return self._copies[device]

    def _sound(self, x: Tensor, known: tuple[Tensor, Tensor] | None = None) -> Tensor:
        mean, std = self._on(x.device)
        logarithm = torch.nan_to_num(x * (2 * std) + mean, nan=-math.inf).clamp_max(
            math.log(LOUDEST)
        )
        bands = (logarithm.exp() - self.bands.floor).clamp_min(0)
        bank = self.bands.bank(x.device)
        return griffin_lim(bands, bank, self.frames, self.iterations, known)


def spread(bands: Tensor, bank: Tensor, amplitude: Tensor) -> Tensor:
    """``amplitude [..., bins, frames]``, changed towards one whose ``bands`` are these:
    Richardson-Lucy's ratio.

    Each frequency is multiplied by the mean of the ratios, asked for to present, of the bands that
    it is in. It lowers the Kullback-Leibler divergence of the bands and never leaves the positive
    numbers   (Lee & Seung 2000, Eq. 5).
    """
    ratio = bands / (bank.mT @ amplitude + TINY)
    return amplitude * (bank @ ratio) / (bank.sum(1, keepdim=True) + TINY)


def invert(bands: Tensor, bank: Tensor) -> Tensor:
    """Amplitudes ``[..., bins, frames]`` whose bands are ``bands [..., mels, frames]``, starting
    from flat ones.
    """
    amplitude = torch.ones_like(bands[..., :1, :]).expand(
        *bands.shape[:-2], len(bank), bands.shape[-1]
    )
    for _ in range(RATIOS):
        amplitude = spread(bands, bank, amplitude)
    return amplitude


def griffin_lim(
    bands: Tensor,
    bank: Tensor,
    frames: Frames,
    iterations: int,
    known: tuple[Tensor, Tensor] | None = None,
) -> Tensor:
    """A sound ``[..., (frames - 1) hop]`` of these ``bands [..., mels, frames]``.

    Griffin & Lim 1984; fast: Perraudin et al. 2013, Alg. 1.

    Starts from phase 0, so that nothing random is in it. Each round also cuts what exceeds full
    scale: among the sounds of these amplitudes one is sought that need not be turned down, while
    waves that happen to meet would cost a note up to 5 dB. In the last quarter the amplitudes are
    no longer held fixed: those of the sound itself are taken, brought to the bands asked for. So
    the detail that the bands do not show (harmonics within a band) may become what fits the phase,
    and the bands themselves are met more closely.

    Args:
        known: a sound ``[..., n]``, and where it is known: each round puts it back, so that the
            phase fits it. The last result is as the bands have it; it is about right there.
    """
    amplitude = invert(bands, bank)
    phase = torch.ones_like(amplitude, dtype=torch.complex64)
    last = torch.zeros_like(phase)
    for i in range(iterations):
        sound = frames.inverse(amplitude * phase).clamp(-PEAK, PEAK)
        now = frames.transform(_with_known(sound, known))
        ahead = now - last * (MOMENTUM / (1 + MOMENTUM))
        size, last = ahead.abs() + TINY, now
        phase = ahead / size
        if i >= iterations * 3 // 4:
            amplitude = spread(bands, bank, size)
    return frames.inverse(amplitude * phase)


def _with_known(sound: Tensor, known: tuple[Tensor, Tensor] | None) -> Tensor:
    """The sound with the known samples in place."""
    if known is None:
        return sound
    more = (0, sound.shape[-1] - known[0].shape[-1])
    x, where = F.pad(known[0], more), F.pad(known[1], more)
    return torch.where(where, x, sound)
