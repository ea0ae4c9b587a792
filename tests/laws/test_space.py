"""What every Space obeys; the Space of a new modality joins the list below, or its plugin's own tests."""

from __future__ import annotations

import pytest
import torch

from difftool.rng import Stream, Streams
from difftool.space import Euclidean

SHAPE = (512, 6, 3)
MASKS = {
    "none": None,
    "padded": (torch.arange(6) < 4).reshape(1, 6, 1),
    "ragged": (torch.arange(6) < 1 + torch.arange(512)[:, None] % 6).unsqueeze(-1),
}

every_mask = pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS.keys())
every_space = pytest.mark.parametrize(
    "space", [Euclidean()], ids=lambda space: type(space).__name__
)


@every_space
@every_mask
def test_projection_is_idempotent_and_linear(space, mask):
    x, y = Stream(0, "x").normal(SHAPE), Stream(0, "y").normal(SHAPE)
    once = space.project(x, mask)
    torch.testing.assert_close(space.project(once, mask), once)
    torch.testing.assert_close(space.project(2 * x - y, mask), 2 * once - space.project(y, mask))


@every_space
@every_mask
def test_noise_lies_in_the_space_with_unit_variance_per_degree_of_freedom(space, mask):
    noise = space.noise(SHAPE, Stream(0, "noise"), mask)
    torch.testing.assert_close(space.project(noise, mask), noise)
    assert abs(noise.mean()) < 0.05
    assert space.mean_square(noise, mask).mean() == pytest.approx(1, abs=0.05)


@every_space
@every_mask
def test_padding_holds_no_noise_and_no_error(space, mask):
    if mask is None:
        return
    noise = space.noise(SHAPE, Stream(0, "noise"), mask)
    assert noise.masked_select(~mask).eq(0).all()
    error = Stream(0, "error").normal(SHAPE)
    torch.testing.assert_close(
        space.mean_square(error, mask), space.mean_square(torch.where(mask, error, 1e3), mask)
    )


@every_space
def test_the_error_of_each_example_is_its_own(space):
    mask, error = MASKS["ragged"], Stream(0, "error").normal(SHAPE)
    found = space.mean_square(error, mask)
    assert found.shape == (512,)
    torch.testing.assert_close(found[5:6], space.mean_square(error[5:6], mask[5:6]))


@every_space
@every_mask
def test_what_is_given_is_kept_once_and_for_all(space, mask):
    """A point of the space, the same if it is kept again, and the given example itself where all of it is given."""
    x0, estimate = (
        space.project(Stream(0, name).normal(SHAPE), mask) for name in ("x0", "estimate")
    )
    known = torch.zeros(1, 6, 1, dtype=torch.bool)
    torch.testing.assert_close(space.keep(estimate, x0, known, mask), estimate)
    known[:, :2] = True
    kept = space.keep(estimate, x0, known, mask)
    torch.testing.assert_close(space.project(kept, mask), kept)
    torch.testing.assert_close(space.keep(kept, x0, known, mask), kept)
    torch.testing.assert_close(space.keep(x0, x0, known, mask), x0)
    assert not torch.allclose(kept, estimate)


def test_without_a_symmetry_what_is_given_stays_where_it_is():
    x0, estimate, known = torch.ones(2, 3), torch.zeros(2, 3), torch.tensor([True, False, False])
    assert Euclidean().keep(estimate, x0, known).tolist() == [[1, 0, 0]] * 2


@every_space
@pytest.mark.parametrize("constant", [0.5, 3.0])
def test_a_constant_error_is_its_square_however_much_is_padding(space, constant):
    error = torch.full(SHAPE, constant)
    for mask in MASKS.values():
        torch.testing.assert_close(space.mean_square(error, mask), torch.full((512,), constant**2))


@every_space
def test_each_example_s_noise_is_its_own(space):
    together = space.noise((4, 6, 3), Streams(0, "sample", range(4)), MASKS["padded"])
    alone = space.noise((1, 6, 3), Streams(0, "sample", [2]), MASKS["padded"])
    assert torch.equal(together[2:3], alone)
