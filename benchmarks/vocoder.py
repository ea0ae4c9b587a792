"""Sound from mel bands: the vocoder of the cascade audio/vocoder against DiffWave's published network, at equal bands.

    python benchmarks/vocoder.py [--steps 5] [--seconds 1] [--rounds 3] [--smoke]

Both make clips at 22,050 samples a second from 80 bands (window 1024, hop 256), one at a time, on one thread. DiffWave
(Kong et al. 2021, arXiv:2009.09761: 30 layers of 64 channels, spectrogram upsampled by two transposed convolutions) is
written anew from the paper, its network being the `diffwave` of difftool-audio, and takes its 6 steps of the fast schedule
and its 50 of the full one. Our side is the whole of sampling: bands of the given sound, noise, solver, division by the
spectrum and its inverse.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import torch
from common import Side, Work, arguments, emit, in_turn
from torch import nn

RATE, MELS, HOP, WINDOW = 22_050, 80, 256, 1024
BRIDGE = {"mels": MELS, "hop": HOP, "window": WINDOW, "max_aug_level": 0.1}
PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}


def ours(precision: str, seconds: float, steps: int) -> tuple[Work, dict[str, Any]]:
    import difftool

    n = round(RATE * seconds)
    extra = {"rate": RATE, "totals": [n] * 101}
    model = difftool.build(
        cascade="audio/vocoder",
        stage="sound",
        description=difftool.Description((1, n), "int16", 2, {}, extra, measured={"scale": 5.0}),
        rate=RATE,
        seconds=seconds,
        bridge=BRIDGE,
        device="cpu",
        precision=precision,
    )
    low = [np.random.default_rng(0).integers(-3000, 3000, (1, n)).astype(np.int16)]
    return lambda: model.sample(1, steps=steps, low=low, tile=(65536,)), {
        "parameters": model.parameters,
        "steps": steps,
    }


class Published(nn.Module):
    """DiffWave's small vocoder: the network, and what brings a spectrogram to its samples (Sec. 3.3 and App. B)."""

    def __init__(self) -> None:
        super().__init__()
        from difftool import Interface
        from difftool_audio.diffwave import DiffWave
        from difftool_audio.network_options import DiffWaveOptions

        self.network = DiffWave(DiffWaveOptions(), Interface((1, None), channels=MELS))
        self.upsamplers = nn.ModuleList(
            nn.ConvTranspose2d(1, 1, (3, 32), (1, 16), (1, 8)) for _ in range(2)
        )

    def channels(self, spectrogram: torch.Tensor) -> torch.Tensor:
        x = spectrogram.unsqueeze(1)
        for upsampler in self.upsamplers:
            x = nn.functional.leaky_relu(upsampler(x), 0.4)
        return x.squeeze(1)


def published(precision: str, seconds: float, steps: int) -> tuple[Work, dict[str, Any]]:
    from difftool import Signals

    model = Published().eval()
    frames = -(-round(RATE * seconds) // HOP)
    spectrogram = torch.randn(1, MELS, frames)

    @torch.inference_mode()
    def work() -> torch.Tensor:
        with torch.autocast("cpu", PRECISIONS[precision], enabled=precision != "fp32"):
            channels = model.channels(spectrogram)
            x = torch.randn(1, 1, channels.shape[2])
            for step in range(steps):
                eps = model.network(
                    x, torch.full((1,), 1 - step / steps), Signals(channels=channels)
                )
                x = (
                    0.99 * x - 0.1 * eps + 0.01 * torch.randn_like(x)
                )  # the arithmetic of a step, with some coefficients
        return x

    return work, {"parameters": sum(p.numel() for p in model.parameters()), "steps": steps}


def compare(
    precision: str, seconds: float, steps: int, theirs: list[int], rounds: int
) -> dict[str, Any]:
    sides = [Side("difftool", ours, (precision, seconds, steps))]
    sides += [Side(f"DiffWave, {n} steps", published, (precision, seconds, n)) for n in theirs]
    results = in_turn(sides, rounds, warm=1)
    mine = results["difftool"].median
    rows = {
        name: {
            "clips_per_s": round(1 / result.median, 3),
            "times_slower": round(result.median / mine, 2),
            **result.facts,
        }
        for name, result in results.items()
    }
    return {"precision": precision, "seconds": seconds, "threads": 1, "clock": "cpu", "sides": rows}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--peer-steps", type=int, nargs="+", default=[6, 50])
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--precision", choices=[*PRECISIONS, "all"], default="all")
    smoke = {"steps": 1, "peer_steps": [1], "seconds": 0.1, "rounds": 1, "precision": "fp32"}
    options = arguments(parser, smoke)
    precisions = list(PRECISIONS) if options.precision == "all" else [options.precision]
    runs = [
        compare(how, options.seconds, options.steps, options.peer_steps, options.rounds)
        for how in precisions
    ]
    emit({"runs": runs}, options.smoke)


if __name__ == "__main__":
    main()
