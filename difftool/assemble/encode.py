"""A data set encoded once, for a representation that asks for it (``Representation.cached``)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from hashlib import blake2b

import numpy as np
import torch

from .. import __version__
from ..batch import Batch
from ..config import NONE, Config
from ..data.cache import Progress, cache_path
from ..data.dataset import Dataset
from ..data.encoded import Encoded, write_encoded
from ..engine.device import naming_memory_knobs
from ..errors import UsageError
from ..files import building, forget_abandoned
from ..representation import Representation
from ..rng import Stream
from .aligned import random_change
from .build import Assembly, fingerprint_of, identity_of

FORMAT = 1

MOST = 32
"""Examples that are encoded at once, at most; fewer where a training step takes fewer."""


def encode_dataset(
    config: Config, assembly: Assembly, dataset: Dataset, progress: Progress | None = None
) -> Dataset:
    """The data set with what its representation prepares, where the representation asks for that.

    One that asks for it where it is possible (``auto``) prepares examples at every step elsewhere.

    Each example is encoded once, on the run's device, into the cache folder. The cache is found
    again by every run with the same data, representation and weights. Of several processes that
    find no cache each encodes on its own device, and the one that is first provides it to all.

    Raises:
        UsageError: the run needs raw examples at every step.
    """
    representation = assembly.representation(config, dataset.description)
    if not representation.cached:
        return dataset
    try:
        _require_whole_examples(config, dataset)
        if representation.variants == 1:
            _require_same_at_every_step(config, assembly, dataset)
    except UsageError:
        if representation.cached == "auto":
            return dataset
        raise
    folder = cache_path(f"encoded/{_fingerprint(config, assembly, dataset, representation)}")
    if not folder.exists():
        forget_abandoned(folder.parent)
        prepared = _prepared(config, assembly, dataset, representation)
        with building(folder) as partial, naming_memory_knobs(config.train):
            variants = representation.variants
            total = len(dataset) * variants
            for done in write_encoded(partial, total, prepared, dataset.values, variants):
                if progress:
                    progress(done, total, "encoding")
    return replace(dataset, encoded=Encoded(folder))


def _fingerprint(
    config: Config, assembly: Assembly, dataset: Dataset, representation: Representation
) -> str:
    """A hash of everything that decides what is encoded."""
    description = dataset.description
    about = [
        FORMAT,
        __version__,
        description.to_json(),  # with the content of the data, and what was measured on it
        config.modality.use,
        dataset.modality.settings().model_dump(mode="json"),
        identity_of(assembly.registry, "representation", config.representation),
        fingerprint_of(representation),
    ]
    return blake2b(json.dumps(about, sort_keys=True).encode(), digest_size=10).hexdigest()


@torch.no_grad()
def _prepared(
    config: Config, assembly: Assembly, dataset: Dataset, representation: Representation
) -> Iterator[Batch]:
    size = min(MOST, max(1, config.train.batch // config.train.accumulate))
    for variant in range(representation.variants):
        for start in range(0, len(dataset), size):
            indices = np.arange(start, min(start + size, len(dataset)))
            raw = varied(dataset, indices, variant, representation.variants > 1, assembly.device)
            yield representation.prepare(raw)


def varied(
    dataset: Dataset, indices: np.ndarray, variant: int, changed: bool, device: torch.device
) -> Batch:
    """The raw examples of which a variant is prepared, on the device.

    Args:
        indices: of a whole batch; its first one and the variant decide what is drawn.
        changed: whether the modality changes them at random.
    """
    start = int(indices[0])
    raw = dataset.batch(indices, Stream(0, "encode", start, variant))
    raw = raw.map(lambda t: t.to(device))
    if not changed:
        return raw
    return dataset.modality.augment(raw, Stream(0, "vary", start, variant, device))


def _facts(config: Config) -> tuple[str, str]:
    """The first and the second sentence of refusals."""
    use = config.representation.use
    return (
        f"The representation {use!r} caches what it encodes, but",
        f"or turn caching off in [representation], where {use!r} has an option for it",
    )


def _require_whole_examples(config: Config, dataset: Dataset) -> None:
    """Refuse a run in which what is encoded depends on more than one example."""
    fact, off = _facts(config)
    if config.bridge.use != NONE:
        raise UsageError(
            f"{fact} the run has a bridge. Set bridge.use = none, {off}. "
            "A bridge degrades raw examples anew at every step, and they are no longer read."
        )
    grouped = dataset.modality.groups(dataset.cache.shapes) is not None
    if grouped or None in dataset.description.shape:
        raise UsageError(
            f"{fact} the examples differ in size. Give them one size, {off}. "
            "Examples of several sizes are padded to the largest of each batch, so what is encoded "
            "depends on the batch."
        )


def _require_same_at_every_step(config: Config, assembly: Assembly, dataset: Dataset) -> None:
    """Refuse a run in which an example is not the same array whenever it is met."""
    fact, off = _facts(config)
    reason = "A cached example is encoded once, so it is the same at every step."
    change = random_change(dataset, assembly.device)
    if change == "part":
        raise UsageError(
            f"{fact} the modality {config.modality.use!r} takes a random part of each example. "
            f"Cut the examples to the size that is trained on, {off}. {reason}"
        )
    if change == "augmentation":
        raise UsageError(
            f"{fact} the modality {config.modality.use!r} changes examples at random "
            f"(augmentation). Turn its random changes off in [modality], {off}. {reason}"
        )
