"""difftool's own parts. They are registered through the same hooks as those of plugins."""

from __future__ import annotations

from typing import Any

from .hookspecs import hookimpl
from .spec import (
    CheckSpec,
    ConditionerSpec,
    ExporterSpec,
    MetricSpec,
    ObjectiveSpec,
    ProcessSpec,
    SourceSpec,
    Spec,
)


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


def _guidance(name: str, summary: str, target: str, options: str) -> Spec:
    return Spec(
        name, summary, f"difftool.guidance.{target}", f"difftool.guidance.options:{options}"
    )


def _edit(name: str, summary: str, target: str, options: str = "") -> Spec:
    model = f"difftool.edits.options:{options}" if options else ""
    return Spec(name, summary, f"difftool.edits.{target}", model)


def _sampler(name: str, summary: str, module: str, options: str = "") -> Spec:
    return Spec(
        name,
        summary,
        f"difftool.samplers.{module}:{name}",
        f"difftool.samplers.options:{options}" if options else "",
    )


def _optimizer(name: str, summary: str, options: str) -> Spec:
    return Spec(
        name,
        summary,
        f"difftool.optimizers.{name}:{name}",
        f"difftool.optimizers.options:{options}",
    )


def _unet(name: str, summary: str, options: str) -> Spec:
    code = "difftool.nn.residual_unet:ResidualUNet"
    return Spec(name, summary, code, f"difftool.nn.options:{options}Options")


def _transformer(name: str, summary: str, code: str) -> Spec:
    home = "difftool.nn.transformer"
    return Spec(name, summary, f"{home}.{name}:{code}", f"{home}.options:{code}Options")


def _few(name: str, summary: str, code: str, **declared: Any) -> ObjectiveSpec:
    """An objective for few evaluations, which ``difftool distill`` offers."""
    options = f"difftool.objectives.options:{code.partition(':')[2]}Options"
    target = f"difftool.objectives.{code}"
    return ObjectiveSpec(name, summary, target, options, **({"distills": True} | declared))


def _conditioner(name: str, summary: str, columns: str = "columns") -> ConditionerSpec:
    """Of the column of this conditioner in the module ``columns``."""
    home, code = "difftool.conditioners", name.capitalize()
    return ConditionerSpec(
        name,
        summary,
        f"{home}.{name}:{code}",
        f"{home}.options:{code}Options",
        column=f"{home}.{columns}:{code}Column",
    )


@hookimpl
def difftool_representations() -> list[Spec]:
    return [
        Spec(
            "standard",
            "each channel with a mean of zero and one standard deviation, measured on the data",
            "difftool.representations.standard:Standard",
            "difftool.representations.options:StandardOptions",
        ),
        Spec(
            "latent",
            "the latents of a trained autoencoder, which the model file then holds",
            "difftool.representations.latent:Latent",
            "difftool.representations.options:LatentOptions",
        ),
        Spec(
            "embedding",
            "one vector for each example, by a pretrained network, for a prior",
            "difftool.representations.embedding:Embedding",
            "difftool.representations.options:EmbeddingOptions",
        ),
        Spec(
            "framewise",
            "the latents of each frame by itself, by an autoencoder of single ones",
            "difftool.representations.framewise:Framewise",
            "difftool.representations.options:LatentOptions",
        ),
    ]


