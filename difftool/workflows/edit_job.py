"""What an edit makes: a plan for each result, and the job that makes them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..data.remark import remarks
from ..errors import ConfigError, UsageError
from ..names import local_path
from .chain import chain_of
from .chain_stage import ChainStage, Conditions
from .inputs import conditions_of
from .job import Job, prepared
from .lacking import refuse_without_noise
from .reporter import Reporter
from .request import EDIT, SELECTION, Request, own_table, selection_model

if TYPE_CHECKING:
    import numpy as np

    from ..modality import Item, Modality
    from ..options import Options
    from ..plugin.registry import Registry


@dataclass(frozen=True)
class EditRequest:
    """What is done to which files.

    Attributes:
        model: a run or a model file.
        name: of the edit.
        files: files and folders; a folder stands for all examples in it.
        each: results for each file; for pairs, from the first to the second of each. None for as
            many as suit the edit.
    """

    model: str
    name: str
    files: Sequence[Path]
    each: int | None = None


@dataclass(frozen=True)
class EditPlan:
    """One result: the file it is made from, and for pairs the other file and how far towards it.

    Attributes:
        pair: number of the pair.
        seeds: instead of files.
    """

    item: Item | None
    other: Item | None = None
    weight: float = 0.0
    pair: int = 0
    seeds: tuple[int, int] | None = None


def job_of(
    ask: EditRequest, request: Request, parts: Registry, reporter: Reporter
) -> tuple[Job, list[EditPlan]]:
    """The job that makes the results, and the plan of each.

    Raises:
        ConfigError: the edit or the selection has options that are wrong.
        UsageError: the edit has no meaning for the model or for the files.
    """
    spec = parts.get("edit", ask.name)
    edit_class = parts.load(spec)
    own, faults = own_table(request.flags, EDIT, parts.options(spec), ask.name)
    if own is not None:
        more = edit_class(own).settings
        needed = [(f"the edit {ask.name}", key, value) for key, value in more.items()]
        request = replace(request, flags=[*request.flags, *needed])
    if edit_class.sampler and not any(key == "sampler.use" for _, key, _ in request.flags):
        flag = (f"the edit {ask.name}", "sampler.use", edit_class.sampler)
        request = replace(request, flags=[*request.flags, flag])
    chain = chain_of(replace(request, words=[ask.model], n=1), parts, reporter)
    stage = chain.stages[-1]
    if len(chain.stages) > 1 or stage.bridge is not None:
        raise UsageError(
            f"{ask.model} refines the samples of another model. Edit with a model that makes "
            "examples from noise, such as the first stage of a cascade."
        )
    refuse_without_noise(
        [stage.config], "an edit", "Use a model of another process, such as edm.", parts
    )
    if edit_class.sampler:
        _require_equation(ask, stage, parts)
    model = selection_model(parts, stage.model.modality)
    selection, others = own_table(request.flags, SELECTION, model, stage.model.modality)
    if own is None or selection is None:
        raise ConfigError([*faults, *others])
    job = prepared(stage, parts)
    edit = edit_class(own)
    plans = _plans(ask, edit, _items(ask.files, job), request.cond)
    return _with_editing(job, stage, plans, edit, selection, ask, request.cond, reporter), plans


def _with_editing(
    job: Job,
    stage: ChainStage,
    plans: Sequence[EditPlan],
    edit: Any,
    selection: Options,
    ask: EditRequest,
    asked: Mapping[str, list[str]],
    reporter: Reporter,
) -> Job:
    """The job, which makes a sample for each plan, or several of which the mean is the result.

    Args:
        asked: the conditions that the user names.
    """
    from ..data.bound import bounded
    from ..engine.editing import Editing, blank  # torch

    modality, cache = job.stage.modality, dict[tuple[Path, int], tuple[Any, Any]]()
    _require_meaning(ask.name, edit, modality, stage.model.modality)

    def read(item: Item | None) -> tuple[np.ndarray, np.ndarray | None]:
        if item is None:
            return blank(job.stage, edit.seeds[0], job.request.shape), None
        key = (item.path, item.part)
        if key not in cache:
            with remarks() as texts, bounded(item.path):
                whole = modality.read_given(item)
            for text in (*texts, *_smaller(whole, stage.model.description.shape)):
                reporter.say(f"{item.path} {text}.")
            larger, marks = modality.select(whole, selection)
            if edit.extends and larger.shape == whole.shape:
                raise UsageError(
                    f"{ask.name} makes what is added around an example, and nothing is added. Say "
                    "how much: difftool edit --help lists the flags of "
                    f"{stage.model.modality}."
                )
            cache[key] = edit.before(larger, marks, modality.repeats)
        return cache[key]

    each = [plan for plan in plans for _ in range(edit.draws)]
    examples, selected = zip(*(read(plan.item) for plan in each), strict=True)
    _require_selection(edit, ask.name, selected, stage.model.modality)
    own = _own(stage, [plan.item for plan in each])
    others = _own(stage, [plan.other for plan in each]) if edit.pairs else {}
    cond = {**own, **_turns(each, edit, asked, 0)}
    editing = Editing(
        edit,
        examples,
        selected,
        own,
        [read(plan.other)[0] for plan in each if plan.other],
        [plan.weight for plan in each],
        {**others, **_turns(each, edit, asked, 1)} if edit.pairs else {},
        others,
        [plan.seeds for plan in each if plan.seeds],
    )
    drawn = replace(job.request, n=len(each), start=0, cond=cond, editing=editing)
    settings = edit.options.model_dump(mode="json", exclude_defaults=True)
    chosen = selection.model_dump(mode="json", exclude_defaults=True)
    return replace(job, request=drawn, info={**job.info, "edit": ask.name, **settings, **chosen})


def _plans(
    ask: EditRequest, edit: Any, items: Sequence[Item], asked: Mapping[str, list[str]]
) -> list[EditPlan]:
    each = ask.each or edit.results
    if edit.seeds and items:
        raise UsageError(
            f"{ask.name} goes from file to file or from seed to seed. Leave out the files, or "
            "--seeds."
        )
    if not edit.seeds and not items:
        raise UsageError(
            "difftool edit needs a model, files and the name of an edit, such as: difftool edit "
            f"runs/letters a.png {ask.name}"
        )
    if not edit.pairs:
        return [EditPlan(item) for item in items for _ in range(each)]
    ends: Sequence[Any] = edit.seeds or items
    values = max((len(texts) for texts in asked.values()), default=1)
    if len(ends) == 1 and values > 1:  # the way leads from condition to condition
        ends = [*ends] * values
    if len(ends) < 2:
        raise UsageError(
            f"{ask.name} goes from one example to another, and only one was given. Name two files, "
            "or two conditions, such as --to class=A,B."
        )
    steps = max(1, each - 1)
    way = [(k, a, b, n / steps) for k, (a, b) in enumerate(pairwise(ends)) for n in range(each)]
    if edit.seeds:
        return [EditPlan(None, None, weight, k, (a, b)) for k, a, b, weight in way]
    return [EditPlan(a, b, weight, k) for k, a, b, weight in way]


def _items(files: Sequence[Path], job: Job) -> list[Item]:
    modality = job.stage.modality
    return [item for file in files for item in modality.scan(local_path(str(file)).absolute())]


def _turns(
    plans: Sequence[EditPlan], edit: Any, asked: Mapping[str, list[str]], end: int
) -> dict[str, list[str]]:
    """The values that the user asks for: in turn for each result, or for pairs in turn for each
    example, of which the way leads from one (``end`` 0) to the next (1).
    """
    if not edit.pairs:
        return {
            name: [v for v in texts for _ in range(edit.draws)] for name, texts in asked.items()
        }
    return {
        name: [texts[(plan.pair + end) % len(texts)] for plan in plans]
        for name, texts in asked.items()
    }


def _own(stage: ChainStage, items: Sequence[Item | None]) -> dict[str, list[str]]:
    """The examples' own conditions as a user writes them; ``none`` where they have none."""
    nothing: Conditions = {}
    conds = [nothing if item is None else conditions_of(item, stage) for item in items]
    return {
        name: ["none" if cond.get(name) is None else str(cond[name]) for cond in conds]
        for name in stage.settable
    }


