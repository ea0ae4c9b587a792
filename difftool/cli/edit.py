"""``difftool edit``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..errors import UsageError
from ..workflows.edit import edit_files, shown
from ..workflows.edit_job import EditRequest
from ..workflows.request import EDIT, SELECTION, selection_model
from ..workflows.words import peeked_modality
from .console import out, out_json, say
from .flags import Flag, Sectioned, flags_of, registry
from .sampling_flags import flags_for_sampling, request_of, shared_options
from .signals import terminate_at_once
from .terminal import Terminal

EPILOG = (
    "To see the flags of a modality and an edit, name both: difftool edit RUN FILE fill --help. "
    "difftool list edits lists the edits."
)


class Edit(Sectioned):
    """Flags of the edit, of the model's modality, and of sampling."""

    def flags(self, ctx: click.Context, args: list[str]) -> list[Flag]:
        taken = {flag.lstrip("-") for param in self.params for flag in param.opts}
        parts, made = registry(ctx), list[Flag]()
        if name := next((word for word in args[::-1] if word in parts.names("edit")), ""):
            model = parts.options(parts.get("edit", name))
            made += flags_of(model, EDIT, name.capitalize(), taken=taken, prefix=name)
        modality = peeked_modality(args)
        if modality in parts.names("modality"):
            made += flags_of(
                selection_model(parts, modality),
                SELECTION,
                "What part is meant",
                taken=taken,
                prefix="select",
            )
        return [*made, *flags_for_sampling(ctx, modality, taken)]


@click.command(cls=Edit, epilog=EPILOG)
@click.argument("words", nargs=-1, required=True, metavar="RUN [FILE…] EDIT")
@click.option(
    "-n",
    "each",
    metavar="N",
    type=click.IntRange(1),
    help="Results for each file; of two files, steps from one to the other. [default: 4, or 1 "
    "where all would be equal]",
)
@click.option(
    "--to",
    multiple=True,
    metavar="NAME=VALUE[,VALUE…]",
    help="What the results shall be, instead of the files' own conditions; the same as --cond.",
)
@click.option(
    "-o",
    "folder",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Folder to write to. [default: a new one in edits/ beside the model]",
)
@click.option(
    "--dry-run", is_flag=True, help="Write a sheet that shows what is selected, and stop."
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on stdout.")
@shared_options
@click.pass_context
def edit(
    ctx: click.Context,
    words: tuple[str, ...],
    each: int | None,
    to: tuple[str, ...],
    folder: Path | None,
    dry_run: bool,
    as_json: bool,
    **sampling: Any,
) -> None:
    """Change examples with a trained model. RUN is a run or a model file, EDIT the name of an edit.

    The files are not changed; results are written to a new folder. Paths are printed on stdout.
    """
    if len(words) < 2:
        raise UsageError(
            "difftool edit needs a model, files and the name of an edit, such as: difftool edit "
            "runs/letters a.png vary"
        )
    model, *files, name = words
    parts = registry(ctx)
    if name not in parts.names("edit"):
        known = ", ".join(parts.names("edit"))
        raise UsageError(f"{name} is not an edit. The last word is one of: {known}.")
    if missing := [file for file in files if not Path(file).exists()]:
        raise UsageError(f"There is no file {missing[0]}.")
    sampling["conds"] = (*sampling["conds"], *to)
    request = request_of(ctx, n=1, start=0, **sampling)
    ask = EditRequest(model, name, tuple(map(Path, files)), each)
    terminate_at_once()
    if dry_run:
        out(str(shown(ask, request, parts, Terminal(), Path("selection"))))
        return
    made = edit_files(ask, request, parts, Terminal(), folder, None if as_json else out)
    if as_json:
        out_json(made)
    else:
        count = len(made["samples"])
        if "clip" in made:
            out(made["clip"])
        say(
            f"{count} result{'s' * (count > 1)} in {made['folder']}, beside the files on "
            f"{made['sheet']}."
        )
