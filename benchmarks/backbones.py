"""Every installed network on the same work, and `dit` against diffusers' DiT.

    python benchmarks/backbones.py [--part all|table|packing|peer] [--batch N] [--rounds N] [--only NAME] [--smoke]

The table: parameters, arithmetic of an evaluation, memory and examples a second of a training step (forward, backward,
optimizer), one thread, in fp32. Networks for grids have four to six million parameters and 3x32x32 numbers; the others
have the examples that they are for. Sides have a process of their own and take turns.

Packing: a training step of `dit` on clips of 4 to 16 frames, padded to the longest of a batch and without padding.

The peer: a training step as `difftool train` takes it against the same around diffusers' DiT, at equal parameters and
shape.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch
from common import Side, Work, arguments, emit, in_turn, workplace
from synthetic import write_pictures
from torch import Tensor, nn
from training import compared, engine_step, gflop, import_difftool, peer_step

GRID = (3, 32, 32)
SHAPES: dict[str, tuple[int, ...]] = {
    "unet1d": (1, 8192),
    "diffwave": (1, 8192),
    "unet3d": (3, 8, 32, 32),
    "egnn": (20, 9),
    "dit-atoms": (20, 9),
}
"""One example of the networks that are not for pictures, channels first; of the last two, atoms."""

TINY = {"preset": "tiny"}
OPTIONS: dict[str, dict[str, Any]] = {
    "unet": {"channels": 32, "multipliers": (1, 2, 4, 4), "blocks": 1, "embedding": 256},
    "ddpmpp": {"channels": 40, "multipliers": (1, 2, 3), "blocks": 2},
    "adm": {"channels": 32, "multipliers": (1, 2, 3, 4), "blocks": 2, "attention": 64},
    "edm2": {"channels": 32, "multipliers": (1, 2, 4, 4), "blocks": 1, "attention": 64},
    "dit": {**TINY, "patch": (4,)},
    "uvit": {**TINY, "patch": (4,), "depth": 9},
    "mmdit": {**TINY, "patch": (4,)},
    "rin": {**TINY, "patch": (4,), "depth": 6},
    "unet1d": {"multipliers": (1, 2, 4, 8), "factors": (4, 4, 4), "attention": 64},
    "unet3d": {"channels": 32, "multipliers": (1, 2, 4)},
    "egnn": {"layers": 6, "features": 128},
    "dit-atoms": TINY,
}
"""Settings at which networks are of like size; those of another network are its defaults."""

SMALL: dict[str, dict[str, Any]] = {
    "unet": {"channels": 8, "multipliers": (1, 2)},
    "ddpmpp": {"channels": 8, "blocks": 1},
    "adm": {"channels": 8, "blocks": 1},
    "edm2": {"channels": 8, "blocks": 1},
    "diffwave": {"channels": 8, "layers": 2},
    "unet1d": {"channels": 8},
    "unet3d": {"channels": 8},
    "egnn": {"features": 8, "layers": 1},
}
"""Smaller ones, for ``--smoke``."""


def network(name: str, batch: int, smoke: bool) -> tuple[Work, dict[str, Any]]:
    """A training step of a network on random numbers."""
    import difftool
    from difftool import Interface, Signals

    shape = SHAPES.get(name, GRID)
    options = {**OPTIONS.get(name, {}), **(SMALL.get(name, {}) if smoke else {})}
    points = name in ("egnn", "dit-atoms")
    interface = Interface((None, shape[1]) if points else shape)
    model: nn.Module = difftool.part("backbone", name, interface, **options)
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)
    x, c_noise = torch.randn(batch, *shape), torch.linspace(-1, 1, batch)

    def step() -> None:
        model(x, c_noise, Signals()).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()

    def evaluate() -> None:
        with torch.no_grad():
            model(x, c_noise, Signals())

    return step, {
        "shape": shape,
        "parameters": sum(p.numel() for p in model.parameters()),
        "gflop": gflop(evaluate, 1) / batch,
    }


def table(names: list[str], batch: int, rounds: int, smoke: bool) -> dict[str, Any]:
    """A row for each network. In a smoke run all share this process, and memory says nothing."""
    rows = {}
    for name in names:
        if smoke:
            step, facts = network(name, batch, smoke)
            step()
            rows[name] = facts
            continue
        side = Side(name, network, (name, batch, smoke), import_difftool)
        found = in_turn([side], rounds)[name]
        rows[name] = {
            **found.facts,
            "gflop": round(found.facts["gflop"], 3),
            "examples_per_second": round(batch / found.median, 1),
            "memory_mb": round(found.own_mb),
        }
    return rows


CLIPS = {"full": (3, 16, 32, 32), "smoke": (3, 4, 8, 8)}
"""The longest clips of the part ``packing``; the shortest have a quarter of the frames."""


def clips(pack: bool, size: str, batch: int) -> tuple[Work, dict[str, Any]]:
    """A training step of `dit` on clips of mixed lengths, which are new in each step."""
    import difftool
    from difftool import Interface, Signals

    shape, lengths = CLIPS[size], torch.Generator().manual_seed(0)
    options = {**(TINY if size == "full" else {"width": 24, "depth": 1, "head_width": 12})}
    model: nn.Module = difftool.part(
        "backbone", "dit", Interface(shape), patch=(1, 4, 4), pack=pack, **options
    )
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)
    c_noise, places = torch.linspace(-1, 1, batch), torch.arange(shape[1])

    def step() -> None:
        frames = torch.randint(shape[1] // 4, shape[1] + 1, (batch, 1), generator=lengths)
        longest = int(frames.max())
        mask = (places[:longest] < frames)[:, None, :, None, None]
        x = torch.randn(batch, shape[0], longest, *shape[2:]) * mask
        (model(x, c_noise, Signals(), mask) * mask).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()

    return step, {}


def packing(size: str, batch: int, rounds: int) -> dict[str, Any]:
    """The same clips in the same order, so that useful tokens a second are as steps a second."""
    if size == "smoke":  # in this process; its time says nothing
        for pack in (False, True):
            clips(pack, size, batch)[0]()
        return {"shape": CLIPS[size], "batch": batch}
    sides = [
        Side(name, clips, (pack, size, batch), import_difftool)
        for name, pack in (("padded", False), ("packed", True))
    ]
    found = in_turn(sides, rounds)
    ratio = found["padded"].median / found["packed"].median
    return {
        "shape": CLIPS[size],
        "batch": batch,
        **{
            name: {"seconds": one.median, "memory_mb": round(one.own_mb)}
            for name, one in found.items()
        },
        "useful tokens a second": round(ratio, 2),
    }


def ours(data: Path, size: str, batch: int, precision: str) -> tuple[Work, dict[str, Any]]:
    settings = {
        "modality.size": GRID[-1],
        "modality.channels": "rgb",
        "backbone.use": "dit",
        "backbone.patch": [4],
        **{f"backbone.{key}": value for key, value in PEER[size].items()},
    }
    return engine_step("image", data, settings, precision, batch)


PEER = {"smoke": {"width": 64, "depth": 1}, "full": {"width": 192, "depth": 6}}


def diffusers(size: str, batch: int, precision: str) -> tuple[Work, dict[str, Any]]:
    from diffusers import DDPMScheduler, DiTTransformer2DModel

    model: Any = DiTTransformer2DModel(
        num_attention_heads=PEER[size]["width"] // 64,
        attention_head_dim=64,
        in_channels=GRID[0],
        num_layers=PEER[size]["depth"],
        sample_size=GRID[-1],
        patch_size=4,
        attention_bias=True,
        num_embeds_ada_norm=1,
    )
    scheduler: Any = DDPMScheduler()
    x0, label = torch.rand(batch, *GRID) * 2 - 1, torch.zeros(batch, dtype=torch.long)

    def loss() -> Tensor:
        noise, t = torch.randn_like(x0), torch.randint(0, 1000, (batch,))
        noisy = scheduler.add_noise(x0, noise, t)
        made = model(noisy, timestep=t, class_labels=label).sample
        return nn.functional.mse_loss(made.float(), noise)

    return peer_step(model, loss, precision)


def import_diffusers() -> None:
    from diffusers import DDPMScheduler, DiTTransformer2DModel  # noqa: F401


def peer(folder: Path, size: str, batch: int, rounds: int, precision: str) -> dict[str, Any]:
    data = folder / "data" / "pictures"
    write_pictures(data, 64, GRID[-1])
    sides = [
        Side("difftool", ours, (data, size, batch, precision), import_difftool),
        Side("diffusers", diffusers, (size, batch, precision), import_diffusers, "diffusers"),
    ]
    return {
        "shape": GRID,
        "batch": batch,
        "precision": precision,
        **compared(sides, rounds, batch, "image")[1],
    }


def main() -> None:
    import difftool

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", choices=("all", "table", "packing", "peer"), default="all")
    parser.add_argument("--only", action="append", help="of the networks, this one")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32", help="of peer")
    parser.add_argument("--rounds", type=int, default=5)
    options = arguments(parser, {"batch": 2, "rounds": 1})
    names = options.only or difftool.parts("backbone")
    report = dict[str, Any]()
    size = "smoke" if options.smoke else "full"
    if options.part in ("all", "packing"):
        report["packing"] = packing(size, options.batch, options.rounds)
    if options.part in ("all", "table"):
        report["networks"] = table(names, options.batch, options.rounds, options.smoke)
    if options.part in ("all", "peer"):
        with workplace() as folder:
            report["dit"] = peer(folder, size, options.batch, options.rounds, options.precision)
    emit(report, options.smoke)


if __name__ == "__main__":
    main()
