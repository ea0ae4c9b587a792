"""The published U-Nets: their parameters, their layout, and any size of example."""

from __future__ import annotations

import pytest
import torch

from difftool.nn.attention import SelfAttention
from difftool.nn.backbone import Interface, Signals
from difftool.nn.options import AdmOptions, ResidualUNetOptions
from difftool.nn.residual_unet import ResidualBlock, ResidualUNet

SMALL = {"channels": 8, "multipliers": (1, 2, 2), "blocks": 1, "attention": 16, "attention_from": 0}
NAMES = {"ddpmpp": ResidualUNetOptions, "adm": AdmOptions}


def build(name: str, shape=(3, 8, 8), **options) -> ResidualUNet:
    torch.manual_seed(0)
    return ResidualUNet(NAMES[name](**{**SMALL, "head_width": 8, **options}), Interface(shape))


@pytest.mark.parametrize(
    ("options", "interface", "published"),
    [  # EDM's table counts the nine inputs of augmentation too, without a bias
        (ResidualUNetOptions(), Interface((3, 32, 32)), 55_733_891 - 9 * 128),
        (AdmOptions(), Interface((3, 64, 64), vector=1000), 295_899_267),
    ],
    ids=["ddpmpp", "adm"],
)
def test_parameters_are_those_of_the_published_networks(options, interface, published):
    """Karras et al. 2022, Table 7: 55.7 and 295.9 million."""
    with torch.device("meta"):
        network = ResidualUNet(options, interface)
    assert sum(p.numel() for p in network.parameters()) == published


def test_the_layout_is_the_published_one():
    """16x16 attends, in the decoder in the last block only; blocks that resample never attend."""
    with torch.device("meta"):
        network = ResidualUNet(ResidualUNetOptions(), Interface((3, 32, 32)))

    def attending(side):
        return [
            ["A" if block.attentions else block.resample or "-" for block in blocks]
            for blocks in side
        ]

    assert attending(network.encoder) == [["-"] * 4, ["down", *"AAAA"], ["down", *"----"]]
    assert attending([network.middle]) == [["A", "-"]]
    assert attending(network.decoder) == [["-"] * 5, ["up", *"----A"], ["up", *"-----"]]
    heads = {m.heads for m in network.modules() if isinstance(m, SelfAttention)}
    assert heads == {1}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(2, 7), (1, 9, 14), (2, 3, 4, 5)], ids=str)
def test_any_number_of_dimensions_and_any_size(name, shape):
    network = build(name, shape)
    assert network(torch.randn(2, *shape), torch.zeros(2), Signals()).shape == (2, *shape)


def test_blocks_that_resample_average_and_repeat():
    """A new block is its skip: without a projection, that is all that is left."""
    x = torch.randn(1, 4, 5, 6)
    options = AdmOptions(channels=4)
    down, up = (ResidualBlock(options, 2, 4, 4, 8, [], way).eval() for way in ("down", "up"))
    e, none = torch.zeros(1, 8), (None,) * 4
    small = down(x, e, *none, x.shape[2:])
    assert small.shape == (1, 4, 3, 3)
    torch.testing.assert_close(small[..., 0, 0], x[..., :2, :2].mean((2, 3)))
    large = up(small, e, *none, x.shape[2:])
    assert large.shape == x.shape
    assert torch.equal(large[..., 0, 0], large[..., 1, 1])


def test_a_new_network_predicts_nothing():
    assert not build("ddpmpp")(torch.randn(2, 3, 8, 8), torch.zeros(2), Signals()).any()
