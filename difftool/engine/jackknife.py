"""jackknife: how far a number of some examples is from that of very many."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

GROUPS = 20
"""Number of groups that are left out in turn."""

WIDE = 1.96
"""Standard errors on each side of an interval that 95 in 100 such intervals cover."""

Numbers = Mapping[str, float]


def jackknife(
    measure: Callable[[np.ndarray], Numbers],
    count: int,
    *,
    corrected: bool,
    is_share: Callable[[str], bool] = lambda name: False,
) -> tuple[dict[str, float], dict[str, float]]:
    """Numbers of so many examples, and their standard errors.

    Examples are left out, a group at a time (Quenouille 1956; Efron and Stein 1981). Unlike the
    bootstrap, no example is there twice, which distances between sets would notice. A group takes
    every ``GROUPS``-th example: they are independent draws.

    Args:
        measure: the numbers of the examples at some indices.
        corrected: take away the bias in 1/n, which leaving out examples shows. Otherwise the
            numbers are those of all examples.
        is_share: whether a number is a share of the examples. Near 0 and 1 its error is taken as if
            two more examples were on either side (Agresti and Coull 1998).
    """
    whole = dict(measure(np.arange(count)))
    groups = min(GROUPS, count // 2)
    if groups < 2:
        return whole, {}
    parts = [measure(np.flatnonzero(np.arange(count) % groups != group)) for group in range(groups)]
    numbers, errors = dict[str, float](), dict[str, float]()
    for name, value in whole.items():
        left = np.array([part.get(name, np.nan) for part in parts])
        numbers[name] = (
            float(groups * value - (groups - 1) * left.mean())
            if corrected and np.isfinite(left).all()
            else value
        )
        error = float(np.sqrt((groups - 1) / groups * np.square(left - left.mean()).sum()))
        if is_share(name) and np.isfinite(value):
            share = (value * count + 2) / (count + 4)
            error = max(error, float(np.sqrt(share * (1 - share) / (count + 4))))
        if np.isfinite(error):
            errors[name] = error
    return numbers, errors


def needed(count: int, value: float, error: float, other: float, other_error: float) -> int | None:
    """The number of samples that show that a number differs from the data's, if it does so.

    Errors fall with the root of the number, of samples and of data alike. None if the numbers are
    equal, or one of them has no error.
    """
    apart, spread = abs(value - other), float(np.hypot(error, other_error))
    if not (np.isfinite(apart) and apart and np.isfinite(spread)):
        return None
    return max(2, int(np.ceil(count * (WIDE * spread / apart) ** 2)))
