"""Sidecar files (WebDataset: several files with one basename) -> ``metadata.jsonl``."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from pathlib import Path
from typing import Any

from ..data.folder import CAPTION_SUFFIX, FILE_NAME, LABEL, METADATA
from ..data.remark import remark
from ..data.text import read_text
from ..errors import DataError
from ..plain import parse_json

COLUMNS = ".json"
CLASS = ".cls"


def merge_sidecars(folder: Path) -> None:
    """Turn ``key.json`` and ``key.cls`` next to ``key.EXT`` into rows of ``metadata.jsonl``.

    The sidecar files are removed. Captions (``key.txt``) stay, because ``scan_folder`` reads them.
    Folders with a metadata file are left unchanged.
    """
    for parent, _, names in os.walk(folder):
        rows = _rows(Path(parent), names)
        if not rows:
            continue
        if present := {name.lower() for name in names} & set(METADATA):
            remark(
                f"{Path(parent).relative_to(folder) / min(present)} describes the files, so the "
                ".json files next to them are not read"
            )
            continue
        with open(Path(parent, "metadata.jsonl"), "w", encoding="utf-8") as out:
            for row, merged in rows:
                out.write(json.dumps(row) + "\n")
                for name in merged:
                    Path(parent, name).unlink()


def _rows(parent: Path, names: list[str]) -> list[tuple[dict[str, Any], list[str]]]:
    """For each example with sidecar files: its row, and the names of these files."""
    groups: dict[str, dict[str, str]] = defaultdict(dict)
    for name in sorted(names):
        key, dot, suffix = name.partition(".")
        groups[key][dot + suffix.lower()] = name
    rows = []
    for group in groups.values():
        examples = [
            name for suffix, name in group.items() if suffix not in (COLUMNS, CLASS, CAPTION_SUFFIX)
        ]
        sidecars = [group[suffix] for suffix in (COLUMNS, CLASS) if suffix in group]
        if len(examples) == 1 and sidecars and (columns := _columns(parent, group)) is not None:
            rows.append(({FILE_NAME: examples[0], **columns}, sidecars))
    return rows


def _columns(parent: Path, group: dict[str, str]) -> dict[str, Any] | None:
    """The columns in the sidecar files of an example; None if they do not hold columns."""
    columns: dict[str, Any] = {}
    try:
        if COLUMNS in group:
            content = parse_json(read_text(parent / group[COLUMNS]))
            if not isinstance(content, dict):
                return None
            columns |= {
                name: value
                for name, value in content.items()
                if isinstance(value, str | int | float) and name != FILE_NAME
            }
        if CLASS in group:
            columns[LABEL] = read_text(parent / group[CLASS]).strip()
    except (ValueError, DataError):
        return None
    return columns
