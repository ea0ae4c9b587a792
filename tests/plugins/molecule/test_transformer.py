"""The transformer on atoms: permutations, translations, company, and the rotations it learns from."""

from __future__ import annotations

import pytest
import torch

from difftool import Batch, Interface, Signals, Stream
from difftool_molecule.messages import Messages, ways
from difftool_molecule.network_options import AtomTransformerOptions
from difftool_molecule.rotate import rotate, rotations
from difftool_molecule.transformer import AtomTransformer

SMALL = {"width": 16, "depth": 2, "head_width": 8, "pair_width": 8, "messages": 4}


def build(**options) -> AtomTransformer:
    torch.manual_seed(0)
    network = AtomTransformer(
        AtomTransformerOptions(**{**SMALL, **options}), Interface((None, 5))
    ).eval()
    for p in network.parameters():  # what starts at zero hides what is behind it
        p.data.add_(0.1 * torch.randn(p.shape))
    return network


def answer(network, x, mask=None):
    with torch.no_grad():
        return network(x, torch.linspace(-1, 1, len(x)), Signals(), mask)


def test_permuted_atoms_give_permuted_answers():
    x, order = torch.randn(2, 6, 5), torch.randperm(6)
    network = build()
    torch.testing.assert_close(
        answer(network, x[:, order]), answer(network, x)[:, order], atol=1e-5, rtol=1e-5
    )


def test_a_molecule_alone_equals_the_molecule_in_larger_company():
    x = torch.randn(1, 4, 5)
    network = build(registers=2)
    padded = torch.cat((x, 9 * torch.randn(1, 3, 5)), 1)
    mask = torch.arange(7)[None, :, None] < 4
    torch.testing.assert_close(
        answer(network, padded, mask)[:, :4], answer(network, x), atol=1e-5, rtol=1e-5
    )
    assert not answer(network, padded, mask)[:, 4:].any()


@pytest.mark.parametrize("messages", [0, 4])
def test_distances_matter_beside_the_positions(messages):
    """With a stem that sees no positions, molecules of other distances still differ."""
    network = build(messages=messages)
    network.stem.weight.data[:, :3] = 0
    x = torch.randn(1, 6, 5)
    wider = torch.cat((2 * x[..., :3], x[..., 3:]), -1)
    assert not torch.allclose(answer(network, x), answer(network, wider), atol=1e-3)


def test_messages_keep_their_scalar_part_and_turn_their_vectors_with_the_molecule():
    torch.manual_seed(0)
    layer, x = Messages(8, 5, 3), torch.randn(2, 6, 3)
    layer.out = torch.nn.Identity()
    tokens, pairs = torch.randn(2, 6, 8), torch.randn(2, 6, 6, 5)
    turn = rotations(torch.randn(2, 4))
    sums, vectors = _parts(layer(tokens, pairs, ways(x, None)))
    others, turned = _parts(layer(tokens, pairs, ways(x @ turn.mT, None)))
    torch.testing.assert_close(others, sums, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(turned, vectors @ turn.mT[:, None], atol=1e-5, rtol=1e-5)
    assert vectors.abs().mean() > 0.05


def _parts(heard):
    return heard.unflatten(-1, (3, 4)).split((1, 3), -1)


def test_positions_of_the_answer_have_zero_mean():
    assert answer(build(), torch.randn(2, 6, 5))[..., :3].mean(1).abs().max() < 1e-6


def test_rotations_are_rotations_and_uniform():
    turn = rotations(Stream(0, "test").normal((20_000, 4)))
    torch.testing.assert_close(turn @ turn.mT, torch.eye(3).expand_as(turn), atol=1e-5, rtol=0)
    torch.testing.assert_close(torch.linalg.det(turn), torch.ones(len(turn)))
    direction = turn[:, :, 0]  # uniform on the sphere: mean 0, covariance 1/3
    assert direction.mean(0).abs().max() < 0.02
    assert (direction.T @ direction / len(turn) - torch.eye(3) / 3).abs().max() < 0.02


def test_turned_molecules_keep_distances_and_what_their_atoms_are():
    raw = torch.randn(3, 5, 5)
    turned = rotate(Batch(raw), Stream(0, "test")).x
    assert torch.equal(turned[..., 3:], raw[..., 3:])
    assert not torch.allclose(turned[..., :3], raw[..., :3], atol=0.1)
    torch.testing.assert_close(
        torch.cdist(turned[..., :3], turned[..., :3]), torch.cdist(raw[..., :3], raw[..., :3])
    )
