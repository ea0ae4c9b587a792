"""The sampling loop: sample i depends only on the seed and i, and in its last bits on the batch
size.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from ..batch import Batch
from ..circle import Circular
from ..column import Column, Value
from ..conditioners.mask import MASK, told
from ..denoiser import D, Denoiser
from ..errors import UsageError
from ..extent import Extent
from ..guidance.asked import Asked
from ..guidance.between import Between
from ..guidance.cfg import ClassifierFree
from ..guidance.conjunction import Conjunction
from ..guidance.experts import below
from ..guidance.guidance import Guidance, Sampling
from ..guidance.informed import Informed
from ..guidance.inpaint import keeping
from ..guidance.limit import limited
from ..landing import landings
from ..noise import brownian, fresh
from ..options import NoOptions, Options
from ..rng import Streams, generator
from ..sampler import Denoise
from ..settings import NoiseSource, Tile
from ..stage import Stage
from . import editing
from .begin import Beginning, follows
from .capture import captured
from .control import controlled, require_control, with_control
from .device import naming_batch
from .editing import Editing
from .refine import alike, require_low
from .repaint import solve
from .spread import Varied, Watched
from .tiling import in_tiles, require_tile
from .wishes import Wish, joined, parts_of, shown, value_of, wish

ALL = "all"


@dataclass(frozen=True, slots=True)
class SampleRequest:
    """What to sample.

    Attributes:
        n: how many samples, with global indices ``start`` to ``start + n``.
        batch: how many at once; the samples depend on it in their last bits only.
        cond: condition name -> values, taken in turn; ``["all"]`` means every label in turn. A
            condition that is not named is drawn as it occurs in the data. A value may be several
            at once: ``red AND round``.
        negative: condition name -> what samples shall not be, taken in turn: guidance goes away
            from it.
        shape: the modality's own wishes (a size, a length).
        low: what a later stage of a cascade refines: for each sample, one raw example of the
            earlier stage.
        level: noise added to what is shown of ``low``, as sigma in model units.
        agree: ``low`` is right, and samples shall agree with it where no noise is added; else its
            faults may be mended.
        place: which of the stages that refine it is, from 1: what a stage refines holds the noise
            of those before it.
        resampling_steps: how often each step is taken.
        noise, tile, overlap: as in the config table ``sample``.
        control: raw examples, taken in turn, whose maps samples follow.
        control_scale: how much they count.
        editing: examples that the samples are made from, and how; None for samples from noise.
        evaluations: for each batch that is made, how often its estimate was asked for; filled in.
    """

    n: int
    steps: int
    batch: int = 64
    seed: int = 0
    start: int = 0
    guidance: Guidance = field(default_factory=ClassifierFree)
    cond: Mapping[str, Sequence[str]] = field(default_factory=dict)
    negative: Mapping[str, Sequence[str]] = field(default_factory=dict)
    shape: Options = field(default_factory=NoOptions)
    low: Sequence[np.ndarray] = ()
    level: float = 0.0
    agree: bool = False
    place: int = 1
    resampling_steps: int = 1
    noise: NoiseSource = "fresh"
    tile: Tile = "auto"
    overlap: float = 0.25
    control: Sequence[np.ndarray] = ()
    control_scale: float = 1.0
    editing: Editing | None = None
    evaluations: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Generated:
    """A finished sample: ``example`` in raw units, with its conditions."""

    index: int
    example: np.ndarray
    cond: Mapping[str, str | float | None]

    @property
    def title(self) -> str:
        """Its conditions in a few words."""
        given = [value for value in self.cond.values() if value is not None]
        return " ".join(value if isinstance(value, str) else f"{value:.4g}" for value in given)


def generate(stage: Stage, request: SampleRequest) -> Iterator[Generated]:
    """Samples in the order of their indices.

    Raises:
        UsageError: a condition or value that the model does not know, examples to refine that are
            missing or not wanted, or noise levels that no denoiser was trained on.
    """
    require_low(stage.bridge, request.low, request.level, request.n)
    require_tile(stage, request.tile)
    if reason := stage.untrained_levels:
        raise UsageError(
            f"The model cannot be sampled by itself: {reason} Add models for the other levels with "
            "--expert, or sample the cascade."
        )
    if request.editing is not None and stage.denoiser.degradation is not None:
        raise UsageError(
            "A model of cold diffusion cannot edit: its examples are degraded, and edits add noise. "
            "Use a model that was trained with another process, such as edm."
        )
    chosen = {name: _values(stage, name, texts) for name, texts in request.cond.items()}
    require_control(stage, request.control, request.control_scale)
    joined(chosen)
    if joined({name: _values(stage, name, texts) for name, texts in request.negative.items()}):
        raise UsageError("A negative prompt has one part. Write it without AND.")
    for denoiser in _denoisers(stage):
        denoiser.eval()
    return _batches(stage, request, chosen)


def _batches(
    stage: Stage, request: SampleRequest, chosen: Mapping[str, Sequence[Wish]]
) -> Iterator[Generated]:
    stop = request.start + request.n
    with ExitStack() as stack:
        denoisers: list[D] = list(_denoisers(stage))
        second = stage.denoiser.second is not None  # of which a replayed graph keeps nothing
        recordable = request.guidance.recordable and not _differentiates(stage, request)
        if recordable and not second:  # a replayed graph has no gradients either
            denoisers = [stack.enter_context(captured(one)) for one in _denoisers(stage)]
        for at in range(request.start, stop, request.batch):
            indices = range(at, min(at + request.batch, stop))
            runs = (
                [indices]
                if request.editing is None
                else editing.alike(request.editing, request.start, indices)
            )
            for some in runs:
                with naming_batch(len(some)):
                    made = _batch(stage, denoisers, request, some, chosen)
                yield from made


def _batch(
    stage: Stage,
    denoisers: Sequence[D],
    request: SampleRequest,
    indices: Sequence[int],
    chosen: Mapping[str, Sequence[Wish]],
) -> list[Generated]:
    shapes = stage.modality.template(
        stage.description,
        len(indices),
        Streams(request.seed, "template", indices),
        request.shape,
    )
    if request.editing is not None:
        shapes = editing.template(request.editing, request.start, indices, shapes)
    columns = _conditions(stage)
    values = {
        name: _asked(column, chosen.get(name), indices, request.seed)
        for name, column in columns.items()
        if name in chosen or name not in shapes.cond
    }
    cond = {
        name: shapes.cond[name]
        if name not in values
        else torch.from_numpy(column.batch([value_of(one) for one in values[name]]))
        for name, column in columns.items()
    }
    rows = {name: values[name] if name in values else cond[name].cpu().numpy() for name in columns}
    with _evaluating(stage, request):
        examples = _sample(stage, denoisers, request, indices, shapes.with_cond(**cond))
    return [
        Generated(
            index,
            example,
            {
                name: shown(column, rows[name][place])
                for name, column in columns.items()
                if column.settable
            },
        )
        for place, (index, example) in enumerate(zip(indices, examples, strict=True))
    ]


def _differentiates(stage: Stage, request: SampleRequest) -> bool:
    edits = request.editing is not None and request.editing.edit.differentiates
    return request.guidance.differentiates or edits or follows(stage, request.editing)


def _evaluating(stage: Stage, request: SampleRequest) -> AbstractContextManager[None]:
    """Evaluation without gradients; those that guidance enables need tensors that can have them."""
    return torch.no_grad() if _differentiates(stage, request) else torch.inference_mode()


def _denoisers(stage: Stage) -> list[Denoiser]:
    """The stage's own and its experts', in their order."""
    return [stage.denoiser, *(expert.denoiser for expert in stage.experts)]


def _sample(
    stage: Stage,
    denoisers: Sequence[D],
    request: SampleRequest,
    indices: Sequence[int],
    shapes: Batch,
) -> list[np.ndarray]:
    """One example for each index."""
    examples = dict[int, np.ndarray]()
    for some, template, like, low in _encoded(stage, request, indices, shapes):
        like = with_control(stage, like, request.control, some)
        examples |= zip(
            some, _solved(stage, denoisers, request, some, template, like, low), strict=True
        )
    return [examples[index] for index in indices]


def _encoded(
    stage: Stage, request: SampleRequest, indices: Sequence[int], shapes: Batch
) -> Iterator[tuple[Sequence[int], Batch, Batch, Batch | None]]:
    """Indices whose samples are made together, their template in raw units, as it is encoded on the
    device, and what they refine.
    """
    device = next(stage.denoiser.parameters()).device
    if stage.bridge is None:
        raw = shapes.map(lambda t: t.to(device))
        like = editing.encoded(stage.representation, raw)
        yield indices, shapes, told(stage.description.conditions, like), None
        return
    for some, *pair in alike(stage.bridge, request.low, request.start, indices, shapes):
        low, template = (batch.map(lambda t: t.to(device)) for batch in pair)
        level = torch.full((len(some),), float(request.level), device=device)
        yield (
            some,
            pair[1],
            stage.bridge.encode(
                low,
                template,
                level,
                Streams(request.seed, _own("bridge", request), some, device=device),
            ),
            low,
        )


def _own(purpose: str, request: SampleRequest) -> str:
    """The stream of a stage that refines."""
    return purpose if request.place == 1 else f"{purpose} {request.place}"


def _solved(
    stage: Stage,
    denoisers: Sequence[D],
    request: SampleRequest,
    indices: Sequence[int],
    shapes: Batch,
    like: Batch,
    low: Batch | None,
) -> list[np.ndarray]:
    """From noise to raw examples, for a template in raw units, ``shapes``, as it is encoded,
    ``like``, and for what they refine, ``low``.
    """
    purpose = "sample" if stage.bridge is None else _own("refine", request)
    space, device, shape = stage.representation.space, like.x.device, like.x.shape
    rng = Streams(request.seed, purpose, indices, device=device)
    start = space.noise(shape, rng, like.mask)
    if request.noise == "brownian":
        paths = brownian(space, request.seed, purpose, indices, shape, device, like.mask)
    else:
        paths = fresh(space, rng, shape, like.mask)
    kept, sizes = _bridged(stage), shape[2:]
    watched = None if stage.denoiser.second is None else Watched(stage.denoiser)
    if watched is not None:
        denoisers = [watched, *denoisers[1:]]
    tiled = [
        in_tiles(
            stage,
            denoiser,
            sizes,
            request.tile,
            request.overlap,
            request.batch,
            given=request.editing is not None,
        )
        for denoiser in denoisers
    ]
    if request.editing is not None:
        tiled = _on_circles(stage, request.editing, shapes, tiled)
    sigmas: Sequence[float] = stage.process.schedule.sigmas(request.steps)
    tiled = [
        _informed(stage, denoiser, own, sigmas)
        for denoiser, own in zip(tiled, _denoisers(stage), strict=True)
    ]
    model = tiled[0]
    tiled = _on_the_way(stage, request, indices, like, tiled)
    tiled = _as_asked(stage, request, indices, tiled, device)
    guidance = request.guidance.prepare(Sampling(indices, sigmas, like))
    extent = Extent.from_measured(stage.description.measured) if guidance.limited else None
    guided = [guidance.bind(denoiser, like.cond, like.mask, kept=kept) for denoiser in tiled]
    if extent is not None:
        guided = [
            limited(denoise, own.preconditioning, space, extent, like.mask)
            for denoise, own in zip(guided, _denoisers(stage), strict=True)
        ]
    first, *others = guided
    denoise = below(
        first, [(expert.below, other) for expert, other in zip(stage.experts, others, strict=True)]
    )
    beginning = None
    if request.editing is not None:
        beginning = Beginning(
            stage, request.editing, request.start, request.seed, indices, shapes, like, sigmas
        )
        denoise = beginning.keep(denoise)
    elif like.observed is not None:
        denoise = keeping(denoise, space, like.x, like.observed, like.mask, clean=like.noise_free)
    if watched is not None and not stage.experts:
        denoise = Varied(denoise, watched, space, like.mask)
    else:
        denoise = _counting(denoise, request.evaluations)
    degradation = stage.denoiser.degradation
    if degradation is not None:
        drawn = degradation.draw(shape, rng)
        x = space.project(degradation.start(shape, drawn, rng), like.mask)
    elif beginning is None:
        x = start.mul_(sigmas[0])
    else:
        assert request.editing is not None
        describe, describe_other = (
            None if own is None else _describing(stage, own, request, indices, like, model)
            for own in (request.editing.own, request.editing.others_own or None)
        )
        assert describe is not None
        begun = beginning.begun(start, denoise, describe, describe_other)
        x, sigmas, denoise = begun.x, begun.sigmas, begun.denoise or denoise
        if (noise := begun.noise) is not None:
            paths = lambda _: noise  # noqa: E731
        request.editing.found.update(dict.fromkeys(indices, begun.found) if begun.found else {})
    if degradation is not None:
        x = degradation.solve(denoise, x, sigmas, drawn)
    elif len(sigmas) > 1:
        x = solve(stage, denoise, x, sigmas, paths, request.resampling_steps)
    if request.editing is not None and like.observed is not None:
        x = space.keep(x, like.x, like.observed, like.mask)
    made = like.with_x(space.project(x, like.mask))
    if stage.bridge is None or low is None:
        if request.editing is None:
            return unpadded(stage.representation.decode(made).x.cpu(), shapes)
        around = shapes.map(lambda t: t.to(device))
        found = unpadded(stage.representation.decode_around(made, around).x.cpu(), shapes)
        return [
            editing.put_back(request.editing, request.start, index, one, stage.modality)
            for index, one in zip(indices, found, strict=True)
        ]
    x = stage.representation.decode(stage.bridge.restore(made)).x[
        tuple(slice(n) for n in shapes.x.shape)
    ]
    raw = Batch(x, mask=None if shapes.mask is None else shapes.mask.to(x.device))
    return unpadded(
        (
            stage.bridge.enforce_consistency(raw, low)
            if request.agree and not request.level
            else raw
        ).x.cpu(),
        shapes,
    )


def _counting(denoise: Denoise, counts: list[int]) -> Denoise:
    """The same estimates; the last of the counts grows with each, from a new 0."""
    counts.append(0)

    def counted(x: Tensor, sigma: float) -> Tensor:
        counts[-1] += 1
        return denoise(x, sigma)

    return counted


def _on_circles(stage: Stage, given: Editing, shapes: Batch, denoisers: list[D]) -> list[D]:
    """Denoisers of examples whose ends meet, along the axes on which the edit lets them meet."""
    axes = given.edit.circles(stage.modality.repeats)
    if not axes:
        return denoisers
    device = next(stage.denoiser.parameters()).device
    raw = shapes.map(lambda t: t.to(device))
    found = editing.along(stage.representation, raw, axes)
    return [Circular(denoiser, found) for denoiser in denoisers]


def _informed(stage: Stage, denoiser: D, own: Denoiser, sigmas: Sequence[float]) -> D:
    """A denoiser that learned whole steps, told where those of the sampler end."""
    if "end" not in own.told:
        return denoiser
    return Informed(denoiser, sigmas[:-1], landings(stage.sampler, sigmas, stage.knobs))


def _as_asked(
    stage: Stage,
    request: SampleRequest,
    indices: Sequence[int],
    denoisers: list[D],
    device: torch.device,
) -> list[D]:
    """The denoisers with the request's negative values and values of several parts."""
    columns, kept = _conditions(stage), _bridged(stage)

    def tensor(name: str, values: Sequence[Value]) -> Tensor:
        return torch.from_numpy(columns[name].batch(values)).to(device)

    negative = {
        name: tensor(name, _in_turn(_values(stage, name, texts), indices))
        for name, texts in request.negative.items()
    }
    chosen = {name: _values(stage, name, texts) for name, texts in request.cond.items()}
    conjunction = None
    if name := joined(chosen):
        parts, weights = parts_of(columns[name], _in_turn(chosen[name], indices))
        conjunction = Conjunction(
            name, [tensor(name, part) for part in parts], torch.tensor(weights, device=device)
        )
    if not negative and conjunction is None:
        return denoisers
    return [Asked(denoiser, negative, conjunction, kept) for denoiser in denoisers]


