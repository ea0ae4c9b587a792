"""Training step of the equivariant network, 9 blocks of 256, on molecules of 19 to 29 atoms, against its plain form and egnn-pytorch.

    python benchmarks/molecule_step.py [--precision fp32|bf16|all] [--rounds N] [--batch N] [--mixed]

As in train_step.py: forward, backward, clipping, our fused optimizer and average on every side, each in its own process, in turn. All get
the same batches, of molecules of like size as the loader makes them (--mixed: as they come). The plain form is the network as published
(Hoogeboom et al. 2022, arXiv:2203.17003): a list of all pairs, both ends gathered and laid beside each other, sums scattered.
egnn-pytorch's layer (9 of dim 256, m_dim 256) is another network, with several times the arithmetic, and the one that people install.
bf16 is measured where the processor computes in it; elsewhere it is emulated, and slower than fp32 on either side.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle
from types import SimpleNamespace
from typing import Any

import torch
import torch.nn.functional as F
from common import Side, Work, emit, in_turn
from torch import Tensor, nn
from training import PRECISIONS, facts, peer_step, report

LAYERS, FEATURES, WIDTH = 9, 256, 9  # of what is encoded: positions, five elements, the atomic number
SMALLEST, LARGEST = 19, 29
BATCHES = 4
LEVELS = {"fp32": 6.5, "bf16": 16.0}


def batches(batch: int, mixed: bool) -> list[tuple[Tensor, Tensor]]:
    """``x [b, n, 9]`` and its mask, some batches of molecules of evenly spread sizes."""
    draw = torch.Generator().manual_seed(0)
    sizes = torch.randint(SMALLEST, LARGEST + 1, (BATCHES * batch,), generator=draw)
    sizes = sizes if mixed else sizes.sort().values
    made = []
    for part in sizes.split(batch):
        mask = (torch.arange(int(part.max())) < part[:, None]).unsqueeze(-1)
        made.append((torch.randn(*mask.shape[:2], WIDTH, generator=draw) * mask, mask))
    return made[BATCHES // 2 :] + made[: BATCHES // 2]  # the first, whose arithmetic is counted, is one of the middle


def ours(precision: str, batch: int, mixed: bool) -> tuple[Work, dict[str, Any]]:
    """The engine's own step on a stage whose modality and representation do nothing."""
    from difftool import Batch, Denoiser, Interface
    from difftool.engine.device import keep_big_blocks
    from difftool.engine.step import TrainStep
    from difftool.objective import Denoising
    from difftool.optimizers.adamw import adamw
    from difftool.optimizers.optimizer import OptimizerFactory
    from difftool.optimizers.options import AdamwOptions
    from difftool.settings import EmaOptions, TrainOptions
    from difftool_molecule.centred import Centred
    from difftool_molecule.egnn import Egnn
    from difftool_molecule.network_options import EgnnOptions

    keep_big_blocks()
    process = edm()
    network = Egnn(EgnnOptions(layers=LAYERS, features=FEATURES), Interface((None, WIDTH)))
    denoiser, space = Denoiser(network, process.preconditioning, {}, PRECISIONS[precision]), Centred(LARGEST)
    stage: Any = SimpleNamespace(
        denoiser=denoiser,
        process=process,
        objective=Denoising(),
        modality=SimpleNamespace(augment=lambda raw, rng: raw),
        representation=SimpleNamespace(encode=lambda raw: raw, space=space),
    )
    step = TrainStep(stage, TrainOptions(batch=batch), OptimizerFactory(adamw, AdamwOptions()), EmaOptions())
    given = [Batch(space.project(x, mask), mask=mask) for x, mask in batches(batch, mixed)]
    turns, count = cycle(given), iter(range(10**9))
    with pytorch_products():
        about = facts(denoiser, lambda: step._gradients(0, given[0]))
    return lambda: step(next(count), next(turns)), about


@contextmanager
def pytorch_products() -> Iterator[None]:
    """Matrix products that the counter of arithmetic knows."""
    from difftool_molecule import chunked

    kept, chunked.ONEDNN = chunked.ONEDNN, False
    try:
        yield
    finally:
        chunked.ONEDNN = kept


def edm() -> Any:
    from difftool.options import NoOptions
    from difftool.process.density import LogNormal
    from difftool.process.options import EdmOptions, KarrasOptions, LogNormalOptions
    from difftool.process.preconditioning import Edm
    from difftool.process.process import Process
    from difftool.process.schedule import Karras
    from difftool.process.weighting import Edm as EdmWeighting

    schedule = Karras(KarrasOptions())
    row = Edm(EdmOptions(), schedule)
    return Process(row, LogNormal(LogNormalOptions(), schedule), EdmWeighting(NoOptions(), row), schedule)


