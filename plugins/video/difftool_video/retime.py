"""Which frame of a clip is shown at each moment of another rate.

Everything is counted in source frames: frame ``i`` of a clip of steady rate is on display from
``i`` to ``i + 1``, and the output looks at moments that lie ``rate / fps`` apart. Where that is a
ratio ``p/q`` of small whole numbers, the moments fall on ``q`` places within a frame, and the first
of them is chosen so that all keep away, by ``1/2q``, from where one frame gives way to the next:
rounded timestamps, as of a container that counts milliseconds, then neither repeat a frame nor drop
one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Generic, NamedTuple, TypeVar

from difftool import remark

Frame = TypeVar("Frame")

SAME = 0.0015
"""Ratios within this share of one of small whole numbers are taken for it: 29.97 frames a second
for 30, and 23.976 for 24.
"""

LARGEST_PART = 60  # the largest q
LONGEST_HOLD = 60.0  # seconds: a longer jump of the timestamps is a fault of theirs
UNEVEN = 1 / 3  # of a frame: what a step between timestamps may be off by
OFTEN = 0.02  # share of uneven steps from which a rate is called variable


class Timed(NamedTuple, Generic[Frame]):
    """A decoded frame, when it is shown and for how long, in seconds; None where the file does not
    say.
    """

    frame: Frame
    start: float | None
    seconds: float | None = None


def retime(frames: Iterable[Timed[Frame]], rate: float, fps: float) -> Iterator[Frame]:
    """The frames to show at ``fps``, one for each of its moments until the clip ends: the same
    object again where one repeats.

    Args:
        rate: frames per second of the source, on average where it varies.
    """
    step = whole_ratio(rate / fps)
    if step < 1:
        remark(f"recorded at {rate:.4g} frames per second: frames repeat to make {fps:.4g}")
    moment = first_moment(step)
    for frame, end in _displayed(frames, rate, min(1.0, float(step))):
        while moment < end:
            yield frame
            moment += step


def whole_ratio(ratio: float) -> Fraction:
    """The ratio of small whole numbers that it is nearly, or else exactly it."""
    near = Fraction(ratio).limit_denominator(LARGEST_PART)
    return near if near and abs(near / Fraction(ratio) - 1) < SAME else Fraction(ratio)


def first_moment(step: Fraction) -> Fraction:
    """Half a frame of the source, or of the output where that is less; less ``1/2q`` where a moment
    would fall on an edge otherwise.
    """
    parts = min(step.numerator, step.denominator)
    return Fraction(parts - (parts % 2 == 0), 2 * step.denominator)


def _displayed(
    frames: Iterable[Timed[Frame]], rate: float, lone: float
) -> Iterator[tuple[Frame, float]]:
    """Every frame and when its display ends, counted in source frames from the first one's start.

    Args:
        lone: how long a frame is shown that is the only one: it is a picture, however long it
            lasts.
    """
    steps = _Steps(rate)
    last: Timed[Frame] | None = None
    origin = position = 0.0
    for timed in frames:
        if last is None:
            origin = timed.start or 0.0
        else:
            position = steps.after(
                position, None if timed.start is None else (timed.start - origin) * rate
            )
            yield last.frame, position
        last = timed
    if last is not None:
        held = (last.seconds or 0.0) * rate
        whole = held if 0 < held <= LONGEST_HOLD * rate else 1.0
        yield last.frame, position + whole if position else lone
    steps.tell()


class _Steps:
    """The steps from frame to frame: repairs those that timestamps do not give, and tells whether
    they are even.
    """

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self.shortest = self.longest = 1.0
        self.uneven = self.total = self.leaps = 0
        self.leapt = 0.0

    def after(self, position: float, stated: float | None) -> float:
        """The start of the frame after the one that starts at ``position``; a frame on where what
        is stated cannot be.

        After a leap, what is stated counts from there.
        """
        if stated is None:
            return position + 1
        stated -= self.leapt
        if abs(stated - position) > LONGEST_HOLD * self.rate:
            self.leapt += stated - (position + 1)
            self.leaps += 1
            return position + 1
        if not position < stated:
            return position + 1
        step = stated - position
        self.shortest, self.longest = min(self.shortest, step), max(self.longest, step)
        self.uneven += abs(step - 1) > UNEVEN
        self.total += 1
        return stated

    def tell(self) -> None:
        if self.leaps:
            times = f"{self.leaps:,} time{'s' * (self.leaps > 1)}"
            remark(
                f"its times leap by more than {LONGEST_HOLD:.0f} s, {times}: it is read as if "
                "they did not"
            )
        if self.uneven > OFTEN * self.total:
            low, high = self.rate / self.longest, self.rate / self.shortest
            remark(
                f"its rate varies, from {low:.3g} to {high:.3g} frames per second: frames are "
                "taken by their times"
            )
