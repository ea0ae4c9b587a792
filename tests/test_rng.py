"""Named streams: a draw is a function of its name."""

from __future__ import annotations

import torch

from difftool.rng import Stream, Streams, key


def test_a_stream_is_its_name():
    a, b = (Stream(3, "noise", step=7).normal((2, 5)) for _ in range(2))
    assert torch.equal(a, b)
    for other in (
        Stream(4, "noise", 7),
        Stream(3, "order", 7),
        Stream(3, "noise", 8),
        Stream(3, "noise", 7, index=1),
    ):
        assert not torch.equal(a, other.normal((2, 5)))


def test_keys_do_not_collide_over_neighbours():
    keys = {
        key(seed, purpose, step, index)
        for seed in range(8)
        for purpose in "ab"
        for step in range(16)
        for index in range(16)
    }
    assert len(keys) == 8 * 2 * 16 * 16
    assert all(0 <= k < 2**63 for k in keys)


def test_example_i_never_depends_on_its_neighbours():
    together = Streams(0, "sample", range(6))
    alone = Streams(0, "sample", [4])
    for _ in range(3):  # also after several draws
        assert torch.equal(together.normal((6, 3, 4))[4], alone.normal((1, 3, 4))[0])


def test_streams_draw_unit_normals():
    drawn = Streams(1, "sample", range(200)).normal((200, 500))
    assert abs(drawn.mean()) < 0.01
    assert abs(drawn.std() - 1) < 0.01
    corr = torch.corrcoef(drawn[:50])
    assert (corr - torch.eye(50)).abs().max() < 0.25


def test_a_stream_that_goes_to_another_start_draws_what_a_new_one_draws():
    """A CUDA graph holds one generator, whose seed is set before each replay."""
    stream = Stream(1, "train", 4)
    stream.normal((3,))
    stream.rekey(2, "train", 5, 1)
    assert torch.equal(stream.normal((7,)), Stream(2, "train", 5, 1).normal((7,)))


def ahead(indices, most: int = Streams.AHEAD) -> Streams:
    """Streams that draw ahead, as they do on an accelerator."""
    streams = Streams(0, "sample", indices)
    streams._draws_ahead, streams.AHEAD = True, most
    return streams


def test_a_stream_that_draws_ahead_launches_few_kernels_and_repeats_nothing(monkeypatch):
    launched = []
    real = torch.randn
    monkeypatch.setattr(torch, "randn", lambda *a, **k: launched.append(a) or real(*a, **k))
    streams = ahead([0, 1])
    drawn = torch.stack([streams.normal((2, 50)) for _ in range(32)])
    assert len(launched) == 2 * 6, "1, 1, 2, 4, 8 and 16 draws, of two streams"
    corr = torch.corrcoef(drawn.reshape(64, 50))
    assert (corr - torch.eye(64)).abs().max() < 0.75
    assert drawn.unique().numel() == drawn.numel()


def test_streams_that_draw_ahead_do_not_depend_on_their_neighbours():
    """Nor on how many numbers may wait in all."""
    together, alone = ahead(range(6), most=30), ahead([4], most=30)
    for _ in range(12):
        assert torch.equal(together.normal((6, 3, 4))[4], alone.normal((1, 3, 4))[0])
        assert torch.equal(together.uniform((6, 2))[4], alone.uniform((1, 2))[0])
