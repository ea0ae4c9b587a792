"""Training step of the space-time U-Net against video-diffusion-pytorch, on clips of 3x8x32x32, at 10 to 16 M parameters.

    python benchmarks/video_step.py [--precision fp32|bf16|all] [--rounds N] [--batch N] [--dim N ...]

As in train_step.py: forward, backward, clipping, our fused optimizer and average on every side, each in its own process, in turn.
The peer is the network and loss of its README, multipliers 1, 2, 4, 8: 10.0 M parameters at width 32, and 14.9 M, nearest to ours, at 40.
bf16 is measured where the processor computes in it; elsewhere it is emulated, and slower than fp32 on either side.
"""

from __future__ import annotations

import argparse
from typing import Any

import torch
from common import Side, Work, emit, in_turn
from training import PRECISIONS, engine_step, peer_step, report

SHAPE = (3, 8, 32, 32)
LEVELS = {"fp32": 2.2, "bf16": 3.5}
MEMORY = 0.5


def ours(precision: str, batch: int) -> tuple[Work, dict[str, Any]]:
    from difftool_video.network_options import UNet3dOptions
    from difftool_video.unet3d import UNet3d

    return engine_step(lambda interface: UNet3d(UNet3dOptions(), interface), SHAPE, precision, batch)


def video_diffusion_pytorch(dim: int, precision: str, batch: int) -> tuple[Work, dict[str, Any]]:
    from video_diffusion_pytorch import GaussianDiffusion, Unet3D

    _, frames, size, _ = SHAPE
    model = GaussianDiffusion(Unet3D(dim=dim, dim_mults=(1, 2, 4, 8)), image_size=size, num_frames=frames, timesteps=1000)
    x0 = torch.rand(batch, *SHAPE)
    return peer_step(model, lambda: model(x0), precision)


def import_ours() -> None:
    import difftool.engine.step  # noqa: F401


def import_video_diffusion_pytorch() -> None:
    from video_diffusion_pytorch import GaussianDiffusion, Unet3D  # noqa: F401


def compare(dims: list[int], precision: str, batch: int, rounds: int) -> dict[str, Any]:
    sides = [Side("difftool", ours, (precision, batch), import_ours)]
    for dim in dims:
        name = f"video-diffusion-pytorch, dim {dim}"
        sides.append(Side(name, video_diffusion_pytorch, (dim, precision, batch), import_video_diffusion_pytorch))
    results = in_turn(sides, rounds)
    about = {"precision": precision, "batch": batch, "shape": SHAPE, "threads": 1, "clock": "cpu"}
    found: dict[str, Any] = about | report(results, batch, "clip") | {"level": LEVELS[precision], "level_memory": MEMORY}
    held = found["ratio_clips_per_second"] >= LEVELS[precision] and found["ratio_peak_memory_without_imports"] <= MEMORY
    return found | {"held": held}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--precision", choices=[*PRECISIONS, "all"], default="fp32")
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--dim", type=int, nargs="+", default=[32], help="first width of the peer, or several to be measured in turn")
    options = parser.parse_args()
    precisions = list(PRECISIONS) if options.precision == "all" else [options.precision]
    emit({"runs": [compare(options.dim, precision, options.batch, options.rounds) for precision in precisions]})


if __name__ == "__main__":
    main()
