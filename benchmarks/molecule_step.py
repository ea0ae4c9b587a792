"""Training step of the equivariant network, 9 blocks of 256, on molecules of 19 to 29 atoms, against its plain form and egnn-pytorch.

    python benchmarks/molecule_step.py [--precision fp32|bf16|all] [--rounds N] [--batch N] [--mixed] [--smoke]

As in train_step.py: forward, backward, clipping, our fused optimizer and average on every side, each in its own process,
in turn. All sides get molecules of the same sizes, in batches of like size (--mixed: as they come). The plain form is the
network as published (Hoogeboom et al. 2022, arXiv:2203.17003): a list of all pairs, both ends gathered and concatenated,
sums scattered. egnn-pytorch's layer (9 of dim 256, m_dim 256) is another network, with several times the arithmetic, and
the one that people install. bf16 means something only where the processor computes in it; elsewhere it is emulated, and
slower than fp32 on either side.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from common import Side, Work, arguments, emit, workplace
from synthetic import molecule_sizes, write_molecules
from torch import Tensor, nn
from training import PRECISIONS, compared, engine_step, import_difftool, peer_step

WIDTH = 9
"""Numbers of an encoded atom: positions, five elements, the atomic number."""
SMALLEST, LARGEST = 19, 29
BATCHES = 4
LEVELS = {"fp32": 6.5, "bf16": 16.0}
Shape = tuple[int, int]
"""Blocks, features."""


def batches(batch: int, mixed: bool) -> list[tuple[Tensor, Tensor]]:
    """``x [b, n, 9]`` and its mask, some batches of molecules, the sizes being those of the files that difftool reads."""
    draw = torch.Generator().manual_seed(0)
    sizes = torch.from_numpy(molecule_sizes(BATCHES * batch, SMALLEST, LARGEST))
    sizes = sizes if mixed else sizes.sort().values
    made = []
    for part in sizes.split(batch):
        mask = (torch.arange(int(part.max())) < part[:, None]).unsqueeze(-1)
        made.append((torch.randn(*mask.shape[:2], WIDTH, generator=draw) * mask, mask))
    return made


def ours(
    data: Path, shape: Shape, precision: str, batch: int, mixed: bool
) -> tuple[Work, dict[str, Any]]:
    layers, features = shape
    settings = {
        "modality.fragments": "keep",
        "data.bucket": 0 if mixed else BATCHES * batch,
        "backbone.use": "egnn",
        "backbone.layers": layers,
        "backbone.features": features,
    }
    return engine_step("molecule", data, settings, precision, batch, BATCHES)


class Published(nn.Module):
    """The network over a list of all pairs, as its paper has it and its authors' code computes it: nothing factorised."""

    def __init__(self, layers: int, features: int) -> None:
        super().__init__()
        self.enter, self.leave = nn.Linear(WIDTH - 3 + 1, features), nn.Linear(features, WIDTH - 3)
        self.blocks = nn.ModuleList(nn.ModuleDict(_block(features)) for _ in range(layers))

    def forward(self, x: Tensor, t: Tensor, mask: Tensor) -> Tensor:
        b, n, _ = x.shape
        i, j = _ends(b, n)
        real = mask.flatten()
        pair = (real[i] & real[j] & (i != j)).unsqueeze(1).to(x.dtype)
        at, h = (
            x[..., :3].flatten(0, 1),
            torch.cat((x[..., 3:], t.view(b, 1, 1).expand(b, n, 1)), -1).flatten(0, 1),
        )
        h, first, start = self.enter(h), _difference(at, i, j)[0], at
        for block in self.blocks:
            squared, direction = _difference(at, i, j)
            message = block["message"](torch.cat((h[i], h[j], squared, first), 1))
            weight = block["gate"](message).sigmoid() * pair.to(message.dtype)
            total = torch.zeros_like(h, dtype=message.dtype).index_add_(0, i, message * weight)
            h = h + block["node"](torch.cat((h, total), 1))
            shift = block["move"](torch.cat((h[i], h[j], squared, first), 1)).float().tanh() * (
                15 / len(self.blocks)
            )
            at = at + torch.zeros_like(at).index_add_(0, i, direction * shift * pair)
        return torch.cat((at - start, self.leave(h).float()), 1).view_as(x) * mask


