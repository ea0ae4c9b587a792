"""Several processes, one loop: torch's elastic launcher, DDP, and an agreement on when to stop.

The same command line runs in every process. Under ``torchrun`` or SLURM the process joins what it
was started into.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from ..errors import LAUNCHED, DifftoolError, UsageError

ASKED = "DIFFTOOL_WORKER"


class WorkerKilled(DifftoolError):
    """A training process was ended from outside, and not asked to end."""


@dataclass(frozen=True, slots=True)
class World:
    """The rank of this process, and the number of processes.

    Attributes:
        shards: whether each process holds a part of the weights instead of all.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    shards: bool = False

    @property
    def leads(self) -> bool:
        """Whether this process writes files and messages."""
        return self.rank == 0

    def share(self, batch: int, accumulate: int) -> int:
        """This process's part of a batch. Raises UsageError when it does not divide."""
        if batch % (self.size * accumulate):
            raise UsageError(
                f"A batch of {batch} cannot be split over {self.size} devices in {accumulate} "
                f"part(s) each: choose a multiple of {self.size * accumulate}, so that every "
                "device has the same share."
            )
        return batch // self.size

    def agree(self, flag: bool) -> bool:
        """True in every process if it is true in one.

        On the CPU, so that no step waits for the device.
        """
        if self.size == 1:
            return flag
        vote = torch.tensor(float(flag))
        dist.all_reduce(vote, dist.ReduceOp.MAX)
        return bool(vote.item())

    def mean(self, value: Tensor) -> Tensor:
        """The mean over processes."""
        if self.size > 1:
            value = value.clone()
            dist.all_reduce(value, dist.ReduceOp.SUM)
            value /= self.size
        return value

    def average(self, tensors: Sequence[Tensor]) -> None:
        """Replace tensors by their means over processes, in one exchange."""
        if self.size == 1 or not tensors:
            return
        together = torch.cat([t.reshape(-1) for t in tensors])
        dist.all_reduce(together, dist.ReduceOp.SUM)
        together /= self.size
        parts = together.split([t.numel() for t in tensors])
        torch._foreach_copy_(
            list(tensors), [part.view(t.shape) for part, t in zip(parts, tensors, strict=True)]
        )

    def same_start(self, module: nn.Module) -> None:
        """Give every process the first one's weights, as the data-parallel wrapper does."""
        for tensor in module.state_dict().values() if self.size > 1 else ():
            dist.broadcast(tensor, src=0)

    def wrap(self, module: nn.Module, device: torch.device) -> nn.Module:
        """The module with its gradients averaged over processes."""
        if self.size == 1:
            return module
        return DistributedDataParallel(
            module,
            device_ids=[device] if device.type == "cuda" else None,
            gradient_as_bucket_view=True,
        )

    def barrier(self) -> None:
        if self.size > 1:
            dist.barrier()


def without_sync(module: nn.Module, last: bool) -> AbstractContextManager[None]:
    """While accumulating, only the last part exchanges gradients.

    Where they are sharded each part does: whole gradients may not fit.
    """
    if last or not isinstance(module, DistributedDataParallel):
        return nullcontext()
    return module.no_sync()


def join() -> World:
    """Join the processes that torchrun's or SLURM's variables describe; by default only this one."""
    _translate_slurm()
    if int(os.environ.get("WORLD_SIZE", "1")) <= 1:
        return World()
    if not dist.is_initialized():
        backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
        dist.init_process_group(backend, init_method="env://", timeout=timedelta(minutes=30))
    return World(dist.get_rank(), dist.get_world_size(), int(os.environ.get("LOCAL_RANK", "0")))


def leave() -> None:
    """Close the process group, if there is one."""
    if dist.is_initialized():
        dist.destroy_process_group()


def _translate_slurm() -> None:
    """Set torch's variables from those of ``srun``, which env:// does not read."""
    if (
        "WORLD_SIZE" in os.environ
        or int(os.environ.get("SLURM_NTASKS", "1")) <= 1
        or "SLURM_PROCID" not in os.environ
    ):
        return
    os.environ["RANK"] = os.environ["SLURM_PROCID"]
    os.environ["LOCAL_RANK"] = os.environ.get("SLURM_LOCALID", "0")
    os.environ["WORLD_SIZE"] = os.environ["SLURM_NTASKS"]
    if "MASTER_ADDR" not in os.environ:
        raise UsageError(
            "Under srun, export MASTER_ADDR (the first node's name) and MASTER_PORT, so that the "
            "processes can meet."
        )
    os.environ.setdefault("MASTER_PORT", "29500")


def is_worker() -> bool:
    """Whether a launcher started this process as one of several."""
    return "TORCHELASTIC_RUN_ID" in os.environ or ASKED in os.environ


RESTARTS = 3
"""How often the processes of several nodes are started again."""


def launch(
    devices: int,
    argv: Sequence[str],
    *,
    nodes: int = 1,
    node_rank: int = 0,
    rendezvous: str = "",
    run: Path | None = None,
) -> None:
    """Run this same command line in ``devices`` processes on this node, and wait for them.

    Of several nodes all processes are started again where one is killed, and resume the run; the
    launchers of the nodes agree on it. Of one node the caller may do so.

    Args:
        argv: the command's words after the program's name.
        rendezvous: ``host:port`` of the first node, when there are several.
        run: the folder of the run, where there is one.

    Raises:
        WorkerKilled: a process was ended by a signal other than SIGTERM.
        DifftoolError: a process was ended by SIGTERM.
    """
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    if nodes > 1 and not rendezvous:
        raise UsageError(
            "Several nodes need --rendezvous HOST:PORT, the first node's address, the same on "
            "every node."
        )
    again = run is not None and nodes > 1
    os.environ["TORCH_DISABLE_SHARE_RDZV_TCP_STORE"] = (
        "1"  # else a restart after kill -9 can hang (pytorch#135712)
    )
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // devices)))
    config = LaunchConfig(
        min_nodes=nodes,
        max_nodes=nodes,
        nproc_per_node=devices,
        run_id=LAUNCHED,
        rdzv_backend="static" if nodes == 1 else "c10d",
        rdzv_endpoint=rendezvous or f"127.0.0.1:{_free_port()}",
        rdzv_configs={"rank": node_rank, "timeout": 900},
        max_restarts=RESTARTS if again else 0,
        monitor_interval=0.5,
    )
    try:
        with TemporaryDirectory() as folder:
            program = ("difftool.cli.worker", folder, str(run)) if again else ("difftool",)
            elastic_launch(config, sys.executable)("-m", *program, *argv)
    except ChildFailedError as error:
        if (
            ended_by := _signal_of({failure.exitcode for failure in error.failures.values()})
        ) is None:
            raise  # the process has said why itself
        kind = DifftoolError if ended_by == signal.SIGTERM else WorkerKilled
        raise kind(
            f"A training process was ended from outside by {ended_by.name}. Continue from the "
            "last checkpoint with difftool resume. The system ends processes when memory runs "
            "out."
        ) from None


def _signal_of(codes: set[int]) -> signal.Signals | None:
    """The signal that ended the first process, from all exit codes; None if one failed by itself.

    The launcher ends the rest with SIGTERM, and a process whose peer vanished fails with code 1.
    """
    signals = {signal.Signals(-code) for code in codes if code < 0}
    if any(code > 1 for code in codes) or (1 in codes and signals <= {signal.SIGTERM}):
        return None
    return next(iter(signals - {signal.SIGTERM}), signal.SIGTERM)


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
