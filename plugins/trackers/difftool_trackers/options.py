"""Settings of trackers, imported without torch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from difftool import Options


class TrackerOptions(Options):
    """What all trackers share."""

    project: str = Field(
        "difftool", description="project, or experiment, in which the tracker shows the run"
    )
    name: str = Field("", description="name of the run there; empty for the name of its folder")
    previews: bool = Field(True, description="whether previews are copied to the tracker")


class TensorBoardOptions(TrackerOptions):
    """TensorBoard."""

    folder: str = Field("", description="folder of its files; empty for RUN/tensorboard")


class WandbOptions(TrackerOptions):
    """Weights & Biases."""

    mode: Literal["auto", "online", "offline", "disabled"] = Field(
        "auto", description="auto does as the environment variable WANDB_MODE says"
    )
    entity: str = Field("", description="user or team; empty for that of your login")


class MlflowOptions(TrackerOptions):
    """MLflow."""

    uri: str = Field(
        "",
        description="address of the tracking server or store; empty for MLFLOW_TRACKING_URI, or "
        "else files in mlruns beside the run",
    )


class TrackioOptions(TrackerOptions):
    """trackio."""
