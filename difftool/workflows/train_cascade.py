"""The stages of a cascade trained in turn, each as an ordinary run."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config import CHANGEABLE
from ..config.cascade import require_stage
from ..engine.folder import LOCK, RunFolder, is_cascade
from ..errors import DifftoolError, Interrupted, RunExistsError, Terminated, UsageError
from .cascade import Cascade
from .compatible import DescribedStage, refuse_strangers, refuse_unlike
from .model import ModelFile
from .plan import StagePlan, units
from .reporter import Reporter
from .resume import resume_run, run_config, with_data
from .text import command, flat
from .train import planned, run_training

if TYPE_CHECKING:
    from ..config import Config
    from ..plugin.registry import Registry


@dataclass(frozen=True)
class CascadeTraining:
    """A cascade and how it is to be trained.

    Attributes:
        only: the stage or expert to train; None for each in turn.
        fitting: split batches so that they fit the memory.
        steps: another last step for the stage ``only``.
        device: another device than the configurations name.
        data: where the data is now, if it has moved.
        launch: trains the stages that some words of a command line name in processes of their own,
            one for each device; returns whether it did.
    """

    cascade: Cascade
    only: str | None = None
    fitting: bool = False
    steps: int | None = None
    device: str | None = None
    data: Path | None = None
    launch: Callable[[Sequence[str]], bool] = lambda words: False

    @property
    def chosen(self) -> list[StagePlan]:
        """The stages and experts to train."""
        return [unit for unit in self.cascade.units if self.only in (None, unit.name)]


def train_cascade(
    training: CascadeTraining, parts: Registry, reporter: Reporter
) -> list[dict[str, Any]]:
    """Train the stages that are not trained yet, and resume those that were stopped.

    Returns:
        the result of each stage; nothing in a worker process, which prints nothing.
    """
    from ..engine.distributed import is_worker  # torch

    _check_stage(training)
    training = replace(training, cascade=_with_kept_levels(training.cascade, parts, reporter))
    changed = _is_changed(training.cascade, parts)
    if not is_worker():  # the process that started the workers has checked it
        _refuse_strangers(training, parts, reporter)
    if changed:
        training.cascade.save()
    results = _in_turn(training, parts, reporter)
    trained = not _is_helper(training) and any("run" in result for result in results)
    return results if trained else []


def plan_cascade(
    training: CascadeTraining, parts: Registry, reporter: Reporter
) -> dict[str, dict[str, Any]]:
    """The plan of each stage, by its name. Nothing is written."""
    from ..data.cache import trial_cache  # torch

    _check_stage(training)
    training = replace(training, cascade=_with_kept_levels(training.cascade, parts, reporter))
    with trial_cache():
        _refuse_strangers(training, parts, reporter)
        return {
            unit.name: planned(
                _run_settings(unit, training),
                parts,
                training.cascade.root,
                training.fitting,
                reporter,
            )
            for unit in training.chosen
            if unit.model is None and _is_codable(unit, training.cascade)
        }


def _is_codable(unit: StagePlan, cascade: Cascade) -> bool:
    """Whether the autoencoder that a stage needs is there."""
    return not unit.coder or cascade.model_of(cascade.named(unit.coder)).is_file()


def _with_kept_levels(cascade: Cascade, parts: Registry, reporter: Reporter) -> Cascade:
    """The cascade; a stage without a level gets the one in the folder, which tuning may have found."""
    if not is_cascade(cascade.root):
        return cascade
    kept = {stage.name: stage.level for stage in Cascade.open(cascade.root, parts).stages}
    for stage in cascade.stages:
        before = kept.get(stage.name)
        if stage.level is not None and before is not None and stage.level != before:
            reporter.say(
                f"{stage.name}: the new level {stage.level:g} replaces {before:g} in "
                f"{cascade.root}."
            )
    stages = (
        replace(stage, level=kept.get(stage.name)) if stage.level is None else stage
        for stage in cascade.stages
    )
    return replace(cascade, stages=tuple(stages))


def _check_stage(training: CascadeTraining) -> None:
    """Raise UsageError where the stage to train does not exist, or has to be named and is not."""
    if training.only is not None:
        require_stage(
            f"--stage {training.only}",
            training.only,
            [unit.name for unit in training.cascade.units],
        )
    if training.steps is not None and training.only is None:
        raise UsageError(
            "--steps sets the last step of one run, and this is a cascade. Name the stage with "
            "--stage NAME."
        )
    if len(training.chosen) > 1 and _is_one_of_several():
        raise UsageError(
            "Processes that another program starts, such as torchrun or srun, can train only one "
            "stage, because they can connect only once. Add --stage NAME and run one command for "
            "each stage, or use --devices N, which trains the stages in turn on one machine."
        )


def _is_one_of_several() -> bool:
    """Whether this process was started together with others, to train with them."""
    variables = ("SLURM_NTASKS",) if "SLURM_PROCID" in os.environ else ()
    return any(int(os.environ.get(name, "1")) > 1 for name in ("WORLD_SIZE", *variables))


def _is_changed(cascade: Cascade, parts: Registry) -> bool:
    """Whether the folder's ``cascade.toml`` differs, or is not there.

    Raises:
        RunExistsError: a stage has begun with other settings, or the folder holds something else.
    """
    root = cascade.root
    if not is_cascade(root):
        if root.exists() and (not root.is_dir() or any(root.iterdir())):
            raise RunExistsError(
                f"{root} already exists and is not a cascade folder. Choose another --run. Nothing "
                "in it was changed."
            )
        return True
    before = Cascade.open(root, parts)
    if before == cascade:
        return False
    now = {unit.name: unit for unit in cascade.units}
    for unit in before.units:
        if cascade.has_begun(unit) and (changes := list(_changes(unit, now.get(unit.name)))):
            raise RunExistsError(
                f"{root} holds the stage {unit.name}, which has begun with other settings "
                f"({_some(changes)}). Choose another folder with --run, or continue the existing "
                f"cascade: {command('resume', root)}. Nothing was changed."
            )
    return True


def _changes(before: StagePlan, now: StagePlan | None) -> Iterator[str]:
    """The differences in the training of a stage. Its sampling may change."""
    if now is None:
        yield "it is not in this cascade"
        return
    there, here = map(flat, map(_training_tables, (before, now)))
    for key in dict.fromkeys([*there, *here]):
        if there.get(key) != here.get(key):
            yield f"{key} is {there.get(key)} there and {here.get(key)} here"


def _some(texts: Sequence[str], most: int = 3) -> str:
    more = f" and {len(texts) - most} more" if len(texts) > most else ""
    return ", ".join(texts[:most]) + more


def _training_tables(stage: StagePlan) -> dict[str, Any]:
    """The settings that the training of a stage depends on."""
    tables = stage.config.to_dict()
    tables = {name: table for name, table in tables.items() if name not in CHANGEABLE}
    if stage.branches:
        tables["train"] = {**tables["train"], "init": f"the model of {stage.of}"}
    return tables


def _refuse_strangers(training: CascadeTraining, parts: Registry, reporter: Reporter) -> None:
    """Refuse stages and experts that do not fit together, before anything is trained.

    All experts of a stage are checked together, because one may cover the levels of another.
    """
    from ..assemble import make_schedule  # torch

    cascade = training.cascade
    stages = {stage.name: stage for stage in _neighbours(training, parts, reporter)}
    refuse_strangers(list(stages.values()), parts)
    for stage in cascade.stages:
        if stage.experts and any(unit in training.chosen for unit in units([stage])):
            experts = [
                (expert.below, _described(cascade, expert, parts, reporter))
                for expert in stage.experts
            ]
            refuse_unlike(stages[stage.name], experts, make_schedule(stage.config, parts), parts)


def _neighbours(
    training: CascadeTraining, parts: Registry, reporter: Reporter
) -> list[DescribedStage]:
    """Each stage to train and the stage before it, with their data."""
    cascade = training.cascade
    wanted = {unit.of or unit.name for unit in training.chosen}
    stages = cascade.sampling
    wanted |= {earlier.name for earlier, one in pairwise(stages) if one.name in wanted}
    return [_described(cascade, stage, parts, reporter) for stage in stages if stage.name in wanted]


def _described(
    cascade: Cascade, stage: StagePlan, parts: Registry, reporter: Reporter
) -> DescribedStage:
    from ..assemble import open_dataset  # torch

    level = stage.level or 0.0
    if (
        stage.diffuses_latents
    ):  # stages meet in raw units, and the autoencoder may not be trained yet
        inner = cascade.named(stage.coder).config.representation
        stage = replace(stage, config=stage.config.replace(representation=inner))
        config, dataset = open_dataset(stage.config, parts, progress=reporter.counter())
        return DescribedStage(stage.name, config, dataset.description, level)
    if stage.model is not None:
        description = ModelFile.read(stage.model).description
        return DescribedStage(stage.name, stage.config, description, level)
    if cascade.has_begun(stage):
        run = cascade.run_of(stage)
        return DescribedStage(stage.name, run_config(run, parts), run.description(), level)
    config, dataset = open_dataset(stage.config, parts, progress=reporter.counter())
    return DescribedStage(stage.name, config, dataset.description, level)


def _in_turn(
    training: CascadeTraining, parts: Registry, reporter: Reporter
) -> list[dict[str, Any]]:
    """Train the stages one after another. After a failure the others are trained all the same."""
    cascade = training.cascade
    results, failed = list[dict[str, Any]](), dict[str, DifftoolError]()
    for stage in training.chosen:
        try:
            result = _stage_result(training, stage, parts, reporter)
            results.append({"stage": stage.name, **result})
        except (Interrupted, Terminated) as stopped:
            resume = command("resume", cascade.root)
            raise type(stopped)(f"{stopped}\nOr resume the whole cascade: {resume}") from None
        except DifftoolError as error:
            if len(training.chosen) == 1:
                raise
            reporter.warn(f"Stage {stage.name}: {error}")
            failed[stage.name] = error
    if failed:
        raise _failure(failed, training)
    return results


def _failure(failed: Mapping[str, DifftoolError], training: CascadeTraining) -> DifftoolError:
    """The error that ends the training, with the exit code of the first stage that failed."""
    error = DifftoolError(
        f"{len(failed)} of {len(training.chosen)} stages failed: {', '.join(failed)}. Correct the "
        f"faults above and continue with: {command('resume', training.cascade.root)}. The other "
        "stages are saved."
    )
    error.exit_code = next(iter(failed.values())).exit_code
    return error


def _title(stage: StagePlan, cascade: Cascade) -> str:
    kind = (
        f"Expert {stage.name}, for noise below {stage.below:g}"
        if stage.of
        else f"Stage {stage.name}"
    )
    return f"{kind} ({1 + cascade.units.index(stage)} of {len(cascade.units)})"


def _stage_result(
    training: CascadeTraining, stage: StagePlan, parts: Registry, reporter: Reporter
) -> dict[str, Any]:
    cascade, title = training.cascade, _title(stage, training.cascade)
    folder, model = cascade.run_of(stage), cascade.model_of(stage)
    begun = stage.model is None and cascade.has_begun(stage)
    # The report is written last: without it, a kill may have kept the last records from being
    # written.
    whole = begun and training.steps is None and folder.report_path.is_file()
    finished = whole and _is_finished(folder, run_config(folder, parts))
    if stage.model is not None or finished:
        reporter.say(f"{title}: already trained, {model if stage.model else folder.path}")
        return {"run": str(model.parent), "model": str(model), "finished_before": True}
    if not begun:
        _require_trunk(cascade, stage, parts)
        _require_coder(cascade, stage, parts)
    if not _is_helper(training):
        reporter.say(title)
    if training.launch(["--stage", stage.name]):
        return {"run": str(folder.path), "model": str(model), "finished_before": False}
    if begun:
        run = RunFolder.open(folder.path)
        return resume_run(run, parts, reporter, training.steps, training.device, training.data)
    _clear_unborn(folder.path)
    config = _run_settings(stage, training)
    return run_training(config, parts, folder.path, reporter, training.fitting)


def _is_finished(folder: RunFolder, config: Config) -> bool:
    checkpoint = folder.latest_checkpoint()
    if checkpoint is None or not folder.model_path.is_file():
        return False
    return int(checkpoint.stem) >= config.train.steps


def _run_settings(stage: StagePlan, training: CascadeTraining) -> Config:
    """The settings of a stage's run: with the requested device and last step, and for an expert the
    model of its stage, where that exists already.
    """
    asked = {"device": training.device, "steps": training.steps}
    changes: dict[str, Any] = {name: value for name, value in asked.items() if value is not None}
    if stage.branches:
        model = training.cascade.model_of(_trunk(training.cascade, stage))
        changes |= {"init": str(model.absolute())} if model.is_file() else {}
    config = stage.config
    if stage.coder:
        config = stage.coded_by(training.cascade.model_of(training.cascade.named(stage.coder)))
    config = config.replace(train=config.train.model_copy(update=changes))
    return with_data(config, training.data)


def _trunk(cascade: Cascade, expert: StagePlan) -> StagePlan:
    """The stage that an expert belongs to."""
    return next(stage for stage in cascade.stages if stage.name == expert.of)


def _require_trunk(cascade: Cascade, expert: StagePlan, parts: Registry) -> None:
    """Raise UsageError where the stage that an expert starts from is not trained to its end.

    An expert starts from the final weights of its stage. Its result then does not depend on when
    its training starts.
    """
    if not expert.branches:
        return
    _require_finished(
        cascade, _trunk(cascade, expert), parts, "It starts from the final weights of"
    )


def _require_coder(cascade: Cascade, stage: StagePlan, parts: Registry) -> None:
    """Raise UsageError where the autoencoder of a stage is not trained to its end."""
    if stage.coder:
        _require_finished(cascade, cascade.named(stage.coder), parts, "It needs the autoencoder of")


def _require_finished(cascade: Cascade, stage: StagePlan, parts: Registry, fact: str) -> None:
    """Raise UsageError, which begins with ``fact``, where a stage is not trained to its end."""
    run = cascade.run_of(stage)
    finished = cascade.has_begun(stage) and _is_finished(run, run_config(run, parts))
    if stage.model is None and not finished:
        raise UsageError(
            f"{fact} the stage {stage.name}, which is not finished. "
            f"Finish that stage first: {command('resume', cascade.root, '--stage', stage.name)}"
        )


def _clear_unborn(path: Path) -> None:
    """Remove what a kill left of a run whose folder was being made.

    A run's settings are written last, so nothing was trained.
    """
    left = list(path.iterdir()) if path.is_dir() else []
    known = (LOCK, "description.json", "environment.json")
    if all(file.name in known or file.name.endswith(".partial") for file in left):
        for file in left:
            file.unlink(missing_ok=True)


def _is_helper(training: CascadeTraining) -> bool:
    """Whether this is a worker that trains one stage; the process that started it prints."""
    from ..engine.distributed import is_worker  # torch

    return is_worker() and training.only is not None
