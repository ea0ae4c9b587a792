"""vocoder: the bridge from sounds with the right bands to complete sounds."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from difftool import (
    Batch,
    Bridge,
    ChannelsColumn,
    Column,
    Description,
    Representation,
    Rng,
    UsageError,
    expand_as,
)

from .bands import LogMel
from .frames import rate_of
from .options import VocoderOptions
from .spectrogram import TINY, spread
from .waveform import RMS, Waveform

LOW, LEVEL = "low", "low_level"


KEPT = 16
"""Rounds in which a sample is brought to the bands that were shown: they are met to about 0.13
nepers, as by Griffin-Lim.
"""


class Vocoder(Bridge):
    """An earlier stage's sounds are shown by their mel bands alone, as channels next to the samples
    (Kong et al. 2021, Sec. 3.2).

    So in training a sound stands for itself, and in sampling for it stands whatever has its bands:
    what Griffin-Lim made of a spectrogram's. The stage works on sounds whose spectrum the bands
    have been divided out of, at every moment and frequency: quiet pauses and high frequencies, 40
    dB below the rest, are then hidden by as much noise as the rest is, and made as carefully
    (Koizumi et al. 2022, arXiv:2203.16749, have the noise follow the spectrum instead, which is the
    same).
    """

    def __init__(
        self, options: VocoderOptions, description: Description, representation: Representation
    ) -> None:
        if not isinstance(representation, Waveform):
            raise UsageError(
                "The bridge vocoder is for a stage that makes samples, as it divides them by "
                "their spectrum. Set representation.use = waveform, or use another bridge."
            )
        self.bands = LogMel(options, rate_of(description))
        self.description, self.representation, self.max_aug_level = (
            description,
            representation,
            options.max_aug_level,
        )
        self.channels, self.mels = int(description.shape[0] or 0), options.mels
        self.middle = math.log(self.bands.floor) / 2
        bank = self.bands.bank(torch.device("cpu"))
        self.between, self.heard = _between_bands(bank), bank.sum(1, keepdim=True) > 0

    # --- conditions of the stage ------------------------------------------------------------------

    def conditions(self) -> tuple[Column, ...]:
        return ChannelsColumn(LOW, width=self.channels * self.mels), *self.aug_level_condition(
            LEVEL
        )

    def encode(self, low: Batch, raw: Batch, level: Tensor, rng: Rng) -> Batch:
        """With the condition ``low``: each channel's bands, from -2 at the floor to 2 at full
        scale, between frames on straight lines.
        """
        batch = self.representation.encode(raw)
        bands, level_cond = self.bands(low) / -self.middle * 2 + 2, {}
        if self.max_aug_level:
            bands, level_cond = (
                bands + expand_as(level, bands) * rng.normal(bands.shape),
                {LEVEL: level},
            )
        shown = _between_frames(bands.flatten(1, 2), self.bands.frames.hop)[..., : batch.x.shape[2]]
        batch = batch.with_cond(**{LOW: shown}, **level_cond)
        frames = self.bands.frames
        white = frames.inverse(frames.transform(batch.x) / self._spectrum(batch)) * self._unit
        return batch.with_x(
            self.representation.space.project(white[..., : batch.x.shape[2]], batch.mask)
        )

    def restore(self, batch: Batch) -> Batch:
        """With its spectrum again, and then, unless noise was added to them, with exactly these
        bands: what is known is not generated.

        A frequency in no band stays as it was made.
        """
        frames, n = self.bands.frames, batch.x.shape[2]
        sound = frames.inverse(frames.transform(batch.x) * self._spectrum(batch)) / self._unit
        bank, scale = self.bands.bank(sound.device), self.representation.scale
        kept = self.heard.to(sound.device) & expand_as(
            batch.cond.get(LEVEL, sound.new_zeros(len(sound))) == 0, sound.unsqueeze(3)
        )
        given = (self._bands(batch).exp() - self.bands.floor).clamp_min(0) * scale
        for _ in range(KEPT):
            spectrum = frames.transform(sound)
            size = spectrum.abs().clamp_min(TINY)
            sound = frames.inverse(
                spectrum / size * torch.where(kept, spread(given, bank, size), size)
            )
        return batch.with_x(self.representation.space.project(sound[..., :n], batch.mask))

    def _bands(self, batch: Batch) -> Tensor:
        """``[b, c, mels, frames]``: the shown logarithms again.

        The frame beyond the last sample is taken to be as the one before.
        """
        hop, n = self.bands.frames.hop, batch.x.shape[2]
        at = (
            torch.arange(self.bands.frames.count(n), device=batch.x.device)
            .mul(hop)
            .clamp(max=(n - 1) // hop * hop)
        )
        return (
            (batch.cond[LOW].unflatten(1, (self.channels, self.mels))[..., at] - 2)
            * -self.middle
            / 2
        )

    def _spectrum(self, batch: Batch) -> Tensor:
        """``[b, c, bins, frames]``: amplitudes, full scale being 1, on straight lines between the
        middles of the bands.
        """
        return self.between.to(batch.x.device) @ self._bands(batch).exp()

    @property
    def _unit(self) -> float:
        """What brings sounds without their spectrum to the spread that processes expect.

        Noise of variance v has frames whose squared amplitudes are 6 v / window in the mean, and 4
        / pi of the square of their mean.
        """
        return RMS / (
            self.representation.scale * math.sqrt(self.bands.frames.window / 6 * 4 / math.pi)
        )

    # --- from the stage's examples to the earlier one's -------------------------------------------

    def degrade(self, raw: Batch) -> Batch:
        """The sounds themselves, because the network sees only their bands."""
        return Batch(raw.x, mask=raw.mask)

    # --- sizes ------------------------------------------------------------------------------------

    def check_compatible(self, earlier: Description) -> None:
        own = self.description
        theirs, ours = earlier.extra.get("rate"), own.extra.get("rate")
        if (
            earlier.dtype != own.dtype
            or len(earlier.shape) != 2
            or earlier.shape[0] != own.shape[0]
            or theirs != ours
        ):
            raise UsageError(
                f"The earlier stage makes sounds of {earlier.shape[0]} channels at {theirs} "
                f"samples per second, and this one those of {own.shape[0]} at {ours}: bands say "
                "nothing of what is above half the rate. Train both at one rate and on as many "
                "channels."
            )

    def template(self, low: np.ndarray, raw: Batch) -> tuple[Batch, Batch]:
        """As long as ``low``; padded to the usual length if lengths vary."""
        if (
            low.ndim != 2
            or low.dtype != np.dtype(self.description.dtype)
            or low.shape[0] != self.channels
        ):
            raise UsageError(
                f"What is given to be made sound is {low.dtype} of "
                f"{' x '.join(map(str, low.shape))}, and this stage takes sounds of "
                f"{self.channels} channels, {self.description.dtype}. Give it examples of the "
                "earlier stage."
            )
        n = low.shape[1]
        size = n if raw.mask is None else max(n, raw.x.shape[2])
        mask = None if raw.mask is None else (torch.arange(size) < n)[None, None]
        x = torch.from_numpy(np.pad(low, ((0, 0), (0, size - n))))[None]
        like = Batch(
            raw.x.new_zeros(1, self.channels, size),
            raw.cond,
            None if mask is None else mask.to(raw.x.device),
        )
        return Batch(x, mask=mask), like


def _between_frames(frames: Tensor, hop: int) -> Tensor:
    """``[b, c, frames] -> [b, c, (frames - 1) hop + 1]``: straight lines from each frame's place to
    the next one's.
    """
    return F.interpolate(frames, (frames.shape[2] - 1) * hop + 1, mode="linear", align_corners=True)


def _between_bands(bank: Tensor) -> Tensor:
    """``[bins, mels]``: the share that each band has in the amplitude of a frequency; of one that
    is in no band, the nearest has all.
    """
    middles = (bank * torch.arange(len(bank))[:, None]).sum(0)
    nearest = F.one_hot(
        (torch.arange(len(bank))[:, None] - middles).abs().argmin(1), bank.shape[1]
    ).to(bank)
    heights = bank / bank.amax(0)
    total = heights.sum(1, keepdim=True)
    return torch.where(total > 0, heights / total.clamp_min(TINY), nearest)
