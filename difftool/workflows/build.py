"""Models that are not trained yet, and data as training sees it, in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config import dict_layer, flag_layer, gather, recipe_modality, resolve
from ..errors import UsageError
from .built import Built, batches_of
from .cascade import cascade_path, stages_of
from .keywords import Given, given, installed, training_names
from .naming import data_path
from .reporter import SILENT, Reporter
from .warm_start import started

if TYPE_CHECKING:
    import numpy as np

    from ..batch import Batch
    from ..config import Config, Layer
    from ..data.dataset import Dataset
    from ..description import Description
    from ..stage import Stage


def build(
    modality: str | None = None,
    data: str | Path | None = None,
    *,
    description: Description | None = None,
    recipe: str | None = None,
    config: str | Path | Sequence[str | Path] = (),
    cascade: str | None = None,
    stage: str | None = None,
    reporter: Reporter = SILENT,
    **settings: Any,
) -> Built:
    """The model that a training would begin with, in memory; nothing is written but the cache.

        model = difftool.build("image", "photos", size=64, batch=16)
        for batch in model.batches(100):
            print(model.step(batch)["denoiser"].item())
        model.sample(8, steps=20).save("eight")

    Args:
        modality, data, recipe, config, settings: as of ``difftool.training``.
        description: what data would be like, in place of data: the model is built, but has no
            ``batches``.
        cascade: an installed cascade or a cascade file. The model is one of its stages.
        stage: the name of that stage.
        reporter: gets all messages.

    Raises:
        ConfigError: settings, all faults at once.
        DataError: there is nothing usable in the data.
    """
    from ..assemble import build_stage  # torch
    from ..assemble.layers import with_layers_of_init
    from ..engine.device import prepare_process
    from .train import assembly_of, initialise, opened

    if cascade is not None:
        resolved = _stage_config(modality, data, cascade, stage, settings)
    else:
        resolved = config_of(modality, data, recipe, config, settings)
    parts, dataset = installed(), None
    assembly = assembly_of(resolved, parts)
    prepare_process(assembly.device)
    if description is None:
        resolved, dataset = opened(resolved, parts, reporter, assembly=assembly)
        description = dataset.description
    else:
        description = _with_bridge(resolved, description)
    resolved = with_layers_of_init(resolved, assembly, description)
    known = dataset.modality if dataset else None
    made = build_stage(resolved, parts, description, assembly.device, known, assembly=assembly)
    initialise(made, resolved, reporter)
    return _in_memory(made, resolved, dataset, reporter)


def _in_memory(stage: Stage, config: Config, dataset: Dataset | None, reporter: Reporter) -> Built:
    from ..engine.sample_request import SampleRequest  # torch
    from .job import Job
    from .request import request_model

    shape = request_model(installed(), config.modality.use)()
    sample = config.sample.model_dump()
    request = SampleRequest(1, guidance=stage.guidance, shape=shape, **sample)
    return Built(Job(stage, request, {}), dataset, reporter)


def _with_bridge(config: Config, description: Description) -> Description:
    """The description with the conditions that the bridge sets, as data would have them."""
    from ..assemble import make_bridge  # torch

    bridge = make_bridge(config, installed(), description)
    own = {c.name: c for c in bridge.conditions()} if bridge else {}
    return replace(description, conditions={**description.conditions, **own})


def _stage_config(
    modality: str | None,
    data: str | Path | None,
    cascade: str,
    stage: str | None,
    settings: dict[str, Any],
) -> Config:
    """The configuration of a stage of a cascade, with the settings over it."""
    parts = installed()
    path = cascade_path(cascade, parts) if cascade in parts.names("cascade") else Path(cascade)
    plans = {plan.name: plan for plan in stages_of(path, parts, modality)}
    if stage is None or stage not in plans:
        raise UsageError(
            f"A model is built of one stage, but {cascade} has no stage {stage!r}. Choose one: "
            f"stage={next(iter(plans))!r}. It has: {', '.join(plans)}."
        )
    found = plans[stage].config
    flags = _flags(found.modality.use, data, settings)
    return resolve(None, [dict_layer(found.to_dict(), str(path)), flag_layer(flags, ())], parts)


def config_of(
    modality: str | None,
    data: str | Path | None,
    recipe: str | None,
    config: str | Path | Sequence[str | Path],
    settings: dict[str, Any],
) -> Config:
    """The configuration of a new run, from the arguments of ``difftool.training``."""
    parts = installed()
    flags = _flags(modality or recipe_modality(parts, recipe or ""), data, settings)
    files = [Path(path) for path in ([config] if isinstance(config, str | Path) else config)]

    def resolved(*over: Layer) -> Config:
        return resolve(modality, gather(parts, modality, recipe, files, flags, over=over), parts)

    return started(resolved(), resolved)


def _flags(modality: str | None, data: str | Path | None, settings: dict[str, Any]) -> Given:
    flags = given(settings, training_names(modality))
    return flags + ([("data", "data.path", str(data_path(str(data))))] if data is not None else [])


class Examples:
    """Data as a run sees it: decoded, in the cache, with its conditions. A sequence of raw
    examples.

    Attributes:
        description: shape, type and conditions of the examples.
    """

    def __init__(self, dataset: Dataset) -> None:
        self.description: Description = dataset.description
        self._dataset = dataset

    def __repr__(self) -> str:
        return f"<{len(self)} examples of shape {self.description.shape}>"

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, number: int) -> np.ndarray:
        if not -len(self) <= number < len(self):
            raise IndexError(f"There is no example {number}: there are {len(self)}.")
        import numpy as np

        return self._dataset.cache.gather(np.array([number % len(self)]))[0]

    @property
    def skipped(self) -> list[tuple[Path, str]]:
        """The files that could not be read, each with the reason."""
        return self._dataset.skipped

    def batches(self, batch: int = 64, steps: int | None = None, seed: int = 0) -> Iterator[Batch]:
        """What the steps of a run with this batch size and seed start from.

        Args:
            steps: how many; without end unless given.
        """
        return batches_of(self._dataset, batch, steps, seed)


def open_data(
    path: str | Path | None = None,
    modality: str | None = None,
    *,
    recipe: str | None = None,
    reporter: Reporter = SILENT,
    **settings: Any,
) -> Examples:
    """Data as training sees it: found, decoded into the cache, with its conditions.

        photos = difftool.data.open("photos", "image", size=64)
        photos.description.shape, photos[0], next(photos.batches(16))

    Args:
        path: a folder or a file; the modality's built-in demo set unless given.
        modality: the kind of data, such as ``"image"``.
        recipe, settings: as of ``difftool.training``.

    Raises:
        ConfigError: settings, all faults at once.
        DataError: there is nothing usable in it.
    """
    from ..assemble import open_dataset  # torch

    config = config_of(modality, path, recipe, (), settings)
    return Examples(open_dataset(config, installed(), progress=reporter.counter())[1])
