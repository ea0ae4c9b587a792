"""Sampling pictures of 64 pixels: the cascade image/16-32-64 against one network of as many parameters, trained or not.

    python benchmarks/cascade.py [--n 16] [--rounds 3]

Both are built from recipes, freshly initialised, as what is computed does not hang on the weights; one thread, the CPU clock, each side in
its own process, in turn. The one network has the recipe tiny's shape at 64 pixels, 40 wide, its 20 steps and its guidance, as the first
stage of the cascade has them; the cascade's other stages take the steps that its file says.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import torch
from common import Side, Work, emit, in_turn

CLASSES = tuple("ABCDEFGHIJ")
ONE = {"channels": 40, "multipliers": [1, 2, 4, 4], "blocks": 1, "attention": 64, "embedding": 256}


def described(config: Any, parts: Any) -> Any:
    """What the data of a stage would be said to be: grey pictures of ten classes, and what its bridge adds."""
    from dataclasses import replace

    from difftool.assemble import make_bridge
    from difftool.description import Condition, Description

    size = config.modality.options.size
    data = Description((1, size, size), "uint8", 10, {"class": Condition("class", "label", names=CLASSES, counts=(1,) * 10)})
    bridge = make_bridge(config, parts, data)
    own = {c.name: c for c in bridge.conditions()} if bridge else {}
    return replace(data, conditions={**data.conditions, **own})


def stages(tables: list[dict[str, Any]]) -> list[Any]:
    from difftool.assemble import build_stage
    from difftool.config import config_from_dict
    from difftool.plugin.registry import Registry

    parts = Registry.load_all()
    for table in tables:
        table["modality"]["channels"] = "grey"
        table["conditions"] = {"class": {"use": "label"}}
    configs = [config_from_dict(table, "the benchmark", parts) for table in tables]
    return [build_stage(config, parts, described(config, parts), torch.device("cpu")) for config in configs]


def cascade_tables() -> list[dict[str, Any]]:
    from difftool.plugin.registry import Registry
    from difftool.workflows.cascade import cascade_path, stages_of

    parts = Registry.load_all()
    return [stage.config.to_dict() for stage in stages_of(cascade_path("image/16-32-64", parts), parts)]


def chain(n: int, single: bool) -> tuple[Work, dict[str, Any]]:
    from difftool.engine.generate import SampleRequest, generate

    tables = cascade_tables()
    if single:
        tables = tables[:1]
        tables[0]["modality"]["size"] = 64
        tables[0]["backbone"] |= ONE
    made = stages(tables)

    def work() -> list[np.ndarray]:
        low: list[np.ndarray] = []
        for stage in made:
            request = SampleRequest(
                n=n,
                steps=stage.settings.sample.steps,
                low=low,
                guidance=stage.settings.guidance,
                cond={"class": ["all"]},
            )
            low = [one.example for one in generate(stage, request)]
        return low

    return work, {"parameters": sum(p.numel() for stage in made for p in stage.denoiser.parameters())}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    results = in_turn([Side("cascade", chain, (options.n, False)), Side("one network", chain, (options.n, True))], options.rounds, warm=1)
    rows = {name: {"seconds_per_picture": round(r.median / options.n, 4), **r.facts} for name, r in results.items()}
    ratio = results["one network"].median / results["cascade"].median
    emit({"n": options.n, "threads": 1, "clock": "cpu", "sides": rows, "one_network_over_cascade": round(ratio, 2)})


if __name__ == "__main__":
    main()
