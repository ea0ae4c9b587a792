"""What several recipes reach on the same data in the same time.

    python benchmarks/equal_time.py MODALITY DATA --recipe tiny --recipe dit-tiny [--minutes M] [-n N] [--set KEY=VALUE] [--keep DIR] [--smoke]

Each recipe is trained for as many steps as the minutes of CPU time allow, so that what else the machine does counts
for none of them, with its learning rate brought to its end within them. Samples are then measured as
`difftool evaluate` measures them, with a judge that is trained on the data once. --keep leaves the runs and their
samples in a folder, and uses the cache that is set, so that other recipes can join later with the same judge.
"""

from __future__ import annotations

import argparse
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from common import arguments, emit, saved_parameters, workplace
from synthetic import write_pictures

import difftool

WARM = 3
"""Steps before the clock starts: the first make buffers and plans."""


def seconds_a_step(
    modality: str, data: Path, run: Path, recipe: str, sets: dict[str, Any]
) -> float:
    """CPU seconds of a step of this recipe, loading included."""
    steps = iter(trained(modality, data, run, recipe, {**sets, "train.steps": 10_000}))
    for _ in range(WARM):
        next(steps)
    start, count = time.process_time(), 0
    while count < 2 or (count < 20 and time.process_time() - start < 20):
        next(steps)
        count += 1
    spent = (time.process_time() - start) / count
    steps.close()  # type: ignore[attr-defined]
    return spent


def trained(modality: str, data: Path, run: Path, recipe: str, sets: dict[str, Any]) -> Any:
    quiet = {"train.device": "cpu", "train.preview": 0, "train.save_every": 1_000_000}
    return difftool.training(modality, data, run=run, recipe=recipe, **{**quiet, **sets})


def reached(
    modality: str, data: Path, place: Path, recipe: str, options: argparse.Namespace
) -> dict[str, Any]:
    """Train a recipe for its time, and measure its samples."""
    sets = {"train.batch": options.batch, **dict(one.split("=", 1) for one in options.set)}
    a_step = seconds_a_step(modality, data, place / f"{recipe}-timed", recipe, sets)
    steps = max(2, round(60 * options.minutes / a_step))
    run = place / recipe
    start = time.process_time()
    warmup = steps // 10 * options.batch
    wanted = {"optimizer.warmup": warmup, "train.steps": steps, **sets}
    for _ in trained(modality, data, run, recipe, wanted):
        pass
    trained_for = time.process_time() - start
    start = time.process_time()
    samples = difftool.load(run).sample(options.n)
    sampled_for = time.process_time() - start
    made = place / f"{recipe}-samples"
    samples.save(made)
    found = difftool.evaluate(run, samples=made, metrics=options.metric or None)
    return {
        "parameters": saved_parameters(run),
        "steps": steps,
        "cpu_minutes": round(trained_for / 60, 2),
        "cpu_seconds_a_sample": round(sampled_for / options.n, 4),
        **{
            f"{row['metric']}.{row['name']}": [
                row["samples"],
                row.get("samples_error"),
                row["data"],
            ]
            for row in found["rows"]
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("modality", nargs="?", default="image")
    parser.add_argument("data", nargs="?", type=Path)
    parser.add_argument("--recipe", action="append", default=[])
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--metric", action="append", default=[])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("-n", type=int, default=500)
    parser.add_argument("--keep", type=Path, metavar="DIR")
    small = ["modality.size=8", "backbone.channels=8", "backbone.attention=0"]
    options = arguments(
        parser,
        {
            "recipe": ["tiny"],
            "minutes": 0.0,
            "batch": 4,
            "n": 8,
            "set": small,
            "metric": ["colour"],
        },
    )
    torch.set_num_threads(1)
    found = {}
    with nullcontext(options.keep) if options.keep else workplace() as place:
        if options.smoke:
            options.data = place / "data"
            write_pictures(options.data, 16, 8)
        for recipe in options.recipe:
            found[recipe] = reached(options.modality, options.data, place, recipe, options)
            print(recipe, found[recipe], file=sys.stderr, flush=True)  # it takes long
    emit({"minutes": options.minutes, "samples": options.n, "recipes": found}, options.smoke)


if __name__ == "__main__":
    main()
