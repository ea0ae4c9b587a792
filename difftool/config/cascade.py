"""Cascade files: stages in the order in which they refine one another, each as the settings of an ordinary run.

    extends = "other.toml"        # another cascade, a file or a named one; what is said here lies over what is said there
    modality = "NAME"             # for every stage, as is any table of a configuration that stands up here; short for use = in [modality]
    data = "folder"

    [[stage]]
    name = "base"
    recipe = "tiny"

    [[stage]]
    name = "fine"
    level = 0.1                   # of the noise on what the stage is shown, when sampling
    [stage.bridge]
    use = "resample"
    [[stage.expert]]              # takes over from the stage where there is less noise than ``below``; all else is as the stage's
    name = "detail"
    below = 0.5
    [stage.expert.train]
    steps = 500

A stage with ``run = "path"`` is trained already; it takes what sampling may change, and nothing else. So is an expert, which takes nothing.
Relative paths count from the file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from itertools import pairwise
from pathlib import Path as File
from typing import Any

from .layers import Layer, Path, file_text, flag_layer, text_layer
from .places import EXPERT, STAGE, expert_names, is_tables, places, stage_heads

SAMPLES = "samples"
OWN = ("name", "run", "level", EXPERT)
"""A stage's keys that are no settings of its run."""

EXPERT_OWN = ("name", "run", "below")
"""An expert's."""

_NAME = re.compile(r"[A-Za-z0-9][\w-]*", re.ASCII)


@dataclass(frozen=True)
class Outline:
    """A stage, or an expert of one, as files and the command line write it.

    Attributes:
        name: also of the stage's folder.
        layers: all that is said to it, weakest first.
        own: those of them that speak to this stage alone.
        run: a run or model that is this stage, trained already; "" for a stage to train.
        level: noise level, in model units, of what the stage is shown when sampling; None where nothing is said.
        below: the noise level under which an expert takes over; 0 for a stage.
        experts: of a stage.
    """

    name: str
    layers: tuple[Layer, ...]
    own: tuple[Layer, ...]
    run: str = ""
    level: float | None = None
    below: float = 0.0
    experts: tuple[Outline, ...] = ()


@dataclass
class _Source:
    """What one file, or the command line, says to all stages and to each."""

    shared: Layer
    stages: dict[str, Layer] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)


Named = Callable[[str], File | None]
"""The file of a cascade that is installed under a name; None where there is none."""


def read_cascade(
    path: File, flags: Iterable[tuple[str, str, Any]] = (), sets: Sequence[str] = (), named: Named = lambda name: None
) -> tuple[list[Outline], list[str]]:
    """The stages of a file, over those of the files that it extends, and every fault in their form.

    Their settings are ``resolve``'s to judge.

    Args:
        flags: ``(flag, "table.key", value)``, for all stages.
        sets: ``table.key=value`` for all stages; ``stage.NAME.table.key=value`` or ``stage.NAME.level=value`` for one, over everything.
        named: the cascades that a file may extend by their names.
    """
    sources = _chain(path, named)
    names = list(dict.fromkeys(name for source in sources for name in source.stages))
    sources.append(_Source(flag_layer(flags, stage_sets(sets)[0]), *stage_layers(sets, names)))
    faults = [fault for source in sources for fault in (*source.shared.faults, *source.faults)]
    if not names and not faults:
        faults.append(f"{path}: has no stage; write [[stage]], and below it name = and the settings of the stage's run")
    outlines = [_outline(name, sources, faults) for name in names]
    faults += _taken_names(outlines)
    return outlines, faults


def unit_name(stage: str, expert: str) -> str:
    """What an expert is called among the stages: its folder, and the word for --stage."""
    return f"{stage}-{expert}"


def _taken_names(outlines: Sequence[Outline]) -> Iterator[str]:
    """Stages and experts whose folders would be one."""
    seen = {outline.name for outline in outlines}
    for outline in outlines:
        for expert in outline.experts:
            if (name := unit_name(outline.name, expert.name)) in seen:
                yield f"stage {outline.name}: the folder of its expert {expert.name} would be {name}, which is another's; rename one of them"
            seen.add(name)


