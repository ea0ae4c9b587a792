"""Files of one basename, as shards of WebDataset hold them, brought into the form that folders have."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from pathlib import Path
from typing import Any

from ..data.folder import CAPTION_SUFFIX, FILE_NAME, LABEL, METADATA
from ..data.remark import remark

COLUMNS = ".json"
CLASS = ".cls"


def merge_sidecars(folder: Path) -> None:
    """Turn ``key.json`` and ``key.cls`` beside ``key.EXT`` into a row of ``metadata.jsonl``, and remove them.

    A caption, ``key.txt``, is left: folders keep captions so. A folder that has metadata is left as it is.
    """
    for place, _, names in os.walk(folder):
        rows = _rows(Path(place), names)
        if not rows:
            continue
        if present := {name.lower() for name in names} & set(METADATA):
            remark(f"{Path(place).relative_to(folder) / min(present)} says what the files are; the .json files beside them are not read")
            continue
        with open(Path(place, "metadata.jsonl"), "w", encoding="utf-8") as out:
            for row, spent in rows:
                out.write(json.dumps(row) + "\n")
                for name in spent:
                    Path(place, name).unlink()


def _rows(place: Path, names: list[str]) -> list[tuple[dict[str, Any], list[str]]]:
    """For each example with columns beside it: its row, and the files that this is made of."""
    groups: dict[str, dict[str, str]] = defaultdict(dict)
    for name in sorted(names):
        key, dot, suffix = name.partition(".")
        groups[key][dot + suffix.lower()] = name
    rows = []
    for group in groups.values():
        examples = [name for suffix, name in group.items() if suffix not in (COLUMNS, CLASS, CAPTION_SUFFIX)]
        spent = [group[suffix] for suffix in (COLUMNS, CLASS) if suffix in group]
        if len(examples) == 1 and spent and (columns := _columns(place, group)) is not None:
            rows.append(({FILE_NAME: examples[0], **columns}, spent))
    return rows


def _columns(place: Path, group: dict[str, str]) -> dict[str, Any] | None:
    """What the files beside an example say of it; None where they are something else."""
    columns: dict[str, Any] = {}
    try:
        if COLUMNS in group:
            said = json.loads((place / group[COLUMNS]).read_bytes())
            if not isinstance(said, dict):
                return None
            columns |= {name: value for name, value in said.items() if isinstance(value, str | int | float) and name != FILE_NAME}
        if CLASS in group:
            columns[LABEL] = (place / group[CLASS]).read_text(encoding="utf-8").strip()
    except (ValueError, RecursionError):
        return None
    return columns
