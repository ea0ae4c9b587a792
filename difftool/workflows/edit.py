"""Change examples that exist: each file by an edit, as often as asked, into a new folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from ..files import checksum
from .chain_stage import Conditions
from .edit_job import EditPlan, EditRequest, job_of
from .job import Job
from .reporter import Reporter
from .request import Request
from .sample import Samples, numbered
from .writer import Before, SampleWriter, refuse_used

if TYPE_CHECKING:
    import numpy as np

    from ..engine.editing import Editing
    from ..engine.generate import Generated
    from ..plugin.registry import Registry

PLACE = "edits"
"""The folder beside a model in which the results of its edits are."""


def edited(ask: EditRequest, request: Request, parts: Registry, reporter: Reporter) -> Samples:
    """The results in memory."""
    job, plans = job_of(ask, request, parts, reporter)
    drawn = reporter.counted(_results(job), len(plans), "editing")
    return Samples(list(drawn), job.stage.modality, job.request.shape, job.info)


def edit_files(
    ask: EditRequest,
    request: Request,
    parts: Registry,
    reporter: Reporter,
    folder: Path | None = None,
    on_sample: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Write the results into a folder, and a sheet of each file beside what was made of it.

    Args:
        folder: new or empty; by default the next free number in ``edits/`` beside the model.
        on_sample: is called with each file as it is written.
    """
    job, plans = job_of(ask, request, parts, reporter)
    if folder is not None:
        refuse_used(folder)
        return _written(job, plans, folder, reporter, on_sample)
    root = Path(str(job.info["model"])).parent / PLACE
    with numbered(root) as place:
        return _written(job, plans, place, reporter, on_sample)


def shown(
    ask: EditRequest, request: Request, parts: Registry, reporter: Reporter, stem: Path
) -> Path:
    """Write a sheet of the files, on which what is selected is marked."""
    job, plans = job_of(ask, request, parts, reporter)
    found = [_before(job, plans, n) for n in range(len(plans))]
    cells = {cell.key: cell for cell in found if cell is not None}
    if not cells:
        raise UsageError("There is nothing to show: the results are made from seeds alone.")
    _, examples, marks, titles = zip(*cells.values(), strict=True)
    return job.stage.modality.overlay(examples, marks, stem, titles)


def _written(
    job: Job,
    plans: Sequence[EditPlan],
    folder: Path,
    reporter: Reporter,
    on_sample: Callable[[str], None] | None,
) -> dict[str, Any]:
    request = job.request
    assert request.editing is not None
    drawn = reporter.counted(_results(job), len(plans), "editing")
    films = request.editing.edit.films
    film: list[np.ndarray] = []
    said: set[Path] = set()
    digest = cache(lambda path: checksum(path) if path.is_file() else "")
    writer = SampleWriter(folder, job.stage.modality, job.info, request.shape)
    before: dict[int, Before | None] = {}
    for one in drawn:
        plan = plans[one.index]
        before[one.index] = _before(job, plans, one.index)
        film += [one.example] if films else []
        found = request.editing.found.get(one.index * request.editing.edit.draws, {})
        if found and plan.item is not None and plan.item.path not in said:
            said.add(plan.item.path)
            amounts = ", ".join(f"{name} {amount:.3g}" for name, amount in found.items())
            reporter.say(f"{plan.item.path}: estimated {amounts}.")
        file = writer.write(
            one, {**_origin(plan, digest), **({"estimated": dict(found)} if found else {})}
        )
        if on_sample:
            on_sample(str(file))
    sheet = writer.write_comparison(before, _last(job, plans))
    clip = {}
    if films:
        clip["clip"] = str(job.stage.modality.film(film, folder.with_name(f"{folder.name}-clip")))
    return {**clip, "folder": str(folder), "sheet": str(sheet), "samples": writer.rows}


def _results(job: Job) -> Iterator[Generated]:
    """The results, of which each may be the mean of several samples, or the likeliest of them."""
    from ..engine.generate import Generated, generate  # torch

    assert job.request.editing is not None
    edit, doubts = job.request.editing.edit, job.request.editing.doubts
    drawn = generate(job.stage, job.request)
    while some := list(islice(drawn, edit.draws)):
        if edit.mean > 1:
            example = _mean([one.example for one in some])
        else:
            example = min(some, key=lambda one: doubts.get(one.index, 0.0)).example
        index = some[0].index // edit.draws
        cond = _on_the_way(job.request.editing, index, some[0].cond)
        yield Generated(index, _finished(job, example), cond)


def _before(job: Job, plans: Sequence[EditPlan], number: int) -> Before | None:
    """What result ``number`` is made from, as it is shown; None for seeds."""
    editing, item = job.request.editing, plans[number].item
    assert editing is not None
    if item is None:
        return None
    place = number * editing.edit.draws
    example, marks = editing.examples[place], editing.selected[place]
    marks = None if marks is None else _finished(job, marks)
    name = item.path.name if item.part == 0 else f"{item.path.name} {item.part + 1}"
    return Before((item.path, item.part), _finished(job, example), marks, name)


def _last(job: Job, plans: Sequence[EditPlan]) -> Before | None:
    """The example to which the last result leads, as it is shown; None for edits of single ones."""
    plan, editing = plans[-1], job.request.editing
    assert editing is not None
    if plan.other is None:
        return None
    return Before(
        (plan.other.path, plan.other.part), editing.others[-1], None, plan.other.path.name
    )


def _finished(job: Job, example: np.ndarray) -> np.ndarray:
    assert job.request.editing is not None
    return job.request.editing.edit.after(example, job.stage.modality.repeats)


def _mean(examples: Sequence[np.ndarray]) -> np.ndarray:
    import numpy as np

    mean = np.mean(np.stack(examples), 0, dtype=np.float64)
    kind = examples[0].dtype
    return (mean if kind.kind == "f" else mean.round()).astype(kind)


def _on_the_way(editing: Editing, index: int, cond: Conditions) -> Conditions:
    """The conditions of a result, which lie between two where they turn into another."""
    if not editing.towards:
        return cond
    weight = editing.weights[index]

    def between(first: Any, second: str) -> Any:
        if weight == 0 or str(first) == second or (first is None and second == "none"):
            return first
        return second if weight == 1 else f"{'none' if first is None else first} to {second}"

    towards = {name: texts[index] for name, texts in editing.towards.items()}
    return {
        name: between(value, towards[name]) if name in towards else value
        for name, value in cond.items()
    }


def _origin(plan: EditPlan, digest: Callable[[Path], str]) -> dict[str, Any]:
    """Which files a result comes from, and what was in them."""
    if plan.item is None:
        return {"seeds": plan.seeds, "way": plan.weight}
    origin: dict[str, Any] = {
        "edited_from": str(plan.item.path),
        "edited_from_checksum": digest(plan.item.path),
    }
    if plan.item.part:
        origin["edited_from_part"] = plan.item.part + 1
    if plan.other is not None:
        origin |= {
            "edited_towards": str(plan.other.path),
            "edited_towards_checksum": digest(plan.other.path),
            "way": plan.weight,
        }
    return origin
