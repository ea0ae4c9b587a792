"""A student that samples in a few evaluations, from a trained run."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..config import Config, dict_layer, file_layer, flag_layer, resolve
from ..engine.folder import RunFolder, find_run, is_cascade, stage_runs
from ..errors import UsageError
from ..files import unused
from ..names import path_text
from ..plugin.registry import Registry
from ..plugin.spec import ObjectiveSpec
from .cascade import Cascade
from .keywords import given, installed, training_names
from .methods import method_of, refuse, student_tables, warmed
from .model import model_path
from .naming import refuse_used
from .plan import StagePlan
from .reporter import SILENT, Reporter
from .run import Run, Training
from .text import command, duration, number, size
from .train import new_run, planned
from .train_cascade import CascadeTraining, train_cascade
from .trained import Model

DEFAULT = "progressive"
"""The method that is used unless another is named: on letters, the best one at two evaluations."""

SHARE = 0.2
"""Steps of the student, as a share of its teacher's, unless the user says."""


@dataclass(frozen=True)
class Distillation:
    """What is asked for.

    Attributes:
        teacher: the run's folder or name, or ``latest``.
        evaluations: steps of the student's sampler by default.
        steps: steps of training; None for ``SHARE`` of the teacher's.
        hold: whether checkpoints hold a copy of the teacher.
        rank: that of the changes which are learnt beside the teacher's weights; 0 to learn all
            weights.
        flags, sets: settings of the student that win over all others, as ``flag_layer`` takes them.
    """

    teacher: str
    method: str = DEFAULT
    evaluations: int = 2
    steps: int | None = None
    hold: bool = False
    rank: int = 0
    flags: Sequence[tuple[str, str, Any]] = ()
    sets: Sequence[str] = ()

    def folder(self) -> RunFolder:
        """The teacher's folder. Raises UsageError for what cannot be distilled as a whole."""
        path = find_run(self.teacher)
        if is_cascade(path):
            one = next(iter(stage_runs(path)), path / "STAGE")
            raise UsageError(
                f"{path} is a cascade. Name one of its stages, such as {command('distill', one)}: "
                "each of them is a model of its own."
            )
        return RunFolder.open(path)

    def config(self, parts: Registry) -> Config:
        """The student's configuration: the teacher's, with what the method changes.

        Raises:
            UsageError: the teacher cannot be distilled.
            ConfigError: settings, all faults at once.
        """
        return self.config_of(self.folder(), parts)

    def config_of(self, folder: RunFolder, parts: Registry) -> Config:
        """``config`` for a teacher whose folder is found already, such as a stage of a cascade."""
        own = replace(file_layer(folder.config_path), own=True)
        teacher = resolve(None, [own], parts)
        refuse(teacher, folder.path, parts)
        method, model = method_of(self.method, parts), model_path(str(folder.path))
        asked = flag_layer(self.flags, [*self._ranked(method, parts), *self.sets])
        steps = self.steps or max(1, round(SHARE * teacher.train.steps))
        tables = student_tables(teacher, model, method, self.evaluations, self.hold, parts)
        rate = tables["optimizer"] | warmed(teacher, steps)
        train = {"steps": steps, "init": path_text(model.absolute())}

        def resolved(**more: Any) -> Config:
            changes = {**tables, "optimizer": {**rate, **more}, "train": train}
            return resolve(None, [own, dict_layer(changes, f"method {self.method}"), asked], parts)

        found = resolved()
        if rounds := getattr(found.objective.options, "rounds", 0):
            found = resolved(cycles=rounds)  # each round is a training of its own
        if not getattr(found.objective.options, "rank", 0):
            return found
        # beside frozen weights, which the objective takes from the teacher itself
        return found.replace(train=found.train.model_copy(update={"init": ""}))

    def _ranked(self, method: ObjectiveSpec, parts: Registry) -> list[str]:
        """The setting of the rank, if one is asked for."""
        if not self.rank:
            return []
        if "rank" not in parts.options(method).model_fields:
            raise UsageError(
                f"The method {method.name} learns all weights. Leave --rank out, or choose another "
                "method, such as progressive: changes of low rank need a teacher to start from."
            )
        return [f"objective.rank={self.rank}"]

    def run(self) -> Path:
        """``RUN-distilled``, or ``RUN-distilled-2`` … when that is taken."""
        path = self.folder().path
        return unused(path.with_name(f"{path.resolve().name}-distilled"))


