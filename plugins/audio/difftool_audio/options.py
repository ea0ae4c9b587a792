"""Settings of the audio modality and of its representations.

Lengths are in seconds, rates in samples per second.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, NonNegativeFloat, PositiveFloat, PositiveInt

from difftool import Options

LONGEST_AUTO = 2.0
"""Seconds that ``seconds = "auto"`` takes at most."""

LOWEST, HIGHEST = 100, 1_536_000
"""Rates that can be trained at."""

SHORTEST, LONGEST = 0.02, 3600.0
"""Seconds that can be trained on at a time."""

Auto = Literal["auto"]


def _rate(value: Any) -> Any:
    """A rate as typed, such as ``44.1k`` or ``16 kHz``, as a whole number."""
    if isinstance(value, str) and (value := value.strip().lower()) == "auto":
        return value
    text = str(value).removesuffix("hz").strip()
    thousands = text.endswith("k")
    try:
        rate = float(text.removesuffix("k")) * (1000 if thousands else 1)
    except ValueError:
        rate = math.nan
    if isinstance(value, bool) or not (rate.is_integer() and LOWEST <= rate <= HIGHEST):
        raise ValueError(
            f"{value} is not a rate: take a whole number of samples per second from {LOWEST:,} to "
            f"{HIGHEST:,}, as 16000 or 44.1k, or auto"
        )
    return int(rate)


def _seconds(value: Any) -> Any:
    if isinstance(value, str) and (value := value.strip().lower()) == "auto":
        return value
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        seconds = math.nan
    if isinstance(value, bool) or not SHORTEST <= seconds <= LONGEST:
        raise ValueError(
            f"{value} is not a length to train on: take from {SHORTEST:g} to {LONGEST:g} seconds, "
            "as 1.5, or auto"
        )
    return seconds


Rate = Annotated[Auto | Annotated[int, Field(ge=LOWEST, le=HIGHEST)], BeforeValidator(_rate)]
Seconds = Annotated[
    Auto | Annotated[float, Field(ge=SHORTEST, le=LONGEST)], BeforeValidator(_seconds)
]


class AudioOptions(Options):
    """How recordings are read and cut."""

    rate: Rate = Field(
        "auto",
        description="samples per second that everything is brought to; auto takes the rate of "
        "most of the sound",
        json_schema_extra={"metavar": "auto|HZ"},
    )
    channels: Literal["mono", "stereo"] = Field(
        "mono", description="mono mixes all channels down to one; stereo keeps two"
    )
    seconds: Seconds = Field(
        "auto",
        description="length trained on: longer recordings give a random part each time, shorter "
        "ones are padded and the padding is not learnt; auto is the longest recording's, at most "
        f"{LONGEST_AUTO:g}",
        json_schema_extra={"metavar": "auto|S"},
    )
    silence: Literal["skip", "trim", "keep"] = Field(
        "skip",
        description="skip: leave out silent recordings, and silent parts of long ones; trim: cut "
        "it off both ends as well; keep: learn it",
    )
    shortest: NonNegativeFloat = Field(0.05, description="recordings of fewer seconds are left out")
    timing: bool = Field(
        False,
        description="tell the model where in its recording each part begins and how long that is, "
        "as the conditions seconds_start and seconds_total, so that it learns beginnings and ends",
    )


class AudioRequest(Options):
    """The audio modality's own flags of ``difftool sample``."""

    seconds: NonNegativeFloat = Field(
        0.0,
        le=3600,
        description="length of each sample, whatever was trained on; 0 for lengths like the data's",
    )
    format: Literal["wav", "flac"] = Field("wav", description="kind of file, 16 bits in both")


class AudioSelection(Options):
    """The audio modality's own flags of ``difftool edit``: what part of a recording is meant."""

    span: str = Field(
        "",
        description="from and to, in seconds, such as 1.2:2.0 or 0:0.5,1.2:2; both ends may be left "
        "out",
        json_schema_extra={"metavar": "S:S,…"},
    )
    soft: NonNegativeFloat = Field(
        0.0,
        le=60,
        description="seconds around what is meant that change less and less; 0 for a hard edge",
    )
    before: NonNegativeFloat = Field(0.0, le=3600, description="seconds to add before it")
    after: NonNegativeFloat = Field(0.0, le=3600, description="seconds to add after it")


class BandsOptions(Options):
    """Bands of the mel scale, frame by frame."""

    mels: PositiveInt = Field(80, ge=8, le=512, description="bands")
    hop: Auto | PositiveInt = Field(
        "auto",
        description="samples between frames; auto is the power of two nearest to 16 ms",
        json_schema_extra={"metavar": "auto|N"},
    )
    window: Auto | PositiveInt = Field(
        "auto",
        description="samples a frame sees; auto is four hops",
        json_schema_extra={"metavar": "auto|N"},
    )
    low: NonNegativeFloat = Field(20.0, description="lower edge of the lowest band, in Hz")
    high: NonNegativeFloat = Field(
        0.0, description="upper edge of the highest band, in Hz; 0 for half the rate"
    )
    floor: PositiveFloat = Field(
        1e-5, description="amplitude, of full scale, below which everything counts as silence"
    )


class SpectrogramOptions(BandsOptions):
    """Log-mel bands over time."""

    iterations: PositiveInt = Field(
        32, le=100_000, description="rounds of Griffin-Lim when samples become sound"
    )


class VocoderOptions(BandsOptions):
    """An earlier stage whose sounds have the right bands, but not the right phase.

    Use the same bands as the earlier stage.
    """

    renamed: ClassVar = {"augment": "max_aug_level"}

    max_aug_level: NonNegativeFloat = Field(
        0.0,
        description="noise conditioning augmentation: training adds noise of up to this sigma to "
        "the bands that the network gets, in units where floor and full scale are 4 apart; "
        "samples may then add some too, which hides faults of the earlier stage's sounds",
    )


class AudioFacts(Options):
    """What a model file says about its recordings."""

    rate: int = Field(ge=LOWEST, le=HIGHEST, description="samples per second")
    totals: tuple[PositiveInt, ...] = Field(
        min_length=1, description="quantiles of the lengths of the recordings, in samples"
    )


class StftOptions(Options):
    """The complex short-time Fourier transform, its amplitudes compressed."""

    hop: Auto | PositiveInt = Field(
        "auto",
        description="samples between frames; auto is the power of two nearest to 8 ms",
        json_schema_extra={"metavar": "auto|N"},
    )
    window: Auto | PositiveInt = Field(
        "auto",
        description="samples a frame sees; auto is two hops",
        json_schema_extra={"metavar": "auto|N"},
    )
    compression: float = Field(
        0.3, gt=0, le=1, description="power that amplitudes are raised to; 1 keeps them as they are"
    )
