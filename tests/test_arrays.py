"""Arrays, Sequences and the representation ``standard``: what a modality of thirty lines is given."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from difftool import (
    Arrays,
    ArraysOptions,
    Batch,
    DataError,
    Description,
    LengthRequest,
    Sequences,
    SequencesOptions,
)
from difftool.representations.options import StandardOptions
from difftool.representations.standard import Standard
from difftool.rng import Stream, Streams
from difftool.testing import representation_contract


class Numpy:
    def load(self, path):
        return np.load(path)

    def save(self, array, path, info):
        with open(path, "wb") as file:
            np.save(file, array)


class Even(Numpy, Arrays):
    pass


class Uneven(Numpy, Sequences):
    pass


@pytest.fixture
def folder(tmp_path):
    for i, length in enumerate((5, 7, 7, 7, 9)):
        np.save(tmp_path / f"{i}.npy", np.arange(2.0 * length).reshape(2, length))
    (tmp_path / "0bad.npy").write_bytes(b"junk")
    return tmp_path


def test_arrays_take_the_most_common_shape_cut_longer_ones_and_refuse_shorter_ones(folder):
    arrays = Even(ArraysOptions())
    items = arrays.scan(folder)
    arrays = arrays.fit(items)
    assert arrays.settings() == ArraysOptions(shape=(2, 7))
    by_name = {item.path.name: item for item in items}
    assert np.array_equal(arrays.read(by_name["4.npy"])[0], np.arange(7))
    assert arrays.read_given(by_name["4.npy"]).shape == (2, 9)
    with pytest.raises(DataError, match=r"0\.npy has the shape \(2, 5\)"):
        arrays.read(by_name["0.npy"])
    with pytest.raises(DataError, match=r"0bad\.npy cannot be read"):
        arrays.read(by_name["0bad.npy"])


def test_sequences_are_padded_and_sampled_with_the_lengths_of_the_data(folder):
    sequences = Uneven(SequencesOptions())
    items = sequences.scan(folder)
    sequences = sequences.fit(items)
    examples = [sequences.read(item) for item in items if "bad" not in item.path.name]
    batch = sequences.collate(examples, Stream(0, "collate"))
    assert batch.x.shape == (5, 2, 9)
    assert batch.mask is not None
    assert batch.mask.sum(2).flatten().tolist() == [5, 7, 7, 7, 9]
    assert not (batch.x * ~batch.mask).any()
    shape, extra, _ = sequences.describe(np.array([one.shape for one in examples]))
    assert (shape, extra) == ((2, None), {"lengths": [[5, 1], [7, 3], [9, 1]]})
    described = Description(shape, "float32", 5, extra=extra)
    made = sequences.template(described, 500, Streams(0, "t", range(500)), LengthRequest())
    assert made.mask is not None
    lengths = made.mask.sum(2).flatten()
    shares = [(lengths == n).float().mean().item() for n in (5, 7, 9)]
    assert shares == pytest.approx([0.2, 0.6, 0.2], abs=0.07)
    asked = sequences.template(described, 2, Streams(0, "t", [0, 1]), LengthRequest(length=12))
    assert asked.x.shape == (2, 2, 12)


def test_standard_measures_each_channel_without_padding_and_in_any_batches():
    x = torch.randn(6, 2, 9, dtype=torch.float64) * torch.tensor([[1.0], [50.0]]) + 1e6
    mask = (torch.arange(9) < torch.tensor([[4], [9], [1], [5], [9], [7]]))[:, None]
    dirty = Batch(torch.where(mask, x, 1e12).float(), mask=mask)
    description = Description((2, None), "float32", 6)
    measure = Standard(StandardOptions(), description).measure
    whole, parts = measure([dirty]), measure([dirty.part(0, 2), dirty.part(2, 4)])
    for i in range(2):
        real = dirty.x[:, i][mask[:, 0]].double()
        for found in (whole, parts):
            assert found["mean"][i] == pytest.approx(real.mean().item(), rel=1e-9)
            assert found["std"][i] == pytest.approx(real.std(correction=0).item(), rel=1e-3)
            assert (found["low"][i], found["high"][i]) == (real.min().item(), real.max().item())


def test_standard_gives_each_channel_its_spread_and_keeps_samples_near_the_data():
    x = torch.randn(50, 3, 20) * torch.tensor([[1.0], [30.0], [0.0]]) + 7
    empty = Description((3, 20), "float32", 50)
    measured = Standard(StandardOptions(), empty).measure([Batch(x)])
    description = Description((3, 20), "float32", 50, measured=measured)
    standard = Standard(StandardOptions(spread=0.25), description)
    encoded = standard.encode(Batch(x)).x
    assert encoded.transpose(0, 1).flatten(1).std(1, correction=0).tolist() == pytest.approx(
        [0.25, 0.25, 0.0], abs=1e-6
    )
    wild = standard.decode(Batch(100 * torch.ones(1, 3, 20))).x
    high = x.amax((0, 2))
    assert (wild[0].amax(1) <= high + 0.11 * (high - x.amin((0, 2)))).all()


LINE = torch.linspace(-1, 1, 128).sin().reshape(2, 1, 64)
TestStandard = representation_contract("standard", torch.cat((LINE, 9 * LINE), 1), tolerance=1e-5)
TestCounts = representation_contract("standard", (300 * LINE).round().to(torch.int16))
TestTogether = representation_contract(
    "standard", torch.cat((LINE, LINE), 1), tolerance=1e-5, options={"per_channel": False}
)