def stage_sets(sets: Sequence[str]) -> tuple[list[str], list[str]]:
    """``--set`` words that speak to all stages, and those that speak to one, ``stage.NAME.…``."""
    single = [item for item in sets if item.partition(".")[0].strip() == STAGE]
    return [item for item in sets if item not in single], single


def _chain(path: File, named: Named, above: tuple[File, ...] = ()) -> list[_Source]:
    """The file and those that it extends, the farthest first."""
    source, base = _read(path)
    other, here = (named(base) or _from(path, base) if base else None), path.resolve()
    if other is None:
        return [source]
    if other.resolve() in (here, *above):
        source.faults.append(f"{source.shared.where(('extends',))}: {other} extends this file in turn, so neither can come first")
        return [source]
    return [*_chain(other, named, (here, *above)), source]


def _read(path: File) -> tuple[_Source, str]:
    """One file, and what it extends."""
    text, fault = file_text(path)
    if fault:
        return _Source(Layer(str(path), faults=(fault,))), ""
    whole, lines = text_layer(text, str(path)), text.splitlines()
    heads = stage_heads(lines)
    tables, base = whole.data.get(STAGE, []), whole.data.get("extends", "")
    data = {name: value for name, value in whole.data.items() if name not in (STAGE, "extends")}
    source = _Source(replace(whole, data=_long(data, path), places=places(lines, 0, (heads or [len(lines)])[0], str(path))))
    if not isinstance(base, str):
        source.faults.append(f"{source.shared.where(('extends',))}: extends = {base!r} is not text; it names another cascade file")
        base = ""
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        source.faults.append(f"{whole.where((STAGE,))}: stage is no list of tables; write [[stage]], in double brackets")
        return source, base
    spans = list(pairwise([*heads, len(lines)]))
    for n, table in enumerate(tables):
        found = places(lines, *spans[n], str(path), expert_names(table)) if len(spans) == len(tables) else {}
        _take(source, Layer(str(path), _long(table, path), found), path)
    return source, base


def _take(source: _Source, layer: Layer, path: File) -> None:
    """Take in one stage, by its name."""
    name: Any = layer.data.get("name")
    place = layer.where(("name",))
    if fault := _misnamed(name, place, STAGE, source.stages):
        source.faults.append(fault)
    elif name == SAMPLES:
        source.faults.append(f"{place}: a stage cannot be called {name}: that is the folder of the cascade's samples")
    else:
        source.stages[name] = _with_experts(source, layer, path)


def _misnamed(name: Any, place: str, kind: str, taken: Iterable[str]) -> str:
    """What is wrong with the name of a stage or of an expert; "" where nothing is."""
    if name is None:
        head = f"[[{STAGE}.{kind}]]" if kind == EXPERT else f"[[{STAGE}]]"
        return f"{place}: {'an' if kind == EXPERT else 'a'} {kind} has no name; write name = as the first thing below {head}"
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        return f"{place}: the name {name!r} is not of letters, digits, - and _ alone, as the name of the {kind}'s folder must be"
    if name in taken:
        return f"{place}: there are two {kind}s {name!r} in this {'stage' if kind == EXPERT else 'file'}; give each a name of its own"
    return ""


def _with_experts(source: _Source, layer: Layer, path: File) -> Layer:
    """The stage with its experts by their names, as the command line writes them."""
    tables = layer.data.get(EXPERT, [])
    if not is_tables(tables):
        source.faults.append(f"{layer.where((EXPERT,))}: expert is no list of tables; write [[{STAGE}.{EXPERT}]], in double brackets")
        tables = []
    experts = dict[str, Any]()
    for table in tables:
        name = table.get("name")
        if fault := _misnamed(name, layer.where((EXPERT, str(name or ""), "name")), EXPERT, experts):
            source.faults.append(fault)
        else:
            experts[name] = _long(table, path)
    return replace(layer, data={**layer.data, EXPERT: experts} if experts else {k: v for k, v in layer.data.items() if k != EXPERT})


