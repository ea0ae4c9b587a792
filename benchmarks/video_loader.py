"""Clips per second from the cache, against PyAV decoding the same clips from H.264 and from lossless files.

    python benchmarks/video_loader.py [--files N] [--rounds N]

The loader is the one that training uses, its thread included, and every batch is what the step is given. PyAV has it easy: each file is
one clip of 16 frames, at the size and rate that is trained on, so it seeks nothing, decodes nothing in vain and resizes nothing; its one
thread converts the frames to RGB. CPU seconds; the wall clock beside it. The files are made here: noisy gradients that move.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import av
import numpy as np
from common import emit
from loader import seconds

FRAMES, SIZE, RATE, BATCH = 16, 64, 8, 16
LEVEL = 100
KINDS = {"h264": ("libx264", "yuv420p", ".mp4"), "lossless": ("png", "rgb24", ".mov")}


def write_clips(folder: Path, count: int) -> None:
    """Each in every kind, a folder of its own."""
    rng = np.random.default_rng(0)
    for kind in KINDS:
        (folder / kind).mkdir(parents=True)
    for i in range(count):
        clip = moving(rng)
        for kind, (codec, pixels, suffix) in KINDS.items():
            encode(folder / kind / f"{i:04d}{suffix}", clip, codec, pixels)


def moving(rng: np.random.Generator) -> np.ndarray:
    """``[t, h, w, 3]``: a smooth picture that wanders, with a little noise, which compresses as filmed pictures do."""
    coarse = rng.integers(0, 256, (4, 4, 3)).repeat(SIZE // 4, 0).repeat(SIZE // 4, 1)
    step = rng.integers(-3, 4, 2)
    frames = np.stack([np.roll(coarse, tuple(t * step), (0, 1)) for t in range(FRAMES)])
    return (frames + rng.integers(-6, 7, frames.shape)).clip(0, 255).astype(np.uint8)


def encode(path: Path, clip: np.ndarray, codec: str, pixels: str) -> None:
    with av.open(path, "w") as container:
        stream: Any = container.add_stream(codec, rate=RATE)
        stream.width, stream.height, stream.pix_fmt = SIZE, SIZE, pixels
        for frame in clip:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


def dataset_of(folder: Path) -> Any:
    from difftool.assemble import open_dataset
    from difftool.config import gather, resolve
    from difftool.plugin.registry import Registry

    registry = Registry.load_all()
    settings = {"size": SIZE, "frames": FRAMES, "fps": RATE, "channels": '"rgb"'}
    sets = [f'data.path="{folder}"', *(f"modality.{name}={value}" for name, value in settings.items())]
    layers = gather(registry, "video", sets=sets, project=None)
    return open_dataset(resolve("video", layers, registry), registry)[1]


def clips_from_cache(dataset: Any, steps: int) -> None:
    from difftool.data.dataset import batches

    for raw in batches(dataset, seed=0, batch=BATCH, start=0, stop=steps):
        assert raw.x.shape == (BATCH, FRAMES, 3, SIZE, SIZE)


def clips_from_files(paths: list[Path], count: int) -> None:
    rng = np.random.default_rng(0)
    for path in rng.choice(np.asarray(paths, object), count):
        with av.open(path) as container:
            container.streams.video[0].codec_context.thread_count = 1
            clip = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
        assert clip.shape == (FRAMES, SIZE, SIZE, 3)


def compare(folder: Path, files: int, rounds: int) -> dict[str, Any]:
    write_clips(folder, files)
    start = time.perf_counter()
    dataset = dataset_of(folder / "h264")
    building = time.perf_counter() - start
    steps = 200
    clips_from_cache(dataset, steps)
    cached, wall = seconds(lambda: clips_from_cache(dataset, steps), steps * BATCH, rounds)
    report: dict[str, Any] = {
        "files": files,
        "batch": BATCH,
        "shape": (FRAMES, 3, SIZE, SIZE),
        "clips_per_second": round(1 / cached),
        "clips_per_second_by_wall_clock": round(1 / wall),
        "milliseconds_per_batch": round(1000 * BATCH * cached, 3),
        "seconds_to_build_the_cache": round(building, 2),
    }
    for kind in KINDS:
        paths = sorted((folder / kind).iterdir())
        read, _ = seconds(lambda paths=paths: clips_from_files(paths, 200), 200, rounds)
        report[f"pyav_{kind}_clips_per_second"] = round(1 / read)
        report[f"ratio_to_pyav_{kind}"] = round(read / cached, 1)
    ratio = min(report[f"ratio_to_pyav_{kind}"] for kind in KINDS)
    return report | {"level": LEVEL, "held": ratio >= LEVEL, "ratio": ratio}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with TemporaryDirectory(prefix="difftool-benchmark-") as name:
        os.environ["DIFFTOOL_CACHE"] = str(Path(name) / "cache")
        import torch

        torch.set_num_threads(1)
        found = compare(Path(name) / "clips", options.files, options.rounds)
    emit({"clock": "cpu", "threads": 1, **found})


if __name__ == "__main__":
    main()
