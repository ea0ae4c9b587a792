"""Other models that a guidance evaluates beside its own."""

from __future__ import annotations

from ..context import Context
from ..denoiser import Cond, D, Denoiser
from ..errors import UsageError


def opened(path: str, context: Context, ema: float | None = None) -> Denoiser:
    """The denoiser of another run, which must speak of the same examples.

    Raises:
        UsageError: its model units have another shape or another representation.
    """
    other = context.open(path, ema=ema)
    own, theirs = context.representation, getattr(other, "representation", None)
    if own is None or theirs is None:
        return other.denoiser
    if type(own) is not type(theirs) or own.shape != theirs.shape:
        raise UsageError(
            f"The model {path} has examples of shape {tuple(theirs.shape)} "
            f"({type(theirs).__name__}), and this one of shape {tuple(own.shape)} "
            f"({type(own).__name__}). Choose a model with the same [modality] and "
            "[representation]: their estimates are added up."
        )
    return other.denoiser


def understood(denoiser: D, cond: Cond, path: str) -> Cond:
    """The conditions that another model takes.

    Raises:
        UsageError: it needs one that is not there.
    """
    try:
        return {name: cond[name] for name in denoiser.null(cond)}
    except KeyError as missing:
        raise UsageError(
            f"The model {path} needs the condition {missing.args[0]!r}, which this one does not "
            "have. Choose a model that was trained with the same conditions or without any."
        ) from missing
