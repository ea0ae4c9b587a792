"""The data that samples are compared with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .inputs import told_of
from .link import Conditions, Link
from .reporter import Reporter

if TYPE_CHECKING:
    import numpy as np

    from ..config import Config
    from ..plugin.registry import Registry


CHUNK = 64
"""Examples of the data that are cut at once."""


@dataclass(frozen=True)
class Against:
    """What samples are compared with.

    Attributes:
        path: data of the user's; None for what the model was trained on.
        most: examples of it, at most.
    """

    path: Path | None = None
    most: int = 5000


@dataclass(frozen=True)
class Drawn:
    """Examples of data, in an order of chance.

    Attributes:
        source: what to call the data when speaking to a person.
        columns: what is said of each example, such as its class.
    """

    source: str
    examples: Sequence[np.ndarray] = ()
    columns: Sequence[Mapping[str, str | float]] = ()

    def told(self, link: Link, count: int) -> list[Conditions]:
        """What is said of the first examples, where a stage knows it."""
        from ..modality import Item

        return [told_of(Item(Path(self.source), columns), link) for columns in self.columns[:count]]


def source_against(config: Config, against: Against) -> tuple[Config, str]:
    """The configuration with the data to compare with, and what to call that."""
    from ..assemble import source_of

    if against.path:
        config = config.replace(data=config.data.model_copy(update={"path": str(against.path)}))
    return config, source_of(config)


def drawn_from(config: Config, parts: Registry, against: Against, seed: int, reporter: Reporter) -> Drawn:
    """At most so many examples as training meets them, drawn at random. Raises DataError."""
    from ..assemble import open_examples
    from ..data.order import Order
    from ..engine.evaluate import as_trained

    config, source = source_against(config, against)
    _, modality, cache = open_examples(config, parts, progress=reporter.counter())
    count = min(against.most, len(cache))
    indices = Order(len(cache), seed).indices(0, count)
    chunks = (cache.gather(indices[at : at + CHUNK]) for at in range(0, count, CHUNK))
    return Drawn(source, list(as_trained(modality, chunks, seed)), [cache.columns[i] for i in indices])
