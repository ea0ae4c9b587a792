"""Latents per second from the cache to the device, in model units, as a training step gets them.

    python benchmarks/latent_cache.py [--images N] [--batch N] [--rounds N] [--device D] [--smoke]

The loader is the one that training uses, its thread included. Latents are 32 by 32 of 4 channels; the autoencoder that makes
them is not trained, since the cache does not ask. CPU seconds, one thread of torch; the wall clock next to it.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch
from common import arguments, emit, seconds, workplace
from synthetic import write_pictures

import difftool
from difftool import Stream

LEVEL = 20_000
SIZE, SIDE, CHANNELS = 64, 32, 4
CASES: dict[str, dict[str, Any]] = {
    "half": {},
    "bytes": {"cached_as": "uint8"},
    "bytes, 4 variants": {"cached_as": "uint8", "variants": 4},
    "half, drawn": {"draw": True},
}


def autoencoder(data: Path, run: Path) -> None:
    """A run of an autoencoder with the latents of this benchmark."""
    settings = {
        "objective.use": "autoencoder",
        "objective.patch": SIZE // SIDE,
        "objective.multipliers": [1],
        "objective.channels": 8,
        "objective.latents": CHANNELS,
        "modality.size": SIZE,
        "train.steps": 1,
        "train.batch": 4,
        "train.preview": 0,
        "train.device": "cpu",
    }
    difftool.train("image", data, run=run, recipe="none", **settings)


def measured(data: Path, run: Path, options: Any, case: dict[str, Any]) -> dict[str, Any]:
    settings = {
        "modality.size": SIZE,
        "representation.use": "latent",
        "representation.model": str(run),
        "train.batch": options.batch,
        "train.device": options.device,
        "train.precision": "fp32",
        **{f"representation.{name}": value for name, value in case.items()},
    }
    model = difftool.build("image", data, recipe="none", **settings)
    latent, device = model.stage.representation, torch.device(options.device)
    rng, steps = Stream(0, "draws", device=device), max(4, 8 * options.images // options.batch)

    def work() -> None:
        for prepared in model.batches(steps):
            x = latent.draw(prepared.map(lambda t: t.to(device, non_blocking=True)), rng).x
            assert x.shape == (options.batch, CHANNELS, SIDE, SIDE)
        if device.type == "cuda":
            torch.cuda.synchronize()

    work()
    cpu, wall = seconds(work, steps * options.batch, options.rounds)
    return {
        "latents_per_second": round(1 / cpu),
        "latents_per_second_by_wall_clock": round(1 / wall),
        "level": LEVEL,
        "held": 1 / cpu >= LEVEL,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=1024)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    options = arguments(parser, {"images": 8, "batch": 4, "rounds": 1})
    torch.set_num_threads(1)
    with workplace() as folder:
        data, run = folder / "data", folder / "ae"
        write_pictures(data, options.images, SIZE)
        autoencoder(data, run)
        chosen = dict(list(CASES.items())[: 1 if options.smoke else None])
        cases = {name: measured(data, run, options, case) for name, case in chosen.items()}
    emit({"clock": "cpu", "threads": 1, "device": options.device, "cases": cases}, options.smoke)


if __name__ == "__main__":
    main()
