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
from .keywords import given, installed, training_names
from .methods import method_of, refuse, student_tables
from .model import model_path
from .naming import refuse_used
from .reporter import SILENT, Reporter
from .run import Run, Training
from .text import command
from .train import new_run

DEFAULT = "consistency"
"""The method that is used unless another is named."""

SHARE = 0.2
"""Steps of the student, as a share of its teacher's, unless the user says."""


@dataclass(frozen=True)
class Distillation:
    """What is asked for.

    Attributes:
        teacher: the run's folder or name, or ``latest``.
        evaluations: steps of the student's sampler by default.
        steps: steps of training; None for ``SHARE`` of the teacher's.
        flags, sets: settings of the student that win over all others, as ``flag_layer`` takes them.
    """

    teacher: str
    method: str = DEFAULT
    evaluations: int = 2
    steps: int | None = None
    flags: Sequence[tuple[str, str, Any]] = ()
    sets: Sequence[str] = ()

    def folder(self) -> RunFolder:
        """The teacher's folder. Raises UsageError for what cannot be distilled as a whole."""
        path = find_run(self.teacher)
        if is_cascade(path):
            one = next(iter(stage_runs(path)), path / "STAGE")
            raise UsageError(
                f"{path} is a cascade. Distill its stages one by one, such as "
                f"{command('distill', one)}: each of them is a model of its own."
            )
        return RunFolder.open(path)

    def config(self, parts: Registry) -> Config:
        """The student's configuration: the teacher's, with what the method changes.

        Raises:
            UsageError: the teacher cannot be distilled.
            ConfigError: settings, all faults at once.
        """
        folder = self.folder()
        own = replace(file_layer(folder.config_path), own=True)
        teacher = resolve(None, [own], parts)
        refuse(teacher, folder.path, parts)
        method, model = method_of(self.method, parts), model_path(str(folder.path))
        changes = {
            **student_tables(teacher, model, method, self.evaluations, parts),
            "train": {
                "steps": self.steps or max(1, round(SHARE * teacher.train.steps)),
                "init": path_text(model.absolute()),
            },
        }
        asked = flag_layer(self.flags, self.sets)
        return resolve(None, [own, dict_layer(changes, f"method {self.method}"), asked], parts)

    def run(self) -> Path:
        """``RUN-distilled``, or ``RUN-distilled-2`` … when that is taken."""
        path = self.folder().path
        return unused(path.with_name(f"{path.resolve().name}-distilled"))


def distill(
    run: str | os.PathLike[str],
    *,
    method: str = DEFAULT,
    evaluations: int = 2,
    steps: int | None = None,
    to: str | Path | None = None,
    reporter: Reporter = SILENT,
    **settings: Any,
) -> Run:
    """Train a student of a run that samples in a few evaluations; it is an ordinary run.

    fast = difftool.distill("runs/photos", evaluations=2)
    samples = fast.model.sample(8)

    Args:
        run: the teacher, its folder or its name in ``runs/``.
        method: the name of an objective that distills, such as ``"consistency"``.
        evaluations: steps of the student's sampler by default.
        steps: steps of training; a fifth of the teacher's unless given.
        to: the student's folder; ``RUN-distilled`` unless given.
        reporter: gets all messages.
        settings: as of ``train``.

    Raises:
        UsageError: the run cannot be distilled.
        ConfigError: settings, all faults at once.
    """
    asked = Distillation(os.fspath(run), method, evaluations, steps)
    modality = asked.config(installed()).modality.use
    asked = replace(asked, flags=given(settings, training_names(modality)))
    config = asked.config(installed())
    refuse_used(Path(to) if to is not None else None)
    path = Path(to) if to is not None else asked.run()
    return Training(path, lambda: new_run(config, installed(), path, reporter)).finish()
