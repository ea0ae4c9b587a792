"""How long training stands still for a checkpoint, against torch.save of the same tensors.

    python benchmarks/checkpoint.py [--size 5M|35M] [--rounds N]

A checkpoint holds the weights, their average and two moments: 4 x 4 bytes a parameter. What blocks is the check that they are finite, and
``Saver.save``; the file is written on a thread meanwhile, and each save here waits for the one before, outside of the time taken. Seconds
of CPU of the training thread, one thread of torch; the wall clock beside it. The first save, which makes the buffers, is told apart.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from common import emit
from train_step import OURS, SHAPE

from difftool.engine.checkpoint import Saver, require_finite, training_state
from difftool.engine.device import keep_big_blocks
from difftool.engine.ema import Ema
from difftool.nn.backbone import Interface
from difftool.nn.options import UNetOptions
from difftool.nn.unet import UNet
from difftool.optimizers.adamw import adamw
from difftool.optimizers.options import AdamwOptions
from difftool.settings import EmaOptions

LEVEL = 0.15


def seconds(work: Callable[[], object]) -> tuple[float, float]:
    """CPU seconds of this thread, and wall seconds."""
    start = time.thread_time(), time.perf_counter()
    work()
    return time.thread_time() - start[0], time.perf_counter() - start[1]


def measure(folder: Path, size: str, rounds: int) -> dict[str, Any]:
    model = UNet(UNetOptions(**OURS[size]), Interface(SHAPE))
    optimizer, ema = adamw(model, AdamwOptions()), Ema(model, EmaOptions())
    for parameter in model.parameters():
        parameter.grad = torch.randn_like(parameter)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    scaler = torch.amp.GradScaler("cpu", enabled=False)
    saver = Saver(folder, keep=1)
    checks, saves, theirs = [], [], []
    for step in range(rounds + 1):
        state = training_state(model, optimizer, ema, scaler)
        checks.append(seconds(lambda: require_finite(state, step)))  # noqa: B023 (called at once, like the others)
        saves.append(seconds(lambda: saver.save(step, state, ema, {})))  # noqa: B023
        saver.wait()
        theirs.append(seconds(lambda: torch.save(state, folder / "peer.pt")))  # noqa: B023
    first, *rest = saves
    check, copy = (statistics.median(cpu for cpu, _ in some) for some in (checks, rest))
    blocked = check + copy
    peer = statistics.median(cpu for cpu, _ in theirs)
    return {
        "size": size,
        "parameters": sum(p.numel() for p in model.parameters()),
        "megabytes": round(sum(t.numel() * t.element_size() for t in state.values()) / 1e6),
        "blocked_s": round(blocked, 4),
        "blocked_s_by_check_for_nan": round(check, 4),
        "blocked_s_by_copy": round(copy, 4),
        "blocked_s_by_wall_clock": round(statistics.median(a + b for (_, a), (_, b) in zip(checks[1:], rest, strict=True)), 4),
        "blocked_s_first": round(check + first[0], 4),
        "torch_save_s": round(peer, 4),
        "torch_save_s_by_wall_clock": round(statistics.median(wall for _, wall in theirs), 4),
        "level": LEVEL,
        "held": blocked <= LEVEL,
        "ratio": round(peer / blocked, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=list(OURS), default="35M")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    keep_big_blocks()
    with TemporaryDirectory(prefix="difftool-benchmark-") as folder:
        emit({"clock": "cpu", "threads": 1, **measure(Path(folder), options.size, options.rounds)})


if __name__ == "__main__":
    main()
