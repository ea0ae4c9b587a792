"""Config -> Stage: the parts of one run together, each built once, some with the help of other
runs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..bridge import Bridge
from ..config import NONE, Config, Part, check_facts, config_from_dict, packages
from ..context import Context, Features
from ..denoiser import Denoiser
from ..description import Description, described
from ..engine.device import choose_precision
from ..engine.folder import SNAPSHOTS, RunFolder
from ..engine.weights import MODEL, load_weights, read_about
from ..errors import ModelFileError, UsageError
from ..guidance.cfg import ClassifierFree
from ..guidance.guidance import Guidance
from ..modality import Modality
from ..names import local_path
from ..nn.frozen import digest_of, require_frozen
from ..objective import Objective
from ..plugin.registry import Registry
from ..process.process import Process
from ..representation import PREFIX, Representation
from ..rng import key
from ..settings import Settings
from ..stage import Stage
from .adapters import Adapters, adapted
from .average import posthoc_average, snapshot_average
from .parts import (
    build_denoiser,
    build_part,
    build_process,
    make_guidance,
    make_modality,
    make_optimizer,
)
from .room import require_room
from .trust import built_from, try_template
from .vectors import Vectors

CPU = torch.device("cpu")


class Assembly:
    """Builds the parts of one run, each at most once.

    A representation may take parts of another run (``Context.open``). Its weights are then saved in
    the new model's file, with the other run's configuration, from which its empty parts are built
    again when the file is loaded: the other run may be gone by then.

    Args:
        model: the file of the model that is built, which holds the weights of its representation.
        opening: the files that are being opened. A model must not open them again.
    """

    def __init__(
        self,
        registry: Registry,
        device: torch.device = CPU,
        model: Path | None = None,
        opening: tuple[Path, ...] = (),
    ) -> None:
        self.registry, self.device = registry, device
        self._opening = opening
        self._weights = frozen_weights(load_weights(model, MODEL)[0]) if model else None
        self.opened: dict[str, Any] = (
            dict(read_about(model, MODEL).get("opened", {})) if model else {}
        )
        self._empty = False  # whether the caller fills in the weights
        self._loaded: dict[tuple[Path, float | None], Stage] = {}
        self._representations: dict[str, Representation] = {}

    def context(self, description: Description, **built: Any) -> Context:
        """The context of parts other than the representation: models that they open are not saved."""
        return Context(description, self.device, self.load, **built)

    def load(self, path: str | Path, *, ema: float | None = None) -> Stage:
        """Another run, model file or snapshot as a frozen stage (``Opener``).

        Raises:
            ModelFileError: there is none, or it is damaged.
            UsageError: it is the model that opens it, or there is no such average.
        """
        path = local_path(path)
        path = (path / "model.safetensors" if path.is_dir() else path).resolve()
        if path in self._opening:
            raise UsageError(
                f"{path} opens itself, because one of its parts names it. Name a run that was "
                "trained before it."
            )
        if (path, ema) not in self._loaded:
            self._loaded[path, ema] = _still(self._read(path, ema))
        return self._loaded[path, ema]

    def _read(self, path: Path, ema: float | None) -> Stage:
        average = None
        if path.parent.name == SNAPSHOTS:
            average, path = snapshot_average(path, ema), path.parents[1] / "model.safetensors"
        elif ema is not None:
            average = posthoc_average(RunFolder(path.parent), ema)
        return stage_of(path, self.registry, self.device, opening=self._opening, average=average)

    def _open(self, path: str | Path, *, ema: float | None = None) -> Stage:
        """``load`` for the representation: recorded, so that it can be rebuilt without the file."""
        name = str(path)
        if self._weights is not None and name in self.opened:
            return _still(self._rebuilt(name))
        stage = self.load(path, ema=ema)
        self.opened[name] = {
            "config": dict(stage.config),
            "description": stage.description.to_json(),
            "opened": dict(stage.opened),
        }
        return stage

    def representation(self, config: Config, description: Description) -> Representation:
        """The representation for this description, on the device, with its weights."""
        part = config.representation
        about = [part.use, part.options.model_dump(mode="json"), description.to_json()]
        name = json.dumps(about, sort_keys=True)
        if name not in self._representations:
            features = opened_once(make_modality(config, self.registry))
            self._representations[name] = self._represented(part, description, features)
        return self._representations[name]

    def _represented(
        self, part: Part, description: Description, features: Features
    ) -> Representation:
        kind: type[Representation] = self.registry.load(
            self.registry.get("representation", part.use)
        )
        context = Context(description, self.device, self._open, features=features)
        built = kind.build(part.options, context)
        if isinstance(built, nn.Module):
            built.to(self.device).eval().requires_grad_(False)
            if self._weights is not None and not self._empty:
                fill(built, self._weights, "The model file")
            if not self._empty:
                require_frozen(built)
        return built

    def _rebuilt(self, name: str) -> Stage:
        """The stage without its weights, which the caller fills in."""
        about = self.opened[name]
        inner = Assembly(self.registry, self.device)
        inner.opened, inner._weights, inner._empty = dict(about.get("opened", {})), {}, True
        config = config_from_dict(about["config"], name, self.registry)
        return build_stage(
            config,
            self.registry,
            described(Path(name), about["description"]),
            self.device,
            learns=False,
            guided=False,
            assembly=inner,
        )


def stage_of(
    path: Path,
    registry: Registry,
    device: torch.device,
    *,
    opening: tuple[Path, ...] = (),
    average: Mapping[str, Tensor] | None = None,
    adapters: Adapters = (),
) -> Stage:
    """The model in a file, as it was trained, with the plain conditional estimate for guidance.

    Args:
        average: weights to use in place of the file's.
        adapters: are laid on the weights.
    """
    tensors, about = load_weights(path, MODEL)
    if adapters:
        tensors, about = adapted(path, tensors | dict(average or {}), about, adapters)
        average = None
    config = config_from_dict(about["config"], str(path), registry)
    description = described(path, about["description"])
    check_facts(path, config.modality.use, description, registry)
    assembly = Assembly(registry, device, path, (*opening, path.resolve()))
    with built_from(path):
        stage = build_stage(
            config, registry, description, device, learns=False, guided=False, assembly=assembly
        )
        if stage.network is not None:
            try_template(stage, config, registry)
    own = {name: tensor for name, tensor in tensors.items() if not name.startswith(PREFIX)}
    fill(model_of(stage), own | dict(average or {}), str(path))
    require_frozen(model_of(stage))
    return stage


def fill(model: nn.Module, tensors: Mapping[str, Tensor], source: str) -> None:
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        raise ModelFileError(
            f"{source} does not hold the weights that its own config describes: {error}"
        ) from None


def frozen_weights(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The representation's tensors of a model file."""
    return {
        name.removeprefix(PREFIX): tensor
        for name, tensor in tensors.items()
        if name.startswith(PREFIX)
    }


