"""Rates and lengths of many recordings, from their headers, and the values of ``auto``."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

from difftool import Item, pick_evenly, readable

from .decode import Header, header
from .options import LONGEST_AUTO, SHORTEST, AudioOptions

SAMPLE = 20_000
"""Headers looked at; folders beyond it are sampled evenly."""


def settle(options: AudioOptions, items: Sequence[Item]) -> dict[str, Any]:
    """The options that are ``auto``, by name, as these recordings would have them.

    Raises:
        DataError: none of them can be opened.
    """
    found: dict[str, Any] = {}
    if "auto" not in (options.rate, options.seconds):
        return found
    seen = readable(header, pick_evenly(items, SAMPLE))
    rate = auto_rate(seen) if options.rate == "auto" else options.rate
    if options.rate == "auto":
        found["rate"] = rate
    if options.seconds == "auto":
        found["seconds"] = auto_seconds(seen, rate)
    return found


def auto_rate(seen: Sequence[Header]) -> int:
    """The rate of most of the sound, by duration; the higher one of two equally frequent rates."""
    lengths: Counter[int] = Counter()
    for one in seen:
        lengths[one.rate] += one.frames
    return max(lengths, key=lambda rate: (lengths[rate] / rate, rate))


def auto_seconds(seen: Sequence[Header], rate: int) -> float:
    """The length of the longest recording, at most two seconds and at least the smallest setting.

    It is a whole number of samples at ``rate``.
    """
    longest = max(-(-one.frames * rate // one.rate) for one in seen)
    return max(min(longest, round(LONGEST_AUTO * rate)), math.ceil(SHORTEST * rate)) / rate
