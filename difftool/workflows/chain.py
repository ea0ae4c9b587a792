"""Trained stages one after another: what an earlier one makes, or what files hold, is refined by the next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from ..config import CHANGEABLE, dict_layer
from ..config.cascade import SAMPLES, own_value, stage_layers, stage_sets, unknown_stage
from ..engine.folder import CASCADE, RunFolder, find_run, is_cascade
from ..errors import ConfigError, UsageError
from .cascade import kept_stages
from .compatible import Described, beyond, bridge_of, refuse_strangers, require_experts
from .inputs import read_low, tell_larger, told_of, usual_low
from .job import Job, prepared
from .link import Conditions, Link, handed, own_conditions
from .model import ModelFile, model_path
from .plan import units
from .reporter import Reporter
from .request import Request, settled
from .text import command

if TYPE_CHECKING:
    import numpy as np

    from ..config import Layer
    from ..plugin.registry import Registry


ALL = "all"
"""What a user writes for every label in turn."""


@dataclass(frozen=True)
class ChainRequest:
    """What a command line asks of stages together.

    Attributes:
        words: runs, model files and cascades, in order.
        until: the last stage to sample; None for the last there is.
        files: examples to refine, in place of an earlier stage's samples.
        entry: the stage that refines them; None for the first that refines anything.
        level: of every stage that refines, over what a cascade's file says; None for that.
        counted: the number of samples was said; else there is one for each file.
        as_trained: files are brought to the size of training examples.
        handing: whoever asks hands the first stage what it is to refine, where it refines anything.
    """

    words: Sequence[str]
    until: str | None = None
    files: Sequence[Path] = ()
    entry: str | None = None
    level: float | None = None
    counted: bool = True
    as_trained: bool = False
    handing: bool = False


@dataclass(frozen=True)
class Chain:
    """Stages that fit together, and what the first of them refines.

    Attributes:
        root: the folder in which samples are kept unless another is named.
        low: raw examples, one for each sample, and their conditions; empty where the first stage refines nothing.
    """

    links: Sequence[Link]
    root: Path
    low: Sequence[np.ndarray] = ()
    told: Sequence[Conditions] = ()

    @property
    def n(self) -> int:
        return self.links[0].request.n

    def job(self, number: int, parts: Registry, low: Sequence[np.ndarray], told: Sequence[Conditions]) -> Job:
        """Stage ``number``, loaded, and what it is to make of the samples of the one before it, or of files."""
        link = self.links[number]
        if link.bridge is None:
            return prepared(link, parts, link.request)
        cond = {**handed(link, told), **link.request.cond}
        made = prepared(link, parts, replace(link.request, low=low, cond=cond))
        before = ", ".join(str(earlier.model.path) for earlier in self.links[:number])
        return replace(made, info={**made.info, **({"refines": before} if before else {})})

    def given(self, low: Sequence[np.ndarray], told: Sequence[Conditions], agree: bool = False) -> Chain:
        """The same stages, of which the first refines these, one for each sample.

        Args:
            agree: they are no model's, and samples shall agree with them.
        """
        links = [replace(link, request=replace(link.request, n=len(low), agree=agree)) for link in self.links]
        return Chain(links, self.root, low, told)


@dataclass(frozen=True)
class _Found:
    """A stage as it is found, before anything is asked of it.

    Attributes:
        under: how its cascade samples it, where that is otherwise than it was trained with.
        experts: model files that take over from it, each with the level below which it does.
    """

    name: str
    path: Path
    under: tuple[Layer, ...] = ()
    level: float | None = None
    experts: tuple[tuple[float, Path], ...] = ()


def chain_of(ask: ChainRequest, request: Request, parts: Registry, reporter: Reporter) -> Chain:
    """What is asked for, checked as far as it can be before weights are loaded.

    Raises:
        ConfigError: settings of any of the stages, all of them at once.
        UsageError: a stage that is not trained, or does not follow the one before it.
        DataError: files that cannot be read.
    """
    from ..assemble import make_modality

    found, root = _found(ask.words, ask.until, parts)
    if request.experts and len(found) > 1:
        raise UsageError("--expert is for one model. Of a cascade, write [[stage.expert]] into its file, or sample stage by stage.")
    links = _links(found, ask, request, parts)
    refuse_strangers([Described(link.name, link.config, link.model.description) for link in links], parts)
    entry = _entry(links, ask)
    earlier, links = links[entry - 1] if entry else None, links[entry:]
    for link in links:
        require_experts(link.model.path, link.config, link.request.experts, parts)
    _refuse_unmet(links, ask, request)
    if not ask.files:
        return Chain(links, root)
    if earlier is None:
        reporter.say(f"No earlier stage is named: what is given is read as {links[0].name}'s own data and brought down as in its training.")
    modality = make_modality((earlier or links[0]).config, parts)
    items = [item for path in ask.files for item in modality.scan(path)]
    n = request.n if ask.counted else len(items)
    at = [(request.start + i) % len(items) for i in range(n)]
    low = {i: read_low(items[i], modality, links[0], earlier is None, reporter, ask.as_trained) for i in dict.fromkeys(at)}
    tell_larger(low.values(), usual_low(links[0], earlier), reporter)
    links = [replace(link, request=replace(link.request, n=n, agree=True)) for link in links]
    return Chain(links, root, [low[i] for i in at], [told_of(items[i], links[0]) for i in at])


def modality_of_words(words: Sequence[str], parts: Registry) -> str:
    """The kind of data that runs, model files or cascades make. Raises UsageError or ModelFileError where there is no such model."""
    first = _found(words, None, parts)[0][0].path
    return ModelFile.read(first).modality


def _found(words: Sequence[str], until: str | None, parts: Registry) -> tuple[list[_Found], Path]:
    """The stages that words mean, up to ``until``, and the folder of their samples. Raises UsageError where one has no model yet."""
    stages, roots = list[_Found](), list[Path]()
    for word in words or ["latest"]:
        if not Path(word).is_file() and is_cascade(folder := find_run(word)):
            stages += _stages_in(folder, parts)
            roots.append(folder)
        else:
            path = model_path(word)
            stages.append(_Found(path.parent.name if path.name == "model.safetensors" else path.stem, path))
            roots.append(path.parent)
    stages = _renamed(stages)
    names = [stage.name for stage in stages]
    if until is not None and until not in names:
        raise UsageError(f"--until {until}: {unknown_stage(until, names)}")
    stages = stages[: names.index(until) + 1] if until is not None else stages
    _require_models(stages)
    return stages, roots[-1] / SAMPLES


def _stages_in(folder: Path, parts: Registry) -> Iterator[_Found]:
    """The stages of a cascade that was trained, with how its file says that they are sampled."""
    for stage in kept_stages(folder, parts):
        tables = {name: table for name, table in stage.config.to_dict().items() if name in CHANGEABLE}
        path, *others = (unit.model or RunFolder(folder / unit.name).model_path for unit in units([stage]))
        experts = tuple((expert.below, other) for expert, other in zip(stage.experts, others, strict=True))
        yield _Found(stage.name, path, (dict_layer(tables, str(folder / CASCADE)),), stage.level, experts)


def _renamed(stages: Sequence[_Found]) -> list[_Found]:
    """The stages with a name of their own each: the second ``x2`` is ``x2-2``."""
    taken: dict[str, int] = {}
    renamed = []
    for stage in stages:
        taken[stage.name] = taken.get(stage.name, 0) + 1
        renamed.append(replace(stage, name=f"{stage.name}-{taken[stage.name]}") if taken[stage.name] > 1 else stage)
    return renamed


def _require_models(stages: Sequence[_Found]) -> None:
    """Refuse to begin where a stage that is needed is not trained."""
    needed = [(stage, path) for stage in stages for path in (stage.path, *(path for _, path in stage.experts))]
    missing = [(stage, path) for stage, path in needed if not path.is_file()]
    if missing:
        names = ", ".join(stage.name if path == stage.path else path.parent.name for stage, path in missing)
        first, path = missing[0]
        before = next((a.name for a, b in pairwise(stages) if b is first), None)
        stop = f", or sample what is there with --until {before}" if before else ""
        raise UsageError(f"Not trained yet, so that there is no model: {names}. Go on with: {command('resume', path.parent.parent)}{stop}.")


def _links(found: Sequence[_Found], ask: ChainRequest, request: Request, parts: Registry) -> list[Link]:
    """The stages with what is asked of each; the faults of all of them at once."""
    everyone, _ = stage_sets(request.sets)
    single, faults = stage_layers(request.sets, [stage.name for stage in found])
    links, told = list[Link](), dict[str, None]()
    for place, stage in enumerate(found):
        level = stage.level if ask.level is None else ask.level
        own = [single[stage.name]] if stage.name in single else []
        for layer in own:
            level = own_value(layer, "level", level, faults)
        over = [replace(layer, data={name: table for name, table in layer.data.items() if name != "level"}) for layer in own]
        asked = replace(request, sets=tuple(everyone), under=stage.under, over=over, place=max(place, 1))
        try:
            links.append(_link(stage, asked, level, parts))
        except ConfigError as error:
            told |= dict.fromkeys(error.faults)
            continue
        if links[-1].bridge is None and any("level" in layer.data for layer in own):
            faults.append(f"--set stage.{stage.name}.level: it is noise on what a stage is shown, and {stage.name} is shown nothing")
    if faults or told:
        raise ConfigError(list(dict.fromkeys([*faults, *told])))
    return links


def _link(stage: _Found, request: Request, level: float | None, parts: Registry) -> Link:
    model = ModelFile.read(stage.path)
    config, shape = settled(model, parts, request)
    bridge = bridge_of(Described(stage.name, config, model.description), parts)
    own = own_conditions(bridge)
    cond = {name: values for name, values in request.cond.items() if name in model.description.conditions and name not in own}
    level, experts = level or 0.0 if bridge else 0.0, request.experts or stage.experts
    return Link(stage.name, model, config, shape, bridge, replace(request, cond=cond, level=level, experts=experts))


def _entry(links: Sequence[Link], ask: ChainRequest) -> int:
    """The place of the first stage to sample. Raises UsageError where it has nothing to refine, or is given what it does not take."""
    names = [link.name for link in links]
    if ask.entry is not None and not ask.files:
        raise UsageError(
            "--stage names the stage that refines files, and none are given. Give some, with --from; --until says where to end."
        )
    if ask.as_trained and not ask.files:
        raise UsageError("--as-trained says how the files are read that are refined, and none are given. Give some, with --from.")
    if ask.entry is not None and ask.entry not in names:
        raise UsageError(f"--stage {ask.entry}: {unknown_stage(ask.entry, names)}")
    if not ask.files:
        if links[0].bridge is not None and not ask.handing:
            raise UsageError(
                f"{links[0].name} refines what an earlier stage makes, and was given nothing to refine. Give it files with --from, or "
                f"name the earlier stage before it: {command('sample', 'EARLIER', links[0].model.path.parent)}"
            )
        return 0
    entry = names.index(ask.entry) if ask.entry else next((i for i, link in enumerate(links) if link.bridge is not None), 0)
    if links[entry].bridge is None:
        raise UsageError(
            f"--from gives examples to refine, and {links[entry].name} refines none: it was trained without a bridge, from noise alone."
        )
    return entry


def _refuse_unmet(links: Sequence[Link], ask: ChainRequest, request: Request) -> None:
    """Refuse levels and conditions that a later stage would refuse only when the earlier ones are done."""
    for link in links:
        if link.bridge is not None and (told := beyond(link.request.level, link.bridge)):
            raise UsageError(f"{link.name}: {told}")
        for name, texts in link.request.cond.items():
            condition = link.model.description.conditions[name]
            for text in texts if list(texts) != [ALL] or not condition.choices() else ():
                condition.parse(text)
    if ask.level is not None and all(link.bridge is None for link in links):
        raise UsageError("--level is of stages that refine what an earlier one made, and none does.")
    if strange := [name for name in request.cond if not any(name in link.request.cond for link in links)]:
        known = ", ".join(dict.fromkeys(name for link in links for name in link.able)) or "none"
        have, they = ("The model has", "It has") if len(links) == 1 else ("The stages have", "They have")
        raise UsageError(f"{have} no condition {strange[0]!r}. {they}: {known}.")
