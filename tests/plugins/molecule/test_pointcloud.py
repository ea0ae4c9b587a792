"""Molecules as the network sees them: scales, centring, padding, and the way back."""

from __future__ import annotations

import pytest
import torch

from difftool import Batch, Description
from difftool.testing import representation_contract
from difftool_molecule.options import PointCloudOptions
from difftool_molecule.pointcloud import PointCloud

ELEMENTS = (1, 6, 7, 8)


def molecules(b: int = 5, n: int = 7) -> Batch:
    """Random atoms, of which at least two are real, somewhere in space."""
    draw = torch.Generator().manual_seed(0)
    mask = torch.arange(n)[None, :, None] < (2 + torch.arange(b) % (n - 1))[:, None, None]
    positions = 1.5 * torch.randn(b, n, 3, generator=draw) + 4
    numbers = torch.tensor(ELEMENTS)[torch.randint(len(ELEMENTS), (b, n, 1), generator=draw)]
    charges = torch.randint(-1, 2, (b, n, 1), generator=draw)
    return Batch(
        torch.cat((positions, numbers, charges), -1) * mask, {"gap": torch.arange(b)}, mask
    )


def built(charged: bool = True, **options) -> PointCloud:
    extra = {"elements": list(ELEMENTS), "sizes": [[5, 3], [7, 1]], "charged": charged}
    return PointCloud(
        PointCloudOptions(**options), Description((None, 5), "float32", 4, extra=extra)
    )


def centred(raw: Batch) -> torch.Tensor:
    mean = raw.x[..., :3].sum(1, keepdim=True) / raw.mask.sum(1, keepdim=True)
    return torch.cat((raw.x[..., :3] - mean, raw.x[..., 3:]), -1) * raw.mask


def complete() -> torch.Tensor:
    """Molecules without padding, about their centre."""
    return centred(molecules(8, 2))


TestPointCloud = representation_contract(
    "pointcloud",
    complete(),
    tolerance=1e-5,
    extra={"elements": list(ELEMENTS), "sizes": [[2, 8]], "charged": True},
)


@pytest.mark.parametrize("options", [{}, {"numbers": 0}, {"positions": 2.0, "elements": 1.0}])
def test_a_molecule_comes_back_about_its_centre(options):
    raw, one = molecules(), built(**options)
    torch.testing.assert_close(one.decode(one.encode(raw)).x, centred(raw))


def test_without_ions_no_charge_is_learnt_and_none_is_made():
    raw, one = molecules(), built(charged=False)
    assert one.shape == (None, 3 + len(ELEMENTS) + 1)
    assert not one.decode(one.encode(raw)).x[..., 4].any()


def test_the_shape_is_that_of_what_is_encoded():
    for charged in (False, True):
        for numbers in (0, 10.0):
            one = built(charged, numbers=numbers)
            assert one.encode(molecules()).x.shape[2] == one.shape[1]


def test_scales_are_those_of_the_paper():
    """Positions 1, one-hot elements 4, atomic numbers 10 (Hoogeboom et al. 2022, arXiv:2203.17003)."""
    raw = torch.tensor([[[1.0, 2, 3, 6, 0], [-1, -2, -3, 8, -1]]])
    x = built().encode(Batch(raw)).x[0]
    assert x[0].tolist() == pytest.approx([1, 2, 3, 0, 0.25, 0, 0, 0.6, 0])
    assert x[1].tolist() == pytest.approx([-1, -2, -3, 0, 0, 0, 0.25, 0.8, -0.25])


def test_what_is_encoded_is_centred_and_zero_on_padding():
    raw = molecules()
    batch = built().encode(raw)
    assert batch.x.dtype == torch.float32
    assert batch.x[..., :3].sum(1).abs().max() < 1e-5
    assert not batch.x.masked_select(~raw.mask).any()
    assert batch.mask is raw.mask
    assert batch.cond is raw.cond


def test_what_lies_in_padding_does_not_matter():
    raw, one = molecules(), built()
    dirty = raw.with_x(torch.where(raw.mask, raw.x, 9.0))
    assert torch.equal(one.encode(dirty).x, one.encode(raw).x)
    x = one.encode(raw)
    assert torch.equal(one.decode(x.with_x(torch.where(x.mask, x.x, 9.0))).x, one.decode(x).x)


def test_decoding_takes_the_likeliest_element_and_the_nearest_charge():
    x = torch.zeros(1, 2, 9)
    x[0, 0, 3:] = torch.tensor([0.1, 0.12, -0.3, 0.11, 0.8, 0.2])
    x[0, 1, 3:] = torch.tensor([-0.1, -0.2, -0.3, -0.05, 0.1, -0.37])
    assert built().decode(Batch(x)).x[0, :, 3:].tolist() == [[6, 1], [8, -1]]


def test_decoding_takes_what_no_encoder_gave():
    x = built().encode(molecules())
    for wild in (x.x * 50, x.x * -50, 0 * x.x):
        raw = built().decode(x.with_x(wild)).x
        assert raw.isfinite().all()
        assert set(raw[x.mask.squeeze(-1)][:, 3].int().tolist()) <= set(ELEMENTS)


def test_noise_is_drawn_for_as_many_atoms_as_the_largest_molecule_has():
    assert built().space.ceiling == 7


def test_encoded_numbers_are_of_order_one():
    assert 0.3 < built().encode(molecules(64)).x.square().mean().sqrt() < 2


def test_nothing_needs_to_be_measured():
    assert built().measure([molecules()]) == {}
