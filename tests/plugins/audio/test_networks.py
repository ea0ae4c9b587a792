"""The networks for sound: sizes of their papers, masks, and that a shifted sound gives a shifted answer."""

from __future__ import annotations

import pytest
import torch

from difftool import Backbone, Interface, Signals, UsageError
from difftool_audio.contracts import DIFFWAVE, UNET
from difftool_audio.diffwave import DiffWave
from difftool_audio.network_options import DiffWaveOptions, UNet1dOptions
from difftool_audio.unet1d import unet1d


def network(name: str, length: int | None, **widths: int) -> Backbone:
    torch.manual_seed(0)
    interface = Interface((1, length), **widths)
    made = (
        unet1d(UNet1dOptions(**UNET), interface)
        if name == "unet1d"
        else DiffWave(DiffWaveOptions(**DIFFWAVE), interface)
    )
    for p in made.parameters():  # what starts at zero hides what is behind it
        p.data.add_(0.05 * torch.randn(p.shape))
    return made.eval()


@pytest.mark.parametrize("name", ["unet1d", "diffwave"])
def test_a_sound_shifted_by_the_stride_gives_the_answer_shifted(name):
    made = network(name, 8192)
    stride, at, length = made.patch * 4 * 4 if name == "unet1d" else 1, 4032, 128
    x, c_noise = torch.zeros(1, 1, 8192), torch.zeros(1)
    x[..., at : at + length] = torch.randn(length)
    inside = slice(2048, -2048)  # the ends are told from the inside by their padding
    with torch.no_grad():
        here, there = (
            made(moved, c_noise, Signals())[..., inside] for moved in (x, x.roll(3 * stride, -1))
        )
    torch.testing.assert_close(
        there[..., 3 * stride :], here[..., : -3 * stride], atol=1e-5, rtol=1e-4
    )
    assert not torch.allclose(there, here, atol=1e-2)


@pytest.mark.parametrize("name", ["unet1d", "diffwave"])
@pytest.mark.parametrize("real", [640, 501])
def test_a_padded_sound_gives_the_answer_of_the_sound_alone(name, real):
    made = network(name, None, vector=4, channels=2)
    x, beside, vector, c_noise = (
        torch.randn(2, 1, 800),
        torch.randn(2, 2, 800),
        torch.randn(2, 4),
        torch.tensor([-0.5, 0.5]),
    )
    mask = torch.arange(800).expand(2, 1, 800) < real
    with torch.no_grad():
        alone = made(x[..., :real], c_noise, Signals(vector, None, beside[..., :real]))
        padded = made(x, c_noise, Signals(vector, None, beside), mask)
    torch.testing.assert_close(padded[..., :real], alone, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", ["unet1d", "diffwave"])
def test_every_signal_reaches_the_output(name):
    made = network(name, 256, vector=4, channels=2)
    x, c_noise, vector, beside = (
        torch.randn(2, 1, 256),
        torch.zeros(2),
        torch.randn(2, 4),
        torch.randn(2, 2, 256),
    )
    with torch.no_grad():
        usual = made(x, c_noise, Signals(vector, None, beside))
        assert not torch.allclose(
            usual, made(x, c_noise, Signals(vector.flip(0), None, beside)), atol=1e-4
        )
        assert not torch.allclose(
            usual, made(x, c_noise, Signals(vector, None, beside.flip(0))), atol=1e-4
        )


@pytest.mark.parametrize("name", ["unet1d", "diffwave"])
def test_only_long_axes_are_taken(name):
    make = {
        "unet1d": lambda i: unet1d(UNet1dOptions(), i),
        "diffwave": lambda i: DiffWave(DiffWaveOptions(), i),
    }[name]
    with pytest.raises(UsageError, match=r"one axis.*\(1, 80, 64\).*another backbone"):
        make(Interface((1, 80, 64)))


def test_diffwave_says_that_it_cannot_attend():
    with pytest.raises(UsageError, match="tokens"):
        DiffWave(DiffWaveOptions(), Interface((1, 64), tokens=8))


def test_levels_of_unet1d_are_steps_of_four_unless_said_otherwise():
    made = unet1d(UNet1dOptions(multipliers=(1, 2, 2)), Interface((1, 1024)))
    assert made.factors == (4, 4)
    assert unet1d(
        UNet1dOptions(multipliers=(1, 2, 2), factors=(2, 3)), Interface((1, 1024))
    ).factors == (2, 3)


def test_unet1d_has_the_size_that_it_is_measured_at_and_attends_where_positions_are_few():
    with torch.device("meta"):
        made = unet1d(UNet1dOptions(), Interface((1, 16384)))
    assert sum(p.numel() for p in made.parameters()) / 1e6 == pytest.approx(11.2, rel=0.01)
    assert [bool(level[0].attentions) for level in made.encoder] == [
        False,
        False,
        False,
        True,
        True,
    ]


def size(options: DiffWaveOptions, **widths: int) -> float:
    with torch.device("meta"):
        return (
            sum(p.numel() for p in DiffWave(options, Interface((1, 16000), **widths)).parameters())
            / 1e6
        )


def test_diffwave_has_the_size_of_the_paper():
    """Kong et al. 2021: 24.1 M for spoken digits without conditions (Table 3); 2.64 M for the vocoder, its mel upsampler among them."""
    assert size(DiffWaveOptions(channels=256, layers=36, cycle=12)) == pytest.approx(24.1, rel=0.01)
    assert size(DiffWaveOptions(), channels=80) == pytest.approx(2.64, rel=0.02)


@pytest.mark.parametrize(("layers", "cycle", "seen"), [(6, 3, 29), (30, 10, 6139)])
def test_diffwave_sees_as_far_as_the_paper_says(layers, cycle, seen):
    """2 (sum of the dilations) + 1 positions: 6139 for 30 layers in cycles of 10 (Kong et al. 2021, Sec. 3.1)."""
    torch.manual_seed(0)
    made = DiffWave(
        DiffWaveOptions(channels=8, layers=layers, cycle=cycle), Interface((1, None))
    ).double()
    torch.nn.init.normal_(made.head.weight)
    x = torch.randn(1, 1, seen + 100, dtype=torch.float64, requires_grad=True)
    made(x, torch.zeros(1), Signals())[0, 0, x.shape[2] // 2].backward()
    reached = x.grad[0, 0].nonzero()
    assert int(reached.max() - reached.min()) + 1 == seen


def test_a_new_diffwave_says_nothing():
    made = DiffWave(DiffWaveOptions(**DIFFWAVE), Interface((2, 50)))
    assert not made(torch.randn(1, 2, 50), torch.zeros(1), Signals()).any()


def test_a_new_diffwave_neither_fades_nor_blows_up():
    torch.manual_seed(0)
    made = DiffWave(DiffWaveOptions(), Interface((1, 2048)))
    torch.nn.init.kaiming_normal_(made.head.weight, nonlinearity="linear")
    with torch.no_grad():
        assert 0.1 < made(torch.randn(1, 1, 2048), torch.zeros(1), Signals()).std() < 10
