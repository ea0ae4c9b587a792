"""Averages of a run's weights, taken after training from its snapshots."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from ..engine.ema import posthoc_weights
from ..engine.folder import RunFolder
from ..engine.weights import SNAPSHOT, load_weights, read_about
from ..errors import UsageError


def posthoc_average(folder: RunFolder, width: float) -> dict[str, Tensor]:
    """The power-function average of any relative width, from a run's snapshots.

    Karras et al. 2024, arXiv:2312.02696, App. C.2. Raises UsageError if the run has no snapshots.
    """
    paths = folder.snapshots()
    if not paths:
        raise UsageError(
            f"{folder.path} has no snapshots to make an average of width {width:g} from. Train "
            "with --set ema.power=[0.05,0.1] --set ema.snapshot_every=N to be able to choose the "
            "width afterwards."
        )
    headers = [read_about(path, SNAPSHOT) for path in paths]
    batch, widths = headers[-1]["config"]["train"]["batch"], headers[-1]["config"]["ema"]["power"]
    columns = [
        (path, about["step"] * batch, w)
        for path, about in zip(paths, headers, strict=True)
        for w in widths
    ]
    weights = posthoc_weights([(seen, w) for _, seen, w in columns], columns[-1][1], width)
    total: dict[str, Tensor] = {}
    for (path, _, w), weight in zip(columns, weights, strict=True):
        for name, tensor in snapshot_average(path, w).items():
            total[name] = total.get(name, 0.0) + float(weight) * tensor
    return total


def snapshot_average(path: Path, width: float | None = None) -> dict[str, Tensor]:
    """One of the averages that a snapshot holds, float32.

    Args:
        width: its relative width; None for the first of the run's ``ema.power``.

    Raises UsageError if the snapshot has no average of this width.
    """
    tensors, about = load_weights(path, SNAPSHOT)
    widths = about["config"]["ema"]["power"]
    if width is not None and width not in widths:
        held = " and ".join(f"{w:g}" for w in widths)
        raise UsageError(
            f"{path} has no average of width {width:g}. Choose {held}, which it holds, or name the "
            "run's folder: other widths are made from all snapshots of a run."
        )
    prefix = f"power-{widths[0] if width is None else width:g}."
    return {
        name.removeprefix(prefix): tensor.float()
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }
