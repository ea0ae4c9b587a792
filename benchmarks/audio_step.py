"""Training step of the 1-D U-Net against audio-diffusion-pytorch, on 1x16384 samples, at about 11 M parameters.

    python benchmarks/audio_step.py [--precision fp32|bf16] [--rounds N] [--batch N]

As in train_step.py: forward, backward, clipping, our fused optimizer and average on every side, each in its own process, in turn.
The peer comes in two shapes, since parameters do not decide its arithmetic: one wide where positions are many (12 M, 7.3 GFLOP a clip),
and one with the widths and factors of its README's example, cut to as many levels as 12 M allow (1.6 GFLOP). Ratios are quoted to each.
bf16 is measured where the processor computes in it; elsewhere it is emulated, and slower than fp32 on either side.
"""

from __future__ import annotations

import argparse
from typing import Any

import torch
from common import Side, Work, emit, in_turn
from training import PRECISIONS, engine_step, peer_step, report

SHAPE = (1, 16384)

PEERS: dict[str, dict[str, Any]] = {
    "wide": {"channels": [32, 64, 128, 256, 256], "factors": [1, 2, 4, 4, 4], "items": [1, 2, 2, 2, 2]},
    "readme": {"channels": [8, 32, 64, 128, 256, 256], "factors": [1, 4, 4, 4, 2, 2], "items": [1, 2, 2, 2, 2, 2]},
}


def ours(precision: str, batch: int) -> tuple[Work, dict[str, Any]]:
    from difftool_audio.network_options import UNet1dOptions
    from difftool_audio.unet1d import unet1d

    return engine_step(lambda interface: unet1d(UNet1dOptions(), interface), SHAPE, precision, batch)


def audio_diffusion_pytorch(shape: str, precision: str, batch: int) -> tuple[Work, dict[str, Any]]:
    from audio_diffusion_pytorch import DiffusionModel, UNetV0, VDiffusion, VSampler

    model = DiffusionModel(net_t=UNetV0, in_channels=SHAPE[0], diffusion_t=VDiffusion, sampler_t=VSampler, **PEERS[shape])
    x0 = torch.rand(batch, *SHAPE) * 2 - 1
    return peer_step(model, lambda: model(x0), precision)


def import_ours() -> None:

    import difftool.engine.step  # noqa: F401


def import_audio_diffusion_pytorch() -> None:
    from audio_diffusion_pytorch import DiffusionModel, UNetV0  # noqa: F401


def compare(precision: str, batch: int, rounds: int) -> dict[str, Any]:
    sides = [Side("difftool", ours, (precision, batch), import_ours)]
    for shape in PEERS:
        name = f"audio-diffusion-pytorch, {shape}"
        sides.append(Side(name, audio_diffusion_pytorch, (shape, precision, batch), import_audio_diffusion_pytorch))
    results = in_turn(sides, rounds)
    mine = results["difftool"].median
    each = {name: round(result.median / mine, 2) for name, result in results.items() if name != "difftool"}
    about = {"precision": precision, "batch": batch, "shape": SHAPE, "threads": 1, "clock": "cpu"}
    return about | report(results, batch, "clip") | {"ratio_to_each": each}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--precision", choices=[*PRECISIONS, "all"], default="fp32")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    precisions = list(PRECISIONS) if options.precision == "all" else [options.precision]
    emit({"runs": [compare(precision, options.batch, options.rounds) for precision in precisions]})


if __name__ == "__main__":
    main()