def _describing(
    stage: Stage,
    own: Mapping[str, Sequence[str]],
    request: SampleRequest,
    indices: Sequence[int],
    like: Batch,
    model: D,
) -> Denoise:
    """D under the own conditions of the examples that are edited, not guided."""
    cond = {**like.cond, **_tensors(stage, own, request, indices, like)}
    return ClassifierFree().bind(model, cond, like.mask, kept=_bridged(stage))


def _tensors(
    stage: Stage,
    given: Mapping[str, Sequence[str]],
    request: SampleRequest,
    indices: Sequence[int],
    like: Batch,
) -> dict[str, Tensor]:
    """Conditions of which each sample of a request has a text of its own, for some samples."""
    columns, found = _conditions(stage), {}
    for name, texts in given.items():
        values = _values(stage, name, texts)
        rows = columns[name].batch([value_of(values[index - request.start]) for index in indices])
        found[name] = torch.from_numpy(rows).to(like.x.device)
    return found


def _on_the_way(
    stage: Stage, request: SampleRequest, indices: Sequence[int], like: Batch, denoisers: list[D]
) -> list[D]:
    """Denoisers under conditions between those of the two examples of each pair."""
    given = request.editing
    if given is None or not given.towards:
        return denoisers
    others = _tensors(stage, given.towards, request, indices, like)
    weights = editing.weights_of(given, request.start, indices, like.x)
    assert weights is not None
    return [Between(denoiser, others, weights) for denoiser in denoisers]


