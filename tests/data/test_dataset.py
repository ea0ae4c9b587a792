"""Raw batches of examples that differ in size: alike on request, the same from any step and for any number of ranks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from small import prepared, small_run

from difftool.batch import Batch
from difftool.data.dataset import Dataset, batches
from difftool.description import Description

LENGTHS = np.random.default_rng(0).integers(1, 50, 100)


class Lengths:
    """A cache of number i as often as example i is long."""

    shapes = LENGTHS[:, None]

    def __len__(self) -> int:
        return len(LENGTHS)

    def gather(self, indices: np.ndarray) -> list[np.ndarray]:
        return [np.full(LENGTHS[i], i) for i in indices]


class Lines:
    """Pads to the longest."""

    def collate(self, examples, rng) -> Batch:
        padded = torch.nn.utils.rnn.pad_sequence(
            [torch.from_numpy(example) for example in examples], batch_first=True, padding_value=-1
        )
        return Batch(padded, mask=padded >= 0)


@pytest.fixture
def dataset():
    """``dataset(bucket)``"""

    def made(bucket: int) -> Dataset:
        return Dataset(
            Lengths(), Lines(), Description((None,), "int64", len(LENGTHS)), {}, "numbers", bucket
        )  # type: ignore[arg-type]

    return made


def seen(dataset: Dataset, start: int, stop: int, rank: int = 0, ranks: int = 1) -> list[list[int]]:
    """The examples of each batch."""
    return [
        raw.x[:, 0].tolist()
        for raw in batches(dataset, seed=0, batch=8, start=start, stop=stop, rank=rank, ranks=ranks)
    ]


def padding(dataset: Dataset) -> float:
    """Share of the batches of four epochs that is padding."""
    return 1 - np.mean(
        [raw.mask.float().mean() for raw in batches(dataset, seed=0, batch=8, start=0, stop=50)]
    )


def test_batches_of_like_size_hold_less_padding(dataset):
    assert padding(dataset(16)) < 0.5 * padding(dataset(0))


def test_from_the_middle_as_straight_through(dataset):
    whole = seen(dataset(4), 0, 30)
    assert seen(dataset(4), 17, 30) == whole[17:]


def test_the_ranks_shares_are_the_batch(dataset):
    whole = seen(dataset(4), 0, 30)
    shares = [seen(dataset(4), 0, 30, rank, 4) for rank in range(4)]
    assert [[i for share in step for i in share] for step in zip(*shares, strict=True)] == whole


def test_the_setting_reaches_the_data():
    assert prepared(*small_run())[1].bucket == 0
    assert prepared(*small_run(sets=["data.bucket=5"]))[1].bucket == 5
