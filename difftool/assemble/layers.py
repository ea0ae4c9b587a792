"""The layers of a network that starts from another one: at the same levels, whatever the data's
size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..config import Config, config_from_dict
from ..description import Description, described
from ..engine.weights import MODEL, read_about
from ..names import local_path
from ..nn.options import UNetOptions
from .build import Assembly


def with_layers_of_init(config: Config, assembly: Assembly, description: Description) -> Config:
    """The config; its network attends at the levels at which the model of ``train.init`` does.

    Settings count positions, and examples of another size have other positions at each level. So
    settings that are those of the model are changed to what they mean at the new size.

    Raises:
        ModelFileError: the model file is damaged, foreign, or newer than this program.
    """
    options = config.backbone.options
    if not config.train.init or not isinstance(options, UNetOptions):
        return config
    path = local_path(config.train.init)
    about = read_about(path, MODEL)
    there = config_from_dict(about["config"], str(path), assembly.registry)
    if not isinstance(there.backbone.options, UNetOptions):
        return config
    source = Assembly(assembly.registry, assembly.device, path)
    before = source.representation(there, described(path, about["description"])).shape
    now = assembly.representation(config, description).shape
    same = options.at_levels_of(there.backbone.options, _sizes(before), _sizes(now))
    return config.replace(backbone=replace(config.backbone, options=same))


def _sizes(shape: Sequence[int | None]) -> Sequence[int | None]:
    """The axes of an encoded example without its channels."""
    return shape[1:]
