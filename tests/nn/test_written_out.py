"""Parts whose derivative is written out agree with their formulas, to the second order, and keep less."""

from __future__ import annotations

from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.autograd import gradcheck, gradgradcheck

from difftool.nn.transformer import feedforward, heads, modulation, written_out
from difftool.nn.transformer.block import Block, Sizes
from difftool.nn.transformer.options import TransformerOptions
from difftool.nn.transformer.rotary import turns

D = torch.float64
USERS = (feedforward, heads, modulation)


def numbers(*shapes: tuple[int, ...]):
    torch.manual_seed(0)
    return tuple(torch.randn(shape, dtype=D, requires_grad=True) for shape in shapes)


def between(turn=None, seen=None):
    """Attention of two heads over three tokens."""
    return partial(heads.attention, turn=turn, seen=seen, heads=2)


SEEN = torch.tensor([[True, True, False], [True, True, True]])[:, None, None]
WIDE = ((2, 3, 24), (2, 3, 8), (), (2, 4))
PARTS = {
    "normalised": (modulation.normalised, ((2, 3, 4), (2, 1, 4), (2, 1, 4))),
    "normalised by token": (modulation.normalised, ((2, 3, 4), (1, 3, 4), (2, 3, 4))),
    "gated": (modulation.gated, ((2, 3, 4), (2, 1, 4), (2, 3, 4))),
    "gelu": (partial(feedforward.activated, F.gelu), ((2, 3, 6),)),
    "swiglu": (partial(feedforward.activated, feedforward.gated_silu), ((2, 3, 12),)),
    "attention": (between(turns(torch.randn(3, 2))), WIDE),
    "attention with a mask": (between(turns(torch.randn(2, 1, 3, 2)), SEEN), WIDE),
    "attention with scores": (between(None, torch.randn(1, 2, 3, 3, dtype=D)), WIDE),
}


def part(name):
    f, shapes = PARTS[name]
    inputs = numbers(*shapes)
    if name in ("gelu", "swiglu"):
        layer = nn.Linear(6, 3, dtype=D)
        return (lambda x: f(x, layer)), inputs, tuple(layer.parameters())
    return f, inputs, ()


def by_formula(monkeypatch):
    for module in USERS:
        monkeypatch.setattr(module, "applies", lambda x: False)


@pytest.mark.parametrize("name", PARTS)
def test_values_and_gradients_are_those_of_the_formula(name, monkeypatch):
    f, inputs, more = part(name)
    weight = torch.randn_like(f(*inputs))

    def both():
        y = f(*inputs)
        return y, *torch.autograd.grad((weight * y).sum(), (*inputs, *more))

    written = both()
    again = both()
    by_formula(monkeypatch)
    for mine, twice, formula in zip(written, again, both(), strict=True):
        torch.testing.assert_close(mine, formula)
        assert torch.equal(mine, twice)  # nothing that was given lies where the next call writes


@pytest.mark.parametrize("name", PARTS)
def test_gradients_have_gradients_and_values_have_tangents(name):
    f, inputs, _ = part(name)
    assert gradcheck(f, inputs, fast_mode=True)
    assert gradgradcheck(f, inputs, fast_mode=True)
    tangents = tuple(torch.randn_like(t) for t in inputs)
    _, found = torch.func.jvp(f, inputs, tangents)
    ahead = tuple(t + 1e-6 * v for t, v in zip(inputs, tangents, strict=True))
    torch.testing.assert_close(found, (f(*ahead) - f(*inputs)) / 1e-6, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("kind", ["gelu", "swiglu"])
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_a_block_keeps_three_quarters_for_the_backward_pass(kind, precision, monkeypatch):
    options = TransformerOptions(width=64, depth=1, head_width=64, feedforward=kind)
    block = Block(options, Sizes(heads=1, embedding=8))
    x, embedding, first = torch.randn(4, 64, 64), torch.randn(4, 8), torch.randn(4, 64, 64)
    turn = turns(torch.randn(64, 32))

    def kept():
        held = dict[int, int]()
        alive = []

        def keep(t):
            if not isinstance(t, nn.Parameter):
                alive.append(t)
                held[t.untyped_storage().data_ptr()] = t.untyped_storage().nbytes()
            return t

        with (
            torch.autocast("cpu", precision, enabled=precision != torch.float32),
            torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t),
        ):
            y = block(x.to(precision), embedding, turn, first.to(precision), None)
        return sum(held.values()), y.float()

    (less, written), _ = kept(), by_formula(monkeypatch)
    more, formula = kept()
    assert less < 0.77 * more
    torch.testing.assert_close(written, formula, atol=1e-4, rtol=1e-4)


def test_what_is_no_plain_tensor_of_the_processor_takes_the_formula():
    assert written_out.applies(torch.zeros(1))
    assert not written_out.applies(torch.zeros(1, device="meta"))
    assert torch.func.vmap(lambda x: x + written_out.applies(x))(torch.zeros(2)).tolist() == [0, 0]
