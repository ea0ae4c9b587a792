"""The command line.

A command's module is imported when the command is run, so that help stays fast.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from .. import __version__

if TYPE_CHECKING:
    from ..plugin.discovery import EntryPoint

# Command -> the module and attribute it lives in, and the line that the list of commands shows.
COMMANDS: dict[str, tuple[str, str]] = {
    "train": ("train:train", "Train a model on a folder of files, or on the built-in demo set."),
    "resume": ("resume:resume", "Resume a run that was stopped."),
    "finetune": ("finetune:finetune", "Teach a model a little more from a few examples."),
    "distill": ("distill:distill", "Train a student of a run that samples in a few evaluations."),
    "sample": ("sample:sample", "Draw samples from a trained model."),
    "edit": ("edit:edit", "Change examples: fill, extend, vary, interpolate, restore."),
    "evaluate": (
        "evaluate:evaluate",
        "Measure samples of a trained model, and compare them with the data.",
    ),
    "doctor": ("doctor:doctor", "Say what is wrong with a run or with data, and why."),
    "export": ("export:export", "Write a trained model to a file, for another program or machine."),
    "cascade": ("cascade:cascade", "Tune the sampling of a trained cascade."),
    "tune": ("tune:tune", "Find how a trained model is best sampled."),
    "ema": ("ema:ema", "List the averages of a run's weights, and choose the model's."),
    "explain": (
        "explain:explain",
        "Draw what a trained model does: figures, an animation, one page.",
    ),
    "demo": ("demo:demo", "Train and sample on the built-in demo set, in a few minutes."),
    "list": ("list:list_parts", "List what is installed: modalities, samplers, recipes, …"),
    "show": ("show:show", "Show one part's options and defaults."),
    "config": ("config:config", "Show, check or describe configuration files."),
    "report": ("report:report", "Write the page about a run, and show it."),
    "runs": ("runs:runs", "List, show and compare runs."),
    "data": ("data:data", "Look at data before training on it."),
    "plugins": ("plugins:plugins", "List the installed plugins, or create a new one."),
}


NO_PLUGINS, PLUGIN = "--no-plugins", "--plugin"


class Lazy(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*COMMANDS, *_from_plugins()]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            from .plugin_commands import load_command

            point = _from_plugins().get(cmd_name)
            return load_command(point) if point else None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        return getattr(import_module(f".{module}", __name__), attribute)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in COMMANDS and not name.startswith("-") and name not in _from_plugins():
            from difflib import get_close_matches

            close = get_close_matches(name, self.list_commands(ctx), n=1)
            raise click.UsageError(
                f"There is no command {name!r}."
                + (f" Did you mean {close[0]!r}?" if close else ""),
                ctx,
            )
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])
        if found := _from_plugins():
            with formatter.section("Commands of plugins"):
                formatter.write_dl([(name, point.summary()) for name, point in found.items()])


def _from_plugins() -> Mapping[str, EntryPoint]:
    from .plugin_commands import plugin_commands

    return plugin_commands(tuple(COMMANDS))


@click.group(
    cls=Lazy,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    invoke_without_command=False,
)
@click.version_option(__version__, "--version", prog_name="difftool")
@click.option(
    "--debug",
    is_flag=True,
    expose_value=False,
    help="Show a traceback when something fails; may stand anywhere in the line.",
)
@click.option(
    PLUGIN,
    metavar="FILE",
    multiple=True,
    expose_value=False,
    help="Use the plugin in a Python file, to try it before it is packaged; may stand anywhere in "
    "the line.",
)
@click.option(
    NO_PLUGINS,
    is_flag=True,
    expose_value=False,
    help="Use difftool's own parts only; may stand anywhere in the line. DIFFTOOL_PLUGINS=a,b "
    "names the only plugins to use.",
)
def cli() -> None:
    """Train diffusion models on your own files, whatever they are, and sample from them."""


_show_warning = warnings.showwarning


def _tell(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
    """Print what users should know like any other line. Other warnings are for developers."""
    from ..errors import Notice

    if issubclass(category, (FutureWarning, Notice)):
        from .console import note

        note(str(message))
    else:
        _show_warning(message, category, *where, **more)


def _without_files(args: list[str]) -> list[str]:
    """The words without ``--plugin FILE``, whose files are used from now on. Raises UsageError."""
    left: list[str] = []
    words = iter(args)
    for word in words:
        flag, equals, value = word.partition("=")
        if flag != PLUGIN:
            left.append(word)
            continue
        if not equals and (value := next(words, "")) == "":
            raise click.UsageError(f"{PLUGIN} needs a file.")
        from ..plugin.loose import add_file

        add_file(value)
    return left


def main(argv: Sequence[str] | None = None) -> None:
    """Run a command line and leave with its exit code."""
    args = [
        *(sys.argv[1:] if argv is None else argv)
    ]  # not list(): a command of that name is a module here
    debug = "--debug" in args
    if NO_PLUGINS in args:  # for the processes that this one starts, too
        os.environ["DIFFTOOL_PLUGINS"] = ""
    # pydantic would read the metadata of every installed package in search of plugins of its own
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    warnings.showwarning = _tell
    from .signals import deafen, leaving_at_once

    with leaving_at_once():
        try:
            code = cli.main(
                _without_files([arg for arg in args if arg not in ("--debug", NO_PLUGINS)]),
                prog_name="difftool",
                standalone_mode=False,
                obj="debug" if debug else None,
            )
            sys.exit(code if isinstance(code, int) else 0)
        except (Exception, KeyboardInterrupt) as error:
            deafen()  # a SIGTERM now would end the message about the error in a traceback
            from .failure import report

            sys.exit(report(error, debug))
        finally:
            if drawn := sys.modules.get(f"{__name__}.progress"):
                drawn.close_counters()
