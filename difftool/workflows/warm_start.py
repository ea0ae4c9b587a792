"""Settings of a run that starts from the weights of another run."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..config import MEANING, dict_layer
from ..names import path_text
from .model import model_path, plain_config

if TYPE_CHECKING:
    from ..config import Config, Layer


def started(config: Config, resolved: Callable[[Layer], Config]) -> Config:
    """The configuration, with the network of the model that ``train.init`` names as defaults.

    Args:
        resolved: resolves the configuration again, with a layer between the recipe and the user's
            settings.

    Raises:
        UsageError: there is no such model.
    """
    if not config.train.init:
        return config
    path = model_path(config.train.init).absolute()
    config = resolved(dict_layer(_tables(plain_config(path), config), str(path)))
    return config.replace(train=config.train.model_copy(update={"init": path_text(path)}))


def _tables(there: dict[str, Any], config: Config) -> dict[str, Any]:
    """The settings that both networks have, and the parametrization of the model."""
    backbone = config.backbone
    shared = {
        name: value
        for name, value in there.get("backbone", {}).items()
        if name in type(backbone.options).model_fields
    }
    tables = {name: there[name] for name in MEANING if name in there}
    return {"backbone": {"use": backbone.use, **shared}, **tables}
