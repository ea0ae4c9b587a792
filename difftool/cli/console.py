"""What is printed, and where: data on stdout, everything else on stderr.

On a terminal, rich lays out tables and colours words, and lines go above a bar that is drawn. In a
pipe or a file every row is one plain line, and rich is not imported.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TextIO

import click

from ..plain import escaped

if TYPE_CHECKING:
    from rich.console import Console

LEVELS = {
    "ok": "green",
    "note": "cyan",
    "warning": "yellow",
    "error": "bold red",
    "broken": "bold red",
}
"""Words that say how something stands, and their styles."""

NARROWEST = 40
"""Columns that a table takes at least; a narrower terminal wraps its lines."""

bars: list[Console] = []
"""The consoles of the bars that are drawn now, on stderr."""


def say(text: str) -> None:
    """A line to the person, on stderr."""
    _write(text, sys.stderr)


def complain(text: str) -> None:
    """An error, on stderr."""
    _write(text, sys.stderr, styled("Error:", LEVELS["error"], sys.stderr) + " ")


def note(text: str) -> None:
    """What a person should know, on stderr."""
    _write(text, sys.stderr, styled("Note:", LEVELS["note"], sys.stderr) + " ")


def out(text: str, style: str = "") -> None:
    """Data, on stdout."""
    _write(text, sys.stdout, style=style)


def out_level(level: str, text: str, width: int = 9) -> None:
    """A line of a report on stdout, after the word that says how it stands."""
    word, _, rest = f"{level:<{width}}".partition(" ")
    _write(text, sys.stdout, f"{styled(word, LEVELS.get(word.rstrip(':'), ''), sys.stdout)} {rest}")


def out_table(rows: Sequence[Sequence[object]], heads: Sequence[str] = (), indent: int = 0) -> None:
    """Aligned columns, on stdout."""
    cells = [[escaped(str(cell)) for cell in row] for row in rows]
    if not cells:
        return
    show = _rich_table if is_terminal(sys.stdout) else plain_table
    _put(_encodable(show(cells, heads, indent), sys.stdout), sys.stdout)


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


def _write(text: str, stream: TextIO, mark: str = "", style: str = "") -> None:
    """A line to a stream, with control characters of names and labels as escapes."""
    shown = "\n".join(escaped(one) for one in text.split("\n"))
    _put(mark + styled(_encodable(shown, stream), style, stream), stream)


def _encodable(text: str, stream: TextIO) -> str:
    encoding = stream.encoding or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def _put(text: str, stream: TextIO) -> None:
    """Print what is safe to print, above a bar if one is drawn on the same terminal.

    A reader that has left, as ``head`` does, or a terminal that was closed, ends the listing and
    not the work.
    """
    with lasting(stream):
        if bars and is_terminal(stream):
            from rich.text import Text

            bars[-1].print(Text.from_ansi(text), soft_wrap=True)
        else:
            click.echo(text, file=stream, color=True if "\x1b" in text else None)


@contextmanager
def lasting(stream: TextIO) -> Iterator[None]:
    """Once a stream cannot be written to, write nothing more to it; the work continues."""
    try:
        yield
    except (OSError, ValueError):
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def is_terminal(stream: Any) -> bool:
    """Whether a stream is a terminal that can be laid out and redrawn."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def styled(text: str, style: str, stream: Any) -> str:
    """The text in a style of rich, such as ``bold red``, where the stream shows colours."""
    if not style or os.environ.get("NO_COLOR") or not is_terminal(stream):
        return text
    from rich.color import ColorSystem
    from rich.style import Style

    return Style.parse(style).render(text, color_system=ColorSystem.STANDARD)


def plain_table(rows: Sequence[Sequence[str]], heads: Sequence[str] = (), indent: int = 0) -> str:
    """Aligned columns; every row is one line, however long."""
    lines = [list(heads), *rows] if heads else rows
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        (
            " " * indent
            + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        ).rstrip()
        for row in lines
    )


def _rich_table(rows: Sequence[Sequence[str]], heads: Sequence[str], indent: int) -> str:
    """Aligned columns as wide as the terminal; long cells are wrapped, letters of any width fit."""
    from io import StringIO

    from rich.console import Console
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=bool(heads), pad_edge=False, padding=(0, 2, 0, 0))
    for number in range(len(rows[0])):
        head = Text(heads[number]) if heads else ""
        table.add_column(head, header_style="bold", overflow="fold", no_wrap=number == 0)
    for row in rows:
        table.add_row(*map(Text, row))
    console = Console(file=StringIO(), force_terminal=True, highlight=False)
    console.width = max(console.width, NARROWEST)
    with console.capture() as captured:
        console.print(Padding(table, (0, 0, 0, indent)))
    return "\n".join(line.rstrip() for line in captured.get().rstrip("\n").split("\n"))
