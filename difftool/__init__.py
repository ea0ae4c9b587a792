"""difftool: train and sample diffusion models on your own files.

This module is the public surface for plugins and scripts. Names are imported on first use, so that
``import difftool`` itself is fast.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOME = {
    # Train, load, sample, evaluate.
    "train": "workflows.run",
    "training": "workflows.run",
    "resume": "workflows.run",
    "distill": "workflows.distill",
    "finetune": "workflows.finetune",
    "load": "workflows.trained",
    "build": "workflows.build",
    "evaluate": "workflows.trained",
    "doctor": "workflows.doctor",
    "Run": "workflows.run",
    "Training": "workflows.run",
    "Model": "workflows.trained",
    "Samples": "workflows.sample",
    "Built": "workflows.built",
    "Examples": "workflows.build",
    "Stage": "stage",
    "part": "workflows.built",
    "parts": "workflows.built",
    "Reporter": "workflows.reporter",
    "Terminal": "cli.terminal",
    # The nouns: what plugins write, and what they are given.
    "Arrays": "data.arrays",
    "ArraysOptions": "data.options",
    "Backbone": "nn.backbone",
    "Batch": "batch",
    "Bridge": "bridge",
    "Case": "verdict.case",
    "ChannelsColumn": "conditioners.columns",
    "Check": "verdict.check",
    "CheckSpec": "plugin.spec",
    "Coder": "nn.autoencoder.coder",
    "Coefficients": "process.process",
    "Column": "column",
    "Cond": "denoiser",
    "Condition": "description",
    "Conditioner": "conditioner",
    "ConditionerSpec": "plugin.spec",
    "Context": "context",
    "D": "denoiser",
    "Degradation": "process.degradation",
    "Denoise": "sampler",
    "Denoiser": "denoiser",
    "Density": "process.process",
    "Description": "description",
    "Diagnosis": "verdict.diagnosis",
    "Euclidean": "space",
    "ExporterSpec": "plugin.spec",
    "Edit": "edit",
    "Extent": "extent",
    "Finding": "modality",
    "Frozen": "nn.frozen",
    "hookimpl": "plugin.hookspecs",
    "Inspection": "data.inspect",
    "Interface": "nn.backbone",
    "Item": "modality",
    "LabelColumn": "conditioners.columns",
    "LabelsColumn": "conditioners.columns",
    "LengthRequest": "data.options",
    "Look": "data.inspect",
    "FeatureMetric": "metric",
    "Features": "metric",
    "Metric": "metric",
    "Latent": "representations.latent",
    "LatentOptions": "representations.options",
    "MetricSpec": "plugin.spec",
    "Modality": "modality",
    "ModelMetric": "metric",
    "Statistics": "metric",
    "ModalitySpec": "plugin.spec",
    "Moment": "objective",
    "Noise": "sampler",
    "Noised": "objective",
    "NoOptions": "options",
    "NumberColumn": "conditioners.columns",
    "Objective": "objective",
    "Observer": "observer",
    "OptimizerOptions": "optimizers.options",
    "Options": "options",
    "Player": "objective",
    "Preconditioning": "process.process",
    "Process": "process.process",
    "ObjectiveSpec": "plugin.spec",
    "ProcessSpec": "plugin.spec",
    "Progress": "observer",
    "RecipeSpec": "plugin.spec",
    "RepresentationSpec": "plugin.spec",
    "Representation": "representation",
    "Result": "observer",
    "Rng": "rng",
    "Rows": "column",
    "RunInfo": "observer",
    "Scene": "modality",
    "Schedule": "process.process",
    "ScoreDistillation": "objectives.score_distillation",
    "VariationalDistillation": "objectives.score_distillation",
    "Sequences": "data.arrays",
    "SequencesOptions": "data.options",
    "Signals": "nn.backbone",
    "Source": "source",
    "SourceSpec": "plugin.spec",
    "Space": "space",
    "Spec": "plugin.spec",
    "Start": "edit",
    "Step": "sampler",
    "Stream": "rng",
    "Streams": "rng",
    "TrainedModel": "exporter",
    "VectorColumn": "conditioners.columns",
    "Weighting": "process.process",
    "ClassifierFree": "guidance.cfg",
    "Entries": "edit",
    "agreeing": "guidance.inpaint",
    "following": "guidance.inpaint",
    "Given": "edit",
    "Guidance": "guidance.guidance",
    "Sampling": "guidance.guidance",
    # Errors.
    "ConfigError": "errors",
    "DataError": "errors",
    "DeviceError": "errors",
    "DifftoolError": "errors",
    "ModelFileError": "errors",
    "PluginError": "errors",
    "UsageError": "errors",
    # A toolbox for networks and training.
    "attend": "nn.attention",
    "bind": "guidance.bind",
    "conv": "nn.layers",
    "decay_groups": "optimizers.optimizer",
    "drop_conditions": "objective",
    "expand_as": "shapes",
    "Fourier": "nn.embedding",
    "GroupNorm": "nn.norm",
    "head_count": "nn.attention",
    "linear": "nn.layers",
    "NoiseEmbedding": "nn.embedding",
    "NormActivation": "nn.norm",
    "lands": "landing",
    "order": "samplers.order",
    "patchify": "nn.layers",
    "is_open_clip": "nn.pretrained",
    "pretrained": "nn.pretrained",
    "recompute": "nn.recompute",
    "Transformer": "nn.transformer.tower",
    "TransformerOptions": "nn.transformer.options",
    "UNet": "nn.unet",
    "UNetOptions": "nn.options",
    "unpatchify": "nn.layers",
    # A toolbox for data.
    "commonest": "data.findings",
    "creating": "files",
    "digest": "data.inspect",
    "font_families": "fonts",
    "font_path": "fonts",
    "local_path": "names",
    "parallel": "data.parallel",
    "pick_evenly": "data.parallel",
    "readable": "data.parallel",
    "reading_binary": "data.binary",
    "remark": "data.remark",
    "remarks": "data.remark",
    "replacing": "files",
    "slices": "spans",
    "softened": "spans",
    "scan_folder": "data.folder",
    "short_name": "data.findings",
    "some_names": "data.findings",
    "spooled": "data.spool",
    # A toolbox for observers.
    "training_verdict": "verdict.run",
}

__all__ = ["__version__", "data", *_HOME]


def __getattr__(name: str) -> Any:
    if name == "data":  # difftool.data.check works without importing difftool.data first
        return import_module(".data", __name__)
    if name not in _HOME:
        raise AttributeError(f"module 'difftool' has no attribute {name!r}")
    value = getattr(import_module(f".{_HOME[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)


if TYPE_CHECKING:
    from . import data as data
    from .batch import Batch as Batch
    from .bridge import Bridge as Bridge
    from .cli.terminal import Terminal as Terminal
    from .column import Column as Column
    from .column import Rows as Rows
    from .conditioner import Conditioner as Conditioner
    from .conditioners.columns import ChannelsColumn as ChannelsColumn
    from .conditioners.columns import LabelColumn as LabelColumn
    from .conditioners.columns import LabelsColumn as LabelsColumn
    from .conditioners.columns import NumberColumn as NumberColumn
    from .conditioners.columns import VectorColumn as VectorColumn
    from .context import Context as Context
    from .data.arrays import Arrays as Arrays
    from .data.arrays import Sequences as Sequences
    from .data.binary import reading_binary as reading_binary
    from .data.findings import commonest as commonest
    from .data.findings import short_name as short_name
    from .data.findings import some_names as some_names
    from .data.folder import scan_folder as scan_folder
    from .data.inspect import Inspection as Inspection
    from .data.inspect import Look as Look
    from .data.inspect import digest as digest
    from .data.options import ArraysOptions as ArraysOptions
    from .data.options import LengthRequest as LengthRequest
    from .data.options import SequencesOptions as SequencesOptions
    from .data.parallel import parallel as parallel
    from .data.parallel import pick_evenly as pick_evenly
    from .data.parallel import readable as readable
    from .data.remark import remark as remark
    from .data.remark import remarks as remarks
    from .data.spool import spooled as spooled
    from .denoiser import Cond as Cond
    from .denoiser import D as D
    from .denoiser import Denoiser as Denoiser
    from .description import Condition as Condition
    from .description import Description as Description
    from .edit import Edit as Edit
    from .edit import Entries as Entries
    from .edit import Given as Given
    from .edit import Start as Start
    from .errors import ConfigError as ConfigError
    from .errors import DataError as DataError
    from .errors import DeviceError as DeviceError
    from .errors import DifftoolError as DifftoolError
    from .errors import ModelFileError as ModelFileError
    from .errors import PluginError as PluginError
    from .errors import UsageError as UsageError
    from .exporter import TrainedModel as TrainedModel
    from .extent import Extent as Extent
    from .files import creating as creating
    from .files import replacing as replacing
    from .fonts import font_families as font_families
    from .fonts import font_path as font_path
    from .guidance.bind import bind as bind
    from .guidance.cfg import ClassifierFree as ClassifierFree
    from .guidance.guidance import Guidance as Guidance
    from .guidance.guidance import Sampling as Sampling
    from .guidance.inpaint import agreeing as agreeing
    from .guidance.inpaint import following as following
    from .landing import lands as lands
    from .metric import FeatureMetric as FeatureMetric
    from .metric import Features as Features
    from .metric import Metric as Metric
    from .metric import ModelMetric as ModelMetric
    from .metric import Statistics as Statistics
    from .modality import Finding as Finding
    from .modality import Item as Item
    from .modality import Modality as Modality
    from .modality import Scene as Scene
    from .names import local_path as local_path
    from .nn.attention import attend as attend
    from .nn.attention import head_count as head_count
    from .nn.autoencoder.coder import Coder as Coder
    from .nn.backbone import Backbone as Backbone
    from .nn.backbone import Interface as Interface
    from .nn.backbone import Signals as Signals
    from .nn.embedding import Fourier as Fourier
    from .nn.embedding import NoiseEmbedding as NoiseEmbedding
    from .nn.frozen import Frozen as Frozen
    from .nn.layers import conv as conv
    from .nn.layers import linear as linear
    from .nn.layers import patchify as patchify
    from .nn.layers import unpatchify as unpatchify
    from .nn.norm import GroupNorm as GroupNorm
    from .nn.norm import NormActivation as NormActivation
    from .nn.options import UNetOptions as UNetOptions
    from .nn.pretrained import is_open_clip as is_open_clip
    from .nn.pretrained import pretrained as pretrained
    from .nn.recompute import recompute as recompute
    from .nn.transformer.options import TransformerOptions as TransformerOptions
    from .nn.transformer.tower import Transformer as Transformer
    from .nn.unet import UNet as UNet
    from .objective import Moment as Moment
    from .objective import Noised as Noised
    from .objective import Objective as Objective
    from .objective import Player as Player
    from .objective import drop_conditions as drop_conditions
    from .objectives.score_distillation import ScoreDistillation as ScoreDistillation
    from .objectives.score_distillation import VariationalDistillation as VariationalDistillation
    from .observer import Observer as Observer
    from .observer import Progress as Progress
    from .observer import Result as Result
    from .observer import RunInfo as RunInfo
    from .optimizers.optimizer import decay_groups as decay_groups
    from .optimizers.options import OptimizerOptions as OptimizerOptions
    from .options import NoOptions as NoOptions
    from .options import Options as Options
    from .plugin.hookspecs import hookimpl as hookimpl
    from .plugin.spec import CheckSpec as CheckSpec
    from .plugin.spec import ConditionerSpec as ConditionerSpec
    from .plugin.spec import ExporterSpec as ExporterSpec
    from .plugin.spec import MetricSpec as MetricSpec
    from .plugin.spec import ModalitySpec as ModalitySpec
    from .plugin.spec import ObjectiveSpec as ObjectiveSpec
    from .plugin.spec import ProcessSpec as ProcessSpec
    from .plugin.spec import RecipeSpec as RecipeSpec
    from .plugin.spec import RepresentationSpec as RepresentationSpec
    from .plugin.spec import SourceSpec as SourceSpec
    from .plugin.spec import Spec as Spec
    from .process.degradation import Degradation as Degradation
    from .process.process import Coefficients as Coefficients
    from .process.process import Density as Density
    from .process.process import Preconditioning as Preconditioning
    from .process.process import Process as Process
    from .process.process import Schedule as Schedule
    from .process.process import Weighting as Weighting
    from .representation import Representation as Representation
    from .representations.latent import Latent as Latent
    from .representations.options import LatentOptions as LatentOptions
    from .rng import Rng as Rng
    from .rng import Stream as Stream
    from .rng import Streams as Streams
    from .sampler import Denoise as Denoise
    from .sampler import Noise as Noise
    from .sampler import Step as Step
    from .samplers.order import order as order
    from .shapes import expand_as as expand_as
    from .source import Source as Source
    from .space import Euclidean as Euclidean
    from .space import Space as Space
    from .spans import slices as slices
    from .spans import softened as softened
    from .stage import Stage as Stage
    from .verdict.case import Case as Case
    from .verdict.check import Check as Check
    from .verdict.diagnosis import Diagnosis as Diagnosis
    from .verdict.run import training_verdict as training_verdict
    from .workflows.build import Examples as Examples
    from .workflows.build import build as build
    from .workflows.built import Built as Built
    from .workflows.built import part as part
    from .workflows.built import parts as parts
    from .workflows.distill import distill as distill
    from .workflows.doctor import doctor as doctor
    from .workflows.finetune import finetune as finetune
    from .workflows.reporter import Reporter as Reporter
    from .workflows.run import Run as Run
    from .workflows.run import Training as Training
    from .workflows.run import resume as resume
    from .workflows.run import train as train
    from .workflows.run import training as training
    from .workflows.sample import Samples as Samples
    from .workflows.trained import Model as Model
    from .workflows.trained import evaluate as evaluate
    from .workflows.trained import load as load