def within(
    asked: Distillation, folder: RunFolder, budget: float, parts: Registry, reporter: Reporter
) -> Config:
    """The configuration with as many steps as fill a budget of seconds, by a few that are timed."""
    plan = planned(asked.config_of(folder, parts), parts, Path(), False, SILENT)
    steps = max(1, int(budget / plan["seconds_per_step"]))
    reporter.say(
        f"{steps} steps of {number(plan['seconds_per_step'])} s fill {duration(budget)}; the run "
        f"takes {size(sum(plan['disk_bytes'].values()))} of disk."
    )
    return replace(asked, steps=steps).config_of(folder, parts)


def cascade_of_students(
    asked: Distillation,
    parts: Registry,
    root: Path | None,
    budget: float | None = None,
    reporter: Reporter = SILENT,
) -> CascadeTraining:
    """A student of each stage of a trained cascade, to train in turn: they are a cascade too.

    Args:
        root: the folder of the students; ``CASCADE-distilled`` unless given.
        budget: seconds for all stages, of which each gets the same share.

    Raises:
        UsageError: a stage cannot be distilled.
    """
    path = find_run(asked.teacher)
    teacher = Cascade.open(path, parts)
    if missing := teacher.untrained:
        raise UsageError(
            f"{path} is not trained to its end: {', '.join(missing)} has no model. Resume it with: "
            f"{command('resume', path)}"
        )
    if experts := [one.name for one in teacher.units if one.of]:
        raise UsageError(
            f"{path} has experts ({', '.join(experts)}), which know a part of the noise levels "
            "only. Distill the runs of its other stages one by one: one evaluation crosses the "
            "whole range."
        )
    stages = []
    for stage in teacher.sampling:
        folder = RunFolder.open(teacher.model_of(stage).parent)
        config = (
            asked.config_of(folder, parts)
            if budget is None
            else within(asked, folder, budget / len(teacher.sampling), parts, reporter)
        )
        stages.append(StagePlan(stage.name, config, stage.level))
    root = root or path.with_name(f"{path.resolve().name}-distilled")
    return CascadeTraining(Cascade(root, tuple(stages)))


def distill(
    run: str | os.PathLike[str],
    *,
    method: str = DEFAULT,
    evaluations: int = 2,
    steps: int | None = None,
    budget: float | None = None,
    hold: bool = False,
    rank: int = 0,
    to: str | Path | None = None,
    reporter: Reporter = SILENT,
    **settings: Any,
) -> Run:
    """Train a student of a run that samples in a few evaluations; it is an ordinary run.

        fast = difftool.distill("runs/photos", evaluations=2)
        samples = fast.model.sample(8)

    Of a cascade each stage gets a student, in turn. What is returned is the folder of the students,
    and its model samples one stage after another.

    Args:
        run: the teacher, its folder or its name in ``runs/``.
        method: the name of an objective that distills, such as ``"consistency"``.
        evaluations: steps of the student's sampler by default.
        steps: steps of training; a fifth of the teacher's unless given.
        budget: seconds to train for, in place of ``steps``; the stages of a cascade share it.
        hold: keep a copy of the teacher in the checkpoints, so that its file may go.
        rank: learn changes of this rank beside the teacher's weights; 0 to learn all weights.
        to: the student's folder; ``RUN-distilled`` unless given.
        reporter: gets all messages.
        settings: as of ``train``.

    Raises:
        UsageError: the run cannot be distilled.
        ConfigError: settings, all faults at once.
    """
    parts = installed()
    asked = Distillation(os.fspath(run), method, evaluations, steps, hold, rank)
    root, path = Path(to) if to is not None else None, find_run(os.fspath(run))
    modality = Model([str(path)]).modality
    asked = replace(asked, flags=given(settings, training_names(modality)))
    if is_cascade(path):
        students = cascade_of_students(asked, parts, root, budget, reporter)
        train_cascade(students, parts, reporter)
        return Run(students.cascade.root)
    folder = asked.folder()
    config = (
        asked.config_of(folder, parts)
        if budget is None
        else within(asked, folder, budget, parts, reporter)
    )
    refuse_used(root)
    student = root or asked.run()
    return Training(student, lambda: new_run(config, parts, student, reporter)).finish()
