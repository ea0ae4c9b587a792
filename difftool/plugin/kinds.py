"""Kinds of part, each declared once: hooks, configuration tables, lists and the documentation follow from this."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .spec import ConditionerSpec, ExporterSpec, ModalitySpec, ProcessSpec, RecipeSpec, SourceSpec, Spec

AUTO = "auto"
"""The ``use`` of a part that is chosen when the data is seen."""

NONE = "none"
"""The ``use`` of a part that is not there."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What a kind of part is, for everyone who lists, looks up or configures parts.

    Attributes:
        name, plural: as a user reads them; the hook is ``difftool_<plural>``.
        summary: what parts of this kind are for.
        target: what the target of a spec is.
        arguments: what the target is called with; empty where it is not called.
        spec: the type of its specs.
        table: the configuration table in which ``use`` names one part of this kind; empty where there is none.
        tables: the configuration table that holds several parts of this kind, each under a name of its own; empty where there is none.
        default: the part in use where nothing is said, or ``AUTO`` or ``NONE``.
        parent: the kind whose part in use says the default instead; a choice belongs to the parent under which it was made.
        options: ``"package.module:Class"``, what the options of every part of this kind are a subclass of; empty for any options.
        sampling: whether it may be changed after training.
        shared: whether an expert and the stage that it serves must agree in it.
        meaning: whether other ones would make a network's weights meaningless, so that ``--init`` takes them over.
        former: an earlier name of ``use`` in its table, accepted for one version.
    """

    name: str
    plural: str
    summary: str
    target: str
    arguments: str = ""
    spec: type[Spec] = Spec
    table: str = ""
    tables: str = ""
    default: str = ""
    parent: str = ""
    options: str = ""
    sampling: bool = False
    shared: bool = False
    meaning: bool = False
    former: str = ""

    @property
    def hook(self) -> str:
        return f"difftool_{self.plural}"


# In the order in which they are listed to a user. A kind with a parent stands after it.
_KINDS = (
    Kind(
        "modality", "modalities", "Kinds of data.", "`Modality` subclass", "its options",
        spec=ModalitySpec, table="modality", shared=True,
    ),
    Kind(
        "representation", "representations", "Raw units <-> model units.", "`Representation` subclass", "options, description of the data",
        table="representation", parent="modality", shared=True,
    ),
    Kind(
        "backbone", "backbones", "Networks.", "`Backbone` subclass", "options, interface (shape and widths of the signals)",
        table="backbone", default="unet",
    ),
    Kind(
        "process", "processes", "Rows of the preconditioning table.", "`Preconditioning` subclass", "options, schedule",
        spec=ProcessSpec, table="process", default="edm", meaning=True,
    ),
    Kind(
        "density", "densities", "Which noise levels are trained on.", "`Density` subclass", "options, schedule",
        table="density", parent="process",
    ),
    Kind(
        "weighting", "weightings", "How much each noise level counts.", "`Weighting` subclass", "options, preconditioning",
        table="weighting", parent="process",
    ),
    Kind(
        "schedule", "schedules", "Noise levels as a function of time.", "`Schedule` subclass", "its options",
        table="schedule", parent="process", sampling=True, meaning=True,
    ),
    Kind(
        "objective", "objectives", "What is minimised.", "`Objective` subclass", "options, context (the run's parts and device; opens other runs)",
        table="objective", default="denoising",
    ),
    Kind(
        "optimizer", "optimizers", "How parameters follow their gradients.", "a function `(module, options, precision)` that makes a `torch.optim.Optimizer`",
        "the module, its options, the precision of the network",
        table="optimizer", default="adamw", options="difftool.optimizers.options:OptimizerOptions", former="method",
    ),
    Kind(
        "sampler", "samplers", "Solvers.", "a function `(denoise, x, sigmas, noise, **knobs)` that yields `Step`s", "its options are its knobs",
        table="sampler", default="heun", sampling=True,
    ),
    Kind(
        "conditioner", "conditioners", "Condition values to signals.", "`Conditioner` subclass", "options, the column",
        spec=ConditionerSpec, tables="conditions", default=AUTO,
    ),
    Kind(
        "bridge", "bridges", "What a later stage of a cascade is given of an earlier one.", "`Bridge` subclass",
        "options, description of the later stage's data, its representation",
        table="bridge", default=NONE, shared=True,
    ),
    Kind("metric", "metrics", "How good examples are.", "`Metric` subclass", "options, description of the data"),
    Kind(
        "source", "sources", "Where data comes from.", "`Source` subclass", "its options",
        spec=SourceSpec, table="source", default=AUTO,
    ),
    Kind(
        "exporter", "exporters", "What a trained model may be written as.", "a function `(model, path, options)` that writes a file",
        "a `TrainedModel`, a path that is free, its options", spec=ExporterSpec,
    ),
    Kind("observer", "observers", "What watches a training run, such as a tracker.", "`Observer` subclass", "its options", tables="observers"),
    Kind("recipe", "recipes", "Named configurations.", "a TOML file in the package: the settings of a run", spec=RecipeSpec),
    Kind("cascade", "cascades", "Named cascades.", "a TOML file in the package: a list of stages", spec=RecipeSpec),
)  # fmt: skip

KINDS: dict[str, Kind] = {kind.name: kind for kind in _KINDS}


def find_kind(word: str) -> Kind | None:
    """A kind by its name or its plural."""
    return next((kind for kind in _KINDS if word in (kind.name, kind.plural)), None)


def tables(kinds: Iterable[Kind] = _KINDS) -> tuple[str, ...]:
    """The configuration tables in which one part of each of these kinds is named."""
    return tuple(kind.table for kind in kinds if kind.table)
