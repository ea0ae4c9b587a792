"""The layers over time: what a frame can see, relative positions, and masks."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from difftool_video.temporal import (
    RelativePosition,
    TemporalAttention,
    TemporalConv,
    TemporalLayer,
    Timeline,
)


def stirred(layer, by=0.2):
    for p in layer.parameters():  # what starts at zero hides what is behind it
        p.data.add_(by * torch.randn(p.shape))
    return layer.eval()


def layer(kernel=3, attention=True, reach=8) -> TemporalLayer:
    torch.manual_seed(0)
    return stirred(
        TemporalLayer(8, kernel, 16, TemporalAttention(8, 4, reach) if attention else None)
    )


def by_clip(x):
    return x.unflatten(0, (2, -1))


@pytest.mark.parametrize("attention", [True, False])
def test_a_new_layer_says_nothing(attention):
    made = TemporalLayer(8, 3, 16, TemporalAttention(8, 4, 8) if attention else None)
    x = torch.randn(10, 8, 3, 4)
    assert torch.equal(made(x, torch.randn(10, 16), None, Timeline(5)), x)


@pytest.mark.parametrize("kernel", [1, 3, 5])
@pytest.mark.parametrize("frames", [1, 2, 7])
def test_the_convolution_is_one_of_three_dimensions_along_time(kernel, frames):
    torch.manual_seed(0)
    made = stirred(TemporalConv(6, kernel))
    x = torch.randn(2 * frames, 6, 3, 4)
    clips = by_clip(x).transpose(1, 2)
    whole = F.conv3d(
        clips, made.conv.weight[..., None, None], made.conv.bias, padding=(kernel // 2, 0, 0)
    )
    torch.testing.assert_close(
        made(x, frames), whole.transpose(1, 2).flatten(0, 1), atol=1e-5, rtol=1e-5
    )


@pytest.mark.parametrize(
    ("kernel", "attention", "seen"),
    [(3, False, [2, 3, 4]), (5, False, [1, 2, 3, 4, 5]), (1, True, list(range(7)))],
)
def test_what_a_frame_sees(kernel, attention, seen):
    x = torch.randn(7, 8, 2, 2, requires_grad=True)
    layer(kernel, attention)(x, torch.randn(7, 16), None, Timeline(7))[3].square().sum().backward()
    assert x.grad.flatten(1).abs().sum(1).nonzero().flatten().tolist() == seen


def test_positions_do_not_meet():
    """But for the statistics of the norm, which are of a whole frame: here they are kept as they are."""
    attention = layer().attention
    attention.norm = torch.nn.Identity()
    attention.norm.forward = lambda x, mask: x
    x = torch.randn(5, 8, 2, 3, requires_grad=True)
    attention(x, None, Timeline(5))[..., 1, 2].square().sum().backward()
    reached = x.grad.abs().sum((0, 1))
    assert reached[1, 2] > 0
    assert reached.sum() == reached[1, 2]


def test_attention_tells_before_from_after():
    attention = layer().attention
    x = torch.randn(6, 8, 2, 2)
    turned = attention(x.flip(0), None, Timeline(6)).flip(0)
    assert not torch.allclose(attention(x, None, Timeline(6)), turned, atol=1e-3)
    attention.distance.weight.data.zero_()
    torch.testing.assert_close(
        attention(x, None, Timeline(6)),
        attention(x.flip(0), None, Timeline(6)).flip(0),
        atol=1e-5,
        rtol=1e-5,
    )


@pytest.mark.parametrize("reach", [2, 8, 16, 64])
def test_buckets_widen_and_the_last_is_open(reach):
    positions = RelativePosition(2, reach)
    bucket = positions.bucket(torch.arange(0, -1000, -1)).tolist()
    assert bucket[:5] == [0, 1, 2, 3, 4]
    assert bucket == sorted(bucket)
    assert bucket[-1] == 7
    last = bucket.index(7)
    assert last < max(reach, 8)
    widths = [bucket.count(i) for i in range(7)]
    assert widths == sorted(widths)


def test_buckets_before_and_after_are_apart():
    positions = RelativePosition(2, 16)
    before, after = (
        positions.bucket(torch.arange(-40, 0)),
        positions.bucket(torch.arange(40, 0, -1)),
    )
    assert torch.equal(before + 7, after)
    assert set(before.tolist()) == set(range(1, 8))


def test_positions_are_relative():
    positions = stirred(RelativePosition(2, 16))
    bias = positions(30)
    assert bias.shape == (2, 30, 30)
    torch.testing.assert_close(bias[:, 1:, 1:], bias[:, :-1, :-1])
    torch.testing.assert_close(positions(12), bias[:, :12, :12])


@pytest.mark.parametrize("within", [False, True])
def test_padding_is_not_seen_and_a_clip_with_padding_is_the_clip_alone(within):
    made, x, embedding = layer(), torch.randn(2, 6, 8, 4, 5), torch.randn(2, 16)
    real = torch.arange(6) < torch.tensor([[4], [6]])
    mask = torch.ones(2, 6, 1, 4, 5, dtype=torch.bool)
    if within:
        mask[..., 3:] = False
    time = Timeline(6, real.flatten()[:, None, None, None])
    steer = embedding.repeat_interleave(6, 0)
    inside = slice(0, 3) if within else slice(None)

    def run(x):
        return by_clip(made(x.flatten(0, 1), steer, mask.flatten(0, 1) if within else None, time))

    padded = run(x)
    other = run(torch.where(real[..., None, None, None] & mask, x, 50.0))
    assert torch.equal(padded[0, :4, ..., inside], other[0, :4, ..., inside])
    assert torch.equal(padded[1, ..., inside], other[1, ..., inside])
    alone = made(x[0, :4, ..., inside], steer[:4], None, Timeline(4))
    torch.testing.assert_close(padded[0, :4, ..., inside], alone, atol=1e-5, rtol=1e-5)


def test_a_clip_of_padding_alone_is_finite_and_so_are_its_gradients():
    made, x = layer(), torch.randn(6, 8, 2, 2, requires_grad=True)
    y = made(x, torch.randn(6, 16), None, Timeline(3, (torch.arange(6) < 3)[:, None, None, None]))
    y.square().sum().backward()
    assert y.isfinite().all()
    assert x.grad.isfinite().all()
    assert all(p.grad.isfinite().all() for p in made.parameters())
