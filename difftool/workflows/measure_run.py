"""What ``difftool doctor`` measures of a run and its model."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..engine.folder import RunFolder
from ..errors import UsageError
from ..verdict.case import Drawn, Levels, Noise, Reaction
from ..verdict.run import facts_of
from .chain import chain_of
from .chain_stage import ChainStage
from .chosen_metrics import built_metrics, chosen_metrics
from .evaluate import rows_of
from .judged import measured_features
from .measure_data import Notes
from .reference import ReferenceData
from .reporter import Reporter
from .request import Request
from .sample import draw

if TYPE_CHECKING:
    import numpy as np

    from ..batch import Batch
    from ..config import Config
    from ..plugin.registry import Registry
    from ..stage import Stage

LEVELS = 10
"""Number of noise levels at which losses are compared."""

EXAMPLES = 128
"""Most examples of each side of that comparison."""

FEWEST = 16
"""Held-out examples below which no loss is compared."""

SETTLED = 12
"""Samples that are drawn again with more steps."""

MANY_STEPS = 100
"""Steps from which on there are surely enough."""

PATIENCE = 2.0
"""Seconds for which the loader is timed."""


def measure_run(
    folder: RunFolder,
    config: Config,
    data: ReferenceData | None,
    trained: ReferenceData | None,
    held: ReferenceData | None,
    samples: int,
    device: str,
    parts: Registry,
    reporter: Reporter,
    notes: Notes,
) -> None:
    """Note what there is to know of a run.

    Args:
        data: examples of its data.
        trained: those of them that it was trained on.
        held: examples that it was not trained on; none or few if there are none.
        samples: how many to draw; 0 for none.
    """
    with notes.trying("training"):
        notes.found["training"] = facts_of(folder)
    with notes.trying("loading"):
        notes.found["loading"] = _loading(config, parts, reporter)
    names = ("noise", "reactions", "levels", "drawn")
    with notes.trying(*names):
        request = Request(n=samples, device=device, words=[str(folder.path)])
        chain = chain_of(request, parts, reporter)
        last = chain.stages[-1]
        if data is None or trained is None:
            raise UsageError("The data of the run cannot be read.")
        if last.bridge is not None:
            raise UsageError(
                "The run refines the samples of an earlier stage: its own noise levels and samples "
                "are not measured. Measure the cascade with difftool evaluate."
            )
        stage = _loaded(last, parts, device)
        _measure_model(stage, last, trained, held, folder, notes)
        with notes.trying("drawn"):
            if not samples:
                raise UsageError("No samples were asked for (--samples 0).")
            notes.found["drawn"] = _drawn(chain, last, stage, data, parts, reporter)
    for name in names:
        if name in notes.found:
            notes.missing.pop(name, None)


def _loaded(last: ChainStage, parts: Registry, device: str) -> Stage:
    from ..assemble import load_stage  # torch

    stage = load_stage(last.model.path, parts, device=device, precision="fp32", config=last.config)
    stage.denoiser.eval()
    return stage


def _measure_model(
    stage: Stage,
    last: ChainStage,
    data: ReferenceData,
    held: ReferenceData | None,
    folder: RunFolder,
    notes: Notes,
) -> None:
    from ..engine.levels import encoded, levels_of  # torch

    notes.found["parameters"] = sum(p.numel() for p in stage.denoiser.parameters())
    count = min(EXAMPLES, len(data.examples))
    batches = list(encoded(stage, data.examples[:count], data.conditions(last, count)))
    notes.found["noise"] = _noise(stage, batches, last.config.sample.steps)
    if stage.denoiser.conditioners:
        notes.found["reactions"] = _reactions(stage, batches, notes.found["noise"])
    else:
        notes.missing["reactions"] = "The model has no conditions."
    if held is None or len(held.examples) < FEWEST:
        notes.missing["levels"] = (
            "No examples were held out from training. Set data.holdout, or name other examples "
            "with --against."
        )
        return
    n = min(count, len(held.examples), EXAMPLES)
    others = list(encoded(stage, held.examples[:n], held.conditions(last, n)))
    sigmas = levels_of(stage, LEVELS)
    notes.found["levels"] = _levels(stage, batches, others, sigmas, folder)


def _levels(
    stage: Stage,
    batches: Sequence[Batch],
    others: Sequence[Batch],
    sigmas: np.ndarray,
    folder: RunFolder,
) -> Levels:
    import numpy as np

    from ..engine.levels import level_losses  # torch

    trained, held = (level_losses(stage, some, sigmas) for some in (batches, others))
    error = np.sqrt(sum(one.var(1, ddof=1) / one.shape[1] for one in (trained, held)))
    live = None
    if (weights := _live(stage, folder)) is not None:
        live = level_losses(stage, others, sigmas, weights).mean(1)
    return Levels(
        sigmas=sigmas,
        held=held.mean(1),
        trained=trained.mean(1),
        difference_error=error,
        live=live,
    )


def _live(stage: Stage, folder: RunFolder) -> Any:
    """The denoiser with the weights of the last checkpoint, not an average of them; or None."""
    from copy import deepcopy

    from ..engine.checkpoint import load_checkpoint  # torch

    if (path := folder.latest_checkpoint()) is None:
        return None
    state, _ = load_checkpoint(path)
    prefix = "model."
    found = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
    if not found:
        return None
    denoiser = deepcopy(stage.denoiser)
    denoiser.load_state_dict(found, strict=False)
    return denoiser.eval()


def _noise(stage: Stage, batches: Sequence[Batch], steps: int) -> Noise:
    """The levels of a stage beside encoded examples; padding counts as zeros."""
    import numpy as np

    from ..rng import Stream

    width = max(batch.x[0].numel() for batch in batches)
    rows = np.concatenate([
        np.pad(x := batch.x.flatten(1).double().cpu().numpy(), ((0, 0), (0, width - x.shape[1])))
        for batch in batches
    ])  # fmt: skip
    gram = rows @ rows.T
    apart = np.sqrt(np.maximum(gram.diagonal()[:, None] + gram.diagonal() - 2 * gram, 0))
    schedule = stage.process.schedule
    drawn = stage.process.density.draw(20_000, Stream(0, "levels"))
    return Noise(
        spread=float(rows.std()),
        apart=float(np.median(apart[~np.eye(len(rows), dtype=bool)])),
        strongest=float(np.sqrt(np.linalg.eigvalsh(gram)[-1] / len(rows))),
        lowest=schedule.sigma_min,
        highest=schedule.sigma_max,
        visited=np.array([one for one in schedule.sigmas(steps) if one > 0]),
        trained=np.sort(drawn.double().numpy()),
    )


def _reactions(stage: Stage, batches: Sequence[Batch], noise: Noise) -> dict[str, Reaction]:
    """How the model reacts to each condition, at the level at which it reacts most."""
    import numpy as np
    import torch

    from ..engine.levels import reaction

    levels = np.geomspace(noise.spread, max(noise.apart, 2 * noise.spread), 4)
    found = {}
    for name in stage.denoiser.conditioners:
        column = stage.description.conditions.get(name)
        if column is None or not column.settable:
            continue

        def other(cond: Mapping[str, Any], name: str = name) -> dict[str, Any]:
            value = cond[name]
            order = torch.argsort(value.flatten(1)[:, 0] if value.ndim > 1 else value, stable=True)
            rolled = torch.empty_like(value)
            rolled[order] = value[order].roll(len(value) // 2, 0)
            return {**cond, name: rolled}

        best = Reaction(gain=-1.0, error=0.0, change=0.0)
        for sigma in levels:
            true, false, change = reaction(stage, batches, float(sigma), other)
            gain = (false - true) / max(true.mean(), 1e-12)
            one = Reaction(
                gain=float(gain.mean()),
                error=float(gain.std(ddof=1) / len(gain) ** 0.5),
                change=change,
            )
            best = replace(
                max(best, one, key=lambda each: each.gain), change=max(best.change, change)
            )
        found[name] = best
    return found


def _drawn(
    chain: Any,
    last: ChainStage,
    stage: Stage,
    data: ReferenceData,
    parts: Registry,
    reporter: Reporter,
) -> Drawn:
    """Samples beside data, in the features of the judge."""
    request = last.request
    names = ["frechet", "coverage", "memorisation", *(["agreement"] if last.settable else [])]
    able = parts.metrics(last.config.modality.use)
    chosen = chosen_metrics(
        parts, last.config.modality.use, ",".join(n for n in names if n in able), request
    )
    measures, _ = built_metrics(chosen, parts, last.model.description)
    samples = draw(chain, parts, reporter)
    found = measured_features(chain, parts, measures, samples, data, reporter)
    rows = [row for one in found.found for row in rows_of(one, len(samples))]
    info = {"count": len(samples), **samples.info}
    return Drawn(rows=rows, info=info, unsettled=_unsettled(stage, last, reporter))


def _unsettled(stage: Stage, last: ChainStage, reporter: Reporter) -> float:
    """How far samples move with four times the steps, along the same path of noise."""
    import numpy as np

    from ..engine.generate import generate  # torch
    from ..engine.sample_request import SampleRequest  # torch

    settings = last.config.sample
    if settings.steps >= MANY_STEPS or getattr(stage.sampler, "order", 1) is None:
        return float("nan")
    few, many = (
        [one.example for one in reporter.counted(generate(stage, request), SETTLED, "more steps")]
        for request in (
            SampleRequest(
                SETTLED,
                guidance=stage.guidance,
                shape=last.shape,
                **{**settings.model_dump(), "steps": steps, "noise": "brownian"},
            )
            for steps in (settings.steps, 4 * settings.steps)
        )
    )
    if len({one.shape for one in (*few, *many)}) > 1:
        pairs = [(a, b) for a, b in zip(few, many, strict=True) if a.shape == b.shape]
        few, many = [a for a, _ in pairs], [b for _, b in pairs]
    if not few:
        return float("nan")
    entries = [
        np.concatenate([np.ravel(one) for one in some]).astype(float) for some in (few, many)
    ]
    moved = np.sqrt(np.square(entries[0] - entries[1]).mean())
    return float(moved / (entries[1].std() or 1.0))


def _loading(config: Config, parts: Registry, reporter: Reporter) -> float:
    """Examples that the loader serves in a second, once it is warm."""
    from ..assemble import open_dataset  # torch
    from ..data.dataset import batches

    _, dataset = open_dataset(config, parts, progress=reporter.counter(), measured={})
    batch = config.train.batch
    source = batches(dataset, seed=config.train.seed, batch=batch, start=0, stop=10_000)
    next(source)
    start, seen = time.perf_counter(), 0
    for _ in source:
        seen += batch
        if (took := time.perf_counter() - start) > PATIENCE / 4 and seen > 8 * batch:
            break
        if took > PATIENCE:
            break
    source.close()
    return seen / max(1e-9, time.perf_counter() - start)
