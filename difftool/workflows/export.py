"""Write a trained model for another program or machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..config.faults import validate
from ..engine.folder import RunFolder
from ..errors import ConfigError, UsageError
from ..files import creating
from ..plugin.loose import LOOSE
from ..plugin.spec import ExporterSpec
from .model import model_path

if TYPE_CHECKING:
    from ..config import Layer
    from ..plugin.registry import Registry


def export(
    model: str,
    to: Path,
    parts: Registry,
    use: str = "",
    ema: float | None = None,
    layer: Layer | None = None,
    adapters: Sequence[tuple[Path, float]] = (),
) -> None:
    """Write a trained model to a new file, whole or not at all.

    Args:
        model: a run, or a model file.
        use: an exporter; by default the one whose files end as ``to`` does.
        ema: relative width of the average of the weights, made now from the run's snapshots; by
            default the run's first average.
        adapters: files of fine-tuning that are merged into the weights, each with its weight.
        layer: the exporter's options, in a table ``exporter``.

    Raises:
        UsageError: there is no such model or exporter, or ``to`` exists.
        ConfigError: the options have faults.
    """
    path = model_path(model)
    spec = parts.get("exporter", use) if use else exporter_for(to, parts)
    table = dict(layer.data.get("exporter", {})) if layer else {}
    texts = {key: text for (_, key), text in layer.texts.items()} if layer else {}
    options, faults = validate(parts.options(spec), table, texts, lambda key: "--set", "exporter")
    if faults:
        raise ConfigError([*(layer.faults if layer else ()), *faults])
    if to.exists():
        raise UsageError(
            f"{to} already exists and is not overwritten. Choose another name, or remove it."
        )

    from ..assemble import load_stage, posthoc_average
    from ..assemble.adapters import adapted
    from ..engine.weights import MODEL, load_weights
    from ..exporter import TrainedModel

    weights, about = load_weights(path, MODEL)
    if isinstance(spec, ExporterSpec) and spec.suffix == path.suffix:
        _refuse_files(path, about.get("parts", {}))
    if ema is not None:
        weights, about = (
            weights | posthoc_average(RunFolder(path.parent), ema),
            {**about, "ema": f"power-{ema:g}"},
        )
    if adapters:
        weights, about = adapted(path, weights, about, adapters)
    write = parts.load(spec)
    opening = partial(load_stage, path, parts, device="cpu", ema=ema, adapters=adapters)
    with creating(to) as temporary:
        write(
            TrainedModel(weights, about, opening),
            temporary,
            options,
        )


def _refuse_files(path: Path, packages: Mapping[str, str]) -> None:
    """Raises UsageError for a model that could not be opened elsewhere."""
    for part, package in packages.items():
        if package.endswith(LOOSE):
            kind, _, name = part.partition(" ")
            raise UsageError(
                f"{path} needs the {kind} {name!r} of the file "
                f"{package.removesuffix(LOOSE).strip()}, so it could not be opened elsewhere. Make "
                f"a package of the file first: difftool plugins new NAME --kind {kind} writes one "
                "to move it into."
            )


def exporter_for(to: Path, parts: Registry) -> ExporterSpec:
    """The exporter whose files end as this name does.

    Raises:
        UsageError: none does, or several.
    """
    specs = [spec for spec in parts.specs("exporter") if isinstance(spec, ExporterSpec)]
    found = [spec for spec in specs if to.name.lower().endswith(spec.suffix)]
    if len(found) == 1:
        return found[0]
    known = ", ".join(f"{spec.name} ({spec.suffix})" for spec in found or specs)
    raise UsageError(
        f"The name {to} does not say what to write. Choose one with --format: {known}."
    )
