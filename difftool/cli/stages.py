"""The stages of a cascade: from a file's words to resolved configurations that fit one another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config import CHANGEABLE
from ..config.cascade import unit_name
from ..config.gather import PROJECT_FILE
from ..errors import ConfigError, DifftoolError, UsageError
from .init import started
from .wish import model_path, plain_config

if TYPE_CHECKING:
    from ..bridge import Bridge
    from ..config import Config, Layer
    from ..config.cascade import Outline
    from ..description import Description
    from ..plugin.registry import Registry


@dataclass(frozen=True)
class CascadeStage:
    """One stage, or an expert of one, resolved.

    Attributes:
        config: of its run; of a stage that is trained already, with what sampling is to change in it.
        level: noise level, in model units, of what it is shown when sampling; None where nothing is said, which means 0.
        model: the model file of a stage that is trained already; None for one to train.
        experts: of a stage, in the order of the file.
        of: the stage that an expert belongs to; "" for a stage.
        below: the noise level under which an expert takes over.
        branches: whether an expert starts from the weights of its stage.
    """

    name: str
    config: Config
    level: float | None = None
    model: Path | None = None
    experts: tuple[CascadeStage, ...] = ()
    of: str = ""
    below: float = 0.0
    branches: bool = False

    def to_dict(self) -> dict[str, Any]:
        """The stage as a cascade file writes it: it builds on no recipe."""
        level = {} if self.level is None else {"level": self.level}
        tables = self.config.to_dict()
        experts = {"expert": [expert._as_expert() for expert in self.experts]} if self.experts else {}
        if self.model is not None:
            return {"name": self.name, "run": str(self.model), **level, **{name: tables[name] for name in CHANGEABLE}, **experts}
        return {"name": self.name, "recipe": "none", **level, **tables, **experts}

    def _as_expert(self) -> dict[str, Any]:
        """The same of an expert; it says nothing of where its weights come from if that is its stage."""
        own = {"name": self.name.removeprefix(unit_name(self.of, "")), "below": self.below}
        if self.model is not None:
            return {**own, "run": str(self.model)}
        tables = self.config.to_dict()
        if self.branches:
            tables["train"] = {key: value for key, value in tables["train"].items() if key != "init"}
        return {**own, **tables}


@dataclass(frozen=True)
class Met:
    """A stage and the data that it was, or is to be, trained on.

    Attributes:
        level: noise level, in model units, of what it is shown when sampling.
    """

    name: str
    config: Config
    description: Description
    level: float = 0.0


def to_toml(stages: Iterable[CascadeStage]) -> str:
    """A cascade file that resolves to these very stages."""
    import tomli_w

    return tomli_w.dumps({"stage": [stage.to_dict() for stage in stages]})


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
    from ..config.cascade import read_cascade

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
    from importlib.resources import files

    package, _, path = parts.get("cascade", name).target.partition(":")
    return Path(str(files(package).joinpath(path)))


def kept_stages(cascade: Path, parts: Registry) -> list[CascadeStage]:
    """The stages of a cascade's folder, as they were resolved when it was made."""
    from ..engine.folder import CASCADE

    return stages_of(cascade / CASCADE, parts, kept=True)


def _resolved(outline: Outline, parts: Registry, modality: str | None, kept: bool) -> CascadeStage:
    from ..config import gather, resolve

    if outline.run:
        stage = _trained(outline, parts)
    else:

        def resolved(*over: Layer) -> Config:
            return resolve(modality, gather(parts, modality, project=None if kept else PROJECT_FILE, over=over, own=outline.layers), parts)

        config = resolved()
        stage = CascadeStage(outline.name, config if kept else started(config, resolved), outline.level)
    if not outline.experts:
        return stage
    from .experts import experts_of

    return replace(stage, experts=experts_of(stage, outline, parts, modality, kept))


def units(stages: Iterable[CascadeStage]) -> list[CascadeStage]:
    """Everything that has a folder of its own: each stage, and after it its experts."""
    return [unit for stage in stages for unit in (stage, *stage.experts)]


def _trained(outline: Outline, parts: Registry) -> CascadeStage:
    """A stage that is a run or a model; of what is said to all stages it takes what sampling may change."""
    from ..config import dict_layer, resolve

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
    from ..config import NONE

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


def refuse_strangers(stages: Sequence[Met], parts: Registry) -> None:
    """Refuse stages that do not make what the next one takes; all faults at once, before any weights are made or loaded."""
    faults = list[str]()
    for earlier, stage in pairwise(stages):
        faults += (f"  {stage.name} after {earlier.name}: {told}" for told in _strange_conditions(earlier, stage))
        try:
            if (bridge := bridge_of(stage, parts)) is None:
                raise UsageError("it was trained without a bridge, and can only come first.")
            if stage.config.modality.use != earlier.config.modality.use:
                raise UsageError(f"its data is of the kind {stage.config.modality.use}, and not {earlier.config.modality.use}.")
            bridge.fit(earlier.description)
            if told := beyond(stage.level, bridge):
                raise UsageError(told)
        except DifftoolError as error:
            faults.append(f"  {stage.name} after {earlier.name}: {error}")
    if faults:
        raise UsageError("\n".join(["The stages do not fit together:", *faults]))


def bridge_of(stage: Met, parts: Registry) -> Bridge | None:
    """The stage's bridge, without its network."""
    from ..assemble import make_bridge

    return make_bridge(stage.config, parts, stage.description)


def beyond(level: float, bridge: Bridge) -> str:
    """What to say of a sampling level that training does not draw; "" of one that it does."""
    if level <= bridge.highest:
        return ""
    return f"level {level:g} is more noise than it is trained with. Ask for 0 to {bridge.highest:g}, which its bridge draws in training."


def _strange_conditions(earlier: Met, stage: Met) -> Iterator[str]:
    """Conditions of the earlier stage's examples that this one, which has them by name, would not know or take for another thing."""
    for name, condition in earlier.description.conditions.items():
        other = stage.description.conditions.get(name)
        if other is None or not {condition.kind, other.kind} <= {"label", "number"}:
            continue
        if condition.kind != other.kind:
            yield f"it knows {name} as a {other.kind}, and the earlier one as a {condition.kind}. Train both with one conditions.{name}.use."
        elif missing := [label for label in condition.names if label not in other.names]:
            more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
            yield f"it does not know the {name} {', '.join(missing[:5])}{more}. Train both on the same labels."
