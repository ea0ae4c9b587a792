"""The U-Net: shapes, sizes, padding, checkpointing, gradients, and that it learns."""

from __future__ import annotations

import pytest
import torch

from difftool.errors import UsageError
from difftool.nn.attention import attend
from difftool.nn.backbone import Interface, Signals
from difftool.nn.blocks import Down, Up
from difftool.nn.embedding import fourier_features
from difftool.nn.options import UNetOptions
from difftool.nn.unet import UNet
from difftool.testing import backbone_contract

SMALL = {"channels": 8, "multipliers": (1, 2), "blocks": 1, "attention": 64, "head_width": 8}
TestTransformer = backbone_contract("unet", (2, 8, 8), {**SMALL, "transformer": 2}, [(7, 9)])
RECIPES = {
    "tiny": ({"channels": 32, "multipliers": (1, 2, 4, 4), "blocks": 1, "embedding": 256}, 5.1),
    "small": ({"channels": 64, "multipliers": (1, 2, 4, 5), "blocks": 2}, 34.0),
    "ddpm": (
        {
            "channels": 128,
            "multipliers": (1, 2, 2, 2),
            "blocks": 2,
            "attention_from": 256,
            "head_width": 256,
        },
        35.7,
    ),
}


def build(shape=(3, 8, 8), stirred=True, vector=0, tokens=0, channels=0, **options) -> UNet:
    torch.manual_seed(0)
    network = UNet(
        UNetOptions(**{**SMALL, **options}), Interface(shape, vector, tokens, channels)
    ).eval()
    if stirred:  # what starts at zero hides what is behind it
        for p in network.parameters():
            p.data.add_(0.1 * torch.randn(p.shape))
    return network


@pytest.mark.parametrize(
    "shape", [(2, 16), (2, 7), (3, 8, 8), (1, 9, 14), (4, 1, 5), (2, 4, 6, 5)], ids=str
)
@pytest.mark.parametrize(("patch", "fourier_features"), [(1, 0), (2, 0), (3, 0), (2, 3)])
def test_any_number_of_dimensions_and_any_size(shape, patch, fourier_features):
    network = build(shape, patch=patch, multipliers=(1, 2, 2), fourier_features=fourier_features)
    assert network(torch.randn(2, *shape), torch.zeros(2), Signals()).shape == (2, *shape)


@pytest.mark.parametrize("shape", [(2, 64), (2, 37), (3, 9, 14), (2, 4, 6, 5)], ids=str)
@pytest.mark.parametrize("factors", [(4, 3), (1, 4), (2, 5)], ids=str)
def test_any_factor_between_levels(shape, factors):
    network = build(shape, factors=factors, multipliers=(1, 2, 2))
    assert network(torch.randn(2, *shape), torch.zeros(2), Signals()).shape == (2, *shape)


def test_factors_of_two_are_the_default():
    plain, said = build(multipliers=(1, 2, 2)), build(multipliers=(1, 2, 2), factors=(2, 2))
    assert {n: p.shape for n, p in plain.named_parameters()} == {
        n: p.shape for n, p in said.named_parameters()
    }
    x, c_noise = torch.randn(1, 3, 8, 8), torch.zeros(1)
    assert torch.equal(plain(x, c_noise, Signals()), said(x, c_noise, Signals()))


@pytest.mark.parametrize("factors", [(4,), (4, 4, 4)], ids=str)
def test_a_factor_too_few_or_too_many_is_refused(factors):
    with pytest.raises(
        ValueError, match=f"{len(factors)} factors do not fit 3 multipliers. Give one"
    ):
        UNetOptions(multipliers=(1, 2, 2), factors=factors)


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_every_position_reaches_the_level_below_and_is_reached_from_it(factor):
    torch.manual_seed(0)
    down, up, x = (
        Down(1, 2, 3, factor),
        Up(1, 3, 2, factor),
        torch.randn(1, 2, 12, requires_grad=True),
    )
    h = down(x, None)
    up(h, x.shape[2:], None).square().sum().backward()
    assert h.shape[2] == 12 // factor
    assert (x.grad != 0).all()


@pytest.mark.parametrize("shape", [(3,), (3, 2, 2, 2, 2), (None, 8, 8)], ids=str)
def test_shapes_it_cannot_take_are_refused(shape):
    with pytest.raises(UsageError, match="one to three axes"):
        build(shape)


