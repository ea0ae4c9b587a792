"""Nothing in a training step needs a number on the host: a CUDA graph could hold the whole step."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

READS = {
    torch.ops.aten._local_scalar_dense.default,
    torch.ops.aten.is_nonzero.default,
    torch.ops.aten.nonzero.default,
    torch.ops.aten.masked_select.default,
    torch.ops.aten.equal.default,
    torch.ops.aten._unique2.default,
    torch.ops.aten.repeat_interleave.Tensor,
}
"""What waits for the device there, or has a result whose shape depends on numbers."""


class NoReads(TorchDispatchMode):
    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        assert func not in READS, f"{func} reads a number that the device computes"
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("subject", ["small", "sound", "video", "molecules"])
def test_forward_and_backward_read_nothing(subject, monkeypatch):
    from gpu_subjects import TINY, step_of

    step, raws = step_of(subject, **{**TINY[subject], "train.batch": 2, "train.device": "cpu"})
    # on a CPU the network may look at sizes, which costs nothing there
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    raw = next(raws)
    player, moment = step.players[0], step._moment(0)
    step.seed(player, 0, 0)
    with NoReads():
        loss = step.gradients(player, moment, raw, last=True)
    assert loss.isfinite()


@pytest.mark.heavy
@pytest.mark.parametrize("subject", ["small", "sound", "video", "molecules"])
def test_the_step_is_one_graph_whatever_the_batch_holds(subject, monkeypatch):
    """Forward and backward are traced on one batch. On another one the trace gives the loss of the
    step itself: no branch depends on what is in a batch.
    """
    from gpu_subjects import TINY, step_of
    from torch.fx.experimental.proxy_tensor import make_fx

    step, raws = step_of(subject, **{**TINY[subject], "train.batch": 2, "train.device": "cpu"})
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    first = next(raws)
    other = first.x.flip(0)
    player, moment = step.players[0], step._moment(0)

    def loss(x: torch.Tensor) -> torch.Tensor:
        return step.gradients(player, moment, first.with_x(x), last=True)

    traced, losses = make_fx(loss)(first.x), []
    for work, x in ((loss, other), (traced, other), (loss, first.x)):
        player.optimizer.zero_grad()
        step.seed(player, 0, 0)
        losses.append(work(x).item())
    assert losses[0] == losses[1] != losses[2]


def test_the_guard_notices_a_read():
    with NoReads(), pytest.raises(AssertionError, match="reads a number"):
        torch.ones(()).item()
