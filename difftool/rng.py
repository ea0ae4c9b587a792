"""Named random streams: every draw is a function of (seed, purpose, step, index).

No generator state needs to be saved: a resumed run draws the same numbers as an uninterrupted one,
and sample 17 meets the same noise at any batch size. The key is hashed (BLAKE2b), so that
neighbouring seeds, steps and indices give unrelated streams.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from . import philox

Shape = Sequence[int]


class Rng(Protocol):
    """A source of random numbers. ``shape`` always includes the batch dimension."""

    device: torch.device

    def normal(self, shape: Shape) -> Tensor:
        """Unit normal float32 numbers."""
        ...

    def uniform(self, shape: Shape) -> Tensor:
        """Uniform float32 numbers in [0, 1)."""
        ...


def key(seed: int, purpose: str, step: int = 0, index: int = 0) -> int:
    """The 63-bit seed of one stream."""
    text = f"{seed}/{purpose}/{step}/{index}".encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little") >> 1


def generator(
    seed: int, purpose: str, step: int = 0, index: int = 0, device: torch.device | str = "cpu"
) -> torch.Generator:
    """A torch generator at the start of the named stream."""
    return torch.Generator(device).manual_seed(key(seed, purpose, step, index))


class Stream:
    """One stream for a whole batch, which a training step uses."""

    def __init__(
        self,
        seed: int,
        purpose: str,
        step: int = 0,
        index: int = 0,
        device: torch.device | str = "cpu",
    ) -> None:
        self.device = torch.device(device)
        self.generator = generator(seed, purpose, step, index, self.device)

    def rekey(self, seed: int, purpose: str, step: int = 0, index: int = 0) -> None:
        """Go to the start of another stream with the same generator, which a CUDA graph holds."""
        self.generator.manual_seed(key(seed, purpose, step, index))

    def normal(self, shape: Shape) -> Tensor:
        return torch.randn(tuple(shape), generator=self.generator, device=self.device)

    def uniform(self, shape: Shape) -> Tensor:
        return torch.rand(tuple(shape), generator=self.generator, device=self.device)


class Streams:
    """One stream per example, which sampling uses: example ``i`` never depends on its neighbours.

    On a CPU each stream is a generator. On an accelerator, where every launch of a kernel counts,
    the numbers of all streams are computed by one operation (``difftool.philox``). So the samples
    of a seed differ between a CPU and an accelerator, as with torch's own generators.

    Args:
        indices: the global index of each example in the batch.
    """

    def __init__(
        self,
        seed: int,
        purpose: str,
        indices: Sequence[int],
        step: int = 0,
        device: torch.device | str = "cpu",
    ) -> None:
        self.device, self.indices = torch.device(device), tuple(indices)
        keys = [key(seed, purpose, step, index) for index in self.indices]
        self._keys, self._draws = _on_device(keys, self.device), 0
        self._generators = (
            None
            if counts(self.device)
            else [torch.Generator(self.device).manual_seed(one) for one in keys]
        )

    def normal(self, shape: Shape) -> Tensor:
        return self._draw(shape, normal=True)

    def uniform(self, shape: Shape) -> Tensor:
        return self._draw(shape, normal=False)

    def _draw(self, shape: Shape, *, normal: bool) -> Tensor:
        if shape[0] != len(self.indices):
            raise ValueError(
                f"{len(self.indices)} streams cannot fill a batch of {shape[0]}. The first "
                "size of the shape must be the batch size."
            )
        self._draws += 1
        if self._generators is None:
            return philox.drawn(self._keys, self._draws, shape[1:], normal)
        make = torch.randn if normal else torch.rand
        draws = [make(tuple(shape[1:]), generator=g, device=self.device) for g in self._generators]
        return torch.stack(draws)


def counts(device: torch.device) -> bool:
    """Whether streams of this device have counters instead of generators."""
    return device.type != "cpu"


def _on_device(keys: Sequence[int], device: torch.device) -> Tensor:
    """Copied without waiting for what the device computes at the time."""
    made = torch.tensor(keys, dtype=torch.int64)
    return (
        made.pin_memory().to(device, non_blocking=True)
        if device.type == "cuda"
        else made.to(device)
    )
