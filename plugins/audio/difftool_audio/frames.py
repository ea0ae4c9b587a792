"""frames: the short-time Fourier transform of spectrogram and stft, and the mask of its real
frames.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from difftool import Batch, Description, UsageError


def rate_of(description: Description) -> int:
    """Samples per second of the data."""
    return int(description.extra["rate"])


def power_of_two(seconds: float, rate: int) -> int:
    """The power of two, in samples, that is nearest to this many seconds."""
    return 2 ** max(1, round(math.log2(seconds * rate)))


@dataclass(frozen=True, slots=True)
class Frames:
    """Frames of ``window`` samples around every ``hop``-th one, the first and the last reaching
    half a window beyond the sound.

    Around the sound is silence, not its mirror image: so the frames of a sound are the same whether
    or not padding follows it. Amplitudes are such that a full-scale sine has a peak of 1.
    """

    hop: int
    window: int

    def __post_init__(self) -> None:
        if self.window % 2:
            raise UsageError(
                f"A window of {self.window} samples has no middle to put at a frame's place. Take "
                "an even number."
            )
        if not 2 * self.hop <= self.window:
            raise UsageError(
                f"A window of {self.window} samples is too short for a hop of {self.hop}: take at "
                f"least {2 * self.hop}, so that every sample is seen by two frames and can be put "
                "together again."
            )

    @property
    def bins(self) -> int:
        return self.window // 2 + 1

    def count(self, samples: int) -> int:
        """The number of frames of this many samples."""
        return -(-samples // self.hop) + 1

    def transform(self, x: Tensor) -> Tensor:
        """``[..., n]`` -> complex ``[..., bins, frames]``."""
        x = F.pad(x, (0, -x.shape[-1] % self.hop))
        spectrum = torch.stft(
            x.flatten(0, -2), **self._settings(x.device), pad_mode="constant", return_complex=True
        )
        return spectrum.mul_(self._unit).unflatten(0, x.shape[:-1])

    def inverse(self, spectrum: Tensor) -> Tensor:
        """complex ``[..., bins, frames]`` -> ``[..., (frames - 1) hop]``, the sound whose frames
        are nearest (Griffin & Lim 1984, Eq. 6).
        """
        length = (spectrum.shape[-1] - 1) * self.hop
        if not length:
            return spectrum.real.new_zeros(*spectrum.shape[:-2], 0)
        flat = spectrum.flatten(0, -3) / self._unit
        return torch.istft(flat, **self._settings(flat.device), length=length).unflatten(
            0, spectrum.shape[:-2]
        )

    def mask(self, raw: Batch) -> Tensor | None:
        """The real frames, ``[b, 1, 1, frames]``: those that the sound would have without its
        padding.
        """
        if raw.mask is None:
            return None
        samples = raw.mask.flatten(1).sum(1)
        frames = -(-samples // self.hop) + 1
        every = torch.arange(self.count(raw.x.shape[-1]), device=frames.device)
        return (every < frames[:, None])[:, None, None]

    def decode(self, batch: Batch, sound: Callable[[Tensor], Tensor]) -> Batch:
        """``sound`` of each example's real frames, with silence after it where others are longer:
        ``[b, c, (frames - 1) hop]``.

        One by one, so that a sample is the same to the bit in whatever batch it is made; on a CPU
        this is also faster, because one example fits its caches.
        """
        total = (batch.x.shape[-1] - 1) * self.hop
        real = (
            [batch.x.shape[-1]] * len(batch)
            if batch.mask is None
            else batch.mask.flatten(1).sum(1).tolist()
        )
        sounds = [sound(x[..., :n]) for x, n in zip(batch.x.float(), real, strict=True)]
        x = torch.stack([F.pad(one, (0, total - one.shape[-1])) for one in sounds])
        mask = (
            None
            if batch.mask is None
            else _before(torch.tensor(real, device=x.device).sub(1).clamp_min(0) * self.hop, total)
        )
        return Batch(x, batch.cond, mask)

    @property
    def _unit(self) -> float:
        """What makes a sine of amplitude 1 peak at 1: 2 over the sum of the window, which is half
        its length.
        """
        return 4 / self.window

    def _settings(self, device: torch.device) -> dict[str, Any]:
        return {
            "n_fft": self.window,
            "hop_length": self.hop,
            "window": torch.hann_window(self.window, device=device),
            "center": True,
        }


def _before(ends: Tensor, total: int) -> Tensor:
    """``ends [b]`` -> mask ``[b, 1, total]``, True before the end."""
    return (torch.arange(total, device=ends.device) < ends[:, None])[:, None]
