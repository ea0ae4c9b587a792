"""Images per second from the cache, against decoding the same PNG files with Pillow and against what a training step takes.

    python benchmarks/loader.py [--images N] [--rounds N] [--smoke]

The loader is the one that training uses, its thread included, and every batch is what the step is given. CPU seconds, one
thread of torch; the wall clock next to it. The files are made here: smooth fields with a little noise, which compress as
photographs do.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import arguments, emit, seconds, workplace
from PIL import Image
from synthetic import write_pictures

import difftool

H200_IMAGES_PER_SECOND = 10_600
"""What a fused step of a 35 M network takes at 32 px and batch 128 on an H200, by arithmetic (loader.md)."""
LEVEL = 20_000
CASES = {"64 px": (64, 128), "cifar-edm": (32, 512)}


def compare(folder: Path, size: int, batch: int, count: int, rounds: int) -> dict[str, Any]:
    write_pictures(folder, count, size)
    start = time.perf_counter()
    dataset = difftool.data.open(folder, "image", recipe="none", size=size)
    building = time.perf_counter() - start
    steps = max(20, 4 * count // batch)

    def from_cache() -> None:
        for raw in dataset.batches(batch, steps):
            assert raw.x.shape == (batch, 3, size, size)

    def from_files() -> None:
        for i in range(min(count, 256)):
            with Image.open(folder / f"{i:05d}.png") as image:
                np.asarray(image.convert("RGB"))

    from_cache()
    cached, cached_wall = seconds(from_cache, steps * batch, rounds)
    pillow, _ = seconds(from_files, min(count, 256), rounds)
    return {
        "size": size,
        "batch": batch,
        "images": count,
        "images_per_second": round(1 / cached),
        "images_per_second_by_wall_clock": round(1 / cached_wall),
        "milliseconds_per_batch": round(1000 * batch * cached, 3),
        "pillow_images_per_second": round(1 / pillow),
        "seconds_to_build_the_cache": round(building, 2),
        "ratio_to_pillow": round(pillow / cached, 1),
        "ratio_to_h200": round(1 / cached / H200_IMAGES_PER_SECOND, 1),
        "level": LEVEL,
        "held": 1 / cached >= LEVEL,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    options = arguments(parser, {"images": 16, "rounds": 1})
    torch.set_num_threads(1)
    with workplace() as folder:
        cases = {
            name: compare(folder / str(size), size, batch, options.images, options.rounds)
            for name, (size, batch) in CASES.items()
        }
    ratio = min(case["ratio_to_h200"] for case in cases.values())
    emit({"clock": "cpu", "threads": 1, "cases": cases, "ratio": ratio}, options.smoke)


if __name__ == "__main__":
    main()