class Published(nn.Module):
    """The network over a list of all pairs, as its paper has it and its authors' code computes it: nothing factorised."""

    def __init__(self) -> None:
        super().__init__()
        self.enter, self.leave = nn.Linear(WIDTH - 3 + 1, FEATURES), nn.Linear(FEATURES, WIDTH - 3)
        self.rounds = nn.ModuleList(nn.ModuleDict(_round()) for _ in range(LAYERS))

    def forward(self, x: Tensor, t: Tensor, mask: Tensor) -> Tensor:
        b, n, _ = x.shape
        i, j = _ends(b, n)
        real = mask.flatten()
        pair = (real[i] & real[j] & (i != j)).unsqueeze(1).to(x.dtype)
        at, h = x[..., :3].flatten(0, 1), torch.cat((x[..., 3:], t.view(b, 1, 1).expand(b, n, 1)), -1).flatten(0, 1)
        h, first, start = self.enter(h), _apart(at, i, j)[0], at
        for part in self.rounds:
            squared, arrow = _apart(at, i, j)
            said = part["message"](torch.cat((h[i], h[j], squared, first), 1))
            told = torch.zeros_like(h, dtype=said.dtype).index_add_(0, i, said * part["gate"](said).sigmoid() * pair.to(said.dtype))
            h = h + part["node"](torch.cat((h, told), 1))
            far = part["move"](torch.cat((h[i], h[j], squared, first), 1)).float().tanh() * (15 / LAYERS)
            at = at + torch.zeros_like(at).index_add_(0, i, arrow * far * pair)
        return torch.cat((at - start, self.leave(h).float()), 1).view_as(x) * mask


def _round() -> dict[str, nn.Module]:
    def two(inputs: int) -> list[nn.Module]:
        return [nn.Linear(inputs, FEATURES), nn.SiLU(), nn.Linear(FEATURES, FEATURES)]

    edge = 2 * FEATURES + 2
    return {
        "message": nn.Sequential(*two(edge), nn.SiLU()),
        "gate": nn.Linear(FEATURES, 1),
        "node": nn.Sequential(*two(2 * FEATURES)),
        "move": nn.Sequential(*two(edge), nn.SiLU(), nn.Linear(FEATURES, 1, bias=False)),
    }


def _ends(b: int, n: int) -> tuple[Tensor, Tensor]:
    """Both ends of every pair of points of the same example, as rows of ``[b n, ...]``."""
    point = torch.arange(b * n).view(b, n)
    return point.repeat_interleave(n, 1).flatten(), point.repeat(1, n).flatten()


def _apart(at: Tensor, i: Tensor, j: Tensor) -> tuple[Tensor, Tensor]:
    between = at[i] - at[j]
    squared = between.square().sum(1, keepdim=True)
    return squared, between / ((squared + 1e-8).sqrt() + 1)


def published(precision: str, batch: int, mixed: bool) -> tuple[Work, dict[str, Any]]:
    model, turns = Published(), _turns(batch, mixed)

    def loss() -> Tensor:
        x0, mask, t, noisy = next(turns)
        return F.mse_loss(model(noisy, t, mask), x0)

    return peer_step(model, loss, precision)


def egnn_pytorch(precision: str, batch: int, mixed: bool) -> tuple[Work, dict[str, Any]]:
    from egnn_pytorch import EGNN

    layers = nn.ModuleList(EGNN(dim=FEATURES, m_dim=FEATURES, soft_edges=True, norm_coors=True) for _ in range(LAYERS))
    model, turns = nn.ModuleList([nn.Linear(WIDTH - 3 + 1, FEATURES), layers, nn.Linear(FEATURES, WIDTH - 3)]), _turns(batch, mixed)

    def loss() -> Tensor:
        x0, mask, t, noisy = next(turns)
        h, at = model[0](torch.cat((noisy[..., 3:], t[:, None, None].expand(*noisy.shape[:2], 1)), -1)), noisy[..., :3]
        for layer in layers:
            h, at = layer(h, at, mask=mask[..., 0])
        found = torch.cat((at - noisy[..., :3], model[2](h)), -1)
        return F.mse_loss(found.float() * mask, x0)

    return peer_step(model, loss, precision)


def _turns(batch: int, mixed: bool) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
    """A peer's batches: x0, mask, time, and the noisy example."""
    for x0, mask in cycle(batches(batch, mixed)):
        t = torch.rand(len(x0))
        yield x0, mask, t, x0 + t[:, None, None] * torch.randn_like(x0) * mask


def import_ours() -> None:
    import difftool.engine.step  # noqa: F401


def import_egnn_pytorch() -> None:
    import egnn_pytorch  # noqa: F401


def compare(precision: str, batch: int, rounds: int, mixed: bool) -> dict[str, Any]:
    args = (precision, batch, mixed)
    sides = [
        Side("difftool", ours, args, import_ours),
        Side("as published, all pairs", published, args),
        Side("egnn-pytorch", egnn_pytorch, args, import_egnn_pytorch),
    ]
    results = in_turn(sides, rounds, repeats=BATCHES, warm=BATCHES)
    about = {"precision": precision, "batch": batch, "atoms": [SMALLEST, LARGEST], "mixed": mixed, "threads": 1, "clock": "cpu"}
    found: dict[str, Any] = about | report(results, batch, "molecule")
    rate = batch / results["difftool"].median
    return found | {"level": LEVELS[precision], "held": rate >= LEVELS[precision]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--precision", choices=[*PRECISIONS, "all"], default="all")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--mixed", action="store_true", help="batches of molecules of any size, padded to the largest")
    options = parser.parse_args()
    precisions = list(PRECISIONS) if options.precision == "all" else [options.precision]
    emit({"runs": [compare(precision, options.batch, options.rounds, options.mixed) for precision in precisions]})


if __name__ == "__main__":
    main()