def identity_of(registry: Registry, kind: str, part: Part) -> list[Any]:
    """The identity of a part: its package, name and options."""
    package = registry.provider(registry.get(kind, part.use)).package
    return [package, part.use, part.options.model_dump(mode="json")]


def fingerprint_of(representation: Representation) -> str:
    """A hash of its weights; "" if it has none."""
    if not isinstance(representation, nn.Module):
        return ""
    return digest_of(representation.state_dict())


def _still(stage: Stage) -> Stage:
    model_of(stage).eval().requires_grad_(False)
    return stage


def opened_once(modality: Modality) -> Features:
    """``Modality.feature_network``, which loads each network once."""
    return lru_cache(maxsize=2)(modality.feature_network)


def make_representation(
    config: Config, registry: Registry, description: Description
) -> Representation:
    return Assembly(registry).representation(config, description)


def make_bridge(
    config: Config,
    registry: Registry,
    description: Description,
    representation: Representation | None = None,
    assembly: Assembly | None = None,
) -> Bridge | None:
    """The bridge to the earlier stage; None if there is no earlier stage.

    Args:
        assembly: that of the run, if there is one.
    """
    if config.bridge.use == NONE:
        return None
    assembly = assembly or Assembly(registry)
    known = representation or assembly.representation(config, description)
    kind: type[Bridge] = registry.load(registry.get("bridge", config.bridge.use))
    features = opened_once(make_modality(config, registry))
    context = assembly.context(description, representation=known, features=features)
    return kind.build(config.bridge.options, context)


