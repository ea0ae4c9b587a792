"""The stages of a cascade: from a file's words to resolved configurations that fit one another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config import CHANGEABLE, NONE, dict_layer, gather, resolve
from ..config.cascade import read_cascade
from ..config.gather import PROJECT_FILE
from ..engine.folder import CASCADE
from ..errors import ConfigError, UsageError
from .experts import experts_of
from .model import model_path, plain_config
from .plan import CascadeStage
from .warm_start import started

if TYPE_CHECKING:
    from ..config import Config, Layer
    from ..config.cascade import Outline
    from ..plugin.registry import Registry


def stages_of(
    path: Path,
    parts: Registry,
    modality: str | None = None,
    flags: Iterable[tuple[str, str, Any]] = (),
    sets: Sequence[str] = (),
    kept: bool = False,
) -> list[CascadeStage]:
    """The stages that a cascade file and the command line say.

    Args:
        flags, sets: as of ``read_cascade``.
        kept: the file is resolved already: no project file lies under it, and a model that training began from may be gone.

    Raises:
        ConfigError: with the faults of all stages, and what keeps them from following one another.
    """
    found, faults = list[CascadeStage](), dict[str, list[str]]()
    outlines, told = read_cascade(path, flags, sets, lambda name: cascade_path(name, parts) if name in parts.names("cascade") else None)
    for outline in outlines:
        try:
            found.append(_resolved(outline, parts, modality, kept))
        except ConfigError as error:
            faults[outline.name] = list(error.faults)
        except UsageError as error:
            faults[outline.name] = [str(error)]
    told += _named(faults, len(outlines))
    if told := told or list(_misplaced(found)):
        raise ConfigError(list(dict.fromkeys(told)))
    return found


def cascade_path(name: str, parts: Registry) -> Path:
    """The file of an installed cascade, by its full name, ``modality/name``. Raises UsageError where there is none of that name."""
    package, _, path = parts.get("cascade", name).target.partition(":")
    return Path(str(files(package).joinpath(path)))


def kept_stages(cascade: Path, parts: Registry) -> list[CascadeStage]:
    """The stages of a cascade's folder, as they were resolved when it was made."""
    return stages_of(cascade / CASCADE, parts, kept=True)


def _resolved(outline: Outline, parts: Registry, modality: str | None, kept: bool) -> CascadeStage:
    if outline.run:
        stage = _trained(outline, parts)
    else:

        def resolved(*over: Layer) -> Config:
            layers = [replace(layer, own=kept) for layer in outline.layers]
            return resolve(modality, gather(parts, modality, project=None if kept else PROJECT_FILE, over=over, own=layers), parts)

        config = resolved()
        stage = CascadeStage(outline.name, config if kept else started(config, resolved), outline.level)
    if not outline.experts:
        return stage
    return replace(stage, experts=experts_of(stage, outline, parts, modality, kept))


def _trained(outline: Outline, parts: Registry) -> CascadeStage:
    """A stage that is a run or a model; of what is said to all stages it takes what sampling may change."""
    path = model_path(outline.run).expanduser().absolute()
    before = plain_config(path)
    if not before:
        raise UsageError(f"run = {outline.run!r} is no model of difftool's; name a run that has trained, or its model file.")
    faults = [
        f"{layer.where((name,))}: {name} is settled, as the stage is trained already by run = {outline.run!r}; "
        f"sampling can change {', '.join(CHANGEABLE)}"
        for layer in outline.own
        for name in layer.data
        if name not in CHANGEABLE
    ]
    layers = [replace(layer, data={name: value for name, value in layer.data.items() if name in CHANGEABLE}) for layer in outline.layers]
    if faults:
        raise ConfigError(faults)
    return CascadeStage(outline.name, resolve(None, [dict_layer(before, str(path)), *layers], parts), outline.level, path)


def _named(faults: Mapping[str, Sequence[str]], count: int) -> Iterator[str]:
    """Each fault once, with the stage that it is of, unless all of them have it."""
    stages: dict[str, list[str]] = {}
    for name, found in faults.items():
        for fault in found:
            stages.setdefault(fault, []).append(name)
    for fault, names in stages.items():
        yield fault if len(names) == count else f"stage {', '.join(names)}: {fault}"


def _misplaced(stages: Sequence[CascadeStage]) -> Iterator[str]:
    """What settings alone say of stages that cannot follow one another."""
    if (first := stages[0]).config.bridge.use != NONE:
        yield (
            f"stage {first.name}: it comes first and has a bridge, {first.config.bridge.use}, with nothing before it to refine. Put the "
            'stage that it refines before it, or write use = "none" in its [stage.bridge]'
        )
    if first.level is not None:
        yield f"stage {first.name}: level = {first.level:g} is noise on what a stage is shown, and the first is shown nothing. Leave it out"
    for earlier, stage in pairwise(stages):
        if stage.config.bridge.use == NONE:
            yield (
                f"stage {stage.name}: it comes after {earlier.name} and has no bridge to it. Give it [stage.bridge] with use = the name of "
                "one; difftool list bridges shows them"
            )
        if stage.config.modality.use != earlier.config.modality.use:
            yield (
                f"stage {stage.name}: its data is of the kind {stage.config.modality.use} and that of {earlier.name} of the kind "
                f"{earlier.config.modality.use}; stages hand on raw examples, and so are of one kind"
            )
