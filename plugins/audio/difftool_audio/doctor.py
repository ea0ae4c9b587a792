"""What may be wrong with recordings: clipping, a constant offset, a rate that is not theirs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from difftool import Case, Check, Diagnosis

from .check import AudioLook

CLIPPED = 1e-3
"""Share of the samples of a recording that are cut off, from which on it is heard."""

OFFSET = 0.02
"""Constant offset, of full scale."""

SOME, MANY = 0.03, 0.25
"""Shares of recordings that are worth a warning, and an error."""

EMPTY = 1e-7
"""Power above half of the highest frequency over all power, below which that half is empty."""

EDGE = 10.0
"""Usual power just below half of the highest frequency over that above, from which on there is an
edge at which noise ends.
"""

FAINT = -50.0
"""Loudness in dB of full scale below which a recording is hardly above its noise."""


class Recordings(Check):
    """Counts recordings with faults that a model would learn."""

    needs = ("looks", "examples")

    def look(self, case: Case) -> Iterator[Diagnosis]:
        assert case.looks is not None
        looks = [one for one in case.looks if isinstance(one, AudioLook)]
        if not looks:
            return
        clipped = np.array([one.clipped for one in looks])
        yield from _counted(
            clipped > CLIPPED,
            "clipping",
            f"cut off at full scale, in the worst one {clipped.max():.1%} of the samples",
            "The gain was too high when they were recorded or converted. Leave them out, or "
            "convert the sources again: a model learns the distortion.",
        )
        offset = np.array([one.offset for one in looks])
        yield from _counted(
            offset > OFFSET,
            "constant offset",
            f"off zero by up to {offset.max():.1%} of full scale (DC)",
            "A sound card or a sum of tracks added it. Filter it out with a high-pass at 20 Hz.",
        )
        level = np.array([one.level for one in looks])
        silent = np.array([one.pauses >= 1 for one in looks]) | (level < FAINT)
        yield from _counted(
            silent,
            "silence",
            f"silent throughout or fainter than {FAINT:.0f} dB of full scale",
            "Parts without sound were cut out, or files are empty. Leave them out with "
            "--silence skip.",
        )
        yield from self._rate(case)

    @staticmethod
    def _rate(case: Case) -> Iterator[Diagnosis]:
        """Recordings whose upper half of frequencies is empty were made at a lower rate."""
        assert case.examples is not None
        empty = np.array([_is_empty_above(one) for one in case.examples[:300]])
        yield from _counted(
            empty,
            "wrong rate",
            "empty above half of the highest frequency",
            "They were recorded at half the rate or less, or compressed, and converted: half of "
            "the work is spent on nothing. Train at a lower rate.",
            "difftool train -m audio … --rate 8000",
        )


def _is_empty_above(sound: np.ndarray) -> bool:
    """Whether nothing is in the upper half of the spectrum, where there is anything below.

    A tone without any noise is empty above its partials at every rate. A recording that was
    converted has its noise up to the edge, and none beyond.
    """
    x = np.asarray(sound, np.float64).mean(0)
    power = np.square(np.abs(np.fft.rfft(x * np.hanning(len(x)))))
    above, below = power[len(power) * 11 // 20 :], power[len(power) // 4 : len(power) * 9 // 20]
    if not len(below) or not above.sum() < EMPTY * power.sum():
        return False
    rounding = len(x) / 32  # the power that whole numbers add to each line of this spectrum
    return bool(np.median(below) > EDGE * max(float(np.median(above)), rounding))


def _counted(
    faulty: np.ndarray, kind: str, how: str, fix: str, command: str = ""
) -> Iterator[Diagnosis]:
    share = float(faulty.mean()) if len(faulty) else 0.0
    if share > SOME:
        yield Diagnosis(
            "error" if share > MANY else "warning",
            kind,
            f"{share:.0%} of {len(faulty):,} recordings are {how}.",
            fix,
            command,
            weight=min(1.0, 0.55 + share / 2),
        )
