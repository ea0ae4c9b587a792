"""The parts of this package, as specs: their code is imported only when it is used."""

from difftool import ExporterSpec, MetricSpec, SourceSpec, Spec, hookimpl


@hookimpl
def difftool_optimizers():
    return [
        Spec(
            "lion",
            "the sign of a momentum (Chen et al. 2023)",
            "difftool_parts.lion:lion",
            "difftool_parts.options:LionOptions",
        )
    ]


@hookimpl
def difftool_guidances():
    return [
        Spec(
            "fading",
            "strong where there is little noise",
            "difftool_parts.fading:Fading",
            "difftool_parts.options:FadingOptions",
        )
    ]


@hookimpl
def difftool_sources():
    return [
        SourceSpec(
            "listing",
            "the files in a text file of paths",
            "difftool_parts.listing:Listing",
            patterns=("*.list",),
        )
    ]


@hookimpl
def difftool_exporters():
    return [
        ExporterSpec("npz", "the weights as NumPy arrays", "difftool_parts.npz:npz", suffix=".npz")
    ]


@hookimpl
def difftool_observers():
    return [
        Spec(
            "csv",
            "a table of the losses",
            "difftool_parts.table:Table",
            "difftool_parts.options:TableOptions",
        )
    ]


@hookimpl
def difftool_metrics():
    return [
        MetricSpec(
            "brightness",
            "the mean of all entries",
            "difftool_parts.brightness:Brightness",
            modalities=("*",),
        )
    ]
