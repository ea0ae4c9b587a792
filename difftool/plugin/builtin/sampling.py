"""Samplers, guidance and edits."""

from __future__ import annotations

from ..hookspecs import hookimpl
from ..spec import Spec


def _sampler(name: str, summary: str, module: str, options: str = "") -> Spec:
    return Spec(
        name,
        summary,
        f"difftool.samplers.{module}:{name}",
        f"difftool.samplers.options:{options}" if options else "",
    )


def _guidance(name: str, summary: str, target: str, options: str) -> Spec:
    return Spec(
        name, summary, f"difftool.guidance.{target}", f"difftool.guidance.options:{options}"
    )


def _edit(name: str, summary: str, target: str, options: str = "") -> Spec:
    model = f"difftool.edits.options:{options}" if options else ""
    return Spec(name, summary, f"difftool.edits.{target}", model)


@hookimpl
def difftool_samplers() -> list[Spec]:
    return [
        _sampler("ddpm", "ancestral sampling of DDPM (Ho et al. 2020)", "ancestral", "DdpmOptions"),
        _sampler("ddim", "DDIM (Song et al. 2021); eta adds noise", "ancestral", "DdimOptions"),
        _sampler("euler", "Euler's method: first order, one evaluation a step", "euler"),
        _sampler(
            "euler_ancestral",
            "Euler's method with fresh noise at every step",
            "ancestral",
            "EulerAncestralOptions",
        ),
        _sampler(
            "heun",
            "Heun's method: second order, two evaluations a step; churn (Karras et al. 2022)",
            "heun",
            "HeunOptions",
        ),
        _sampler(
            "dpmpp_2m",
            "DPM-Solver++ 2M: second order, one evaluation a step (Lu et al. 2022)",
            "dpmpp",
        ),
        _sampler(
            "dpmpp_2m_sde",
            "DPM-Solver++ 2M for the reverse diffusion, with fresh noise",
            "dpmpp",
            "Dpmpp2mSdeOptions",
        ),
        _sampler(
            "pndm",
            "pseudo linear multistep: second order, one evaluation a step (Liu et al. 2022)",
            "pndm",
        ),
        _sampler(
            "dpm_solver",
            "DPM-Solver, singlestep, of order 1 to 3 (Lu et al. 2022)",
            "dpm_solver",
            "DpmSolverOptions",
        ),
        _sampler(
            "dpmpp_2s",
            "DPM-Solver++ 2S: second order, two evaluations a step; eta adds noise",
            "dpmpp_2s",
            "Dpmpp2sOptions",
        ),
        _sampler(
            "dpmpp_sde",
            "DPM-Solver++ for the reverse diffusion, two evaluations a step",
            "dpmpp_sde",
            "DpmppSdeOptions",
        ),
        _sampler(
            "dpmpp_3m_sde",
            "DPM-Solver++ 3M for the reverse diffusion, with fresh noise",
            "dpmpp_3m_sde",
            "Dpmpp3mSdeOptions",
        ),
        _sampler(
            "unipc",
            "UniPC: a predictor and a corrector, one evaluation a step (Zhao et al. 2023)",
            "unipc",
            "UnipcOptions",
        ),
        _sampler(
            "deis",
            "DEIS: a polynomial in time, one evaluation a step (Zhang & Chen 2023)",
            "deis",
            "DeisOptions",
        ),
        _sampler(
            "plms",
            "pndm with its Runge-Kutta warm-up of three steps (Liu et al. 2022)",
            "plms",
        ),
        _sampler(
            "ipndm",
            "pndm that starts with lower orders, one evaluation a step (Zhang & Chen 2023)",
            "ipndm",
        ),
        _sampler(
            "lms",
            "linear multistep: a polynomial in sigma, one evaluation a step",
            "lms",
            "LmsOptions",
        ),
        _sampler(
            "rk4",
            "Runge's and Kutta's method: fourth order, four evaluations a step",
            "runge_kutta",
        ),
        _sampler(
            "rk45",
            "adaptive steps of fifth order, to a tolerance (Dormand & Prince 1980)",
            "rk45",
            "Rk45Options",
        ),
        _sampler(
            "sa_solver",
            "stochastic Adams: a predictor and a corrector with fresh noise (Xue et al. 2023)",
            "sa_solver",
            "SaSolverOptions",
        ),
        _sampler(
            "restart",
            "Heun's method that goes back up with fresh noise (Xu et al. 2023)",
            "restart",
            "RestartOptions",
        ),
        _sampler(
            "predictor_corrector",
            "reverse diffusion, corrected by Langevin steps (Song et al. 2021)",
            "predictor_corrector",
            "PredictorCorrectorOptions",
        ),
        _sampler(
            "langevin",
            "annealed Langevin dynamics: many steps at each of many levels (Song & Ermon 2019)",
            "langevin",
            "LangevinOptions",
        ),
        _sampler(
            "consistency",
            "multistep sampling of a consistency model (Song et al. 2023), which distill makes",
            "consistency",
        ),
        _sampler(
            "trajectory",
            "jumps along the trajectory of a model that learned them; gamma adds noise (Kim et al. "
            "2024)",
            "trajectory",
            "TrajectoryOptions",
        ),
        _sampler(
            "one_step",
            "a single evaluation, for models that go all the way to the data",
            "trajectory",
        ),
    ]


