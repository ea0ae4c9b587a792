"""Segments per second from the cache, against soundfile reading random segments of the same WAV and FLAC files.

    python benchmarks/audio_loader.py [--files N] [--rounds N]

The loader is the one that training uses, its thread included, and every batch is what the step is given: parts of one second, silent
ones drawn again. soundfile opens a file, seeks and reads as many samples as int16, its cheapest way, and looks for no silence.
CPU seconds, one thread of torch; the wall clock beside it. The files are made here: noise and tones of ten seconds at 16 kHz, mono.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import soundfile
from common import emit
from loader import seconds

RATE, LENGTH, BATCH = 16_000, 10, 32
LEVEL = 5


def write_recordings(folder: Path, count: int) -> None:
    """Each twice: as WAV and, in a folder of its own, as FLAC."""
    rng = np.random.default_rng(0)
    t = np.arange(LENGTH * RATE) / RATE
    for kind in ("wav", "flac"):
        (folder / kind).mkdir(parents=True)
    for i in range(count):
        x = 0.3 * np.sin(2 * np.pi * rng.uniform(80, 2000) * t) + 0.05 * rng.standard_normal(len(t))
        for kind in ("wav", "flac"):
            soundfile.write(folder / kind / f"{i:04d}.{kind}", x, RATE, subtype="PCM_16")


def dataset_of(folder: Path) -> Any:
    from difftool.assemble import open_dataset
    from difftool.config import gather, resolve
    from difftool.plugin.registry import Registry

    registry = Registry.load_all()
    layers = gather(registry, "audio/waveform", sets=[f'data.path="{folder}"', "modality.seconds=1.0"], project=None)
    return open_dataset(resolve("audio/waveform", layers, registry), registry)[1]


def segments_from_cache(dataset: Any, steps: int) -> None:
    from difftool.data.dataset import batches

    for raw in batches(dataset, seed=0, batch=BATCH, start=0, stop=steps):
        assert raw.x.shape == (BATCH, 1, RATE)


def segments_from_files(paths: list[Path], count: int) -> None:
    rng = np.random.default_rng(0)
    for path in rng.choice(np.asarray(paths, object), count):
        with soundfile.SoundFile(path) as file:
            file.seek(int(rng.integers(0, file.frames - RATE + 1)))
            assert len(file.read(RATE, dtype="int16")) == RATE


def compare(folder: Path, files: int, rounds: int) -> dict[str, Any]:
    write_recordings(folder, files)
    start = time.perf_counter()
    dataset = dataset_of(folder / "wav")
    building = time.perf_counter() - start
    steps = 100
    segments_from_cache(dataset, steps)
    cached, wall = seconds(lambda: segments_from_cache(dataset, steps), steps * BATCH, rounds)
    report: dict[str, Any] = {
        "files": files,
        "batch": BATCH,
        "segments_per_second": round(1 / cached),
        "segments_per_second_by_wall_clock": round(1 / wall),
        "milliseconds_per_batch": round(1000 * BATCH * cached, 3),
        "seconds_to_build_the_cache": round(building, 2),
    }
    for kind in ("wav", "flac"):
        paths = sorted((folder / kind).iterdir())
        read, _ = seconds(lambda paths=paths: segments_from_files(paths, 500), 500, rounds)
        report[f"soundfile_{kind}_segments_per_second"] = round(1 / read)
        report[f"ratio_to_soundfile_{kind}"] = round(read / cached, 1)
    return report | {"level": LEVEL, "held": report["ratio_to_soundfile_wav"] >= LEVEL}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with TemporaryDirectory(prefix="difftool-benchmark-") as name:
        os.environ["DIFFTOOL_CACHE"] = str(Path(name) / "cache")
        import torch

        torch.set_num_threads(1)
        found = compare(Path(name) / "recordings", options.files, options.rounds)
    emit({"clock": "cpu", "threads": 1, **found, "ratio": found["ratio_to_soundfile_wav"]})


if __name__ == "__main__":
    main()
