"""Batches of examples that differ in size come in few shapes."""

from __future__ import annotations

import torch

from difftool.batch import Batch
from difftool.data.few_shapes import in_few_shapes, rounded


def test_an_octave_has_eight_sizes_and_little_padding():
    sizes = {rounded(n) for n in range(64, 128)}
    assert sizes == {64, 72, 80, 88, 96, 104, 112, 120, 128}
    assert [rounded(n) for n in range(1, 17)] == list(range(1, 17))
    assert all(n <= rounded(n) <= 1.125 * n for n in range(1, 5000))


def test_padding_is_masked_and_real_entries_stay():
    x = torch.randn(2, 1, 67)
    mask = torch.arange(67) < torch.tensor([67, 50])[:, None, None]
    wide = in_few_shapes(Batch(x, {"class": torch.tensor([0, 1])}, mask), (1, None))
    assert wide.x.shape == (2, 1, 72)
    assert torch.equal(wide.x[..., :67], x)
    assert wide.mask[..., :67].equal(mask)
    assert not wide.mask[..., 67:].any()
    assert not wide.x[..., 67:].any()


def test_examples_of_one_size_get_a_mask_so_that_all_batches_have_one():
    wide = in_few_shapes(Batch(torch.randn(2, 20, 5)), (None, 5))
    assert wide.x.shape == (2, 20, 5)
    assert wide.mask.shape == (2, 20, 1)
    assert wide.mask.all()


def test_sizes_of_several_axes_and_a_mask_that_broadcasts():
    x, mask = torch.randn(2, 3, 17, 33), torch.ones(2, 1, 1, 33, dtype=torch.bool)
    wide = in_few_shapes(Batch(x, mask=mask, observed=mask), (3, None, None))
    assert wide.x.shape == (2, 3, 18, 36)
    assert int(wide.mask.sum()) == 2 * 17 * 33
    assert int(wide.observed.sum()) == 2 * 17 * 33


def test_what_cannot_be_padded_stays():
    fixed = Batch(torch.randn(2, 3, 17))
    assert in_few_shapes(fixed, (3, 17)) is fixed
    along = Batch(torch.randn(2, 3, 17), {"notes": torch.randn(2, 4, 17)})
    assert in_few_shapes(along, (3, None)) is along
