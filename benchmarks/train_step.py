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
from training import PRECISIONS, engine_step, peer_step, report

SHAPE = (3, 32, 32)

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
    from difftool.nn.options import UNetOptions
    from difftool.nn.unet import UNet

    return engine_step(lambda interface: UNet(UNetOptions(**OURS[size]), interface), SHAPE, precision, batch)


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
    about = {"size": size, "precision": precision, "batch": batch, "shape": SHAPE, "threads": 1, "clock": "cpu"}
    return about | report(results, batch, "image")


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
