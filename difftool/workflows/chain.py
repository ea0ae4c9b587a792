"""Trained stages in order: each refines the samples of the one before it, or the user's files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from ..config import CHANGEABLE, NONE, dict_layer
from ..config.cascade import SAMPLES, own_value, require_stage, stage_layers, stage_sets
from ..engine.folder import CASCADE, find_run, is_cascade
from ..engine.wishes import wish
from ..errors import ConfigError, UsageError
from .cascade import Cascade
from .chain_stage import ChainStage, Conditions, own_conditions, passed_on
from .compatible import DescribedStage, bridge_of, check_level, refuse_strangers, require_experts
from .inputs import conditions_of, read_low, say_larger, usual_low
from .job import Job, prepared
from .lacking import refuse_lacking
from .methods import unserved
from .model import ModelFile, model_path
from .reporter import Reporter
from .request import Request, settled
from .sizes import fitting_sizes
from .text import command
from .tuned import tuned_for

if TYPE_CHECKING:
    import numpy as np

    from ..config import Config, Layer
    from ..plugin.registry import Registry


ALL = "all"
"""A user writes this for every label in turn."""


@dataclass(frozen=True)
class Chain:
    """Stages that fit together, and the examples that the first of them refines.

    Attributes:
        root: the folder of the samples, unless the user names another.
        low: raw examples, one for each sample; empty where the first stage refines nothing.
        conds: their conditions.
    """

    stages: Sequence[ChainStage]
    root: Path
    low: Sequence[np.ndarray] = ()
    conds: Sequence[Conditions] = ()

    @property
    def n(self) -> int:
        return self.stages[0].request.n

    def job(
        self,
        number: int,
        parts: Registry,
        low: Sequence[np.ndarray],
        conds: Sequence[Conditions],
    ) -> Job:
        """Stage ``number``, loaded, to refine the samples of the stage before it or files."""
        stage = self.stages[number]
        if stage.bridge is None:
            return prepared(stage, parts)
        stage = replace(stage, cond={**passed_on(stage, conds), **stage.cond})
        job = prepared(stage, parts, low)
        before = ", ".join(str(earlier.model.path) for earlier in self.stages[:number])
        return replace(job, info={**job.info, **({"refines": before} if before else {})})

    def given(
        self, low: Sequence[np.ndarray], conds: Sequence[Conditions], agree: bool = False
    ) -> Chain:
        """The same stages; the first refines these examples, one for each sample.

        Args:
            agree: whether samples have to agree with them, because no model made them.
        """
        stages = [
            replace(stage, request=replace(stage.request, n=len(low)), agree=agree)
            for stage in self.stages
        ]
        return Chain(stages, self.root, low, conds)


@dataclass(frozen=True)
class _TrainedStage:
    """A stage before a request is applied to it.

    Attributes:
        under: the sampling settings of its cascade, over those of the model.
        experts: model files, each with the level below which it takes over.
    """

    name: str
    path: Path
    under: tuple[Layer, ...] = ()
    level: float | None = None
    experts: tuple[tuple[float, Path], ...] = ()


def chain_of(request: Request, parts: Registry, reporter: Reporter) -> Chain:
    """The stages of a request, checked as far as possible before weights are loaded.

    Raises:
        ConfigError: the faults in the settings of all stages.
        UsageError: a stage is not trained, or does not fit the one before it.
        DataError: files cannot be read.
    """
    found, root = _found(request.words, request.until, parts)
    if request.adapters and len(found) > 1:
        raise UsageError(
            "--adapter works with one model only. For a cascade, export its stage with the adapter "
            "first: difftool export STAGE --adapter FILE --to MODEL."
        )
    if request.experts and len(found) > 1:
        raise UsageError(
            "--expert works with one model only. For a cascade, write [[stage.expert]] into its "
            "file, or sample it stage by stage."
        )
    stages = _stages(found, request, parts)
    refuse_strangers(
        [DescribedStage(stage.name, stage.config, stage.model.description) for stage in stages],
        parts,
    )
    entry = _entry(stages, request)
    earlier, stages = stages[entry - 1] if entry else None, stages[entry:]
    if not request.files:
        stages = fitting_sizes(stages, parts)
    for stage in stages:
        require_experts(stage.model.path, stage.config, stage.experts, parts)
        if said := unserved(stage.name, stage.config, parts):
            reporter.say(said)
    _check_values(stages, request)
    if not request.files:
        return Chain(stages, root)
    return _refining_files(Chain(stages, root), earlier, request, parts, reporter)


def _refining_files(
    chain: Chain,
    earlier: ChainStage | None,
    request: Request,
    parts: Registry,
    reporter: Reporter,
) -> Chain:
    """The chain, whose first stage refines the user's files.

    Args:
        earlier: the stage before the first; None where it is not named.
    """
    from ..assemble import make_modality  # torch

    first = chain.stages[0]
    assert first.bridge is not None  # _entry has checked it
    earlier = earlier or _before(first, parts)
    degraded = earlier is None and (request.as_trained or not first.bridge.reads_alike)
    if earlier is None:
        reporter.say(f"No earlier stage is named. {_how_read(first.name, degraded)}")
    modality = make_modality((earlier or first).config, parts)
    items = [item for path in request.files for item in modality.scan(path)]
    n = request.n if request.counted else len(items)
    at = [(request.start + i) % len(items) for i in range(n)]
    low = {
        i: read_low(items[i], modality, first, degraded, reporter, request.as_trained)
        for i in dict.fromkeys(at)
    }
    say_larger(low.values(), usual_low(first, earlier), reporter)
    conds = [conditions_of(items[i], first) for i in at]
    return chain.given([low[i] for i in at], conds, agree=True)


def _how_read(name: str, degraded: bool) -> str:
    if degraded:
        return f"The files are read as training data of {name} and degraded as in its training."
    return f"The files are taken as what {name} refines."


def _before(stage: ChainStage, parts: Registry) -> ChainStage | None:
    """The stage before this one in the cascade whose folder holds it; None if there is none."""
    root = stage.model.path.absolute().parent.parent
    if not is_cascade(root):
        return None
    for earlier, plan in pairwise(_stages_in(Cascade.open(root, parts))):
        if plan.path.absolute() == stage.model.path.absolute() and earlier.path.is_file():
            return _stage(earlier, Request(), parts)
    return None


def modality_of_words(words: Sequence[str], parts: Registry) -> str:
    """The modality of runs, model files or cascades.

    Raises:
        UsageError, ModelFileError: there is no such model.
    """
    first = _found(words, None, parts)[0][0].path
    return ModelFile.read(first).modality


def _found(
    words: Sequence[str], until: str | None, parts: Registry
) -> tuple[list[_TrainedStage], Path]:
    """The stages that words name, up to ``until``, and the folder of their samples."""
    stages, roots = list[_TrainedStage](), list[Path]()
    for word in words or ["latest"]:
        if not Path(word).is_file() and is_cascade(folder := find_run(word)):
            stages += _stages_in(Cascade.open(folder, parts))
            roots.append(folder)
        else:
            path = model_path(word)
            name = path.parent.name if path.name == "model.safetensors" else path.stem
            stages.append(_TrainedStage(name, path))
            roots.append(path.parent)
    stages = _renamed(stages)
    names = [stage.name for stage in stages]
    if until is not None:
        require_stage(f"--until {until}", until, names)
        stages = stages[: names.index(until) + 1]
    _require_models(stages)
    return stages, roots[-1] / SAMPLES


def _stages_in(cascade: Cascade) -> Iterator[_TrainedStage]:
    """The stages of a trained cascade that make samples, with the sampling settings of its file."""
    for plan in cascade.sampling:
        tables = plan.config.to_dict()
        tables = {name: table for name, table in tables.items() if name in CHANGEABLE}
        under = (dict_layer(tables, str(cascade.root / CASCADE)),)
        experts = tuple((expert.below, cascade.model_of(expert)) for expert in plan.experts)
        yield _TrainedStage(plan.name, cascade.model_of(plan), under, plan.level, experts)


def _renamed(stages: Sequence[_TrainedStage]) -> list[_TrainedStage]:
    """The stages, each with a name of its own: the second ``x2`` becomes ``x2-2``."""
    taken: dict[str, int] = {}
    renamed = []
    for stage in stages:
        count = taken[stage.name] = taken.get(stage.name, 0) + 1
        renamed.append(replace(stage, name=f"{stage.name}-{count}") if count > 1 else stage)
    return renamed


def _require_models(stages: Sequence[_TrainedStage]) -> None:
    """Raise UsageError where a stage or an expert is not trained."""
    needed = [
        (stage, path)
        for stage in stages
        for path in (stage.path, *(path for _, path in stage.experts))
    ]
    missing = [(stage, path) for stage, path in needed if not path.is_file()]
    if missing:
        names = ", ".join(
            stage.name if path == stage.path else path.parent.name for stage, path in missing
        )
        first, path = missing[0]
        before = next((a.name for a, b in pairwise(stages) if b is first), None)
        stop = f", or sample only the stages up to {before}: --until {before}" if before else ""
        raise UsageError(
            f"Not trained yet: {names}. Resume the training: "
            f"{command('resume', path.parent.parent)}{stop}"
        )


def _stages(found: Sequence[_TrainedStage], request: Request, parts: Registry) -> list[ChainStage]:
    """The stages with what is requested of each; the faults of all of them at once."""
    shared, _ = stage_sets(request.sets)
    single, set_faults = stage_layers(request.sets, [stage.name for stage in found])
    stages, faults = list[ChainStage](), list[str]()
    for place, trained in enumerate(found):
        level = trained.level if request.level is None else request.level
        own = single.get(trained.name)
        if own is not None:
            level = own_value(own, "level", level, set_faults)
        over = [_without_level(own)] if own is not None else []
        asked, trained = replace(request, sets=tuple(shared)), replace(trained, level=level)
        try:
            stages.append(replace(_stage(trained, asked, parts, over), place=max(place, 1)))
        except ConfigError as error:
            faults += error.faults
            continue
        if stages[-1].bridge is None and own is not None and "level" in own.data:
            set_faults.append(
                f"--set stage.{trained.name}.level: a level is noise on a stage's input, and "
                f"{trained.name} has no input"
            )
    if set_faults or faults:
        raise ConfigError(list(dict.fromkeys([*set_faults, *faults])))
    return stages


def _without_level(layer: Layer) -> Layer:
    data = {name: table for name, table in layer.data.items() if name != "level"}
    return replace(layer, data=data)


def _stage(
    trained: _TrainedStage, request: Request, parts: Registry, over: Sequence[Layer] = ()
) -> ChainStage:
    model = ModelFile.read(trained.path, request.adapters)
    config, shape = settled(model, parts, request, trained.under, over)
    refuse_lacking(model, config, request)
    if request.tuned and request.ema is None:
        request = replace(request, ema=tuned_for(model.tuned, request.flags, request.sets)[1])
    bridge = bridge_of(DescribedStage(trained.name, config, model.description), parts)
    known = set(model.description.conditions) - own_conditions(bridge)
    return ChainStage(
        trained.name,
        model,
        config,
        shape,
        bridge,
        request,
        cond={name: values for name, values in request.cond.items() if name in known},
        negative={name: values for name, values in request.negative.items() if name in known},
        level=trained.level or 0.0 if bridge else 0.0,
        experts=request.experts or trained.experts,
    )


def _entry(stages: Sequence[ChainStage], request: Request) -> int:
    """The number of the first stage to sample.

    Raises:
        UsageError: it has nothing to refine, or cannot refine what it is given.
    """
    if request.entry is not None and not request.files:
        raise UsageError(
            "--stage names the stage that refines files, but there are no files. Name them with "
            "--from. To end at a stage, use --until."
        )
    if request.as_trained and not request.files:
        raise UsageError(
            "--as-trained has an effect on files to refine only, but there are none. Name them "
            "with --from, or remove --as-trained."
        )
    names = [stage.name for stage in stages]
    if request.entry is not None:
        require_stage(f"--stage {request.entry}", request.entry, names)
    if not request.files:
        _check_input(stages[0], request)
        return 0
    refining = (i for i, stage in enumerate(stages) if stage.bridge is not None)
    entry = names.index(request.entry) if request.entry else next(refining, 0)
    if stages[entry].bridge is None:
        raise UsageError(
            f"--from names examples to refine, but {names[entry]} refines nothing: it was trained "
            "without a bridge and starts from pure noise. Remove --from, or name another stage."
        )
    return entry


def _check_input(first: ChainStage, request: Request) -> None:
    """Raise UsageError where the first stage refines something and has no input."""
    if first.bridge is not None and not request.handing:
        raise UsageError(
            f"{first.name} refines the samples of an earlier stage, but has no input. Name files "
            "with --from, or name the earlier stage before it: "
            f"{command('sample', 'EARLIER', first.model.path.parent)}"
        )


def _check_values(stages: Sequence[ChainStage], request: Request) -> None:
    """Check levels and conditions of all stages before the first one samples."""
    for stage in stages:
        if stage.bridge is not None:
            check_level(stage.level, stage.bridge, f"{stage.name}: ")
        for name, texts in stage.cond.items():
            column = stage.model.description.conditions[name]
            for text in texts if list(texts) != [ALL] or not column.choices() else ():
                wish(column, text)
        for name, texts in stage.negative.items():
            for text in texts:
                stage.model.description.conditions[name].parse(text)
        if stage.negative and not _guides(stage.config):
            raise UsageError(
                "A negative prompt has no effect without guidance. Add --guidance 3: guidance goes "
                "away from it."
            )
    if request.level is not None and all(stage.bridge is None for stage in stages):
        raise UsageError(
            "--level has an effect on stages that refine something only, and there are none. "
            "Remove it."
        )
    wanted = [
        *request.cond,
        *request.negative,
        *(name for s in stages for name in _scales(s.config)),
    ]
    strange = [
        name
        for name in wanted
        if not any(name in (*s.cond, *s.negative, *s.settable) for s in stages)
    ]
    if strange:
        known = ", ".join(dict.fromkeys(name for stage in stages for name in stage.settable))
        who = "The model has" if len(stages) == 1 else "The stages have"
        raise UsageError(f"{who} no condition {strange[0]!r}. Known are: {known or 'none'}.")


def _scales(config: Config) -> Mapping[str, float]:
    """The scales of guidance of single conditions."""
    return getattr(config.guidance.options, "scales", {})


def _guides(config: Config) -> bool:
    """Whether samples go away from the unconditional estimate."""
    if config.guidance.use == "cfg" and not _scales(config):
        scale = getattr(config.guidance.options, "scale", 1.0)
        return scale != 1 or any(part.use != NONE for part in config.guidances.values())
    return config.guidance.use != NONE or any(
        part.use != NONE for part in config.guidances.values()
    )
