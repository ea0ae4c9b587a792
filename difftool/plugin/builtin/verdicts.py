"""Metrics of samples, and checks of runs and data."""

from __future__ import annotations

from ..hookspecs import hookimpl
from ..spec import CheckSpec, MetricSpec

FEATURE_METRICS = (
    (
        "frechet",
        "Fréchet distance in the features of a judge of the data (Heusel et al. 2017)",
        "frechet:Frechet",
        "",
        "-distance",
    ),
    (
        "kernel",
        "KID and Gaussian MMD in the features of a judge (Binkowski et al. 2018)",
        "kernel:KernelDistance",
        "",
        "-mmd",
    ),
    (
        "coverage",
        "precision, recall, density and coverage in the features of a judge (Naeem et al. 2020)",
        "coverage:Coverage",
        "difftool.metrics.options:CoverageOptions",
        "+coverage",
    ),
    (
        "memorisation",
        "near copies of the data among samples, in the features of a judge (Carlini et al. 2023)",
        "memorisation:Memorisation",
        "difftool.metrics.options:MemorisationOptions",
        "-near_copies",
    ),
    (
        "inception",
        "how sure a judge is of labels, and how varied they are (Salimans et al. 2016)",
        "inception:InceptionScore",
        "",
        "",
    ),
    (
        "agreement",
        "whether a judge sees the label or the number that was asked for",
        "agreement:Agreement",
        "",
        "",
    ),
    (
        "captions",
        "whether examples are found again by their text, and the score of CLIP or CLAP where given",
        "captions:Captions",
        "",
        "",
    ),
    (
        "fairness",
        "how much worse a model serves its worst class than its best one (Lee et al. 2023)",
        "fairness:Fairness",
        "",
        "",
    ),
)
"""Name, summary, code, options and best number of the metrics in the features of a judge."""


@hookimpl
def difftool_metrics() -> list[MetricSpec]:
    return [
        MetricSpec(
            "patches",
            "distance between small patches of samples and data, at every scale (Karras et al. 2018)",
            "difftool.metrics.patches:Patches",
            "difftool.metrics.options:PatchesOptions",
            distance="distance",
        ),
        *(
            MetricSpec(
                name, summary, f"difftool.metrics.{code}", options, modalities=("*",), best=best
            )
            for name, summary, code, options, best in FEATURE_METRICS
        ),
        MetricSpec(
            "likelihood",
            "log-likelihood under the model, by its probability-flow ODE (Song et al. 2021)",
            "difftool.metrics.likelihood:Likelihood",
            "difftool.metrics.options:LikelihoodOptions",
            modalities=("*",),
            on_request=True,
        ),
    ]


CHECKS = (
    ("copies", "near copies, and copies under different labels", "copies:Copies"),
    ("labels", "shuffled and wrong labels", "labels:Labels"),
    ("amount", "too little data, in all or of a class", "amount:Amount"),
    ("blank", "examples that show nothing", "blank:Blank"),
    ("loss", "the shape of the loss, and how the run ended", "loss:Loss"),
    ("levels", "over- and underfitting by noise level", "levels:LevelsCheck"),
    ("noise", "noise levels that do not fit the data", "noise:NoiseRange"),
    ("conditions", "conditions without an effect", "reactions:Conditions"),
    ("samples", "samples beside data, and how they are drawn", "samples:SamplesCheck"),
    ("unusable", "files that training skips", "unusable:Unusable"),
    ("speed", "a loader that is too slow", "speed:Speed"),
)
"""Name, summary and code of the checks of ``difftool doctor``."""


@hookimpl
def difftool_checks() -> list[CheckSpec]:
    return [CheckSpec(name, summary, f"difftool.checks.{code}") for name, summary, code in CHECKS]
