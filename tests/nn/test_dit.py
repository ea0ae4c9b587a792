"""The diffusion transformer: its contract in every form, and the laws of its parts."""

from __future__ import annotations

import pytest
import torch

from difftool.errors import UsageError
from difftool.nn.backbone import Interface, Signals
from difftool.nn.transformer.axes import causal
from difftool.nn.transformer.block import Block, Sizes
from difftool.nn.transformer.dit import DiT
from difftool.nn.transformer.norm import RMSNorm
from difftool.nn.transformer.options import PRESETS, DiTOptions, TransformerOptions
from difftool.nn.transformer.rotary import Rotary, rotated, turns
from difftool.testing import backbone_contract

SMALL = {"width": 24, "depth": 2, "head_width": 12}
MODERN = {
    **SMALL,
    "feedforward": "swiglu",
    "modulation": "shared",
    "registers": 2,
    "tokens": "context",
    "vector": "context",
    "bottleneck": 6,
    "detail": 4,
    "patch": (4, 2),
    "stretch": True,
}
SLICES = {
    **SMALL,
    "detail": 4,
    "stretch": True,
    "attention": "factorised",
    "causal": True,
    "patch": (1, 2, 2),
}
PLAIN = {**SMALL, "qk_norm": False, "value_residual": False, "absolute": False, "causal": True}

TestModern = backbone_contract("dit", (3, 8, 8), MODERN, [(7, 9), (12, 6)])
TestSlices = backbone_contract("dit", (2, 4, 4, 6), SLICES, [(3, 5, 5)])
TestPlain = backbone_contract("dit", (2, 12), PLAIN, [(7,)])


def build(shape=(3, 8, 8), stirred=True, vector=0, tokens=0, **options) -> DiT:
    torch.manual_seed(0)
    network = DiT(DiTOptions(**{**SMALL, **options}), Interface(shape, vector, tokens)).eval()
    if stirred:  # what starts at zero hides what is behind it
        for p in network.parameters():
            p.data.add_(0.1 * torch.randn(p.shape))
    return network


def block(**options) -> Block:
    torch.manual_seed(0)
    return Block(TransformerOptions(**{**SMALL, **options}), Sizes(heads=2, embedding=24, cross=5))


@pytest.mark.parametrize("feedforward", ["gelu", "swiglu"])
def test_a_new_block_is_the_identity(feedforward):
    x, embedding, tokens = torch.randn(2, 7, 24), torch.randn(2, 24), torch.randn(2, 3, 5)
    new = block(feedforward=feedforward)
    assert torch.equal(new(x, embedding, None, x, None, tokens), x)


def test_a_new_network_predicts_nothing():
    x = torch.randn(2, 3, 8, 8)
    assert not build(stirred=False)(x, torch.zeros(2), Signals()).any()


def test_permuted_tokens_with_their_positions_give_permuted_output():
    layer = block()
    for p in layer.parameters():
        p.data.add_(0.1 * torch.randn(p.shape))
    x, embedding, first = torch.randn(2, 7, 24), torch.randn(2, 24), torch.randn(2, 7, 24)
    turn, order = turns(Rotary(12, 2, 100.0)(torch.rand(7, 2) * 9)), torch.randperm(7)
    scores = torch.randn(1, 2, 7, 7)
    plain = layer(x, embedding, turn, first, scores, None)
    moved = layer(
        x[:, order],
        embedding,
        turn[order],
        first[:, order],
        scores[..., order, :][..., order],
        None,
    )
    torch.testing.assert_close(moved, plain[:, order], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("head_width", "axes"), [(12, 1), (12, 2), (12, 3), (10, 2), (4, 3)])
def test_rotary_scores_depend_on_differences_of_positions_only(head_width, axes):
    rotary = Rotary(head_width, axes, 100.0)
    query, key = torch.randn(2, 5, head_width)
    places, shift = torch.rand(5, axes) * 9, torch.rand(axes) * 50

    def scores(places):
        turn = turns(rotary(places))
        return rotated(query, turn) @ rotated(key, turn).T

    torch.testing.assert_close(scores(places), scores(places + shift), atol=1e-4, rtol=1e-4)
    turned = turns(rotary(places))
    torch.testing.assert_close(rotated(query, turned).norm(dim=-1), query.norm(dim=-1))


def test_the_fast_rotation_and_normalisation_agree_with_their_definitions():
    x, turn = torch.randn(2, 3, 5, 8), turns(torch.randn(5, 4))
    half = rotated(x.double(), turn)  # the formula: only float32 takes the fast way
    torch.testing.assert_close(rotated(x, turn).double(), half, atol=1e-5, rtol=1e-5)
    x = torch.randn(3, 8, dtype=torch.float64, requires_grad=True)
    norm = RMSNorm(8)
    torch.testing.assert_close(norm(x), torch.nn.functional.rms_norm(x, (8,), eps=1e-6))
    assert torch.autograd.gradcheck(norm, (x,), check_forward_ad=True, atol=1e-4)
    assert torch.autograd.gradgradcheck(norm, (x,), atol=1e-4)


@pytest.mark.parametrize(("attention", "detail"), [("full", 0), ("factorised", 0), ("full", 4)])
def test_causal_attention_sees_no_later_slice(attention, detail):
    options = {"attention": attention, "detail": detail}
    network = build((2, 5, 4, 4), causal=True, patch=(1, 2, 2), **options)
    x = torch.randn(1, 2, 5, 4, 4)
    other = x.clone()
    other[:, :, 3:] = torch.randn(1, 2, 2, 4, 4)
    with torch.no_grad():
        one, another = (network(t, torch.zeros(1), Signals()) for t in (x, other))
    torch.testing.assert_close(one[:, :, :3], another[:, :, :3], atol=1e-5, rtol=1e-5)
    assert not torch.allclose(one[:, :, 3:], another[:, :, 3:])


