"""What is trained."""

from __future__ import annotations

from typing import Any

from ..hookspecs import hookimpl
from ..spec import ObjectiveSpec, Spec


def _few(name: str, summary: str, code: str, **declared: Any) -> ObjectiveSpec:
    """An objective for few evaluations, which ``difftool distill`` offers."""
    options = f"difftool.objectives.options:{code.partition(':')[2]}Options"
    target = f"difftool.objectives.{code}"
    return ObjectiveSpec(name, summary, target, options, **({"distills": True} | declared))


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
            rates=(("muon", 0.75),),
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
