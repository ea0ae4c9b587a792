"""Settings. difftool imports this module to print help, so it must not import torch or numpy."""

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from difftool import LatentOptions, Options

Networks = Literal[
    "UNet1DModel", "UNet2DModel", "UNet2DConditionModel", "UNet3DConditionModel", "DiTTransformer2DModel"
]  # fmt: skip
Autoencoders = Literal["AutoencoderKL", "AutoencoderTiny", "VQModel"]
MULTISTEP = ("UniPCMultistepScheduler", "DEISMultistepScheduler", "DPMSolverMultistepScheduler")
ORDERS = dict.fromkeys(MULTISTEP, (1, 2, 3)) | {
    "EulerDiscreteScheduler": (1,), "HeunDiscreteScheduler": (2,), "DDIMScheduler": (1,),
    "PNDMScheduler": (2,),
}  # fmt: skip
"""The deterministic schedulers, with the orders of each."""


class NetworkOptions(Options):
    """A network of diffusers. Weights that expect its own noise need process.use = "eps"."""

    network: Networks = Field("UNet2DModel", description="class of the network in diffusers")
    config: dict[str, Any] = Field({}, description="its arguments, as in config.json")
    folder: str = Field("", description="a folder of diffusers, whose weights training starts from")

    @model_validator(mode="before")
    @classmethod
    def _of_folder(cls, data: Any) -> Any:
        return _with_config(data, "folder")


class LatentsOptions(LatentOptions):
    """An autoencoder of diffusers; representation.model is its folder."""

    network: Autoencoders = Field("AutoencoderKL", description="class of the autoencoder")
    config: dict[str, Any] = Field({}, description="its arguments, as in config.json")

    @model_validator(mode="before")
    @classmethod
    def _of_folder(cls, data: Any) -> Any:
        return _with_config(data, "model")


def _with_config(data: Any, key: str) -> Any:
    """What the folder says becomes part of the run, which then does not need the folder."""
    if not (isinstance(data, dict) and data.get(key)) or data.get("config"):
        return data
    path = Path(data[key]).expanduser() / "config.json"
    if not path.is_file():
        raise ValueError(f"there is no {path}; name a folder that diffusers has saved")
    config = json.loads(path.read_text(encoding="utf-8"))
    name = config.pop("_class_name", data.get("network"))
    config = {key: value for key, value in config.items() if key[0] != "_"}
    return {**data, "network": name, "config": _without_none(config)}


def _without_none(config: dict[str, Any]) -> dict[str, Any]:
    """TOML has no null: what is not given is diffusers' default."""
    return {key: value for key, value in config.items() if value is not None}


class SchedulerOptions(Options):
    """A scheduler of diffusers, at the noise levels of difftool's schedule."""

    scheduler: str = Field("UniPCMultistepScheduler", description=f"one of {', '.join(ORDERS)}")
    order: int = Field(0, ge=0, le=3, description="order of the solver; 0 means 2, or its only one")

    @model_validator(mode="before")
    @classmethod
    def _of_an_order_that_it_has(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        name = data.get("scheduler", "UniPCMultistepScheduler")
        if (orders := ORDERS.get(name)) is None:
            raise ValueError(f"there is no scheduler {name!r}; use one of {', '.join(ORDERS)}")
        chosen = data.get("order") or (2 if 2 in orders else orders[0])
        if chosen not in orders:
            raise ValueError(f"{name} has the order {orders[0]}, not {chosen}")
        return {**data, "order": chosen}