def test_an_axis_may_vary():
    network = build((3, None, None))
    for size in ((8, 8), (5, 12)):
        x = torch.randn(1, 3, *size)
        assert network(x, torch.zeros(1), Signals()).shape == x.shape


@pytest.mark.parametrize("recipe", RECIPES)
def test_recipes_have_the_size_of_their_papers(recipe):
    options, millions = RECIPES[recipe]
    with torch.device("meta"):
        network = UNet(UNetOptions(**options), Interface((3, 32, 32)))
    assert sum(p.numel() for p in network.parameters()) / 1e6 == pytest.approx(millions, rel=0.05)


def attending(network: UNet) -> list[bool]:
    return [bool(level[0].attentions) for level in network.encoder]


def test_attention_is_placed_by_the_number_of_positions():
    levels = {"channels": 8, "multipliers": (1, 1, 1, 1)}
    assert attending(build((3, 32, 32), **levels, attention=256)) == [False, True, True, True]
    only_at_16 = build((3, 32, 32), **levels, attention=256, attention_from=256)
    assert attending(only_at_16) == [False, True, False, False]
    assert only_at_16.middle[0].attentions
    assert not only_at_16.middle[1].attentions
    assert attending(build((3, 32, 32), **levels, attention=0)) == [False] * 4
    assert attending(build((3, 64, 64), **levels, attention=256, patch=4)) == [True] * 4
    assert attending(build((3, None), **levels)) == [False] * 4
    assert attending(build((3, 4096), **levels, attention=64, factors=(4, 4, 4))) == [
        False,
        False,
        False,
        True,
    ]


@pytest.mark.parametrize(
    ("real", "padded"), [((5,), (8,)), ((5, 6), (8, 11)), ((3, 2, 5), (4, 4, 6))], ids=str
)
@pytest.mark.parametrize(
    ("patch", "factors", "fourier_features"),
    [(1, (), 0), (2, (), 0), (1, (4, 3), 0), (2, (3, 1), 0), (1, (), 2), (2, (), 2)],
    ids=str,
)
def test_padding_changes_nothing(real, padded, patch, factors, fourier_features):
    more = {"attention": 1000, "multipliers": (1, 2, 2), "fourier_features": fourier_features}
    network = build((2, *padded), patch=patch, vector=4, channels=1, factors=factors, **more)
    x, beside, c_noise, vector = (
        torch.randn(2, 2, *padded),
        torch.randn(2, 1, *padded),
        torch.tensor([-0.5, 0.5]),
        torch.randn(2, 4),
    )
    inside = tuple(slice(n) for n in real)
    mask = torch.zeros(2, 1, *padded, dtype=torch.bool)
    mask[:, :, *inside] = True
    with torch.no_grad():
        alone = network(x[:, :, *inside], c_noise, Signals(vector, None, beside[:, :, *inside]))
        full = network(x, c_noise, Signals(vector, None, beside), mask)
    torch.testing.assert_close(full[:, :, *inside], alone, atol=1e-5, rtol=1e-5)


def test_scattered_padding_never_leaks():
    network = build((2, 9, 7), attention=1000)
    x, c_noise, mask = torch.randn(2, 2, 9, 7), torch.zeros(2), torch.rand(2, 1, 9, 7) < 0.6
    with torch.no_grad():
        one = network(x, c_noise, Signals(), mask)
        other = network(torch.where(mask, x, 50.0), c_noise, Signals(), mask)
    assert torch.equal(one * mask, other * mask)


def test_a_mask_of_only_real_entries_is_no_mask():
    network = build()
    x, c_noise = torch.randn(2, 3, 8, 8), torch.zeros(2)
    with torch.no_grad():
        masked = network(x, c_noise, Signals(), torch.ones(2, 1, 8, 8, dtype=torch.bool))
        torch.testing.assert_close(masked, network(x, c_noise, Signals()), atol=1e-5, rtol=1e-5)


def test_examples_of_a_batch_do_not_meet():
    network = build(vector=4, tokens=6)
    x, c_noise, signals = (
        torch.randn(3, 3, 8, 8),
        torch.rand(3),
        Signals(torch.randn(3, 4), torch.randn(3, 5, 6)),
    )
    order = torch.tensor([2, 0, 1])
    with torch.no_grad():
        straight = network(x, c_noise, signals)
        turned = network(
            x[order], c_noise[order], Signals(signals.vector[order], signals.tokens[order])
        )
    torch.testing.assert_close(straight[order], turned, atol=1e-5, rtol=1e-5)


