"""Cascade files: a list of stages, each with the settings of an ordinary run.

    extends = "other.toml"        # another cascade, by file or name; this file overrides it
    modality = "NAME"             # for every stage, like any table up here; short for [modality]
    data = "folder"

    [[stage]]
    name = "base"
    recipe = "tiny"

    [[stage]]
    name = "fine"
    level = 0.1                   # noise level of the stage's input when sampling
    [stage.bridge]
    use = "resample"
    [[stage.expert]]              # replaces the stage's network at noise levels under ``below``
    name = "detail"
    below = 0.5
    [stage.expert.train]          # other settings are the stage's
    steps = 500

A stage with ``run = "path"`` is trained already; only settings of sampling may be given for it. An
expert with ``run`` takes no settings at all. Relative paths are relative to the folder of the file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from itertools import pairwise
from pathlib import Path as File
from typing import Any

from ..errors import UsageError
from ..names import local_path, path_text
from .layers import Layer, Path, file_text, flag_layer, text_layer
from .places import EXPERT, STAGE, expert_names, is_tables, places, stage_heads

SAMPLES = "samples"
OWN = ("name", "run", "level", EXPERT)
"""Keys of a stage that are not settings of its run."""

EXPERT_OWN = ("name", "run", "below")
"""Keys of an expert that are not settings of its run."""

_NAME = re.compile(r"[A-Za-z0-9][\w-]*", re.ASCII)


@dataclass(frozen=True)
class StageLayers:
    """A stage or an expert, as written in files and on the command line.

    Attributes:
        name: of the stage and its folder.
        layers: all settings that apply to it, weakest first.
        own: the layers that apply to this stage alone.
        run: a trained run or model to use as this stage; "" for a stage to train.
        level: noise level of the stage's input when sampling, in model units; None if not given.
        below: the noise level under which an expert takes over; 0 for a stage.
        experts: the experts of a stage.
    """

    name: str
    layers: tuple[Layer, ...]
    own: tuple[Layer, ...]
    run: str = ""
    level: float | None = None
    below: float = 0.0
    experts: tuple[StageLayers, ...] = ()


@dataclass
class _Source:
    """The settings from one file, or from the command line: for all stages and for each."""

    shared: Layer
    stages: dict[str, Layer] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)


Named = Callable[[str], File | None]
"""Maps a name to the file of an installed cascade; None if no cascade has the name."""


def read_cascade(
    path: File,
    flags: Iterable[tuple[str, str, Any]] = (),
    sets: Sequence[str] = (),
    named: Named = lambda name: None,
) -> tuple[list[StageLayers], list[str]]:
    """The stages of a file, merged with the files that it extends, and all faults in its structure.

    ``resolve`` validates the settings themselves.

    Args:
        flags: ``(flag, "table.key", value)``, for all stages.
        sets: ``table.key=value`` for all stages; ``stage.NAME.table.key=value`` or
            ``stage.NAME.level=value`` for one, which overrides everything else.
        named: looks up the cascades that a file may extend by name.
    """
    sources = _chain(path, named)
    names = list(dict.fromkeys(name for source in sources for name in source.stages))
    sources.append(_Source(flag_layer(flags, stage_sets(sets)[0]), *stage_layers(sets, names)))
    faults = [fault for source in sources for fault in (*source.shared.faults, *source.faults)]
    if not names and not faults:
        faults.append(
            f"{path}: has no stage; write [[stage]], then name = and the settings of the stage's "
            "run below it"
        )
    stages = [_stage(name, sources, faults) for name in names]
    faults += _taken_names(stages)
    return stages, faults


def unit_name(stage: str, expert: str) -> str:
    """The name of an expert among the stages: its folder, and its value for --stage."""
    return f"{stage}-{expert}"


def _taken_names(stages: Sequence[StageLayers]) -> Iterator[str]:
    """Faults of stages and experts that would share a folder."""
    seen = {stage.name for stage in stages}
    for stage in stages:
        for expert in stage.experts:
            if (name := unit_name(stage.name, expert.name)) in seen:
                yield (
                    f"stage {stage.name}: the folder of its expert {expert.name} would be {name}, "
                    "which is already taken; rename one of them"
                )
            seen.add(name)


def stage_sets(sets: Sequence[str]) -> tuple[list[str], list[str]]:
    """``--set`` values for all stages, and those for one stage (``stage.NAME.…``)."""
    single = [item for item in sets if item.partition(".")[0].strip() == STAGE]
    return [item for item in sets if item not in single], single


def _chain(path: File, named: Named, above: tuple[File, ...] = ()) -> list[_Source]:
    """The file and the files that it extends, the base file first."""
    source, base = _read(path)
    other, here = (named(base) or _from(path, base) if base else None), path.resolve()
    if other is None:
        return [source]
    if other.resolve() in (here, *above):
        source.faults.append(
            f"{source.shared.where(('extends',))}: {other} also extends this file; remove one "
            "extends to break the circle"
        )
        return [source]
    return [*_chain(other, named, (here, *above)), source]


def _read(path: File) -> tuple[_Source, str]:
    """One file, and the value of its ``extends``."""
    text, fault = file_text(path)
    if fault:
        return _Source(Layer(str(path), faults=(fault,))), ""
    whole, lines = text_layer(text, str(path)), text.splitlines()
    heads = stage_heads(lines)
    tables, base = whole.data.get(STAGE, []), whole.data.get("extends", "")
    data = {name: value for name, value in whole.data.items() if name not in (STAGE, "extends")}
    source = _Source(
        replace(
            whole,
            data=_long(data, path),
            places=places(lines, 0, (heads or [len(lines)])[0], str(path)),
        )
    )
    if not isinstance(base, str):
        source.faults.append(
            f"{source.shared.where(('extends',))}: extends = {base!r} is not text; write the path "
            "or name of a cascade"
        )
        base = ""
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        source.faults.append(
            f"{whole.where((STAGE,))}: stage is not a list of tables; write [[stage]] with double "
            "brackets"
        )
        return source, base
    spans = list(pairwise([*heads, len(lines)]))
    for n, table in enumerate(tables):
        found = (
            places(lines, *spans[n], str(path), expert_names(table))
            if len(spans) == len(tables)
            else {}
        )
        _take(source, Layer(str(path), _long(table, path), found), path)
    return source, base


def _take(source: _Source, layer: Layer, path: File) -> None:
    """Add one stage to the source."""
    name: Any = layer.data.get("name")
    where = layer.where(("name",))
    if faults := _name_faults(name, where, STAGE, source.stages):
        source.faults += faults
    elif name == SAMPLES:
        source.faults.append(
            f"{where}: a stage cannot be called {name}; choose another name, because the "
            "cascade's samples use this folder"
        )
    else:
        source.stages[name] = _with_experts(source, layer, path)


def _name_faults(name: Any, where: str, kind: str, taken: Iterable[str]) -> list[str]:
    """The faults in the name of a stage or an expert."""
    if name is None:
        head = f"[[{STAGE}.{kind}]]" if kind == EXPERT else f"[[{STAGE}]]"
        return [
            f"{where}: {'an' if kind == EXPERT else 'a'} {kind} has no name; write name = as the "
            f"first line below {head}"
        ]
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        return [
            f"{where}: the name {name!r} is not valid; use letters, digits, - and _, because the "
            f"{kind}'s folder has the same name"
        ]
    if name in taken:
        return [
            f"{where}: two {kind}s in this {'stage' if kind == EXPERT else 'file'} are called "
            f"{name!r}; rename one of them"
        ]
    return []


def _with_experts(source: _Source, layer: Layer, path: File) -> Layer:
    """The stage with its experts keyed by name, as on the command line."""
    tables = layer.data.get(EXPERT, [])
    if not is_tables(tables):
        source.faults.append(
            f"{layer.where((EXPERT,))}: expert is not a list of tables; write "
            f"[[{STAGE}.{EXPERT}]] with double brackets"
        )
        tables = []
    experts = dict[str, Any]()
    for table in tables:
        name = table.get("name")
        if faults := _name_faults(
            name, layer.where((EXPERT, str(name or ""), "name")), EXPERT, experts
        ):
            source.faults += faults
        else:
            experts[name] = _long(table, path)
    return replace(
        layer,
        data={**layer.data, EXPERT: experts}
        if experts
        else {k: v for k, v in layer.data.items() if k != EXPERT},
    )


def _long(table: Mapping[str, Any], path: File) -> dict[str, Any]:
    """A table without short forms: ``modality`` and ``data`` become tables, paths absolute."""
    found = dict(table)
    if isinstance(found.get("modality"), str):
        use, _, representation = found["modality"].partition("/")
        found["modality"] = {"use": use}
        if representation:
            found.setdefault("representation", {"use": representation})
    if isinstance(found.get("data"), str):
        found["data"] = {"path": found["data"]}
    if (
        isinstance(found.get("data"), dict)
        and isinstance(found["data"].get("path"), str)
        and found["data"]["path"]
    ):
        found["data"] = {**found["data"], "path": path_text(_from(path, found["data"]["path"]))}
    if isinstance(found.get("recipe"), str) and found["recipe"].endswith(".toml"):
        found["recipe"] = str(_from(path, found["recipe"]))
    # A path that does not exist may be the name of a run in runs/.
    if isinstance(found.get("run"), str) and found["run"] and _from(path, found["run"]).exists():
        found["run"] = path_text(_from(path, found["run"]))
    return found


def _from(path: File, text: str) -> File:
    """The absolute path of a path in a file. Links are resolved only if it contains ``..``."""
    absolute = path.absolute().parent / local_path(text)
    return absolute.resolve() if ".." in absolute.parts else absolute


def stage_layers(sets: Sequence[str], names: Sequence[str]) -> tuple[dict[str, Layer], list[str]]:
    """The layers that ``--set stage.NAME.…`` gives for single stages, by name, and their faults."""
    items_of, faults = dict[str, list[str]](), list[str]()
    for item in stage_sets(sets)[1]:
        _, name, rest = [*(part.strip() for part in item.split(".", 2)), "", ""][:3]
        try:
            require_stage(f"--set {item.partition('=')[0]}", name, names)
        except UsageError as error:
            faults.append(str(error))
        else:
            items_of.setdefault(name, []).append(rest)
    layers = {name: _stage_layer(name, items) for name, items in items_of.items()}
    return layers, [*faults, *(fault for layer in layers.values() for fault in layer.faults)]


def _stage_layer(name: str, items: Sequence[str]) -> Layer:
    """The layer of ``table.key=value`` and ``level=value`` for one stage, with the user's words."""
    prefix = f"{STAGE}.{name}"
    plain = {item.partition("=")[0].strip() for item in items} & set(OWN)
    layer = flag_layer(
        sets=[
            f"{STAGE}.{item}" if item.partition("=")[0].strip() in plain else item for item in items
        ]
    )
    data = {
        **layer.data.get(STAGE, {}),
        **{key: value for key, value in layer.data.items() if key != STAGE},
    }

    def named(text: str) -> str:
        return text.replace(f"--set {STAGE}.", "--set ", 1).replace("--set ", f"--set {prefix}.", 1)

    places = {path[path[0] == STAGE :]: named(place) for path, place in layer.places.items()}
    return replace(layer, data=data, places=places, faults=tuple(map(named, layer.faults)))


