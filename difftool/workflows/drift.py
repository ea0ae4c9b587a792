"""Drift: whether samples and another set come from one distribution, with a p-value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..engine.folder import find_run, is_run
from ..errors import DifftoolError, UsageError
from .chain import Chain, chain_of
from .judged import judged_vectors
from .reference import Reference, reference_data
from .reporter import Reporter
from .sample import Samples, draw

if TYPE_CHECKING:
    import numpy as np

    from ..plugin.registry import Registry

FEWEST = 16
"""Examples of a set below which nothing is tested."""

MOST = 1000
"""Examples of a set that are compared."""

SURE = 0.01
"""p-value below which two sets are said to differ."""


@dataclass(frozen=True)
class Other:
    """What samples are compared with: those of another run, or files.

    Attributes:
        name: in messages.
        chain: another model to sample.
        examples: of files that were read.
    """

    name: str
    chain: Chain | None = None
    examples: Sequence[np.ndarray] = ()


def drift(
    chain: Chain,
    samples: Samples,
    other: Other,
    parts: Registry,
    seed: int,
    most: int,
    reporter: Reporter,
) -> dict[str, Any]:
    """Test samples against another set, in the features of the judge of the model's training data.

    The judge has seen a part of that data, which would look different to it from anything new.
    Examples of both sets that it was trained on are therefore left out.

    Returns:
        ``against``, ``counts`` of both sets, ``left_out``, ``mmd`` and ``p``; or ``missing``, the
        reason why nothing was tested.
    """
    last = chain.stages[-1]
    try:
        data = reference_data(last.config, parts, Reference(None, most), seed, reporter)
        theirs = draw(other.chain, parts, reporter).examples if other.chain else other.examples
        sets = [list(samples.examples[:MOST]), list(theirs[:MOST])]
        vectors, left_out = judged_vectors(last, data, sets, parts, reporter)
    except DifftoolError as error:
        return {"against": other.name, "missing": str(error)}
    counts = [len(one) for one in vectors]
    if min(counts) < FEWEST:
        reason = (
            f"{min(counts)} examples are too few to tell whether two sets differ: use {FEWEST}."
        )
        return {"against": other.name, "counts": counts, "left_out": left_out, "missing": reason}
    from ..metrics.permutation import permutation_test

    ours, others = vectors
    mmd, p = permutation_test(ours, others, seed=seed)
    return {"against": other.name, "counts": counts, "left_out": left_out, "mmd": mmd, "p": p}


def other_run(path: Path | None, chain: Chain, parts: Registry, reporter: Reporter) -> Other | None:
    """Another run, by path or by its name in ``runs/``, of which as many samples are drawn, with
    other noise; None for data.
    """
    try:
        found = None if path is None else find_run(str(path))
    except UsageError:
        found = None
    if found is None or not is_run(found):
        return None
    request = chain.stages[-1].request
    # with the noise of the same seed both sets would not be independent
    asked = replace(request, words=[str(found)], seed=request.seed + 1, until=None)
    return Other(str(found), chain_of(asked, parts, reporter))


def said(found: dict[str, Any]) -> dict[str, Any]:
    """The finding of a test, for the verdict, as JSON."""
    from dataclasses import asdict

    from ..verdict import Diagnosis

    if "missing" in found:
        return asdict(Diagnosis("note", "drift", f"Not compared: {found['missing']}"))
    n, m = found["counts"]
    facts = f"{n:,} samples and {m:,} of {found['against']}"
    numbers = f"(discrepancy {found['mmd']:.3g}, p = {found['p']:.3g})"
    if found["p"] <= SURE:
        return asdict(
            Diagnosis(
                "warning",
                "drift",
                f"{facts} come from different distributions {numbers}.",
                "Look at both; difftool runs compare sets runs side by side.",
            )
        )
    return asdict(
        Diagnosis(
            "ok",
            "no drift shown",
            f"{facts} cannot be told apart {numbers}.",
            "More examples may show smaller differences.",
        )
    )
