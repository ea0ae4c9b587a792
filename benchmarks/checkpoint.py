"""How long training stands still for a checkpoint, against torch.save of the same tensors.

    python benchmarks/checkpoint.py [--size 5M|35M] [--rounds N] [--smoke]

A checkpoint holds the weights, their average and two moments: 4 x 4 bytes a parameter. What blocks is the check that they
are finite and the copy; the file is written on a thread meanwhile. It is measured as a user meets it: a step that saves
against steps that do not, of a network on pictures of 8 pixels, whose steps are short. Each save is on disk before the next
step begins. Seconds of CPU of the training thread, one thread of torch; the wall clock next to it. The first save, which
makes the buffers, is reported separately.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from common import Work, arguments, emit, saved_parameters, train, workplace
from safetensors.torch import load_file
from synthetic import write_pictures
from train_step import OURS
from training import UNDISTURBED

LEVEL = 0.15
EVERY = 4
"""Steps from one save to the next."""


def seconds(work: Work) -> tuple[float, float]:
    """CPU seconds of this thread, and wall seconds."""
    start = time.thread_time(), time.perf_counter()
    work()
    return time.thread_time() - start[0], time.perf_counter() - start[1]


def saving(steps: Iterator[Any], count: int) -> Iterator[tuple[tuple[float, float], Path | None]]:
    """The seconds of each of the next ``count`` steps, and the checkpoint that it saved, once that is on disk."""
    for _ in range(count):
        records: list[Any] = []
        spent = seconds(lambda: records.append(next(steps)))  # noqa: B023 (called at once)
        saved = records[0].saved
        while saved and not saved.exists():
            time.sleep(0.01)
        yield spent, saved


def measure(folder: Path, size: str, rounds: int) -> dict[str, Any]:
    write_pictures(folder / "pictures", 4, 8)
    network = {f"backbone.{name}": value for name, value in OURS[size].items()}
    picture = {
        "modality.size": 8,
        "modality.channels": "rgb",
        "train.batch": 1,
        "train.precision": "fp32",
    }
    settings = {**UNDISTURBED, **picture, **network, "train.save_every": EVERY}
    steps = train("image", folder / "pictures", folder / "run", settings)
    plain, saves, theirs = [], [], []
    for spent, saved in saving(steps, EVERY * (rounds + 1)):
        (saves if saved else plain).append(spent)
        if saved:
            state = load_file(saved)
            theirs.append(seconds(lambda: torch.save(state, folder / "peer.pt")))  # noqa: B023
    first, *rest = saves
    usual = medians(plain[EVERY:])
    blocked, blocked_wall = (
        with_save - without for with_save, without in zip(medians(rest), usual, strict=True)
    )
    peer, peer_wall = medians(theirs)
    return {
        "size": size,
        "parameters": saved_parameters(folder / "run"),
        "megabytes": round(sum(t.numel() * t.element_size() for t in state.values()) / 1e6),
        "step_s": round(usual[0], 4),
        "blocked_s": round(blocked, 4),
        "blocked_s_by_wall_clock": round(blocked_wall, 4),
        "blocked_s_first": round(first[0] - usual[0], 4),
        "torch_save_s": round(peer, 4),
        "torch_save_s_by_wall_clock": round(peer_wall, 4),
        "level": LEVEL,
        "held": blocked <= LEVEL,
        "ratio": round(peer / blocked, 2),
    }


def medians(times: list[tuple[float, float]]) -> tuple[float, float]:
    """Median CPU and wall seconds."""
    cpu, wall = zip(*times, strict=True)
    return statistics.median(cpu), statistics.median(wall)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=list(OURS), default="35M")
    parser.add_argument("--rounds", type=int, default=5)
    options = arguments(parser, {"size": "smoke", "rounds": 1})
    torch.set_num_threads(1)
    with workplace() as folder:
        emit(
            {"clock": "cpu", "threads": 1, **measure(folder, options.size, options.rounds)},
            options.smoke,
        )


if __name__ == "__main__":
    main()
