"""Configuration: layers of TOML tables -> one validated ``Config``. Imports no torch or numpy."""

from __future__ import annotations

from ..plugin.kinds import AUTO, NONE
from .config import BUILT, CHANGEABLE, MEANING, SHARED, AutoConditionOptions, Config, Part
from .facts import check_facts
from .gather import gather, project_note, recipe_modality
from .layers import Layer, dict_layer, file_layer, flag_layer, recipe_layer, text_layer
from .provenance import packages
from .resolve import Resolved, config_from_dict, resolve, trace

__all__ = [
    "AUTO",
    "BUILT",
    "CHANGEABLE",
    "MEANING",
    "NONE",
    "SHARED",
    "AutoConditionOptions",
    "Config",
    "Layer",
    "Part",
    "Resolved",
    "check_facts",
    "config_from_dict",
    "dict_layer",
    "file_layer",
    "flag_layer",
    "gather",
    "packages",
    "project_note",
    "recipe_layer",
    "recipe_modality",
    "resolve",
    "text_layer",
    "trace",
]
