"""The network for clips: that it is the image network frame by frame until it learns otherwise, order, masks and sizes."""

from __future__ import annotations

import pytest
import torch

from difftool import Interface, Signals, UNet, UNetOptions, UsageError
from difftool_video.contracts import SMALL, SPATIAL
from difftool_video.network_options import UNet3dOptions
from difftool_video.space_time import SpaceTimeAttention
from difftool_video.temporal import TemporalAttention
from difftool_video.unet3d import UNet3d

SHAPE = (3, 5, 8, 8)


def build(shape=SHAPE, stir=0.1, vector=0, tokens=0, channels=0, **options) -> UNet3d:
    torch.manual_seed(0)
    network = UNet3d(
        UNet3dOptions(**{**SMALL, **options}), Interface(shape, vector, tokens, channels)
    ).eval()
    return stirred(network, stir)


def stirred(network, by):
    for p in network.parameters():  # what starts at zero hides what is behind it
        p.data.add_(by * torch.randn(p.shape))
    return network


def image_weights(network: UNet3d, **widths: int) -> UNet:
    """A trained image network, its weights in the part that takes them; the layers over time are left as they are at first."""
    torch.manual_seed(1)
    picture = stirred(UNet(UNetOptions(**SPATIAL), Interface((3, 8, 8), **widths)).eval(), 0.1)
    getattr(network, network.inner_network).load_state_dict(picture.state_dict())
    return picture


@pytest.mark.parametrize("size", [(8, 8), (7, 10)], ids=str)
@pytest.mark.parametrize("frames", [1, 6])
def test_with_image_weights_a_clip_is_so_many_pictures(frames, size):
    network = build(stir=0, vector=4, tokens=6)
    picture = image_weights(network, vector=4, tokens=6)
    x, c_noise, signals = (
        torch.randn(2, 3, frames, *size),
        torch.tensor([-0.5, 0.5]),
        Signals(torch.randn(2, 4), torch.randn(2, 3, 6)),
    )
    with torch.no_grad():
        clip = network(x, c_noise, signals)
        pictures = torch.stack([picture(frame, c_noise, signals) for frame in x.unbind(2)], 2)
    torch.testing.assert_close(clip, pictures, atol=1e-5, rtol=1e-5)


def test_what_is_laid_beside_does_not_change_the_image_network():
    """It enters by layers of its own, which say nothing at first and learn even where the image network is frozen."""
    network = build(stir=0, channels=2, freeze_spatial=True)
    picture = image_weights(network)
    x, c_noise, beside = torch.randn(2, 3, 1, 8, 8), torch.zeros(2), torch.randn(2, 2, 1, 8, 8)
    y = network(x, c_noise, Signals(channels=beside))
    torch.testing.assert_close(
        y[:, :, 0], picture(x[:, :, 0], c_noise, Signals()), atol=1e-5, rtol=1e-5
    )
    y.square().sum().backward()
    assert network.beside.weight.grad.any()


def test_only_the_layers_over_time_learn_when_asked_for():
    network = build(freeze_spatial=True, channels=2)
    network(
        torch.randn(1, *SHAPE), torch.zeros(1), Signals(channels=torch.randn(1, 2, *SHAPE[1:]))
    ).square().sum().backward()
    learnt = {
        name.partition(".")[0] for name, p in network.named_parameters() if p.grad is not None
    }
    assert learnt == {"temporal", "beside"}
    assert all(p.grad.any() for p in network.temporal.parameters())


def test_frames_out_of_order_are_another_clip():
    network = build()
    x, c_noise, order = torch.randn(2, *SHAPE), torch.zeros(2), torch.tensor([1, 3, 0, 4, 2])
    with torch.no_grad():
        y = network(x, c_noise, Signals())
        assert (network(x.flip(2), c_noise, Signals()).flip(2) - y).norm() > 0.01 * y.norm()
        assert (
            network(x[:, :, order], c_noise, Signals()) - y[:, :, order]
        ).norm() > 0.01 * y.norm()


def test_clips_in_another_order_are_the_same_clips():
    network = build(vector=4, tokens=6, channels=2)
    x, c_noise, order = torch.randn(3, *SHAPE), torch.rand(3), torch.tensor([2, 0, 1])
    signals = Signals(torch.randn(3, 4), torch.randn(3, 3, 6), torch.randn(3, 2, *SHAPE[1:]))
    turned = Signals(signals.vector[order], signals.tokens[order], signals.channels[order])
    with torch.no_grad():
        torch.testing.assert_close(
            network(x[order], c_noise[order], turned),
            network(x, c_noise, signals)[order],
            atol=1e-5,
            rtol=1e-5,
        )