@hookimpl
def difftool_backbones() -> list[Spec]:
    return [
        Spec(
            "unet",
            "U-Net with attention, in one, two or three dimensions",
            "difftool.nn.unet:UNet",
            "difftool.nn.options:UNetOptions",
        ),
        _unet("ddpmpp", "the U-Net DDPM++ of EDM (Song et al. 2021)", "ResidualUNet"),
        _unet("adm", "the U-Net ADM (Dhariwal & Nichol 2021)", "Adm"),
        Spec(
            "edm2",
            "magnitude-preserving U-Net (Karras et al. 2024)",
            "difftool.nn.edm2:Edm2",
            "difftool.nn.options:Edm2Options",
        ),
        _transformer("dit", "diffusion transformer over patches (Peebles & Xie 2023)", "DiT"),
        _transformer("uvit", "transformer with long skips (Bao et al. 2022)", "UViT"),
        _transformer(
            "mmdit",
            "transformer with a stream for the condition's tokens (Esser et al. 2024)",
            "MMDiT",
        ),
        _transformer(
            "rin",
            "latent tokens that read from patches and write to them (Jabri et al. 2022)",
            "RIN",
        ),
    ]


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
def difftool_objectives() -> list[Spec]:
    return [
        Spec("denoising", "denoising score matching", "difftool.objective:Denoising"),
        _few(
            "consistency",
            "consistency tuning of a trained model, for few evaluations (Geng et al. 2024)",
            "consistency:Consistency",
            sampler="consistency",
            wide=True,
        ),
        _few(
            "consistency-distillation",
            "consistency of two levels on a teacher's flow, its guidance included (Song et al. 2023)",
            "consistency_distillation:ConsistencyDistillation",
            sampler="consistency",
            wide=True,
        ),
        _few(
            "progressive",
            "one step for two of the teacher, in rounds (Salimans & Ho 2022)",
            "progressive:Progressive",
            sampler="euler",
            serves="exact",
        ),
        _few(
            "sfd",
            "few points of the teacher's trajectory, in minutes (Zhou et al. 2024)",
            "sfd:Sfd",
            sampler="euler",
            serves="exact",
        ),
        _few(
            "reflow",
            "straighter paths to the teacher's own examples (Liu et al. 2022)",
            "reflow:Reflow",
            sampler="euler",
        ),
        _few(
            "distribution-matching",
            "samples as likely as the teacher's, by a second network (Yin et al. 2024)",
            "distribution_matching:DistributionMatching",
            sampler="consistency",
            serves="exact",
        ),
        _few(
            "adversarial",
            "samples that a discriminator on the teacher's features takes for examples (Sauer et al. "
            "2023)",
            "adversarial:Adversarial",
            sampler="consistency",
            serves="exact",
        ),
        _few(
            "improved-consistency",
            "consistency from scratch, on a grid that gets finer (Song & Dhariwal 2023)",
            "improved_consistency:ImprovedConsistency",
            sampler="consistency",
            wide=True,
        ),
        _few(
            "continuous-consistency",
            "consistency in continuous time, with or without a teacher (Lu & Song 2024)",
            "continuous_consistency:ContinuousConsistency",
            sampler="consistency",
            wide=True,
        ),
        _few(
            "consistency-trajectory",
            "steps from any level to any other, on a teacher's flow (Kim et al. 2024)",
            "consistency_trajectory:ConsistencyTrajectory",
            sampler="trajectory",
        ),
        _few(
            "mean-flow",
            "the mean velocity between any two levels, with or without a teacher (Geng et al. 2025)",
            "mean_flow:MeanFlow",
            sampler="trajectory",
            wide=True,
        ),
        _few(
            "shortcut",
            "one long step for two short ones, with or without a teacher (Frans et al. 2024)",
            "shortcut:Shortcut",
            sampler="trajectory",
            wide=True,
        ),
        _few(
            "guided",
            "guidance folded in, with its scale as a condition; steps as before (Meng et al. 2023)",
            "guided:Guided",
            guidance="folded",
            serves="any",
        ),
        Spec(
            "control",
            "a branch beside a trained model that follows a map (ControlNet, Zhang et al. 2023)",
            "difftool.objectives.control:Control",
            "difftool.objectives.options:ControlOptions",
        ),
        Spec(
            "finetune",
            "additions to a trained model: LoRA (Hu et al. 2022), DoRA, the last layer, or all weights",
            "difftool.objectives.finetune:Finetune",
            "difftool.objectives.options:FinetuneOptions",
        ),
        Spec(
            "restoration",
            "denoising with the absolute error, as in cold diffusion (Bansal et al. 2022)",
            "difftool.objectives.restoration:Restoration",
        ),
        Spec(
            "classifier",
            "a classifier of noisy examples, for guidance (Dhariwal & Nichol 2021)",
            "difftool.objectives.classifier:ClassifierTraining",
            "difftool.objectives.options:ClassifierOptions",
        ),
        Spec(
            "multiscale",
            "denoising whose errors count at every resolution (Hoogeboom et al. 2023)",
            "difftool.objectives.multiscale:Multiscale",
            "difftool.objectives.options:MultiscaleOptions",
        ),
        Spec(
            "hybrid",
            "denoising, and learned variances of the steps (Nichol & Dhariwal 2021)",
            "difftool.objectives.variance:Hybrid",
            "difftool.objectives.options:HybridOptions",
        ),
        Spec(
            "vlb",
            "the variational bound with learned variances alone (Nichol & Dhariwal 2021)",
            "difftool.objectives.variance:Vlb",
            "difftool.objectives.options:VlbOptions",
        ),
        Spec(
            "autoencoder",
            "an encoder and a decoder, in whose latents another model diffuses (Rombach et al. "
            "2022)",
            "difftool.objectives.autoencoder:Autoencoding",
            "difftool.objectives.autoencoder_options:AutoencoderOptions",
        ),
    ]