def _block(features: int) -> dict[str, nn.Module]:
    def two(inputs: int) -> list[nn.Module]:
        return [nn.Linear(inputs, features), nn.SiLU(), nn.Linear(features, features)]

    edge = 2 * features + 2
    return {
        "message": nn.Sequential(*two(edge), nn.SiLU()),
        "gate": nn.Linear(features, 1),
        "node": nn.Sequential(*two(2 * features)),
        "move": nn.Sequential(*two(edge), nn.SiLU(), nn.Linear(features, 1, bias=False)),
    }


def _ends(b: int, n: int) -> tuple[Tensor, Tensor]:
    """Both ends of every pair of points of the same example, as rows of ``[b n, ...]``."""
    point = torch.arange(b * n).view(b, n)
    return point.repeat_interleave(n, 1).flatten(), point.repeat(1, n).flatten()


def _difference(at: Tensor, i: Tensor, j: Tensor) -> tuple[Tensor, Tensor]:
    between = at[i] - at[j]
    squared = between.square().sum(1, keepdim=True)
    return squared, between / ((squared + 1e-8).sqrt() + 1)


def published(shape: Shape, precision: str, batch: int, mixed: bool) -> tuple[Work, dict[str, Any]]:
    model, turns = Published(*shape), _turns(batch, mixed)

    def loss() -> Tensor:
        x0, mask, t, noisy = next(turns)
        return F.mse_loss(model(noisy, t, mask), x0)

    return peer_step(model, loss, precision, BATCHES)


def egnn_pytorch(
    shape: Shape, precision: str, batch: int, mixed: bool
) -> tuple[Work, dict[str, Any]]:
    from egnn_pytorch import EGNN

    count, features = shape
    layers = nn.ModuleList(
        EGNN(dim=features, m_dim=features, soft_edges=True, norm_coors=True) for _ in range(count)
    )
    model = nn.ModuleList(
        [nn.Linear(WIDTH - 3 + 1, features), layers, nn.Linear(features, WIDTH - 3)]
    )
    turns = _turns(batch, mixed)

    def loss() -> Tensor:
        x0, mask, t, noisy = next(turns)
        time = t[:, None, None].expand(*noisy.shape[:2], 1)
        h, at = model[0](torch.cat((noisy[..., 3:], time), -1)), noisy[..., :3]
        for layer in layers:
            h, at = layer(h, at, mask=mask[..., 0])
        found = torch.cat((at - noisy[..., :3], model[2](h)), -1)
        return F.mse_loss(found.float() * mask, x0)

    return peer_step(model, loss, precision, BATCHES)


def _turns(batch: int, mixed: bool) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
    """A peer's batches: x0, mask, time, and the noisy example."""
    for x0, mask in cycle(batches(batch, mixed)):
        t = torch.rand(len(x0))
        yield x0, mask, t, x0 + t[:, None, None] * torch.randn_like(x0) * mask


def import_egnn_pytorch() -> None:
    import egnn_pytorch  # noqa: F401


def compare(
    folder: Path, shape: Shape, precision: str, batch: int, rounds: int, mixed: bool
) -> dict[str, Any]:
    args, data = (shape, precision, batch, mixed), folder / precision / "molecules"
    write_molecules(data, molecule_sizes(BATCHES * batch, SMALLEST, LARGEST))
    sides = [
        Side("difftool", ours, (data, *args), import_difftool),
        Side("as published, all pairs", published, args),
        Side("egnn-pytorch", egnn_pytorch, args, import_egnn_pytorch, "egnn_pytorch"),
    ]
    results, found = compared(sides, rounds, batch, "molecule", repeats=BATCHES, warm=BATCHES)
    rate = batch / results["difftool"].median
    about = {"precision": precision, "batch": batch, "atoms": [SMALLEST, LARGEST], "mixed": mixed}
    return {**about, **found, "level": LEVELS[precision], "held": rate >= LEVELS[precision]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--precision", choices=[*PRECISIONS, "all"], default="all")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--layers", type=int, default=9)
    parser.add_argument("--features", type=int, default=256)
    parser.add_argument(
        "--mixed",
        action="store_true",
        help="batches of molecules of any size, padded to the largest",
    )
    options = arguments(
        parser, {"precision": "fp32", "batch": 2, "rounds": 1, "layers": 1, "features": 16}
    )
    precisions = list(PRECISIONS) if options.precision == "all" else [options.precision]
    shape = options.layers, options.features
    with workplace() as folder:
        runs = [
            compare(folder, shape, how, options.batch, options.rounds, options.mixed)
            for how in precisions
        ]
    emit({"runs": runs}, options.smoke)


if __name__ == "__main__":
    main()
