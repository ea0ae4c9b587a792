"""The condition on a file that lies beside the noisy example: a map, or the example before an edit."""

from __future__ import annotations

import torch
from torch import Tensor

from ..batch import Batch
from ..conditioner import Conditioner
from ..errors import UsageError
from ..nn.backbone import Signals
from ..representation import Representation
from .file_column import BesideColumn
from .options import BesideOptions


class Beside(Conditioner):
    """``[b, *raw]`` float32 in raw units -> the encoded file as further input channels.

    Brooks et al. 2023, arXiv:2211.09800, Sec. 3.2. Null is NaN, and zeros are its channels.
    """

    def __init__(self, options: BesideOptions, column: BesideColumn) -> None:
        super().__init__()
        self.dropout, self._name = options.dropout, column.name
        self._seen: tuple[Representation, torch.dtype] | None = None

    def sees(self, representation: Representation, dtype: torch.dtype) -> None:
        """Encode files as this representation encodes raw examples, which are of this type.

        Raises UsageError where examples differ in size.
        """
        if None in representation.shape:
            raise UsageError(
                f"conditions.{self._name}.use = 'beside' needs examples of one size, and these differ. "
                "Give them one size, or use the files for a control branch: objective.operator = "
                "'file'."
            )
        self.channels = int(representation.shape[0] or 0)
        self._seen = representation, dtype  # a tuple: its weights are not the conditioner's

    def null(self, value: Tensor) -> Tensor:
        return torch.full_like(value, torch.nan)

    def forward(self, value: Tensor) -> Signals:
        assert self._seen is not None, "sees() was called"
        representation, dtype = self._seen
        missing = value.flatten(1).isnan().any(1)
        with torch.no_grad():
            x = representation.encode(Batch(value.nan_to_num().to(dtype))).x
        return Signals(channels=x.masked_fill(missing.reshape(-1, *(1,) * (x.ndim - 1)), 0.0))
