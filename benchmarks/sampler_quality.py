"""Frechet distance of every sampler's samples at 5, 10, 20 and 50 evaluations of one trained network.

    python benchmarks/sampler_quality.py RUN DATA [--sampler NAME] [-n N] [--budgets N,...] [--smoke]

DATA is a folder with a folder of pictures for each class, such as the one that RUN was trained on.
The distance is between samples and pictures in the 16 features of a small classifier that is trained
on the pictures first. All samplers start from the same noise, with their default settings, and take
as many steps as the evaluations allow; ``rk45`` takes what its tolerance needs between two levels.
"""

from __future__ import annotations

import argparse
import math
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import arguments, emit, train, workplace
from PIL import Image
from torch import Tensor, nn

import difftool

FEATURES = 16
REAL = 2000
"""Largest number of pictures that samples are compared with."""


def pictures(folder: Path) -> tuple[Tensor, Tensor]:
    """Pictures ``[n, c, h, w]`` from -1 to 1 in random order, and their classes ``[n]``."""
    paths = sorted(folder.rglob("*.png"))
    names = sorted({path.parent.name for path in paths})
    order = np.random.default_rng(0).permutation(len(paths))
    arrays = [np.atleast_3d(np.asarray(Image.open(paths[i]))) for i in order]
    x = torch.from_numpy(np.stack(arrays)).movedim(3, 1)
    return scaled(x), torch.tensor([names.index(paths[i].parent.name) for i in order])


def scaled(x: Tensor) -> Tensor:
    return x.float() / 127.5 - 1


class Classifier(nn.Module):
    """Three convolutions, and features that a linear layer tells the classes by."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        widths = (channels, 24, 48, 64)
        self.convolutions = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(a, b, 3, 1 if a == channels else 2, 1), nn.BatchNorm2d(b), nn.SiLU()
            )
            for a, b in pairwise(widths)
        )
        self.project = nn.Linear(widths[-1], FEATURES)
        self.classes = nn.Linear(FEATURES, classes)

    def features(self, x: Tensor) -> Tensor:
        for layer in self.convolutions:
            x = layer(x)
        return self.project(x.mean((2, 3)))

    def forward(self, x: Tensor) -> Tensor:
        return self.classes(nn.functional.silu(self.features(x)))


def trained_classifier(x: Tensor, y: Tensor, epochs: int) -> Classifier:
    torch.manual_seed(0)
    network = Classifier(x.shape[1], int(y.max()) + 1)
    optimizer = torch.optim.AdamW(network.parameters(), 3e-3)
    for _ in range(epochs):
        for some in torch.randperm(len(x)).split(64):
            loss = nn.functional.cross_entropy(network(x[some]), y[some], label_smoothing=0.05)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return network.eval()


def frechet(a: Tensor, b: Tensor) -> float:
    """Distance of the normal distributions of two sets of features   (Heusel et al. 2017, Eq. 6)."""
    a, b = a.double(), b.double()
    covariances = torch.cov(a.T), torch.cov(b.T)
    product = torch.linalg.eigvals(covariances[0] @ covariances[1]).real.clamp_min(0).sqrt().sum()
    traces = sum(covariance.trace() for covariance in covariances)
    return ((a.mean(0) - b.mean(0)).square().sum() + traces - 2 * product).item()


class Counted:
    """Counts the evaluations of a model's network for one batch of samples."""

    def __init__(self, model: difftool.Built) -> None:
        self.count = 0
        model.stage.denoiser.backbone.register_forward_hook(self._add)

    def _add(self, *_: Any) -> None:
        self.count += 1


def steps_within(model: difftool.Built, counted: Counted, budget: int) -> int:
    """The most steps that take no more evaluations than this; 0 if one step takes more.

    Evaluations are linear in the steps, from the fourth on.
    """
    for steps in range(1, budget + 1):
        counted.count = 0
        model.sample(1, steps=steps, batch=1)
        if counted.count > budget:
            return steps - 1
        if steps >= 5 and counted.count == steps:  # one evaluation a step
            return budget
    return budget


def measure(
    run: Path, sampler: str, budgets: list[int], n: int, judge: Classifier, real: Tensor
) -> dict[str, Any]:
    model = difftool.load(run).open(device="cpu", sampler=sampler)
    counted, found = Counted(model), {}
    for budget in budgets:
        steps = 2 if sampler == "rk45" else steps_within(model, counted, budget)
        if steps == 0:
            continue
        counted.count = 0
        made = model.sample(n, steps=steps, batch=n).examples
        with torch.no_grad():
            distance = frechet(judge.features(scaled(torch.from_numpy(np.stack(made)))), real)
        found[str(budget)] = {
            "steps": steps,
            "evaluations": counted.count,
            "frechet": round(distance, 3) if math.isfinite(distance) else None,
        }
        if sampler == "rk45":
            break
    return found


def report(run: Path, data: Path, options: argparse.Namespace) -> dict[str, Any]:
    x, y = pictures(data)
    held = len(x) // 5
    judge = trained_classifier(x[held:], y[held:], options.epochs)
    with torch.no_grad():
        features = judge.features(x)
        right = (judge(x[:held]).argmax(1) == y[:held]).double().mean().item()
    real = features[held : held + REAL]
    names = difftool.parts("sampler") if not options.sampler else options.sampler
    budgets = [int(one) for one in options.budgets.split(",")]
    rows = {}
    for name in names:
        rows[name] = measure(run, name, budgets, options.n, judge, real)
        print(name, rows[name], file=sys.stderr, flush=True)  # it takes long
    return {
        "samples": options.n,
        "judge_accuracy": round(right, 3),
        "held_out_frechet": round(frechet(features[: min(held, options.n)], real), 3),
        "samplers": rows,
    }


def smoke_run(place: Path) -> tuple[Path, Path]:
    """A few pictures in two classes, and a run that took two steps on them."""
    rng = np.random.default_rng(0)
    for i in range(40):
        folder = place / "data" / "ab"[i % 2]
        folder.mkdir(parents=True, exist_ok=True)
        picture = rng.integers(0, 100, (8, 8), dtype=np.uint8) + np.uint8(100 * (i % 2))
        Image.fromarray(picture).save(folder / f"{i}.png")
    settings = {
        "modality.size": 8,
        "backbone.channels": 8,
        "backbone.multipliers": [1],
        "backbone.blocks": 1,
        "train.batch": 4,
        "train.steps": 2,
        "train.preview": 0,
    }
    for _ in train("image", place / "data", place / "run", settings):
        pass
    return place / "run", place / "data"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", nargs="?", type=Path)
    parser.add_argument("data", nargs="?", type=Path)
    parser.add_argument("--sampler", action="append", default=[])
    parser.add_argument("-n", type=int, default=256)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--budgets", default="5,10,20,50")
    options = arguments(
        parser, {"n": 8, "epochs": 1, "budgets": "5", "sampler": ["unipc", "langevin", "ddpm"]}
    )
    torch.set_num_threads(1)
    if options.smoke:
        with workplace() as place:
            found = report(*smoke_run(place), options)
    elif options.run is None or options.data is None:
        parser.error("name a run and a folder of its data, or --smoke")
    else:
        found = report(options.run, options.data, options)
    emit(found, options.smoke)


if __name__ == "__main__":
    main()