def _require_equation(ask: EditRequest, stage: ChainStage, parts: Registry) -> None:
    """Raise UsageError for an edit that solves the model's equation, where the model has none."""
    from ..samplers.order import stated_order  # torch

    own = stage.model.config(parts).sampler
    knobs = own.options.model_dump()
    sampler = parts.load(parts.get("sampler", own.use))
    if hasattr(sampler, "order") and stated_order(sampler, knobs) is None:
        raise UsageError(
            f"{ask.name} solves the equation of a diffusion model, and {ask.model} was distilled: its "
            "few steps solve none. Use the model that it was distilled from, or an edit that needs no "
            "equation, such as vary or fill."
        )


def _require_meaning(name: str, edit: Any, modality: Modality, kind: str) -> None:
    """Raise UsageError for an edit that examples of this modality cannot have."""
    from ..modality import Modality  # torch

    if edit.films and type(modality).film is Modality.film:
        raise UsageError(
            f"{kind} has no clips of its examples. Leave out --clip: the results are on a sheet."
        )
    if edit.loops and not modality.repeats:
        raise UsageError(
            f"{name} has no meaning for {kind}: nothing follows its end. Use "
            "another edit, such as vary."
        )
    if edit.places and not modality.repeats:
        raise UsageError(
            f"{name} has no meaning for {kind}: its parts have no places along "
            "an axis. Use another edit, such as fill with a condition: --to NAME=VALUE."
        )


def _require_selection(
    edit: Any, name: str, selected: Sequence[np.ndarray | None], modality: str
) -> None:
    if edit.selects and any(marks is None for marks in selected):
        raise UsageError(
            f"{name} makes anew what is selected, and nothing is selected. Say what part is meant: "
            f"difftool edit --help lists the flags of {modality}."
        )
    if any(marks is not None and not marks.any() for marks in selected):
        raise UsageError("Nothing is selected: the selection holds no part of the example.")
    if edit.selects and any(marks is not None and marks.all() for marks in selected):
        raise UsageError(
            "Everything is selected, so nothing would be left of the example. Select a part, or "
            "use difftool sample."
        )


def _smaller(example: np.ndarray, usual: Sequence[int | None]) -> Iterator[str]:
    """What to say of an example that is much smaller than those of training."""
    if any(2 * n < (least or 0) for n, least in zip(example.shape, usual, strict=False)):
        has, had = ("x".join(str(n or "any") for n in shape) for shape in (example.shape, usual))
        yield (
            f"is {has}, and the examples of training are {had}. If the result is poor, give a "
            "larger file"
        )
