"""What a representation and a bridge must know of the data, measured on a part of it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from hashlib import blake2b
from typing import Any

import torch

from .. import __version__
from ..batch import Batch
from ..bridge import Bridge
from ..config import NONE, Config
from ..data.cache import cache_path
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


def measurements(config: Config, assembly: Assembly, dataset: Dataset) -> Mapping[str, Any]:
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
    note = cache_path(
        f"measured/{blake2b(json.dumps(about, sort_keys=True).encode(), digest_size=10).hexdigest()}.json"
    )
    with suppress(FileNotFoundError, ValueError):
        return json.loads(note.read_text(encoding="utf-8"))
    found = representation.measure(
        batch.map(lambda t: t.to(assembly.device)) for batch in _some_batches(dataset)
    )
    if config.bridge.use != NONE:
        seen = replace(description, measured=found)
        bridge = make_bridge(
            config, assembly.registry, seen, assembly.representation(config, seen), assembly
        )
        assert bridge is not None  # one is named
        found = {**found, **bridge.measure(_some_batches(dataset))}
    if limits:
        seen = replace(description, measured=found)
        found = {**found, MEASURED: _extent(config, assembly, dataset, seen).to_json()}
    if found:
        write_text(note, json.dumps(found))
    return found


def _extent(
    config: Config, assembly: Assembly, dataset: Dataset, description: Description
) -> Extent:
    """The extent of encoded examples, as the network is trained on them."""
    representation = assembly.representation(config, description)
    bridge = make_bridge(config, assembly.registry, description, representation, assembly)
    found = []
    for raw in _some_batches(dataset):
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


def _some_batches(dataset: Dataset) -> Iterator[Batch]:
    """Batches to measure; fewer and smaller ones if examples are large."""
    largest = dataset.cache.shapes.max(0).tolist()
    entries = math.prod(
        most if n is None else n for n, most in zip(dataset.description.shape, largest, strict=True)
    )
    size, order = min(32, max(1, ENTRIES // 16 // entries)), Order(len(dataset), seed=0)
    for at in range(0, min(SOME, max(size, ENTRIES // entries)), size):
        yield dataset.batch(order.indices(at, size), Stream(0, "measure", at))
