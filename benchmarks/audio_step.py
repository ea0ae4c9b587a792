"""Training step of the 1-D U-Net against audio-diffusion-pytorch, on 1x16384 samples, at about 11 M parameters.

    python benchmarks/audio_step.py [--precision fp32|bf16|all] [--rounds N] [--batch N] [--smoke]

As in train_step.py: forward, backward, clipping, our fused optimizer and average on every side, each in its own process,
in turn. The peer comes in two shapes, since parameters do not decide its arithmetic: one wide where positions are many
(12 M, 7.3 GFLOP a clip), and one with the widths and factors of its README's example, cut to as many levels as 12 M allow
(1.6 GFLOP). Ratios are given to each. bf16 means something only where the processor computes in it; elsewhere it is
emulated, and slower than fp32 on either side.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch
from common import Side, Work, arguments, emit, workplace
from synthetic import write_recordings
from training import PRECISIONS, compared, engine_step, import_difftool, peer_step

RATE, RECORDINGS = 16_000, 32

OURS: dict[str, dict[str, Any]] = {
    "full": {},  # what unet1d is unless its options say otherwise
    "smoke": {"backbone.channels": 8, "backbone.multipliers": (1, 2)},
}
PEERS: dict[str, dict[str, Any]] = {
    "wide": {
        "channels": [32, 64, 128, 256, 256],
        "factors": [1, 2, 4, 4, 4],
        "items": [1, 2, 2, 2, 2],
    },
    "readme": {
        "channels": [8, 32, 64, 128, 256, 256],
        "factors": [1, 4, 4, 4, 2, 2],
        "items": [1, 2, 2, 2, 2, 2],
    },
    "smoke": {"channels": [8, 8], "factors": [1, 4], "items": [1, 1]},
}
SIZES = {"full": (16384, ("wide", "readme")), "smoke": (1024, ("smoke",))}


def ours(
    data: Path, size: str, length: int, precision: str, batch: int
) -> tuple[Work, dict[str, Any]]:
    sound = {"modality.rate": RATE, "modality.seconds": length / RATE, "backbone.use": "unet1d"}
    return engine_step("audio/waveform", data, {**sound, **OURS[size]}, precision, batch)


def audio_diffusion_pytorch(
    shape: str, length: int, precision: str, batch: int
) -> tuple[Work, dict[str, Any]]:
    from audio_diffusion_pytorch import DiffusionModel, UNetV0, VDiffusion, VSampler

    model = DiffusionModel(
        net_t=UNetV0, in_channels=1, diffusion_t=VDiffusion, sampler_t=VSampler, **PEERS[shape]
    )
    x0 = torch.rand(batch, 1, length) * 2 - 1
    return peer_step(model, lambda: model(x0), precision)


def import_audio_diffusion_pytorch() -> None:
    from audio_diffusion_pytorch import DiffusionModel, UNetV0  # noqa: F401


def compare(folder: Path, size: str, precision: str, batch: int, rounds: int) -> dict[str, Any]:
    (length, shapes), data = SIZES[size], folder / precision
    write_recordings(data, RECORDINGS, RATE, length)
    sides = [
        Side("difftool", ours, (data / "wav", size, length, precision, batch), import_difftool)
    ]
    needs = "audio_diffusion_pytorch"
    for shape in shapes:
        args = (shape, length, precision, batch)
        sides.append(
            Side(
                f"audio-diffusion-pytorch, {shape}",
                audio_diffusion_pytorch,
                args,
                import_audio_diffusion_pytorch,
                needs,
            )
        )
    results, found = compared(sides, rounds, batch, "clip")
    mine = results["difftool"].median
    each = {
        name: round(result.median / mine, 2)
        for name, result in results.items()
        if name != "difftool"
    }
    return {
        "precision": precision,
        "batch": batch,
        "shape": (1, length),
        **found,
        "ratio_to_each": each,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=list(SIZES), default="full")
    parser.add_argument("--precision", choices=[*PRECISIONS, "all"], default="fp32")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    options = arguments(parser, {"size": "smoke", "batch": 2, "rounds": 1})
    precisions = list(PRECISIONS) if options.precision == "all" else [options.precision]
    with workplace() as folder:
        runs = [
            compare(folder, options.size, how, options.batch, options.rounds) for how in precisions
        ]
    emit({"runs": runs}, options.smoke)


if __name__ == "__main__":
    main()
