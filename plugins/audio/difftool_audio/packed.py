"""Sound that libsndfile does not read, such as AAC in ``.m4a``: read by PyAV, as libsndfile's files are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from difftool import DataError

if TYPE_CHECKING:
    from av.container import InputContainer

PACKED = (".m4a", ".m4b", ".aac", ".mka", ".wma", ".ac3", ".amr", ".wv", ".tta", ".ape")
"""Suffixes of files that PyAV reads."""

UNINDEXED = ("aac", "ac3", "amr")
"""Formats without a length: they are streams, whose packets are counted."""

PLACES = {
    "FL": "L",
    "FR": "R",
    "FC": "C",
    "LFE": "LFE",
    "SL": "Ls",
    "SR": "Rs",
    "BL": "Lr",
    "BR": "Rr",
}
"""FFmpeg's names of channels, as libsndfile has them."""


class Packed:
    """The sound of an open container, with what the reader uses of ``soundfile.SoundFile``.

    Attributes:
        samplerate, channels, frames: as its header says; ``frames`` is 0 where it does not.
        extra_info: the places of its channels, as libsndfile writes them.
    """

    format = "AV"

    def __init__(self, path: Path, container: InputContainer) -> None:
        import av

        if not container.streams.audio:
            raise DataError(f"{path} holds no sound. Remove it.")
        stream = container.streams.audio[0]
        stream.codec_context.thread_type = "NONE"  # several files are read at once
        self.samplerate, self.channels = stream.rate or 0, stream.channels
        self.frames = round(_seconds(container, stream) * self.samplerate)
        places = [channel.name for channel in stream.layout.channels]
        known = all(place in PLACES for place in places)
        self.extra_info = (
            f"Channel Mask : 0x1 ({', '.join(PLACES[place] for place in places)})"
            if known and self.channels > 2
            else ""
        )
        plain = av.AudioResampler(format="flt", layout=stream.layout, rate=self.samplerate)
        decoded = (frame for frame in container.decode(stream))
        self._pieces = (
            piece.to_ndarray().reshape(-1, self.channels).astype(np.float32, copy=False)
            for frame in chain(decoded, [None])
            for piece in plain.resample(frame)
        )
        self._rest = np.zeros((0, self.channels), np.float32)
        self._left = self.frames if container.format.name not in UNINDEXED and self.frames else None

    def read(self, frames: int, **_: Any) -> np.ndarray:
        """float32 ``[n, channels]``, the next frames; fewer at the end."""
        held, size = [self._rest], len(self._rest)
        while size < frames and (piece := next(self._pieces, None)) is not None:
            held.append(piece)
            size += len(piece)
        whole = np.concatenate(held)
        self._rest, found = whole[frames:], whole[:frames][: self._left]
        if self._left is not None:  # what follows only fills the last packet
            self._left -= len(found)
        return found


def _seconds(container: InputContainer, stream: Any) -> float:
    """The length of a stream, without decoding it."""
    if container.format.name in UNINDEXED:
        ticks = sum(packet.duration or 0 for packet in container.demux(stream))
        container.seek(0)
        return float(ticks * stream.time_base)
    if stream.duration is not None:
        return float(stream.duration * stream.time_base)
    return (container.duration or 0) / 1_000_000


@contextmanager
def opened(path: Path) -> Iterator[Packed]:
    """The file, opened by PyAV. Raises DataError, which names it, for any error inside."""
    try:
        import av
    except ImportError:
        raise DataError(
            f"{path} needs PyAV to be read: pip install difftool-audio[av]. Or convert it to WAV "
            "or FLAC."
        ) from None
    try:
        with av.open(str(path), metadata_errors="replace") as container:
            yield Packed(path, container)
    except (av.FFmpegError, ValueError) as error:
        text = getattr(error, "strerror", None) or str(error)
        raise DataError(
            f"{path} is cut short, damaged, or not sound. Copy it again, or remove it. ({text})"
        ) from error
