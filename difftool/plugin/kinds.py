"""The kinds of parts. Hooks, configuration tables, lists and documentation derive from them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .spec import (
    CheckSpec,
    ConditionerSpec,
    ExporterSpec,
    ModalitySpec,
    ProcessSpec,
    RecipeSpec,
    SourceSpec,
    Spec,
)

AUTO = "auto"
"""The ``use`` of a part that is chosen from the data."""

NONE = "none"
"""The ``use`` of a part that is switched off."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of part.

    Attributes:
        name, plural: in messages and lists; the hook is ``difftool_<plural>``.
        summary: the purpose of parts of this kind.
        target: what the target of a spec must be.
        arguments: the arguments of the target; empty if it is not called.
        spec: the type of its specs.
        table: the configuration table in which ``use`` selects one part; empty if there is none.
        tables: the configuration table with several named parts; empty if there is none.
        default: the part in use by default, or ``AUTO`` or ``NONE``. In ``tables`` it applies only
            to kinds without a ``table``: beside one part there, each other part is named.
        parent: the kind whose part in use determines the default instead; a choice belongs to the
            parent under which it was made.
        options: ``"package.module:Class"``, the base class of the options of all parts of this
            kind; empty for ``Options``.
        sampling: whether it can be changed after training.
        shared: whether an expert must agree with its stage in it.
        meaning: whether weights are meaningless with another part, so that ``--init`` adopts it.
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


# In the order of lists for users. A kind comes after its parent.
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
        "guidance", "guidances", "What steers samples, such as their conditions.", "`Guidance` subclass", "options (`build` is given the context too)",
        table="guidance", tables="guidances", default="cfg", sampling=True,
    ),
    Kind(
        "conditioner", "conditioners", "Condition values to signals.", "`Conditioner` subclass", "options, the column",
        spec=ConditionerSpec, tables="conditions", default=AUTO,
    ),
    Kind(
        "bridge", "bridges", "How a later stage of a cascade is conditioned on an earlier one.", "`Bridge` subclass",
        "options, description of the later stage's data, its representation",
        table="bridge", default=NONE, shared=True,
    ),
    Kind("edit", "edits", "Ways to change examples that exist.", "`Edit` subclass", "its options"),
    Kind("metric", "metrics", "How good examples are.", "`Metric` subclass", "options, description of the data"),
    Kind(
        "check", "checks", "What may be wrong with data or a run.", "`Check` subclass", "its options", spec=CheckSpec,
    ),
    Kind(
        "source", "sources", "Where data comes from.", "`Source` subclass", "its options",
        spec=SourceSpec, table="source", default=AUTO,
    ),
    Kind(
        "exporter", "exporters", "File formats of trained models.", "a function `(model, path, options)` that writes a file",
        "a `TrainedModel`, a path that does not exist, its options", spec=ExporterSpec,
    ),
    Kind("observer", "observers", "Watch a training run, such as trackers.", "`Observer` subclass", "its options", tables="observers"),
    Kind("recipe", "recipes", "Named configurations.", "a TOML file in the package: the settings of a run", spec=RecipeSpec),
    Kind("cascade", "cascades", "Named cascades.", "a TOML file in the package: a list of stages", spec=RecipeSpec),
)  # fmt: skip

KINDS: dict[str, Kind] = {kind.name: kind for kind in _KINDS}


def find_kind(word: str) -> Kind | None:
    """A kind by its name or its plural."""
    return next((kind for kind in _KINDS if word in (kind.name, kind.plural)), None)


def tables(kinds: Iterable[Kind] = _KINDS) -> tuple[str, ...]:
    """The configuration tables in which ``use`` selects one part of these kinds."""
    return tuple(kind.table for kind in kinds if kind.table)
