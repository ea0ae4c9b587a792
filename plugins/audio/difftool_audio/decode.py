"""A sound file -> int16 ``[c, n]`` at one rate, whatever it is stored as.

Where a format leaves a choice: what is louder than full scale is turned down, not cut; more than
two channels are mixed down by their places where those are known; a rate is changed by a long
filter, so that nothing folds back.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from difftool import DataError, reading_binary, remark, remarks, spooled

from .level import FULL_SCALE, PEAK
from .options import HIGHEST, LOWEST
from .packed import PACKED, Packed
from .packed import opened as unpacked
from .rate import resampled

if TYPE_CHECKING:
    from soundfile import SoundFile

SUFFIXES = (
    ".wav",
    ".flac",
    ".ogg",
    ".oga",
    ".opus",
    ".mp3",
    ".aiff",
    ".aif",
    ".aifc",
    ".au",
    ".caf",
    ".w64",
    ".rf64",
    *PACKED,
)

RATES = range(LOWEST, HIGHEST + 1)
BLOCK = 1 << 18  # frames decoded at once
PAGE = 1 << 16  # upper bound of the size of an Ogg page in bytes
DULL = 0.75  # a file of less than this share of the asked rate gets a remark: its treble is missing
LOUD = 2.0  # full scales above which turning down gets a remark; MP3 overshoots by less

# ITU-R BS.775, table 2: what each place gives to left and right.
HALF = math.sqrt(0.5)
GAINS = {
    "L": (1, 0),
    "R": (0, 1),
    "C": (HALF, HALF),
    "LFE": (0, 0),
    "Ls": (HALF, 0),
    "Rs": (0, HALF),
    "Lr": (HALF, 0),
    "Rr": (0, HALF),
}
PLACES = {
    3: "L R C",
    4: "L R Ls Rs",
    5: "L R C Ls Rs",
    6: "L R C LFE Ls Rs",
    8: "L R C LFE Lr Rr Ls Rs",
}
PLACED = ("WAV", "WAVEX", "RF64", "W64", "FLAC", "AV")
"""Formats that hold their channels in the order of ``PLACES``."""

# What libsndfile's log says of a file that ends before its header says so.
PROMISE = re.compile(
    r"^\s*(?:data|SSND|Data Size|riff)\s*: (?P<bytes>\d+) \(should be (?P<have>\d+)\)"
    r"|frame count (?P<frames>\d+) does not match value from 'ds64' chunk of (?P<ds64>\d+)",
    re.MULTILINE,
)
UNSAID = (range(0x7FFF0000, 0x80000000), range(0xFFFF0000, 1 << 32), range(1 << 48, 1 << 64))
"""Sizes that programs write who do not know yet how long the sound will be."""

Watch = Callable[[np.ndarray], None]


class Header(NamedTuple):
    """The rate, channels and length of a file, read without decoding it."""

    rate: int
    channels: int
    frames: int

    @property
    def seconds(self) -> float:
        return self.frames / self.rate


def header(path: Path) -> Header:
    """Rate, channels and length of a file. Raises DataError when it cannot be read."""
    with opened(path) as file:
        return Header(file.samplerate, file.channels, file.frames)


def decode(path: Path, rate: int, channels: int, watch: Watch | None = None) -> np.ndarray:
    """The whole sound as int16 ``[channels, n]`` at ``rate``, from -32767 to 32767.

    A long one is a memory map (``spooled``). One that passes full scale is decoded twice, since how
    far it is turned down is known at its end.

    Args:
        channels: 1 or 2.
        watch: is shown every block as it is stored: float32 ``[frames, channels of the file]``.

    Raises:
        DataError: the file is damaged, is not sound, or holds samples that are not numbers.
    """
    level = _Level(path)
    x = spooled(map(level, _signal(path, rate, channels, watch)), axis=1)
    if level.peak <= 1:
        return x
    del x
    if level.peak > LOUD:
        remark(f"its samples go beyond {LOUD:g} times full scale: turned down to fit")
    with remarks():  # they have been made
        return spooled(map(level.turned_down(), _signal(path, rate, channels)), axis=1)


def _signal(
    path: Path, rate: int, channels: int, watch: Watch | None = None
) -> Iterator[np.ndarray]:
    """float32 ``[channels, n]`` at ``rate`` in pieces, so that recordings may have any length."""
    with opened(path) as file:
        mix = _mixer(file, channels)
        own = file.samplerate
        with np.errstate(over="ignore", invalid="ignore"):  # what becomes infinite is refused
            yield from resampled((mix(block) for block in _blocks(path, file, watch)), own, rate)
        if file.format == "OGG" and not _ended(path):
            remark(
                "its end is not marked as one: it may have been cut short while it was copied or "
                "recorded"
            )
    if own < DULL * rate:
        remark(f"recorded at {own:,} Hz: nothing above {own // 2:,} Hz is in it")


# --- opening --------------------------------------------------------------------------------------


@contextmanager
def opened(path: Path) -> Iterator[SoundFile | Packed]:
    """The file, opened by libsndfile, or by PyAV. Any error inside is raised as a DataError that
    names the file.
    """
    import soundfile

    if path.suffix.lower() in PACKED:
        with reading_binary(path, "sound"), unpacked(path) as packed:
            _refuse_odd(path, packed)
            yield packed
        return
    try:
        with reading_binary(path, "sound"), soundfile.SoundFile(_name(path)) as file:
            _refuse_odd(path, file)
            yield file
    except soundfile.SoundFileError as error:
        text = str(getattr(error, "error_string", error))
        raise DataError(f"{path} {_what(text)}") from error


def _name(path: Path) -> str | bytes:
    """As the system has it: names need not be UTF-8, where they are bytes."""
    return os.fspath(path) if os.name == "nt" else os.fsencode(path)


def _what(text: str) -> str:
    if (
        "not recognised" in text or "does not exist" in text
    ):  # the second is what an MP3 decoder's refusal becomes
        return "is not sound, or not of a kind that libsndfile reads. Remove or convert it."
    return (
        "is cut short or damaged. Copy it again, or remove it. "
        f"({text.strip().removeprefix('Error : ')})"
    )


def _refuse_odd(path: Path, file: SoundFile | Packed) -> None:
    if file.format == "RAW":  # libsndfile's guess, by the suffix, where it knows nothing
        raise DataError(
            f"{path} is not sound, or not of a kind that libsndfile reads. Remove or convert it."
        )
    if file.samplerate not in RATES:
        raise DataError(
            f"{path} states {file.samplerate:,} samples per second, which is not a rate of a "
            "recording. Remove or convert it."
        )
    if file.frames >= 1 << 48:
        raise DataError(
            f"{path} does not say how long it is, as a stream that was saved while it ran. "
            "Convert it, or remove it."
        )
    if broken := _broken_promise(file.extra_info):
        raise DataError(f"{path} is cut short: {broken}. Copy it again, or remove it.")


def _broken_promise(log: str) -> str:
    """What the header announces and the file does not hold, as a message; empty if all is there."""
    for found in PROMISE.finditer(log):
        promised, have = (
            int(n) for n in (found["bytes"] or found["ds64"], found["have"] or found["frames"])
        )
        if promised > have + 256 and not any(promised in unsaid for unsaid in UNSAID):
            return (
                f"its header promises {promised:,} {'bytes' if found['bytes'] else 'frames'}, and "
                f"{have:,} are there"
            )
    return ""


def _blocks(path: Path, file: SoundFile | Packed, watch: Watch | None) -> Iterator[np.ndarray]:
    """float32 ``[frames, channels]`` at a time, until the end."""
    done = 0
    while len(block := file.read(BLOCK, dtype="float32", always_2d=True)):
        if watch:
            watch(block)
        if not np.isfinite(block).all():
            at = (done + int(np.argmin(np.isfinite(block).all(1)))) / file.samplerate
            raise DataError(
                f"{path} holds samples that are not numbers (NaN or infinite), the first at "
                f"{at:.3f} s. Repair or remove it."
            )
        done += len(block)
        yield block
    if not done:
        raise DataError(
            f"{path} holds no sound: it has a header and nothing after it. Remove it or copy it "
            "again."
        )
    if (
        done < 0.99 * file.frames - 4096
    ):  # a frame or two of an MP3 may be missing from one that is whole
        there = f"{done / file.samplerate:.2f} s"
        raise DataError(
            f"{path} is cut short: its header promises {file.frames / file.samplerate:.2f} s, and "
            f"{there} are there. Copy it again, or remove it."
        )


def _ended(path: Path) -> bool:
    """Whether the last page of an Ogg file is complete and marked as the last one.

    RFC 3533, section 6.
    """
    with open(path, "rb") as file:
        file.seek(max(0, os.path.getsize(path) - 2 * PAGE))
        tail = file.read()
    if (start := tail.rfind(b"OggS")) < 0 or len(page := tail[start:]) < 27:
        return False
    segments = page[27 : 27 + page[26]]
    return bool(page[5] & 4) and len(page) >= 27 + page[26] + sum(segments)


# --- channels -------------------------------------------------------------------------------------


def _mixer(file: SoundFile | Packed, channels: int) -> Callable[[np.ndarray], np.ndarray]:
    """Makes ``[channels, frames]`` of a block ``[frames, channels of the file]``."""
    matrix = mixing(file.channels, channels, _places(file))
    if file.channels == channels:
        return lambda block: np.ascontiguousarray(block.T)
    return lambda block: matrix @ block.T


def mixing(have: int, channels: int, places: tuple[str, ...] = ()) -> np.ndarray:
    """float32 ``[channels, have]``: what each channel gives to each of the requested ones.

    Mono is the mean of left and right.

    Args:
        places: of the channels, in the words of ``GAINS``; empty where they are not known, and all
            count alike.
    """
    if have <= 2:
        both = np.eye(2) if have == 2 else np.ones((2, 1))
    else:
        both = (
            np.asarray([GAINS[place] for place in places]).T
            if places
            else np.full((2, have), 1 / have)
        )
        alike = "" if places else ", each counted alike, since their places are not known"
        remark(f"{have} channels, mixed down to {'mono' if channels == 1 else 'stereo'}{alike}")
    return (both if channels == 2 else both.mean(0, keepdims=True)).astype(np.float32)


def _places(file: SoundFile | Packed) -> tuple[str, ...]:
    """The positions of the channels, from the file or from the custom of its format; empty if
    unknown.
    """
    mask = re.search(r"Channel Mask\s*: 0x(\w+) \((.*)\)", file.extra_info)
    places = (
        tuple(mask[2].replace(" ", "").split(","))
        if mask
        else tuple(PLACES.get(file.channels, "").split())
    )
    return (
        places
        if file.format in PLACED and len(places) == file.channels and set(places) <= set(GAINS)
        else ()
    )


# --- level ----------------------------------------------------------------------------------------


class _Level:
    """float ``[c, n]`` (may be overwritten) -> int16, and the highest peak so far, in full scales."""

    def __init__(self, path: Path, gain: float = FULL_SCALE) -> None:
        self._path, self._gain = path, gain
        self.peak = 0.0

    def turned_down(self) -> _Level:
        """The same sound, scaled so that its highest peak is full scale."""
        return _Level(self._path, FULL_SCALE / self.peak)

    def __call__(self, signal: np.ndarray) -> np.ndarray:
        peak = max(float(signal.max()), -float(signal.min()))
        if not math.isfinite(peak):
            raise DataError(
                f"{self._path} holds samples too large for a number. Repair or remove it."
            )
        self.peak = max(self.peak, peak)
        signal *= self._gain
        np.rint(signal, out=signal)
        return signal.clip(-PEAK, PEAK, out=signal).astype(np.int16)
