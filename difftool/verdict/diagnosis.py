"""Diagnosis: one thing that is said of data, of a run or of samples, with its evidence."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

LEVELS = ("error", "warning", "note", "ok")
"""The worst first."""


@dataclass(frozen=True)
class Diagnosis:
    """One line of a verdict.

    Attributes:
        level: ``error``, ``warning``, ``note`` or ``ok``.
        kind: a word or two for scripts, such as ``memorised``.
        fact: what was measured, with its number.
        fix: the likely cause and what to do; empty where nothing is wrong.
        command: the command to try; empty where there is none.
        weight: from 0 to 1, how much of the data or of the samples it spoils. Of one level, the
            heaviest come first.
    """

    level: str
    kind: str
    fact: str
    fix: str = ""
    command: str = ""
    weight: float = 0.5

    @property
    def text(self) -> str:
        tried = f"Try: {self.command}" if self.command else ""
        return " ".join(filter(None, (self.fact, self.fix, tried)))


def in_order(findings: Iterable[Diagnosis]) -> list[Diagnosis]:
    """The worst first, and of one level the heaviest."""
    return sorted(findings, key=lambda one: (LEVELS.index(one.level), -one.weight))
