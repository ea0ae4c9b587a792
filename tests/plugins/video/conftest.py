"""Small videos, in memory and on disk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from difftool import Item, remarks
from difftool_video.decode import clip
from difftool_video.modality import VideoModality
from difftool_video.options import VideoOptions

HEIGHT, WIDTH, RATE = 24, 32, 10

CODECS = {
    ".mp4": "libx264", ".m4v": "libx264", ".mov": "libx264", ".mkv": "ffv1", ".webm": "libvpx-vp9", ".avi": "mpeg4", ".mpg": "mpeg2video",
    ".ts": "libx264", ".flv": "flv", ".wmv": "wmv2",
}  # fmt: skip
LEVEL = 7  # grey levels between one frame and the next


def levels(n: int = 12, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """uint8 ``[t, h, w, 3]``: flat frames, the k-th of grey level 10 + 7k, so that it can be told which one is seen."""
    return np.broadcast_to(
        (10 + LEVEL * np.arange(n, dtype=np.uint8))[:, None, None, None], (n, height, width, 3)
    ).copy()


def which(x: np.ndarray) -> list[int]:
    """The numbers of these frames ``[t, c, h, w]`` among ``levels``."""
    return np.rint((np.median(x.reshape(len(x), -1), axis=1) - 10) / LEVEL).astype(int).tolist()


def moving(n: int = 12, height: int = HEIGHT, width: int = WIDTH, seed: int = 0) -> np.ndarray:
    """uint8 ``[t, h, w, 3]``: a smooth coloured pattern that drifts to the right."""
    coarse = np.random.default_rng(seed).integers(0, 256, (3, 4, 3), np.uint8)
    whole = np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))
    return np.stack([np.roll(whole, k, 1) for k in range(n)])


def save(
    path: Path,
    frames: np.ndarray,
    rate: Any = RATE,
    codec: str = "",
    pix_fmt: str = "yuv420p",
    times: Sequence[int] | None = None,
    container: dict[str, str] | None = None,
    set_up: Callable[[Any], None] = lambda stream: None,
    **codec_options: str,
) -> Path:
    """Frames ``[t, h, w, 3 or 4]`` to a file of the suffix's kind.

    Args:
        times: of the frames, in milliseconds, in place of a steady rate.
        container: options of the container.
        set_up: is shown the stream before the first frame.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    codec = codec or CODECS[path.suffix]
    with av.open(str(path), "w", options=container or {}) as file:
        stream = file.add_stream(codec, rate=rate)
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], pix_fmt
        stream.bit_rate = 4_000_000
        stream.options = {**({"qp": "4"} if codec == "libx264" else {}), **codec_options}
        if times:
            stream.codec_context.time_base = Fraction(1, 1000)
        set_up(stream)
        for k, frame in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(
                frame, format="rgba" if frame.shape[-1] == 4 else "rgb24"
            )
            picture.pts = times[k] if times else k
            picture.time_base = Fraction(1, 1000) if times else 1 / Fraction(rate)
            file.mux(stream.encode(picture))
        file.mux(stream.encode())
    return path


def save_gif(path: Path, frames: Sequence[np.ndarray], milliseconds: int | list[int] = 100) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    first, *rest = (Image.fromarray(frame) for frame in frames)
    first.save(path, save_all=True, append_images=rest, duration=milliseconds, loop=0, disposal=2)
    return path


def save_pictures(
    folder: Path, frames: np.ndarray, name: str = "frame_{:04d}.png", first: int = 1
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for k, frame in enumerate(frames, first):
        Image.fromarray(frame).save(folder / name.format(k))
    return folder


def save_sound(path: Path, codec: str = "aac") -> Path:
    """A second of sound and nothing to see."""
    with av.open(str(path), "w") as file:
        stream = file.add_stream(codec, rate=48_000)
        sound = av.AudioFrame.from_ndarray(
            np.zeros((1, 48_000), np.float32), format="fltp", layout="mono"
        )
        sound.sample_rate = 48_000
        file.mux(stream.encode(sound))
        file.mux(stream.encode())
    return path


def said(
    path: Path,
    fps: float = RATE,
    size: tuple[int, int] = (HEIGHT, WIDTH),
    channels: str = "rgb",
    **how: str,
) -> tuple[np.ndarray, list[str]]:
    """The clip ``[t, c, h, w]``, and what was remarked on."""
    with remarks() as texts:
        blocks = list(
            clip(
                path,
                fps,
                *size,
                channels,
                how.get("resize", "crop"),
                how.get("background", "black"),
            )
        )
    return np.concatenate(blocks), texts


def modality(**options: Any) -> VideoModality:
    return VideoModality(VideoOptions(**options))


def read(path: Path, **options: Any) -> np.ndarray:
    """One file at its own size, rate and channels, unless told otherwise."""
    one, item = modality(**options), Item(path)
    return one.fit([item]).read(item)


@pytest.fixture
def folder(tmp_path):
    """Two classes of five clips, 24 high and 32 wide, of 12 frames at 10 frames per second."""
    for i in range(5):
        save(tmp_path / "cat" / f"{i}.mp4", moving(seed=i))
        save(tmp_path / "dog" / f"{i}.mkv", moving(seed=5 + i), pix_fmt="bgr0")
    return tmp_path