def test_registers_do_not_carry_later_slices_to_earlier_ones():
    network = build((2, 12), causal=True, registers=3)
    x = torch.randn(1, 2, 12)
    other = torch.cat((x[..., :8], torch.randn(1, 2, 4)), -1)
    with torch.no_grad():
        one, another = (network(t, torch.zeros(1), Signals()) for t in (x, other))
    torch.testing.assert_close(one[..., :8], another[..., :8], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("detail", "reach"), [(0, 4), (3, 7)])
def test_convolutions_see_beyond_the_edge_of_a_patch(detail, reach):
    """Without blocks an entry at the edge depends on its own patch; with convolutions on more."""
    network = build((1, 16), depth=1, patch=(4,), detail=detail)
    network.transformer.blocks = torch.nn.ModuleList()
    x = torch.randn(1, 1, 16, requires_grad=True)
    network(x, torch.zeros(1), Signals())[0, 0, 3].backward()
    assert (x.grad[0, 0] != 0).sum() > reach if detail else (x.grad[0, 0, 4:] == 0).all()


def test_positions_of_sizes_that_vary_do_not_depend_on_the_padding():
    network = build((3, None, None), stretch=True)
    x, mask = torch.randn(1, 3, 8, 8), torch.zeros(1, 3, 8, 8, dtype=torch.bool)
    mask[..., :4, :4] = True
    with torch.no_grad():
        company = network(x, torch.zeros(1), Signals(), mask)[..., :4, :4]
        alone = network(x[..., :4, :4], torch.zeros(1), Signals())
    torch.testing.assert_close(company, alone, atol=1e-5, rtol=1e-5)


def test_causal_scores_are_blocks_of_slices():
    scores = causal(2, 2, torch.device("cpu"))[0, 0]
    assert (scores == 0).int().tolist() == [[1, 1, 0, 0]] * 2 + [[1] * 4] * 2


def test_factorised_attention_within_a_slice_and_along_the_axis_reaches_everything():
    network = build((1, 3, 4, 4), attention="factorised", patch=(1, 2, 2))
    x = torch.randn(1, 1, 3, 4, 4, requires_grad=True)
    network(x, torch.zeros(1), Signals())[0, 0, 0, 0, 0].backward()
    assert (x.grad != 0).all()


@pytest.mark.parametrize("preset", ["S", "B", "L", "XL"])
def test_parameters_agree_with_the_formula(preset):
    """Of each block 4 w^2 in attention, 8 in the feed-forward layer and 6 in the modulation."""
    with torch.device("meta"):
        network = DiT(
            DiTOptions(preset=preset, qk_norm=False, value_residual=False, patch=(2,)),
            Interface((4, 32, 32)),
        )
    w, depth = PRESETS[preset]["width"], PRESETS[preset]["depth"]
    each = 18 * w * w + (3 + 1 + 4 + 1 + 6) * w
    ends = (16 * w + w) + (128 * w + w + w * w + w) + (2 * w * w + 2 * w) + (w * 16 + 16)
    counted = sum(p.numel() for p in network.parameters())
    assert counted == depth * each + ends
    known = {"S": 33, "B": 130, "L": 458, "XL": 675}[preset]  # Peebles & Xie 2023, Table 4
    assert counted / 1e6 == pytest.approx(known, rel=0.02)


def test_a_preset_gives_way_to_what_is_set():
    options = DiTOptions(preset="S", depth=3)
    assert (options.channels, options.layers) == (384, 3)


def test_shared_modulation_saves_a_quarter():
    count = {
        kind: sum(p.numel() for p in build(modulation=kind, depth=20).blocks.parameters())
        for kind in ("block", "shared")
    }
    assert count["shared"] / count["block"] == pytest.approx(2 / 3, abs=0.02)


@pytest.mark.parametrize(
    ("shape", "options", "message"),
    [
        ((None, 5), {}, "does not take examples"),
        ((2, 4, 4), {"patch": (1, 2, 2)}, "has 3 sides, but examples have 2 axes"),
        ((2, 4, 4), {"width": 30}, "does not split into heads"),
        ((2, 8), {"attention": "factorised"}, "two or more axes"),
        ((2, 4, 4), {"attention": "factorised", "registers": 1}, "cannot have registers"),
    ],
)
def test_what_does_not_fit_is_refused(shape, options, message):
    with pytest.raises(UsageError, match=message):
        build(shape, **options)


def test_half_precision_keeps_close():
    network, x = build(vector=4), torch.randn(2, 3, 8, 8)
    signals = Signals(vector=torch.randn(2, 4))
    with torch.no_grad():
        exact = network(x, torch.zeros(2), signals)
        with torch.autocast("cpu", torch.bfloat16):
            rough = network(x, torch.zeros(2), signals)
    assert (rough - exact).std() < 0.03 * exact.std()


def test_one_compilation_serves_all_blocks():
    """Equal modules with inputs of equal shapes, without a break."""
    from torch._dynamo.testing import CompileCounter

    network, counter = build(vector=4, tokens=5, depth=4), CompileCounter()
    assert len(list(network.regions())) == 4
    torch._dynamo.reset()
    for block in network.regions():
        block.compile(backend=counter, fullgraph=True)
    signals = Signals(torch.randn(2, 4), torch.randn(2, 3, 5))
    network(torch.randn(2, 3, 8, 8), torch.zeros(2), signals).sum().backward()
    assert counter.frame_count == 1
