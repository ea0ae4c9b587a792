"""Other models beside the one that is measured: the same numbers of samples of the same seeds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..config import Part
from ..engine.folder import is_cascade
from ..errors import DifftoolError, UsageError
from ..plugin.registry import Registry
from .chain import Chain, chain_of
from .evaluate import evaluate_chain
from .reference import Reference
from .reporter import Reporter
from .request import Request
from .sample import draw
from .verdict import run_of

BESIDE = "beside"
"""Name, without its suffix, of the sheet of samples beside those of other models."""

SHOWN = 12
"""Seeds on that sheet, at most; of more models than that, one seed for each."""


@dataclass(frozen=True)
class Other:
    """A model to measure beside: a run, and the steps of its sampler, unless its own."""

    word: str
    steps: int | None = None

    @classmethod
    def parse(cls, text: str) -> list[Other]:
        """``RUN``, ``RUN@STEPS`` or ``RUN@STEPS,STEPS,…``, which is several. Raises UsageError."""
        word, at, numbers = text.rpartition("@")
        if not at:
            return [cls(text)]
        steps = numbers.split(",")
        if not word or not all(n.isdigit() and int(n) for n in steps):
            raise UsageError(
                f"{text!r} is not RUN, RUN@STEPS or RUN@STEPS,STEPS,…, such as runs/teacher@2,4,8."
            )
        return [cls(word, int(n)) for n in steps]

    def request(self, request: Request) -> Request:
        """The samples of the same seeds and conditions, by the model's own settings."""
        steps = [] if self.steps is None else [("--beside", "sample.steps", self.steps)]
        return replace(request, words=[self.word], flags=steps, sets=(), experts=(), until=None)


def chains_beside(
    texts: Sequence[str], request: Request, parts: Registry, reporter: Reporter
) -> list[Chain]:
    """The other models, checked before any weights are loaded."""
    others = [other for text in texts for other in Other.parse(text)]
    return [chain_of(other.request(request), parts, reporter) for other in others]


def with_others(
    found: dict[str, Any],
    chain: Chain,
    others: Sequence[Chain],
    parts: Registry,
    reporter: Reporter,
    seed: int,
    metrics: Mapping[str, Part],
    reference: Reference,
) -> dict[str, Any]:
    """The result of ``evaluate_chain`` with the model's ``name`` and ``beside``: of each other
    model its name, samples and rows.

    The first samples of all models lie side by side on a sheet, ``beside_sheet``: one seed gives
    them the same noise.
    """
    measured = []
    for other in others:
        reporter.say(f"{_name(other)}, {other.stages[-1].config.sample.steps} steps:")
        theirs = evaluate_chain(other, parts, reporter, seed, metrics, None, reference)
        own = {"name": _name(other), "samples": theirs["samples"]}
        measured.append({**own, "rows": theirs["rows"]})
    result = {**found, "name": _name(chain), "beside": measured}
    if sheet := _sheet([chain, *others], parts, reporter):
        result["beside_sheet"] = sheet
    return result


def _sheet(chains: Sequence[Chain], parts: Registry, reporter: Reporter) -> str:
    """Write the sheet into the run of the first model; returns its path, empty where there is none."""
    folder = run_of(chains[0].stages[-1])
    if folder is None or any(chain.stages[0].bridge is not None for chain in chains):
        return ""
    n = seeds_shown(len(chains), chains[0].n)
    drawn = [draw(_first(chain, n), parts, reporter) for chain in chains]
    rows = [
        (samples.examples[i], f"{_name(chain)}, {samples.info['steps']} steps")
        for i in range(len(drawn[0]))
        for chain, samples in zip(chains, drawn, strict=True)
    ]
    examples, titles = zip(*rows, strict=True)
    try:
        folder.samples_path.mkdir(exist_ok=True)
        for old in folder.samples_path.glob(f"{BESIDE}.*"):
            old.unlink()
        return str(drawn[0].modality.preview(examples, folder.samples_path / BESIDE, titles))
    except (OSError, DifftoolError):  # a read-only place still has a result
        return ""


def _name(chain: Chain) -> str:
    """The name of the last stage, with that of its cascade before it."""
    last = chain.stages[-1]
    folder = run_of(last)
    if folder is None or not is_cascade(folder.path.parent):
        return last.name
    return f"{folder.path.resolve().parent.name}/{last.name}"


def seeds_shown(models: int, samples: int) -> int:
    """How many seeds are shown: as many as make models² or (2 models)² samples in all.

    So no seed is split between two rows of a sheet that is as many samples wide as high.
    """
    root = math.isqrt(min(SHOWN, samples) // models) or 1
    return min(models * root**2, samples)


def _first(chain: Chain, n: int) -> Chain:
    """The chain for the first ``n`` samples only."""
    stages = [replace(one, request=replace(one.request, n=n)) for one in chain.stages]
    return replace(chain, stages=stages)
