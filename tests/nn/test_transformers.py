"""uvit, mmdit and rin: what each of them promises beside the contract."""

from __future__ import annotations

import pytest
import torch

from difftool.engine.flops import flops_of
from difftool.nn.backbone import Interface, Signals
from difftool.nn.transformer.block import Block, Sizes
from difftool.nn.transformer.mmdit import JointBlock, MMDiT
from difftool.nn.transformer.options import BlockOptions, MMDiTOptions, RINOptions, UViTOptions
from difftool.nn.transformer.rin import RIN, Round
from difftool.nn.transformer.uvit import UViT

SMALL = {"width": 24, "depth": 3, "head_width": 12}
SIZES = {"latents": 5, "rounds": 2}
KINDS = {"uvit": (UViT, UViTOptions), "mmdit": (MMDiT, MMDiTOptions), "rin": (RIN, RINOptions)}


def build(kind, shape=(3, 8, 8), stirred=True, vector=0, tokens=0, **options):
    torch.manual_seed(0)
    network, model = KINDS[kind]
    more = SIZES if kind == "rin" else {}
    built = network(model(**{**SMALL, **more, **options}), Interface(shape, vector, tokens)).eval()
    if stirred:  # what starts at zero hides what is behind it
        for p in built.parameters():
            p.data.add_(0.1 * torch.randn(p.shape))
    return built


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_network_predicts_nothing(kind):
    x = torch.randn(2, 3, 8, 8)
    assert not build(kind, stirred=False)(x, torch.zeros(2), Signals()).any()


def test_new_blocks_are_the_identity():
    options, x, embedding = BlockOptions(**SMALL), torch.randn(2, 7, 24), torch.randn(2, 24)
    constant = Block(options, Sizes(2, 0, shared=True))
    assert torch.equal(constant(x, torch.zeros(2, 1), None, x, None), x)
    joint = JointBlock(options, 2, 24)
    turn = torch.stack((torch.ones(7, 6), torch.zeros(7, 6)), -1)
    assert torch.equal(joint(x[:, :3], x[:, 3:], embedding, turn, None), x)
    round = Round(RINOptions(**SMALL, **SIZES))
    h, z = torch.randn(2, 9, 12), torch.randn(2, 5, 24)
    assert all(map(torch.equal, round(h, z, z, None, None), (h, z)))


@pytest.mark.parametrize(("depth", "half"), [(1, 0), (2, 0), (3, 1), (4, 1), (13, 6)])
def test_uvit_joins_each_block_of_the_second_half_to_its_counterpart(depth, half):
    network = build("uvit", depth=depth)
    assert (len(network.blocks), len(network.skips)) == (depth, half)
    assert network(torch.randn(1, 3, 8, 8), torch.zeros(1), Signals()).shape == (1, 3, 8, 8)


def test_a_long_skip_carries_the_first_block_past_a_dead_middle():
    network, x = build("uvit", value_residual=False), torch.randn(1, 3, 8, 8)
    plain = network(x, torch.zeros(1), Signals())
    network.skips[0].weight.data[:, :24] = 0  # what comes from the middle no longer counts
    network.skips[0].bias.data.zero_()
    later = network(x, torch.zeros(1), Signals())
    network.blocks[1].modulation.table.data.mul_(3)  # the middle changes, the output does not
    assert torch.equal(network(x, torch.zeros(1), Signals()), later)
    assert not torch.allclose(plain, later)


@pytest.mark.parametrize(
    ("options", "doubles", "singles"),
    [({}, 1, 2), ({"depth": 9}, 3, 6), ({"two_streams": 9}, 2, 1), ({"depth": 1}, 1, 1)],
)
def test_mmdit_has_two_streams_and_then_one(options, doubles, singles):
    network = build("mmdit", **options)
    assert (len(network.doubles), len(network.blocks)) == (doubles, singles)


def test_the_streams_of_mmdit_see_each_other():
    network = build("mmdit", tokens=5)
    tokens = torch.randn(1, 4, 5, requires_grad=True)
    x = torch.randn(1, 3, 8, 8, requires_grad=True)
    network(x, torch.zeros(1), Signals(tokens=tokens))[0, 0, 0, 0].backward()
    assert (tokens.grad != 0).all()
    assert (x.grad != 0).all()


def test_rin_without_memory_is_a_function_of_its_input_alone():
    network, x, c_noise = build("rin"), torch.randn(2, 3, 8, 8), torch.zeros(2)
    with torch.no_grad():
        y, memory = network.evaluate(x, c_noise, Signals())
        assert torch.equal(network.evaluate(x, c_noise, Signals())[0], y)
        assert torch.equal(network(x, c_noise, Signals(memory=torch.zeros_like(memory))), y)
        assert not torch.allclose(network(x, c_noise, Signals(memory=memory)), y)
    assert memory.shape == (2, 5, 24)


def test_a_new_rin_makes_nothing_of_its_memory():
    network = build("rin", stirred=False)
    network.patches.head.weight.data.normal_()
    x, memory = torch.randn(2, 3, 8, 8), torch.randn(2, 5, 24)
    plain = network(x, torch.zeros(2), Signals())
    assert torch.equal(network(x, torch.zeros(2), Signals(memory=memory)), plain)


def test_the_work_of_rin_on_latents_does_not_grow_with_the_example():
    """Three rounds of many blocks on few tokens: four times the patches cost far less than that."""
    network = build("rin", depth=24, latents=64, width=48)

    def flops(side):
        x = torch.randn(1, 3, side, side)
        return flops_of(lambda: network(x, torch.zeros(1), Signals()))

    assert flops(16) < 1.5 * flops(8)


@pytest.mark.parametrize("kind", ["uvit", "rin"])
def test_a_step_opens_blocks_that_nothing_modulates(kind):
    """A gate that starts at zero would pass no gradient to the matrices behind it."""
    network = build(kind, stirred=False)
    network.patches.head.weight.data.normal_()
    network(torch.randn(2, 3, 8, 8), torch.zeros(2), Signals()).square().sum().backward()
    assert all(block.feedforward.outer.weight.grad.any() for block in network.blocks)


@pytest.mark.parametrize("kind", KINDS)
def test_convolutions_around_the_tokens_see_no_padding(kind):
    network = build(kind, detail=3)
    x, mask = torch.randn(1, 3, 8, 8), torch.ones(1, 3, 8, 8, dtype=torch.bool)
    mask[..., 5:] = False
    other = x.masked_fill(~mask, 7.0)
    with torch.no_grad():
        one, another = (network(t, torch.zeros(1), Signals(), mask) for t in (x, other))
    assert torch.equal(one[..., :5], another[..., :5])
