"""Segments per second from the cache, against soundfile reading random segments of the same WAV and FLAC files.

    python benchmarks/audio_loader.py [--files N] [--rounds N] [--smoke]

The loader is the one that training uses, its thread included, and every batch is what the step is given: parts of one
second; silent ones are drawn again. soundfile opens a file, seeks and reads as many samples as int16, its cheapest way, and
looks for no silence. CPU seconds, one thread of torch; the wall clock next to it. The files are made here: noise and tones
of ten seconds at 16 kHz, mono.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from common import arguments, emit, seconds, workplace
from synthetic import write_recordings

import difftool

RATE, LENGTH, BATCH = 16_000, 10, 32
LEVEL = 5


def segments_from_cache(dataset: difftool.Examples, steps: int) -> None:
    for raw in dataset.batches(BATCH, steps):
        assert raw.x.shape == (BATCH, 1, RATE)


def segments_from_files(paths: list[Path], count: int) -> None:
    rng = np.random.default_rng(0)
    for path in rng.choice(np.asarray(paths, object), count):
        with soundfile.SoundFile(path) as file:
            file.seek(int(rng.integers(0, file.frames - RATE + 1)))
            assert len(file.read(RATE, dtype="int16")) == RATE


def compare(folder: Path, files: int, steps: int, rounds: int) -> dict[str, Any]:
    write_recordings(folder, files, RATE, LENGTH * RATE, ("wav", "flac"))
    start = time.perf_counter()
    dataset = difftool.data.open(folder / "wav", "audio/waveform", recipe="none", seconds=1.0)
    building = time.perf_counter() - start
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
        read, _ = seconds(
            lambda paths=paths: segments_from_files(paths, 5 * steps), 5 * steps, rounds
        )
        report[f"soundfile_{kind}_segments_per_second"] = round(1 / read)
        report[f"ratio_to_soundfile_{kind}"] = round(read / cached, 1)
    return report | {"level": LEVEL, "held": report["ratio_to_soundfile_wav"] >= LEVEL}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=200)
    parser.add_argument(
        "--steps", type=int, default=100, help="batches from the cache in each round"
    )
    parser.add_argument("--rounds", type=int, default=5)
    options = arguments(parser, {"files": 3, "steps": 3, "rounds": 1})
    torch.set_num_threads(1)
    with workplace() as folder:
        found = compare(folder / "recordings", options.files, options.steps, options.rounds)
    emit(
        {"clock": "cpu", "threads": 1, **found, "ratio": found["ratio_to_soundfile_wav"]},
        options.smoke,
    )


if __name__ == "__main__":
    main()
