"""Parts that cannot work together: told from the settings alone, before any of them is built."""

from __future__ import annotations

from collections.abc import Iterator

from ..plugin.kinds import NONE
from ..plugin.registry import Registry
from ..plugin.spec import ObjectiveSpec, ProcessSpec, RepresentationSpec
from .config import Config, Part

DENOISED = ("denoising", "multiscale", "restoration")
"""Objectives that train a denoiser's estimate alone, without a second output."""

BY_NOISE = ("classifier", "composition", "reconstruction")
"""Guidance by scores, which exist where there is noise."""


def impossible(config: Config, registry: Registry) -> Iterator[str]:
    """A sentence for each thing in a configuration that cannot work: the fact, the fix, the reason."""
    yield from _lacking(config)
    yield from _process(config, registry)
    yield from _objective(config, registry)
    yield from _guidance(config)


def _guidances(config: Config) -> Iterator[tuple[str, Part]]:
    """Each guidance that is in use, with the name of its table."""
    if config.guidance.use != NONE:
        yield "guidance", config.guidance
    for name, part in config.guidances.items():
        if part.use != NONE:
            yield f"guidances.{name}", part


def _lacking(config: Config) -> Iterator[str]:
    """Options without which their part can do nothing   (``Options.needs``)."""
    for table, part in (("objective", config.objective), *_guidances(config)):
        for key, why in part.options.needs.items():
            if not getattr(part.options, key):
                yield f"{table}.use = {part.use}, but {table}.{key} is empty. {why}"


def _process(config: Config, registry: Registry) -> Iterator[str]:
    """What a process does not go with."""
    name = config.process.use
    spec = registry.get("process", name)
    if not isinstance(spec, ProcessSpec):
        return
    if spec.objectives and config.objective.use not in spec.objectives:
        yield (
            f"The process {name} is not trained by objective.use = {config.objective.use}. Set "
            f"objective.use = {' or '.join(spec.objectives)}, or another process, such as edm: "
            "that objective needs noise."
        )
    if spec.schedules and config.schedule.use not in spec.schedules:
        yield (
            f"The process {name} has no noise levels, so schedule.use = {config.schedule.use} has no "
            f"meaning for it. Set schedule.use = {' or '.join(spec.schedules)}."
        )
    shown = registry.get("representation", config.representation.use)
    if spec.grid and isinstance(shown, RepresentationSpec) and not shown.grid:
        yield (
            f"The process {name} changes channels over the places of a grid, and representation.use "
            f"= {config.representation.use} has points in space. Choose another process, such as edm."
        )
    if not spec.noisy:
        for table, part in _guidances(config):
            if part.use in BY_NOISE:
                yield (
                    f"{table}.use = {part.use} follows a score, and the process {name} adds no "
                    "noise, so it has none. Use cfg or autoguidance, or train with another "
                    "process, such as edm."
                )
    else:
        for other in registry.specs("process"):
            if isinstance(other, ProcessSpec) and config.schedule.use in other.schedules:
                yield (
                    f"schedule.use = {config.schedule.use} is for the process {other.name}, and this "
                    f"one is {name}. Leave it out, or choose another with `difftool list schedules`: "
                    "its levels are not noise."
                )


def _objective(config: Config, registry: Registry) -> Iterator[str]:
    """What an objective does not go with."""
    use = config.objective.use
    spec = registry.get("objective", use)
    if config.train.self_conditioning and isinstance(spec, ObjectiveSpec):
        yield (
            f"train.self_conditioning = true shows the network its estimate of the step before, and "
            f"objective.use = {use} trains steps that have none before. Set "
            "train.self_conditioning = false."
        )
    if getattr(config.sampler.options, "variance", "") == "learned" and use in DENOISED:
        yield (
            f"sampler.variance = learned needs a model with learned variances, and objective.use = "
            f"{use} has none. Set sampler.variance = small or large, or train with --objective "
            "hybrid."
        )


def _guidance(config: Config) -> Iterator[str]:
    """What a guidance does not go with."""
    attention = getattr(config.backbone.options, "attention", None)
    for table, part in _guidances(config):
        if part.use == "folded" and config.objective.use in DENOISED:
            yield (
                f"{table}.use = folded is for a network that is told its guidance, and objective.use "
                f"= {config.objective.use} trains none. Use guidance.use = cfg, or distill with "
                "--method guided."
            )
        if part.use == "perturbed" and attention == 0:
            yield (
                f"{table}.use = perturbed changes the self-attention, and backbone.attention = 0 has "
                "none. Use autoguidance, or train a network with attention."
            )
