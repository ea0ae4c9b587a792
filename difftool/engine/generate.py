"""The sampling loop: sample i depends only on the seed and i, and in its last bits on the batch
size. A device that computes by itself is given the next batch before the samples of the one before
are fetched and written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass

import numpy as np
import torch

from ..batch import Batch
from ..conditioners.mask import told
from ..denoiser import D
from ..errors import UsageError
from ..rng import Streams
from ..stage import Stage
from . import editing
from .asked import asked_values, rows_of, settable_conditions, values_of
from .begin import follows
from .capture import captured
from .compile import compiled
from .control import joined_branches, require_control, with_control
from .device import is_on, naming_batch
from .passes import counted
from .refine import alike, require_low
from .sample_request import SampleRequest
from .solving import Coming, Solving, denoisers_of, stream_of
from .tiling import require_tile
from .wishes import Wish, joined, shown, value_of


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


OFTEN = 2_000
"""Evaluations of the network from which on ``auto`` compiles it."""

Made = Callable[[], list[Generated]]
"""The samples of a batch. Calling it waits for the device."""


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
    chosen = {name: values_of(stage, name, texts) for name, texts in request.cond.items()}
    require_control(stage, request.control, request.control_scale)
    joined_branches(stage, request.branches)
    joined(chosen)
    if joined({name: values_of(stage, name, texts) for name, texts in request.negative.items()}):
        raise UsageError("A negative prompt has one part. Write it without AND.")
    for denoiser in denoisers_of(stage):
        denoiser.eval()
    return _batches(stage, request, chosen)


def _batches(
    stage: Stage, request: SampleRequest, chosen: Mapping[str, Sequence[Wish]]
) -> Iterator[Generated]:
    stop = request.start + request.n
    with ExitStack() as stack:
        denoisers: list[D] = list(denoisers_of(stage))
        second = stage.denoiser.second is not None  # of which a replayed graph keeps nothing
        recordable = request.guidance.recordable and not _differentiates(stage, request)
        if recordable and not second:  # a replayed graph has no gradients either
            denoisers = [stack.enter_context(captured(one)) for one in denoisers_of(stage)]
            if _compiles(stage, request):
                stack.enter_context(compiled(denoisers_of(stage)))
        seen, before = stack.enter_context(counted(denoisers)), 0
        waiting: Made | None = None
        for at in range(request.start, stop, request.batch):
            indices = range(at, min(at + request.batch, stop))
            runs = (
                [indices]
                if request.editing is None
                else editing.alike(request.editing, request.start, indices)
            )
            for some in runs:
                try:
                    with naming_batch(len(some)):
                        made = _batch(stage, denoisers, request, some, chosen)
                except BaseException:
                    if waiting is not None:
                        yield from waiting()
                    raise
                request.passes.append((seen() - before) / len(some))
                before = seen()
                earlier, waiting = waiting, made
                if earlier is not None:
                    yield from earlier()
                if not _runs_ahead(stage):
                    waiting = None
                    yield from made()
        if waiting is not None:
            yield from waiting()


def _runs_ahead(stage: Stage) -> bool:
    """Whether the device computes while the host does other work."""
    return next(stage.denoiser.parameters()).device.type == "cuda"


def _compiles(stage: Stage, request: SampleRequest) -> bool:
    """Whether compiling takes less time than it saves."""
    batches = -(-request.n // request.batch)
    often = batches * request.steps * request.resampling_steps >= OFTEN
    device = next(stage.denoiser.parameters()).device
    return is_on(request.compile, device) and (often or request.compile == "on")


def _batch(
    stage: Stage,
    denoisers: Sequence[D],
    request: SampleRequest,
    indices: Sequence[int],
    chosen: Mapping[str, Sequence[Wish]],
) -> Made:
    shapes = stage.modality.template(
        stage.description,
        len(indices),
        Streams(request.seed, "template", indices),
        request.shape,
    )
    if request.editing is not None:
        shapes = editing.template(request.editing, request.start, indices, shapes)
    columns = settable_conditions(stage)
    values = {
        name: asked_values(column, chosen.get(name), indices, request.seed)
        for name, column in columns.items()
        if name in chosen or name not in shapes.cond
    }
    cond = {
        name: shapes.cond[name]
        if name not in values
        else rows_of(stage, column, [value_of(one) for one in values[name]])
        for name, column in columns.items()
    }
    rows = {name: values[name] if name in values else cond[name].cpu().numpy() for name in columns}
    with _evaluating(stage, request):
        coming = _sample(stage, denoisers, request, indices, shapes.with_cond(**cond))
    return lambda: [
        Generated(
            index,
            example,
            {
                name: shown(column, rows[name][place])
                for name, column in columns.items()
                if column.settable
            },
        )
        for place, (index, example) in enumerate(zip(indices, coming(), strict=True))
    ]


def _differentiates(stage: Stage, request: SampleRequest) -> bool:
    edits = request.editing is not None and request.editing.edit.differentiates
    return request.guidance.differentiates or edits or follows(stage, request.editing)


def _evaluating(stage: Stage, request: SampleRequest) -> AbstractContextManager[None]:
    """Evaluation without gradients; those that guidance enables need tensors that can have them."""
    return torch.no_grad() if _differentiates(stage, request) else torch.inference_mode()


def _sample(
    stage: Stage,
    denoisers: Sequence[D],
    request: SampleRequest,
    indices: Sequence[int],
    shapes: Batch,
) -> Coming:
    """One example for each index."""
    coming = list[tuple[Sequence[int], Coming]]()
    for some, template, like, low in _encoded(stage, request, indices, shapes):
        like = with_control(stage, like, request.control, some, request.branches)
        solving = Solving(stage, request, some, template, like, low)
        coming.append((some, solving.examples(denoisers)))

    def examples() -> list[np.ndarray]:
        found = {i: one for some, made in coming for i, one in zip(some, made(), strict=True)}
        return [found[index] for index in indices]

    return examples


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
                Streams(request.seed, stream_of("bridge", request), some, device=device),
            ),
            low,
        )