def _long(table: Mapping[str, Any], path: File) -> dict[str, Any]:
    """A table in long form: ``modality = "a/b"`` and ``data = "folder"`` become tables, and paths are counted from the root."""
    found = dict(table)
    if isinstance(found.get("modality"), str):
        use, _, representation = found["modality"].partition("/")
        found["modality"] = {"use": use}
        if representation:
            found.setdefault("representation", {"use": representation})
    if isinstance(found.get("data"), str):
        found["data"] = {"path": found["data"]}
    if isinstance(found.get("data"), dict) and isinstance(found["data"].get("path"), str) and found["data"]["path"]:
        found["data"] = {**found["data"], "path": str(_from(path, found["data"]["path"]))}
    if isinstance(found.get("recipe"), str) and found["recipe"].endswith(".toml"):
        found["recipe"] = str(_from(path, found["recipe"]))
    if isinstance(found.get("run"), str) and found["run"] and _from(path, found["run"]).exists():  # else the name of one in runs/
        found["run"] = str(_from(path, found["run"]))
    return found


def _from(path: File, text: str) -> File:
    """What a path in a file means. Links keep their names, except where ``..`` makes them matter."""
    meant = path.absolute().parent / File(text).expanduser()
    return meant.resolve() if ".." in meant.parts else meant


def stage_layers(sets: Sequence[str], names: Sequence[str]) -> tuple[dict[str, Layer], list[str]]:
    """What ``--set stage.NAME.…`` says to single stages, by their names, and the faults in it."""
    said, faults = dict[str, list[str]](), list[str]()
    for item in stage_sets(sets)[1]:
        _, name, rest = [*(part.strip() for part in item.split(".", 2)), "", ""][:3]
        if name in names:
            said.setdefault(name, []).append(rest)
        else:
            faults.append(f"--set {item.partition('=')[0]}: {unknown_stage(name, names)}")
    layers = {name: _stage_layer(name, items) for name, items in said.items()}
    return layers, [*faults, *(fault for layer in layers.values() for fault in layer.faults)]


def _stage_layer(name: str, items: Sequence[str]) -> Layer:
    """``table.key=value`` and ``level=value`` for one stage, by the names that the user wrote."""
    prefix = f"{STAGE}.{name}"
    plain = {item.partition("=")[0].strip() for item in items} & set(OWN)
    layer = flag_layer(sets=[f"{STAGE}.{item}" if item.partition("=")[0].strip() in plain else item for item in items])
    data = {**layer.data.get(STAGE, {}), **{key: value for key, value in layer.data.items() if key != STAGE}}

    def named(text: str) -> str:
        return text.replace(f"--set {STAGE}.", "--set ", 1).replace("--set ", f"--set {prefix}.", 1)

    places = {path[path[0] == STAGE :]: named(place) for path, place in layer.places.items()}
    return replace(layer, data=data, places=places, faults=tuple(map(named, layer.faults)))


def unknown_stage(name: str, names: Sequence[str]) -> str:
    """That there is no such stage, and which there are."""
    close = get_close_matches(name, names, n=1)
    return f"there is no stage {name!r}. " + (f"Did you mean {close[0]!r}?" if close else f"The stages are: {', '.join(names)}")


def _outline(name: str, sources: Sequence[_Source], faults: list[str]) -> Outline:
    """One stage, as all sources together say it."""
    run, level = "", None
    layers, own = list[Layer](), list[Layer]()
    for source in sources:
        layers.append(source.shared)
        if (said := source.stages.get(name)) is not None:
            run, level = own_value(said, "run", run, faults), own_value(said, "level", level, faults)
            own.append(_settings(said))
            layers.append(own[-1])
    *files, line = ([source.stages[name]] if name in source.stages else [] for source in sources)
    names = list(dict.fromkeys(expert for said in files for one in said for expert in one.data.get(EXPERT, {})))
    for said in line:
        faults += _unknown_experts(said, name, names)
    experts = tuple(_expert(expert, name, sources, faults) for expert in names)
    return Outline(name, tuple(layers), tuple(own), run, level, experts=experts)


