"""The Denoiser: the preconditioned network, the only place where precision changes."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from difftool.conditioner import Conditioner
from difftool.conditioners.columns import LabelColumn, NumberColumn
from difftool.conditioners.label import Label
from difftool.conditioners.number import Number
from difftool.conditioners.options import LabelOptions, NumberOptions
from difftool.denoiser import Denoiser
from difftool.nn.backbone import Backbone, Interface, Signals
from difftool.nn.options import UNetOptions
from difftool.nn.unet import UNet
from difftool.process.options import EdmOptions, KarrasOptions
from difftool.process.preconditioning import Edm
from difftool.process.schedule import Karras

ROW = Edm(EdmOptions(), Karras(KarrasOptions()))


class Spy(Backbone):
    """Returns the exact target for data that is a known point, and keeps what it was given."""

    def __init__(self, x0: Tensor) -> None:
        super().__init__()
        self.x0, self.weight = x0, nn.Parameter(torch.ones(3, 3))
        self.seen: list[tuple] = []

    def forward(
        self, x: Tensor, c_noise: Tensor, signals: Signals, mask: Tensor | None = None
    ) -> Tensor:
        product = x @ self.weight  # computed in whatever precision is on
        self.seen.append((x, c_noise, signals, mask, product.dtype))
        return product


class Width(Conditioner):
    """Says its condition's value in tokens and channels."""

    tokens, channels = 2, 1

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = value

    def null(self, value: Tensor) -> Tensor:
        return torch.zeros_like(value)

    def forward(self, value: Tensor) -> Signals:
        n = len(value)
        return Signals(
            tokens=torch.full((n, 1, 2), self.value), channels=torch.full((n, 1, 3), self.value)
        )


def unet(precision: torch.dtype = torch.float32) -> Denoiser:
    torch.manual_seed(0)
    conditioners = {
        "class": Label(LabelOptions(width=16), LabelColumn("class", ("a", "b"), (1, 1))),
        "size": Number(NumberOptions(width=16), NumberColumn("size", mean=3.0, std=2.0)),
    }
    network = UNet(
        UNetOptions(channels=8, multipliers=(1, 2), blocks=1, attention=16, head_width=8),
        Interface((2, 8, 8), vector=16),
    )
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape))
    return Denoiser(network, ROW, conditioners, precision).eval()


X = torch.randn(3, 2, 8, 8, generator=torch.Generator().manual_seed(1))
SIGMA = torch.tensor([0.1, 1.0, 10.0])
COND = {"class": torch.tensor([0, 1, 1]), "size": torch.tensor([1.0, 2.0, 3.0])}


def test_it_is_the_preconditioned_network():
    x0 = torch.randn(3, 3)
    spy = Spy(x0)
    x, sigma = torch.randn(3, 3), torch.tensor([0.5, 2.0, 30.0])
    found = Denoiser(spy, ROW, {})(x, sigma, {})
    c = ROW.coefficients(sigma)
    seen, noise, _, _, _ = spy.seen[0]
    torch.testing.assert_close(seen, c.in_[:, None] * x)
    torch.testing.assert_close(noise, c.noise)
    torch.testing.assert_close(
        found, c.skip[:, None] * x + c.out[:, None] * (c.in_[:, None] * x).sum(1, keepdim=True)
    )


def test_precision_changes_inside_only():
    spy = Spy(torch.zeros(3, 3))
    denoiser = Denoiser(spy, ROW, {}, torch.bfloat16)
    found = denoiser(torch.randn(2, 3), torch.ones(2), {})
    assert spy.seen[0][0].dtype == torch.float32
    assert spy.seen[0][4] == torch.bfloat16
    assert found.dtype == spy.weight.dtype == torch.float32
    output, c = denoiser.network(torch.randn(2, 3), torch.ones(2), {})
    assert {output.dtype, *(t.dtype for t in c)} == {torch.float32}