def test_every_signal_reaches_the_output():
    network = build(vector=4, tokens=6, channels=2)
    x, c_noise = torch.randn(2, 3, 8, 8), torch.zeros(2)
    given = {
        "vector": torch.randn(2, 4),
        "tokens": torch.randn(2, 5, 6),
        "channels": torch.randn(2, 2, 8, 8),
    }
    with torch.no_grad():
        usual = network(x, c_noise, Signals(**given))
        assert not torch.allclose(usual, network(x, c_noise + 0.1, Signals(**given)))
        for name, value in given.items():
            assert not torch.allclose(
                usual, network(x, c_noise, Signals(**{**given, name: value.flip(0)})), atol=1e-4
            ), name


def test_padding_three_tokens_to_eight_changes_nothing():
    """At three sizes of padding, whatever stands there; and no mask is a mask of real tokens only."""
    network, x, c_noise = build(tokens=6), torch.randn(2, 3, 8, 8), torch.zeros(2)
    tokens = torch.randn(2, 3, 6)
    with torch.no_grad():
        plain = network(x, c_noise, Signals(tokens=tokens))
        for n, filled in ((3, 0.0), (5, 9.0), (8, -50.0)):
            longer = torch.full((2, n, 6), filled)
            longer[:, :3] = tokens
            mask = (torch.arange(n) < 3).expand(2, n)
            padded = network(x, c_noise, Signals(tokens=longer, token_mask=mask))
            torch.testing.assert_close(padded, plain, atol=1e-5, rtol=1e-5)
    assert not torch.allclose(plain, network(x, c_noise, Signals(tokens=tokens.flip(0))), atol=1e-3)


def test_an_example_without_any_token_is_not_spoilt():
    network, x = build(tokens=6), torch.randn(2, 3, 8, 8)
    mask = torch.tensor([[True, True], [False, False]])
    made = network(x, torch.zeros(2), Signals(tokens=torch.randn(2, 2, 6), token_mask=mask))
    made.square().sum().backward()
    assert made.isfinite().all()
    assert all(p.grad.isfinite().all() for p in network.parameters() if p.grad is not None)


def test_a_new_network_says_nothing():
    network = build(stirred=False)
    assert torch.equal(
        network(torch.randn(2, 3, 8, 8), torch.zeros(2), Signals()), torch.zeros(2, 3, 8, 8)
    )


def test_no_parameter_is_idle():
    network = build(vector=4, tokens=6, channels=2)
    signals = Signals(torch.randn(2, 4), torch.randn(2, 5, 6), torch.randn(2, 2, 8, 8))
    network(torch.randn(2, 3, 8, 8), torch.rand(2), signals).square().sum().backward()
    assert [
        name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum()
    ] == []


def test_checkpointing_gives_the_same_gradients():
    gradients = []
    for checkpointing in (False, True):
        network = build(vector=4, dropout=0.2).train()
        network.checkpointing = checkpointing
        torch.manual_seed(1)
        network(
            torch.ones(2, 3, 8, 8), torch.rand(2), Signals(torch.ones(2, 4))
        ).square().sum().backward()
        gradients.append([p.grad for p in network.parameters()])
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


def test_channels_last_and_half_precision_agree_with_the_plain_network():
    network = build((3, 16, 16), attention=256)
    x, c_noise = torch.randn(2, 3, 16, 16), torch.rand(2)
    with torch.no_grad():
        plain = network(x, c_noise, Signals())
        with torch.autocast("cpu", torch.bfloat16):
            half = network(x, c_noise, Signals())
        last = network.to(memory_format=torch.channels_last)(
            x.to(memory_format=torch.channels_last), c_noise, Signals()
        )
    torch.testing.assert_close(last, plain, atol=1e-5, rtol=1e-4)
    assert half.dtype == torch.bfloat16
    assert (half.float() - plain).norm() / plain.norm() < 0.03


@pytest.mark.parametrize(
    "mask",
    [None, torch.randn(4, 64, 64), torch.ones(64, 64).tril().bool()],
    ids=["none", "added", "truth values"],
)
def test_half_precision_attention_is_attention(mask):
    query, key, value = torch.randn(3, 2, 4, 64, 16).unbind(0)
    exact = torch.nn.functional.scaled_dot_product_attention(query, key, value, mask)
    added = mask is not None and mask.is_floating_point()
    half = attend(
        query.bfloat16(), key.bfloat16(), value.bfloat16(), mask.bfloat16() if added else mask
    )
    assert (half.float() - exact).norm() / exact.norm() < 0.01


