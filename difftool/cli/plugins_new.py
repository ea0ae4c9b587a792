"""``difftool plugins new``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import UsageError
from ..plugin.kinds import KINDS as KIND
from ..scaffold import KINDS, check_name, distribution, write_package
from ..scaffold.kinds import TEMPLATES
from ..shell import quoted
from .console import out, say
from .flags import registry

if TYPE_CHECKING:
    from ..plugin.registry import Registry

TRY = {
    "modality": "difftool train -m {name} --steps 100",
    "sampler": "difftool sample --sampler {name}",
    "backbone": "difftool train -m MODALITY --backbone {name}",
}
"""How a part of each kind is seen at work."""


@click.command()
@click.argument("name")
@click.option(
    "--kind",
    type=click.Choice(KINDS),
    default=KINDS[0],
    show_default=True,
    help="What the plugin provides.",
)
@click.option(
    "-o",
    "folder",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="A new folder for it. [default: difftool-NAME]",
)
@click.pass_context
def new(ctx: click.Context, name: str, kind: str, folder: Path | None) -> None:
    """Write a plugin package NAME that works as it is, to start from.

    Its folder is printed on stdout.
    """
    check_name(name)
    refuse_taken(registry(ctx), kind, name)
    folder = folder or Path(distribution(name))
    write_package(kind, name, folder)
    out(str(folder))
    say(f"A plugin with one {kind}, {name}. What to do next:")
    for line in (
        f"pip install -e {quoted(f'{os.path.join(os.curdir, folder)}[test]')}",
        f"pytest {quoted(str(folder))}",
        (TRY.get(kind) or TEMPLATES[kind].attempt).format(name=name),
    ):
        say(f"  {line}")
    say(
        f"Then make {folder / f'difftool_{name}' / f'{kind}.py'} your own; its README says what "
        "each file is for."
    )


def refuse_taken(parts: Registry, kind: str, name: str) -> None:
    """Raises UsageError where a plugin or a part of this name is installed: two of one name would
    be of no use.
    """
    for plugin in parts.plugins:
        if name == plugin.name or distribution(name) == plugin.distribution.lower().replace(
            "_", "-"
        ):
            raise UsageError(
                f"The plugin {plugin.name!r} of {plugin.package} is installed already. Choose "
                "another name."
            )
    if kind in KIND and name in parts.names(kind):
        owner = parts.provider(parts.get(kind, name)).package
        raise UsageError(f"There is a {kind} {name!r} already, from {owner}. Choose another name.")
