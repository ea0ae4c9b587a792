"""Spec: the description of a part, available without importing the part's code."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Spec:
    """A named part and the location of its code.

    Attributes:
        name: the value of ``use``.
        summary: one line for lists.
        target: ``"package.module:attribute"``, imported only when the part is built.
        options: ``"package.module:Class"``, an ``Options`` subclass in a module without torch;
            empty for a part without settings.
        requires: PEP 508 requirements that are checked before ``target`` is imported, for optional
            dependencies of a plugin.
    """

    name: str
    summary: str
    target: str
    options: str = ""
    requires: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ModalitySpec(Spec):
    """A modality, with the names of related parts.

    Attributes:
        representations: names of the representations of its raw data; the first is the default.
        recipe: the name of its default recipe.
        request: ``"package.module:Class"``, an ``Options`` subclass with the modality's own flags
            of ``sample``; empty for none.
        selection: ``"package.module:Class"``, an ``Options`` subclass with the modality's own flags
            of ``edit``, which say what part of an example is meant; empty for none.
        metrics: names of the metrics for its raw examples, in the order of the output.
        inspection: ``"package.module:Class"``, an ``Inspection`` subclass for ``data check``; empty
            for the default inspection.
        facts: ``"package.module:Class"``, an ``Options`` subclass with the entries of
            ``Description.extra``. Model files are checked against it; empty for no check.
    """

    representations: tuple[str, ...] = ()
    recipe: str = "tiny"
    request: str = ""
    selection: str = ""
    metrics: tuple[str, ...] = ()
    inspection: str = ""
    facts: str = ""


@dataclass(frozen=True, slots=True)
class MetricSpec(Spec):
    """A metric that can apply to modalities of other packages.

    Attributes:
        modalities: names of further modalities that it applies to, in addition to those that name
            it; ``("*",)`` for all.
        on_request: whether it is measured only where it is named, because it takes long.
        distance: the name of its number that says how far examples are from the data, by which
            settings are compared; empty if it has none.
        best: by which of its numbers the best checkpoint is kept, with a sign: ``"-kid"``, the
            lower the better, ``"+coverage"``, the higher. By default, its distance.
    """

    modalities: tuple[str, ...] = ()
    on_request: bool = False
    distance: str = ""
    best: str = ""


@dataclass(frozen=True, slots=True)
class CheckSpec(Spec):
    """A check of ``difftool doctor``.

    Attributes:
        modalities: names of the modalities that it applies to; ``("*",)`` for all.
    """

    modalities: tuple[str, ...] = ("*",)


@dataclass(frozen=True, slots=True)
class ProcessSpec(Spec):
    """A preconditioning, with its default density, weighting and schedule.

    Attributes:
        density, weighting, schedule: names of the defaults.
        objectives: names of the objectives that train it; empty for all.
        schedules: names of the schedules that it takes, which no other process takes; empty for
            those of noise levels.
        noisy: whether it adds noise.
        grid: whether it needs channels over axes, as those of a picture, and has no meaning for
            points.
    """

    density: str = "lognormal"
    weighting: str = "uniform"
    schedule: str = "karras"
    objectives: tuple[str, ...] = ()
    schedules: tuple[str, ...] = ()
    noisy: bool = True
    grid: bool = False


@dataclass(frozen=True, slots=True)
class RepresentationSpec(Spec):
    """A representation, with what is known of its examples before there are any.

    Attributes:
        grid: whether they are channels over one to three axes ``[c, *axes]``; else they are points
            in space.
    """

    grid: bool = True


@dataclass(frozen=True, slots=True)
class ObjectiveSpec(Spec):
    """An objective that makes a model for few evaluations, with what ``difftool distill`` needs.

    An option ``teacher`` gets the run that is distilled, ``guidance`` its guidance, and
    ``evaluations`` the steps that are asked for. In each of its ``rounds`` the learning rate decays
    anew.

    Attributes:
        distills: whether ``difftool distill --method`` offers it, under its name.
        sampler: name of the sampler of its models; empty for the run's own.
        serves: the steps that its models are good at. ``"few"``: 1, 2 or 4; ``"exact"``: those of
            its option ``evaluations``; ``"one"``: a single one; ``"any"``: as many as its teacher.
        guidance: name of the guidance of its models. That of ``cfg`` has the scale 1, because the
            teacher's is folded in; another one has the teacher's scale.
        wide: it trains on the levels of a log-normal density that reaches the highest level; else
            on those of the run.
        rate: learning rate of a student, as a share of its teacher's.
        rates: such shares for optimizers, by their names, for which ``rate`` is not the best.
    """

    distills: bool = False
    sampler: str = ""
    serves: Literal["few", "exact", "one", "any"] = "few"
    guidance: str = "cfg"
    wide: bool = False
    rate: float = 0.25
    rates: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class ConditionerSpec(Spec):
    """A conditioner, with the class of the data columns that it accepts.

    Attributes:
        column: ``"package.module:Class"``, a ``Column`` subclass in a module without torch.
    """

    column: str = ""


@dataclass(frozen=True, slots=True)
class RecipeSpec(Spec):
    """A named configuration or cascade; ``target`` is ``"package:folder/file.toml"``, a resource.

    Attributes:
        modality: its modality, or ``modality/representation`` for a single representation.
    """

    modality: str = ""


@dataclass(frozen=True, slots=True)
class SourceSpec(Spec):
    """A source of data, with the paths that it accepts.

    Attributes:
        patterns: lower-case patterns of paths, such as ``("*.zip",)`` or ``("s3://*",)``;
            ``("*",)`` accepts the paths that no other source accepts.
        folders: lower-case patterns of file names, such as ``("*.tar",)``: the source also accepts
            a folder in which all visible names match.
    """

    patterns: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ExporterSpec(Spec):
    """A file format for trained models.

    Attributes:
        suffix: the lower-case suffix of its files, such as ``".npz"``.
    """

    suffix: str = ""


def load_object(reference: str) -> Any:
    """Import ``"package.module:attribute"`` or ``"file.py:attribute"``.

    Raises ImportError or AttributeError.
    """
    module, _, attribute = reference.rpartition(":")
    if module.endswith(".py"):  # a part that is tried before it is packaged
        from .file_module import module_of

        return getattr(module_of(Path(module)), attribute)
    return getattr(importlib.import_module(module), attribute)
