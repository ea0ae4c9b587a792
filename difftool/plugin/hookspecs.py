"""The plugin door: one hook per kind of part. Each returns specs; nothing heavy is imported to answer.

A plugin is a module named by an entry point in the group ``difftool``, holding functions of these names marked with
``@difftool.hookimpl``. difftool's own parts come through the same door (``difftool.plugin.builtin``).
"""

from __future__ import annotations

from collections.abc import Iterable

import pluggy

from .spec import ModalitySpec, ProcessSpec, RecipeSpec, Spec

PROJECT = "difftool"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def difftool_modalities() -> Iterable[ModalitySpec]:
    """Kinds of data. Target: ``Modality`` subclass, called with its options."""
    raise NotImplementedError


@hookspec
def difftool_representations() -> Iterable[Spec]:
    """Raw units <-> model units. Target: ``Representation`` subclass, called with (options, description)."""
    raise NotImplementedError


@hookspec
def difftool_backbones() -> Iterable[Spec]:
    """Networks. Target: ``Backbone`` subclass, called with (options, interface)."""
    raise NotImplementedError


@hookspec
def difftool_processes() -> Iterable[ProcessSpec]:
    """Rows of the preconditioning table. Target: ``Preconditioning`` subclass, called with (options, schedule)."""
    raise NotImplementedError


@hookspec
def difftool_densities() -> Iterable[Spec]:
    """Which noise levels are trained on. Target: ``Density`` subclass, called with (options, schedule)."""
    raise NotImplementedError


@hookspec
def difftool_weightings() -> Iterable[Spec]:
    """How much each noise level counts. Target: ``Weighting`` subclass, called with (options, preconditioning)."""
    raise NotImplementedError


@hookspec
def difftool_schedules() -> Iterable[Spec]:
    """Noise levels as a function of time. Target: ``Schedule`` subclass, called with its options."""
    raise NotImplementedError


@hookspec
def difftool_samplers() -> Iterable[Spec]:
    """Solvers. Target: a function ``(denoise, x, sigmas, noise, **knobs) -> Iterator[Step]``; the options are its knobs."""
    raise NotImplementedError


@hookspec
def difftool_objectives() -> Iterable[Spec]:
    """What is minimised. Target: ``Objective`` subclass, called with its options."""
    raise NotImplementedError


@hookspec
def difftool_conditioners() -> Iterable[Spec]:
    """Condition values to signals. Target: ``Conditioner`` subclass, called with (options, condition)."""
    raise NotImplementedError


@hookspec
def difftool_bridges() -> Iterable[Spec]:
    """What a later stage of a cascade is shown of an earlier one. Target: ``Bridge`` subclass, called with
    (options, description, representation).
    """
    raise NotImplementedError


@hookspec
def difftool_metrics() -> Iterable[Spec]:
    """How good examples are. Target: ``Metric`` subclass, called with (options, description)."""
    raise NotImplementedError


@hookspec
def difftool_recipes() -> Iterable[RecipeSpec]:
    """Named configurations, as TOML files inside the plugin's package."""
    raise NotImplementedError


@hookspec
def difftool_cascades() -> Iterable[RecipeSpec]:
    """Named cascades, as TOML files inside the plugin's package: lists of stages."""
    raise NotImplementedError
