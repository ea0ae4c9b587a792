"""Training step of the U-Net against denoising-diffusion-pytorch and diffusers, at equal parameter count, batch, shape and precision.

    python benchmarks/train_step.py [--size 5M|35M] [--precision fp32|bf16] [--rounds N] [--batch N]

A step is forward, backward, clipping, optimizer and average of the weights. The peers keep their own networks and losses and get our
fused optimizer and foreach average, so that the ratio is not won there. Each side has its own process; they take turns.
Arithmetic is counted in forward and backward only, attention included, so that a small network does not look like a fast engine.
"""

from __future__ import annotations

import argparse
from typing import Any

import torch
from common import Side, Work, emit, in_turn
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

SHAPE = (3, 32, 32)
PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}

OURS: dict[str, dict[str, Any]] = {
    "5M": {"channels": 32, "multipliers": (1, 2, 4, 4), "blocks": 1, "embedding": 256},
    "35M": {"channels": 64, "multipliers": (1, 2, 4, 7), "blocks": 1},
}
DENOISING_DIFFUSION_PYTORCH: dict[str, dict[str, Any]] = {"5M": {"dim": 24}, "35M": {"dim": 64}}
DIFFUSERS: dict[str, dict[str, Any]] = {
    "5M": {"block_out_channels": (48, 96, 96, 96), "norm_num_groups": 16},
    "35M": {"block_out_channels": (128, 256, 256, 256), "norm_num_groups": 32},
}


def ours(size: str, precision: str, batch: int) -> tuple[Work, dict[str, Any]]:
    """The engine's own step on a stage whose modality and representation do nothing."""
    from types import SimpleNamespace

    from difftool.batch import Batch
    from difftool.denoiser import Denoiser
    from difftool.engine.device import keep_big_blocks
    from difftool.engine.options import EmaOptions, OptimizerOptions, TrainOptions
    from difftool.engine.step import TrainStep
    from difftool.nn.backbone import Interface
    from difftool.nn.options import UNetOptions
    from difftool.nn.unet import UNet
    from difftool.objective import Denoising
    from difftool.options import NoOptions
    from difftool.process.density import LogNormal
    from difftool.process.options import EdmOptions, KarrasOptions, LogNormalOptions
    from difftool.process.preconditioning import Edm
    from difftool.process.process import Process
    from difftool.process.schedule import Karras
    from difftool.process.weighting import Edm as EdmWeighting
    from difftool.space import Euclidean

    keep_big_blocks()
    schedule = Karras(KarrasOptions())
    row = Edm(EdmOptions(), schedule)
    process = Process(row, LogNormal(LogNormalOptions(), schedule), EdmWeighting(NoOptions(), row), schedule)
    denoiser = Denoiser(UNet(UNetOptions(**OURS[size]), Interface(SHAPE)), row, {}, PRECISIONS[precision])
    stage: Any = SimpleNamespace(
        denoiser=denoiser,
        process=process,
        objective=Denoising(),
        modality=SimpleNamespace(augment=lambda raw, rng: raw),
        representation=SimpleNamespace(encode=lambda raw: raw, space=Euclidean()),
    )
    step = TrainStep(stage, TrainOptions(batch=batch), OptimizerOptions(), EmaOptions())
    x0, count = Batch(torch.rand(batch, *SHAPE) * 2 - 1), iter(range(10**9))
    return lambda: step(next(count), x0), facts(denoiser, lambda: step._gradients(0, x0))


def denoising_diffusion_pytorch(size: str, precision: str, batch: int) -> tuple[Work, dict[str, Any]]:
    from denoising_diffusion_pytorch import GaussianDiffusion, Unet

    model = GaussianDiffusion(Unet(dim_mults=(1, 2, 4, 8), **DENOISING_DIFFUSION_PYTORCH[size]), image_size=SHAPE[-1])
    x0 = torch.rand(batch, *SHAPE)
    return peer_step(model, lambda: model(x0), precision)


def diffusers(size: str, precision: str, batch: int) -> tuple[Work, dict[str, Any]]:
    from diffusers import DDPMScheduler, UNet2DModel

    down = ("DownBlock2D", "AttnDownBlock2D", "DownBlock2D", "DownBlock2D")
    up = ("UpBlock2D", "UpBlock2D", "AttnUpBlock2D", "UpBlock2D")
    model: Any = UNet2DModel(SHAPE[-1], SHAPE[0], SHAPE[0], down_block_types=down, up_block_types=up, layers_per_block=2, **DIFFUSERS[size])
    scheduler: Any = DDPMScheduler()
    x0 = torch.rand(batch, *SHAPE) * 2 - 1

    def loss() -> Tensor:
        noise, t = torch.randn_like(x0), torch.randint(0, 1000, (batch,))
        return nn.functional.mse_loss(model(scheduler.add_noise(x0, noise, t), t).sample.float(), noise)

    return peer_step(model, loss, precision)


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


def import_ours() -> None:
    import difftool.engine.step
    import difftool.nn.unet  # noqa: F401


def import_denoising_diffusion_pytorch() -> None:
    from denoising_diffusion_pytorch import GaussianDiffusion, Unet  # noqa: F401


def import_diffusers() -> None:
    from diffusers import DDPMScheduler, UNet2DModel  # noqa: F401


def compare(size: str, precision: str, batch: int, rounds: int) -> dict[str, Any]:
    args = (size, precision, batch)
    sides = [
        Side("difftool", ours, args, import_ours),
        Side("denoising-diffusion-pytorch", denoising_diffusion_pytorch, args, import_denoising_diffusion_pytorch),
        Side("diffusers", diffusers, args, import_diffusers),
    ]
    results = in_turn(sides, rounds)
    report: dict[str, Any] = {
        "size": size,
        "precision": precision,
        "batch": batch,
        "shape": SHAPE,
        "threads": 1,
        "clock": "cpu",
        "sides": {},
    }
    for name, result in results.items():
        gflop = result.facts["gflop_per_step"]
        report["sides"][name] = {
            "parameters": result.facts["parameters"],
            "seconds_per_step": round(result.median, 4),
            "images_per_second": round(batch / result.median, 2),
            "gflop_per_second": round(gflop / result.median, 1),
            "gflop_per_image_forward": round(gflop / batch / 3, 3),
            "peak_mb": round(result.peak_mb),
            "peak_mb_without_imports": round(result.own_mb),
        }
    mine, *peers = results.values()
    report["ratio_images_per_second"] = round(min(peer.median for peer in peers) / mine.median, 2)
    rates = {name: result.facts["gflop_per_step"] / result.median for name, result in results.items()}
    report["ratio_gflop_per_second"] = round(rates.pop("difftool") / max(rates.values()), 2)
    report["ratio_peak_memory"] = round(mine.peak_mb / min(peer.peak_mb for peer in peers), 2)
    report["ratio_peak_memory_without_imports"] = round(mine.own_mb / min(peer.own_mb for peer in peers), 2)
    return report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=["5M", "35M", "all"], default="all")
    parser.add_argument("--precision", choices=[*PRECISIONS, "all"], default="all")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    sizes = list(OURS) if options.size == "all" else [options.size]
    precisions = list(PRECISIONS) if options.precision == "all" else [options.precision]
    emit({"runs": [compare(size, precision, options.batch, options.rounds) for size in sizes for precision in precisions]})


if __name__ == "__main__":
    main()
