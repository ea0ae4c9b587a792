"""A video file -> its frames and their times, in order, decoded by FFmpeg (PyAV)."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import av
from av.codec.context import CodecContext
from av.error import FFmpegError, InvalidDataError
from av.stream import Disposition
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from difftool import DataError, reading_binary, remark

from .retime import Timed

if TYPE_CHECKING:
    from av import Packet, VideoFrame
    from av.container import InputContainer

# What is opened, by content: kinds of video, none of which is a list of other files or addresses.
FORMATS = "mov,matroska,webm,gif,apng,avi,mpeg,mpegts,mpegvideo,m4v,ogg,asf,flv,live_flv,nut,mxf,ivf,rm,dv,h264,hevc,yuv4mpegpipe,swf"
GUESSED = 25.0  # frames per second, where nothing at all says it, or nothing that can be
SLOWEST, FASTEST = 1 / 60, 1000  # frames per second of a file
# share by which the average of the first timestamps is off where they are whole hundredths of a
# second
COARSE = 0.15
LARGEST = 1 << 27  # pixels of a frame, 16384x8192
SHORT = 0.9  # share of the promised seconds below which a file is cut short
SEE_THROUGH = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
"""Decoders of transparency, which FFmpeg's own decoders of these codecs drop (WebM, alpha_mode)."""
HDR = {16: "PQ", 18: "HLG"}  # transfer functions, ITU-T H.273 table 3


@contextmanager
def opened(path: Path) -> Iterator[Video]:
    """The file, opened by FFmpeg. Any error inside is raised as a DataError that names the file."""
    options = {"format_whitelist": FORMATS, "protocol_whitelist": "file"}
    try:
        with (
            reading_binary(path, "video"),
            _openable(path) as file,
            av.open(file, "r", options=options, metadata_errors="replace") as container,
        ):
            yield Video(path, container)
    except FFmpegError as error:
        raise DataError(f"{path} {_what(path)} ({error.strerror})") from error
    except OSError as error:
        raise DataError(
            f"{path} cannot be read: {error.strerror}. Check the disk that it is on."
        ) from error


@contextmanager
def _openable(path: Path) -> Iterator[str | BinaryIO]:
    """The file's address for FFmpeg; the open file where its name is not UTF-8, which FFmpeg takes
    only.
    """
    name = os.fspath(path)
    if name.encode(errors="ignore").decode() == name:
        yield f"file:{name}"
    else:
        with open(path, "rb") as file:
            yield file


class Video:
    """An open file's best video stream, decoded by one thread: the cache reads several files side
    by side.
    """

    def __init__(self, path: Path, container: InputContainer) -> None:
        self.path, self.container = path, container
        self.stream = _stream(path, container)
        self._decoder = _decoder(self.stream)
        self._decoder.thread_count = 1
        self._damaged = False

    @property
    def rate(self) -> float:
        """Frames per second, on average; the rate that was meant where timestamps are too coarse to
        say it, as those of GIFs are.
        """
        average, guessed = (
            float(rate or 0) for rate in (self.stream.average_rate, self.stream.guessed_rate)
        )
        likely = (
            (guessed, average) if abs(guessed - average) < COARSE * average else (average, guessed)
        )
        return next((rate for rate in likely if SLOWEST <= rate <= FASTEST), GUESSED)

    @property
    def seconds(self) -> float:
        """As the header promises them, of the picture or of the whole, whichever is less; 0.0 where
        it promises none.
        """
        whole = (self.container.duration or 0) / av.time_base
        own = float((self.stream.duration or 0) * (self.stream.time_base or 0))
        return max(0.0, min(own or whole, whole or own))

    @property
    def aspect(self) -> Fraction:
        """Width of a pixel divided by its height."""
        aspect = self.stream.sample_aspect_ratio
        return Fraction(aspect) if aspect and 0.1 < aspect < 10 else Fraction(1)

    def first(self) -> VideoFrame:
        """The next frame that is complete; in a file that was just opened, the first one."""
        return next(self.frames()).frame

    def seek_middle(self) -> bool:
        """Seek to about the middle; False if the file does not allow it."""
        try:
            self.container.seek(
                int(self.seconds / 2 * av.time_base) + (self.container.start_time or 0)
            )
        except FFmpegError:
            return False
        return self.seconds > 0

    def frames(self) -> Iterator[Timed[VideoFrame]]:
        """Every frame and its time, until the end or the first that is damaged.

        Can be run through once.

        Where the file is damaged or cut short, and what else is to be known of how it is stored, is
        remarked on.

        Raises:
            DataError: nothing of it can be decoded.
        """
        count, begin, end = 0, 0.0, 0.0
        for frame in self._whole():
            timed = self._timed(frame)
            if not count:
                _tell_kind(frame)
                begin = timed.start or 0.0
            count += 1
            end = (
                begin + count / self.rate
                if timed.start is None
                else timed.start + (timed.seconds or 1 / self.rate)
            )
            yield timed
        if not count:
            raise DataError(
                f"{self.path} is damaged: nothing of it can be decoded. Copy it again, or remove "
                "it."
            )
        self._tell_end(
            max(end, end - begin)
        )  # some headers count from the first frame, some from time zero

    def _timed(self, frame: VideoFrame) -> Timed[VideoFrame]:
        tick = float(self.stream.time_base or 0)
        return Timed(
            frame,
            frame.pts * tick if tick and frame.pts is not None else None,
            (frame.duration or 0) * tick or None,
        )

    def _tell_end(self, seconds: float) -> None:
        promised = self.seconds
        if self._damaged:
            of = f" of {promised:.2f} s" if promised > seconds else ""
            remark(f"damaged or cut short after {seconds:.2f} s{of}: what comes before is used")
        elif seconds < SHORT * promised - 0.1:
            remark(
                f"cut short: its header promises {promised:.2f} s, and {seconds:.2f} s are there"
            )
        elif self.path.suffix.lower() == ".gif" and not _ended(self.path):
            remark(
                "cut short: the mark that ends a GIF is missing, so that its last frames may be, "
                "too"
            )

    def _whole(self) -> Iterator[VideoFrame]:
        """The frames up to the first that is damaged.

        Those at the very beginning are passed over: a recording may start between two key frames.
        """
        begun = False
        for frame in self._decoded():
            if frame is not None and not frame.is_corrupt:
                begun = True
                yield frame
            elif begun:
                self._damaged = True
                return

    def _decoded(self) -> Iterator[VideoFrame | None]:
        """Every frame that FFmpeg decodes; None for each that it cannot decode."""
        for packet in self._packets():
            try:
                decoded = None if packet.is_corrupt else self._decoder.decode(packet)
            except FFmpegError:
                decoded = None
            yield from self._held_back() if decoded is None else decoded
            if decoded is None:
                yield None

    def _held_back(self) -> list[VideoFrame]:
        """The frames that the decoder still holds: it waits for frames that are shown earlier."""
        try:
            return self._decoder.decode(None)
        except FFmpegError:
            return []
        finally:
            self._decoder.flush_buffers()

    def _packets(self) -> Iterator[Packet]:
        try:
            yield from self.container.demux(self.stream)
        except InvalidDataError:
            self._damaged = True


