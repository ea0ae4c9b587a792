"""Spec: what a plugin says about a part before any of the part's code is imported."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Spec:
    """A named part and where its code lives.

    Attributes:
        name: what a user writes after ``use =``.
        summary: one line for lists.
        target: ``"package.module:attribute"``, imported only when the part is built.
        options: ``"package.module:Class"``, an ``Options`` subclass in a module without torch; empty when there is nothing to set.
        requires: PEP 508 requirements checked before ``target`` is imported, for what a plugin keeps optional.
    """

    name: str
    summary: str
    target: str
    options: str = ""
    requires: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ModalitySpec(Spec):
    """A modality, with the names of what it works with.

    Attributes:
        representations: names of the representations that take its raw data; the first is the default.
        recipe: the name of the recipe used when none is asked for.
        request: ``"package.module:Class"``, an ``Options`` subclass with the modality's own flags of ``sample``; empty for none.
        metrics: names of the metrics that apply to its raw examples, in the order in which they are shown.
        inspection: ``"package.module:Class"``, an ``Inspection`` subclass for ``data check``; empty for the core's own.
    """

    representations: tuple[str, ...] = ()
    recipe: str = "tiny"
    request: str = ""
    metrics: tuple[str, ...] = ()
    inspection: str = ""


@dataclass(frozen=True, slots=True)
class MetricSpec(Spec):
    """A metric that may apply to modalities of other packages.

    Attributes:
        modalities: names of modalities that it applies to besides those that name it themselves; ``("*",)`` for all.
    """

    modalities: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ProcessSpec(Spec):
    """A row of the preconditioning table, with the columns it is used with unless told otherwise.

    Attributes:
        density, weighting, schedule: names of the default columns.
    """

    density: str = "lognormal"
    weighting: str = "uniform"
    schedule: str = "karras"


@dataclass(frozen=True, slots=True)
class ConditionerSpec(Spec):
    """A conditioner, with the columns of data that it takes.

    Attributes:
        column: ``"package.module:Class"``, a ``Column`` subclass in a module without torch.
    """

    column: str = ""


@dataclass(frozen=True, slots=True)
class RecipeSpec(Spec):
    """A named configuration, or a named cascade. ``target`` is ``"package:folder/file.toml"``, a resource inside a package.

    Attributes:
        modality: the modality it belongs to, or ``modality/representation`` when it is for one representation only.
    """

    modality: str = ""


@dataclass(frozen=True, slots=True)
class SourceSpec(Spec):
    """A source of data, with the paths that it takes.

    Attributes:
        patterns: of paths in small letters, such as ``("*.zip",)`` or ``("s3://*",)``; ``("*",)`` takes what no other does.
        folders: of the names in a folder that it takes as well, such as ``("*.tar",)``; every visible one must match.
    """

    patterns: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ExporterSpec(Spec):
    """Something that a trained model can be written as.

    Attributes:
        suffix: what its files end in, in small letters, such as ``".npz"``.
    """

    suffix: str = ""


def load_object(reference: str) -> Any:
    """Import ``"package.module:attribute"``. Raises ImportError or AttributeError as they come."""
    module, _, attribute = reference.partition(":")
    return getattr(importlib.import_module(module), attribute)
