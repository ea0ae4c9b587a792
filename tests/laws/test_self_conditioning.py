"""What a denoiser remembers: its estimate, or a network's own latents, from one level to the next."""

from __future__ import annotations

import pytest
import torch

from difftool.circle import Circular
from difftool.denoiser import Denoiser
from difftool.guidance.between import Between
from difftool.guidance.bind import bind
from difftool.guidance.cfg import classifier_free
from difftool.guidance.informed import Informed
from difftool.nn.backbone import Backbone, Interface, Signals
from difftool.nn.self_conditioning import SelfConditioning
from difftool.nn.transformer.options import RINOptions
from difftool.nn.transformer.rin import RIN
from difftool.objective import Moment, Noised, remembered
from difftool.process.options import EdmOptions, KarrasOptions
from difftool.process.preconditioning import Edm
from difftool.process.schedule import Karras
from difftool.tiles import Tiled

ROW = Edm(EdmOptions(), Karras(KarrasOptions()))
GRID, POINTS = Interface((2, 4)), Interface((None, 5))


class Spy(Backbone):
    """Keeps what it is given, and predicts a multiple of its input."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor(0.5))
        self.seen: list[Signals] = []
        self.entered: list[torch.Tensor] = []

    def forward(self, x, c_noise, signals, mask=None):
        self.seen.append(signals)
        self.entered.append(x)
        return self.weight * x


def denoiser(interface: Interface = GRID) -> Denoiser:
    return Denoiser(Spy(), ROW, {}, self_conditioning=SelfConditioning.of(interface))


def rin() -> Denoiser:
    torch.manual_seed(0)
    options = RINOptions(width=16, depth=2, head_width=8, rounds=2, latents=3)
    network = RIN(options, GRID)
    for p in network.parameters():
        p.data.add_(0.2 * torch.randn(p.shape))
    return Denoiser(network, ROW, {}).eval()


def test_the_estimate_adds_its_channels_to_the_interface():
    for interface, more in ((GRID, 2), (POINTS, 5)):
        shown = SelfConditioning.of(interface).shown(interface)
        assert (shown.shape, shown.channels) == (interface.shape, more)


@pytest.mark.parametrize(("interface", "shape"), [(GRID, (3, 2, 4)), (POINTS, (3, 6, 5))])
def test_each_evaluation_is_shown_the_estimate_before_it(interface, shape):
    """In the layout of channels, with unit variance; zeros at the first."""
    model = denoiser(interface)
    denoise = bind(model, {})
    x = torch.randn(shape)
    with torch.no_grad():
        first = denoise(x, 2.0)
        denoise(x, 1.0)
    shown = [signals.channels for signals in model.backbone.seen]
    assert not shown[0].any()
    expected = first / ROW.sigma_data
    assert torch.equal(shown[1], expected if interface is GRID else expected.mT)


def test_channels_of_conditions_stay_before_the_estimate():
    given = Signals(channels=torch.ones(3, 1, 4))
    model, x = denoiser(), torch.randn(3, 2, 4)
    model(x, torch.ones(3), given)
    assert model.backbone.seen[0].channels.shape == (3, 3, 4)
    assert torch.equal(model.backbone.seen[0].channels[:, :1], given.channels)


def test_samplings_do_not_share_what_they_remember():
    model, x = denoiser(), torch.randn(3, 2, 4)
    with torch.no_grad():
        bind(model, {})(x, 2.0)
        bind(model, {})(x, 2.0)
    assert not model.backbone.seen[1].channels.any()


def test_the_latents_of_rin_go_from_one_level_to_the_next():
    model, x = rin(), torch.randn(2, 2, 4)
    denoise = bind(model, {})
    with torch.no_grad():
        denoise(x, 2.0)
        second = denoise(x, 1.0)
        sigma = torch.ones(2)
        assert not torch.allclose(second, model(x, sigma, {}))
        _, memory = model.remember(x, 2 * sigma, Signals())
        torch.testing.assert_close(second, model(x, sigma, Signals(memory=memory)))


def test_a_sample_alone_equals_the_sample_in_company():
    model, x = rin(), torch.randn(3, 2, 4)
    together, alone = bind(model, {}), bind(model, {})
    with torch.no_grad():
        for sigma in (4.0, 2.0, 1.0):
            torch.testing.assert_close(
                together(x, sigma)[1:2], alone(x[1:2], sigma), atol=1e-5, rtol=1e-5
            )


def test_guidance_remembers_both_estimates():
    class Half(torch.nn.Module):
        dropout, vector, tokens, channels = 0.0, 0, 0, 1

        def null(self, value):
            return torch.zeros_like(value)

        def forward(self, value):
            return Signals(channels=value[:, None, None].expand(-1, 1, 4))

    model = Denoiser(Spy(), ROW, {"c": Half()}, self_conditioning=SelfConditioning.of(GRID))
    denoise = classifier_free(model, {"c": torch.ones(2)}, scale=2.0)
    with torch.no_grad():
        denoise(torch.randn(2, 2, 4), 2.0)
        denoise(torch.randn(2, 2, 4), 1.0)
    assert model.backbone.seen[1].channels.shape == (4, 3, 4)
    assert model.backbone.seen[1].channels[:, 1:].any((1, 2)).all()


@pytest.mark.parametrize("model", [denoiser(), rin()], ids=["estimate", "latents"])
@pytest.mark.parametrize("n", [2, 5])
def test_training_shows_half_of_the_examples_what_was_made_of_them(model, n):
    noisy = Noised(torch.randn(n, 2, 4), torch.full((n,), 2.0), {}, None)
    memory = remembered(model, noisy, Moment(1, 10, 0))
    assert not memory.requires_grad
    assert memory.flatten(1).any(1).tolist() == [i % 2 == 0 for i in range(n)]
    _, expected = model.remember(noisy.x, noisy.sigma, Signals())
    torch.testing.assert_close(memory[::2], expected[::2].detach(), atol=1e-5, rtol=1e-5)


def test_batches_of_one_take_turns():
    noisy = Noised(torch.randn(1, 2, 4), torch.ones(1), {}, None)
    assert [remembered(denoiser(), noisy, Moment(step, 10, 0)) is None for step in range(3)] == [
        False,
        True,
        False,
    ]


def test_others_remember_nothing_and_pay_nothing():
    model = Denoiser(Spy(), ROW, {})
    noisy = Noised(torch.randn(2, 2, 4), torch.ones(2), {}, None)
    assert remembered(model, noisy, Moment(0, 10, 0)) is None
    assert not model.backbone.seen
    assert not model.remembers
    assert rin().remembers


def test_gradients_survive_a_first_evaluation_in_half_precision():
    """Weights that autocast converted without a gradient must not be used again with one."""
    model = rin().train()
    model.precision = torch.bfloat16
    noisy = Noised(torch.randn(2, 2, 4), torch.ones(2), {}, None)
    output, _ = model.network(*noisy, remembered(model, noisy, Moment(0, 10, 0)))
    output.square().sum().backward()
    assert all(p.grad is not None for p in model.parameters())


class Unmixed(Between):
    """Without conditions there is nothing to mix."""

    def signals(self, cond):
        return Signals()


WRAPPED = {
    "tiles": lambda model: Tiled(model, (4,), 0.5, 3),
    "circle": lambda model: Circular(model, (2,)),
    "between": lambda model: Unmixed(model, {}, torch.zeros(3)),
    "informed": lambda model: Informed(model, (2.0, 1.0), (1.0, 0.0)),
}


@pytest.mark.parametrize("wrapped", WRAPPED)
def test_a_wrapped_network_is_shown_what_it_made_of_the_same_view(wrapped):
    """Of the same tile, and from the same place of a circle. What ``Spy`` makes is a multiple of x."""
    model, x = denoiser(), torch.randn(3, 2, 8)
    denoise = bind(WRAPPED[wrapped](model), {})
    with torch.no_grad():
        denoise(x, 2.0)
        assert not any(signals.channels.any() for signals in model.backbone.seen)
        calls = len(model.backbone.seen)
        denoise(x, 1.0)
    seen, entered = model.backbone.seen[calls:], model.backbone.entered[calls:]
    assert len(seen) == calls
    ratios = torch.cat([(s.channels / e).flatten() for s, e in zip(seen, entered, strict=True)])
    assert torch.allclose(ratios, ratios[0].expand_as(ratios), rtol=1e-3)


@pytest.mark.parametrize("wrapped", WRAPPED)
def test_wrapped_latents_go_from_one_level_to_the_next(wrapped):
    model, x = rin(), torch.randn(3, 2, 8)
    with torch.no_grad():
        denoise, fresh = (bind(WRAPPED[wrapped](model), {}) for _ in range(2))
        denoise(x, 2.0)
        assert not torch.allclose(denoise(x, 1.0), fresh(x, 1.0))
