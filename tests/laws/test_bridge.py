"""Resampling as laws: sizes, constants, what is an identity, and the band of frequencies that is kept."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from difftool.bridges.resampling import DOWN, UP, Axis

WAYS = [(down, up) for down in DOWN for up in UP]


def there_and_back(x: torch.Tensor, axis: Axis) -> torch.Tensor:
    low, _ = axis.fewer(x, None)
    return axis.more(low, None, x.shape[axis.at])[0]


@pytest.mark.parametrize(("down", "up"), WAYS)
@given(n=st.integers(1, 40), factor=st.integers(2, 9))
@settings(max_examples=25, deadline=None)
def test_any_size_and_factor_comes_back_to_its_size_and_a_constant_to_itself(down, up, n, factor):
    x = torch.full((2, n, 3), 0.7)
    low, _ = Axis(1, factor, down, up).fewer(x, None)
    assert low.shape == (2, math.ceil(n / factor), 3)
    torch.testing.assert_close(there_and_back(x, Axis(1, factor, down, up)), x)


@pytest.mark.parametrize("down", ["area", "every"])
@given(n=st.integers(1, 20), factor=st.integers(2, 6), left=st.integers(0, 5))
@settings(max_examples=25, deadline=None)
def test_down_after_nearest_up_is_the_identity(down, n, factor, left):
    axis = Axis(2, factor, down, "nearest")
    low = torch.randn(2, 3, n)
    high, _ = axis.more(low, None, max(n * factor - left, (n - 1) * factor + 1))
    torch.testing.assert_close(axis.fewer(high, None)[0], low)


@pytest.mark.parametrize("up", UP)
def test_what_is_made_lies_where_it_was_taken_from(up):
    """A ramp comes back as itself, not moved aside: whichever way it went down, entries know what they stand for."""
    x = torch.arange(240.0)[None]
    for down in DOWN if up == "linear" else ["every", "sinc"]:
        for factor in (2, 3, 5):
            y = there_and_back(x, Axis(1, factor, down, up))
            assert (y - x)[:, 100:140].mean().abs() < (factor / 2 if up == "nearest" else 0.05)


@pytest.mark.parametrize("factor", [2, 3, 4])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.85])
def test_a_band_limited_tone_comes_through(factor, share):
    x = torch.sin(torch.arange(2000) * math.pi / factor * share + 0.3)[None]
    error = (there_and_back(x, Axis(1, factor, "sinc", "sinc")) - x)[:, 300:-300]
    assert error.abs().max() < 0.005


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_what_fewer_entries_cannot_say_is_gone_and_not_folded_back(factor):
    x = torch.sin(torch.arange(2000) * math.pi / factor * 1.15)[None]
    low, _ = Axis(1, factor, "sinc", "sinc").fewer(x, None)
    assert low[:, 80:-80].abs().max() < 0.005
    assert x[:, ::factor].abs().max() > 0.9


@pytest.mark.parametrize("down", ["area", "every"])
@given(n=st.integers(1, 40), factor=st.integers(2, 6))
@settings(max_examples=25, deadline=None)
def test_what_is_laid_back_is_made_again_by_going_down(down, n, factor):
    """A A^+ is the identity, and A^+ the least that does it: it has nothing of what going down does not see."""
    axis = Axis(1, factor, down, "linear")
    low = torch.randn(2, math.ceil(n / factor))
    back, _ = axis.back(low, None, n)
    torch.testing.assert_close(axis.fewer(back, None)[0], low)
    unseen = torch.randn(2, n)
    unseen = unseen - axis.back(axis.fewer(unseen, None)[0], None, n)[0]
    if n % factor == 0:  # of a last entry that stands for fewer, the edge counts more than once
        torch.testing.assert_close((unseen * back).sum(1), torch.zeros(2), atol=1e-4, rtol=0)