def _expert(name: str, stage: str, sources: Sequence[_Source], faults: list[str]) -> Outline:
    """An expert, as all sources together say it: to everyone, to its stage, and to it. What is said to its stage never lies over its own."""
    run, below = "", 0.0
    layers, own = list[Layer](), list[Layer]()
    for source in sources:
        layers.append(source.shared)
        if (whole := source.stages.get(stage)) is None:
            continue
        stage_s = _settings(whole)
        for before in own:
            stage_s = replace(stage_s, data=_besides(stage_s.data, before.data))
        layers.append(stage_s)
        if (said := _part(whole, (EXPERT, name))) is not None:
            run, below = own_value(said, "run", run, faults), own_value(said, "below", below, faults)
            own.append(_settings(said, EXPERT_OWN))
            layers.append(own[-1])
    if not below:
        faults.append(f"stage {stage}: its expert {name} has no below; write below = the noise level under which it takes over")
    return Outline(name, tuple(layers), tuple(own), run, below=below)


def _besides(data: Mapping[str, Any], said: Mapping[str, Any]) -> dict[str, Any]:
    """What of tables is not said in others."""
    found = {key: value for key, value in data.items() if key not in said}
    both = [key for key, value in data.items() if isinstance(value, Mapping) and isinstance(said.get(key), Mapping)]
    return found | {key: _besides(data[key], said[key]) for key in both}


def _settings(layer: Layer, besides: Sequence[str] = OWN) -> Layer:
    """What a stage's or an expert's layer says to its run."""
    return replace(layer, data={key: value for key, value in layer.data.items() if key not in besides}, faults=())


def _part(layer: Layer, path: Path) -> Layer | None:
    """What a layer says below a path, as a layer; None where it says nothing."""
    data: Any = layer.data
    for key in path:
        data = data.get(key) if isinstance(data, Mapping) else None
    if not isinstance(data, Mapping):
        return None
    n = len(path)
    places, texts = ({at[n:]: value for at, value in found.items() if at[:n] == path} for found in (layer.places, layer.texts))
    return Layer(layer.where(path), data, places, texts)


def _unknown_experts(layer: Layer, stage: str, names: Sequence[str]) -> Iterator[str]:
    """What the command line says to experts that the stage does not have."""
    said = layer.data.get(EXPERT, {})
    if not isinstance(said, Mapping):
        yield f"{layer.where((EXPERT,))}: names no expert; write stage.{stage}.expert.NAME.table.key=value"
        said = {}
    for name in said:
        if name not in names:
            yield f"{layer.where((EXPERT, name))}: stage {stage} has no expert {name!r}. It has: {', '.join(names) or 'none'}"


def own_value(layer: Layer, key: str, before: Any, faults: list[str]) -> Any:
    """What a stage's layer says of one of its own keys, else what was said before; ``faults`` grows where that cannot be."""
    value = layer.data.get(key, before)
    if key == "run" and not isinstance(value, str):
        faults.append(f"{layer.where(('run',))}: run = {value!r} is not text; it is the path of a run or a model file")
    if key == "level" and value is not None and not _is_level(value):
        faults.append(
            f"{layer.where(('level',))}: level = {value!r} is no number from 0 on: noise, in model units, on what the stage is shown"
        )
    if key == "below" and (not _is_level(value) or (key in layer.data and not value)):
        faults.append(f"{layer.where((key,))}: below = {value!r} is no number above 0: the noise level under which the expert takes over")
        return before or 1.0
    return value


def _is_level(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < float("inf")
