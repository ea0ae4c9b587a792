"""Attention over space and time together: what it is told of where things are, and that it finds what moved."""

from __future__ import annotations

import torch

from difftool_video.space_time import Rotation, SpaceTimeAttention, rotated
from difftool_video.temporal import Timeline


def test_scores_depend_on_differences_of_positions_alone():
    turns = Rotation(20)((4, 5, 6), torch.device("cpu")).unflatten(0, (4, 5, 6))
    query, key = torch.randn(20), torch.randn(20)

    def score(at, other):
        return rotated(query[None], turns[at][None]) @ rotated(key[None], turns[other][None]).T

    torch.testing.assert_close(score((0, 1, 2), (2, 0, 3)), score((1, 4, 0), (3, 3, 1)))
    assert not torch.allclose(score((0, 1, 2), (2, 0, 3)), score((0, 1, 2), (2, 0, 4)))


def test_turning_keeps_lengths_and_what_is_left_over():
    x, turns = torch.randn(2, 30, 20), Rotation(20)((1, 5, 6), torch.device("cpu"))
    torch.testing.assert_close(rotated(x, turns).norm(dim=-1), x.norm(dim=-1))
    assert torch.equal(rotated(x, turns)[..., 18:], x[..., 18:])
    assert torch.equal(rotated(x, turns)[:, 0], x[:, 0])


def test_what_moved_is_found_again():
    """The second frame is asked to show, at one place, the value that stood at another place of the first one: a step apart at random."""
    torch.manual_seed(0)
    layer = SpaceTimeAttention(32, 32)
    enter, leave = torch.nn.Conv2d(3, 32, 1), torch.nn.Conv2d(32, 1, 1)
    optimizer = torch.optim.Adam(
        [p for part in (layer, enter, leave) for p in part.parameters()], 3e-3
    )
    losses = []
    for _ in range(300):
        x, place, step = (
            torch.zeros(32, 2, 3, 4, 4),
            torch.randint(1, 3, (32, 2)),
            torch.randint(-1, 2, (32, 2)),
        )
        value, i, (y0, x0), (y1, x1) = torch.randn(32), torch.arange(32), place.T, (place + step).T
        x[i, 0, 0, y0, x0], x[i, 0, 1, y0, x0], x[i, 1, 2, y1, x1] = value, 1.0, 1.0
        made = leave(layer(enter(x.flatten(0, 1)), None, Timeline(2))).unflatten(0, (32, 2))[
            i, 1, 0, y1, x1
        ]
        loss = (made - value).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert sum(losses[-20:]) / 20 < 0.2
