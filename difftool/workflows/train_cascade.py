"""The stages of a cascade trained in turn, each as an ordinary run."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config import CHANGEABLE
from ..config.cascade import unknown_stage
from ..engine.folder import CASCADE, CONFIG, LOCK, RunFolder, is_cascade
from ..errors import ConfigError, DifftoolError, Interrupted, RunExistsError, Terminated, UsageError
from ..files import write_text
from .cascade import kept_stages
from .compatible import Described, refuse_strangers, refuse_unlike
from .model import ModelFile
from .plan import CascadeStage, to_toml, units
from .reporter import Reporter
from .resume import resume_run, run_config
from .text import command, flat
from .train import planned, run_training

if TYPE_CHECKING:
    from ..config import Config
    from ..plugin.registry import Registry


@dataclass(frozen=True)
class Work:
    """What is to be done with a cascade.

    Attributes:
        root: its folder, which holds a run for each stage.
        stages: all of them.
        only: the one to train; None for each in turn.
        fitting: split batches so that they fit the memory.
        steps: another last step of the stage ``only``.
        device: another device than the configurations say.
        launch: trains the stages that some words of a command line name in processes of their own, one for each device; returns whether it did.
    """

    root: Path
    stages: Sequence[CascadeStage]
    only: str | None = None
    fitting: bool = False
    steps: int | None = None
    device: str | None = None
    launch: Callable[[Sequence[str]], bool] = lambda words: False

    @property
    def units(self) -> list[CascadeStage]:
        """The stages, and after each its experts."""
        return units(self.stages)

    @property
    def chosen(self) -> list[CascadeStage]:
        """The stages and experts to train."""
        return [unit for unit in self.units if self.only in (None, unit.name)]


def train_cascade(work: Work, parts: Registry, reporter: Reporter) -> list[dict[str, Any]]:
    """Train what is not trained yet, and go on where something was begun.

    Returns:
        what each stage came to; nothing in a process that trains together with others and is not to speak.
    """
    from ..engine.distributed import is_worker

    _require_stage(work)
    work = replace(work, stages=_with_levels(work, parts, reporter))
    changed = _is_other(work.root, work.stages, parts)
    if not is_worker():  # a process among several: the one that started it has looked
        _refuse_strangers(work, parts, reporter)
    if changed:
        write_text(work.root / "cascade.toml", to_toml(work.stages))
    results = _in_turn(work, parts, reporter)
    return results if not _is_helper(work) and any("run" in result for result in results) else []


def plan_cascade(work: Work, parts: Registry, reporter: Reporter) -> dict[str, dict[str, Any]]:
    """Each stage's plan, by its name; nothing is written."""
    from ..data.cache import trial_cache

    _require_stage(work)
    work = replace(work, stages=_with_levels(work, parts, reporter))
    with trial_cache():
        _refuse_strangers(work, parts, reporter)
        return {s.name: planned(_asked(s, work), parts, work.root, work.fitting, reporter) for s in work.chosen if s.model is None}


def untrained(work: Work) -> list[str]:
    """The stages and experts that have no model yet."""
    return [unit.name for unit in work.units if unit.model is None and not (work.root / unit.name / "model.safetensors").is_file()]


def _with_levels(work: Work, parts: Registry, reporter: Reporter) -> list[CascadeStage]:
    """The stages, where nothing is said of a level at the one that is kept in the folder: it may have been found by tuning."""
    kept = {stage.name: stage.level for stage in kept_stages(work.root, parts)} if is_cascade(work.root) else {}
    for stage in work.stages:
        before = kept.get(stage.name)
        if stage.level != before and None not in (stage.level, before):
            reporter.say(f"{stage.name}: level {stage.level:g}, as is said now; {work.root} had {before:g}.")
    return [replace(stage, level=kept.get(stage.name)) if stage.level is None else stage for stage in work.stages]


def _require_stage(work: Work) -> None:
    if work.only is not None and not work.chosen:
        raise UsageError(f"--stage {work.only}: {unknown_stage(work.only, [unit.name for unit in work.units])}")
    if work.steps is not None and work.only is None:
        raise UsageError("--steps is the last step of one run, and this is a cascade of several: say which, with --stage NAME.")
    if len(work.chosen) > 1 and _is_one_of_several():
        raise UsageError(
            "Processes that another program starts together, such as torchrun or srun, train one stage: add --stage NAME, a line for each. "
            "They meet once only. --devices N, on one machine, trains the stages in turn."
        )


def _is_one_of_several() -> bool:
    """Whether this process was started together with others, to train with them."""
    variables = ("SLURM_NTASKS",) if "SLURM_PROCID" in os.environ else ()
    return any(int(os.environ.get(name, "1")) > 1 for name in ("WORLD_SIZE", *variables))


