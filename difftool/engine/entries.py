"""The entries of files, for edits that work on them whatever the model's representation."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ..batch import Batch
from ..edit import Entries
from ..representation import Representation
from ..space import Euclidean
from .editing import are_entries


def entries_of(representation: Representation, raw: Batch, like: Batch) -> Entries | None:
    """The entries of raw examples; None for data that are known up to a motion, and where examples
    that are not encoded entry by entry have more axes than rows and columns.

    Where examples in model units are those entries, nothing is converted. Elsewhere each estimate
    is decoded, changed, and encoded again.

    Args:
        raw: the examples, on the device; like: as they are encoded.
    """
    if type(representation.space) is not Euclidean:
        return None
    if are_entries(representation, raw):
        return Entries(like.x, lambda f: f)
    if raw.x.ndim > 4:  # which of the axes are channels is not known
        return None
    scale = _scale(raw.x.dtype)
    y = raw.x.float() / scale

    def on(f: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
        def changed(x0: Tensor) -> Tensor:
            decoded = representation.decode(like.with_x(x0)).x[tuple(slice(n) for n in y.shape)]
            found = f(decoded.float() / scale) * scale
            if not raw.x.dtype.is_floating_point:
                info = torch.iinfo(raw.x.dtype)
                found = found.round().clamp(info.min, info.max)
            return representation.encode(raw.with_x(found.to(raw.x.dtype))).x

        return changed

    return Entries(y, on)


def _scale(dtype: torch.dtype) -> float:
    return 1.0 if dtype.is_floating_point else float(torch.iinfo(dtype).max)
