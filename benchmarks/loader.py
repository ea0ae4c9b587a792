"""Images per second from the cache, against decoding the same PNG files with Pillow and against what a training step takes.

    python benchmarks/loader.py [--images N] [--rounds N]

The loader is the one that training uses, its thread included, and every batch is what the step is given. CPU seconds, one thread of
torch; the wall clock beside it. The files are made here: smooth fields with a little noise, which compress as photographs do.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from common import emit
from PIL import Image

H200_IMAGES_PER_SECOND = 10_600
"""What a fused step of a 35 M network takes at 32 px and batch 128 on an H200, by arithmetic (docs/benchmarks.md)."""
LEVEL = 20_000
CASES = {"64 px": (64, 128), "cifar-edm": (32, 512)}


def write_pictures(folder: Path, count: int, size: int) -> None:
    rng = np.random.default_rng(0)
    for i in range(count):
        field = Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).resize((size, size), Image.Resampling.BICUBIC)
        picture = np.asarray(field, np.int16) + rng.integers(-6, 7, (size, size, 3))
        Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(folder / f"{i:05d}.png")


def seconds(work: Callable[[], object], images: int, rounds: int) -> tuple[float, float]:
    """Median CPU and wall seconds per image."""
    cpu, wall = [], []
    for _ in range(rounds):
        start = time.process_time(), time.perf_counter()
        work()
        cpu.append((time.process_time() - start[0]) / images)
        wall.append((time.perf_counter() - start[1]) / images)
    return statistics.median(cpu), statistics.median(wall)


def compare(folder: Path, size: int, batch: int, count: int, rounds: int) -> dict[str, Any]:
    from difftool.assemble import open_dataset
    from difftool.config import gather, resolve
    from difftool.data.dataset import batches
    from difftool.plugin.registry import Registry

    folder.mkdir()
    write_pictures(folder, count, size)
    registry = Registry.load_all()
    layers = gather(registry, "image", sets=[f'data.path="{folder}"', f"modality.size={size}"], project=None)
    start = time.perf_counter()
    _, dataset = open_dataset(resolve("image", layers, registry), registry)
    building = time.perf_counter() - start
    steps = max(20, 4 * count // batch)

    def from_cache() -> None:
        for raw in batches(dataset, seed=0, batch=batch, start=0, stop=steps):
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
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with TemporaryDirectory(prefix="difftool-benchmark-") as name:
        os.environ["DIFFTOOL_CACHE"] = str(Path(name) / "cache")
        import torch

        torch.set_num_threads(1)
        cases = {
            case: compare(Path(name) / str(size), size, batch, options.images, options.rounds) for case, (size, batch) in CASES.items()
        }
    emit({"clock": "cpu", "threads": 1, "cases": cases, "ratio": min(case["ratio_to_h200"] for case in cases.values())})


if __name__ == "__main__":
    main()
