"""What to know about a folder of recordings before training on it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from difftool import Finding, Inspection, Item, Look, commonest, digest, some_names

from .crop import SILENT
from .decode import DULL, LOUD, Header, header
from .measure import SAMPLE
from .modality import AudioModality

# of full scale: samples that stay at one value above it were cut off there, in 8 bits as well as in
# 24
NEAR = 0.99
CLIPPED = 1e-4  # share of a recording's samples above which it is reported
OFFSET = 0.01  # of full scale
WINDOW = 0.05  # seconds of silence that count as a pause
PAUSES = 0.3  # share of all windows
FAINT = 20.0  # dB below the others
CANCELLED = 0.1  # power that is left of stereo when it is mixed down
PADDED = 0.3  # share of what is trained on


class Ear:
    """Adds up what there is to know of a file's blocks, float32 ``[frames, channels]``, as they are
    stored.
    """

    def __init__(self) -> None:
        self.frames = 0
        self.peak = 0.0
        self.flat = 0  # samples that stand still near full scale
        self.runs = 0  # of three of them or more
        self.squares = 0.0  # summed over frames, of the channels' mean
        self.mixed = 0.0  # squares of the channels' sum, likewise
        self.sums: np.ndarray | float = 0.0  # by channel
        self.alike = True

    def __call__(self, block: np.ndarray) -> None:
        self.frames += len(block)
        self.sums = self.sums + block.sum(0, dtype=np.float64)
        self.squares += float(np.einsum("nc,nc->", block, block, dtype=np.float64)) / block.shape[1]
        self.mixed += float(np.square(block.mean(1), dtype=np.float64).sum())
        self.alike = self.alike and bool((block == block[:, :1]).all())
        peak = max(float(block.max()), -float(block.min()))
        self.peak = max(self.peak, peak)
        if peak >= NEAR:
            self._clipping(block)

    def _clipping(self, block: np.ndarray) -> None:
        still = (block[1:] == block[:-1]) & (np.abs(block[1:]) >= NEAR)
        three = still[1:] & still[:-1]
        runs = int(three[:1].sum() + (three[1:] & ~three[:-1]).sum())
        self.runs += runs
        self.flat += int(three.sum()) + 2 * runs


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioLook(Look):
    """One recording.

    Attributes:
        header: what the file says about itself.
        seconds: as it will be trained on.
        level: root mean square, in dB of full scale.
        peak: in full scales.
        clipped: share of its samples.
        runs: how often in a row.
        offset: its mean, in full scales, of the channel that is furthest off.
        pauses: share of its windows that are silent.
        alike: all its channels are the same.
        left: share of its power that is left when it is mixed down.
    """

    header: Header
    seconds: float
    level: float
    peak: float
    clipped: float
    runs: int
    offset: float
    pauses: float
    alike: bool
    left: float


class AudioInspection(Inspection[AudioModality, AudioLook]):
    """Inspects rates, lengths, channels, levels, and faults of recordings."""

    most = SAMPLE
    covered = "^recorded at|mixed down to|full scale: turned down"

    def look(self, item: Item) -> AudioLook:
        ear = Ear()
        stored = header(item.path)
        x = self.modality.read_watched(item, ear)
        return AudioLook(
            item=item,
            shape=x.shape,
            digest=digest(x),
            header=stored,
            seconds=x.shape[1] / self.modality.rate,
            level=10 * math.log10(max(ear.squares / ear.frames, 1e-12)),
            peak=ear.peak,
            clipped=ear.flat / (ear.frames * stored.channels),
            runs=ear.runs,
            offset=float(np.abs(ear.sums).max()) / ear.frames,
            pauses=_pauses(x, round(WINDOW * self.modality.rate)),
            alike=ear.alike,
            left=ear.mixed / ear.squares if ear.squares else 1.0,
        )

    def lines(self, looks: Sequence[AudioLook]) -> Iterator[Finding]:
        yield from _rates(self.modality, looks)
        yield from _lengths(self.modality, looks)
        yield from _channels(self.modality, looks)
        yield from _levels(looks)
        yield from _clipping(looks)
        yield from _offsets(looks)
        yield from _silence(self.modality, looks)

    def advice(self, items: Sequence[Item], looks: Sequence[AudioLook]) -> str:
        stereo = sum(look.header.channels == 2 for look in looks) > len(looks) / 2
        music = stereo and self.modality.rate >= 32_000
        larger = (
            "a larger model, for a large GPU: --recipe music-48k-stereo"
            if music
            else "a larger model, for a GPU: --recipe small"
        )
        seconds = _time(self.modality.length / self.modality.rate)
        return f"--recipe tiny\n{larger}; --seconds chooses another length than {seconds}"


def _pauses(x: np.ndarray, window: int) -> float:
    """The share of the windows of ``[c, n]`` that are silent."""
    if x.shape[1] < window:
        return 0.0
    whole = x.shape[1] // window * window
    cuts = [channel[:whole].reshape(-1, window) for channel in x]  # views of what may be a file
    swing = np.stack([cut.max(1).astype(np.int32) - cut.min(1) for cut in cuts])
    return float((swing.max(0) <= 2 * SILENT).mean())


def _rates(modality: AudioModality, good: Sequence[AudioLook]) -> Iterator[Finding]:
    shown = commonest(f"{look.header.rate:,} Hz" for look in good)
    yield Finding("ok", f"rates: {shown}; trained at {modality.rate:,} Hz")
    if dull := [look for look in good if look.header.rate < DULL * modality.rate]:
        lowest = min(look.header.rate for look in dull)
        yield Finding(
            "warning",
            f"recorded at a far lower rate: {some_names(look.item for look in dull)}. Leave them "
            f"out, or train all at --rate {lowest}: nothing above half of its own rate is in a "
            "recording, and a model learns that dullness.",
        )


def _lengths(modality: AudioModality, good: Sequence[AudioLook]) -> Iterator[Finding]:
    seconds, part = np.asarray([look.seconds for look in good]), modality.length / modality.rate
    low, middle, high = np.quantile(seconds, [0, 0.5, 1])
    total = _time(float(seconds.sum()))
    yield Finding(
        "ok",
        f"lengths from {_time(low)} to {_time(high)}, median {_time(middle)}, {total} in all; "
        f"trained on {_time(part)} at a time",
    )
    padding = 1 - float(np.minimum(seconds, part).mean()) / part
    if padding > PADDED:
        better = max(0.02, math.ceil(float(np.quantile(seconds, 0.9)) * 100) / 100)
        text = (
            f"{padding:.0%} of what is trained on would be padding, since most recordings are "
            f"shorter than {_time(part)}."
        )
        yield Finding("note", f"{text} Faster: --seconds {better:g}." if better < part else text)
    if middle > 10 * part and not modality.options.timing:
        yield Finding(
            "note",
            "Parts are much shorter than the recordings. To have beginnings and ends learnt as "
            "such: --timing.",
        )


def _time(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.3g} min" if seconds < 7200 else f"{seconds / 3600:.3g} h"


def _channels(modality: AudioModality, good: Sequence[AudioLook]) -> Iterator[Finding]:
    names = {1: "mono", 2: "stereo"}
    shown = commonest(
        names.get(look.header.channels, f"{look.header.channels} channels") for look in good
    )
    yield Finding("ok", f"channels: {shown}; trained as {modality.options.channels}")
    if many := [look for look in good if look.header.channels > 2]:
        yield Finding(
            "note", f"more than two channels, mixed down: {some_names(look.item for look in many)}"
        )
    if modality.channels == 2 and all(look.alike for look in good):
        yield Finding(
            "note",
            "Both channels are the same in all of them: --channels mono trains faster and loses "
            "nothing.",
        )
    if modality.channels == 1 and (
        gone := [look for look in good if look.header.channels == 2 and look.left < CANCELLED]
    ):
        yield Finding(
            "warning",
            f"nearly nothing left in mono: {some_names(look.item for look in gone)}. Turn one "
            "channel over, or keep both with --channels stereo: they are opposite.",
        )


def _levels(good: Sequence[AudioLook]) -> Iterator[Finding]:
    levels = np.asarray([look.level for look in good])
    low, middle, high = np.quantile(levels, [0, 0.5, 1])
    yield Finding(
        "ok", f"loudness (RMS) from {low:.0f} to {high:.0f} dB of full scale, median {middle:.0f}"
    )
    if faint := [look for look in good if look.level < middle - FAINT]:
        yield Finding(
            "warning",
            f"over {FAINT:.0f} dB quieter than most: {some_names(look.item for look in faint)}. "
            "Level them first, or samples will be as quiet.",
        )


def _clipping(good: Sequence[AudioLook]) -> Iterator[Finding]:
    clipped = sorted(
        (look for look in good if look.clipped > CLIPPED), key=lambda look: -look.clipped
    )
    if clipped:
        worst, s = clipped[0], "s" * (clipped[0].runs > 1)
        yield Finding(
            "warning",
            f"clipped: {some_names(look.item for look in clipped)}. Leave them out, or a model "
            f"learns the distortion. The worst has {worst.clipped:.2%} of its samples cut off at "
            f"full scale, in {worst.runs:,} run{s} of three or more.",
        )
    if loud := [look for look in good if look.peak > LOUD]:
        yield Finding(
            "warning",
            "far above full scale, so turned down to fit: "
            f"{some_names(look.item for look in loud)}",
        )
    if not clipped and not loud:
        yield Finding(
            "ok",
            "no clipping; the highest peak is at "
            f"{20 * math.log10(max(look.peak for look in good) + 1e-9):.1f} dB of full scale",
        )


def _offsets(good: Sequence[AudioLook]) -> Iterator[Finding]:
    off = sorted((look for look in good if look.offset > OFFSET), key=lambda look: -look.offset)
    if off:
        yield Finding(
            "warning",
            f"a constant offset (DC) of up to {off[0].offset:.1%} of full scale: "
            f"{some_names(look.item for look in off)}. Filter it out first, with a high-pass at "
            "20 Hz: a model learns it.",
        )
    else:
        yield Finding("ok", "no constant offset (DC)")


def _silence(modality: AudioModality, good: Sequence[AudioLook]) -> Iterator[Finding]:
    silent = [look for look in good if look.pauses == 1 and look.left >= CANCELLED]
    if silent:
        yield Finding(
            "warning",
            f"silent throughout: {some_names(look.item for look in silent)}. To leave them out: "
            "--silence skip.",
        )
    share = float(
        np.average([look.pauses for look in good], weights=[look.seconds for look in good])
    )
    if share > PAUSES:
        fix = (
            ""
            if modality.options.silence == "trim"
            else " To cut it off at both ends: --silence trim."
        )
        yield Finding("note", f"{share:.0%} of the sound is silence.{fix}")
    elif not silent:
        yield Finding("ok", f"{share:.0%} of the sound is silence")
