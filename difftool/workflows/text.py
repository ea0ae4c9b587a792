"""How figures and command lines are written for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..figures import size as size
from ..shell import command as command

if TYPE_CHECKING:
    from ..observer import Progress


def duration(seconds: float) -> str:
    """``45s``, ``3m20s``, ``2h05m``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes}m{rest:02d}s" if minutes < 60 else f"{minutes // 60}h{minutes % 60:02d}m"


def number(value: float) -> str:
    """A rate to three digits, without an exponent where one can do without."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def line(progress: Progress, loss: float | None) -> str:
    """One line that says where training stands."""
    parts = [f"step {progress.step}/{progress.steps}"]
    parts += [f"loss {loss:.4f}"] if loss is not None else []
    parts += [
        f"{number(progress.examples_per_second)} examples/s",
        f"{duration(progress.eta_s)} left",
        size(progress.memory_bytes),
    ]
    parts += [f"saving {progress.saved.name}"] if progress.saved else []
    parts += [f"preview {progress.preview}"] if progress.preview else []
    return "  ".join(parts)


def flat(node: dict[str, Any], path: str = "") -> dict[str, Any]:
    """Nested tables as one, with dotted keys."""
    found: dict[str, Any] = {}
    for name, value in node.items():
        found |= (
            flat(value, f"{path}{name}.") if isinstance(value, dict) else {f"{path}{name}": value}
        )
    return found
