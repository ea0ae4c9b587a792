"""Sampling time against (evaluations of the network x one bare forward), for every sampler; and the time spent outside the network.

    python benchmarks/sampler_overhead.py [--sampler NAME] [--batch N] [--steps N] [--rounds N]

What is timed is the whole of ``generate``, from drawing conditions and noise to finished examples in bytes, on the untrained network of
the image recipe ``tiny``. CPU seconds, one thread; forwards and samplings take turns, and the least of each is used, which a neighbour's
load moves the least. The time outside is measured in the same run with a network that does nothing, since the difference of two large
numbers would be noise.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import torch
from common import emit
from torch import Tensor

from difftool.assemble import build_stage
from difftool.config import gather, resolve
from difftool.description import Condition, Description
from difftool.engine.device import keep_big_blocks
from difftool.engine.generate import SampleRequest, generate
from difftool.nn.backbone import Backbone
from difftool.plugin.registry import Registry
from difftool.stage import Stage

LEVEL_RATIO, LEVEL_MS = 1.03, 0.25
SHAPE = (3, 32, 32)


class Nothing(Backbone):
    """The network that returns its input."""

    def forward(self, x: Tensor, c_noise: Tensor, signals: Any, mask: Tensor | None = None) -> Tensor:
        return x


def make_stage(registry: Registry, sampler: str) -> Stage:
    label = Condition("class", "label", names=("a", "b"), counts=(1, 1))
    sets = [
        f'sampler.use="{sampler}"',
        "modality.size=32",
        'modality.channels="rgb"',
        'train.precision="fp32"',
        'conditions.class.use="label"',
    ]
    config = resolve("image", gather(registry, "image", "tiny", sets=sets, project=None), registry)
    description = Description(SHAPE, "uint8", 2, {"class": label}, {"channels": "rgb"})
    return build_stage(config, registry, description, torch.device("cpu"))


def evaluations(stage: Stage, request: SampleRequest) -> int:
    count = [0]
    handle = stage.denoiser.register_forward_hook(lambda *_: count.__setitem__(0, count[0] + 1))
    for _ in generate(stage, request):
        pass
    handle.remove()
    return count[0]


def seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def turns(stage: Stage, request: SampleRequest, count: int, rounds: int) -> tuple[float, float]:
    """CPU seconds of one sampling and of as many bare forwards: the least over rounds of each, taken in turn."""
    stage.denoiser.eval()
    x, sigma, cond = torch.randn(request.n, *SHAPE), torch.ones(request.n), {"class": torch.zeros(request.n, dtype=torch.int64)}

    def forwards() -> None:
        with torch.inference_mode():
            for _ in range(count):
                stage.denoiser(x, sigma, cond, None)

    def sampling() -> None:
        for _ in generate(stage, request):
            pass

    sampled, bare = [], []
    for _ in range(rounds):
        bare.append(seconds(forwards))
        sampled.append(seconds(sampling))
    return min(sampled), min(bare)


def measure(registry: Registry, sampler: str, batch: int, steps: int, rounds: int) -> dict[str, Any]:
    stage = make_stage(registry, sampler)
    request = SampleRequest(n=batch, steps=steps, batch=batch)
    count = evaluations(stage, request)
    sampled, bare = turns(stage, request, count, rounds)
    stage.denoiser.backbone = Nothing()
    idle, idle_bare = turns(stage, request, count, 4 * rounds)
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sampler", default="all")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    keep_big_blocks()
    registry = Registry.load_all()
    names = registry.names("sampler") if options.sampler == "all" else [options.sampler]
    samplers = {name: measure(registry, name, options.batch, options.steps, options.rounds) for name in names}
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
        }
    )


if __name__ == "__main__":
    main()
