"""What is wrong with data or with a run: measure, ask every check, and say what was not measured."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config import gather, resolve
from ..engine.folder import RunFolder, find_run, is_cascade, stage_runs
from ..errors import DataError, DifftoolError, UsageError
from ..verdict import Case, Check, in_order
from ..verdict.case import MEASUREMENTS
from .keywords import given, installed, training_names
from .measure_data import SEED, Notes, measure_data
from .measure_run import measure_run
from .reference import Reference, reference_data
from .reporter import SILENT, Reporter
from .resume import run_config

if TYPE_CHECKING:
    from ..config import Config
    from ..plugin.registry import Registry

MOST = 2000
"""Examples of the data that are looked at."""

SAMPLES = 128
"""Samples that are drawn from the model of a run."""


def doctor(
    target: str | Path,
    modality: str | None = None,
    *,
    samples: int = SAMPLES,
    data: int = MOST,
    against: str | Path | None = None,
    device: str = "auto",
    reporter: Reporter = SILENT,
    **settings: Any,
) -> dict[str, Any]:
    """What is wrong with a run or with data, the most important first.

    Args:
        target: a run, by path or name, or with ``modality`` data.
        modality: the kind of data, such as ``"image"``; None for a run.
        samples: how many to draw from the model of a run; 0 for none.
        data: how many examples of the data to look at.
        against: examples that the run was not trained on.
        settings: as of ``difftool.training``, for data.

    Returns:
        ``findings``, each with ``level``, ``kind``, ``fact``, ``fix``, ``command`` and ``weight``;
        ``checked``, the checks that were asked; ``measured``, what they were told; and ``missing``,
        each with ``check``, ``looks_for`` and ``reason``: nothing is known of these.

    Raises:
        UsageError: there is no such run.
        DataError: there is nothing usable in the data.
    """
    parts = installed()
    flags = given(settings, training_names(modality))
    return diagnosed(
        str(target), modality, flags, (), parts, reporter, samples, data, against, device
    )


def diagnosed(
    target: str,
    modality: str | None,
    flags: Iterable[tuple[str, str, Any]],
    sets: Sequence[str],
    parts: Registry,
    reporter: Reporter,
    samples: int = SAMPLES,
    most: int = MOST,
    against: str | Path | None = None,
    device: str = "auto",
) -> dict[str, Any]:
    """The same, of settings as the command line gives them."""
    if modality is not None:
        layers = gather(parts, modality, None, (), flags, sets)
        case = case_of_data(resolve(modality, layers, parts), target, parts, reporter, most, device)
    else:
        other = Path(against) if against else None
        case = case_of_run(_run(target), parts, reporter, samples, most, other, device)
    return asked(case, parts)


def _run(target: str) -> RunFolder:
    try:
        path = find_run(target)
    except UsageError as error:
        if not Path(target).exists():
            raise
        raise UsageError(
            f"{target} is not a run. If it is data, say of what kind: difftool doctor -m MODALITY "
            f"{target}"
        ) from error
    if is_cascade(path):
        raise UsageError(
            f"{path} is a cascade. Name one of its stages: "
            f"{', '.join(map(str, stage_runs(path))) or 'none has begun'}."
        )
    return RunFolder.open(path)


def case_of_data(
    config: Config, path: str, parts: Registry, reporter: Reporter, most: int, device: str
) -> Case:
    """What was measured of data. Raises DataError if nothing in it can be used."""
    config = config.replace(data=config.data.model_copy(update={"path": path}))
    notes = Notes()
    if measure_data(config, parts, reporter, most, notes, device=device) is None:
        raise DataError(notes.missing["examples"])
    nothing = dict.fromkeys(
        ("training", "levels", "noise", "reactions", "drawn", "loading"),
        "No run was named, only data.",
    )
    return _case(config, path, notes, nothing)


def case_of_run(
    folder: RunFolder,
    parts: Registry,
    reporter: Reporter,
    samples: int,
    most: int,
    against: Path | None,
    device: str,
) -> Case:
    """What was measured of a run."""
    import numpy as np

    config, notes = run_config(folder, parts), Notes()
    columns = {
        name: column
        for name, column in folder.description().conditions.items()
        if column.settable and name in config.conditions
    }
    left_out = _held(config, parts, reporter, most // 4)
    data = measure_data(config, parts, reporter, most, notes, columns or None, device, left_out)
    trained = held = data
    if data is not None:
        chosen = np.isin(data.numbers, left_out)
        trained, held = data.part(~chosen), data.part(chosen)
    if against is not None:
        held = reference_data(config, parts, Reference(against, most), SEED, reporter)
    measure_run(folder, config, data, trained, held, samples, device, parts, reporter, notes)
    return _case(config, config.data.path, notes, {})


def _held(config: Config, parts: Registry, reporter: Reporter, most: int) -> Sequence[int]:
    """Numbers of examples that the run holds out; none if its data cannot be read."""
    from ..assemble import hold_out, open_dataset  # torch

    try:
        _, dataset = open_dataset(config, parts, progress=reporter.counter(), measured={})
        held = hold_out(config, dataset, reporter.counter()).held
    except DifftoolError:  # what is missing is said where it is needed
        return ()
    return () if held is None else held[:most].tolist()


def _case(config: Config, path: str, notes: Notes, more: dict[str, str]) -> Case:
    return Case(
        modality=config.modality.use,
        source=path,
        missing={**more, **notes.missing},
        **notes.found,
    )


def asked(case: Case, parts: Registry) -> dict[str, Any]:
    """What the checks of a modality say of a case."""
    found, checked, missing = [], [], []
    for name in parts.checks(case.modality):
        spec = parts.get("check", name)
        check: Check = parts.load(spec)(parts.options(spec)())
        if lacking := check.lacks(case):
            reasons = dict.fromkeys(
                case.missing.get(one, f"{MEASUREMENTS.get(one, one)} not measured.")
                for one in lacking
            )
            missing.append({"check": name, "looks_for": spec.summary, "reason": " ".join(reasons)})
            continue
        checked.append({"check": name, "looks_for": spec.summary})
        found += list(check.look(case))
    return {
        "findings": [asdict(one) for one in in_order(found)],
        "checked": checked,
        "measured": _measured(case),
        "missing": missing,
    }


def _measured(case: Case) -> list[str]:
    """What was measured, in words."""
    words = dict(MEASUREMENTS)
    if case.examples is not None:
        words["examples"] = f"{len(case.examples):,} of {case.total:,} {words['examples']}"
    return [text for name, text in words.items() if getattr(case, name) is not None]
