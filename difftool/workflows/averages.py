"""The averages of a run's weights: which there are, and which one its model holds."""

from __future__ import annotations

from typing import Any

from ..engine.folder import RunFolder, find_run
from ..errors import UsageError
from ..header import MODEL, SNAPSHOT, read_about

WIDTHS = (0.001, 0.28)
"""Open range of the relative width of an average (Karras et al. 2024, Eq. 127)."""


def averages_of(word: str) -> dict[str, Any]:
    """What is known of a run's averages.

    Returns:
        ``run``; ``model``, the name of the average in the model file; ``kept``, the names of those
        in the last checkpoint; ``snapshots``, the steps of the snapshots; and ``widths``, the
        relative widths that they hold, between which any other can be made.

    Raises:
        UsageError: there is no such run, or it has no model yet.
    """
    folder = RunFolder.open(find_run(word))
    about = read_about(folder.model_path, MODEL)
    ema = about["config"].get("ema", {})
    kept = [f"halflife-{h:g}" for h in ema.get("halflife", ())]
    kept += [f"power-{w:g}" for w in ema.get("power", ())]
    paths = folder.snapshots()
    return {
        "run": str(folder.path),
        "model": about.get("ema", ""),
        "kept": kept,
        "snapshots": [read_about(path, SNAPSHOT)["step"] for path in paths],
        "widths": list(ema.get("power", ())) if paths else [],
    }


def keep_average(word: str, width: float | None, name: str | None) -> dict[str, Any]:
    """Put another average into a run's model file; the run's checkpoints stay as they are.

    Args:
        width: relative width of an average that is made from the run's snapshots   (Karras et al.
            2024, arXiv:2312.02696, App. C).
        name: one of the averages in the last checkpoint, such as ``power-0.05``.

    Raises:
        UsageError: there are no snapshots, or there is no average of this name.
    """
    from ..assemble import posthoc_average  # torch
    from ..engine.checkpoint import load_checkpoint
    from ..engine.weights import load_weights, save_weights

    folder = RunFolder.open(find_run(word))
    tensors, about = load_weights(folder.model_path, MODEL)
    if width is not None:
        if not WIDTHS[0] < width < WIDTHS[1]:
            raise UsageError(
                f"--width {width:g} is not between {WIDTHS[0]:g} and {WIDTHS[1]:g}. Choose a width "
                "in this range, such as 0.1: it is the share of the training that is averaged."
            )
        average, label = posthoc_average(folder, width), f"posthoc-{width:g}"
    else:
        known = averages_of(word)["kept"]
        if name is None or name not in known:
            raise UsageError(
                f"The run has no average {name!r}. It has: {', '.join(known) or 'none'}. Make any "
                "other with --width, from snapshots."
            )
        checkpoint = folder.latest_checkpoint()
        state = load_checkpoint(checkpoint)[0] if checkpoint is not None else {}
        average = {
            key.removeprefix(f"ema.{name}."): tensor
            for key, tensor in state.items()
            if key.startswith(f"ema.{name}.")
        }
        label = str(name)
    changed = {
        key: average[key].to(tensor.dtype).reshape(tensor.shape).contiguous()
        if key in average
        else tensor
        for key, tensor in tensors.items()
    }
    save_weights(folder.model_path, MODEL, changed, {**about, "ema": label})
    return averages_of(word)
