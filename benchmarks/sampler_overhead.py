"""Sampling time against (evaluations of the network x one bare forward), for every sampler; and the time outside the network.

    python benchmarks/sampler_overhead.py [--sampler NAME] [--batch N] [--steps N] [--rounds N] [--smoke]

What is timed is the whole of sampling, from drawing conditions and noise to finished examples in bytes, with the untrained
network of the image recipe ``tiny``. CPU seconds, one thread; forwards and samplings take turns, and the least of each is
used, which other work on the machine affects the least. The time outside is measured in the same run with a network that
does nothing, since the difference of two large numbers would be noise.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import torch
from common import Work, arguments, emit, fresh
from torch import Tensor

import difftool
from difftool import Backbone, Description, LabelColumn

LEVEL_RATIO, LEVEL_MS = 1.03, 0.25
SHAPE = (3, 32, 32)


class Nothing(Backbone):
    """The network that returns its input."""

    def forward(
        self, x: Tensor, c_noise: Tensor, signals: Any, mask: Tensor | None = None
    ) -> Tensor:
        return x


def make_model(sampler: str) -> difftool.Built:
    label = LabelColumn("class", names=("a", "b"), counts=(1, 1))
    settings = {
        "sampler.use": sampler,
        "modality.size": SHAPE[-1],
        "modality.channels": "rgb",
        "train.precision": "fp32",
        "conditions.class.use": "label",
    }
    description = Description(SHAPE, "uint8", 2, {"class": label}, {"channels": "rgb"})
    return fresh("image", settings, description, "tiny")


def evaluations(model: difftool.Built, request: dict[str, int]) -> int:
    count = [0]
    handle = model.stage.denoiser.backbone.register_forward_hook(
        lambda *_: count.__setitem__(0, count[0] + 1)
    )
    model.sample(**request)
    handle.remove()
    return count[0]


def seconds(work: Work) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def turns(
    model: difftool.Built, request: dict[str, int], count: int, rounds: int
) -> tuple[float, float]:
    """CPU seconds of one sampling and of as many bare forwards: the least over rounds of each, taken in turn."""
    stage, n = model.stage, request["n"]
    x, sigma, cond = (
        torch.randn(n, *SHAPE),
        torch.ones(n),
        {"class": torch.zeros(n, dtype=torch.int64)},
    )

    def forwards() -> None:
        with torch.inference_mode():
            signals = stage.denoiser.signals(cond)
            for _ in range(count):
                stage.denoiser(x, sigma, signals, None)

    sampled, bare = [], []
    for _ in range(rounds):
        bare.append(seconds(forwards))
        sampled.append(seconds(lambda: model.sample(**request)))
    return min(sampled), min(bare)


def measure(sampler: str, batch: int, steps: int, rounds: int) -> dict[str, Any]:
    model = make_model(sampler)
    model.stage.denoiser.eval()
    request = {"n": batch, "steps": steps, "batch": batch}
    count = evaluations(model, request)
    sampled, bare = turns(model, request, count, rounds)
    model.stage.denoiser.backbone = Nothing()
    idle, idle_bare = turns(model, request, count, 4 * rounds)
    outside = 1000 * (idle - idle_bare) / count
    forward = 1000 * bare / count
    return {
        "evaluations": count,
        "forward_ms": round(forward, 3),
        "ratio": round(sampled / bare, 4),
        "ratio_from_time_outside": round(1 + outside / forward, 4),
        "outside_ms_per_evaluation": round(outside, 3),
        "held": 1 + outside / forward <= LEVEL_RATIO and outside <= LEVEL_MS,
    }


def sampler_names() -> list[str]:
    # rk45 takes as many evaluations as an untrained network needs, which are thousands
    return [name for name in difftool.parts("sampler") if name != "rk45"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sampler", default="all")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=5)
    options = arguments(parser, {"batch": 1, "steps": 2, "rounds": 1})
    torch.set_num_threads(1)
    names = sampler_names() if options.sampler == "all" else [options.sampler]
    samplers = {name: measure(name, options.batch, options.steps, options.rounds) for name in names}
    emit(
        {
            "clock": "cpu",
            "threads": 1,
            "batch": options.batch,
            "shape": SHAPE,
            "steps": options.steps,
            "samplers": samplers,
            "level": {"ratio": LEVEL_RATIO, "outside_ms_per_evaluation": LEVEL_MS},
            "ratio": max(one["ratio"] for one in samplers.values()),
        },
        options.smoke,
    )


if __name__ == "__main__":
    main()