@hookimpl
def difftool_optimizers() -> list[Spec]:
    return [
        _optimizer(
            "adamw", "Adam with decoupled weight decay (Loshchilov & Hutter 2019)", "AdamwOptions"
        ),
        _optimizer(
            "muon",
            "orthogonal updates of matrices (Jordan et al. 2024): fewer steps, each slightly slower",
            "MuonOptions",
        ),
    ]


@hookimpl
def difftool_conditioners() -> list[ConditionerSpec]:
    return [
        _conditioner(
            "beside",
            "a file, laid beside the noisy example: a map, or what is edited",
            "file_column",
        ),
        _conditioner("channels", "extra input channels, concatenated to the noisy example"),
        ConditionerSpec(
            "encoder",
            "a text, by a pretrained encoder: CLIP, T5, CLAP, BERT, sentence-transformers",
            "difftool.conditioners.encoder:PretrainedText",
            "difftool.conditioners.options:EncoderOptions",
            column="difftool.conditioners.encoder_column:EncoderTextColumn",
        ),
        _conditioner("label", "one learned vector per label"),
        _conditioner(
            "labels",
            "several labels at once, written as cat;drawing: the sum of their learned vectors",
        ),
        _conditioner("number", "Fourier features of a number"),
        _conditioner(
            "reference", "a file, by its embedding by CLIP, CLAP or the like", "file_column"
        ),
        ConditionerSpec(
            "text",
            "a text, such as a caption, by an encoder that is trained along",
            "difftool.conditioners.text:Text",
            "difftool.conditioners.options:TextOptions",
            column="difftool.conditioners.text_column:TextColumn",
        ),
        _conditioner("vector", "a linear map of a vector"),
    ]


@hookimpl
def difftool_bridges() -> list[Spec]:
    return [
        Spec(
            "resample",
            "downsampling along some axes, and smooth upsampling",
            "difftool.bridges.resample:Resample",
            "difftool.bridges.options:ResampleOptions",
        ),
        Spec(
            "reconstruct",
            "what an autoencoder's decoder makes, for a diffusion decoder after it",
            "difftool.bridges.reconstruct:Reconstruct",
            "difftool.bridges.options:ReconstructOptions",
        ),
        Spec(
            "embedding",
            "an embedding by a pretrained network, which a prior makes",
            "difftool.bridges.embedding:EmbeddingBridge",
            "difftool.bridges.options:EmbeddingBridgeOptions",
        ),
    ]


@hookimpl
def difftool_sources() -> list[SourceSpec]:
    archives = ("*.zip", "*.tar", "*.tar.gz", "*.tgz", "*.tar.bz2", "*.tar.xz")
    return [
        SourceSpec(
            "folder",
            "a folder or file on this machine, used where it is",
            "difftool.sources.folder:Folder",
            patterns=("*",),
        ),
        SourceSpec(
            "archive",
            "a zip or tar file, or shards of one, unpacked into the cache",
            "difftool.sources.archive:Archive",
            "difftool.sources.options:ArchiveOptions",
            patterns=archives,
            folders=archives[1:],
        ),
        SourceSpec(
            "parquet",
            "Parquet files whose rows hold files, as on Hugging Face's hub",
            "difftool.sources.parquet:Parquet",
            "difftool.sources.options:ParquetOptions",
            requires=("pyarrow>=15",),
            patterns=("*.parquet",),
            folders=("*.parquet",),
        ),
    ]


@hookimpl
def difftool_exporters() -> list[ExporterSpec]:
    return [
        ExporterSpec(
            "model",
            "difftool's own model file",
            "difftool.exporters.model:model",
            suffix=".safetensors",
        )
    ]


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
