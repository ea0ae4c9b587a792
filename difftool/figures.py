"""How figures are written for people."""

from __future__ import annotations


def size(count: float) -> str:
    """Bytes for people."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"


def with_error(value: float | None, error: float | None) -> str:
    """A number and its standard error."""
    if value is None:
        return "-"
    return f"{value:.4g}" + ("" if error is None else f" ± {error:.2g}")
