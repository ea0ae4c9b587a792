"""Clips per second from the cache, against PyAV decoding the same clips from H.264 and from lossless files.

    python benchmarks/video_loader.py [--files N] [--rounds N] [--smoke]

The loader is the one that training uses, its thread included, and every batch is what the step is given. PyAV has it easy:
each file is one clip of 16 frames, at the size and rate that is trained on, so it does not seek, decodes no frame in vain
and resizes nothing; its one thread converts the frames to RGB. CPU seconds; the wall clock next to it. The files are made
here: noisy pictures that wander.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from common import arguments, emit, seconds, workplace
from synthetic import VIDEO_KINDS, write_clips

import difftool

FRAMES, SIZE, RATE, BATCH = 16, 64, 8, 16
LEVEL = 100


def clips_from_cache(dataset: difftool.Examples, steps: int) -> None:
    for raw in dataset.batches(BATCH, steps):
        assert raw.x.shape == (BATCH, FRAMES, 3, SIZE, SIZE)


def clips_from_files(paths: list[Path], count: int) -> None:
    rng = np.random.default_rng(0)
    for path in rng.choice(np.asarray(paths, object), count):
        with av.open(path) as container:
            container.streams.video[0].codec_context.thread_count = 1
            clip = np.stack(
                [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
            )
        assert clip.shape == (FRAMES, SIZE, SIZE, 3)


def compare(folder: Path, files: int, steps: int, rounds: int) -> dict[str, Any]:
    write_clips(folder, files, FRAMES, SIZE, RATE, tuple(VIDEO_KINDS))
    start = time.perf_counter()
    settings: dict[str, Any] = {"size": SIZE, "frames": FRAMES, "fps": RATE, "channels": "rgb"}
    dataset = difftool.data.open(folder / "h264", "video", recipe="none", **settings)
    building = time.perf_counter() - start
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
    for kind in VIDEO_KINDS:
        paths = sorted((folder / kind).iterdir())
        read, _ = seconds(lambda paths=paths: clips_from_files(paths, steps), steps, rounds)
        report[f"pyav_{kind}_clips_per_second"] = round(1 / read)
        report[f"ratio_to_pyav_{kind}"] = round(read / cached, 1)
    ratio = min(report[f"ratio_to_pyav_{kind}"] for kind in VIDEO_KINDS)
    return report | {"level": LEVEL, "held": ratio >= LEVEL, "ratio": ratio}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=200)
    parser.add_argument(
        "--steps",
        type=int,
        default=200,
        help="batches from the cache, and files decoded, in each round",
    )
    parser.add_argument("--rounds", type=int, default=5)
    options = arguments(parser, {"files": 4, "steps": 3, "rounds": 1})
    torch.set_num_threads(1)
    with workplace() as folder:
        found = compare(folder / "clips", options.files, options.steps, options.rounds)
    emit({"clock": "cpu", "threads": 1, **found}, options.smoke)


if __name__ == "__main__":
    main()
