"""The data that samples are compared with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import DataError
from .chain_stage import ChainStage, Conditions
from .inputs import conditions_of
from .reporter import Reporter

if TYPE_CHECKING:
    import numpy as np

    from ..config import Config
    from ..plugin.registry import Registry


CHUNK = 64
"""Number of examples that are prepared at once."""


@dataclass(frozen=True)
class Reference:
    """The data to compare samples with.

    Attributes:
        path: data of the user; None for the training data of the model.
        most: maximum number of examples.
    """

    path: Path | None = None
    most: int = 5000


@dataclass(frozen=True)
class ReferenceData:
    """Examples of the data, in random order.

    Attributes:
        source: the name of the data in messages.
        columns: the labels and numbers of each example, such as its class.
        numbers: ``[n]``, the place of each example in the whole of the data.
        content: a hash of the whole of the data.
        total: number of examples of the whole of the data.
    """

    source: str
    examples: Sequence[np.ndarray] = ()
    columns: Sequence[Mapping[str, str | float]] = ()
    numbers: np.ndarray | Sequence[int] = ()
    content: str = ""
    total: int = 0

    def part(self, chosen: np.ndarray) -> ReferenceData:
        """The examples where this is True."""
        import numpy as np

        at = [int(i) for i in np.flatnonzero(chosen)]
        return replace(
            self,
            examples=[self.examples[i] for i in at],
            columns=[self.columns[i] for i in at],
            numbers=np.asarray(self.numbers)[at],
        )

    def conditions(self, stage: ChainStage, count: int) -> list[Conditions]:
        """The conditions of the first ``count`` examples that a stage knows."""
        from ..modality import Item  # torch

        return [
            conditions_of(Item(Path(self.source), columns), stage)
            for columns in self.columns[:count]
        ]


def source_against(config: Config, against: Reference) -> tuple[Config, str]:
    """The configuration with the data to compare with, and the name of that data."""
    from ..assemble import source_of  # torch

    if against.path:
        config = config.replace(data=config.data.model_copy(update={"path": str(against.path)}))
    return config, source_of(config)


def reference_data(
    config: Config,
    parts: Registry,
    against: Reference,
    seed: int,
    reporter: Reporter,
    first: Sequence[int] = (),
) -> ReferenceData:
    """Random examples, prepared as for training.

    Args:
        first: numbers of examples that come before the others.

    Raises:
        DataError: the data cannot be read.
    """
    import numpy as np

    from ..assemble import missing_data, open_examples  # torch
    from ..data.order import Order
    from ..engine.evaluate import as_trained

    config, source = source_against(config, against)
    try:
        _, modality, cache = open_examples(config, parts, progress=reporter.counter())
    except DataError:
        if against.path or (path := missing_data(config)) is None:
            raise
        raise DataError(
            f"The training data is not at {path} any more. If it has moved, say where it is: "
            "--against PATH"
        ) from None
    count = min(against.most, len(cache))
    indices = Order(len(cache), seed).indices(0, len(cache))
    if len(first):
        indices = np.concatenate([np.asarray(first, np.int64), np.setdiff1d(indices, first, True)])
    indices = indices[:count]
    chunks = (cache.gather(indices[at : at + CHUNK]) for at in range(0, count, CHUNK))
    return ReferenceData(
        source,
        list(as_trained(modality, chunks, seed)),
        [cache.columns[i] for i in indices],
        indices,
        cache.content,
        len(cache),
    )
