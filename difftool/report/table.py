"""A table as CSV, HTML or LaTeX, by the suffix of its file."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from ..errors import UsageError
from ..files import write_text
from . import rendered

Lines = Sequence[Sequence[str]]

ESCAPES = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "±": r"$\pm$",
}  # fmt: skip
"""What has a meaning in LaTeX."""


def write_table(heads: Sequence[str], lines: Lines, path: Path) -> Path:
    """Write a table to a file that ends in .csv, .html or .tex. Raises UsageError for others."""
    writers = {".csv": as_csv, ".html": as_html, ".tex": as_latex}
    if (write := writers.get(path.suffix.lower())) is None:
        raise UsageError(f"{path} ends in none of {', '.join(writers)}. Choose one of these.")
    write_text(path, write(heads, lines))
    return path


def as_csv(heads: Sequence[str], lines: Lines) -> str:
    """Comma-separated, as RFC 4180 says."""
    buffer = io.StringIO()
    csv.writer(buffer).writerows([heads, *lines])
    return buffer.getvalue()


def as_html(heads: Sequence[str], lines: Lines) -> str:
    """A page with the table."""
    return rendered("table.html.j2", heads=heads, lines=lines)


def as_latex(heads: Sequence[str], lines: Lines) -> str:
    """A ``tabular`` with the rules of the package ``booktabs``."""
    rows = [" & ".join(map(escaped_latex, line)) + r" \\" for line in (heads, *lines)]
    columns = "l" * len(heads)
    body = "\n".join(rows[1:])
    return (
        f"\\begin{{tabular}}{{{columns}}}\n\\toprule\n{rows[0]}\n\\midrule\n{body}\n"
        "\\bottomrule\n\\end{tabular}\n"
    )


def escaped_latex(text: str) -> str:
    """A text as LaTeX prints it."""
    return "".join(ESCAPES.get(char, char) for char in text)