def build_stage(
    config: Config,
    registry: Registry,
    description: Description,
    device: torch.device,
    modality: Modality | None = None,
    *,
    learns: bool = True,
    guided: bool = True,
    assembly: Assembly | None = None,
) -> Stage:
    """Every part of a model, its network freshly initialised from the config's seed and on the
    device.

    Args:
        learns: whether it will be trained. Sampling needs no objective, which may open other runs.
        guided: whether to build the guidance, which may open other runs too; else the stage has the
            plain conditional estimate.
        assembly: that of the run, if parts of it are built already.
    """
    assembly = assembly or Assembly(registry, device)
    modality = modality or make_modality(config, registry)
    representation = assembly.representation(config, description)
    if representation.makes_vectors:
        modality = Vectors(modality)
    bridge = make_bridge(config, registry, description, representation, assembly)
    process = build_process(config, registry)
    trains: type[Objective] = registry.load(registry.get("objective", config.objective.use))
    denoiser: Denoiser | None = None
    if trains.generative:
        denoiser = _denoiser(
            config, registry, description, representation, process, bridge, trains, device, learns
        )
    context = assembly.context(
        description, representation=representation, process=process, denoiser=denoiser
    )
    objective: Objective | None = None
    if learns or not trains.generative:
        objective = _objective(config, registry, context, device, learns)
    guidance: Guidance = ClassifierFree()
    if guided and trains.generative:
        guidance = make_guidance(config, registry, context)
    return Stage(
        modality,
        representation,
        process,
        denoiser,
        objective,
        make_optimizer(config, registry),
        registry.load(registry.get("sampler", config.sampler.use)),
        config.sampler.options.model_dump(),
        guidance,
        description,
        config.to_dict(),
        Settings(config.train, config.ema, config.sample),
        bridge,
        opened=assembly.opened,
        packages=packages(config, registry),
    )


def _denoiser(
    config: Config,
    registry: Registry,
    description: Description,
    representation: Representation,
    process: Process,
    bridge: Bridge | None,
    trains: type[Objective],
    device: torch.device,
    learns: bool,
) -> Denoiser:
    """The network with what is around it, in the run's precision."""
    # In training, each number also has its gradient, two moments and its averages.
    averages = len(config.ema.halflife) + len(config.ema.power)
    room = partial(require_room, device=device, copies=4 + averages if learns else 1)
    torch.manual_seed(key(config.train.seed, "weights"))
    denoiser = build_denoiser(
        config,
        registry,
        description,
        representation,
        process,
        bridge,
        room,
        two_outputs=trains.two_outputs,
        told=trains.told,
    ).to(device)
    denoiser.precision = choose_precision(config.train.precision, device)
    return denoiser


def _objective(
    config: Config, registry: Registry, context: Context, device: torch.device, learns: bool
) -> Objective:
    """What is trained, and the networks that training alone needs."""
    torch.manual_seed(key(config.train.seed, "objective"))
    objective: Objective = build_part(
        registry,
        "objective",
        config.objective,
        replace(
            context,
            network=partial(build_part, registry, "backbone", config.backbone),
            learns=learns,
            precision=choose_precision(config.train.precision, device) if learns else None,
        ),
    )
    return objective.to(device)


def model_of(stage: Stage) -> nn.Module:
    """The module that the stage's model file holds."""
    return stage.model
