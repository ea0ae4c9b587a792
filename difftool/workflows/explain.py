"""Figures and one page that show what a trained diffusion does, on its own data."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from .chain import chain_of
from .job import prepared
from .reference import Reference, reference_data
from .reporter import Reporter
from .request import Request

if TYPE_CHECKING:
    import numpy as np

    from ..engine.sample_request import SampleRequest
    from ..plugin.registry import Registry
    from ..stage import Stage

LEVELS = 7
"""Noise levels that the forward process is shown at."""

STEPS = (2, 4, 8, 16, 32)
"""Steps of the sampler that are compared."""

FRAMES = 32
"""Steps of the animation."""

FEW = 64
"""Examples of the data whose loss is measured at each level."""

GRID = 64
"""Points along an axis at which a density is evaluated."""


@dataclass(frozen=True)
class Figure:
    """A figure of the page.

    Attributes:
        title, text: what it shows, in a few words and in a sentence or two.
        path: its file, beside the page.
    """

    title: str
    text: str
    path: Path


def explain(
    word: str,
    request: Request,
    path: Path | None,
    folder: Path | None,
    parts: Registry,
    reporter: Reporter,
) -> dict[str, Any]:
    """Draw the figures of a model, on ``request.n`` examples, and write the page.

    Args:
        path: data to show; None for the training data.
        folder: where to write; None for ``explain`` in the run's folder.

    Returns:
        ``page``, and ``figures``: name -> file.

    Raises:
        UsageError: the model refines another's samples.
    """
    from ..report.explained import write_page  # jinja2

    chain = chain_of(replace(request, words=[word]), parts, reporter)
    chained = chain.stages[-1]
    if chained.bridge is not None or len(chain.stages) > 1:
        raise UsageError(
            f"{word} is a cascade or refines the samples of an earlier stage. Name the run of a "
            "first stage: it starts from pure noise."
        )
    data = reference_data(chained.config, parts, Reference(path, FEW), request.seed, reporter)
    job = prepared(chained, parts)
    folder = folder or chained.model.path.parent / "explain"
    folder.mkdir(parents=True, exist_ok=True)
    rows = data.conditions(chained, len(data.examples))
    drawing = Drawing(job.stage, job.request, data.examples, rows, folder, parts, request.n)
    makers: list[Callable[[], Figure | None]] = [
        drawing.forward, drawing.noising, drawing.animation, drawing.counts, drawing.noise, drawing.schedule,
        drawing.levels, drawing.losses, drawing.density,
    ]  # fmt: skip
    made = reporter.counted((make() for make in makers), len(makers), "drawing")
    figures = [one for one in made if one is not None]
    page = write_page(folder / "explain.html", chained.model.name, figures)
    return {"page": str(page), "figures": {one.path.stem: str(one.path) for one in figures}}


@dataclass
class Drawing:
    """What the figures are drawn from.

    Attributes:
        request: the samples to draw, with the model's own settings.
        examples, rows: of the data, with their conditions.
        n: examples in each row of a figure.
    """

    stage: Stage
    request: SampleRequest
    examples: Sequence[np.ndarray]
    rows: Sequence[Any]
    folder: Path
    parts: Registry
    n: int

    def _sheet(
        self, name: str, rows: Sequence[Sequence[np.ndarray]], titles: Sequence[str]
    ) -> Path:
        """Rows of raw examples below one another, each row with one title."""
        from ..report.explained import stacked

        made = [
            self.stage.modality.preview(list(row), self.folder / f"{name}-{i:02d}")
            for i, row in enumerate(rows)
        ]
        return stacked(made, titles, self.folder / f"{name}.png")

    def _raw(self, count: int) -> Any:
        """A batch of the first examples on the device."""
        from ..engine.evaluate import conditioned
        from ..rng import Stream

        some = list(self.examples[:count])
        raw = self.stage.modality.collate(some, Stream(0, "explain"))
        device = next(self.stage.denoiser.parameters()).device
        return conditioned(self.stage, raw, self.rows[:count]).map(lambda t: t.to(device))

    def _levels(self, count: int) -> list[float]:
        """Levels from the lowest to the highest, evenly spaced in the schedule's time."""
        import torch

        times = torch.linspace(0, 1, count, dtype=torch.float64)
        return self.stage.process.schedule.sigma(times).tolist()

    def forward(self) -> Figure:
        """The forward process."""
        from ..engine.explain import noised

        levels = self._levels(LEVELS)
        rows = noised(self.stage, self._raw(self.n), levels, 0)
        path = self._sheet("forward", rows, [f"sigma {level:.3g}" for level in levels])
        return Figure(
            "The forward process",
            "Examples of the data, from clean to pure noise. They are scaled to one spread, as the "
            "network sees them.",
            path,
        )

    def noising(self) -> Figure:
        """The forward process as an animation."""
        from ..engine.explain import noised
        from ..report.explained import animated

        levels = self._levels(FRAMES)
        rows = noised(self.stage, self._raw(self.n), levels, 0)
        frames = [
            self._sheet(f"noising-{i:03d}", [row], [f"sigma {level:.3g}"])
            for i, (row, level) in enumerate(zip(rows, levels, strict=True))
        ]
        return Figure(
            "The forward process, moving",
            "The same examples and noise at levels that are evenly spaced in the schedule's time.",
            animated(frames, self.folder / "noising.gif"),
        )

    def animation(self) -> Figure:
        """The reverse process as an animation, and its estimates on the way."""
        from ..engine.explain import reverse
        from ..report.explained import animated

        request = replace(self.request, n=self.n, steps=FRAMES)
        made, steps = reverse(self.stage, request)
        shown = steps[:: max(1, len(steps) // FRAMES)]
        frames = [
            self._sheet(f"reverse-{i:03d}", [noisy, clean], [f"sigma {sigma:.3g}", "estimate"])
            for i, (sigma, noisy, clean) in enumerate([*shown, (0.0, made, made)])
        ]
        return Figure(
            "The reverse process",
            "Sampling: first the noisy examples, then what the network makes of them at that level.",
            animated(frames, self.folder / "reverse.gif"),
        )

    def counts(self) -> Figure:
        """Samples at several numbers of steps."""
        from ..engine.explain import reverse

        rows = [
            reverse(self.stage, replace(self.request, n=self.n, steps=steps))[0] for steps in STEPS
        ]
        return Figure(
            "Steps of the sampler",
            "Samples from the same noise. More steps follow the reverse process more closely.",
            self._sheet("steps", rows, [f"{steps} steps" for steps in STEPS]),
        )

    def noise(self) -> Figure | None:
        """The ablation of sampling with and without added noise."""
        from ..engine.explain import reverse

        if self.stage.denoiser.degradation is not None:
            return None
        rows, titles = [], []
        for eta, title in ((0.0, "without noise"), (0.5, "half of it"), (1.0, "with noise")):
            spec = self.parts.get("sampler", "ddim")
            knobs = self.parts.options(spec).model_validate({"eta": eta}).model_dump()
            stage = replace(self.stage, sampler=self.parts.load(spec), knobs=knobs)
            rows.append(reverse(stage, replace(self.request, n=self.n, steps=FRAMES))[0])
            titles.append(f"eta {eta:g}: {title}")
        return Figure(
            "Sampling with and without added noise",
            f"DDIM with {FRAMES} steps from the same start. With eta 1, a step adds the noise of "
            "the reverse diffusion; it repairs errors of earlier steps, and needs more of them.",
            self._sheet("noise", rows, titles),
        )

    def schedule(self) -> Figure:
        """The levels that a sampler visits."""
        from ..engine.explain import log_snr

        with _axes(self.folder / "schedule.png", 2) as (left, right):
            for steps in STEPS[1:]:
                levels = self.stage.process.schedule.sigmas(steps)
                shown = [level for level in levels if level > 0]
                places = [i / max(len(levels) - 1, 1) for i in range(len(shown))]
                left.plot(places, shown, marker=".", label=f"{steps} steps")
                right.plot(places, log_snr(levels), marker=".", label=f"{steps} steps")
            left.set(xlabel="share of the steps", ylabel="sigma", yscale="log")
            right.set(xlabel="share of the steps", ylabel="log SNR, ln(1 / sigma²)")
            left.legend(frameon=False)
        return Figure(
            "The noise schedule",
            "The levels that samplers of several numbers of steps visit, and their signal-to-noise "
            "ratio for data of unit variance.",
            self.folder / "schedule.png",
        )

    def levels(self) -> Figure:
        """Where training draws its levels."""
        import torch

        from ..rng import Stream

        drawn = self.stage.process.density.draw(20_000, Stream(0, "explain density"))
        with _axes(self.folder / "levels.png") as (axes,):
            axes.hist(drawn.double().log().numpy() / math.log(10), bins=80, density=True)
            ends = [self.stage.process.schedule.sigma_min, self.stage.process.schedule.sigma_max]
            for end in ends:
                axes.axvline(math.log10(end), color="black", linewidth=0.8)
            axes.set(xlabel="log10 sigma", ylabel="density of training levels")
        share = float(torch.quantile(drawn, 0.5))
        return Figure(
            "Where training draws its levels",
            f"Half of the training examples have less noise than sigma {share:.3g}. The lines are "
            "the ends of the schedule.",
            self.folder / "levels.png",
        )

    def losses(self) -> Figure:
        """The loss at each level."""
        from ..engine.explain import loss_by_level

        levels = self._levels(24)
        errors, losses = loss_by_level(self.stage, self._raw(FEW), levels, 0)
        with _axes(self.folder / "loss.png", 2) as (left, right):
            left.plot(levels, errors, marker=".")
            left.set(xlabel="sigma", xscale="log", ylabel="error of D / variance of the data")
            right.plot(levels, losses, marker=".", color="tab:orange")
            right.set(xlabel="sigma", xscale="log", ylabel="loss as training weighs it")
        return Figure(
            "The loss at each level",
            f"On {min(FEW, len(self.examples))} examples. Left, how much of an example the network "
            "cannot tell at that level; right, the same as training weighs it.",
            self.folder / "loss.png",
        )

    def density(self) -> Figure | None:
        """The learned density of examples of one or two numbers, beside the exact one."""
        shape = self.stage.description.shape
        if None in shape or not 1 <= math.prod(int(n or 0) for n in shape) <= 2:
            return None
        import numpy as np

        from ..engine.explain import learned_density

        some = np.stack(self.examples).reshape(len(self.examples), -1)
        low, high = some.min(0) - 0.3 * np.ptp(some, 0), some.max(0) + 0.3 * np.ptp(some, 0)
        lines = [np.linspace(a, b, GRID) for a, b in zip(low, high, strict=True)]
        grid = np.stack(np.meshgrid(*lines, indexing="ij"), -1).reshape(-1, len(lines))
        points = grid.reshape(-1, *[int(n or 0) for n in shape]).astype(self.examples[0].dtype)
        found = {"learned": np.exp(learned_density(self.stage, points))}
        exact = self.stage.modality.log_density(points)
        if exact is not None:
            found["exact"] = np.exp(exact)
        with _axes(self.folder / "density.png", len(found) if len(lines) == 2 else 1) as axes:
            for i, (name, values) in enumerate(found.items()):
                if len(lines) == 1:
                    axes[0].plot(lines[0], values, label=name, linestyle="-" if i == 0 else "--")
                    axes[0].legend(frameon=False)
                    continue
                box = (low[0], high[0], low[1], high[1])
                top = max(one.max() for one in found.values())
                axes[i].imshow(
                    values.reshape(GRID, GRID).T,
                    origin="lower",
                    extent=box,
                    aspect="equal",
                    vmax=top,
                )
                axes[i].scatter(*some.T, s=2, color="white", alpha=0.5)
                axes[i].set(title=name)
        return Figure(
            "The learned density",
            "exp of the log-likelihood by the probability-flow ODE"
            + (", beside the exact density of the data." if exact is not None else "."),
            self.folder / "density.png",
        )


class _axes:
    """Axes side by side; leaving the block writes them into a PNG file."""

    def __init__(self, path: Path, count: int = 1) -> None:
        self._path, self._count = path, count

    def __enter__(self) -> tuple[Any, ...]:
        from matplotlib.figure import Figure as Canvas

        self._figure = Canvas(figsize=(5 * self._count, 3.2), layout="constrained")
        return tuple(self._figure.add_subplot(1, self._count, i + 1) for i in range(self._count))

    def __exit__(self, *error: object) -> None:
        if error[0] is None:
            self._figure.savefig(self._path, format="png", dpi=120)
