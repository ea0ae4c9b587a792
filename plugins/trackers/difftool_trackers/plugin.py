"""The parts of this plugin, as specs: their code is imported only when it is used."""

from __future__ import annotations

from difftool import Spec, hookimpl


@hookimpl
def difftool_observers() -> list[Spec]:
    return [
        Spec(
            "tensorboard",
            "shows a run in TensorBoard",
            "difftool_trackers.tensorboard:TensorBoard",
            "difftool_trackers.options:TensorBoardOptions",
            requires=("tensorboard>=2.16",),
        ),
        Spec(
            "wandb",
            "shows a run in Weights & Biases",
            "difftool_trackers.wandb:Wandb",
            "difftool_trackers.options:WandbOptions",
            requires=("wandb>=0.17",),
        ),
        Spec(
            "mlflow",
            "shows a run in MLflow",
            "difftool_trackers.mlflow:Mlflow",
            "difftool_trackers.options:MlflowOptions",
            requires=("mlflow-skinny>=2.12",),
        ),
        Spec(
            "trackio",
            "shows a run in trackio, on this machine",
            "difftool_trackers.trackio:Trackio",
            "difftool_trackers.options:TrackioOptions",
            requires=("trackio>=0.5",),
        ),
    ]
