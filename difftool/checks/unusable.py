"""unusable: files that training skips."""

from __future__ import annotations

from collections.abc import Iterator

from ..shell import command
from ..verdict import Case, Check, Diagnosis

SOME, MANY = 0.01, 0.2
"""Shares of skipped files that are worth a warning, and an error."""


class Unusable(Check):
    """Files that are damaged, empty or too small are skipped; many of them are a fault."""

    needs = ("skipped",)

    def look(self, case: Case) -> Iterator[Diagnosis]:
        assert case.skipped is not None
        share = len(case.skipped) / max(1, case.total + len(case.skipped))
        if share > SOME:
            yield Diagnosis(
                "error" if share > MANY else "warning",
                "unusable files",
                f"{share:.1%} of the files cannot be used and are skipped, such as "
                f"{case.skipped[0]}",
                "Mend them, or remove them if they are empty or damaged.",
                command("data", "check", "-m", case.modality, case.source),
                weight=min(1.0, 0.6 + share),
            )
