"""Line numbers of the keys in a cascade file, which TOML's parser does not report."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from .layers import Path, key_lines

STAGE = "stage"
EXPERT = "expert"

_HEAD = re.compile(r"^\s*\[\[\s*stage\s*\]\]")
_EXPERT_HEAD = re.compile(r"^\s*\[\[\s*stage\s*\.\s*expert\s*\]\]")


def stage_heads(lines: Sequence[str]) -> list[int]:
    """The numbers of the lines that begin a stage."""
    return [number for number, line in enumerate(lines) if _HEAD.match(line)]


def expert_names(table: Mapping[str, Any]) -> list[str]:
    """The experts' names as written; empty if ``expert`` is not a list of tables."""
    experts = table.get(EXPERT, [])
    return [str(expert.get("name", "")) for expert in experts] if is_tables(experts) else []


def is_tables(value: Any) -> bool:
    """Whether a value is a list of tables, as TOML parses ``[[…]]``."""
    return isinstance(value, list) and all(isinstance(table, dict) for table in value)


def places(
    lines: Sequence[str], start: int, stop: int, origin: str, experts: Sequence[str] = ()
) -> dict[Path, str]:
    """Positions of the keys between two lines.

    Keys below ``[[stage]]`` belong to the stage, those below ``[[stage.expert]]`` to the expert.
    """
    found: dict[Path, str] = (
        {("name",): f"{origin}:{start + 1}"} if stop > start and _HEAD.match(lines[start]) else {}
    )
    cuts = [number for number in range(start, stop) if _EXPERT_HEAD.match(lines[number])]
    cuts = cuts if len(cuts) == len(experts) else []
    for n, (first, last) in enumerate(pairwise([start, *cuts, stop])):
        expert = (EXPERT, experts[n - 1]) if n else ()
        found |= {(*expert, "name"): f"{origin}:{first + 1}"} if n else {}
        for path, number in key_lines("\n".join(lines[first:last])):
            found[_own_path(path, expert)] = f"{origin}:{first + number}"
    return found


def _own_path(path: Path, expert: Path) -> Path:
    """A key's path below its stage; ``expert`` is the prefix of bare keys."""
    if path[:2] == (STAGE, EXPERT):
        return (*expert, *path[2:])
    return path[1:] if path[0] == STAGE else (*expert, *path)
