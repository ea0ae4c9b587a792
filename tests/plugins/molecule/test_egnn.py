"""The network for molecules: its size, its two ways of computing the same, masks, precision, and that it learns."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from functorch.compile import make_boxed_func, min_cut_rematerialization_partition
from torch._dynamo.backends.common import aot_autograd

from difftool import Interface, Signals, UsageError
from difftool_molecule import chunked, pairs
from difftool_molecule import edges as edges_module
from difftool_molecule.contracts import SMALL
from difftool_molecule.edges import Edges
from difftool_molecule.egnn import Egnn
from difftool_molecule.network_options import EgnnOptions
from difftool_molecule.pairs import company

VARIANTS = {
    "usual": {},
    "without gates": {"attention": False, "tanh": False},
    "mean": {"aggregation": "mean", "reflections": False},
    "deep": {"sublayers": 2, "divisor": 10.0, "norm_constant": 0.0},
}
SIZES = torch.tensor([7, 3, 5, 2])
MASK = (torch.arange(7) < SIZES[:, None]).unsqueeze(-1)

every_variant = pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS.keys())


def network(*, stirred: bool = True, **options) -> Egnn:
    torch.manual_seed(0)
    widths = {name: options.pop(name) for name in ("vector", "channels") if name in options}
    made = Egnn(EgnnOptions(**{**SMALL, **options}), Interface((None, 9), **widths))
    with torch.no_grad():
        for p in (
            made.parameters() if stirred else ()
        ):  # what starts at zero hides what is behind it
            p.add_(0.1 * torch.randn(p.shape))
    return made.eval()


def inputs(dtype: torch.dtype = torch.float32) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(1)
    return torch.randn(4, 7, 9, generator=draw, dtype=dtype), torch.linspace(-1, 1, 4, dtype=dtype)


def plainly(monkeypatch) -> None:
    """As a compiler computes it."""
    monkeypatch.setattr(edges_module, "by_formulas", lambda: True)


def at_once(monkeypatch) -> None:
    """As on a device that works on the whole batch at a time."""
    monkeypatch.setattr(pairs, "_extents", lambda real: None)


def answers(made: Egnn, x: torch.Tensor, c_noise: torch.Tensor) -> list[torch.Tensor]:
    """The output, and the gradients of all parameters and of the input."""
    x = x.clone().requires_grad_()
    made.zero_grad()
    y = made(x, c_noise, Signals(), MASK)
    (y * torch.linspace(1, 2, 9, dtype=x.dtype)).square().sum().backward()
    return [y.detach(), x.grad, *(p.grad for p in made.parameters())]


@every_variant
@pytest.mark.parametrize("room", [1, 8 * 49 * 16 * 2, 1 << 20])
def test_a_few_examples_at_a_time_give_the_numbers_of_the_whole_batch(variant, room, monkeypatch):
    monkeypatch.setattr(chunked, "CACHE", room)
    made, given = network(**variant).double(), inputs(torch.float64)
    few = answers(made, *given)
    at_once(monkeypatch)
    whole = answers(made, *given)
    plainly(monkeypatch)
    for plain, *others in zip(answers(made, *given), few, whole, strict=True):
        for other in others:
            torch.testing.assert_close(other, plain)


PAIRS = 4 * 7 * 7 * 16
"""Numbers in a tensor of all pairs and features."""


def edges_of_pairs() -> tuple[Edges, torch.nn.Linear, tuple]:
    torch.manual_seed(0)
    there = company(MASK, mean=False, divisor=1.0)
    h, lengths = torch.randn(4, 7, 16, requires_grad=True), torch.rand(4, 7, 7, 2)
    return Edges(16), torch.nn.Linear(16, 1), (h, lengths, there)


@pytest.mark.parametrize("way", ["a few at a time", "at once"])
@pytest.mark.parametrize("kind", ["gathered", "read_out"])
def test_one_tensor_of_all_pairs_is_kept_for_the_way_back(kind, way, monkeypatch):
    if way == "at once":
        at_once(monkeypatch)
    edges, readout, given = edges_of_pairs()
    kept: list[int] = []
    with torch.autograd.graph.saved_tensors_hooks(
        lambda t: kept.append(t.numel()) or t, lambda t: t
    ):
        getattr(edges, kind)(*given, readout).sum()
    assert [n for n in kept if n > PAIRS / 4] == [PAIRS]


@pytest.mark.parametrize("kind", ["gathered", "read_out"])
def test_a_compiler_sees_one_product_over_pairs_and_keeps_what_it_reads_and_gives(kind):
    """All else is pointwise or a sum, which it fuses with what the product reads and writes."""
    edges, readout, given = edges_of_pairs()
    graphs = []

    def noted(graph, inputs):
        graphs.append(graph)
        return make_boxed_func(graph)

    backend = aot_autograd(
        fw_compiler=noted, bw_compiler=noted, partition_fn=min_cut_rematerialization_partition
    )
    compiled = torch.compile(getattr(edges, kind), backend=backend, fullgraph=True)
    compiled(*given, readout).sum().backward()
    forward = graphs[0].graph
    sizes = {
        node: node.meta["val"].numel()
        for node in forward.nodes
        if isinstance(node.meta.get("val"), torch.Tensor)
    }
    over_pairs = [node for node in sizes if sizes[node] >= PAIRS and node.op == "call_function"]
    products = [node for node in over_pairs if "mm" in str(node.target)]
    assert [str(node.target) for node in products] == ["aten.addmm.default"]
    (kept,) = (node.args[0] for node in forward.nodes if node.op == "output")
    assert sum(sizes.get(node, 0) >= PAIRS for node in kept) == 2


def test_single_precision_agrees_with_double(monkeypatch):
    made = network()
    single = answers(made, *inputs())
    plainly(monkeypatch)
    made = made.double()
    for one, other in zip(single, answers(made, *(t.double() for t in inputs())), strict=True):
        assert (one - other).norm() <= 1e-5 * other.norm()


def test_gradients_are_those_of_finite_differences():
    made, (x, c_noise) = network(layers=1, reflections=False).double(), inputs(torch.float64)
    assert torch.autograd.gradcheck(
        lambda x: made(x, c_noise, Signals(), MASK),
        (x.requires_grad_(),),
        atol=1e-5,
        fast_mode=True,
    )


def test_the_first_layer_is_the_one_over_both_ends_and_their_distances():
    """Satorras et al. 2021, Eq. 3: its input is (h_i, h_j, d_ij); here no such tensor is made."""
    torch.manual_seed(0)
    edges, gate, h, lengths = (
        Edges(8),
        torch.nn.Linear(8, 1),
        torch.randn(2, 5, 8),
        torch.rand(2, 5, 5, 2),
    )
    there = company(torch.ones(2, 5, 1, dtype=torch.bool), mean=False, divisor=1.0)
    both = torch.cat(
        (h[:, :, None].expand(-1, -1, 5, -1), h[:, None].expand(-1, 5, -1, -1), lengths), -1
    )
    hidden = F.silu(edges.second(F.silu(edges.first(both))))
    gathered = (hidden * gate(hidden).sigmoid() * ~torch.eye(5, dtype=torch.bool)[..., None]).sum(2)
    torch.testing.assert_close(edges.gathered(h, lengths, there, gate), gathered)
    readout = torch.nn.Linear(8, 2, bias=False)
    torch.testing.assert_close(edges.read_out(h, lengths, there, readout), readout(hidden))


@every_variant
def test_a_padded_molecule_gives_the_answer_of_the_molecule_alone(variant, monkeypatch):
    made, (x, c_noise) = network(**variant), inputs()
    for way in (lambda: None, lambda: plainly(monkeypatch)):
        way()
        with torch.no_grad():
            padded = made(torch.where(MASK, x, 9.0), c_noise, Signals(), MASK)
            for i, size in enumerate(SIZES):
                alone = made(x[i : i + 1, :size], c_noise[i : i + 1], Signals())
                torch.testing.assert_close(padded[i : i + 1, :size], alone, atol=1e-5, rtol=1e-5)
        assert not padded.masked_select(~MASK).any()


def test_padding_may_lie_anywhere():
    made, (x, c_noise) = network(), inputs()
    with torch.no_grad():
        usual = made(x, c_noise, Signals(), MASK)
        turned = made(x.flip(1), c_noise, Signals(), MASK.flip(1))
    torch.testing.assert_close(turned.flip(1), usual, atol=1e-5, rtol=1e-5)


def test_padding_sends_no_gradient():
    made, (x, c_noise) = network(), inputs()
    made(x.requires_grad_(), c_noise, Signals(), MASK).square().sum().backward()
    assert not x.grad.masked_select(~MASK).any()


def test_an_atom_does_not_see_itself():
    """One atom alone is told nothing, and stays."""
    made = network()
    x, c_noise = torch.randn(1, 1, 9), torch.zeros(1)
    for p in (p for m in made.modules() if isinstance(m, Edges) for p in m.parameters()):
        p.data.normal_()
    with torch.no_grad():
        one, other = (
            made(x, c_noise, Signals()),
            made(x + torch.tensor([5.0, 5, 5, *[0] * 6]), c_noise, Signals()),
        )
    assert not one[..., :3].any()
    assert torch.equal(one, other)


def test_a_new_network_says_nothing():
    assert not network(stirred=False)(*inputs(), Signals(), MASK).any()


def test_every_parameter_learns_from_the_second_step_on():
    made, (x, c_noise) = network(stirred=False, vector=4), inputs()
    optimizer = torch.optim.SGD(made.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        (made(x, c_noise, Signals(torch.randn(4, 4)), MASK) - x).square().mean().backward()
        optimizer.step()
    assert [name for name, p in made.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_every_signal_reaches_the_output():
    made, (x, c_noise) = network(vector=4, channels=2), inputs()
    vector, beside = torch.randn(4, 4), torch.randn(4, 2, 7)
    with torch.no_grad():
        usual = made(x, c_noise, Signals(vector, None, beside))
        for other in (
            (c_noise + 1, vector, beside),
            (c_noise, vector.flip(0), beside),
            (c_noise, vector, beside.flip(2)),
        ):
            assert not torch.allclose(
                usual, made(x, other[0], Signals(other[1], None, other[2])), atol=1e-4
            )


def test_channels_belong_to_their_atoms_and_those_of_padding_to_none():
    """In another order of the atoms and their channels the answer is in that order too."""
    made, (x, c_noise) = network(channels=2), inputs()
    beside, order = torch.randn(4, 2, 7), torch.randperm(7)
    with torch.no_grad():
        usual = made(x, c_noise, Signals(channels=beside), MASK)
        mixed = made(x[:, order], c_noise, Signals(channels=beside[..., order]), MASK[:, order])
        padded = made(x, c_noise, Signals(channels=torch.where(MASK.mT, beside, 9.0)), MASK)
    torch.testing.assert_close(mixed, usual[:, order], atol=1e-5, rtol=1e-5)
    assert torch.equal(padded, usual)


def test_no_atom_moves_further_than_the_bound():
    """In each block, the others move an atom by the bound over the number of blocks each."""
    made, (x, c_noise) = network(range=0.5, layers=2), inputs()
    for block in made.blocks:
        block.motion.far.weight.data.mul_(1e6)
    with torch.no_grad():
        moved = made(x, c_noise, Signals())[..., :3]
    assert (
        0.1 < moved.norm(dim=-1).max() <= 0.5 * 6 * 2
    )  # all six others pull the same way, and the centre goes the other way


def test_mean_and_sum_differ_by_the_number_of_others():
    x, c_noise = (t[:1] for t in inputs())
    summed, averaged, divided = (
        network(tanh=False, layers=1, **o) for o in ({}, {"aggregation": "mean"}, {"divisor": 6.0})
    )
    with torch.no_grad():
        torch.testing.assert_close(averaged(x, c_noise, Signals()), divided(x, c_noise, Signals()))
        assert not torch.allclose(
            summed(x, c_noise, Signals()), divided(x, c_noise, Signals()), atol=1e-3
        )


def test_atoms_in_one_place_give_finite_gradients():
    made, (x, c_noise) = network(norm_constant=0.0, reflections=False), inputs()
    x[..., :3] = 0
    x.requires_grad_()
    made(x, c_noise, Signals(), MASK).square().sum().backward()
    assert x.grad.isfinite().all()
    assert all(p.grad.isfinite().all() for p in made.parameters())


@every_variant
def test_half_precision_is_close_and_leaves_positions_in_single(variant):
    made, (x, c_noise) = network(**variant), inputs()
    with torch.no_grad():
        plain = made(x, c_noise, Signals(), MASK)
        with torch.autocast("cpu", torch.bfloat16):
            half = made(x, c_noise, Signals(), MASK)
    assert half.dtype == torch.float32
    assert 0 < (half - plain).norm() / plain.norm() < 0.05
    assert half[..., :3].sum(1).abs().max() < 1e-5


def test_half_precision_gives_gradients_near_those_of_single(monkeypatch):
    made, given = network(), inputs()
    plain = answers(made, *given)
    with torch.autocast("cpu", torch.bfloat16):
        half = answers(made, *given)
    plainly(monkeypatch)
    with torch.autocast("cpu", torch.bfloat16):
        whole = answers(made, *given)
    for exact, one, other in zip(plain, half, whole, strict=True):
        assert one.dtype == exact.dtype
        assert (one - exact).norm() <= 0.1 * exact.norm()
        assert (one - exact).norm() <= 2 * (other - exact).norm() + 0.02 * exact.norm()


def test_checkpointing_keeps_less_and_changes_nothing():
    kept, gradients = [], []
    for checkpointing in (False, True):
        made = network(layers=4)
        made.checkpointing = checkpointing
        sizes: list[int] = []
        with torch.autograd.graph.saved_tensors_hooks(
            lambda t, sizes=sizes: sizes.append(t.numel()) or t, lambda t: t
        ):
            loss = made(*inputs(), Signals(), MASK).square().sum()
        kept.append(sum(sizes))
        loss.backward()
        gradients.append([p.grad for p in made.parameters()])
    assert kept[1] < kept[0] / 2
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other)


def test_it_is_one_graph():
    made, (x, c_noise) = network(reflections=False), inputs()
    graph = torch.compile(made, backend="eager", fullgraph=True)
    with torch.no_grad():
        torch.testing.assert_close(
            graph(x, c_noise, Signals(), MASK),
            made(x, c_noise, Signals(), MASK),
            atol=1e-5,
            rtol=1e-5,
        )


def test_it_has_the_size_of_the_paper_s_network_and_little_more():
    """About 5.3 million for QM9 (9 blocks of 256); the rest is the noise embedding and how it scales and shifts each block."""
    with torch.device("meta"):
        made = Egnn(EgnnOptions(), Interface((None, 9)))
    steering = sum(
        p.numel()
        for m in (made.embedding, made.noise, *(block.messages[0].film for block in made.blocks))
        for p in m.parameters()
    )
    assert (sum(p.numel() for p in made.parameters()) - steering) / 1e6 == pytest.approx(
        5.3, rel=0.02
    )


@pytest.mark.parametrize("shape", [(3, 16, 16), (None, 3), (7, None)])
def test_only_points_with_features_are_taken(shape):
    with pytest.raises(UsageError, match=r"points in space.*pointcloud"):
        Egnn(EgnnOptions(), Interface(shape))


def test_it_says_that_it_cannot_attend():
    with pytest.raises(UsageError, match="tokens"):
        Egnn(EgnnOptions(), Interface((None, 9), tokens=8))


def test_it_learns_who_is_near():
    """The target is the number of atoms within a distance, and the way to their middle."""
    torch.manual_seed(0)
    made = Egnn(EgnnOptions(layers=2, features=32, embedding=16), Interface((None, 4)))
    optimizer = torch.optim.AdamW(made.parameters(), lr=3e-3)
    x, c_noise = torch.randn(32, 8, 4), torch.zeros(32)
    between = x[:, None, :, :3] - x[:, :, None, :3]
    near = (between.norm(dim=-1, keepdim=True) < 1.5).float()
    pull = (near * between).sum(2) / 4
    target = torch.cat((pull - pull.mean(1, keepdim=True), near.sum(2) / 4), -1)
    for _ in range(150):
        loss = (made(x, c_noise, Signals()) - target).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.1 * target.square().mean()