@hookimpl
def difftool_guidances() -> list[Spec]:
    return [
        _guidance(
            "cfg",
            "classifier-free guidance, in an interval of noise levels (Ho & Salimans 2022)",
            "cfg:ClassifierFree",
            "GuidanceOptions",
        ),
        _guidance(
            "cfgpp",
            "CFG++: guided estimates with unconditional noise (Chung et al. 2024)",
            "cfgpp:CfgPlusPlus",
            "CfgppOptions",
        ),
        _guidance(
            "apg",
            "adaptive projected guidance, which does not saturate (Sadat et al. 2024)",
            "apg:Projected",
            "ApgOptions",
        ),
        _guidance(
            "threshold",
            "dynamic thresholding of the estimates (Saharia et al. 2022)",
            "threshold:Thresholded",
            "ThresholdOptions",
        ),
        _guidance(
            "autoguidance",
            "away from a worse version of the model, also without labels (Karras et al. 2024)",
            "auto:Autoguidance",
            "AutoguidanceOptions",
        ),
        _guidance(
            "folded",
            "guidance that was folded into the network, which is told its scale (Meng et al. 2023)",
            "folded:Folded",
            "FoldedOptions",
        ),
        _guidance(
            "composition",
            "the product of separately trained models (Liu et al. 2022)",
            "composition:Composition",
            "CompositionOptions",
        ),
        _guidance(
            "reconstruction",
            "the gradient of the error of given entries (Ho et al. 2022)",
            "reconstruction:Reconstruction",
            "ReconstructionOptions",
        ),
        _guidance(
            "stitch",
            "several regions, each under its own condition (Bar-Tal et al. 2023)",
            "stitch:Stitch",
            "StitchOptions",
        ),
        _guidance(
            "classifier",
            "the gradient of a classifier of noisy examples (Dhariwal & Nichol 2021)",
            "classifier:ClassifierGuidance",
            "ClassifierGuidanceOptions",
        ),
        _guidance(
            "perturbed",
            "away from the model without its attention (Ahn et al. 2024)",
            "perturbed:PerturbedAttention",
            "PerturbedOptions",
        ),
    ]


@hookimpl
def difftool_edits() -> list[Spec]:
    return [
        _edit("fill", "make what is selected anew, and keep the rest", "fill:Fill", "FillOptions"),
        _edit("extend", "make what is added around the example", "fill:Extend", "FillOptions"),
        _edit("loop", "let the example go on where it ends", "fill:Loop", "LoopOptions"),
        _edit("vary", "noise to a level and back (SDEdit)", "vary:Vary", "VaryOptions"),
        _edit(
            "invert",
            "make the example again from its own noise, under other conditions if asked",
            "inversion:Invert",
            "InversionOptions",
        ),
        _edit(
            "interpolate",
            "from one example to the next, through their noise",
            "interpolate:Interpolate",
            "InterpolateOptions",
        ),
        _edit(
            "remake",
            "make the example again with noise of its own at every step, under other conditions",
            "remake:Remake",
            "RemakeOptions",
        ),
        _edit(
            "stitch",
            "several regions under conditions of their own, as one (MultiDiffusion)",
            "stitch:Stitched",
            "StitchedOptions",
        ),
        _edit(
            "restore",
            "undo noise, blur, lost resolution, clipping, gaps, compression",
            "restore:Restore",
            "RestoreOptions",
        ),
    ]
