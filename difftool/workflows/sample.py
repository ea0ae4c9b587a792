"""Samples of a chain of stages: into memory, to be measured or refined, or into a folder."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import Interrupted, RunExistsError, Terminated
from ..files import unused
from .chain import Chain, ChainRequest, chain_of
from .job import Job
from .link import Conditions
from .reference import Drawn
from .reporter import Reporter
from .request import Request

if TYPE_CHECKING:
    import numpy as np

    from ..engine.generate import Generated
    from ..modality import Modality
    from ..options import Options
    from ..plugin.registry import Registry


SHEET = 64
"""Samples on a preview sheet."""


@dataclass(frozen=True)
class Samples:
    """Samples in memory, in raw units, with their conditions: a sequence of arrays.

    Attributes:
        generated: each with its number and its conditions.
        info: what they were made with, which is written with each.
        low: what each of them refines; empty where they refine nothing.
        shape: the modality's own options of the request.
    """

    generated: Sequence[Generated]
    modality: Modality
    shape: Options
    info: Mapping[str, Any] = field(default_factory=dict)
    low: Sequence[np.ndarray] = ()

    def __len__(self) -> int:
        return len(self.generated)

    def __iter__(self) -> Iterator[np.ndarray]:
        return (one.example for one in self.generated)

    def __getitem__(self, number: int) -> np.ndarray:
        return self.generated[number].example

    @property
    def examples(self) -> list[np.ndarray]:
        """The arrays, each of one sample."""
        return list(self)

    @property
    def conditions(self) -> list[Mapping[str, str | float | None]]:
        """Of each sample the conditions it was made with; None for one that was withheld."""
        return [one.cond for one in self.generated]

    def save(self, folder: str | Path) -> list[Path]:
        """Write each to a file, as the modality writes them, with ``metadata.csv`` and a sheet of the first ones beside the folder.

        Args:
            folder: new or empty.

        Raises:
            RunExistsError: something is in the folder; nothing in it is changed.
        """
        folder = Path(folder)
        _refuse_used(folder)
        writer = _Writer(folder, self.modality, self.info, self.shape)
        files = [writer.write(one) for one in self.generated]
        writer.write_table()
        writer.write_sheet()
        return files


def draw(chain: Chain, parts: Registry, reporter: Reporter) -> Samples:
    """The samples of the last stage, each stage loaded when its turn has come."""
    low, told = chain.low, chain.told
    for number, link in enumerate(chain.links):
        if len(chain.links) > 1:
            reporter.say(f"{link.name}:")
        samples = _drawn(chain, number, parts, reporter, low, told)  # a function of its own: it leaves the device empty
        low, told = samples.examples, samples.conditions
    return samples


def _drawn(chain: Chain, number: int, parts: Registry, reporter: Reporter, low: Sequence[np.ndarray], told: Sequence[Conditions]) -> Samples:
    from ..engine.generate import generate

    made = chain.job(number, parts, low, told)
    drawn = [_told(one, told, made) for one in reporter.counted(generate(made.stage, made.request), made.request.n, "sampling")]
    return Samples(drawn, made.stage.modality, made.request.shape, made.info, low)


def refining(chain: Chain, data: Drawn) -> Chain:
    """A chain whose first stage refines data of its last one, brought down as in training: the first examples, or half of them."""
    from ..engine.consistency import degraded

    n = min(chain.n, len(data.examples) // 2)
    low: Sequence[np.ndarray] = data.examples[:n]
    for link in reversed(chain.links):
        assert link.bridge is not None  # each refines the one before it, or what is given
        low = degraded(link.bridge, low)
    told = data.told(chain.links[0], n)
    return chain.given(low, told, agree=True)


def sample_model(path: Path, parts: Registry, request: Request, reporter: Reporter) -> dict[str, Any]:
    """Sample from one model into a new folder beside it; returns what was written."""
    return sample_chain(chain_of(ChainRequest([str(path)]), request, parts, reporter), parts, reporter)


def sample_chain(
    chain: Chain,
    parts: Registry,
    reporter: Reporter,
    folder: Path | None = None,
    on_sample: Callable[[str], None] | None = None,
    save_all: bool = False,
) -> dict[str, Any]:
    """Sample stage after stage into a folder that is new or empty; returns what was written of the last.

    Args:
        on_sample: told of each file as it is done.
        save_all: write every stage's samples, into folders below that one.
    """
    folder = folder or _numbered(chain.root)
    _refuse_used(folder)
    low, told, written = chain.low, chain.told, list[dict[str, Any]]()
    for number, link in enumerate(chain.links):
        if len(chain.links) > 1:
            reporter.say(f"{link.name}:")
        last = number == len(chain.links) - 1
        place = (folder / link.name if save_all else folder) if last or save_all else None
        drawn, one = _sampled(chain, number, parts, reporter, low, told, place, on_sample)  # a function of its own: it leaves the device empty
        low, told = [each.example for each in drawn], [each.cond for each in drawn]
        written += [{"stage": link.name, **one}] if one else []
    result = {key: value for key, value in written[-1].items() if key != "stage"}
    return {**result, "stages": written} if save_all else result


def _sampled(
    chain: Chain,
    number: int,
    parts: Registry,
    reporter: Reporter,
    low: Sequence[np.ndarray],
    told: Sequence[Conditions],
    folder: Path | None,
    on_sample: Callable[[str], None] | None,
) -> tuple[list[Generated], dict[str, Any]]:
    """One stage's samples, and what was written of them; the last stage's are not kept."""
    made, last = chain.job(number, parts, low, told), number == len(chain.links) - 1
    if folder is None:
        return [_told(one, told, made) for one in _unwritten(made, chain.links[number].name, reporter)], {}
    kept: list[Generated] = []
    written = _written(made, folder, reporter, on_sample, told, None if last else kept)
    return kept, written


def _told(one: Generated, told: Sequence[Conditions], made: Job) -> Generated:
    """The sample with what was said of what it refines: a stage that does not ask for the class makes a sample of that class all the same."""
    return replace(one, cond={**told[one.index - made.request.start], **one.cond}) if told else one


def _unwritten(made: Job, name: str, reporter: Reporter) -> Iterator[Generated]:
    """The samples of a stage that are only refined by the next."""
    from ..engine.generate import generate

    try:
        yield from reporter.counted(generate(made.stage, made.request), made.request.n, "sampling")
    except (KeyboardInterrupt, Terminated) as stopped:
        kind = Terminated if isinstance(stopped, Terminated) else Interrupted
        raise kind(f"Stopped in the stage {name}, before the last one; its samples are not kept.") from None


def _numbered(root: Path) -> Path:
    """The first of root/1, root/2, … that is free."""
    number = 1
    while (root / str(number)).exists():
        number += 1
    return root / str(number)


def _written(
    made: Job,
    folder: Path,
    reporter: Reporter,
    on_sample: Callable[[str], None] | None,
    told: Sequence[Conditions] = (),
    kept: list[Generated] | None = None,
) -> dict[str, Any]:
    """Draw the samples and write each as it is done: files, a table of their conditions, and a sheet of the first ones.

    Args:
        told: conditions of what each of them refines; empty where they refine nothing.
        kept: takes in the samples, for whoever needs them as they are.
    """
    from ..engine.generate import generate

    request, writer = made.request, _Writer(folder, made.stage.modality, made.info, made.request.shape)
    drawn = generate(made.stage, request)
    try:
        for one in (_told(one, told, made) for one in reporter.counted(drawn, request.n, "sampling")):
            file = writer.write(one)
            if kept is not None:
                kept.append(one)
            if on_sample:
                on_sample(str(file))
    except (KeyboardInterrupt, Terminated) as stopped:
        kind = Terminated if isinstance(stopped, Terminated) else Interrupted
        done = len(writer.rows)
        rest = f"The others: --start {request.start + done} -n {request.n - done}, into another folder."
        rest = rest if kept is None else "They are an earlier stage's; no later one has begun."
        raise kind(f"Stopped: {done} of {request.n} samples are in {folder}. {rest}") from None
    finally:
        writer.write_table()
    return {"folder": str(folder), "sheet": str(writer.write_sheet()), "samples": writer.rows}


def _refuse_used(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RunExistsError(f"{folder} already holds something; nothing in it was changed. Choose another -o.")


class _Writer:
    """Writes samples into a folder, each when it is there, then a table of their conditions and a sheet of the first ones."""

    def __init__(self, folder: Path, modality: Modality, info: Mapping[str, Any], shape: Options) -> None:
        self._folder, self._modality, self._info, self._shape = folder, modality, info, shape
        self._shown: list[Generated] = []
        self.rows: list[dict[str, Any]] = []

    def write(self, one: Generated) -> Path:
        """Write one sample; returns its file."""
        self._folder.mkdir(parents=True, exist_ok=True)  # not before: a request may be refused when it is first looked at
        stem = self._folder / f"{one.index:06d}{_label(one.cond)}"
        file = self._modality.write(one.example, stem, {**self._info, "index": one.index, **_known(one.cond)}, self._shape)
        self.rows.append({"path": str(file), "index": one.index, "cond": dict(one.cond)})
        self._shown += [one] if len(self._shown) < SHEET else []
        return file

    def write_table(self) -> None:
        """Write ``metadata.csv``, from which the samples can be read again with their conditions."""
        names = list(self.rows[0]["cond"]) if self.rows else []
        if not names:
            return
        with open(self._folder / "metadata.csv", "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["file_name", *names])
            writer.writerows(_line(row, names) for row in self.rows)

    def write_sheet(self) -> Path:
        """Show the first samples together, in a file beside the folder."""
        stem = unused(self._folder.with_name(f"{self._folder.name}-sheet"), _taken)
        return self._modality.preview([one.example for one in self._shown], stem, [one.title for one in self._shown])


def _taken(stem: Path) -> bool:
    return any(stem.parent.glob(f"{stem.name}.*"))


def _known(cond: Mapping[str, str | float | None]) -> dict[str, str | float]:
    return {name: value for name, value in cond.items() if value is not None}


def _label(cond: Mapping[str, str | float | None]) -> str:
    """What goes into a file's name: ``-A`` for the label A, with nothing that a file system minds or that looks like a suffix."""
    words = [f"{value:g}" if isinstance(value, float) else value for value in cond.values() if value is not None]
    return "".join(f"-{re.sub(r'[^0-9A-Za-z_+-]+', '_', word)[:40]}" for word in words)


def _line(row: dict[str, Any], names: list[str]) -> Iterator[str]:
    yield Path(row["path"]).name
    yield from ("" if row["cond"][name] is None else str(row["cond"][name]) for name in names)
