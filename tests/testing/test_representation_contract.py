"""The contract of a representation with weights: kept by a mixing of channels, broken by those that break it."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from difftool import Batch, Context, Euclidean, Options, Representation
from difftool.testing import representation_contract

RAW = torch.randint(0, 256, (3, 2, 6), generator=torch.manual_seed(0)).to(torch.uint8)


class Mixed(nn.Module, Representation):
    """The sum and the difference of two channels, by a matrix that is a weight."""

    space = Euclidean()

    def __init__(self, matrix: Tensor, context: Context) -> None:
        super().__init__()
        self.shape = context.description.shape
        self.matrix = nn.Parameter(matrix)

    @classmethod
    def build(cls, options: Options, context: Context) -> Representation:
        return cls(torch.tensor([[1.0, 1.0], [1.0, -1.0]]) / 2**0.5, context)

    def measure(self, raw: Iterable[Batch]) -> dict[str, Any]:
        return {}

    def encode(self, raw: Batch) -> Batch:
        return raw.with_x(self.matrix @ (raw.x.float() / 127.5 - 1))

    def decode(self, batch: Batch) -> Batch:
        x = self.matrix.T @ batch.x
        return batch.with_x(((x + 1) * 127.5).round().clamp(0, 255).to(torch.uint8))


class Opening(Mixed):
    """Its matrix is another run's."""

    @classmethod
    def build(cls, options: Options, context: Context) -> Representation:
        return cls(context.open("a run").matrix, context)


class Unsaved(Mixed):
    """Turns the channels by an angle that was drawn and is kept nowhere."""

    def __init__(self, matrix: Tensor, context: Context) -> None:
        super().__init__(matrix, context)
        angle = torch.rand(()) * 3
        turn = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()]).reshape(2, 2)
        self.turn = nn.Buffer(turn, persistent=False)

    def encode(self, raw: Batch) -> Batch:
        x = super().encode(raw)
        return x.with_x(self.turn @ x.x)

    def decode(self, batch: Batch) -> Batch:
        return super().decode(batch.with_x(self.turn.T @ batch.x))


class Staying(Mixed):
    """Keeps a tensor that does not move with the module."""

    def __init__(self, matrix: Tensor, context: Context) -> None:
        super().__init__(matrix, context)
        self.mean = torch.ones(2, 6)

    def encode(self, raw: Batch) -> Batch:
        x = super().encode(raw)
        return x.with_x(x.x - self.mean + 1)


class Learning(Mixed):
    """Unfreezes its matrix where it decodes."""

    def decode(self, batch: Batch) -> Batch:
        self.matrix.requires_grad_(True)
        return super().decode(batch)


class Drawing(Mixed):
    """Draws from torch's own generator."""

    def draw(self, prepared: Batch, rng: Any) -> Batch:
        return prepared.with_x(prepared.x + torch.randn_like(prepared.x))


def another_run(path: Any) -> Any:
    return SimpleNamespace(matrix=torch.tensor([[0.6, 0.8], [0.8, -0.6]]))


TestMixed = representation_contract(Mixed, RAW)
TestOpening = representation_contract(Opening, RAW, opened=another_run)


@pytest.mark.parametrize(
    ("kind", "test"),
    [
        (Unsaved, "test_two_builds_with_the_saved_weights_encode_and_decode_alike"),
        (Unsaved, "test_its_weights_travel_in_a_model_file"),
        (Staying, "test_on_another_device_every_tensor_is_there"),
        (Learning, "test_gradients_never_reach_its_weights"),
        (Drawing, "test_training_examples_are_drawn_from_what_is_prepared"),
        (Opening, "test_round_trip"),  # where nothing is given to open
    ],
)
def test_a_representation_that_breaks_it_fails(kind, test, tmp_path):
    run = getattr(representation_contract(kind, RAW)(), test)
    with pytest.raises((AssertionError, RuntimeError)):
        (partial(run, tmp_path) if "file" in test else run)()


def test_without_weights_only_the_tests_of_weights_are_skipped():
    suite = representation_contract("pixels", RAW.reshape(2, 3, 2, 3).expand(2, 3, 2, 3))()
    with pytest.raises(pytest.skip.Exception):
        suite.test_gradients_never_reach_its_weights()
    suite.test_training_examples_are_drawn_from_what_is_prepared()
