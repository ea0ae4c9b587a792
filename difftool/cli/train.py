"""``difftool train``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..config import file_layer, gather, recipe_modality, resolve
from ..errors import DifftoolError, UsageError
from ..optimizers.options import OptimizerOptions
from ..settings import TrainOptions
from ..workflows.text import command, plan_lines
from .console import out, out_json, out_table, say
from .devices import launched, over_devices
from .flags import Flag, Sectioned, choice_flag, flags_of, given, registry, values_of
from .signals import terminate_at_once
from .terminal import Terminal

if TYPE_CHECKING:
    from ..config import Config, Layer
    from ..plugin.registry import Registry
    from ..workflows.train_cascade import CascadeTraining

# The parts that have a flag, and its help text. --set reaches all other parts.
CHOICES = {
    "objective": "what is trained: denoising makes samples, autoencoder makes latents",
    "backbone": "the network",
    "process": "the parametrization of the network, with its own density, weighting and schedule",
    "sampler": "the solver that previews and samples use",
}


class Train(Sectioned):
    """Flags for the settings of the engine, and of the modality that the line names."""

    def flags(self, ctx: click.Context, args: list[str]) -> list[Flag]:
        parts = registry(ctx)
        modality = named_modality(args, parts)
        config = _usual(parts, modality, args)
        taken = {name.lstrip("-") for param in self.params for name in param.opts}
        engine = flags_of(
            TrainOptions, "train", "Training", values=_values(config, "train"), taken=taken
        )
        for flag in engine:
            if flag.dotted == "train.batch":
                flag.metavar, flag.help = (
                    "auto|N",
                    f"{flag.help}; auto splits it into as many parts as the memory requires",
                )
        engine += flags_of(
            OptimizerOptions,
            "optimizer",
            "Training",
            values=_values(config, "optimizer"),
            only=("lr",),
            taken=taken,
        )
        model = [
            choice_flag(kind, f"{kind}.use", "Model", text, _use(config, kind))
            for kind, text in CHOICES.items()
            if kind not in taken
        ]
        taken |= set(CHOICES)
        return [
            *own_flags(parts, modality, config, taken, "--help" in args or "-h" in args),
            *engine,
            *model,
        ]


def named_modality(args: list[str], parts: Registry) -> str:
    """The modality that a raw command line names, itself or through its recipe or config files."""
    if named := values_of(args, "-m", "--modality"):
        return named[-1]
    if (named := values_of(args, "--recipe")) and (kind := recipe_modality(parts, named[-1])):
        return kind
    if (named := values_of(args, "--cascade")) and "/" in named[-1]:
        return named[-1].partition("/")[0]
    files = [
        Path("difftool.toml"),
        *map(Path, values_of(args, "--config")),
        *(Path(arg) for arg in args if is_cascade_file(arg)),
    ]
    return next((found for path in reversed(files) if (found := _modality_in(path))), "")


def is_cascade_file(word: str) -> bool:
    """Whether a word of the line is a cascade file. Data is never TOML."""
    return word.endswith(".toml")


def _modality_in(path: Path) -> str:
    # The file is read again, and its faults reported, when the config is resolved.
    found = file_layer(path).data.get("modality")
    return str(found.get("use", "") if isinstance(found, dict) else found or "")


def _usual(parts: Registry, modality: str, args: list[str]) -> Config | None:
    """The configuration without the flags of the line: the defaults in the help text."""
    if not modality or not ("--help" in args or "-h" in args):
        return None
    recipe = values_of(args, "--recipe")
    configs = [Path(path) for path in values_of(args, "--config")]
    try:
        return resolve(
            modality, gather(parts, modality, recipe[-1] if recipe else None, configs), parts
        )
    except DifftoolError:
        return None


def _values(config: Config | None, table: str) -> dict[str, Any] | None:
    if config is None:
        return None
    found = getattr(config, table)
    return getattr(found, "options", found).model_dump()


def _use(config: Config | None, kind: str) -> str:
    return getattr(config, kind).use if config else ""


def own_flags(
    parts: Registry, modality: str, config: Config | None, taken: set[str], helping: bool
) -> list[Flag]:
    """The modality's flags, and its representation's."""
    name, _, representation = modality.partition("/")
    if not name or (helping and name not in parts.names("modality")):
        return []
    spec = parts.modality(name)
    section = f"{name.capitalize()} (-m {name})"
    own = flags_of(
        parts.options(spec),
        "modality",
        section,
        values=_values(config, "modality"),
        taken=taken,
        prefix=name,
    )
    chosen = representation or (
        config.representation.use if config else next(iter(spec.representations), "")
    )
    if chosen not in parts.names("representation"):
        return own
    model = parts.options(parts.get("representation", chosen))
    return own + flags_of(
        model,
        "representation",
        section,
        values=_values(config, "representation"),
        taken=taken,
        prefix=chosen,
    )


def epilog() -> str:
    return (
        "For all other settings use --set TABLE.KEY=VALUE or a --config file; difftool config "
        "show -m NAME lists them with their values. To see the flags of a modality, name it: "
        "difftool train -m NAME --help."
    )


@click.command(cls=Train, epilog=epilog())
@click.argument("words", nargs=-1, metavar="[CASCADE.toml] [DATA]")
@click.option(
    "-m",
    "--modality",
    metavar="NAME[/REPR]",
    help="The kind of data; difftool list modalities shows them.",
)
@click.option(
    "--recipe",
    metavar="NAME|FILE",
    help="A named configuration to start from; difftool list recipes shows them. The full name, "
    "MODALITY/NAME, also selects the modality.",
)
@click.option(
    "--cascade",
    metavar="NAME",
    help="A named cascade to train stage by stage; difftool list cascades shows them.",
)
@click.option(
    "--config",
    "configs",
    metavar="FILE",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A TOML file; may be repeated; later files win.",
)
@click.option(
    "--set", "sets", multiple=True, metavar="TABLE.KEY=VALUE", help="One setting; may be repeated."
)
@click.option(
    "--run",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="The folder of the run. [default: a new one in runs/]",
)
@click.option("--stage", metavar="NAME", help="Train only this stage of a cascade.")
@click.option("--dry-run", is_flag=True, help="Build everything and measure it, but write nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on stdout.")
@over_devices
@click.pass_context
def train(
    ctx: click.Context,
    words: tuple[str, ...],
    modality: str | None,
    recipe: str | None,
    cascade: str | None,
    configs: tuple[Path, ...],
    sets: tuple[str, ...],
    run: Path | None,
    stage: str | None,
    dry_run: bool,
    as_json: bool,
    **processes: Any,
) -> None:
    """Train a model on DATA, a folder or a file; without DATA, on the modality's built-in demo set.

    With CASCADE.toml or --cascade, train the stages of a cascade one after another, and resume
    those that were stopped.
    """
    # help waits for none of these
    from ..workflows.announce import announce_project
    from ..workflows.cascade import Cascade, named_cascade, refuse_files, refuse_own_file
    from ..workflows.naming import data_path, new_path, refuse_used
    from ..workflows.train import fill_cache, plan_of, run_training
    from ..workflows.train_cascade import CascadeTraining
    from ..workflows.warm_start import started

    parts = registry(ctx)
    file, data = _file_and_data(words, ctx)
    announce_project(Terminal())
    flags = [flag for flag in given(ctx) if flag[1:] != ("train.batch", "auto")]
    fitting = len(flags) < len(given(ctx))
    flags += [("DATA", "data.path", str(data_path(data)))] if data else []
    if found := named_cascade(file, cascade, modality, data, parts):
        refuse_files(recipe=recipe, config=configs)
        listed = Cascade.read(found[0], parts, run or found[1], modality, flags, sets)
        refuse_own_file(found[0], listed)
        launch = lambda words: launched(**processes, words=words)  # noqa: E731
        train_or_plan(
            CascadeTraining(listed, stage, fitting, launch=launch), parts, dry_run, as_json
        )
        return
    if stage is not None:
        raise UsageError(
            "--stage names a stage of a cascade, but the line names no cascade. Use: difftool "
            "train CASCADE.toml --stage NAME"
        )

    def resolved(*over: Layer) -> Config:
        return resolve(
            modality, gather(parts, modality, recipe, configs, flags, sets, over=over), parts
        )

    config = started(resolved(), resolved)
    refuse_used(run)
    if dry_run:
        terminate_at_once()
        _print_plan(plan_of(config, parts, run or Path("runs"), fitting, Terminal()), as_json)
        return
    given_run = run is not None
    run = run or new_path(config)
    if launched(
        **processes,
        words=[] if given_run else ["--run", str(run)],
        before=lambda: fill_cache(config, parts, Terminal()),
        run=run,
    ):
        return
    terminate_at_once()
    tell(run_training(config, parts, run, Terminal(), fitting, or_next=not given_run), as_json)


def _file_and_data(words: tuple[str, ...], ctx: click.Context) -> tuple[Path | None, str | None]:
    """The cascade file and the data that a line names; None for what it does not name."""
    file = Path(words[0]) if words and is_cascade_file(words[0]) else None
    rest = words[1:] if file else words
    if len(rest) > 1:
        raise click.UsageError(
            f"DATA is one folder or file, but the line has {len(rest)} words: {' '.join(rest)}", ctx
        )
    return file, (rest[0] if rest else None)


def _print_plan(plan: dict[str, Any], as_json: bool) -> None:
    if as_json:
        out_json(plan)
    else:
        out_table(plan_lines(plan))


def _print_plans(plans: dict[str, dict[str, Any]], as_json: bool) -> None:
    if as_json:
        out_json(plans)
        return
    for name, plan in plans.items():
        out(f"[{name}]", style="bold")
        out_table(plan_lines(plan))
        out("")


def tell(result: dict[str, Any], as_json: bool) -> None:
    """Print the result on stdout: the model's path, or everything as JSON."""
    if not result:
        return
    if as_json:
        out_json(result)
        return
    if result["generative"]:
        from ..workflows.model import sampling_command

        sampling = sampling_command(result["run"], Path(result["model"]))
        say(f"Done. Sample from it with: {sampling}")
    elif not result["reconstructs"]:
        say("Done. This model makes no samples by itself; settings of other runs may name it.")
    else:
        measuring = command("evaluate", result["run"])
        say(
            "Done. This model makes no samples: it was trained without a denoiser. Measure its "
            f"reconstructions with: {measuring}"
        )
    out(result["model"])


def train_or_plan(training: CascadeTraining, parts: Registry, dry_run: bool, as_json: bool) -> None:
    """Train a cascade, or tell what its training would be."""
    from ..workflows.train_cascade import plan_cascade

    if dry_run:
        _print_plans(plan_cascade(training, parts, Terminal()), as_json)
    else:
        train_stages(training, parts, as_json)


def train_stages(training: CascadeTraining, parts: Registry, as_json: bool) -> None:
    """Train a cascade, and print its folder on stdout, or everything as JSON."""
    from ..workflows.train_cascade import train_cascade

    terminate_at_once()
    root = training.cascade.root
    results = train_cascade(training, parts, Terminal())
    if not results:
        return
    if as_json:
        out_json({"cascade": str(root), "stages": results})
        return
    missing = training.cascade.untrained
    say(
        f"Not trained yet: {', '.join(missing)}. Continue with: {command('resume', root)}"
        if missing
        else f"Done. Sample from it with: {command('sample', root)}"
    )
    out(str(root))
