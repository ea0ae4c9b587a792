"""A student that samples in a few evaluations, from a trained run."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config import Config, dict_layer, file_layer, flag_layer, resolve
from ..engine.folder import RunFolder, find_run, is_cascade, stage_runs
from ..errors import UsageError
from ..files import unused
from ..names import path_text
from ..plugin.registry import Registry
from .keywords import given, installed, training_names
from .model import model_path
from .naming import refuse_used
from .reporter import SILENT, Reporter
from .run import Run, Training
from .text import command
from .train import new_run

if TYPE_CHECKING:
    from ..config import Layer
    from ..process.process import Process

METHODS = {"consistency": "consistency"}
"""Method -> the objective that trains the student; its sampler has the method's name."""

SHARE = 0.2
"""Steps of the student, as a share of its teacher's, unless the user says."""

RATE = 0.25
"""Learning rate of the student, as a share of its teacher's: it starts near where it ends."""

RAMPUP = 0.02
"""Largest half-life of the averages, as a share of the examples seen: they follow the stages."""

P_MEAN, HIGHEST = -1.1, 2.74
"""ln sigma of a pair: its mean for data of standard deviation 0.5, and the highest level in standard
deviations above that (Geng et al. 2024, arXiv:2406.14548, where N(-1.1, 2^2) meets sigma_max = 80).
"""


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
    method: str = "consistency"
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
        refuse(teacher, folder.path, self.method, parts)
        changes = {
            **_levels(teacher, parts),
            "objective": {"use": METHODS[self.method]},
            "sampler": {"use": self.method},
            "sample": {"steps": self.evaluations},
            "optimizer": {"lr": RATE * teacher.optimizer.options.model_dump()["lr"]},
            "ema": {"rampup": min(RAMPUP, teacher.ema.rampup)},
            "train": {
                "steps": self.steps or max(1, round(SHARE * teacher.train.steps)),
                "init": path_text(model_path(str(folder.path)).absolute()),
            },
        }
        asked = flag_layer(self.flags, self.sets)
        return resolve(None, [own, dict_layer(changes, f"method {self.method}"), asked], parts)

    def run(self) -> Path:
        """``RUN-distilled``, or ``RUN-distilled-2`` … when that is taken."""
        path = self.folder().path
        return unused(path.with_name(f"{path.resolve().name}-distilled"))


def refuse(teacher: Config, path: Path, method: str, parts: Registry) -> None:
    """Raise UsageError for a run that the method cannot distill, before anything is loaded."""
    if method not in METHODS:
        raise UsageError(
            f"There is no method {method!r}. Choose one of {', '.join(METHODS)}: a method is an "
            "objective that starts from a trained model."
        )
    objective = parts.get("objective", teacher.objective.use)
    if not parts.load(objective).generative:
        raise UsageError(
            f"{path} has no denoiser, because its objective is {objective.name}. Distill a run "
            "that makes samples: the student learns where the teacher's noise levels lead."
        )
    low, high = (getattr(teacher.density.options, end, None) for end in ("low", "high"))
    if low or high:
        raise UsageError(
            f"{path} was trained on a part of the noise levels only (density.low, density.high). "
            "Distill a run that was trained on all of them: one evaluation crosses the whole range."
        )
    if teacher.train.self_conditioning:
        raise UsageError(
            f"{path} looks at its own estimate of the step before (train.self_conditioning). "
            "Distill a run that was trained without it: a student of few steps has no step before."
        )


def _levels(teacher: Config, parts: Registry) -> dict[str, dict[str, Any]]:
    """The noise levels that are trained on up to the highest one, and those that are visited.

    A schedule that visits its lowest level before 0 would waste an evaluation there, where nothing
    is left to be done. Flow time is spaced evenly instead, so that the second of two levels is near
    the standard deviation of the data; a network that is shown the schedule's time keeps its own.
    """
    from ..assemble.parts import build_process

    process = build_process(teacher, parts)
    schedule, data = process.schedule, process.preconditioning.sigma_data
    mean = P_MEAN + math.log(2 * data)
    std = (math.log(schedule.sigma_max) - mean) / HIGHEST
    density = {"use": "lognormal", "p_mean": mean, "p_std": std}
    if schedule.sigmas(2)[1] > 1.01 * schedule.sigma_min:
        return {"density": density}
    ends = {"sigma_min": schedule.sigma_min, "sigma_max": schedule.sigma_max}
    flow = {"use": "flow", **ends, "shift": 2 * data}
    other = resolve(None, [_with_schedule(teacher, flow)], parts)
    if _shown(build_process(other, parts), data) != _shown(process, data):
        return {"density": density}
    return {"density": density, "schedule": flow}


def _with_schedule(teacher: Config, schedule: dict[str, Any]) -> Layer:
    return dict_layer({**teacher.to_dict(), "schedule": schedule}, "the student's schedule")


def _shown(process: Process, level: float) -> float:
    """What the network is shown of a noise level."""
    import torch

    sigma = torch.tensor([level], dtype=torch.float64)
    return process.preconditioning.coefficients(sigma).noise.item()


def distill(
    run: str | os.PathLike[str],
    *,
    method: str = "consistency",
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
        method: how: ``"consistency"``.
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
