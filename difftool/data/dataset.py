"""Dataset: a cache with the conditions of its examples, served as batches."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..batch import Batch
from ..column import Value
from ..description import Description
from ..modality import Modality
from ..rng import Rng, Stream
from .alike import AlikeOrder
from .cache import Cache
from .encoded import Encoded
from .few_shapes import in_few_shapes
from .order import Order


@dataclass(frozen=True, slots=True)
class Dataset:
    """Examples with their conditions.

    Attributes:
        modality: with its ``auto`` options settled on this data.
        values: condition name -> its value for each example, as its column reads them.
        source: the name of the data in messages.
        bucket: number of batches whose examples are sorted by size together, so that the examples
            of a batch have similar sizes; 0 switches this off.
        groups: ``[count]``: the group of each example, from 0, where all examples of a batch must be
            of one group; None where any can be together.
        held: sorted indices of the examples that training leaves out.
        encoded: the prepared examples, where the representation caches them; training reads these.
    """

    cache: Cache
    modality: Modality
    description: Description
    values: Mapping[str, Sequence[Value] | np.ndarray]
    source: str
    bucket: int = 0
    encoded: Encoded | None = None
    held: np.ndarray | None = None
    groups: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.cache)

    @property
    def skipped(self) -> list[tuple[Path, str]]:
        """Files that could not be read, each with the reason."""
        return self.cache.skipped

    @property
    def remarks(self) -> list[tuple[Path, str]]:
        """Remarks on files that are used."""
        return self.cache.remarks

    def order(self, seed: int, batch: int) -> Order | AlikeOrder:
        """The order of the examples in a run with this seed and batch size."""
        kept = None
        if self.held is not None and len(self.held):
            kept = np.setdiff1d(np.arange(len(self)), self.held)
        if self.groups is not None:
            return AlikeOrder(seed, batch, self.groups if kept is None else self.groups[kept], kept)
        sizes = self.cache.shapes.prod(1)
        if kept is None:
            return Order(len(self), seed, batch, self.bucket, sizes)
        return Order(len(kept), seed, batch, self.bucket, sizes[kept], kept)

    def batch(self, indices: np.ndarray, rng: Rng) -> Batch:
        """The raw examples at these indices, on the CPU."""
        return self._conditioned(self.modality.collate(self.cache.gather(indices), rng), indices)

    def training_batch(self, indices: np.ndarray, rng: Rng) -> Batch:
        """What a training step starts from: prepared examples where they are cached, else raw."""
        if self.encoded is None:
            return self.batch(indices, rng)
        return self._conditioned(self.encoded.batch(indices, rng), indices)

    def _conditioned(self, batch: Batch, indices: np.ndarray) -> Batch:
        """The batch with the data's own conditions of the examples at these indices."""
        columns = self.description.conditions
        chosen = {
            name: columns[name].batch([values[i] for i in indices])
            for name, values in self.values.items()
        }
        return batch.with_cond(**{name: torch.from_numpy(rows) for name, rows in chosen.items()})


def batches(
    dataset: Dataset,
    *,
    seed: int,
    batch: int,
    start: int,
    stop: int,
    rank: int = 0,
    ranks: int = 1,
    pin: torch.device | None = None,
) -> Generator[Batch, None, None]:
    """This rank's share of the batches of steps ``start`` to ``stop``, prepared on a thread.

    Closing the iterator ends the thread. An error in the thread is raised when its batch is taken.

    Args:
        pin: the CUDA device that the batches will be copied to; they are then in pinned memory, and
            raw examples that differ in size come in few shapes.
    """
    share, order = batch // ranks, dataset.order(seed, batch)
    ready: queue.Queue[Batch | BaseException] = queue.Queue(maxsize=3)
    closing = threading.Event()

    def make(step: int) -> Batch:
        indices = order.indices(step * batch + rank * share, share)
        made = dataset.training_batch(indices, Stream(seed, "collate", step, rank))
        if pin is None:
            return made
        if dataset.encoded is None:
            made = in_few_shapes(made, dataset.description.shape)
        return made.map(Tensor.pin_memory)

    def fill() -> None:
        if pin is not None:
            torch.cuda.set_device(pin)  # threads start on device 0; pinning there opens a context
        for step in range(start, stop):
            try:
                made: Batch | BaseException = make(step)
            except BaseException as error:  # the consumer raises it
                made = error
            while not closing.is_set():
                try:
                    ready.put(made, timeout=0.1)
                    break
                except queue.Full:
                    continue
            if closing.is_set() or isinstance(made, BaseException):
                return

    thread = threading.Thread(target=fill, name="difftool-loader", daemon=True)
    thread.start()
    try:
        for _ in range(start, stop):
            made = ready.get()
            if isinstance(made, BaseException):
                raise made
            yield made
    finally:
        closing.set()
        thread.join(timeout=5)
