"""The contract of a backbone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ..errors import UsageError
from ..nn.backbone import Backbone, Interface, Signals
from .parts import load, named

KINDS = ("vector", "tokens", "channels")


def backbone_contract(
    name: str,
    shape: tuple[int, ...] = (3, 16, 16),
    options: dict[str, Any] | None = None,
    sizes: Sequence[tuple[int, ...]] = (),
    beside: tuple[int, ...] | None = None,
) -> type:
    """Tests that check a backbone against its contract.

    Args:
        shape: of one example, channels first.
        options: settings that make it small.
        sizes: further sizes of the axes after the first that it must accept, such as odd ones.
        beside: sizes of the axes of ``Signals.channels``, if they differ from ``shape[1:]``.
    """
    places = shape[1:] if beside is None else beside
    axis = len(shape) if beside is None else 1  # along which examples are padded
    length, varies = shape[axis - 1], bool(sizes) or beside is not None

    def built(**widths: int) -> Backbone:
        torch.manual_seed(0)
        target, settings = load("backbone", name, **(options or {}))
        network = target(settings, Interface(shape, **widths)).eval()
        return _stirred(network)

    def steered(kind: str) -> Backbone:
        """A network with signals of this kind; the test is skipped if the backbone refuses them."""
        try:
            return built(**{kind: 4})
        except UsageError as refusal:
            pytest.skip(f"it refuses {kind}: {refusal}")

    def random(kind: str, n: int) -> Signals:
        """Signals for ``steered``."""
        sizes = {"vector": (n, 4), "tokens": (n, 3, 4), "channels": (n, 4, *places)}[kind]
        return Signals(**{kind: torch.randn(sizes)})

    def inputs(n: int, of: tuple[int, ...] = shape) -> tuple[Tensor, Tensor]:
        return torch.randn(n, *of), torch.linspace(-1, 1, n)

    def first(real: int) -> Tensor:
        """A mask of one example, whose first entries along the padded axis are real."""
        sizes = [1] * (len(shape) + 1)
        sizes[axis] = length
        return (torch.arange(length) < real).reshape(sizes)

    class BackboneContract:
        @pytest.mark.parametrize("size", [shape[1:], *sizes])
        def test_output_is_like_the_input(self, size: tuple[int, ...]) -> None:
            x, c_noise = inputs(2, (shape[0], *size))
            output = built()(x, c_noise, Signals())
            assert (output.shape, output.dtype) == (x.shape, x.dtype)

        def test_examples_do_not_see_each_other(self) -> None:
            x, c_noise = inputs(3)
            network = built()
            with torch.no_grad():
                torch.testing.assert_close(
                    network(x, c_noise, Signals())[1:2],
                    network(x[1:2], c_noise[1:2], Signals()),
                    atol=1e-4,
                    rtol=1e-4,
                )

        def test_noise_level_and_signals_matter(self) -> None:
            network = built(vector=8)
            x, c_noise = inputs(2)
            vector = torch.randn(2, 8)
            with torch.no_grad():
                plain = network(x, c_noise, Signals(vector=vector))
                assert not torch.allclose(plain, network(x, c_noise + 0.5, Signals(vector=vector)))
                assert not torch.allclose(plain, network(x, c_noise, Signals(vector=vector + 1)))

        @pytest.mark.parametrize("kind", KINDS)
        def test_signals_of_each_kind_reach_their_own_example(self, kind: str) -> None:
            network = steered(kind)
            x, c_noise = inputs(3)
            given = random(kind, 3)
            other = {name: torch.cat([t[:1], -t[1:]]) for name, t in given.tensors().items()}
            with torch.no_grad():
                one, another = network(x, c_noise, given), network(x, c_noise, Signals(**other))
            torch.testing.assert_close(one[:1], another[:1], atol=1e-4, rtol=1e-4)
            assert all(not torch.allclose(one[i], another[i]) for i in (1, 2))

        @pytest.mark.parametrize("padding", [2, 5])
        def test_padding_among_tokens_changes_nothing(self, padding: int) -> None:
            """For two amounts of padding with any values; without a mask, all tokens are real."""
            network = steered("tokens")
            x, c_noise = inputs(2)
            tokens = random("tokens", 2).tokens
            assert tokens is not None
            padded = torch.cat([tokens, 9 * torch.randn(2, padding, 4)], 1)
            mask = (torch.arange(padded.shape[1]) < tokens.shape[1]).expand(2, -1)
            with torch.no_grad():
                plain = network(x, c_noise, Signals(tokens=tokens))
                torch.testing.assert_close(
                    network(x, c_noise, Signals(tokens=padded, token_mask=mask)),
                    plain,
                    atol=1e-4,
                    rtol=1e-4,
                )

        def test_evaluating_is_deterministic_and_changes_nothing(self) -> None:
            network = built()
            x, c_noise = inputs(2)
            before = {n: t.clone() for n, t in network.state_dict().items()}
            given = x.clone()
            with torch.no_grad():
                assert torch.equal(network(x, c_noise, Signals()), network(x, c_noise, Signals()))
            assert torch.equal(x, given)
            assert all(torch.equal(before[n], t) for n, t in network.state_dict().items())

        def test_recomputing_activations_gives_the_same_gradients(self) -> None:
            gradients = []
            for checkpointing in (False, True):
                network = built()
                network.checkpointing = checkpointing
                x, c_noise = (torch.ones(2, *shape), torch.linspace(-1, 1, 2))
                network(x, c_noise, Signals()).square().mean().backward()
                gradients.append(
                    {n: p.grad for n, p in network.named_parameters() if p.grad is not None}
                )
            assert gradients[0].keys() == gradients[1].keys()
            for n, gradient in gradients[0].items():
                torch.testing.assert_close(gradient, gradients[1][n], atol=1e-5, rtol=1e-4)

        def test_every_parameter_is_used(self) -> None:
            network = built(vector=8).train()
            x, c_noise = inputs(2)
            network(x, c_noise, Signals(vector=torch.randn(2, 8))).square().sum().backward()
            learnt = {n: p for n, p in network.named_parameters() if p.requires_grad}
            assert [n for n, p in learnt.items() if p.grad is None] == []

        @pytest.mark.parametrize("real", sorted({length // 2, length // 2 - 1} - {0}))
        def test_padding_reaches_no_real_entry(self, real: int) -> None:
            """The border may lie inside a patch of the network."""
            network, mask = built(), first(real)
            x, c_noise = inputs(1)
            with torch.no_grad():
                one = network(x * mask, c_noise, Signals(), mask)
                other = network(
                    torch.where(mask, x, 9 * torch.randn(x.shape)), c_noise, Signals(), mask
                )  # values in the padding must not matter
            torch.testing.assert_close(one * mask, other * mask, atol=1e-5, rtol=1e-5)

        @pytest.mark.parametrize("amount", ["less", "much less", "none", "none, odd"])
        def test_the_amount_of_padding_reaches_no_real_entry(self, amount: str) -> None:
            """An example is padded to the largest of its batch, which says nothing about it.

            At an odd border a change of level reads the first entry of the padding.
            """
            if not varies:
                pytest.skip("it was not said to accept other sizes")
            even = max(2, length // 2 & ~1)
            real = {"none": even, "none, odd": even + 1}.get(amount, length // 2)
            size = {"less": length - 1, "much less": length - 2}.get(amount, real)
            network, mask = built(), first(real)
            x, c_noise = inputs(1)
            one, other = x * mask, (x * mask).narrow(axis, 0, size)
            with torch.no_grad():
                more = network(one, c_noise, Signals(), mask)
                less = network(other, c_noise, Signals(), mask.narrow(axis, 0, size))
            both = [t.narrow(axis, 0, real) for t in (more, less)]
            torch.testing.assert_close(*both, atol=1e-4, rtol=1e-4)

    return named(BackboneContract, name)


def _stirred(network: nn.Module) -> Any:
    """Add small noise to all parameters: zero-initialised layers hide the layers before them."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape))
    return network
