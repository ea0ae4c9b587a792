"""Processes, and what each brings: densities, weightings and schedules of noise levels."""

from __future__ import annotations

from typing import Any

from ..hookspecs import hookimpl
from ..spec import ProcessSpec, Spec


def _process(name: str, summary: str, code: str, options: str = "") -> Spec:
    return Spec(
        name,
        summary,
        f"difftool.process.{code}",
        f"difftool.process.options:{options}" if options else "",
    )


def _row(
    name: str,
    summary: str,
    code: str,
    options: str,
    density: str,
    weighting: str,
    schedule: str,
    **declared: Any,
) -> ProcessSpec:
    target, model = (
        f"difftool.process.preconditioning:{code}",
        f"difftool.process.options:{options}",
    )
    return ProcessSpec(
        name,
        summary,
        target,
        model,
        density=density,
        weighting=weighting,
        schedule=schedule,
        **declared,
    )


@hookimpl
def difftool_processes() -> list[ProcessSpec]:
    return [
        _row(
            "edm",
            "preconditioning of Karras et al. 2022",
            "Edm",
            "EdmOptions",
            "lognormal",
            "edm",
            "karras",
        ),
        _row(
            "eps",
            "predicts the noise: DDPM (Ho et al. 2020)",
            "Eps",
            "PathOptions",
            "uniform",
            "uniform",
            "linear",
        ),
        _row(
            "v",
            "predicts the velocity (Salimans & Ho 2022)",
            "V",
            "PathOptions",
            "uniform",
            "uniform",
            "cosine",
        ),
        _row(
            "flow",
            "rectified flow (Liu et al. 2022)",
            "Flow",
            "PathOptions",
            "logit-normal",
            "uniform",
            "flow",
        ),
        _row(
            "score",
            "predicts the score (Song et al. 2021)",
            "Score",
            "PathOptions",
            "uniform",
            "uniform",
            "vp",
        ),
        _row(
            "cold",
            "restores degraded examples, without noise (Bansal et al. 2022)",
            "Cold",
            "ColdOptions",
            "uniform",
            "uniform",
            "severity",
            objectives=("denoising", "restoration", "multiscale", "finetune", "control"),
            schedules=("severity",),
            noisy=False,
            grid=True,
        ),
        _row(
            "x0", "predicts the clean example", "X0", "EdmOptions", "lognormal", "min-snr", "karras"
        ),
    ]


@hookimpl
def difftool_densities() -> list[Spec]:
    return [
        _process("uniform", "uniform in the schedule's time", "density:Uniform", "UniformOptions"),
        _process(
            "lognormal",
            "ln sigma is normal (Karras et al. 2022)",
            "density:LogNormal",
            "LogNormalOptions",
        ),
        _process(
            "logit-normal",
            "logit of flow time is normal (Esser et al. 2024)",
            "density:LogNormal",
            "LogitNormalOptions",
        ),
        _process(
            "discrete",
            "uniform over DDPM's discrete times (Ho et al. 2020)",
            "density:Discrete",
            "DiscreteOptions",
        ),
        _process(
            "stratified",
            "uniform in time, evenly spread over each batch",
            "density:Uniform",
            "StratifiedOptions",
        ),
    ]


@hookimpl
def difftool_weightings() -> list[Spec]:
    return [
        _process(
            "edm", "unit weight on the network's output (Karras et al. 2022)", "weighting:Edm"
        ),
        _process("uniform", "unit weight on the native target", "weighting:Uniform"),
        _process(
            "min-snr",
            "signal-to-noise ratio, capped (Hang et al. 2023)",
            "weighting:MinSnr",
            "MinSnrOptions",
        ),
        _process(
            "uncertainty",
            "learned with the network, so that every level counts the same (Karras et al. 2024)",
            "uncertainty:Uncertainty",
        ),
        _process(
            "soft-min-snr",
            "signal-to-noise ratio, softly capped (Crowson et al. 2024)",
            "weighting:SoftMinSnr",
            "SoftMinSnrOptions",
        ),
    ]


@hookimpl
def difftool_schedules() -> list[Spec]:
    return [
        _process(
            "severity",
            "evenly spaced severities of a degradation (Bansal et al. 2022)",
            "schedule:Severity",
            "SeverityOptions",
        ),
        _process(
            "karras",
            "linear in sigma^(1/rho) (Karras et al. 2022)",
            "schedule:Karras",
            "KarrasOptions",
        ),
        _process(
            "linear", "DDPM's linear betas (Ho et al. 2020)", "schedule:Linear", "LinearOptions"
        ),
        _process("cosine", "cosine (Nichol & Dhariwal 2021)", "schedule:Cosine", "CosineOptions"),
        _process("sigmoid", "sigmoid (Jabri et al. 2022)", "schedule:Sigmoid", "SigmoidOptions"),
        _process(
            "flow",
            "linear in flow time, with a shift for large examples (Esser et al. 2024)",
            "schedule:Flow",
            "FlowOptions",
        ),
        _process(
            "polynomial",
            "polynomial in time (Hoogeboom et al. 2022)",
            "schedule:Polynomial",
            "PolynomialOptions",
        ),
        _process("exponential", "linear in ln sigma", "schedule:Exponential", "ExponentialOptions"),
        _process(
            "ays",
            "levels that difftool tune schedule found for a model (Sabour et al. 2024)",
            "aligned:Aligned",
            "AysOptions",
        ),
        _process("ve", "variance-exploding SDE (Song et al. 2021)", "sde:Ve", "VeOptions"),
        _process("vp", "variance-preserving SDE (Song et al. 2021)", "sde:Vp", "VpOptions"),
        _process(
            "subvp", "sub-variance-preserving SDE (Song et al. 2021)", "sde:SubVp", "SubVpOptions"
        ),
        _process(
            "laplace",
            "log-SNR of a Laplace distribution (Hang et al. 2024)",
            "schedule:Laplace",
            "LaplaceOptions",
        ),
        _process(
            "beta",
            "DDPM's betas, visited at the quantiles of a beta distribution (Lee et al. 2024)",
            "beta:Beta",
            "BetaOptions",
        ),
        _process(
            "zero-snr",
            "DDPM's betas with zero terminal SNR and trailing steps (Lin et al. 2024)",
            "schedule:Linear",
            "ZeroSnrOptions",
        ),
    ]
