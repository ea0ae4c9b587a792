"""From noise to raw examples: the samples of one batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..batch import Batch
from ..circle import Circular
from ..denoiser import D, Denoiser
from ..edit import Start
from ..extent import Extent
from ..guidance.between import Between
from ..guidance.cfg import ClassifierFree
from ..guidance.doubt import doubt
from ..guidance.experts import below
from ..guidance.guidance import Sampling
from ..guidance.informed import Informed
from ..guidance.inpaint import keeping
from ..guidance.limit import limited
from ..landing import landings
from ..noise import Noise, Paths, brownian, fresh
from ..rng import Streams
from ..sampler import Denoise
from ..stage import Stage
from . import editing
from .asked import as_asked, given_conditions, own_tensors
from .begin import Beginning
from .padding import unpadded
from .repaint import solve
from .sample_request import SampleRequest
from .spread import Varied, Watched
from .tiling import in_tiles

Coming = Callable[[], list[np.ndarray]]
"""Raw examples that the device may still compute. Calling it waits for them."""


def denoisers_of(stage: Stage) -> list[Denoiser]:
    """The stage's own and its experts', in their order."""
    return [stage.denoiser, *(expert.denoiser for expert in stage.experts)]


def stream_of(purpose: str, request: SampleRequest) -> str:
    """The stream of a stage that refines."""
    return purpose if request.place == 1 else f"{purpose} {request.place}"


@dataclass(frozen=True, slots=True)
class Solving:
    """Samples that are made together.

    Attributes:
        indices: their global indices.
        shapes: a template in raw units, with their conditions.
        like: the template as it is encoded, on the device.
        low: what they refine.
    """

    stage: Stage
    request: SampleRequest
    indices: Sequence[int]
    shapes: Batch
    like: Batch
    low: Batch | None

    def examples(self, denoisers: Sequence[D]) -> Coming:
        """Raw examples, as they come. Nothing here waits for the device.

        Args:
            denoisers: those of ``denoisers_of``, which may be recorded.
        """
        stage, like = self.stage, self.like
        space, rng = stage.representation.space, self.streams()
        noise, paths = space.noise(like.x.shape, rng, like.mask), self.paths(rng)
        sigmas: Sequence[float] = stage.process.schedule.sigmas(self.request.steps)
        watched = None if stage.denoiser.second is None else Watched(stage.denoiser)
        models = self.whole(denoisers if watched is None else [watched, *denoisers[1:]], sigmas)
        beginning = self.beginning(sigmas)
        guided = self.guided(models, sigmas)
        denoise = self.keeping(guided, beginning)
        if watched is not None and not stage.experts:
            denoise = Varied(denoise, watched, space, like.mask)
        else:
            denoise = _counting(denoise, self.request.evaluations)
        if (degradation := stage.denoiser.degradation) is not None:
            drawn = degradation.draw(like.x.shape, rng)
            x = space.project(degradation.start(like.x.shape, drawn, rng), like.mask)
            return self.raw(degradation.solve(denoise, x, sigmas, drawn))
        if beginning is None:
            x = noise.mul_(sigmas[0])
        else:
            begun = self.begun(beginning, noise, denoise, models[0])
            x, sigmas, denoise = begun.x, begun.sigmas, begun.denoise or denoise
            paths = paths if begun.noise is None else _always(begun.noise)
        if len(sigmas) > 1:
            x = solve(stage, denoise, x, sigmas, paths, self.request.resampling_steps)
        if beginning is not None and beginning.editing.edit.best_of > 1:
            self.judge(x, beginning.told(guided))
        return self.raw(x)

    # --- noise ---

    @property
    def purpose(self) -> str:
        """The name of the random stream."""
        return "sample" if self.stage.bridge is None else stream_of("refine", self.request)

    def streams(self) -> Streams:
        """One random stream for each sample."""
        return Streams(self.request.seed, self.purpose, self.indices, device=self.like.x.device)

    def paths(self, rng: Streams) -> Paths:
        """The noise that a sampler adds from step to step."""
        space, like = self.stage.representation.space, self.like
        shape, mask = like.x.shape, like.mask
        if self.request.noise != "brownian":
            return fresh(space, rng, shape, mask)
        seed, device = self.request.seed, like.x.device
        return brownian(space, seed, self.purpose, self.indices, shape, device, mask)

    # --- the denoiser ---

    def whole(self, denoisers: Sequence[D], sigmas: Sequence[float]) -> list[D]:
        """Denoisers of whole examples, that may be made in tiles and may have no ends."""
        request, given = self.request, self.request.editing is not None
        sizes = self.like.x.shape[2:]
        found: list[D] = [
            in_tiles(
                self.stage, one, sizes, request.tile, request.overlap, request.batch, given=given
            )
            for one in denoisers
        ]
        found = self.on_circles(found)
        return [
            _informed(self.stage, one, own, sigmas)
            for one, own in zip(found, denoisers_of(self.stage), strict=True)
        ]

    def on_circles(self, denoisers: list[D]) -> list[D]:
        """Denoisers of examples whose ends meet, along the axes on which the edit lets them meet."""
        given = self.request.editing
        axes = () if given is None else given.edit.circles(self.stage.modality.repeats)
        if not axes:
            return denoisers
        found = editing.along(self.stage.representation, self.on_device(), axes)
        return [Circular(denoiser, found) for denoiser in denoisers]

    def guided(self, models: list[D], sigmas: Sequence[float]) -> Denoise:
        """D under the conditions that are asked for, guided; of each noise level, its expert's."""
        stage, request, like = self.stage, self.request, self.like
        asked = as_asked(stage, request, self.indices, self.on_the_way(models), like.x.device)
        guidance = request.guidance.prepare(Sampling(self.indices, sigmas, like))
        kept = given_conditions(stage)
        guided = [guidance.bind(one, like.cond, like.mask, kept=kept) for one in asked]
        extent = Extent.from_measured(stage.description.measured) if guidance.limited else None
        if extent is not None:
            guided = [
                limited(one, own.preconditioning, stage.representation.space, extent, like.mask)
                for one, own in zip(guided, denoisers_of(stage), strict=True)
            ]
        first, *others = guided
        levels = [expert.below for expert in stage.experts]
        return below(first, list(zip(levels, others, strict=True)))

    def on_the_way(self, models: list[D]) -> list[D]:
        """Denoisers under conditions between those of the two examples of each pair."""
        given = self.request.editing
        if given is None or not given.towards:
            return models
        others = self.own_tensors(given.towards)
        weights = editing.weights_of(given, self.request.start, self.indices, self.like.x)
        assert weights is not None
        return [Between(one, others, weights) for one in models]

    def own_tensors(self, texts: Mapping[str, Sequence[str]]) -> dict[str, Tensor]:
        """Conditions of which each sample of the request has a text of its own."""
        return own_tensors(self.stage, texts, self.request, self.indices, self.like)

    def keeping(self, denoise: Denoise, beginning: Beginning | None) -> Denoise:
        """D that keeps what is given."""
        like, space = self.like, self.stage.representation.space
        if beginning is not None:
            return beginning.keep(denoise)
        if like.observed is None:
            return denoise
        return keeping(denoise, space, like.x, like.observed, like.mask, clean=like.noise_free)

    # --- where edits begin ---

    def beginning(self, sigmas: Sequence[float]) -> Beginning | None:
        """The examples that are changed; None where samples are made from noise."""
        request = self.request
        if request.editing is None:
            return None
        return Beginning(
            self.stage,
            request.editing,
            request.start,
            request.seed,
            self.indices,
            self.shapes,
            self.like,
            sigmas,
        )

    def begun(self, beginning: Beginning, noise: Tensor, denoise: Denoise, model: D) -> Start:
        """Where the edit begins; what it found of the examples is noted."""
        given = beginning.editing
        other = self.describing(given.others_own, model) if given.others_own else None
        begun = beginning.begun(noise, denoise, self.describing(given.own, model), other)
        if begun.found:
            given.found.update(dict.fromkeys(self.indices, begun.found))
        return begun

    def judge(self, x: Tensor, denoise: Denoise) -> None:
        """Note how unlikely the samples are to the model."""
        given, space = self.request.editing, self.stage.representation.space
        assert given is not None
        doubts = doubt(denoise, space.project(x, self.like.mask), space, self.like.mask)
        given.doubts.update(zip(self.indices, doubts.tolist(), strict=True))

    def describing(self, own: Mapping[str, Sequence[str]], model: D) -> Denoise:
        """D under the own conditions of the examples that are edited, not guided."""
        cond = {**self.like.cond, **self.own_tensors(own)}
        kept = given_conditions(self.stage)
        return ClassifierFree().bind(model, cond, self.like.mask, kept=kept)

    # --- raw examples ---

    def on_device(self) -> Batch:
        """The template in raw units, on the device."""
        return self.shapes.map(lambda t: t.to(self.like.x.device))

    def raw(self, x: Tensor) -> Coming:
        """Samples in model units as raw examples, each of its own size."""
        stage, like, given = self.stage, self.like, self.request.editing
        space = stage.representation.space
        if given is not None and like.observed is not None:
            x = space.keep(x, like.x, like.observed, like.mask)
        made = like.with_x(space.project(x, like.mask))
        if self.low is not None:
            return self.refined(made, self.low)
        if stage.representation.makes_vectors:
            vectors = stage.representation.decode(made).x
            return lambda: list(vectors.cpu().numpy())
        if given is None:
            return _coming(stage.representation.decode(made).x, self.shapes)
        around = stage.representation.decode_around(made, self.on_device())
        coming = _coming(around.x, self.shapes)
        return lambda: [
            editing.put_back(given, self.request.start, index, one, stage.modality)
            for index, one in zip(self.indices, coming(), strict=True)
        ]

    def refined(self, made: Batch, low: Batch) -> Coming:
        """Samples that agree with what they refine, where that is asked for."""
        stage, shapes = self.stage, self.shapes
        assert stage.bridge is not None
        x = stage.representation.decode(stage.bridge.restore(made)).x
        x = x[tuple(slice(n) for n in shapes.x.shape)]
        raw = Batch(x, mask=None if shapes.mask is None else shapes.mask.to(x.device))
        if self.request.agree and not self.request.level:
            raw = stage.bridge.enforce_consistency(raw, low)
        return _coming(raw.x, shapes)


