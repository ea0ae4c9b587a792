"""Finding: one thing that is said of a model."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

LEVELS = ("error", "warning", "note", "ok")
"""The worst first."""


@dataclass(frozen=True)
class Finding:
    """One line of a verdict.

    Attributes:
        level: ``error``, ``warning``, ``note`` or ``ok``.
        kind: one word for scripts, such as ``memorised``.
        fact: what was measured, with its number.
        fix: the likely cause and what to do; empty where nothing is wrong.
    """

    level: str
    kind: str
    fact: str
    fix: str = ""

    @property
    def text(self) -> str:
        return f"{self.fact} {self.fix}".strip()


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """The worst first."""
    return sorted(findings, key=lambda one: LEVELS.index(one.level))
