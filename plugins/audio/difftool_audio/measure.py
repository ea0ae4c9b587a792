"""Rates and lengths of many recordings, from their headers, and what ``auto`` makes of them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from difftool import DataError, Item, parallel

from .decode import Header, header
from .options import LONGEST_AUTO, SHORTEST

SAMPLE = 20_000
"""Headers looked at; folders beyond it are sampled evenly."""


def headers(items: Iterable[Item]) -> list[Header]:
    """The headers that can be read; what cannot is found, and reported, when the recordings are decoded."""
    return [found for found in parallel(_header, (item.path for item in items)) if found]


def auto_rate(seen: Sequence[Header]) -> int:
    """The rate of most of the sound, by its length; of two with as much the higher one."""
    lengths: Counter[int] = Counter()
    for one in seen:
        lengths[one.rate] += one.frames
    return max(lengths, key=lambda rate: (lengths[rate] / rate, rate))


def auto_seconds(seen: Sequence[Header], rate: int) -> float:
    """The longest recording's length, at most two seconds and no less than can be set: a whole number of samples at ``rate``."""
    longest = max(-(-one.frames * rate // one.rate) for one in seen)
    return max(min(longest, round(LONGEST_AUTO * rate)), math.ceil(SHORTEST * rate)) / rate


def _header(path: Path) -> Header | None:
    try:
        return header(path)
    except DataError:
        return None
