"""Other models beside the one that is measured: the same numbers of samples of the same seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..config import Part
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

SHOWN = 8
"""Samples of each model on that sheet."""


@dataclass(frozen=True)
class Other:
    """A model to measure beside: a run, and the steps of its sampler, unless its own."""

    word: str
    steps: int | None = None

    @classmethod
    def parse(cls, text: str) -> Other:
        """``RUN`` or ``RUN@STEPS``. Raises UsageError."""
        word, at, steps = text.rpartition("@")
        if not at:
            return cls(text)
        if not steps.isdigit() or not int(steps) or not word:
            raise UsageError(f"{text!r} is not RUN or RUN@STEPS, such as runs/teacher@4.")
        return cls(word, int(steps))

    def request(self, request: Request) -> Request:
        """The samples of the same seeds and conditions, by the model's own settings."""
        steps = [] if self.steps is None else [("--beside", "sample.steps", self.steps)]
        return replace(request, words=[self.word], flags=steps, sets=(), experts=(), until=None)


def chains_beside(
    texts: Sequence[str], request: Request, parts: Registry, reporter: Reporter
) -> list[Chain]:
    """The other models, checked before any weights are loaded."""
    return [chain_of(Other.parse(text).request(request), parts, reporter) for text in texts]


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
    """The result of ``evaluate_chain`` with ``beside``: of each other model its samples and rows.

    The first samples of all models lie side by side on a sheet, ``beside_sheet``: one seed gives
    them the same noise.
    """
    measured = []
    for other in others:
        reporter.say(f"{other.stages[-1].name}, {other.stages[-1].config.sample.steps} steps:")
        theirs = evaluate_chain(other, parts, reporter, seed, metrics, None, reference)
        own = {"name": other.stages[-1].name, "samples": theirs["samples"]}
        measured.append({**own, "rows": theirs["rows"]})
    result = {**found, "beside": measured}
    if sheet := _sheet([chain, *others], parts, reporter):
        result["beside_sheet"] = sheet
    return result


def _sheet(chains: Sequence[Chain], parts: Registry, reporter: Reporter) -> str:
    """Write the sheet into the run of the first model; returns its path, empty where there is none."""
    folder = run_of(chains[0].stages[-1])
    if folder is None or any(chain.stages[0].bridge is not None for chain in chains):
        return ""
    drawn = [draw(_first(chain), parts, reporter) for chain in chains]
    rows = [
        (samples.examples[i], f"{chain.stages[-1].name}, {samples.info['steps']} steps")
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


def _first(chain: Chain) -> Chain:
    """The chain for the first samples only."""
    n = min(SHOWN, chain.n)
    stages = [replace(one, request=replace(one.request, n=n)) for one in chain.stages]
    return replace(chain, stages=stages)
