"""What the benchmarks of training steps share: the engine's own step, the same content for a peer's network, and the report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from common import Result, Work
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}


def engine_step(network, shape: tuple[int, ...], precision: str, batch: int) -> tuple[Work, dict[str, Any]]:
    """The engine's own step on a stage whose modality and representation do nothing.

    Args:
        network: ``(interface) -> backbone``.
        shape: of one example.
    """
    from types import SimpleNamespace

    from difftool.batch import Batch
    from difftool.denoiser import Denoiser
    from difftool.engine.device import keep_big_blocks
    from difftool.engine.step import TrainStep
    from difftool.nn.backbone import Interface
    from difftool.objective import Denoising
    from difftool.optimizers.adamw import adamw
    from difftool.optimizers.optimizer import OptimizerFactory
    from difftool.optimizers.options import AdamwOptions
    from difftool.options import NoOptions
    from difftool.process.density import LogNormal
    from difftool.process.options import EdmOptions, KarrasOptions, LogNormalOptions
    from difftool.process.preconditioning import Edm
    from difftool.process.process import Process
    from difftool.process.schedule import Karras
    from difftool.process.weighting import Edm as EdmWeighting
    from difftool.settings import EmaOptions, TrainOptions
    from difftool.space import Euclidean

    keep_big_blocks()
    schedule = Karras(KarrasOptions())
    row = Edm(EdmOptions(), schedule)
    process = Process(row, LogNormal(LogNormalOptions(), schedule), EdmWeighting(NoOptions(), row), schedule)
    denoiser = Denoiser(network(Interface(shape)), row, {}, PRECISIONS[precision])
    stage: Any = SimpleNamespace(
        denoiser=denoiser,
        process=process,
        objective=Denoising(),
        modality=SimpleNamespace(augment=lambda raw, rng: raw),
        representation=SimpleNamespace(encode=lambda raw: raw, space=Euclidean()),
    )
    step = TrainStep(stage, TrainOptions(batch=batch), OptimizerFactory(adamw, AdamwOptions()), EmaOptions())
    x0, count = Batch(torch.rand(batch, *shape) * 2 - 1), iter(range(10**9))
    return lambda: step(next(count), x0), facts(denoiser, lambda: step._gradients(0, x0))


def peer_step(model: nn.Module, loss, precision: str) -> tuple[Work, dict[str, Any]]:
    """The same content as the engine's step."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    averages = [p.detach().clone() for p in parameters]
    optimizer = torch.optim.AdamW(parameters, lr=2e-4, weight_decay=0.0, fused=True)

    def gradients() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            value = loss()
        value.backward()

    def step() -> None:
        gradients()
        nn.utils.clip_grad_norm_(parameters, 1.0, foreach=True)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        with torch.no_grad():
            torch._foreach_lerp_(averages, list[Tensor](parameters), 0.001)

    return step, facts(model, gradients)


def facts(model: nn.Module, gradients: Work) -> dict[str, Any]:
    """Parameters, and the arithmetic of one forward and backward (attention as matrix products: the counter knows those)."""
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        gradients()
    model.zero_grad(set_to_none=True)
    return {"parameters": sum(p.numel() for p in model.parameters()), "gflop_per_step": counter.get_total_flops() / 1e9}


def report(results: Mapping[str, Result], batch: int, what: str) -> dict[str, Any]:
    """The sides, the first of which is ours, and the ratios to the best of the others.

    Args:
        what: one example is called.
    """
    sides = {}
    for name, result in results.items():
        gflop = result.facts["gflop_per_step"]
        sides[name] = {
            "parameters": result.facts["parameters"],
            "seconds_per_step": round(result.median, 4),
            f"{what}s_per_second": round(batch / result.median, 2),
            "gflop_per_second": round(gflop / result.median, 1),
            f"gflop_per_{what}_forward": round(gflop / batch / 3, 3),
            "peak_mb": round(result.peak_mb),
            "peak_mb_without_imports": round(result.own_mb),
        }
    mine, *peers = results.values()
    rate = mine.facts["gflop_per_step"] / mine.median
    return {
        "sides": sides,
        f"ratio_{what}s_per_second": round(min(peer.median for peer in peers) / mine.median, 2),
        "ratio_gflop_per_second": round(rate / max(peer.facts["gflop_per_step"] / peer.median for peer in peers), 2),
        "ratio_peak_memory": round(mine.peak_mb / min(peer.peak_mb for peer in peers), 2),
        "ratio_peak_memory_without_imports": round(mine.own_mb / min(peer.own_mb for peer in peers), 2),
    }
