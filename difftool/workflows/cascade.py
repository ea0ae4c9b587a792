"""A cascade: an ordered list of stages, read from TOML and kept in a folder."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tomli_w

from ..config import CHANGEABLE, NONE, dict_layer, gather, resolve
from ..config.cascade import StageLayers, read_cascade
from ..config.gather import PROJECT_FILE
from ..engine.folder import CASCADE, CONFIG, RUNS, RunFolder, is_cascade
from ..errors import ConfigError, RunExistsError, UsageError
from ..files import found, write_text
from .experts import experts_of
from .model import model_path, plain_config
from .naming import data_name
from .plan import STAGE, StagePlan, sampling, units
from .text import command
from .warm_start import started

if TYPE_CHECKING:
    from ..config import Config, Layer
    from ..plugin.registry import Registry


@dataclass(frozen=True)
class Cascade:
    """Stages in order; each refines the output of the one before it.

    A stage may be an autoencoder instead, in whose latents others diffuse; samples pass it by.

    Attributes:
        root: the folder of the cascade. It holds a run for each stage, and ``cascade.toml``.
        stages: plans to train, and models that are trained already.
    """

    root: Path
    stages: tuple[StagePlan, ...]

    @classmethod
    def read(
        cls,
        file: Path,
        parts: Registry,
        root: Path,
        modality: str | None = None,
        flags: Iterable[tuple[str, str, Any]] = (),
        sets: Sequence[str] = (),
    ) -> Cascade:
        """The cascade of a TOML file and a command line.

        Args:
            root: the folder in which it is or will be kept.
            flags, sets: as for ``read_cascade``.

        Raises:
            ConfigError: the faults of all stages, and reasons why they cannot follow one another.
        """
        return cls(root, tuple(stages_of(file, parts, modality, flags, sets)))

    @classmethod
    def open(cls, root: Path, parts: Registry) -> Cascade:
        """The cascade in a folder, as it was resolved when the folder was created."""
        return cls(root, tuple(stages_of(root / CASCADE, parts, kept=True)))

    def to_toml(self) -> str:
        """A cascade file that resolves to exactly these stages."""
        return tomli_w.dumps({"stage": [stage.to_dict() for stage in self.stages]})

    def save(self) -> None:
        """Write ``cascade.toml``. A folder that is not there yet appears whole or not at all.

        Raises:
            RunExistsError: the folder holds something else.
        """
        if is_cascade(self.root):
            write_text(self.root / CASCADE, self.to_toml())
            return
        try:
            found(self.root, lambda partial: write_text(partial / CASCADE, self.to_toml()))
        except FileExistsError:
            if is_cascade(self.root):  # another process was quicker by a moment
                raise RunExistsError(
                    f"Another process has just created {self.root}. {self._resume()}"
                ) from None
            raise RunExistsError(
                f"{self.root} already exists and is not a cascade folder. Choose another --run. "
                "Nothing in it was changed."
            ) from None

    def _resume(self) -> str:
        return f"Continue it with: {command('resume', self.root)}"

    @property
    def units(self) -> list[StagePlan]:
        """The stages, and after each its experts."""
        return units(self.stages)

    @property
    def sampling(self) -> list[StagePlan]:
        """The stages that make samples: all but the autoencoders of others."""
        return sampling(self.stages)

    def named(self, name: str) -> StagePlan:
        """The stage of this name."""
        return next(stage for stage in self.stages if stage.name == name)

    @property
    def names(self) -> list[str]:
        return [stage.name for stage in self.stages]

    @property
    def untrained(self) -> list[str]:
        """The names of the stages and experts that have no model yet."""
        return [unit.name for unit in self.units if not self.model_of(unit).is_file()]

    def model_of(self, unit: StagePlan) -> Path:
        """The model file that a stage or an expert has, or will have."""
        return unit.model or self.run_of(unit).model_path

    def run_of(self, unit: StagePlan) -> RunFolder:
        """The run of a stage or an expert; it may not exist yet."""
        return RunFolder(self.root / unit.name)

    def has_begun(self, unit: StagePlan) -> bool:
        return (self.root / unit.name / CONFIG).is_file()

    def with_level(self, name: str, level: float) -> Cascade:
        """The same cascade with another sampling level of one stage."""
        stages = (replace(one, level=level) if one.name == name else one for one in self.stages)
        return replace(self, stages=tuple(stages))


def stages_of(
    path: Path,
    parts: Registry,
    modality: str | None = None,
    flags: Iterable[tuple[str, str, Any]] = (),
    sets: Sequence[str] = (),
    kept: bool = False,
) -> list[StagePlan]:
    """The stages of a cascade file and a command line.

    Args:
        flags, sets: as for ``read_cascade``.
        kept: the file is resolved already: the project file has no effect on it, and a model that
            training started from may be gone.

    Raises:
        ConfigError: the faults of all stages, and reasons why they cannot follow one another.
    """

    def named(name: str) -> Path | None:
        return cascade_path(name, parts) if name in parts.names("cascade") else None

    plans, stage_faults = list[StagePlan](), dict[str, list[str]]()
    written, faults = read_cascade(path, flags, sets, named)
    for stage in written:
        try:
            plans.append(_resolved(stage, parts, modality, kept))
        except ConfigError as error:
            stage_faults[stage.name] = list(error.faults)
        except UsageError as error:
            stage_faults[stage.name] = [str(error)]
    faults += _named(stage_faults, len(written))
    if faults := faults or list(_misplaced(plans)):
        raise ConfigError(list(dict.fromkeys(faults)))
    return plans


def cascade_path(name: str, parts: Registry) -> Path:
    """The file of an installed cascade, by its full name ``modality/name``.

    Raises:
        UsageError: no cascade of that name is installed.
    """
    package, _, path = parts.get("cascade", name).target.partition(":")
    return Path(str(files(package).joinpath(path)))


def _resolved(stage: StageLayers, parts: Registry, modality: str | None, kept: bool) -> StagePlan:
    if stage.run:
        plan = _trained(stage, parts)
    else:

        def resolved(*over: Layer) -> Config:
            layers = [replace(layer, own=kept) for layer in stage.layers]
            project = None if kept else PROJECT_FILE
            gathered = gather(parts, modality, project=project, over=over, own=layers)
            return resolve(modality, gathered, parts)

        config = resolved()
        plan = StagePlan(stage.name, config if kept else started(config, resolved), stage.level)
    if not stage.experts:
        return plan
    return replace(plan, experts=experts_of(plan, stage, parts, modality, kept))


def _trained(stage: StageLayers, parts: Registry) -> StagePlan:
    """A stage that is a run or a model. Only the settings of sampling can be changed in it."""
    path = model_path(stage.run).absolute()
    before = plain_config(path)
    if not before:
        raise UsageError(
            f"run = {stage.run!r} is not a difftool model. Name a trained run or its model file."
        )
    faults = [
        f"{layer.where((name,))}: [{name}] cannot be changed, because the stage is trained already "
        f"by run = {stage.run!r}. Sampling can change {', '.join(CHANGEABLE)}."
        for layer in stage.own
        for name in layer.data
        if name not in CHANGEABLE
    ]
    if faults:
        raise ConfigError(faults)
    layers = [_changeable(layer) for layer in stage.layers]
    config = resolve(None, [dict_layer(before, str(path)), *layers], parts)
    return StagePlan(stage.name, config, stage.level, path)


def _changeable(layer: Layer) -> Layer:
    """The part of a layer that sampling can change."""
    data = {name: value for name, value in layer.data.items() if name in CHANGEABLE}
    return replace(layer, data=data)


def _named(faults: Mapping[str, Sequence[str]], count: int) -> Iterator[str]:
    """Each fault once, with the stages that have it, unless all of them do."""
    stages: dict[str, list[str]] = {}
    for name, some in faults.items():
        for fault in some:
            stages.setdefault(fault, []).append(name)
    for fault, names in stages.items():
        yield fault if len(names) == count else f"stage {', '.join(names)}: {fault}"


def _misplaced(stages: Sequence[StagePlan]) -> Iterator[str]:
    """Reasons why stages cannot follow one another that the settings alone show."""
    for place, stage in enumerate(stages):
        if stage.coder and stage.coder not in [earlier.name for earlier in stages[:place]]:
            yield (
                f"stage {stage.name}: model = {STAGE}{stage.coder} names no stage "
                "before it; put the autoencoder that it names there"
            )
    if not (stages := sampling(stages)):
        return
    if (first := stages[0]).config.bridge.use != NONE:
        yield (
            f"stage {first.name}: it is the first stage and has a bridge, {first.config.bridge.use}, "
            "but there is no stage before it to refine. Put the stage that it refines before it, "
            'or write use = "none" in its [stage.bridge]'
        )
    if first.level is not None:
        yield (
            f"stage {first.name}: level = {first.level:g} adds noise to a stage's input, and the "
            "first stage has none. Remove it"
        )
    for earlier, stage in pairwise(stages):
        if stage.config.bridge.use == NONE:
            yield (
                f"stage {stage.name}: it comes after {earlier.name} and has no bridge to it. Add "
                "[stage.bridge] with use = NAME; `difftool list bridges` shows the names"
            )
        if stage.config.modality.use != earlier.config.modality.use:
            yield (
                f"stage {stage.name}: its modality is {stage.config.modality.use}, but that of "
                f"{earlier.name} is {earlier.config.modality.use}. Use one modality in all stages, "
                "because they pass on raw examples"
            )


def refuse_own_file(file: Path, cascade: Cascade) -> None:
    """Raise UsageError where saving the cascade would overwrite the file that it was read from."""
    own = cascade.root / CASCADE
    if own.is_file() and own.samefile(file) and own.read_bytes() != cascade.to_toml().encode():
        raise UsageError(
            f"This run would overwrite {file}: a cascade folder keeps its resolved configuration "
            "under the same name. Choose another --run, or continue the existing cascade: "
            f"{command('resume', cascade.root)}"
        )


def named_cascade(
    file: Path | None, cascade: str | None, modality: str | None, data: str | None, parts: Registry
) -> tuple[Path, Path] | None:
    """The file of the cascade that a command line names, and its default folder; None without one.

    The folder is the same each time, so that the same command line resumes.
    """
    if cascade is None:
        return None if file is None else (file, RUNS / file.stem)
    if file is not None:
        raise UsageError(
            f"--cascade {cascade} and {file} both name a cascade. Use one; a file can extend the "
            f"other with extends = {cascade!r}."
        )
    use, _, name = cascade.rpartition("/")
    if not (use := use or (modality or "").partition("/")[0]):
        known = ", ".join(parts.names("cascade")) or "none"
        raise UsageError(
            f"--cascade {name} does not name its modality. Add -m, or write MODALITY/{name}. "
            f"Installed cascades: {known}."
        )
    return cascade_path(f"{use}/{name}", parts), RUNS / f"{data_name(data, use)}-{name}"


def refuse_files(**given: Any) -> None:
    """Raise ConfigError for options that a cascade file has to contain instead."""
    faults = [
        f"--{name}: a cascade takes this from its file. Write it into a [[stage]], or above the "
        "first [[stage]] for all stages"
        for name, value in given.items()
        if value
    ]
    if faults:
        raise ConfigError(faults)