def test_half_precision_is_close_to_single_and_tends_to_x_as_noise_vanishes():
    with torch.no_grad():
        half, single = (unet(p)(X, SIGMA, COND) for p in (torch.bfloat16, torch.float32))
        torch.testing.assert_close(half, single, atol=0.1, rtol=0.05)
        assert not torch.equal(half, single)
        clean = unet(torch.bfloat16)(X, torch.full((3,), 1e-4), COND)
    torch.testing.assert_close(
        clean, X, atol=1e-2, rtol=0
    )  # skip * x is computed outside, in single precision


@torch.no_grad()
def test_every_condition_may_be_null_by_itself():
    denoiser = unet()
    null = denoiser.null(COND)
    assert null.keys() == COND.keys()
    given = denoiser(X, SIGMA, COND)
    results = [denoiser(X, SIGMA, {**COND, name: null[name]}) for name in COND] + [
        denoiser(X, SIGMA, null)
    ]
    for result in results:
        assert result.isfinite().all()
        assert not torch.allclose(result, given)
    assert not torch.allclose(results[0], results[1])
    mixed = {
        **COND,
        "class": torch.tensor([0, -1, 1]),
    }  # null is a value of one example, not of the batch
    torch.testing.assert_close(denoiser(X, SIGMA, mixed)[0], given[0], atol=1e-5, rtol=1e-5)


def test_a_condition_left_out_is_an_error():
    with pytest.raises(KeyError, match="size"):
        unet()(X, SIGMA, {"class": COND["class"]})


def test_signals_are_combined_in_the_order_of_the_conditions():
    spy = Spy(torch.zeros(3, 3))
    Denoiser(spy, ROW, {"a": Width(1.0), "b": Width(2.0)})(
        torch.randn(2, 3), torch.ones(2), {"b": torch.zeros(2), "a": torch.zeros(2)}
    )
    signals = spy.seen[0][2]
    assert signals.vector is None
    assert signals.tokens[0, :, 0].tolist() == [1.0, 2.0]
    assert signals.channels[0, :, 0].tolist() == [1.0, 2.0]


def test_masks_of_tokens_are_joined_as_the_tokens_are():
    """One sequence without a mask, all of whose tokens are real, beside one that has one; and beside a vector alone."""
    short, long = torch.randn(2, 1, 4), torch.randn(2, 3, 4)
    mask = torch.tensor([[True, False, False], [True, True, False]])
    vector = Signals(vector=torch.zeros(2, 5))
    both = vector + Signals(tokens=short) + Signals(tokens=long, token_mask=mask) + vector
    assert torch.equal(both.tokens, torch.cat((short, long), 1))
    assert both.token_mask.tolist() == [[True, True, False, False], [True, True, True, False]]
    assert (vector + Signals(tokens=short)).token_mask is None
    assert (Signals(tokens=long, token_mask=mask) + vector).token_mask is mask


@torch.no_grad()
def test_prepared_signals_give_the_very_same_as_conditions():
    for precision in (torch.float32, torch.bfloat16):
        denoiser = unet(precision)
        assert torch.equal(denoiser(X, SIGMA, denoiser.signals(COND)), denoiser(X, SIGMA, COND))


def test_columns_may_be_called_anything():
    names = ["a.b", "forward", "", "µ m"]
    label = LabelColumn("c", ("x",), (1,))
    denoiser = Denoiser(
        Spy(torch.zeros(3, 3)), ROW, {name: Label(LabelOptions(width=4), label) for name in names}
    )
    assert list(denoiser.conditioners) == names
    denoiser(
        torch.randn(1, 3),
        torch.ones(1),
        {name: torch.zeros(1, dtype=torch.int64) for name in names},
    )


@torch.no_grad()
def test_examples_do_not_see_each_other():
    denoiser = unet()
    alone = denoiser(X[1:2], SIGMA[1:2], {name: value[1:2] for name, value in COND.items()})
    torch.testing.assert_close(denoiser(X, SIGMA, COND)[1:2], alone, atol=1e-5, rtol=1e-5)
