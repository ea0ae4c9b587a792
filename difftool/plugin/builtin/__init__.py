"""difftool's own parts. They are registered through the same hooks as those of plugins."""

from .data import (
    difftool_bridges,
    difftool_conditioners,
    difftool_exporters,
    difftool_representations,
    difftool_sources,
)
from .networks import difftool_backbones, difftool_optimizers
from .objectives import difftool_objectives
from .processes import (
    difftool_densities,
    difftool_processes,
    difftool_schedules,
    difftool_weightings,
)
from .sampling import difftool_edits, difftool_guidances, difftool_samplers
from .verdicts import difftool_checks, difftool_metrics

__all__ = [
    "difftool_backbones",
    "difftool_bridges",
    "difftool_checks",
    "difftool_conditioners",
    "difftool_densities",
    "difftool_edits",
    "difftool_exporters",
    "difftool_guidances",
    "difftool_metrics",
    "difftool_objectives",
    "difftool_optimizers",
    "difftool_processes",
    "difftool_representations",
    "difftool_samplers",
    "difftool_schedules",
    "difftool_sources",
    "difftool_weightings",
]
