"""What a representation and a bridge must know of the data, measured on a part of it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from hashlib import blake2b
from typing import Any

import torch

from .. import __version__
from ..batch import Batch
from ..bridge import Bridge
from ..config import NONE, Config
from ..data.cache import Progress, cache_path
from ..data.dataset import Dataset
from ..data.order import Order
from ..description import Description
from ..extent import MEASURED, Extent
from ..files import write_text
from ..rng import Stream
from .build import Assembly, fingerprint_of, identity_of, make_bridge
from .parts import build_process

SOME = 512
"""Number of examples that a representation or a bridge measures, drawn as in training."""

ENTRIES = 1 << 27
"""Most numbers in these examples: 47 minutes of mono at 48 kHz, which take seconds to measure."""

DEAR = 1 << 22
"""Most numbers in these examples where a network encodes each, but for the first ``FEW``. What is
measured is a few numbers for each channel, and 64 examples of 32 by 32 latents hold 65,536 of one.
"""

FEW = 64
"""Examples of any size that are measured where a network encodes each."""


def measurements(
    config: Config, assembly: Assembly, dataset: Dataset, progress: Progress | None = None
) -> Mapping[str, Any]:
    """The measurements of the representation and the bridge, cached so that all processes agree."""
    description, parts = (
        dataset.description,
        {"representation": config.representation, "bridge": config.bridge},
    )
    representation = assembly.representation(config, description)
    weights = fingerprint_of(representation)
    about = [
        __version__,
        *([weights] if weights else []),
        *(
            identity_of(assembly.registry, kind, part)
            for kind, part in parts.items()
            if part.use != NONE
        ),
        config.modality.options.model_dump(mode="json"),
        description.to_json(),
    ]
    process = build_process(config, assembly.registry)
    if limits := process.preconditioning.amplifies(process.schedule.sigma_max):
        about.append(MEASURED)
    dear = bool(weights or getattr(config.bridge.options, "model", ""))
    if dear:
        about.append([DEAR, FEW])
    some = partial(_some_batches, dataset, dear, progress)
    note = cache_path(
        f"measured/{blake2b(json.dumps(about, sort_keys=True).encode(), digest_size=10).hexdigest()}.json"
    )
    with suppress(FileNotFoundError, ValueError):
        return json.loads(note.read_text(encoding="utf-8"))
    found = representation.measure(batch.map(lambda t: t.to(assembly.device)) for batch in some())
    if config.bridge.use != NONE:
        seen = replace(description, measured=found)
        bridge = make_bridge(
            config, assembly.registry, seen, assembly.representation(config, seen), assembly
        )
        assert bridge is not None  # one is named
        found = {**found, **bridge.measure(some())}
    if limits:
        seen = replace(description, measured=found)
        found = {**found, MEASURED: _extent(config, assembly, some(), seen).to_json()}
    if found:
        write_text(note, json.dumps(found))
    return found


def _extent(
    config: Config, assembly: Assembly, examples: Iterable[Batch], description: Description
) -> Extent:
    """The extent of encoded examples, as the network is trained on them."""
    representation = assembly.representation(config, description)
    bridge = make_bridge(config, assembly.registry, description, representation, assembly)
    found = []
    for raw in examples:
        raw = raw.map(lambda t: t.to(assembly.device))
        batch = representation.encode(raw) if bridge is None else _refined(bridge, raw)
        square = representation.space.mean_square(batch.x, batch.mask).max()
        found.append([square.sqrt().item(), batch.x.min().item(), batch.x.max().item()])
    rms, low, high = zip(*found, strict=True)
    return Extent(max(rms), min(low), max(high))


def _refined(bridge: Bridge, raw: Batch) -> Batch:
    """Examples as a stage that refines is trained on them, without noise on its input."""
    device = raw.x.device
    level = torch.zeros(len(raw), device=device)
    return bridge.encode(bridge.degrade(raw), raw, level, Stream(0, "measure", device=device))


def _some_batches(
    dataset: Dataset, dear: bool = False, progress: Progress | None = None
) -> Iterator[Batch]:
    """Batches to measure; fewer and smaller ones if examples are large.

    Args:
        dear: a network encodes each example: fewer and smaller batches still.
    """
    largest = dataset.cache.shapes.max(0).tolist()
    entries = math.prod(
        most if n is None else n for n, most in zip(dataset.description.shape, largest, strict=True)
    )
    at_once = (DEAR // 4 if dear else ENTRIES // 16) // entries
    size, order = min(32, max(1, at_once)), Order(len(dataset), seed=0)
    total = min(SOME, max(size, ENTRIES // entries))
    if dear:
        total = min(total, max(FEW, DEAR // entries))
    for at in range(0, total, size):
        yield dataset.batch(order.indices(at, size), Stream(0, "measure", at))
        if progress:
            progress(min(at + size, total), total, "measuring examples")
