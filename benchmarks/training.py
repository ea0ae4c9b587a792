"""What the benchmarks of training steps share: difftool's own step, the same content for a peer's network, and the report."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod
from pathlib import Path
from typing import Any

import torch
from common import Result, Side, Work, in_turn, saved_parameters, skipped, train
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}

UNDISTURBED = {
    "train.steps": 10**6,
    "train.save_every": 10**6,
    "train.log_every": 10**6,
    "train.preview": 0,
}
"""Settings of a training that does nothing but take steps while it is measured."""


def engine_step(
    modality: str,
    data: Path,
    settings: Mapping[str, Any],
    precision: str,
    batch: int,
    turns: int = 1,
) -> tuple[Work, dict[str, Any]]:
    """A step as ``difftool train`` takes it: the batch from its loader, augmented, encoded and trained on.

    Args:
        data: a folder of files, as ``difftool train`` reads.
        settings: dotted keys of the configuration.
        turns: steps whose batches differ in size, over which the arithmetic is averaged.
    """
    own = {**UNDISTURBED, **settings, "train.batch": batch, "train.precision": precision}
    run = data.parent / f"run-{precision}"
    steps = train(modality, data, run, own)
    next(steps)

    def parameters() -> int:
        steps.close()
        return saved_parameters(run)

    return lambda: next(steps), {
        "gflop_per_step": gflop(lambda: next(steps), turns),
        "parameters": parameters,
    }


def peer_step(
    model: nn.Module, loss: Callable[[], Tensor], precision: str, turns: int = 1
) -> tuple[Work, dict[str, Any]]:
    """What a step of difftool does, around a peer's network and loss."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    averages = [p.detach().clone() for p in parameters]
    optimizer = torch.optim.AdamW(parameters, lr=2e-4, weight_decay=0.0, fused=True)

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            value = loss()
        value.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0, foreach=True)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        with torch.no_grad():
            torch._foreach_lerp_(averages, list[Tensor](parameters), 0.001)

    return step, {
        "parameters": sum(p.numel() for p in model.parameters()),
        "gflop_per_step": gflop(step, turns),
    }


def gflop(step: Work, turns: int) -> float:
    """The arithmetic of a step, in 1e9 operations: products and convolutions of forward and backward, attention included.

    Attention is computed as plain matrix products meanwhile, which are what the counter knows.
    """
    with (
        FlopCounterMode(display=False, custom_mapping=FUSED) as counter,
        sdpa_kernel(SDPBackend.MATH),
    ):
        for _ in range(turns):
            step()
    return counter.get_total_flops() / turns / 1e9


def _linear(x: list[int], weight: list[int], *_: Any, **__: Any) -> int:
    """Operations of ``x [..., in]`` times ``weight [out, in]``."""
    return 2 * prod(x) * weight[0]


FUSED = (
    {torch.ops.mkldnn._linear_pointwise: _linear}
    if hasattr(torch.ops.mkldnn, "_linear_pointwise")
    else {}
)
"""Operations that torch's counter does not know by itself."""


def import_difftool() -> None:
    """Everything that is public, so that what it imports does not count as the step's memory."""
    import difftool

    for name in difftool.__all__:
        getattr(difftool, name)


def compared(
    sides: list[Side], rounds: int, batch: int, what: str, **turns: int
) -> tuple[dict[str, Result], dict[str, Any]]:
    """Measure the sides, the first of which is difftool, and report.

    Args:
        what: the name of one example.
    """
    results = in_turn(sides, rounds, **turns)
    return results, {
        "threads": 1,
        "clock": "cpu",
        **report(results, batch, what),
        "skipped": skipped(sides),
    }


def report(results: Mapping[str, Result], batch: int, what: str) -> dict[str, Any]:
    """The sides, and difftool's ratios to the best of the others where there are any."""
    mine, *peers = results.values()
    sides = {name: row(result, batch, what) for name, result in results.items()}
    return {"sides": sides, **(ratios(mine, peers, what) if peers else {})}


def row(result: Result, batch: int, what: str) -> dict[str, Any]:
    gflops = result.facts["gflop_per_step"]
    return {
        "parameters": result.facts["parameters"],
        "seconds_per_step": round(result.median, 4),
        f"{what}s_per_second": round(batch / result.median, 2),
        "gflop_per_second": round(gflops / result.median, 1),
        f"gflop_per_{what}_forward": round(gflops / batch / 3, 3),
        "peak_mb": round(result.peak_mb),
        "peak_mb_without_imports": round(result.own_mb),
    }


def ratios(mine: Result, peers: list[Result], what: str) -> dict[str, float]:
    rate = mine.facts["gflop_per_step"] / mine.median
    return {
        f"ratio_{what}s_per_second": round(min(peer.median for peer in peers) / mine.median, 2),
        "ratio_gflop_per_second": round(
            rate / max(peer.facts["gflop_per_step"] / peer.median for peer in peers), 2
        ),
        "ratio_peak_memory": round(mine.peak_mb / min(peer.peak_mb for peer in peers), 2),
        "ratio_peak_memory_without_imports": round(
            mine.own_mb / min(peer.own_mb for peer in peers), 2
        ),
    }
