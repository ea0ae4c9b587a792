"""``difftool sample``."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import Interrupted, RunExistsError, Terminated
from ..files import unused
from .chain import Ask, Chain, Told, chain_of
from .console import out, out_json, say
from .flags import Flag, Sectioned, registry
from .progress import counted
from .signals import terminate_at_once
from .wish import Granted, Wish, peeked_modality, wish_flags, wish_of, wishing

if TYPE_CHECKING:
    import numpy as np

    from ..engine.generate import Generated
    from ..plugin.registry import Registry

SHEET = 64
"""Samples on a preview sheet."""

EPILOG = "The flags of a modality are shown when a model of it is named, or is the latest: difftool sample RUN --help."


class Sample(Sectioned):
    """Flags of the modality that the model is of."""

    def flags(self, ctx: click.Context, args: list[str]) -> list[Flag]:
        return wish_flags(ctx, peeked_modality(args), {flag.lstrip("-") for param in self.params for flag in param.opts})


@click.command(cls=Sample, epilog=EPILOG)
@wishing(Wish.n, several=True)
@click.option(
    "-o",
    "folder",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Folder to write to. [default: a new one in samples/ beside the model]",
)
@click.option(
    "--from",
    "files",
    metavar="FILE|DIR",
    multiple=True,
    type=click.Path(path_type=Path, exists=True),
    help="Refine these, whole and at their own size, in place of an earlier stage's samples; may be repeated.",
)
@click.option("--as-trained", is_flag=True, help="Bring what is refined to the size of training examples, cutting what is longer.")
@click.option("--stage", "entry", metavar="NAME", help="The stage that refines them. [default: the first that refines anything]")
@click.option("--until", metavar="STAGE", help="Sample no further than this stage.")
@click.option("--level", metavar="X", type=click.FloatRange(0), help="Noise on what is refined, in model units; hides its faults.")
@click.option("--save-all", is_flag=True, help="Write the samples of every stage, each into a folder of its name.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on stdout.")
@click.pass_context
def sample(
    ctx: click.Context,
    models: tuple[str, ...],
    folder: Path | None,
    files: tuple[Path, ...],
    as_trained: bool,
    entry: str | None,
    until: str | None,
    level: float | None,
    save_all: bool,
    as_json: bool,
    **wishes: Any,
) -> None:
    """Make new examples with a trained model: a run, or a model file. Paths are printed on stdout.

    Of a cascade, or of several models, each refines what the one before it made.
    """
    wish, parts = wish_of(ctx, **wishes), registry(ctx)
    counted_out = ctx.get_parameter_source("n") is not click.core.ParameterSource.DEFAULT
    terminate_at_once()
    chain = chain_of(Ask(models, until, files, entry, level, counted_out, as_trained), wish, parts)
    made = sample_chain(chain, parts, folder, None if as_json else out, save_all)
    if as_json:
        out_json(made)
    else:
        say(f"{chain.n} sample{'s' * (chain.n > 1)} in {made['folder']}, together on {made['sheet']}")


def sample_model(path: Path, parts: Registry, wish: Wish) -> dict[str, Any]:
    """Sample from one model into a new folder beside it; returns what was written."""
    return sample_chain(chain_of(Ask([str(path)]), wish, parts), parts)


def sample_chain(
    chain: Chain,
    parts: Registry,
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
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RunExistsError(f"{folder} already holds something; nothing in it was changed. Choose another -o.")
    low, told, written = chain.low, chain.told, list[dict[str, Any]]()
    for number, link in enumerate(chain.links):
        if len(chain.links) > 1:
            say(f"{link.name}:")
        last = number == len(chain.links) - 1
        place = (folder / link.name if save_all else folder) if last or save_all else None
        drawn, one = _sampled(chain, number, parts, low, told, place, on_sample)  # a function of its own: it leaves the device empty
        low, told = [each.example for each in drawn], [each.cond for each in drawn]
        written += [{"stage": link.name, **one}] if one else []
    result = {key: value for key, value in written[-1].items() if key != "stage"}
    return {**result, "stages": written} if save_all else result


def _sampled(
    chain: Chain,
    number: int,
    parts: Registry,
    low: Sequence[np.ndarray],
    told: Sequence[Told],
    folder: Path | None,
    on_sample: Callable[[str], None] | None,
) -> tuple[list[Generated], dict[str, Any]]:
    """One stage's samples, and what was written of them; the last stage's are not kept."""
    made, last = chain.grant(number, parts, low, told), number == len(chain.links) - 1
    if folder is None:
        return [_told(one, told, made) for one in _unwritten(made, chain.links[number].name)], {}
    kept: list[Generated] = []
    written = _written(made, folder, on_sample, told, None if last else kept)
    return kept, written


def _told(one: Generated, told: Sequence[Told], made: Granted) -> Generated:
    """The sample with what was said of what it refines: a stage that does not ask for the class makes a sample of that class all the same."""
    return replace(one, cond={**told[one.index - made.request.start], **one.cond}) if told else one


def _unwritten(made: Granted, name: str) -> Iterator[Generated]:
    """The samples of a stage that are only refined by the next."""
    from ..engine.generate import generate

    try:
        yield from counted(generate(made.stage, made.request), made.request.n, "sampling")
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
    made: Granted,
    folder: Path,
    on_sample: Callable[[str], None] | None,
    told: Sequence[Told] = (),
    kept: list[Generated] | None = None,
) -> dict[str, Any]:
    """Draw the samples and write each as it is done: files, a table of their conditions, and a sheet of the first ones.

    Args:
        told: conditions of what each of them refines; empty where they refine nothing.
        kept: takes in the samples, for whoever needs them as they are.
    """
    from ..engine.generate import generate

    modality, request = made.stage.modality, made.request
    rows: list[dict[str, Any]] = []
    shown: list[Generated] = []
    drawn = generate(made.stage, request)
    try:
        for one in (_told(one, told, made) for one in counted(drawn, request.n, "sampling")):
            folder.mkdir(parents=True, exist_ok=True)  # not before: a request may be refused when it is first looked at
            stem = folder / f"{one.index:06d}{_label(one.cond)}"
            file = modality.write(one.example, stem, {**made.info, "index": one.index, **_known(one.cond)}, request.shape)
            rows.append({"path": str(file), "index": one.index, "cond": dict(one.cond)})
            shown += [one] if len(shown) < SHEET else []
            if kept is not None:
                kept.append(one)
            if on_sample:
                on_sample(str(file))
    except (KeyboardInterrupt, Terminated) as stopped:
        kind = Terminated if isinstance(stopped, Terminated) else Interrupted
        rest = f"The others: --start {request.start + len(rows)} -n {request.n - len(rows)}, into another folder."
        rest = rest if kept is None else "They are an earlier stage's; no later one has begun."
        raise kind(f"Stopped: {len(rows)} of {request.n} samples are in {folder}. {rest}") from None
    finally:
        _write_table(folder, rows)
    stem = unused(folder.with_name(f"{folder.name}-sheet"), _taken)
    sheet = modality.preview([one.example for one in shown], stem, [one.title for one in shown])
    return {"folder": str(folder), "sheet": str(sheet), "samples": rows}


def _taken(stem: Path) -> bool:
    return any(stem.parent.glob(f"{stem.name}.*"))


def _known(cond: Mapping[str, str | float | None]) -> dict[str, str | float]:
    return {name: value for name, value in cond.items() if value is not None}


def _label(cond: Mapping[str, str | float | None]) -> str:
    """What goes into a file's name: ``-A`` for the label A, with nothing that a file system minds or that looks like a suffix."""
    words = [f"{value:g}" if isinstance(value, float) else value for value in cond.values() if value is not None]
    return "".join(f"-{re.sub(r'[^0-9A-Za-z_+-]+', '_', word)[:40]}" for word in words)


def _write_table(folder: Path, rows: list[dict[str, Any]]) -> None:
    """``metadata.csv``, from which the samples can be read again with their conditions."""
    names = list(rows[0]["cond"]) if rows else []
    if not names:
        return
    with open(folder / "metadata.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["file_name", *names])
        writer.writerows(_line(row, names) for row in rows)


def _line(row: dict[str, Any], names: list[str]) -> Iterator[str]:
    yield Path(row["path"]).name
    yield from ("" if row["cond"][name] is None else str(row["cond"][name]) for name in names)
