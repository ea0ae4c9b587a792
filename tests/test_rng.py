"""Named streams: a draw is a function of its name."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec

import pytest
import torch

from difftool.philox import WORD, philox
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


@pytest.fixture
def counted(monkeypatch):
    """Streams with counters, as on an accelerator."""
    monkeypatch.setattr("difftool.rng.counts", lambda device: True)


def test_counters_give_the_published_words():
    """Known answers of Random123, whose file kat_vectors lists them."""
    cases = [
        ((0, 0), (0, 0, 0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((WORD, WORD), (WORD,) * 4, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0xA4093822, 0x299F31D0),
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ]
    for (low, high), counter, words in cases:
        signed = (high << 32 | low) - (1 << 64 if high >> 31 else 0)
        found = philox(torch.tensor([signed]), counter)
        assert tuple(word.item() for word in found) == words


def test_counted_streams_do_not_depend_on_their_neighbours(counted):
    together, alone = Streams(0, "sample", range(6)), Streams(0, "sample", [4])
    for _ in range(3):
        assert torch.equal(together.normal((6, 3, 5))[4], alone.normal((1, 3, 5))[0])
        assert torch.equal(together.uniform((6, 2))[4], alone.uniform((1, 2))[0])


def test_counted_streams_repeat_nothing(counted):
    streams = Streams(0, "sample", [0, 1])
    drawn = torch.stack([streams.normal((2, 50)) for _ in range(32)])
    corr = torch.corrcoef(drawn.reshape(64, 50))
    assert (corr - torch.eye(64)).abs().max() < 0.75
    assert drawn.unique().numel() == drawn.numel()


def test_counted_numbers_have_their_distributions(counted):
    """Kolmogorov's distance of 200,000 numbers is below 0.00364 in 99 of 100 cases."""
    streams = Streams(1, "sample", range(100))
    for made, cdf in (
        (streams.normal((100, 2000)), torch.special.ndtr),
        (streams.uniform((100, 2000)), lambda x: x),
    ):
        x = cdf(made.flatten().double()).sort().values
        assert (x - torch.arange(1, len(x) + 1) / len(x)).abs().max() < 0.00364
        assert torch.corrcoef(made).fill_diagonal_(0).abs().max() < 0.1


@pytest.mark.heavy  # Triton's interpreter is slow
@pytest.mark.skipif(find_spec("triton") is None, reason="Triton is not installed")
def test_the_kernel_of_counted_streams_gives_the_formula():
    """By Triton's interpreter, which is chosen when Triton is imported: in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", KERNEL],
        capture_output=True,
        text=True,
        env={**os.environ, "TRITON_INTERPRET": "1"},
    )
    assert done.stdout.split() == ["True"], done.stderr[-2000:]


KERNEL = "from difftool.engine.noise_kernel import agrees_with_formula; print(agrees_with_formula('cpu'))"