def unpadded(x: Tensor, shapes: Batch) -> list[np.ndarray]:
    """Each raw example as an array of its own, cut to the template's size and to the real entries
    of its mask.
    """
    whole = torch.ones(1, *(1,) * (x.ndim - 1), dtype=torch.bool)
    mask = (whole if shapes.mask is None else shapes.mask.cpu()).expand(shapes.x.shape)
    return [
        one[tuple(slice(_extent(real, axis)) for axis in range(real.ndim))].numpy()
        for one, real in zip(x, mask, strict=True)
    ]


def _extent(real: Tensor, axis: int) -> int:
    """Where the last real entry along an axis ends."""
    others = [i for i in range(real.ndim) if i != axis]
    return int((real.any(others) if others else real).nonzero().max()) + 1


def _bridged(stage: Stage) -> set[str]:
    """The conditions of the bridge, the mask of given entries, and the map of a control branch: users
    cannot give them by value, and guidance does not drop them.
    """
    if stage.bridge is None:
        return ({MASK} & set(stage.description.conditions)) | controlled(stage)
    return {c.name for c in stage.bridge.conditions()} | controlled(stage)


def _conditions(stage: Stage) -> dict[str, Column]:
    own = _bridged(stage)
    return {
        name: stage.description.conditions[name]
        for name in stage.denoiser.conditioners
        if name not in own
    }


def _values(stage: Stage, name: str, texts: Sequence[str]) -> Sequence[Wish]:
    known = _conditions(stage)
    if name not in known:
        able = (
            ", ".join(column.name for column in known.values() if column.settable)
            or "none: it was trained without conditions"
        )
        raise UsageError(f"The model has no condition {name!r}. It has: {able}.")
    column = known[name]
    if (
        list(texts) == [ALL]
        and (choices := column.choices())
        and ALL not in map(column.show, choices)
    ):
        return choices
    return [wish(column, text) for text in texts]


def _in_turn(chosen: Sequence[Wish], indices: Sequence[int]) -> list[Wish]:
    return [chosen[index % len(chosen)] for index in indices]


def _asked(
    column: Column, chosen: Sequence[Wish] | None, indices: Sequence[int], seed: int
) -> list[Wish]:
    """The condition's value for each sample: the given values in turn, else drawn from the data."""
    if chosen is not None:
        return _in_turn(chosen, indices)
    return [_drawn(column, seed, index) for index in indices]


def _drawn(column: Column, seed: int, index: int) -> Value:
    u = torch.rand(
        (), generator=generator(seed, f"condition {column.name}", index=index), dtype=torch.float64
    ).item()
    return column.draw(u)