def _is_other(root: Path, stages: Sequence[CascadeStage], parts: Registry) -> bool:
    """Whether the folder's file says something else, or is not there.

    Raises:
        RunExistsError: a stage was begun with other settings, or the folder holds something else.
    """
    if not is_cascade(root):
        if root.exists() and (not root.is_dir() or any(root.iterdir())):
            raise RunExistsError(f"{root} already exists and is no cascade; nothing in it was changed. Choose another --run.")
        return True
    before = kept_stages(root, parts)
    if before == list(stages):
        return False
    asked = {unit.name: unit for unit in units(stages)}
    for stage in units(before):
        if (root / stage.name / CONFIG).is_file() and (changes := _changes(stage, asked.get(stage.name))):
            raise RunExistsError(
                f"{root} holds the stage {stage.name}, which was begun otherwise ({changes}); nothing was changed. Give this cascade a "
                f"folder of its own with --run, or go on with the one that is there: {command('resume', root)}"
            )
    return True


def _changes(before: CascadeStage, now: CascadeStage | None, most: int = 3) -> str:
    """In what the training of a stage differs; "" where it does not. How it is sampled may change."""
    if now is None:
        return "it is not in this cascade"
    tables = [_settled(stage) for stage in (before, now)]
    there, here = map(flat, tables)
    keys = [key for key in dict.fromkeys([*there, *here]) if there.get(key) != here.get(key)]
    more = f" and {len(keys) - most} more" if len(keys) > most else ""
    return ", ".join(f"{key} is {there.get(key)} there and {here.get(key)} here" for key in keys[:most]) + more


def _settled(stage: CascadeStage) -> dict[str, Any]:
    """What the training of a stage hangs on."""
    tables = {name: table for name, table in stage.config.to_dict().items() if name not in CHANGEABLE}
    return {**tables, "train": {**tables["train"], "init": f"the model of {stage.of}"}} if stage.branches else tables


def _refuse_strangers(work: Work, parts: Registry, reporter: Reporter) -> None:
    """Refuse what does not fit together before anything is trained. Experts are seen with all of their stage: one may serve for another."""
    from ..assemble import make_schedule

    stages = {stage.name: stage for stage in _met(work, parts, reporter)}
    refuse_strangers(list(stages.values()), parts)
    for stage in work.stages:
        if stage.experts and any(unit in work.chosen for unit in units([stage])):
            experts = [(expert.below, _described(work, expert, parts, reporter)) for expert in stage.experts]
            refuse_unlike(stages[stage.name], experts, make_schedule(stage.config, parts), parts)


def _met(work: Work, parts: Registry, reporter: Reporter) -> list[Described]:
    """Each stage that is to be trained, with its neighbour before it, and their data."""
    wanted = {unit.of or unit.name for unit in work.chosen}
    wanted |= {earlier.name for earlier, stage in pairwise(work.stages) if stage.name in wanted}
    return [_described(work, stage, parts, reporter) for stage in work.stages if stage.name in wanted]


def _described(work: Work, stage: CascadeStage, parts: Registry, reporter: Reporter) -> Described:
    from ..assemble import open_dataset

    level = stage.level or 0.0
    if stage.model is not None:
        return Described(stage.name, stage.config, ModelFile.read(stage.model).description, level)
    if (work.root / stage.name / CONFIG).is_file():
        folder = RunFolder(work.root / stage.name)
        return Described(stage.name, run_config(folder, parts), folder.description(), level)
    config, dataset = open_dataset(stage.config, parts, progress=reporter.counter())
    return Described(stage.name, config, dataset.description, level)


def _in_turn(work: Work, parts: Registry, reporter: Reporter) -> list[dict[str, Any]]:
    """Train the stages one after another. One that fails keeps no other from being trained, but for experts that start from its weights."""
    results, failed = [], dict[str, DifftoolError]()
    for stage in work.chosen:
        kind = f"Expert {stage.name}, for noise below {stage.below:g}" if stage.of else f"Stage {stage.name}"
        title = f"{kind} ({1 + work.units.index(stage)} of {len(work.units)})"
        try:
            results.append({"stage": stage.name, **_stage_result(work, stage, parts, reporter, title)})
        except (Interrupted, Terminated) as stopped:
            raise type(stopped)(f"{stopped}\nOr with all of the cascade: {command('resume', work.root)}") from None
        except DifftoolError as error:
            if len(work.chosen) == 1:
                raise
            reporter.warn(f"Stage {stage.name}: {error}")
            failed[stage.name] = error
    if failed:
        raise _failure(failed, work)
    return results


