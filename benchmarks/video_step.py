"""Training step of the space-time U-Net against video-diffusion-pytorch, on clips of 3x8x32x32, at 10 to 17 M parameters.

    python benchmarks/video_step.py [--precision fp32|bf16|all] [--rounds N] [--batch N] [--dim N ...] [--smoke]

As in train_step.py: forward, backward, clipping, our fused optimizer and average on every side, each in its own process,
in turn. The peer is the network and loss of its README, multipliers 1, 2, 4, 8: 10.0 M parameters at width 32, and 14.9 M,
nearest to ours, at 40. bf16 means something only where the processor computes in it; elsewhere it is emulated, and slower
than fp32 on either side.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch
from common import Side, Work, arguments, emit, workplace
from synthetic import write_clips
from training import PRECISIONS, compared, engine_step, import_difftool, peer_step

CLIPS, FPS = 16, 8
SIZES: dict[str, tuple[int, int, int, dict[str, Any]]] = {
    "full": (
        16,
        8,
        32,
        {},
    ),  # frames of a file, frames and pixels trained on; the network is what unet3d is by default
    "smoke": (4, 4, 16, {"backbone.channels": 8, "backbone.multipliers": (1, 2)}),
}
LEVELS = {"fp32": 2.2, "bf16": 3.5}
MEMORY = 0.5


def ours(data: Path, size: str, precision: str, batch: int) -> tuple[Work, dict[str, Any]]:
    _, frames, pixels, network = SIZES[size]
    clip = {"size": pixels, "frames": frames, "fps": FPS, "channels": "rgb"}
    settings = {f"modality.{name}": value for name, value in clip.items()}
    return engine_step(
        "video", data, {**settings, "backbone.use": "unet3d", **network}, precision, batch
    )


def video_diffusion_pytorch(
    dim: int, size: str, precision: str, batch: int
) -> tuple[Work, dict[str, Any]]:
    from video_diffusion_pytorch import GaussianDiffusion, Unet3D

    _, frames, pixels, _ = SIZES[size]
    unet = Unet3D(dim=dim, dim_mults=(1, 2, 4, 8))
    model = GaussianDiffusion(unet, image_size=pixels, num_frames=frames, timesteps=1000)
    x0 = torch.rand(batch, 3, frames, pixels, pixels)
    return peer_step(model, lambda: model(x0), precision)


def import_video_diffusion_pytorch() -> None:
    from video_diffusion_pytorch import GaussianDiffusion, Unet3D  # noqa: F401


def compare(
    folder: Path, size: str, dims: list[int], precision: str, batch: int, rounds: int
) -> dict[str, Any]:
    (long, frames, pixels, _), data = SIZES[size], folder / precision
    write_clips(data, CLIPS, long, pixels, FPS)
    sides = [Side("difftool", ours, (data / "h264", size, precision, batch), import_difftool)]
    needs = "video_diffusion_pytorch"
    for dim in dims:
        args = (dim, size, precision, batch)
        sides.append(
            Side(
                f"video-diffusion-pytorch, dim {dim}",
                video_diffusion_pytorch,
                args,
                import_video_diffusion_pytorch,
                needs,
            )
        )
    results, found = compared(sides, rounds, batch, "clip")
    about = {"precision": precision, "batch": batch, "shape": (3, frames, pixels, pixels)}
    return {**about, **found, **(held(found, precision) if len(results) > 1 else {})}


def held(found: dict[str, Any], precision: str) -> dict[str, Any]:
    fast = found["ratio_clips_per_second"] >= LEVELS[precision]
    small = found["ratio_peak_memory_without_imports"] <= MEMORY
    return {"level": LEVELS[precision], "level_memory": MEMORY, "held": fast and small}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=list(SIZES), default="full")
    parser.add_argument("--precision", choices=[*PRECISIONS, "all"], default="fp32")
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--dim",
        type=int,
        nargs="+",
        default=[32],
        help="first width of the peer, or several to be measured in turn",
    )
    options = arguments(parser, {"size": "smoke", "batch": 2, "rounds": 1, "dim": [8]})
    precisions = list(PRECISIONS) if options.precision == "all" else [options.precision]
    with workplace() as folder:
        runs = [
            compare(folder, options.size, options.dim, how, options.batch, options.rounds)
            for how in precisions
        ]
    emit({"runs": runs}, options.smoke)


if __name__ == "__main__":
    main()
