"""samples: what is wrong with samples, and whether the way they are drawn is the cause."""

from __future__ import annotations

from collections.abc import Iterator

from ..verdict import Case, Check, Diagnosis, of_samples

UNSETTLED, FAR_OFF = 0.25, 0.5
"""How far samples move with four times the steps, over their spread."""

STRONG = 4.0
"""A scale of guidance above which samples saturate."""


class SamplesCheck(Check):
    """Samples beside held-out data, by the metrics of ``difftool evaluate``."""

    needs = ("drawn",)

    def look(self, case: Case) -> Iterator[Diagnosis]:
        assert case.drawn is not None
        info = case.drawn.info
        found = of_samples(case.drawn.rows, info, case.training)
        yield from (one for one in found if one.level != "ok")
        steps = info.get("steps")
        if case.drawn.unsettled > UNSETTLED and isinstance(steps, int):
            yield Diagnosis(
                "error" if case.drawn.unsettled > FAR_OFF else "warning",
                "too few steps",
                f"With {4 * steps} steps in place of {steps}, samples move by "
                f"{case.drawn.unsettled:.0%} of their spread.",
                "The sampler's steps are too large for its equation.",
                f"difftool sample RUN --steps {4 * steps}",
                weight=0.95,
            )
        guidance = info.get("guidance")
        if isinstance(guidance, int | float) and guidance > STRONG:
            yield Diagnosis(
                "warning",
                "guidance too strong",
                f"The guidance has a scale of {guidance:g}.",
                "Above about 3, samples lose variety and saturate; 1 is none.",
                "difftool sample RUN --guidance 1.5",
                weight=0.9 if any(one.kind in ("uniform", "far") for one in found) else 0.6,
            )
