"""Sampling pictures of 64 pixels: the cascade image/16-32-64 against one network of as many parameters.

    python benchmarks/cascade.py [--n 16] [--rounds 3] [--smoke]

Both are built from recipes and freshly initialised, as the time does not depend on the weights; one thread, the CPU clock,
each side in its own process, in turn. The one network has the shape of the recipe tiny at 64 pixels, 40 wide, its 20 steps
and its guidance, as the first stage of the cascade has them; the cascade's other stages take the steps that its file says.
"""

from __future__ import annotations

import argparse
from typing import Any

from common import Side, Work, arguments, emit, in_turn

import difftool
from difftool import Description, LabelColumn

CLASSES = tuple("ABCDEFGHIJ")
ONE = {"channels": 40, "multipliers": [1, 2, 4, 4], "blocks": 1, "attention": 64, "embedding": 256}


NAME, STAGES = "image/16-32-64", {"base": 16, "x2": 32, "x4": 64}


def model(stage: str, size: int, **settings: Any) -> difftool.Built:
    """A stage of the cascade, for grey pictures of ten classes."""
    label = LabelColumn("class", names=CLASSES, counts=(1,) * len(CLASSES))
    description = Description((1, size, size), "uint8", len(CLASSES), {"class": label})
    data = {"modality.channels": "grey", "conditions.class.use": "label", "train.device": "cpu"}
    return difftool.build(
        cascade=NAME, stage=stage, description=description, size=size, **data, **settings
    )


def chain(n: int, single: bool) -> tuple[Work, dict[str, Any]]:
    models = (
        [model("base", 64, backbone=ONE)]
        if single
        else [model(stage, size) for stage, size in STAGES.items()]
    )

    def work() -> list[Any]:
        low: list[Any] = []
        for one in models:
            low = one.sample(n, low=low, cond={"class": "all"}).examples
        return low

    return work, {"parameters": sum(one.parameters for one in models)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    options = arguments(parser, {"n": 1, "rounds": 1})
    sides = [
        Side("cascade", chain, (options.n, False)),
        Side("one network", chain, (options.n, True)),
    ]
    results = in_turn(sides, options.rounds, warm=0 if options.smoke else 1)
    rows = {
        name: {"seconds_per_picture": round(r.median / options.n, 4), **r.facts}
        for name, r in results.items()
    }
    ratio = results["one network"].median / results["cascade"].median
    report = {
        "n": options.n,
        "threads": 1,
        "clock": "cpu",
        "sides": rows,
        "one_network_over_cascade": round(ratio, 2),
    }
    emit(report, options.smoke)


if __name__ == "__main__":
    main()
