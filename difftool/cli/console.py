"""What is printed, and where: data on stdout, everything else on stderr."""

from __future__ import annotations

import json
import os
import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TextIO

import click

from ..plain import escaped


def say(text: str) -> None:
    """A line to the person, on stderr."""
    _write(text, sys.stderr)


def complain(text: str) -> None:
    """An error, on stderr."""
    _write(text, sys.stderr, f"{_red('Error:')} ")


def out(text: str) -> None:
    """Data, on stdout."""
    _write(text, sys.stdout)


def out_json(data: Any) -> None:
    """Data for a script, on stdout."""
    text = json.dumps(data, indent=2, ensure_ascii=False, default=str)
    _write(
        text
        if text.isprintable() or not _has_bytes(text)
        else json.dumps(data, indent=2, default=str),
        sys.stdout,
    )


def _has_bytes(text: str) -> bool:
    """Whether a text holds bytes of a file's name that are not UTF-8."""
    return any("\udc80" <= char <= "\udcff" for char in text)


def _write(text: str, stream: TextIO, mark: str = "") -> None:
    """A line to a stream, with control characters of names and labels as escapes.

    A reader that has left, as ``head`` does, or a terminal that was closed, ends the listing and not the work.
    """
    shown = "\n".join(escaped(one) for one in text.split("\n"))
    with lasting(stream):
        encoding = stream.encoding or "utf-8"
        click.echo(mark + shown.encode(encoding, "backslashreplace").decode(encoding), file=stream)


@contextmanager
def lasting(stream: TextIO) -> Iterator[None]:
    """Once a stream cannot be written to, write nothing more to it; the work continues."""
    try:
        yield
    except (OSError, ValueError):
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def colourful(stream: Any) -> bool:
    """Whether colours may be sent to a stream."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _red(text: str) -> str:
    return click.style(text, fg="red", bold=True) if colourful(sys.stderr) else text


def table(rows: Sequence[Sequence[object]], heads: Sequence[str] = ()) -> str:
    """Aligned columns. On a terminal the last one is wrapped to fit; elsewhere every row stays one line."""
    cells = [
        [str(cell) for cell in row]
        for row in ([list(heads)] if heads else []) + [list(row) for row in rows]
    ]
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
