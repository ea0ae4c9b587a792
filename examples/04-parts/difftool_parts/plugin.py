"""The parts of this package, as specs: their code is imported only when it is used."""

from difftool import (
    CheckSpec,
    ConditionerSpec,
    ExporterSpec,
    MetricSpec,
    ProcessSpec,
    SourceSpec,
    Spec,
    hookimpl,
)

OWN = "difftool_parts.options"


@hookimpl
def difftool_representations():
    return [
        Spec(
            "unit-variance",
            "bytes, standardised by the data",
            "difftool_parts.unit_variance:UnitVariance",
        )
    ]


@hookimpl
def difftool_backbones():
    return [
        Spec(
            "plain",
            "convolutions at one resolution",
            "difftool_parts.network:Plain",
            f"{OWN}:PlainOptions",
        )
    ]


@hookimpl
def difftool_processes():
    return [
        ProcessSpec(
            "angle",
            "the velocity along a circle (Lu & Song 2024)",
            "difftool_parts.row:Angle",
            f"{OWN}:AngleOptions",
            density="peaked",
            weighting="soft",
            schedule="even-angles",
        )
    ]


@hookimpl
def difftool_densities():
    return [
        Spec(
            "peaked",
            "Laplace distributed ln sigma (Hang et al. 2024)",
            "difftool_parts.density:Peaked",
            f"{OWN}:PeakedOptions",
        )
    ]


@hookimpl
def difftool_weightings():
    return [
        Spec(
            "soft",
            "a sigmoid of the SNR (Kingma & Gao 2023)",
            "difftool_parts.weighting:Soft",
            f"{OWN}:SoftOptions",
        )
    ]


@hookimpl
def difftool_schedules():
    return [
        Spec(
            "even-angles",
            "evenly spaced angles",
            "difftool_parts.schedule:EvenAngles",
            f"{OWN}:EvenAnglesOptions",
        )
    ]


@hookimpl
def difftool_objectives():
    return [
        Spec(
            "huber",
            "large errors count less (Song & Dhariwal 2023)",
            "difftool_parts.huber:Huber",
            f"{OWN}:HuberOptions",
        )
    ]


@hookimpl
def difftool_conditioners():
    return [
        ConditionerSpec(
            "clock",
            "the time of day",
            "difftool_parts.clock:Clock",
            f"{OWN}:ClockOptions",
            column="difftool_parts.clock_column:ClockColumn",
        )
    ]


@hookimpl
def difftool_bridges():
    return [Spec("colour", "colours grey pictures", "difftool_parts.colour:Colour")]


@hookimpl
def difftool_samplers():
    return [Spec("ralston", "Ralston 1962, second order", "difftool_parts.ralston:ralston")]


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


@hookimpl
def difftool_edits():
    return [
        Spec("mirror", "make the example from its mirror image", "difftool_parts.mirror:Mirror")
    ]


@hookimpl
def difftool_checks():
    return [
        CheckSpec("positive", "values that are all positive", "difftool_parts.positive:Positive")
    ]