def test_every_signal_reaches_the_output():
    network = build(vector=4, tokens=6, channels=2)
    x, c_noise = torch.randn(2, *SHAPE), torch.zeros(2)
    given = {
        "vector": torch.randn(2, 4),
        "tokens": torch.randn(2, 3, 6),
        "channels": torch.randn(2, 2, *SHAPE[1:]),
    }
    with torch.no_grad():
        usual = network(x, c_noise, Signals(**given))
        for name, value in given.items():
            assert not torch.allclose(
                usual, network(x, c_noise, Signals(**{**given, name: value.flip(0)})), atol=1e-4
            ), name


@pytest.mark.parametrize(("frames", "height", "width"), [(5, 8, 8), (3, 8, 8), (4, 5, 7)])
@pytest.mark.parametrize(("patch", "joint"), [(1, 0), (2, 0), (2, 16)])
def test_a_padded_clip_gives_the_answer_of_the_clip_alone(frames, height, width, patch, joint):
    """In time alone with a mask of frames, ``[b, 1, t, 1, 1]``, and in space as well with one of pixels."""
    network = build(vector=4, channels=1, patch=patch, joint_attention=joint)
    x, beside, vector, c_noise = (
        torch.randn(2, 3, 6, 8, 8),
        torch.randn(2, 1, 6, 8, 8),
        torch.randn(2, 4),
        torch.tensor([-0.5, 0.5]),
    )
    inside = (slice(None), slice(None), slice(frames), slice(height), slice(width))
    mask = torch.zeros(2, 1, 6, 8, 8, dtype=torch.bool)
    mask[inside] = True
    mask = mask[..., :1, :1] if (height, width) == (8, 8) else mask
    with torch.no_grad():
        alone = network(x[inside], c_noise, Signals(vector, None, beside[inside]))
        padded = network(x, c_noise, Signals(vector, None, beside), mask)
        other = network(
            torch.where(mask, x, 50.0),
            c_noise,
            Signals(vector, None, torch.where(mask, beside, -50.0)),
            mask,
        )
    torch.testing.assert_close(padded[inside], alone, atol=1e-5, rtol=1e-5)
    assert torch.equal(padded[inside], other[inside])