def _ended(path: Path) -> bool:
    """Whether the trailer of a GIF (GIF89a, section 27) is present.

    Some programs append zeros after it.
    """
    with open(path, "rb") as file:
        file.seek(max(0, os.path.getsize(path) - 1024))
        return file.read().rstrip(b"\0").endswith(b"\x3b")


def _tell_kind(frame: VideoFrame) -> None:
    if frame.interlaced_frame:
        remark(
            "interlaced: what moves has combs, which a model learns unless it is reduced to less "
            "than half its height"
        )
    if kind := HDR.get(frame.color_trc):
        remark(
            f"high dynamic range ({kind}): its colours come out pale unless it is converted to "
            "BT.709"
        )


def _stream(path: Path, container: InputContainer) -> VideoStream:
    stream = container.streams.best("video")
    if not isinstance(stream, VideoStream) or stream.disposition & Disposition.attached_pic:
        what = "sound and no video" if container.streams.audio else "no video"
        raise DataError(f"{path} holds {what}. Remove it: there is no picture to learn from.")
    if stream.codec_context is None:
        raise DataError(
            f"{path} is compressed by a method that FFmpeg does not decode here. Convert it, to "
            "H.264 for instance."
        )
    if stream.width * stream.height > LARGEST:
        raise DataError(
            f"{path} states {stream.height:,}x{stream.width:,}, which is not the size of a video. "
            "Reduce it first, or remove it."
        )
    return stream


def _decoder(stream: VideoStream) -> VideoCodecContext:
    """The stream's own decoder, or the one that also decodes the transparency that WebM states."""
    name = SEE_THROUGH.get(stream.codec_context.name)
    if name is None or stream.metadata.get("alpha_mode") != "1":
        return stream.codec_context
    decoder = CodecContext.create(name, "r")
    assert isinstance(decoder, VideoCodecContext)
    return decoder


def _what(path: Path) -> str:
    """The reason why FFmpeg does not open a file."""
    boxes = _boxes(path)
    if b"ftyp" in boxes and b"moov" not in boxes:
        return (
            "is cut short: its index (moov), which is written last, is missing, so that nothing "
            "of it can be decoded. Copy it again."
        )
    return "is not a video, or not of a kind that FFmpeg reads, or damaged. Remove or convert it."


def _boxes(path: Path) -> list[bytes]:
    """The kinds of the top-level boxes of an MP4 or MOV (ISO/IEC 14496-12, section 4.2)."""
    kinds: list[bytes] = []
    at = 0
    with open(path, "rb") as file:
        while len(kinds) < 1000 and len(head := file.read(16)) >= 8:
            size, kind = struct.unpack(">I4s", head[:8])
            kinds.append(kind)
            size = int.from_bytes(head[8:], "big") if size == 1 else size
            if size < 8:  # 0: up to the end
                break
            at += size
            file.seek(at)
    return kinds
