"""Which source frame each output frame shows."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import pytest

from difftool import remarks
from difftool_video.retime import Timed, first_moment, retime, whole_ratio


def shown(starts, rate: float, fps: float, last: float | None = None) -> list[int]:
    """The numbers of the frames shown of a clip with these starts, in seconds; its last frame is held for ``last``."""
    timed = [
        Timed(k, start, last if k == len(starts) - 1 else None) for k, start in enumerate(starts)
    ]
    return list(retime(timed, rate, fps))


def steady(n: int, rate: float, tick: float = 0.0) -> list[float]:
    """Starts of ``n`` frames at a steady rate, rounded to ticks."""
    return [round(k / rate / tick) * tick if tick else k / rate for k in range(n)]


def test_the_same_rate_keeps_every_frame():
    assert shown(steady(50, 24), 24, 24) == list(range(50))


@pytest.mark.parametrize("divisor", [1, 2, 3, 4, 5, 7])
@pytest.mark.parametrize(
    ("rate", "tick"),
    [(30, 0.001), (30000 / 1001, 0.001), (120, 0.001), (24000 / 1001, 0.0), (33.333, 0.01)],
)
def test_a_whole_ratio_picks_exactly_every_nth_frame(rate, tick, divisor):
    """Whatever milliseconds, or hundredths in a GIF, make of the timestamps."""
    assert shown(steady(400, rate, tick), rate, rate / divisor) == list(range(0, 400, divisor))


@pytest.mark.parametrize("times", [2, 3, 4])
@pytest.mark.parametrize("tick", [0.0, 0.001])
def test_a_whole_multiple_repeats_every_frame_as_often(times, tick):
    assert shown(steady(100, 30, tick), 30, 30 * times) == [
        k for k in range(100) for _ in range(times)
    ]


@pytest.mark.parametrize(
    ("rate", "fps"), [(30, 12), (25, 10), (24, 15), (50, 30), (30, 20), (60, 25)]
)
def test_other_ratios_do_not_depend_on_how_timestamps_were_rounded(rate, fps):
    exact = shown(steady(300, rate), rate, fps)
    assert shown(steady(300, rate, 0.001), rate, fps) == exact
    assert abs(len(exact) - 300 * fps / rate) <= 1
    gaps = {b - a for a, b in pairwise(exact)}
    assert gaps <= {rate // fps, -(-rate // fps)}


def test_a_thousandth_is_no_difference():
    """29.97 frames per second as 15 take every second frame, for hours."""
    assert shown(steady(20_000, 30000 / 1001), 30000 / 1001, 15) == list(range(0, 20_000, 2))
    assert shown(steady(20_000, 24000 / 1001), 24000 / 1001, 24) == list(range(20_000))


def test_more_than_that_is():
    count = len(shown(steady(3000, 30), 30, 29))
    assert count == 2900


@pytest.mark.parametrize("p", [1, 2, 3, 4, 12, 29, 61])
def test_all_moments_keep_away_from_where_frames_change(p):
    for step in (Fraction(p, q) for q in range(1, 61)):
        places = [(first_moment(step) + k * step) % 1 for k in range(step.denominator)]
        edge = Fraction(1, 2 * step.denominator)
        assert all(edge <= place <= 1 - edge for place in places), step
        assert first_moment(step) < min(step, 1)


def test_ratios():
    assert whole_ratio(2.002) == 2
    assert whole_ratio(1 / 3) == Fraction(1, 3)
    assert whole_ratio(0.001) == Fraction(0.001)
    assert whole_ratio(1000.25) == Fraction(4001, 4)


def test_a_variable_rate_is_taken_by_its_times():
    starts = [0.0, 0.1, 0.2, 0.7, 0.8, 1.5]
    with remarks() as texts:
        assert shown(starts, 4, 10, last=0.1) == [0, 1, 2, 2, 2, 2, 2, 3, 4, 4, 4, 4, 4, 4, 4, 5]
    assert any("its rate varies" in text for text in texts)


def test_a_little_jitter_is_no_variable_rate():
    with remarks() as texts:
        shown([k / 60 + 0.004 * (k % 3) / 2 for k in range(100)], 60, 30)
    assert texts == []


def test_where_frames_begin_does_not_matter():
    late = [5 + start for start in steady(30, 30)]
    assert shown(late, 30, 10) == shown(steady(30, 30), 30, 10)
    assert shown([start - 0.5 for start in steady(30, 30)], 30, 10) == list(range(0, 30, 3))


def test_missing_times_are_one_frame_on():
    assert shown([None] * 10, 30, 15) == [0, 2, 4, 6, 8]
    assert shown([0.0, None, 2 / 30, None, None, 5 / 30], 30, 30) == list(range(6))


@pytest.mark.parametrize(
    "starts",
    [
        [0.0] * 6,  # none of them counts
        [0.0, 0.1, 0.1, 0.3, 0.4, 0.5],  # twice the same
        [0.0, 0.1, 0.2, 0.1, 0.4, 0.5],  # one back
        [0.0, 0.1, 0.2, 0.0, 0.1, 0.2],  # two recordings in one file
        [0.0, 0.1, 0.2, 9e4, 9e4 + 0.1, 9e4 + 0.2],  # a clock that wrapped
        [0.0, 0.1, float("nan"), 0.3, 0.4, 0.5],
    ],
)
def test_impossible_times_are_repaired(starts):
    assert shown(starts, 10, 10) == list(range(6))


def test_after_a_leap_times_count_from_there():
    """A recording that was paused for longer than anything is shown: what comes after has its own rate, and it is told."""
    starts = [0.1 * k for k in range(20)] + [300 + 0.1 * k for k in range(20)]
    with remarks() as texts:
        assert shown(starts, 10, 5) == list(range(0, 40, 2))
    assert any("leap by more than 60 s, 1 time:" in text for text in texts)


def test_the_last_frame_is_held_as_long_as_it_says():
    assert shown([0.0, 0.1], 10, 10, last=0.5) == [0, 1, 1, 1, 1, 1]
    assert shown([0.0, 0.1], 10, 10, last=1e6) == [0, 1]


def test_repeated_frames_are_reported_once():
    with remarks() as texts:
        shown(steady(20, 8), 8, 15)
    assert texts == ["recorded at 8 frames per second: frames repeat to make 15"]
    with remarks() as texts:
        shown(steady(20, 15 * 1000 / 1001), 15 * 1000 / 1001, 15)
    assert texts == []


def test_one_frame_and_none():
    assert shown([0.0], 25, 10) == [0]
    assert shown([0.0], 25, 1000, last=5.0) == [0]
    assert shown([], 25, 10) == []


def test_frames_are_handed_on_as_they_come():
    """No more than one frame is held, so that a long video never is in memory."""
    drawn = []

    def source():
        for k in range(100):
            drawn.append(k)
            yield Timed(k, k / 10)

    frames = retime(source(), 10, 10)
    assert [next(frames) for _ in range(5)] == [0, 1, 2, 3, 4]
    assert len(drawn) == 6
