"""What an adapter of a fiftieth of the weights is put on, and of which rank."""

from __future__ import annotations

import pytest
import torch

from difftool.objectives.finetune import SHARE, fitting


@pytest.mark.parametrize(("width", "rank"), [(1000, 10), (200, 2), (40, 1)])
def test_the_rank_is_the_largest_that_fits_and_at_least_1(width, rank):
    layer = torch.nn.Linear(width, width, bias=False)
    found, kept = fitting(layer, {"a": (layer, "weight", layer.weight)})
    assert (found, list(kept)) == (rank, ["a"])


def test_where_rank_1_is_too_much_the_larger_matrices_have_it():
    layers = [torch.nn.Linear(n, n, bias=False) for n in (8, 128, 8, 64, 8)]
    net = torch.nn.Sequential(*layers)
    chosen = {str(i): (layer, "weight", layer.weight) for i, layer in enumerate(layers)}
    room = SHARE * sum(p.numel() for p in net.parameters())
    assert 2 * (128 + 64 + 3 * 8) > room > 2 * (128 + 64 + 8)
    assert fitting(net, chosen)[1].keys() == {"1", "3", "0"}
    assert fitting(net, chosen, rows=100)[1].keys() == {"1", "0", "2", "4"}
    assert fitting(net, chosen, rows=1000)[1].keys() == {"1"}, "one at least"