def _coming(x: Tensor, shapes: Batch) -> Coming:
    """Raw examples of the sizes of a template, on their way to the host."""
    if x.device.type != "cuda":
        return lambda: unpadded(x.cpu(), shapes)
    there = torch.empty_like(x, device="cpu", pin_memory=True).copy_(x, non_blocking=True)
    arrived = torch.cuda.Event()
    arrived.record()

    def wait() -> list[np.ndarray]:
        arrived.synchronize()
        return unpadded(there.clone(), shapes)  # pinned memory is scarce

    return wait


def _informed(stage: Stage, denoiser: D, own: Denoiser, sigmas: Sequence[float]) -> D:
    """A denoiser that learned whole steps, told where those of the sampler end."""
    if "end" not in own.told:
        return denoiser
    return Informed(denoiser, sigmas[:-1], landings(stage.sampler, sigmas, stage.knobs))


def _counting(denoise: Denoise, counts: list[int]) -> Denoise:
    """The same estimates; the last of the counts grows with each, from a new 0."""
    counts.append(0)

    def counted(x: Tensor, sigma: float) -> Tensor:
        counts[-1] += 1
        return denoise(x, sigma)

    return counted


def _always(noise: Noise) -> Paths:
    """The same noise, however often steps are taken."""
    return lambda _: noise