def _failure(failed: Mapping[str, DifftoolError], work: Work) -> DifftoolError:
    """What to end with when the others are done, with the exit code of the first that failed."""
    told = DifftoolError(
        f"{len(failed)} of {len(work.chosen)} stages failed: {', '.join(failed)}. Nothing of the others is lost. When what was wrong is "
        f"put right, go on with: {command('resume', work.root)}"
    )
    told.exit_code = next(iter(failed.values())).exit_code
    return told


def _stage_result(work: Work, stage: CascadeStage, parts: Registry, reporter: Reporter, title: str) -> dict[str, Any]:
    if stage.model is not None:
        reporter.say(f"{title}: trained already, {stage.model}")
        return {"run": str(stage.model.parent), "model": str(stage.model), "finished_before": True}
    path = work.root / stage.name
    begun = (path / CONFIG).is_file()
    if begun and work.steps is None and _is_finished(RunFolder(path), run_config(RunFolder(path), parts)):
        reporter.say(f"{title}: trained already, {path}")
        return {"run": str(path), "model": str(RunFolder(path).model_path), "finished_before": True}
    if not begun:
        _require_trunk(work, stage, parts)
    if not _is_helper(work):
        reporter.say(title)
    if work.launch(["--stage", stage.name]):
        return {"run": str(path), "model": str(RunFolder(path).model_path), "finished_before": False}
    if begun:
        return resume_run(RunFolder.open(path), parts, reporter, work.steps, work.device)
    _clear_unborn(path)
    return run_training(_asked(stage, work), parts, path, reporter, work.fitting)


def _is_finished(folder: Any, config: Config) -> bool:
    checkpoint = folder.latest_checkpoint()
    return checkpoint is not None and int(checkpoint.stem) >= config.train.steps and folder.model_path.is_file()


def _asked(stage: CascadeStage, work: Work) -> Config:
    """With the device and the last step that are asked for, and the weights that an expert starts from, as far as there are any."""
    changes: dict[str, Any] = {name: value for name, value in (("device", work.device), ("steps", work.steps)) if value is not None}
    if stage.branches and (model := _trunk(work, stage)[1]).is_file():
        changes["init"] = str(model.absolute())
    return stage.config.replace(train=stage.config.train.model_copy(update=changes))


def _trunk(work: Work, expert: CascadeStage) -> tuple[CascadeStage, Path]:
    """The stage that an expert belongs to, and its model file."""
    stage = next(stage for stage in work.stages if stage.name == expert.of)
    return stage, stage.model or RunFolder(work.root / stage.name).model_path


def _require_trunk(work: Work, expert: CascadeStage, parts: Registry) -> None:
    """An expert starts from what its stage came to, so that what it becomes does not hang on when it was begun. Raises UsageError."""
    if not expert.branches:
        return
    stage, _ = _trunk(work, expert)
    folder = RunFolder(work.root / stage.name)
    if stage.model is None and not ((folder.path / CONFIG).is_file() and _is_finished(folder, run_config(folder, parts))):
        raise UsageError(
            f"It starts from the weights of the stage {stage.name}, which is not trained to its end. Go on with that first: "
            f"{command('resume', work.root, '--stage', stage.name)}"
        )


def _clear_unborn(path: Path) -> None:
    """Remove what a kill left of a run whose folder was being made; a run's settings are written last, so nothing was trained."""
    left = list(path.iterdir()) if path.is_dir() else []
    if all(file.name in (LOCK, "description.json", "environment.json") or file.name.endswith(".partial") for file in left):
        for file in left:
            file.unlink(missing_ok=True)


def _is_helper(work: Work) -> bool:
    """Whether this process trains a stage together with others, for one that waits for them and speaks."""
    from ..engine.distributed import is_worker

    return is_worker() and work.only is not None


def refuse_own_file(file: Path, root: Path, stages: Sequence[CascadeStage]) -> None:
    """Refuse to write what a file resolves to over the file itself. Raises UsageError."""
    own = root / CASCADE
    if own.is_file() and own.samefile(file) and own.read_text(encoding="utf-8") != to_toml(stages):
        raise UsageError(
            f"{file} would be replaced by what it resolves to, as the folder of a cascade holds that by this name. Choose another --run, "
            f"or go on with a cascade that is there as it is: {command('resume', root)}"
        )


def refuse_files(**given: Any) -> None:
    """Refuse what a cascade's file says for each of its stages. Raises ConfigError."""
    faults = [
        f"--{name}: a cascade says it in its file, for each stage or, above the first [[stage]], for all" for name, v in given.items() if v
    ]
    if faults:
        raise ConfigError(faults)
