"""Packing leaves padding out, and changes nothing else."""

from __future__ import annotations

import pytest
import torch

from difftool.errors import UsageError
from difftool.nn.backbone import Interface, Signals
from difftool.nn.transformer.dit import DiT
from difftool.nn.transformer.options import DiTOptions
from difftool.nn.transformer.packing import Packing
from difftool.testing import backbone_contract

SMALL = {"width": 24, "depth": 2, "head_width": 12, "pack": True}
FORMS = {
    "plain": {},
    "context": {"registers": 2, "tokens": "context", "vector": "context", "stretch": True},
    "shared": {"modulation": "shared", "absolute": False},
}
LENGTHS = (3, 8, 5, 3, 1)

TestPacked = backbone_contract("dit", (3, 8, 8), SMALL, [(7, 9)])
TestPackedLine = backbone_contract("dit", (2, 12), {**SMALL, **FORMS["context"]}, [(7,)])


def networks(form):
    """The same network, once packed and once padded."""
    for pack in (True, False):
        torch.manual_seed(0)
        options = DiTOptions(**{**SMALL, **FORMS[form], "pack": pack})
        network = DiT(options, Interface((3, 8, 8), vector=4, tokens=6))
        for p in network.parameters():  # what starts at zero hides what is behind it
            p.data.add_(0.1 * torch.randn(p.shape))
        yield network


def inputs():
    torch.manual_seed(1)
    n = len(LENGTHS)
    real = torch.arange(8) < torch.tensor(LENGTHS)[:, None]
    signals = Signals(
        vector=torch.randn(n, 4),
        tokens=torch.randn(n, 3, 6),
        token_mask=torch.tensor([[1, 1, 1], [1, 0, 0], [1, 1, 0], [0, 0, 1], [1, 1, 1]]).bool(),
    )
    return torch.randn(n, 3, 8, 8), torch.linspace(-1, 1, n), signals, real[:, None, :, None]


@pytest.mark.parametrize("form", FORMS)
def test_packed_and_padded_agree_with_their_gradients(form):
    packed, padded = networks(form)
    x, c_noise, signals, mask = inputs()
    one, other = (network(x, c_noise, signals, mask) * mask for network in (packed, padded))
    torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)
    one.square().sum().backward()
    other.square().sum().backward()
    for mine, theirs in zip(packed.parameters(), padded.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, theirs.grad, atol=2e-4, rtol=1e-3)


def test_an_example_alone_is_as_in_company():
    network, _ = networks("plain")
    x, c_noise, signals, mask = inputs()
    with torch.no_grad():
        whole = network(x, c_noise, signals, mask)
        for i in range(len(x)):
            own = Signals(**{name: t[i : i + 1] for name, t in signals.tensors().items()})
            alone = network(x[i : i + 1], c_noise[i : i + 1], own, mask[i : i + 1])
            torch.testing.assert_close(whole[i : i + 1], alone, atol=1e-5, rtol=1e-4)


def test_blocks_see_the_real_tokens_only():
    network, _ = networks("plain")
    x, c_noise, signals, mask = inputs()
    seen = []
    network.blocks[0].register_forward_pre_hook(lambda module, args: seen.append(args[0].shape))
    network(x, c_noise, signals, mask)
    patches = sum(-(-n // 2) * 4 for n in LENGTHS)  # patches of 2 by 2
    assert seen == [(1, patches, 24)]


def test_packing_and_unpacking_are_inverse():
    real = torch.tensor([[1, 1, 0], [0, 1, 0], [1, 1, 1], [0, 1, 1]]).bool()
    packing, x = Packing(real), torch.randn(4, 3, 5)
    assert packing.runs == ((1, 1), (2, 2), (3, 1))
    assert torch.equal(packing.unpacked(packing.packed(x)), x * real[..., None])


@pytest.mark.parametrize("other", [{"causal": True}, {"attention": "factorised"}])
def test_what_does_not_go_with_packing_is_refused(other):
    with pytest.raises(UsageError, match="pack to false"):
        DiT(DiTOptions(**{**SMALL, **other}), Interface((3, 8, 8)))
