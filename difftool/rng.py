"""Named random streams: every draw is a function of (seed, purpose, step, index).

No generator state needs to be saved: a resumed run draws the same numbers as an uninterrupted one,
and sample 17 meets the same noise at any batch size. The key is hashed (BLAKE2b), so that
neighbouring seeds, steps and indices give unrelated streams.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import torch
from torch import Tensor

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

    On an accelerator each stream draws ahead: as many tensors at once as were drawn before, so that
    a sampler of N stochastic steps launches log2(N) kernels for each example instead of N.

    Args:
        indices: the global index of each example in the batch.
    """

    AHEAD = 1 << 20
    """Most numbers of one stream that wait to be used."""

    def __init__(
        self,
        seed: int,
        purpose: str,
        indices: Sequence[int],
        step: int = 0,
        device: torch.device | str = "cpu",
    ) -> None:
        self.device, self.indices = torch.device(device), tuple(indices)
        self._generators = [generator(seed, purpose, step, index, self.device) for index in indices]
        self._draws_ahead = (
            self.device.type != "cpu"
        )  # on a CPU the launch of a kernel costs little
        self._ahead: dict[tuple, tuple[int, Iterator[Tensor]]] = {}

    def normal(self, shape: Shape) -> Tensor:
        return self._draw(torch.randn, shape)

    def uniform(self, shape: Shape) -> Tensor:
        return self._draw(torch.rand, shape)

    def _draw(self, f: Callable[..., Tensor], shape: Shape) -> Tensor:
        if shape[0] != len(self._generators):
            raise ValueError(
                f"{len(self._generators)} streams cannot fill a batch of {shape[0]}. The first "
                "size of the shape must be the batch size."
            )
        if not self._draws_ahead:
            return self._drawn(f, shape[1:])
        drawn, waiting = self._ahead.get((f, tuple(shape)), (0, iter(())))
        if (one := next(waiting, None)) is None:
            room = self.AHEAD // max(1, math.prod(shape[1:]))
            count = max(1, min(drawn, room))
            waiting = iter(self._drawn(f, (count, *shape[1:]), 1).unbind())
            one, drawn = next(waiting), drawn + count
        self._ahead[f, tuple(shape)] = drawn, waiting
        return one

    def _drawn(self, f: Callable[..., Tensor], shape: Shape, axis: int = 0) -> Tensor:
        """The next tensor of each stream, stacked along an axis."""
        draws = [f(tuple(shape), generator=g, device=self.device) for g in self._generators]
        return torch.stack(draws, axis)