def require_stage(flag: str, name: str, names: Sequence[str]) -> None:
    """Raise UsageError if there is no stage of that name.

    Args:
        flag: where the user wrote the name, for the message.
    """
    if name in names:
        return
    close = get_close_matches(name, names, n=1)
    hint = f"Did you mean {close[0]!r}?" if close else f"The stages are: {', '.join(names)}"
    raise UsageError(f"{flag}: there is no stage {name!r}. {hint}")


def _stage(name: str, sources: Sequence[_Source], faults: list[str]) -> StageLayers:
    """One stage, merged from all sources."""
    run, level = "", None
    layers, own = list[Layer](), list[Layer]()
    for source in sources:
        layers.append(source.shared)
        if (layer := source.stages.get(name)) is not None:
            run, level = (
                own_value(layer, "run", run, faults),
                own_value(layer, "level", level, faults),
            )
            own.append(_settings(layer))
            layers.append(own[-1])
    *files, line = ([source.stages[name]] if name in source.stages else [] for source in sources)
    names = list(
        dict.fromkeys(
            expert for some in files for layer in some for expert in layer.data.get(EXPERT, {})
        )
    )
    for layer in line:
        faults += _unknown_experts(layer, name, names)
    experts = tuple(_expert(expert, name, sources, faults) for expert in names)
    return StageLayers(name, tuple(layers), tuple(own), run, level, experts=experts)


