"""The methods of ``difftool distill``: objectives that make a student of a trained run."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config import Config, dict_layer, resolve
from ..errors import UsageError
from ..files import checksum
from ..names import path_text
from ..plugin.registry import Registry
from ..plugin.spec import ObjectiveSpec, ProcessSpec
from .text import command

if TYPE_CHECKING:
    from ..config import Layer
    from ..process.process import Process

RAMPUP = 0.02
"""Largest half-life of the averages, as a share of the examples seen: they follow the stages."""

P_MEAN, HIGHEST = -1.1, 2.74
"""ln sigma of a pair: its mean for data of standard deviation 0.5, and the highest level in standard
deviations above that (Geng et al. 2024, arXiv:2406.14548, where N(-1.1, 2^2) meets sigma_max = 80).
"""

FEW = (1, 2, 4)
"""Numbers of steps that a model for few steps serves."""


def methods(parts: Registry) -> dict[str, ObjectiveSpec]:
    """The objectives that distill, by name: those that declare it."""
    return {
        spec.name: spec
        for spec in parts.specs("objective")
        if isinstance(spec, ObjectiveSpec) and spec.distills
    }


def method_of(name: str, parts: Registry) -> ObjectiveSpec:
    """The method of a name. Raises UsageError where there is none."""
    known = methods(parts)
    if name not in known:
        raise UsageError(
            f"There is no method {name!r}. Choose one of {', '.join(known)}: a method is an "
            "objective that starts from a trained model."
        )
    return known[name]


def refuse(teacher: Config, path: Path, parts: Registry) -> None:
    """Raise UsageError for a run that cannot be distilled, before anything is loaded."""
    objective = parts.get("objective", teacher.objective.use)
    if not parts.load(objective).generative:
        raise UsageError(
            f"{path} has no denoiser, because its objective is {objective.name}. Distill a run "
            "that makes samples: the student learns where the teacher's noise levels lead."
        )
    if parts.load(objective).two_outputs:
        raise UsageError(
            f"{path} learned the variances of its steps, with the objective {objective.name}. "
            "Distill a run of the objective denoising: a student has no use for variances, and its "
            "network has no output for them."
        )
    process = parts.get("process", teacher.process.use)
    if isinstance(process, ProcessSpec) and not process.noisy:
        raise UsageError(
            f"{path} adds no noise, because its process is {process.name}. Distill a run of another "
            "process, such as edm: the student learns where a path of noise levels leads."
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


def student_tables(
    teacher: Config,
    model: Path,
    method: ObjectiveSpec,
    evaluations: int,
    hold: bool,
    parts: Registry,
) -> dict[str, Any]:
    """What a method changes of the teacher's configuration, but for the length of training.

    Args:
        model: the teacher's model file.
        hold: whether checkpoints hold a copy of it.
    """
    if method.serves == "one" and evaluations != 1:
        raise UsageError(
            f"The method {method.name} makes samples in one step. Say --evaluations 1, or choose "
            f"another method: {command('list', 'objectives')} shows them."
        )
    levels = levels_of(teacher, parts) if method.wide else _spread(teacher, parts)
    if method.serves == "any":
        levels = {}
    guided, folded = _guidance(teacher, method.guidance)
    options = parts.options(method).model_fields
    given = {
        "teacher": path_text(model.absolute()),
        "checksum": checksum(model) if model.is_file() else "",
        "hold": hold,
        "guidance": guided,
        "evaluations": evaluations,
    }
    taught = "guidance" in options
    share = dict(method.rates).get(teacher.optimizer.use, method.rate)
    return {
        **levels,
        "objective": {"use": method.name, **{k: v for k, v in given.items() if k in options}},
        **({"guidance": folded} if taught and folded else {}),
        **({"sampler": {"use": method.sampler}} if method.sampler else {}),
        **({} if method.serves == "any" else {"sample": {"steps": evaluations}}),
        "optimizer": {"lr": share * teacher.optimizer.options.model_dump()["lr"]},
        "ema": {"rampup": min(RAMPUP, teacher.ema.rampup)},
    }


def warmed(teacher: Config, steps: int) -> dict[str, int]:
    """The examples in which the learning rate grows, in ``steps`` steps: the teacher's share.

    As many as the teacher's would be most of the training of a student.
    """
    warmup: int = teacher.optimizer.options.model_dump()["warmup"]
    return {"warmup": round(warmup * steps / teacher.train.steps)}


def served(config: Config, parts: Registry) -> tuple[int, ...]:
    """The numbers of steps that a model is good at; empty where any number will do."""
    spec = parts.get("objective", config.objective.use)
    if (
        not isinstance(spec, ObjectiveSpec)
        or spec.serves == "any"
        or config.sampler.use != (spec.sampler or config.sampler.use)
    ):
        return ()
    if spec.serves == "few":
        return FEW
    return (1 if spec.serves == "one" else config.objective.options.model_dump()["evaluations"],)


def unserved(name: str, config: Config, parts: Registry) -> str | None:
    """What to say of a number of steps that a model is not good at; None where it is."""
    good, asked = served(config, parts), config.sample.steps
    if not good or asked in good:
        return None
    *others, last = map(str, good)
    numbers = f"{', '.join(others)} or {last}" if others else last
    plural = "s" * (good != (1,))
    fix = "Choose one of these" if others else f"Distill with --evaluations {asked} for these"
    return (
        f"{name} is good at {numbers} step{plural}, and {asked} {'are' if asked > 1 else 'is'} asked "
        f"for. {fix}: the steps that it learnt are no others."
    )


def _guidance(teacher: Config, own: str) -> tuple[float, dict[str, Any]]:
    """The scale that is folded into the student, and the table of its own guidance.

    Guidance of another kind than plain classifier-free guidance is left to the student.
    """
    options = teacher.guidance.options.model_dump()
    plain = {"low": 0.0, "high": None, "growth": "constant", "rescale": 0.0}
    if teacher.guidance.use != "cfg" or any(options[k] != v for k, v in plain.items()):
        return 1.0, {}
    return options["scale"], {"use": own, "scale": 1.0 if own == "cfg" else options["scale"]}


def levels_of(teacher: Config, parts: Registry) -> dict[str, dict[str, Any]]:
    """The noise levels that are trained on up to the highest one, and those that are visited."""
    from ..assemble.parts import build_process

    process = build_process(teacher, parts)
    mean = P_MEAN + math.log(2 * process.preconditioning.sigma_data)
    std = (math.log(process.schedule.sigma_max) - mean) / HIGHEST
    return {
        "density": {"use": "lognormal", "p_mean": mean, "p_std": std},
        **_spread(teacher, parts),
    }


def _spread(teacher: Config, parts: Registry) -> dict[str, dict[str, Any]]:
    """The schedule of a few steps, where it differs from the teacher's.

    A schedule that visits its lowest level before 0 would waste an evaluation there, where nothing
    is left to be done. Flow time is spaced evenly instead, so that the second of two levels is near
    the standard deviation of the data; a network that is shown the schedule's time keeps its own.
    """
    from ..assemble.parts import build_process

    process = build_process(teacher, parts)
    schedule, data = process.schedule, process.preconditioning.sigma_data
    if schedule.sigmas(2)[1] > 1.01 * schedule.sigma_min:
        return {}
    ends = {"sigma_min": schedule.sigma_min, "sigma_max": schedule.sigma_max}
    flow = {"use": "flow", **ends, "shift": 2 * data}
    other = resolve(None, [_with_schedule(teacher, flow)], parts)
    if _shown(build_process(other, parts), data) != _shown(process, data):
        return {}
    return {"schedule": flow}


def _with_schedule(teacher: Config, schedule: dict[str, Any]) -> Layer:
    return dict_layer({**teacher.to_dict(), "schedule": schedule}, "the student's schedule")


def _shown(process: Process, level: float) -> float:
    """What the network is shown of a noise level."""
    import torch

    sigma = torch.tensor([level], dtype=torch.float64)
    return process.preconditioning.coefficients(sigma).noise.item()
