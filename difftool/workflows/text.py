"""How figures and command lines are written for people."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
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


def seconds_of(text: str) -> float:
    """The seconds of a duration such as ``90s``, ``10m`` or ``1h30m``. Raises UsageError."""
    found = re.fullmatch(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?", text)
    parts = [float(one or 0) for one in found.groups()] if found else []
    if not any(parts):
        raise UsageError(f"{text!r} is not a duration. Write it as 90s, 10m or 1h30m.")
    return parts[0] * 3600 + parts[1] * 60 + parts[2]


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


def plan_lines(plan: dict[str, Any]) -> list[tuple[str, str]]:
    """The plan of ``--dry-run``, as rows of a name and a text."""
    conditions = (
        ", ".join(f"{name} ({kind})" for name, kind in plan["conditions"].items()) or "none"
    )
    return [
        (
            "data",
            f"{plan['data']}: {plan['examples']} examples"
            + (f", {plan['skipped']} skipped" if plan["skipped"] else ""),
        ),
        (
            "one example",
            f"{_shape(plan['raw_shape'])} as read, {_shape(plan['model_shape'])} to the network"
            + (f"; {shapes} shapes, one in each batch" if (shapes := plan["shapes"]) > 1 else ""),
        ),
        ("conditions", conditions),
        ("parameters", f"{plan['parameters']:,}"),
        ("arithmetic", _arithmetic(plan)),
        ("device", f"{plan['device']}, {plan['precision']}"),
        (
            "memory",
            f"{_needed(plan)}{size(plan['memory_bytes'])} in use after the warm steps, of "
            f"{size(plan['memory_total_bytes'])}",
        ),
        ("disk", _disk(plan)),
        (
            "speed",
            f"{number(plan['seconds_per_step'])} s a step; {plan['steps']} steps in "
            f"{duration(plan['seconds_in_all'])}",
        ),
    ]


def _arithmetic(plan: dict[str, Any]) -> str:
    """What is computed, and how fast; it cannot be counted for every objective of a plugin."""
    if plan["flops_per_example"] is None:
        return "not counted"
    step = plan["flops_per_step"]
    return (
        f"{number(plan['flops_per_example'] / 1e9)} GFLOP an example, {number(step / 1e9)} a step, "
        f"forward and backward; {number(step / 1e9 / plan['seconds_per_step'])} GFLOP a second"
    )


def _needed(plan: dict[str, Any]) -> str:
    """The memory that was foretold; "" where it could not be."""
    needed = plan["memory_needed_bytes"]
    preview = plan["preview_memory_bytes"]
    shown = f", {size(preview)} in a preview" if preview else ""
    return f"about {size(needed)} at the peak of a step{shown}; " if needed else ""


def _disk(plan: dict[str, Any]) -> str:
    """What a run writes into its folder, by kind, and whether there is room for it."""
    kinds, free = plan["disk_bytes"], plan["free_disk_bytes"]
    total = sum(kinds.values())
    parts = ", ".join(f"{kind} {size(count)}" for kind, count in kinds.items() if count)
    each = f"a checkpoint is {size(plan['checkpoint_bytes'])}, {plan['checkpoints_kept']} are kept"
    room = "" if total <= free else ". That is more than is free: keep or make fewer of them"
    data = f"; the data is {size(plan['cache_bytes'])} in the cache"
    return f"{size(total)} ({parts}; {each}), of {size(free)} that are free{room}{data}"


def _shape(shape: list[int | None]) -> str:
    return " x ".join("any" if n is None else str(n) for n in shape)
