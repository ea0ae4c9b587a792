"""The magnitude-preserving network: layers, weights, and activations through depth and training."""

from __future__ import annotations

import pytest
import torch

from difftool.nn.backbone import Interface, Signals
from difftool.nn.edm2 import CosineAttention, Edm2, Edm2Block
from difftool.nn.embedding import Fourier
from difftool.nn.magnitude import MPLayer, mp_cat, mp_silu, mp_sum, pixel_norm
from difftool.nn.options import Edm2Options

SMALL = {"channels": 32, "multipliers": (1, 2), "blocks": 2, "attention": 16, "head_width": 16}


def build(shape=(3, 8, 8), vector=0, **options) -> Edm2:
    torch.manual_seed(0)
    return Edm2(Edm2Options(**{**SMALL, **options}), Interface(shape, vector))


def size(x) -> float:
    return x.detach().square().mean().sqrt().item()


def normal(*shape) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    "made",
    [
        lambda x: MPLayer(0, 256, 256)(x.flatten(2).mT),
        lambda x: MPLayer(2, 256, 256)(x),
        lambda x: MPLayer(2, 256, 256, 3)(x)[..., 1:-1, 1:-1],  # zeros beyond the edge count less
        mp_silu,
        lambda x: mp_sum(x, x.flip(0), 0.3),
        lambda x: mp_cat(x, x.flip(0)[:, :64]),
        lambda x: pixel_norm(7 * x),
        lambda x: Fourier(256)(x[:, 0, 0, 0]),
    ],
    ids=["linear", "conv1", "conv3", "silu", "sum", "cat", "norm", "fourier"],
)
def test_each_layer_keeps_the_magnitude_within_two_percent(made):
    assert size(made(normal(32, 256, 8, 8))) == pytest.approx(1, abs=0.02)


def test_side_by_side_each_part_counts_for_its_share():
    a, b = normal(8, 64, 4, 4), normal(8, 192, 4, 4)
    both = mp_cat(a, b, 0.5)
    assert both[:, :64].square().sum() / both[:, 64:].square().sum() == pytest.approx(1, abs=0.1)


def test_the_length_of_weights_does_not_matter_and_is_restored():
    layer, x = MPLayer(1, 8, 16, 3), normal(2, 8, 9)
    before = layer(x)
    layer.weight.data.mul_(torch.rand(16, 1, 1) * 9 + 1)
    torch.testing.assert_close(layer(x), before, atol=1e-3, rtol=1e-3)
    layer.force()
    torch.testing.assert_close(
        layer.weight.square().mean((1, 2)), torch.ones(16), atol=1e-3, rtol=0
    )


def test_gradients_have_no_part_along_the_weights():
    layer = MPLayer(0, 8, 16)
    (layer(normal(4, 8)) * normal(4, 16)).sum().backward()
    along = (layer.weight.grad * layer.weight).sum(1)
    assert along.abs().max() < 1e-3 * layer.weight.grad.norm()


def activations(network) -> dict[str, float]:
    """The magnitude after every block."""
    found, hooks = {}, []
    for name, module in network.named_modules():
        if isinstance(module, Edm2Block):
            hook = lambda m, i, o, name=name: found.update({name: size(o)})  # noqa: E731
            hooks.append(module.register_forward_hook(hook))
    with torch.no_grad():
        network(normal(16, 3, 8, 8), torch.linspace(-1, 1, 16), Signals())
    for hook in hooks:
        hook.remove()
    return found


def test_magnitudes_stay_through_depth():
    """Averages of attention and the edge take some, but as much from shallow as from deep blocks."""
    found = activations(build(blocks=6))
    assert len(found) == 6 + 7 + 2 + 7 + 8
    assert all(0.75 < value < 1.1 for value in found.values())


def test_magnitudes_stay_in_training():
    """The encoder is normalised. In the decoder what is learnt adds up, and is bounded."""
    network = build()
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    for step in range(6):
        x = normal(8, 3, 8, 8).roll(step, 0)
        network(x, torch.zeros(8), Signals()).sub(x.flip(3)).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()
        network.stepped()
    for module in network.modules():
        if isinstance(module, MPLayer):
            lengths = module.weight.flatten(1).square().mean(1).sqrt()
            assert (lengths - 1).abs().max() < 0.02
    for name, value in activations(network).items():
        assert 0.85 < value < (1.1 if name.startswith("encoder") else 2.5), name


def test_scores_of_attention_are_bounded():
    """Cosine attention: queries and keys of any magnitude give the same answer."""
    layer, x = CosineAttention(32, 2, 0.3), normal(2, 32, 9)
    before = layer(x, None, None)
    layer.query.weight.data.mul_(50)
    torch.testing.assert_close(layer(x, None, None), before, atol=1e-3, rtol=1e-3)


def test_parameters_are_those_of_the_published_network():
    """EDM2-S on latents of ImageNet-512 has 280 million (Karras et al. 2024, Table 2)."""
    with torch.device("meta"):
        network = Edm2(Edm2Options(), Interface((4, 64, 64), vector=1000))
    assert sum(p.numel() for p in network.parameters()) / 1e6 == pytest.approx(280, abs=0.5)


def test_a_new_network_predicts_nothing():
    assert not build()(normal(2, 3, 8, 8), torch.zeros(2), Signals()).any()