@pytest.mark.parametrize("joint", [0, 16])
def test_clips_of_several_lengths_share_a_batch(joint):
    network = build(joint_attention=joint)
    x, c_noise, lengths = torch.randn(3, *SHAPE), torch.rand(3), [5, 1, 3]
    mask = (torch.arange(5) < torch.tensor(lengths)[:, None])[:, None, :, None, None]
    with torch.no_grad():
        padded = network(x, c_noise, Signals(), mask)
        for i, n in enumerate(lengths):
            alone = network(x[i : i + 1, :, :n], c_noise[i : i + 1], Signals())
            torch.testing.assert_close(padded[i : i + 1, :, :n], alone, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("joint", [0, 1000])
def test_gradients_are_finite_where_frames_and_pixels_are_padding(joint):
    network = build(attention=1000, time_attention=1000, joint_attention=joint).train()
    mask = torch.ones(2, 1, *SHAPE[1:], dtype=torch.bool)
    mask[0, :, 2:], mask[1, ..., 3:] = False, False
    (
        network(torch.randn(2, *SHAPE), torch.zeros(2), Signals(), mask) * mask
    ).square().sum().backward()
    assert all(p.grad.isfinite().all() for p in network.parameters())


@pytest.mark.parametrize("frames", [1, 2, 40])
def test_another_number_of_frames_than_it_was_built_for(frames):
    x = torch.randn(1, 3, frames, 8, 8)
    with torch.no_grad():
        y = build()(x, torch.zeros(1), Signals())
    assert y.shape == x.shape
    assert y.isfinite().all()


def test_axes_may_vary():
    network = build((3, None, None, None))
    for size in ((2, 8, 8), (5, 7, 12)):
        x = torch.randn(1, 3, *size)
        assert network(x, torch.zeros(1), Signals()).shape == x.shape
    assert not any(layer.attention for layer in network.temporal)


def test_attention_over_time_is_where_positions_of_a_frame_are_few():
    levels = {"multipliers": (1, 1, 1), "patch": 1, "time_attention": 64}
    network = build((3, 4, 16, 16), **levels)
    assert [layer.attention is not None for layer in network.temporal] == [
        level.positions <= 64 for level in network.spatial.block_levels()
    ]
    assert not any(
        layer.attention
        for layer in build((3, 4, 16, 16), **{**levels, "time_attention": 0}).temporal
    )


def test_joint_attention_is_in_the_place_of_that_over_time():
    network = build(
        (3, 4, 16, 16), multipliers=(1, 1, 1), patch=1, time_attention=64, joint_attention=16
    )
    kinds = {256: type(None), 64: TemporalAttention, 16: SpaceTimeAttention}
    assert [type(layer.attention) for layer in network.temporal] == [
        kinds[level.positions] for level in network.spatial.block_levels()
    ]


@pytest.mark.parametrize("shape", [(3, 8, 8), (3, 4, 8, 8, 8)], ids=str)
def test_only_clips_are_taken(shape):
    with pytest.raises(UsageError, match=r"unet3d works on clips.*\(3.*another backbone"):
        build(shape)


def test_an_even_kernel_over_time_is_refused():
    with pytest.raises(ValueError, match="time_kernel"):
        UNet3dOptions(time_kernel=2)


def test_checkpointing_saves_the_blocks_insides_and_nothing_else_changes():
    saved, gradients = [], []
    for checkpointing in (False, True):
        network = build(dropout=0.2).train()
        network.checkpointing = checkpointing
        kept = []
        torch.manual_seed(1)
        with torch.autograd.graph.saved_tensors_hooks(
            lambda t, kept=kept: kept.append(t.numel()) or t, lambda t: t
        ):
            loss = network(torch.ones(2, *SHAPE), torch.rand(2), Signals()).square().sum()
        saved.append(sum(kept))
        loss.backward()
        gradients.append([p.grad for p in network.parameters()])
    assert saved[1] < saved[0] / 2
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


def test_channels_last_and_half_precision_agree_with_the_plain_network():
    network = build((3, 4, 16, 16), attention=64, time_attention=64)
    x, c_noise = torch.randn(2, 3, 4, 16, 16), torch.rand(2)
    with torch.no_grad():
        plain = network(x, c_noise, Signals())
        with torch.autocast("cpu", torch.bfloat16):
            half = network(x, c_noise, Signals())
        last = network.to(memory_format=torch.channels_last)(x, c_noise, Signals())
    torch.testing.assert_close(last, plain, atol=1e-5, rtol=1e-4)
    assert half.dtype == torch.bfloat16
    assert (half.float() - plain).norm() / plain.norm() < 0.03


def test_it_has_the_size_that_it_is_measured_at():
    with torch.device("meta"):
        network = UNet3d(UNet3dOptions(), Interface((3, 8, 32, 32)))
    assert sum(p.numel() for p in network.parameters()) / 1e6 == pytest.approx(17.1, rel=0.02)


def test_it_learns_what_needs_the_frame_before():
    torch.manual_seed(0)
    network = UNet3d(UNet3dOptions(**SMALL), Interface((1, 4, 8, 8)))
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3)
    x, c_noise = torch.randn(16, 1, 4, 8, 8), torch.rand(16)
    target = torch.cat((torch.zeros(16, 1, 1, 8, 8), x[:, :, :-1]), 2)
    for _ in range(150):
        loss = (network(x, c_noise, Signals()) - target).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.3 * target.square().mean()


def test_given_frames_stand_in_the_place_of_the_noisy_ones():
    """Their noise is not seen, whatever it is; that of the others is."""
    network, x, c_noise = build(channels=4), torch.randn(1, 3, 5, 8, 8), torch.zeros(1)
    where = (torch.arange(5) < 2).float()[None, None, :, None, None].expand(1, 1, 5, 8, 8)
    given = torch.cat((torch.randn(1, 3, 5, 8, 8) * where, where), 1)

    def run(x, given):
        with torch.no_grad():
            return network(x, c_noise, Signals(channels=given))

    noisier = torch.cat((x[:, :, :2] + 5, x[:, :, 2:]), 2)
    assert torch.equal(run(x, given), run(noisier, given))
    assert not torch.allclose(run(x, given), run(x, given * 0.5))
    assert not torch.allclose(run(x, 0 * given), run(noisier, 0 * given))
