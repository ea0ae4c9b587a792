"""What is printed, and where: data on stdout, everything else on stderr."""

from __future__ import annotations

import json
import os
import shutil
import sys
import textwrap
from collections.abc import Sequence
from typing import Any, TextIO

import click


def say(text: str) -> None:
    """A line to the person, on stderr."""
    _write(text, sys.stderr)


def complain(text: str) -> None:
    """An error, on stderr."""
    say(f"{_red('Error:')} {text}")


def out(text: str) -> None:
    """Data, on stdout."""
    _write(text, sys.stdout)


def out_json(data: Any) -> None:
    """Data for a script, on stdout."""
    out(json.dumps(data, indent=2, ensure_ascii=False, default=str))


def _write(text: str, stream: TextIO) -> None:
    """A line to a stream. A reader that has left, as ``head`` does, ends the listing and not the work."""
    try:
        click.echo(text, file=stream)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def colourful(stream: Any) -> bool:
    """Whether colours may be sent to a stream."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _red(text: str) -> str:
    return click.style(text, fg="red", bold=True) if colourful(sys.stderr) else text


def table(rows: Sequence[Sequence[object]], heads: Sequence[str] = ()) -> str:
    """Aligned columns. On a terminal the last one is wrapped to fit; elsewhere every row stays one line."""
    cells = [[str(cell) for cell in row] for row in ([list(heads)] if heads else []) + [list(row) for row in rows]]
    if not cells:
        return ""
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    lead = sum(widths[:-1]) + 2 * (len(widths) - 1)
    room = max(24, shutil.get_terminal_size().columns - lead) if sys.stdout.isatty() else None
    return "\n".join(_row(row, widths, lead, room) for row in cells)


def _row(row: Sequence[str], widths: Sequence[int], lead: int, room: int | None) -> str:
    start = "  ".join(cell.ljust(width) for cell, width in zip(row[:-1], widths, strict=False))
    start = f"{start}  " if len(row) > 1 else ""
    lines = (textwrap.wrap(row[-1], room) if room else [row[-1]]) or [""]
    return "\n".join([(start + lines[0]).rstrip(), *(" " * lead + line for line in lines[1:])])


