"""Samples of a chain of stages, in memory or in a folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import DifftoolError, Interrupted, Terminated
from ..files import is_full_disk
from .background import in_background
from .chain import Chain, chain_of
from .chain_stage import Conditions
from .job import Job
from .reference import ReferenceData
from .reporter import Reporter
from .request import Request
from .writer import SampleWriter, refuse_used

if TYPE_CHECKING:
    import numpy as np

    from ..engine.generate import Generated
    from ..modality import Modality
    from ..options import Options
    from ..plugin.registry import Registry


@dataclass(frozen=True)
class Samples:
    """Samples in memory, in raw units, with their conditions: a sequence of arrays.

    Attributes:
        generated: the samples with their numbers and conditions.
        info: provenance, which is written with each.
        low: the examples that they refine; empty where they refine nothing.
        shape: the modality's own options of the request.
        evaluations: of the networks of all stages, for each sample; 0 where they are not counted.
    """

    generated: Sequence[Generated]
    modality: Modality
    shape: Options
    info: Mapping[str, Any] = field(default_factory=dict)
    low: Sequence[np.ndarray] = ()
    evaluations: float = 0.0

    def __len__(self) -> int:
        return len(self.generated)

    def __iter__(self) -> Iterator[np.ndarray]:
        return (one.example for one in self.generated)

    def __getitem__(self, number: int) -> np.ndarray:
        return self.generated[number].example

    @property
    def examples(self) -> list[np.ndarray]:
        """One array for each sample."""
        return list(self)

    @property
    def conditions(self) -> list[Mapping[str, str | float | None]]:
        """The conditions of each sample; None for a condition that was withheld."""
        return [one.cond for one in self.generated]

    def save(self, folder: str | Path) -> list[Path]:
        """Write each sample to a file in the modality's format, with ``metadata.csv``, and a sheet
        of the first ones beside the folder.

        Args:
            folder: new or empty.

        Raises:
            RunExistsError: the folder is not empty; nothing in it is changed.
        """
        folder = Path(folder)
        refuse_used(folder)
        writer = SampleWriter(folder, self.modality, self.info, self.shape)
        files = [writer.write(one) for one in self.generated]
        writer.write_sheet()
        return files


def draw(chain: Chain, parts: Registry, reporter: Reporter) -> Samples:
    """The samples of the last stage. Each stage is loaded when its turn comes."""
    low, conds, evaluations = chain.low, chain.conds, 0.0
    for number, stage in enumerate(chain.stages):
        if len(chain.stages) > 1:
            reporter.say(f"{stage.name}:")
        # a function of its own, so that the model leaves the device
        samples = _drawn(chain, number, parts, reporter, low, conds)
        low, conds = samples.examples, samples.conditions
        evaluations += samples.evaluations
    return replace(samples, evaluations=evaluations)


def _drawn(
    chain: Chain,
    number: int,
    parts: Registry,
    reporter: Reporter,
    low: Sequence[np.ndarray],
    conds: Sequence[Conditions],
) -> Samples:
    from ..engine.generate import generate  # torch

    job = chain.job(number, parts, low, conds)
    drawn = reporter.counted(generate(job.stage, job.request), job.request.n, "sampling")
    generated = [_with_inherited(one, conds, job) for one in drawn]
    passes = max(job.request.passes, default=0.0)
    return Samples(generated, job.stage.modality, job.request.shape, job.info, low, passes)


def refining(chain: Chain, data: ReferenceData) -> Chain:
    """A chain whose first stage refines degraded data of the last: at most half of the examples."""
    from ..engine.consistency import degraded  # torch

    n = min(chain.n, len(data.examples) // 2)
    low: Sequence[np.ndarray] = data.examples[:n]
    for stage in reversed(chain.stages):
        assert stage.bridge is not None  # each refines the one before it, or files
        low = degraded(stage.bridge, low)
    return chain.given(low, data.conditions(chain.stages[0], n), agree=True)


def sample_model(
    path: Path, parts: Registry, request: Request, reporter: Reporter
) -> dict[str, Any]:
    """Sample from one model into a new folder beside it; returns the written files."""
    chain = chain_of(replace(request, words=[str(path)]), parts, reporter)
    return sample_chain(chain, parts, reporter)


def sample_chain(
    chain: Chain,
    parts: Registry,
    reporter: Reporter,
    folder: Path | None = None,
    on_sample: Callable[[str], None] | None = None,
    save_all: bool = False,
) -> dict[str, Any]:
    """Sample stage after stage into a folder; returns the written files of the last stage.

    Args:
        folder: new or empty; by default the next free number below ``chain.root``.
        on_sample: is called with each file as it is written.
        save_all: write the samples of every stage, into folders below that one.
    """
    if folder is None:
        with numbered(chain.root) as folder:
            return _sample_into(folder, chain, parts, reporter, on_sample, save_all)
    refuse_used(folder)
    return _sample_into(folder, chain, parts, reporter, on_sample, save_all)


def _sample_into(
    folder: Path,
    chain: Chain,
    parts: Registry,
    reporter: Reporter,
    on_sample: Callable[[str], None] | None,
    save_all: bool,
) -> dict[str, Any]:
    low, conds, written = chain.low, chain.conds, list[dict[str, Any]]()
    for number, stage in enumerate(chain.stages):
        if len(chain.stages) > 1:
            reporter.say(f"{stage.name}:")
        last = number == len(chain.stages) - 1
        place = (folder / stage.name if save_all else folder) if last or save_all else None
        # a function of its own, so that the model leaves the device
        drawn, one = _sampled(chain, number, parts, reporter, low, conds, place, on_sample)
        low, conds = [each.example for each in drawn], [each.cond for each in drawn]
        written += [{"stage": stage.name, **one}] if one else []
    result = {key: value for key, value in written[-1].items() if key != "stage"}
    return {**result, "stages": written} if save_all else result


def _sampled(
    chain: Chain,
    number: int,
    parts: Registry,
    reporter: Reporter,
    low: Sequence[np.ndarray],
    conds: Sequence[Conditions],
    folder: Path | None,
    on_sample: Callable[[str], None] | None,
) -> tuple[list[Generated], dict[str, Any]]:
    """The samples of one stage, and the written files; those of the last stage are not kept."""
    job, last = chain.job(number, parts, low, conds), number == len(chain.stages) - 1
    if folder is None:
        drawn = _unwritten(job, chain.stages[number].name, reporter)
        return [_with_inherited(one, conds, job) for one in drawn], {}
    kept: list[Generated] = []
    written = _written(job, folder, reporter, on_sample, conds, None if last else kept)
    return kept, written


def _with_inherited(one: Generated, conds: Sequence[Conditions], job: Job) -> Generated:
    """The sample with the conditions of its input: it has them even where its stage has not."""
    if not conds:
        return one
    return replace(one, cond={**conds[one.index - job.request.start], **one.cond})


def _unwritten(job: Job, name: str, reporter: Reporter) -> Iterator[Generated]:
    """The samples of a stage that only the next stage uses."""
    from ..engine.generate import generate  # torch

    try:
        yield from reporter.counted(generate(job.stage, job.request), job.request.n, "sampling")
    except (KeyboardInterrupt, Terminated) as stopped:
        kind = Terminated if isinstance(stopped, Terminated) else Interrupted
        raise kind(
            f"Stopped in the stage {name}, before the last one. Its samples are not saved."
        ) from None


@contextmanager
def numbered(root: Path) -> Iterator[Path]:
    """The first of root/1, root/2, … that is free, created at once so that no other process takes
    it. It is removed at the end where nothing was written.
    """
    root.mkdir(parents=True, exist_ok=True)
    folder = next(path for number in count(1) if _created(path := root / str(number)))
    try:
        yield folder
    finally:
        with suppress(OSError):
            folder.rmdir()


def _created(folder: Path) -> bool:
    try:
        folder.mkdir()
    except FileExistsError:
        return False
    return True


def _written(
    job: Job,
    folder: Path,
    reporter: Reporter,
    on_sample: Callable[[str], None] | None,
    conds: Sequence[Conditions] = (),
    kept: list[Generated] | None = None,
) -> dict[str, Any]:
    """Draw the samples and write each as it is done, a table of their conditions, and a sheet.

    Args:
        conds: the conditions of their inputs; empty where they refine nothing.
        kept: a list to append the samples to, for the next stage.
    """
    from ..engine.generate import generate  # torch

    request = job.request
    writer = SampleWriter(folder, job.stage.modality, job.info, request.shape)
    drawn = reporter.counted(generate(job.stage, request), request.n, "sampling")

    def write(one: Generated) -> None:
        file = writer.write(one)
        if on_sample:
            on_sample(str(file))

    try:
        # files are encoded and written while the device works on the next batch
        with in_background(write, waiting=request.batch) as write_later:
            for one in (_with_inherited(one, conds, job) for one in drawn):
                write_later(one)
                if kept is not None:
                    kept.append(one)
    except (KeyboardInterrupt, Terminated, OSError, DifftoolError) as stopped:
        if not (kind := _kind_of_end(stopped)):
            raise
        done = len(writer.rows)
        why = "The disk is full" if kind is DifftoolError else "Stopped"
        if done == request.n:
            raise kind(f"{why}: all samples are in {folder}, and no sheet was made.") from None
        others = f"--start {request.start + done} -n {request.n - done}"
        rest = f"For the others, use {others} and another folder."
        rest = rest if kept is None else "They are of an earlier stage; no later one has started."
        raise kind(f"{why}: {done} of {request.n} samples are in {folder}. {rest}") from None
    if letters := writer.unwritable():
        reporter.say(
            f"No font on this machine has {letters[:20]}, so titles on the sheet show boxes. "
            "Install a font that has them, such as Noto Sans CJK for Chinese, Japanese and "
            "Korean."
        )
    counts = {"evaluations": max(request.evaluations)} if request.evaluations else {}
    sheet = str(writer.write_sheet())
    return {"folder": str(folder), "sheet": sheet, "samples": writer.rows, **counts}


def _kind_of_end(error: BaseException) -> type[DifftoolError] | None:
    """The error to raise for what ended the sampling early; None for a fault of another kind."""
    if isinstance(error, KeyboardInterrupt):
        return Interrupted
    if isinstance(error, Terminated):
        return Terminated
    causes = (error, error.__cause__ or error)
    return DifftoolError if any(map(is_full_disk, causes)) else None
