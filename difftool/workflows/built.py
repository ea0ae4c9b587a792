"""A model in memory, to look into, to sample and to train step by step, without a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError, UsageError
from ..settings import SampleOptions
from .keywords import Given, Values, given, installed, sampling_names, texts
from .model import modality_of
from .reporter import SILENT, Reporter
from .request import REQUEST, own_table
from .sample import Samples

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from ..batch import Batch
    from ..data.dataset import Dataset
    from ..engine.sample_request import SampleRequest
    from ..engine.step import TrainStep
    from ..stage import Stage
    from .job import Job

SAMPLE = "sample"


class Built:
    """A model in memory: its parts, and what can be done with them.

    Attributes:
        stage: the parts. ``stage.denoiser`` is the network D(x; sigma), a ``torch.nn.Module``;
            ``stage.representation`` turns raw examples into what it sees, and back.
    """

    def __init__(self, job: Job, dataset: Dataset | None = None, reporter: Reporter = SILENT):
        self.stage: Stage = job.stage
        self._job, self._dataset, self._reporter = job, dataset, reporter
        self._taken = 0

    def __repr__(self) -> str:
        return f"<{self._modality} model in memory, {self.parameters:,} parameters>"

    @property
    def parameters(self) -> int:
        """The number of parameters of the network."""
        from ..assemble.build import model_of

        return sum(p.numel() for p in model_of(self.stage).parameters())

    def sample(
        self,
        n: int = 16,
        *,
        cond: Mapping[str, Values] | None = None,
        seed: int = 0,
        start: int = 0,
        low: Sequence[np.ndarray] = (),
        level: float = 0.0,
        **settings: Any,
    ) -> Samples:
        """New examples of the weights as they are now, in raw units.

        Args:
            n: how many.
            cond: as of ``Model.sample``.
            seed, start: name the samples: number i of a seed is always the same.
            low: what a later stage of a cascade refines: one raw example for each sample.
            level: noise on ``low``, in model units.
            settings: ``steps=20``, ``batch=8`` and the other settings of the table ``sample``, and
                the modality's own such as a size. The sampler and the guidance are chosen when the
                model is built.

        Raises:
            UsageError: the request does not fit the model.
            ConfigError: settings, all faults at once.
        """
        from ..engine.generate import generate  # torch

        request = replace(
            self._request(given(settings, sampling_names(self._modality))),
            n=n,
            cond=texts(cond),
            seed=seed,
            start=start,
            low=low,
            level=level,
        )
        denoiser, info = self.stage.denoiser, {**self._job.info, "seed": seed}
        training = denoiser.training
        try:
            drawn = self._reporter.counted(generate(self.stage, request), n, "sampling")
            generated = list(drawn)
        finally:
            denoiser.train(training)  # sampling has switched dropout off
        info["steps"] = request.steps
        return Samples(generated, self.stage.modality, request.shape, info, low)

    def _request(self, flags: Given) -> SampleRequest:
        """What is sampled by default, with these settings over it."""
        free = (SAMPLE, REQUEST)
        fixed = [name for name, key, _ in flags if key.partition(".")[0] not in free]
        if fixed:
            raise UsageError(
                f"{fixed[0]} belongs to a part of the model, and the parts are built. Give it to "
                f"what builds the model: difftool.build(…, {fixed[0]}=…) or Model.open."
            )
        request = self._job.request
        sample, faults = own_table(flags, SAMPLE, SampleOptions, SAMPLE)
        shape, more = own_table(flags, REQUEST, type(request.shape), self._modality)
        if sample is None or shape is None:
            raise ConfigError([*faults, *more])
        changed = {name: getattr(sample, name) for name in sample.model_fields_set}
        return replace(request, shape=shape if shape.model_fields_set else request.shape, **changed)

    @property
    def _modality(self) -> str:
        return modality_of(self.stage.config)

    def step(self, batch: Batch) -> dict[str, Tensor]:
        """Take the next training step on a batch of raw examples, as ``difftool train`` takes it:
        augmented, encoded, noised; forward, backward, clipping, optimizer, averages.

        Args:
            batch: such as ``batches`` yields.

        Returns:
            The mean loss of each player, on the device; ``.item()`` waits for it.

        Raises:
            UsageError: the model was loaded to sample.
        """
        losses = self._step(self._taken, batch)
        self._taken += 1
        return losses

    @cached_property
    def _step(self) -> TrainStep:
        from ..engine.fit import make_step  # torch

        if self.stage.objective is None:
            raise UsageError(
                "This model was loaded to sample, so it has no objective. Train from its weights "
                "with difftool.build(…, init=PATH)."
            )
        prepared = self._dataset is not None and self._dataset.encoded is not None
        return make_step(self.stage, self.stage.settings.train, prepared=prepared)

    def batches(self, steps: int | None = None) -> Iterator[Batch]:
        """What training steps start from, in the order of a run: raw examples with their
        conditions, on the CPU, prepared on a thread.

        Args:
            steps: how many; without end unless given.

        Raises:
            UsageError: the model was built without data.
        """
        if self._dataset is None:
            raise UsageError(
                "This model was built without data. Name a folder: difftool.build(MODALITY, DATA)."
            )
        train = self.stage.settings.train
        return batches_of(self._dataset, train.batch, steps, train.seed)


def batches_of(dataset: Dataset, batch: int, steps: int | None, seed: int) -> Iterator[Batch]:
    """The batches of a run; without end where ``steps`` is None."""
    from ..data.dataset import batches  # torch

    stop = steps if steps is not None else 2**62
    return batches(dataset, seed=seed, batch=batch, start=0, stop=stop)


def part(kind: str, name: str, *arguments: Any, **options: Any) -> Any:
    """A part that is installed, built by itself: ``difftool.part("backbone", "dit",
    difftool.Interface((3, 32, 32)), width=192)``.

    Args:
        kind, name: as ``difftool list`` shows them.
        arguments: what the kind gives its parts beside their options; the documentation of the
            kind says what that is.
        options: the part's own, as in its table of the configuration.

    Raises:
        UsageError: there is no such part.
        ConfigError: the options, all faults at once.
    """
    spec = installed().get(kind, name)
    flags = [(key, f"{kind}.{key}", value) for key, value in options.items()]
    chosen, faults = own_table(flags, kind, installed().options(spec), name)
    if chosen is None:
        raise ConfigError(faults)
    return installed().load(spec)(chosen, *arguments)


def parts(kind: str) -> list[str]:
    """The names of the installed parts of a kind, such as ``"sampler"`` or ``"backbone"``."""
    return installed().names(kind)
