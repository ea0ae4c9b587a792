"""``difftool sample``."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import Interrupted, RunExistsError, Terminated
from ..files import unused
from .console import out, out_json, say
from .flags import Flag, Sectioned, registry
from .progress import counted
from .signals import terminate_at_once
from .wish import Granted, Wish, granted, model_path, peeked_modality, wish_flags, wish_of, wishing

if TYPE_CHECKING:
    from ..engine.generate import Generated
    from ..registry import Registry

SHEET = 64
"""Samples on a preview sheet."""

EPILOG = "The flags of a modality are shown when a model of it is named, or is the latest: difftool sample RUN --help."


class Sample(Sectioned):
    """Flags of the modality that the model is of."""

    def flags(self, ctx: click.Context, args: list[str]) -> list[Flag]:
        return wish_flags(ctx, peeked_modality(args), {flag.lstrip("-") for param in self.params for flag in param.opts})


@click.command(cls=Sample, epilog=EPILOG)
@wishing(Wish.n)
@click.option(
    "-o",
    "folder",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Folder to write to. [default: a new one in samples/ beside the model]",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on stdout.")
@click.pass_context
def sample(ctx: click.Context, model: str, folder: Path | None, as_json: bool, **wishes: Any) -> None:
    """Make new examples with a trained model: a run, or a model file. Paths are printed on stdout."""
    wish = wish_of(ctx, **wishes)
    terminate_at_once()
    made = sample_model(model_path(model), registry(ctx), wish, folder, on_sample=None if as_json else out)
    if as_json:
        out_json(made)
    else:
        say(f"{wish.n} sample{'s' * (wish.n > 1)} in {made['folder']}, together on {made['sheet']}")


def sample_model(
    path: Path, parts: Registry, wish: Wish, folder: Path | None = None, on_sample: Callable[[str], None] | None = None
) -> dict[str, Any]:
    """Sample into a folder that is new or empty; returns what was written.

    Args:
        on_sample: told of each file as it is done.
    """
    folder = folder or _numbered(path.parent / "samples")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RunExistsError(f"{folder} already holds something; nothing in it was changed. Choose another -o.")
    return _written(granted(path, parts, wish), folder, on_sample)


def _numbered(root: Path) -> Path:
    """The first of root/1, root/2, … that is free."""
    number = 1
    while (root / str(number)).exists():
        number += 1
    return root / str(number)


def _written(made: Granted, folder: Path, on_sample: Callable[[str], None] | None) -> dict[str, Any]:
    """Draw the samples and write each as it is done: files, a table of their conditions, and a sheet of the first ones."""
    from ..engine.generate import generate

    modality, request = made.stage.modality, made.request
    rows: list[dict[str, Any]] = []
    shown: list[Generated] = []
    drawn = generate(made.stage, request)
    try:
        for one in counted(drawn, request.n, "sampling"):
            folder.mkdir(parents=True, exist_ok=True)  # not before: a request may be refused when it is first looked at
            stem = folder / f"{one.index:06d}{_label(one.cond)}"
            file = modality.write(one.example, stem, {**made.info, "index": one.index, **_known(one.cond)}, request.shape)
            rows.append({"path": str(file), "index": one.index, "cond": dict(one.cond)})
            shown += [one] if len(shown) < SHEET else []
            if on_sample:
                on_sample(str(file))
    except (KeyboardInterrupt, Terminated) as stopped:
        kind = Terminated if isinstance(stopped, Terminated) else Interrupted
        rest = f"The others: --start {request.start + len(rows)} -n {request.n - len(rows)}, into another folder."
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
