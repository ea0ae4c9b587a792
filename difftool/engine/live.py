"""The memory of the tensors that are alive while something is computed, counted operation by
operation. It is the same on every device, and for tensors that only have a shape.
"""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class Live(TorchDispatchMode):
    """Counts the tensors that operations inside the block make, until they are freed.

    Not counted is what an operation takes and frees within itself, such as the workspace of a
    library.

    Args:
        own: tensors whose memory was there before, such as weights; views of them are free.

    Attributes:
        now: bytes at present.
        course: bytes after each operation.
    """

    def __init__(self, own: Iterable[Tensor] = ()) -> None:
        super().__init__()
        self.now, self.course = 0, [0]
        self._own = [tensor.untyped_storage() for tensor in own]  # alive: addresses are not reused
        self._known: dict[int, Any] = dict.fromkeys(one._cdata for one in self._own)

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: Sequence[type], args: Any = (), kwargs: Any = None
    ) -> Any:
        made = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(made):
            if isinstance(leaf, Tensor) and leaf.layout == torch.strided:
                self._meet(leaf.untyped_storage())
        self.course.append(self.now)
        return made

    @property
    def peak(self) -> int:
        return max(self.course)

    def _meet(self, storage: torch.UntypedStorage) -> None:
        key, count = storage._cdata, storage.nbytes()
        if key in self._known:
            return

        def freed(_: object) -> None:
            self.now -= count
            del self._known[key]

        self._known[key] = weakref.ref(storage, freed)
        self.now += count


class Course(NamedTuple):
    """The memory of a piece of work.

    Attributes:
        alive: bytes of tensors after each operation.
        beside: bytes at the peak that no tensor holds, such as the workspaces of libraries.
    """

    alive: Sequence[int]
    beside: int = 0

    @property
    def peak(self) -> int:
        return max(self.alive) + self.beside


def course_of(work: Callable[[], object], own: Iterable[Tensor], device: torch.device) -> Course:
    """The memory that a piece of work takes, besides the ``own`` tensors.

    On a CUDA device the peak alone, as its allocator measures it: replayed graphs and kernels of
    our own are then counted too.
    """
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        work()
        return Course([torch.cuda.max_memory_allocated(device) - before])
    with Live(own) as live, highest_memory() as taken:
        work()
    return Course(live.course, max(0, taken[-1] - live.peak))


def continued(few: Course, more: Course, counts: tuple[int, int], many: int) -> tuple[float, float]:
    """Bytes whatever the number of examples, and bytes for each, at the peak of ``many``.

    The courses of two numbers of examples are continued operation by operation: what grows with the
    examples, and what does not, such as the gradients of weights, peak at other times.
    """
    pairs = list(zip(few.alive, more.alive, strict=False))
    if len(few.alive) != len(more.alive):  # it computes in groups of examples
        pairs = [(max(few.alive), max(more.alive))]
    less, apart = counts[0], max(counts[1] - counts[0], 1)
    beside = (few.beside, max(more.beside - few.beside, 0) / apart)
    lines = [(a, (b - a) / apart) for a, b in pairs]
    first, each = max(lines, key=lambda line: line[0] + (many - less) * line[1])
    return first + beside[0] - less * (each + beside[1]), each + beside[1]


@contextmanager
def highest_memory() -> Iterator[list[int]]:
    """Adds to a list the most bytes that this process held inside the block, over those before.

    0 where the system does not tell.
    """
    taken = [0]
    give_back()  # what is free already would hide what is taken
    known = Path("/proc/self/clear_refs")
    try:
        known.write_text("5", encoding="ascii")  # forgets the highest so far
        before = _highest()
    except OSError:
        before = None
    yield taken
    if before is not None:
        taken.append(_highest() - before)


def process_memory() -> int:
    """Bytes that this process holds, without what is free already."""
    give_back()
    return psutil.Process().memory_info().rss


def give_back() -> None:
    """Give freed memory back to the system, where the C library can."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def _highest() -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM"))
