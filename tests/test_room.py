"""Networks that the memory cannot hold are refused before they are built."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from difftool.assemble.room import require_batch, require_room
from difftool.engine.device import memory_total
from difftool.errors import DeviceError
from difftool.settings import TrainOptions

CPU = torch.device("cpu")


def test_a_network_of_terabytes_is_refused_with_its_size():
    with pytest.raises(DeviceError, match=r"1,099,512,676,352 parameters.*4,398 GB.*\[backbone\]"):
        require_room(lambda: nn.Linear(1 << 20, 1 << 20), CPU, copies=1)


def test_what_training_adds_counts():
    side = int((memory_total(CPU) / 4 / 3) ** 0.5)
    require_room(lambda: nn.Linear(side, side), CPU, copies=2)
    with pytest.raises(DeviceError, match="Training it takes"):
        require_room(lambda: nn.Linear(side, side), CPU, copies=4)


def test_the_estimate_draws_no_random_number():
    before = torch.get_rng_state()
    require_room(lambda: nn.Sequential(nn.Linear(8, 8), nn.Conv2d(3, 8, 3)), CPU, copies=1)
    assert torch.equal(before, torch.get_rng_state())


def test_a_network_that_needs_numbers_is_not_estimated():
    def build():
        assert torch.ones(1).item() == 1
        return nn.Linear(1 << 20, 1 << 20)

    require_room(build, CPU, copies=1)


def test_examples_of_which_no_copy_fits_are_refused_with_what_to_change():
    train = TrainOptions(batch=4)
    require_batch([3, 64, 64], train, CPU)
    side = int((memory_total(CPU) / 8 / 4 / 3) ** 0.5)  # one example just fits, four do not
    with pytest.raises(DeviceError, match=r"4 examples of 3 x .*train\.accumulate=2"):
        require_batch([3, side, side], train, CPU)
    with pytest.raises(DeviceError, match=r"Try one of: smaller examples, .*\]\.$"):
        require_batch([3, 3 * side, 3 * side], train, CPU)
