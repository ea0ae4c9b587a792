"""Training step of the U-Net against denoising-diffusion-pytorch and diffusers, at equal parameter count, batch, shape and precision.

    python benchmarks/train_step.py [--size 5M|35M] [--precision fp32|bf16] [--rounds N] [--batch N] [--smoke]

A step is forward, backward, clipping, optimizer and average of the weights; ours also loads and encodes its batch.
The peers keep their own networks and losses and get our fused optimizer and foreach average, so that the ratio is not
won there. Each side has its own process; they take turns. Arithmetic is counted in forward and backward only, attention
included, so that a small network does not look like a fast engine.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch
from common import Side, Work, arguments, emit, workplace
from synthetic import write_pictures
from torch import Tensor, nn
from training import PRECISIONS, compared, engine_step, import_difftool, peer_step

SHAPE = (3, 32, 32)
PICTURES = 64

OURS: dict[str, dict[str, Any]] = {
    "smoke": {"channels": 8, "multipliers": (1, 2), "blocks": 1},
    "5M": {"channels": 32, "multipliers": (1, 2, 4, 4), "blocks": 1, "embedding": 256},
    "35M": {"channels": 64, "multipliers": (1, 2, 4, 7), "blocks": 1},
}
DENOISING_DIFFUSION_PYTORCH: dict[str, dict[str, Any]] = {
    "smoke": {"dim": 8},
    "5M": {"dim": 24},
    "35M": {"dim": 64},
}
DIFFUSERS: dict[str, dict[str, Any]] = {
    "smoke": {"block_out_channels": (8, 8, 8, 8), "norm_num_groups": 4},
    "5M": {"block_out_channels": (48, 96, 96, 96), "norm_num_groups": 16},
    "35M": {"block_out_channels": (128, 256, 256, 256), "norm_num_groups": 32},
}


def ours(data: Path, size: str, precision: str, batch: int) -> tuple[Work, dict[str, Any]]:
    backbone = {f"backbone.{name}": value for name, value in OURS[size].items()}
    picture = {"modality.size": SHAPE[-1], "modality.channels": "rgb"}
    return engine_step("image", data, {**picture, **backbone}, precision, batch)


def denoising_diffusion_pytorch(
    size: str, precision: str, batch: int
) -> tuple[Work, dict[str, Any]]:
    from denoising_diffusion_pytorch import GaussianDiffusion, Unet

    unet = Unet(dim_mults=(1, 2, 4, 8), **DENOISING_DIFFUSION_PYTORCH[size])
    model = GaussianDiffusion(unet, image_size=SHAPE[-1])
    x0 = torch.rand(batch, *SHAPE)
    return peer_step(model, lambda: model(x0), precision)


def diffusers(size: str, precision: str, batch: int) -> tuple[Work, dict[str, Any]]:
    from diffusers import DDPMScheduler, UNet2DModel

    down = ("DownBlock2D", "AttnDownBlock2D", "DownBlock2D", "DownBlock2D")
    up = ("UpBlock2D", "UpBlock2D", "AttnUpBlock2D", "UpBlock2D")
    shape = {"sample_size": SHAPE[-1], "in_channels": SHAPE[0], "out_channels": SHAPE[0]}
    model: Any = UNet2DModel(
        **shape, down_block_types=down, up_block_types=up, layers_per_block=2, **DIFFUSERS[size]
    )
    scheduler: Any = DDPMScheduler()
    x0 = torch.rand(batch, *SHAPE) * 2 - 1

    def loss() -> Tensor:
        noise, t = torch.randn_like(x0), torch.randint(0, 1000, (batch,))
        return nn.functional.mse_loss(
            model(scheduler.add_noise(x0, noise, t), t).sample.float(), noise
        )

    return peer_step(model, loss, precision)


def import_denoising_diffusion_pytorch() -> None:
    from denoising_diffusion_pytorch import GaussianDiffusion, Unet  # noqa: F401


def import_diffusers() -> None:
    from diffusers import DDPMScheduler, UNet2DModel  # noqa: F401


def compare(folder: Path, size: str, precision: str, batch: int, rounds: int) -> dict[str, Any]:
    args, data = (size, precision, batch), folder / f"{size}-{precision}" / "pictures"
    write_pictures(data, PICTURES, SHAPE[-1])
    ddp = "denoising_diffusion_pytorch"
    sides = [
        Side("difftool", ours, (data, *args), import_difftool),
        Side(
            "denoising-diffusion-pytorch",
            denoising_diffusion_pytorch,
            args,
            import_denoising_diffusion_pytorch,
            ddp,
        ),
        Side("diffusers", diffusers, args, import_diffusers, "diffusers"),
    ]
    _, found = compared(sides, rounds, batch, "image")
    return {"size": size, "precision": precision, "batch": batch, "shape": SHAPE, **found}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=[*OURS, "all"], default="all")
    parser.add_argument("--precision", choices=[*PRECISIONS, "all"], default="all")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=5)
    options = arguments(parser, {"size": "smoke", "precision": "fp32", "batch": 2, "rounds": 1})
    sizes = ["5M", "35M"] if options.size == "all" else [options.size]
    precisions = list(PRECISIONS) if options.precision == "all" else [options.precision]
    with workplace() as folder:
        runs = [
            compare(folder, size, how, options.batch, options.rounds)
            for size in sizes
            for how in precisions
        ]
    emit({"runs": runs}, options.smoke)


if __name__ == "__main__":
    main()
