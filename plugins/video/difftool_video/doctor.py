"""What may be wrong with clips: nothing moves, or frames are out of order."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from difftool import Case, Check, Diagnosis

STILL = 0.5
"""Mean change from frame to frame, of 255, under which nothing moves."""

SHUFFLED = 0.85
"""Change from frame to frame over that across half of a clip, above which there is no order."""

SOME, MANY = 0.05, 0.25

AT_MOST = 300


class Motion(Check):
    """Neighbouring frames are alike and distant ones less so."""

    needs = ("examples",)

    def look(self, case: Case) -> Iterator[Diagnosis]:
        assert case.examples is not None
        clips = [one for one in case.examples[:AT_MOST] if len(one) >= 6]
        if not clips:
            return
        near, far = np.array([_changes(one) for one in clips]).T
        still = far < STILL
        if (share := float(still.mean())) > SOME:
            yield Diagnosis(
                "error" if share > MANY else "warning",
                "still clips",
                f"In {share:.0%} of {len(clips):,} clips nothing moves.",
                "The model learns to make stills. Leave them out, or take frames further apart "
                "with --fps.",
                "difftool train -m video … --fps 4",
                weight=min(1.0, 0.55 + share / 2),
            )
        moving = ~still
        if moving.sum() < 10:
            return
        ratio = float(np.median(near[moving] / far[moving]))
        if ratio > SHUFFLED:
            yield Diagnosis(
                "error",
                "frames out of order",
                f"One frame differs from the next by {ratio:.0%} of what frames half a clip apart "
                "differ by.",
                "Frames are out of order, or so far apart in time that nothing connects them. "
                "Check how they were numbered, or ask for more frames a second with --fps.",
                weight=0.9,
            )


def _changes(clip: np.ndarray) -> tuple[float, float]:
    """Mean change of a value from frame to frame, and across half of the clip."""
    x = clip.astype(np.float32)
    half = len(x) // 2
    return float(np.abs(x[1:] - x[:-1]).mean()), float(np.abs(x[half:] - x[:-half]).mean())
