"""vocoder: the bridge from sounds that are right in their bands to sounds that are right altogether."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from difftool import Batch, Bridge, Condition, Description, Representation, Rng, UsageError, expand_as

from .bands import LogMel
from .frames import rate_of
from .options import VocoderOptions
from .waveform import RMS, Waveform

LOW, LEVEL = "low", "low_level"


class Vocoder(Bridge):
    """An earlier stage's sounds are shown by their mel bands alone, as channels beside the samples (Kong et al. 2021, Sec. 3.2).

    So in training a sound stands for itself, and in sampling for it stands whatever has its bands: what Griffin-Lim made of a
    spectrogram's. How loud the sound is at each moment is known from the bands too, and the stage works on samples divided by that:
    what is quiet is then made as carefully as what is loud, where noise of one size for both is heard as hiss in all pauses
    (Lee et al. 2022, arXiv:2106.06406, have the noise follow the loudness instead, which is the same).
    """

    def __init__(self, options: VocoderOptions, description: Description, representation: Representation) -> None:
        if not isinstance(representation, Waveform):
            raise UsageError(
                "The bridge vocoder is for a stage that makes samples, as it divides them by their loudness. "
                "Set representation.use = waveform, or use another bridge."
            )
        self.bands = LogMel(options, rate_of(description))
        self.description, self.representation, self.highest = description, representation, options.augment
        self.channels = int(description.shape[0] or 0)
        self.width = self.channels * (options.mels + 1)
        self.middle = math.log(self.bands.floor) / 2
        self.bins = (2 / 3) / self.bands.bank(torch.device("cpu")).square().sum(0)[:, None]  # that a triangle covers, about

    # --- what the stage is told ---------------------------------------------------------------------------------------

    def conditions(self) -> tuple[Condition, ...]:
        low = Condition(LOW, "channels", width=self.width)
        if not self.highest:
            return (low,)
        return low, Condition(LEVEL, "number", mean=self.highest / 2, std=self.highest / 12**0.5, low=0.0, high=self.highest)

    def show(self, low: Batch, raw: Batch, level: Tensor, rng: Rng) -> Batch:
        """With the condition ``low``: each channel's bands from -2 at the floor to 2 at full scale, and the logarithm of its loudness."""
        batch = self.representation.encode(raw)
        bands = self.bands(low) / -self.middle * 2 + 2
        told = {}
        if self.highest:
            bands, told = bands + expand_as(level, bands) * rng.normal(bands.shape), {LEVEL: level}
        shown = torch.cat((bands, self._loudness(bands)), 2).flatten(1, 2)
        batch = batch.with_cond(**{LOW: _between(shown, self.bands.frames.hop)[..., : batch.x.shape[2]]}, **told)
        return batch.with_x(batch.x / self._gain(batch))

    def restore(self, batch: Batch) -> Batch:
        return batch.with_x(batch.x * self._gain(batch))

    def _loudness(self, bands: Tensor) -> Tensor:
        """``[b, c, mels, frames] -> [b, c, 1, frames]``: ln of the root mean square, full scale being 1.

        A frame of samples of variance v has amplitudes whose squares add up to 3 v: a Hann window's, scaled so that a sine peaks at 1.
        """
        logarithm = (bands - 2) * -self.middle / 2
        return torch.logsumexp(2 * logarithm + (self.bins.to(bands.device) / 3).log(), 2, keepdim=True) / 2

    def _gain(self, batch: Batch) -> Tensor:
        """``[b, c, n]``: what encoded samples of this loudness are divided by, to be of the spread that processes expect."""
        loudness = batch.cond[LOW].unflatten(1, (self.channels, -1))[:, :, -1]
        return loudness.exp() * (self.representation.scale / RMS)

    # --- from the stage's examples to the earlier one's ----------------------------------------------------------------

    def degrade(self, raw: Batch) -> Batch:
        """The sounds themselves: nothing but their bands is shown."""
        return Batch(raw.x, mask=raw.mask)

    def augment(self, low: Batch, rng: Rng) -> Batch:
        del rng
        return low

    def levels(self, n: int, rng: Rng) -> Tensor:
        return self.highest * rng.uniform((n,)) if self.highest else torch.zeros(n, device=rng.device)

    def crop(self, batch: Batch, rng: Rng) -> Batch:
        """Nothing: the modality cuts parts of ``modality.seconds``, and sounds of any length are made."""
        del rng
        return batch

    # --- sizes ---------------------------------------------------------------------------------------------------------

    def fit(self, earlier: Description) -> None:
        own = self.description
        theirs, ours = earlier.extra.get("rate"), own.extra.get("rate")
        if earlier.dtype != own.dtype or len(earlier.shape) != 2 or earlier.shape[0] != own.shape[0] or theirs != ours:
            raise UsageError(
                f"The earlier stage makes sounds of {earlier.shape[0]} channels at {theirs} samples per second, and this one those of "
                f"{own.shape[0]} at {ours}: bands say nothing of what is above half the rate. Train both at one rate and on as many channels."
            )

    def template(self, low: np.ndarray, raw: Batch) -> tuple[Batch, Batch]:
        """As long as ``low``; padded to the usual length where lengths vary."""
        if low.ndim != 2 or low.dtype != np.dtype(self.description.dtype) or low.shape[0] != self.channels:
            raise UsageError(
                f"What is given to be made sound is {low.dtype} of {' x '.join(map(str, low.shape))}, and this stage takes sounds of "
                f"{self.channels} channels, {self.description.dtype}. Give it examples of the earlier stage."
            )
        n = low.shape[1]
        size = n if raw.mask is None else max(n, raw.x.shape[2])
        mask = None if raw.mask is None else (torch.arange(size) < n)[None, None]
        x = torch.from_numpy(np.pad(low, ((0, 0), (0, size - n))))[None]
        like = Batch(raw.x.new_zeros(1, self.channels, size), raw.cond, None if mask is None else mask.to(raw.x.device))
        return Batch(x, mask=mask), like


def _between(frames: Tensor, hop: int) -> Tensor:
    """``[b, c, frames] -> [b, c, (frames - 1) hop + 1]``: straight lines from each frame's place to the next one's."""
    return F.interpolate(frames, (frames.shape[2] - 1) * hop + 1, mode="linear", align_corners=True)