def test_octaves_are_sines_and_cosines():
    x = torch.randn(2, 3, 4, 5)
    waves = fourier_features(x, 3)
    assert waves.shape == (2, 18, 4, 5)
    for n in range(3):
        turn = torch.polar(torch.ones_like(x), 2**n * torch.pi * x)
        torch.testing.assert_close(waves[:, 3 * n : 3 * n + 3], turn.imag, atol=1e-5, rtol=0)
        torch.testing.assert_close(waves[:, 9 + 3 * n : 12 + 3 * n], turn.real, atol=1e-5, rtol=0)
    assert fourier_features(x.bfloat16(), 3).dtype == torch.bfloat16


@pytest.mark.heavy
def test_octaves_show_how_far_a_flat_part_is_from_where_it_should_be():
    assert _lost(fourier_features=4) < 0.3 * _lost(fourier_features=0)


def _lost(**options) -> float:
    """The share of the variance of small offsets of flat examples that a network has not learnt to tell."""
    network = build((1, 8, 8), stirred=False, **options).train()
    optimizer, rng = torch.optim.Adam(network.parameters(), 3e-3), torch.Generator().manual_seed(0)
    losses = []
    for _ in range(100):
        offset = 0.02 * torch.randn(32, 1, 1, 1, generator=rng).expand(-1, 1, 8, 8)
        loss = (network(offset - 2, torch.zeros(32), Signals()) - offset / 0.02).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return sum(losses[-20:]) / 20


def test_it_learns():
    torch.manual_seed(0)
    network = UNet(UNetOptions(**SMALL), Interface((1, 8, 8), vector=2))
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3)
    x, sign = torch.randn(32, 1, 8, 8), torch.tensor([1.0, -1.0]).repeat(16)
    signals, c_noise = Signals(torch.stack((sign, -sign), 1)), torch.rand(32)
    target = x.roll(1, -1) * sign[:, None, None, None] + c_noise[:, None, None, None]
    for _ in range(150):
        loss = (network(x, c_noise, signals) - target).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.1 * target.square().mean()


def test_layers_may_stand_between_the_blocks():
    """As a network over space and time puts its own there: they are run in the order that ``order`` tells, at the widths that it tells."""
    network = build((3, 16, 16), multipliers=(1, 2, 3), blocks=2, vector=4)
    x, c_noise, signals = torch.randn(2, 3, 16, 16), torch.rand(2), Signals(torch.randn(2, 4))
    embedding, masks, met = network.embedding(c_noise, signals.vector), network.masks(x, None), []

    def run(block, h, mask):
        h = block(h, embedding, None, mask)
        met.append((h.shape[1], h.shape[2] * h.shape[3]))
        return h

    y = network.leave(network.walk(network.enter(x, None, None), masks, run), x.shape[2:], masks[0])
    assert torch.equal(y, network(x, c_noise, signals))
    assert (
        met
        == network.block_levels()
        == [(8, 256)] * 2 + [(16, 64)] * 2 + [(24, 16)] * 7 + [(16, 64)] * 3 + [(8, 256)] * 3
    )


@pytest.mark.parametrize("shape", [(2, 9), (3, 8, 8), (1, 4, 6, 5)], ids=str)
def test_a_transformer_in_the_middle_reaches_everything_and_starts_as_nothing(shape):
    plain = build(shape, stirred=False, attention=0)
    new = build(shape, stirred=False, attention=0, transformer=2)
    assert (len(new.middle), len(new.block_levels())) == (4, len(plain.block_levels()) + 2)
    for network in (plain, new):
        torch.nn.init.normal_(network.head.weight, generator=torch.Generator().manual_seed(0))
    missing = new.load_state_dict(
        {name.replace("middle.1.", "middle.3."): w for name, w in plain.state_dict().items()},
        strict=False,
    )
    assert all(name.startswith(("middle.1.", "middle.2.")) for name in missing.missing_keys)
    x = torch.randn(2, *shape)
    assert torch.equal(new(x, torch.zeros(2), Signals()), plain(x, torch.zeros(2), Signals()))
    stirred = build(shape, attention=0, transformer=2)
    x.requires_grad_()
    stirred(x, torch.zeros(2), Signals())[0, 0].flatten()[0].backward()
    assert (x.grad[0] != 0).all()
    assert not x.grad[1].any()