def _expert(name: str, stage: str, sources: Sequence[_Source], faults: list[str]) -> StageLayers:
    """An expert, merged from all sources: settings for all stages, for its stage, and its own.

    Its own settings always override those of its stage, whichever file they are in.
    """
    run, below = "", 0.0
    layers, own = list[Layer](), list[Layer]()
    for source in sources:
        layers.append(source.shared)
        if (whole := source.stages.get(stage)) is None:
            continue
        stage_s = _settings(whole)
        for before in own:
            stage_s = replace(stage_s, data=_without(stage_s.data, before.data))
        layers.append(stage_s)
        if (layer := _part(whole, (EXPERT, name))) is not None:
            run, below = (
                own_value(layer, "run", run, faults),
                own_value(layer, "below", below, faults),
            )
            own.append(_settings(layer, EXPERT_OWN))
            layers.append(own[-1])
    if not below:
        faults.append(
            f"stage {stage}: its expert {name} has no below; write below = the noise level under "
            "which it takes over"
        )
    return StageLayers(name, tuple(layers), tuple(own), run, below=below)


def _without(data: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """The settings in ``data`` that ``other`` does not have."""
    found = {key: value for key, value in data.items() if key not in other}
    both = [
        key
        for key, value in data.items()
        if isinstance(value, Mapping) and isinstance(other.get(key), Mapping)
    ]
    return found | {key: _without(data[key], other[key]) for key in both}


def _settings(layer: Layer, own_keys: Sequence[str] = OWN) -> Layer:
    """The settings of the run in the layer of a stage or an expert."""
    return replace(
        layer,
        data={key: value for key, value in layer.data.items() if key not in own_keys},
        faults=(),
    )


def _part(layer: Layer, path: Path) -> Layer | None:
    """The table at a path of a layer, as a layer; None if there is no such table."""
    data: Any = layer.data
    for key in path:
        data = data.get(key) if isinstance(data, Mapping) else None
    if not isinstance(data, Mapping):
        return None
    n = len(path)
    places, texts = (
        {at[n:]: value for at, value in found.items() if at[:n] == path}
        for found in (layer.places, layer.texts)
    )
    return Layer(layer.where(path), data, places, texts)


def _unknown_experts(layer: Layer, stage: str, names: Sequence[str]) -> Iterator[str]:
    """Faults of ``--set`` values for experts that the stage does not have."""
    experts = layer.data.get(EXPERT, {})
    if not isinstance(experts, Mapping):
        yield (
            f"{layer.where((EXPERT,))}: does not name an expert; write "
            f"stage.{stage}.expert.NAME.table.key=value"
        )
        experts = {}
    for name in experts:
        if name not in names:
            yield (
                f"{layer.where((EXPERT, name))}: stage {stage} has no expert {name!r}. It has: "
                f"{', '.join(names) or 'none'}"
            )


def own_value(layer: Layer, key: str, before: Any, faults: list[str]) -> Any:
    """The value of one of the stage's own keys, else ``before``; invalid values add to ``faults``."""
    value = layer.data.get(key, before)
    if key == "run" and not isinstance(value, str):
        faults.append(
            f"{layer.where(('run',))}: run = {value!r} is not text; write the path of a run or a "
            "model file"
        )
    if key == "level" and value is not None and not _is_level(value):
        faults.append(
            f"{layer.where(('level',))}: level = {value!r} is not a number of at least 0; it is "
            "the noise level of the stage's input, in model units"
        )
    if key == "below" and (not _is_level(value) or (key in layer.data and not value)):
        faults.append(
            f"{layer.where((key,))}: below = {value!r} is not a number above 0; it is the noise "
            "level under which the expert takes over"
        )
        return before or 1.0
    return value


def _is_level(value: Any) -> bool:
    return (
        isinstance(value, (int, float))
        and not isinstance(value, bool)
        and 0 <= value < float("inf")
    )
