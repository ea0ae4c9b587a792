"""``difftool train``."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import DifftoolError, RunExistsError, UsageError
from .console import command, out, out_json, say, table
from .devices import launched, over_devices
from .flags import Flag, Sectioned, choice_flag, flags_of, given, registry, values_of
from .init import started
from .wish import refines

if TYPE_CHECKING:
    from ..config import Config, Layer
    from ..engine.distributed import World
    from ..plugin.registry import Registry

# The parts that have a flag of their own, and what is said of it; everything else is reached with --set.
CHOICES = {
    "backbone": "the network",
    "process": "how the network is spoken to; brings its own density, weighting and schedule",
    "sampler": "the solver that previews and samples use",
}


class Train(Sectioned):
    """Flags for the engine's settings, and for those of the modality that the line names."""

    def flags(self, ctx: click.Context, args: list[str]) -> list[Flag]:
        parts = registry(ctx)
        modality = named_modality(args)
        config = _usual(parts, modality, args)
        taken = {name.lstrip("-") for param in self.params for name in param.opts}
        from ..settings import OptimizerOptions, TrainOptions

        engine = flags_of(TrainOptions, "train", "Training", values=_values(config, "train"), taken=taken)
        for flag in engine:
            if flag.dotted == "train.batch":
                flag.metavar, flag.help = "auto|N", f"{flag.help}; auto splits it into as many parts as memory needs"
        engine += flags_of(OptimizerOptions, "optimizer", "Training", values=_values(config, "optimizer"), only=("lr",), taken=taken)
        model = [choice_flag(kind, f"{kind}.use", "Model", text, _use(config, kind)) for kind, text in CHOICES.items() if kind not in taken]
        taken |= set(CHOICES)
        return [*own_flags(parts, modality, config, taken, "--help" in args or "-h" in args), *engine, *model]


def named_modality(args: list[str]) -> str:
    """The modality that a raw command line names, itself or through its config files."""
    if said := values_of(args, "-m", "--modality"):
        return said[-1]
    if (said := values_of(args, "--cascade")) and "/" in said[-1]:
        return said[-1].partition("/")[0]
    files = [Path("difftool.toml"), *map(Path, values_of(args, "--config")), *(Path(arg) for arg in args if is_cascade_file(arg))]
    return next((found for path in reversed(files) if (found := _modality_in(path))), "")


def is_cascade_file(word: str) -> bool:
    """Whether a word of the line is a cascade's file. Data never is TOML."""
    return word.endswith(".toml")


def _modality_in(path: Path) -> str:
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8")).get("modality")
    except (OSError, ValueError):
        return ""  # it is read again, and its faults told, when the config is resolved
    return str(found.get("use", "") if isinstance(found, dict) else found or "")


def _usual(parts: Registry, modality: str, args: list[str]) -> Config | None:
    """The configuration without the line's own flags: the defaults that help shows."""
    from ..config import gather, resolve

    if not modality or not ("--help" in args or "-h" in args):
        return None
    recipe = values_of(args, "--recipe")
    configs = [Path(path) for path in values_of(args, "--config")]
    try:
        return resolve(modality, gather(parts, modality, recipe[-1] if recipe else None, configs), parts)
    except DifftoolError:
        return None


def _values(config: Config | None, table: str) -> dict[str, Any] | None:
    if config is None:
        return None
    found = getattr(config, table)
    return getattr(found, "options", found).model_dump()


def _use(config: Config | None, kind: str) -> str:
    return getattr(config, kind).use if config else ""


def own_flags(parts: Registry, modality: str, config: Config | None, taken: set[str], helping: bool) -> list[Flag]:
    """The modality's flags, and its representation's."""
    name, _, representation = modality.partition("/")
    if not name or (helping and name not in parts.names("modality")):
        return []
    spec = parts.modality(name)
    section = f"{name.capitalize()} (-m {name})"
    own = flags_of(parts.options(spec), "modality", section, values=_values(config, "modality"), taken=taken, prefix=name)
    chosen = representation or (config.representation.use if config else next(iter(spec.representations), ""))
    if chosen not in parts.names("representation"):
        return own
    model = parts.options(parts.get("representation", chosen))
    return own + flags_of(model, "representation", section, values=_values(config, "representation"), taken=taken, prefix=chosen)


def epilog() -> str:
    return (
        "Every other setting is reached with --set TABLE.KEY=VALUE or a --config file; difftool config show -m NAME lists them all with "
        "their values. The flags of a modality are shown when it is named: difftool train -m NAME --help."
    )


@click.command(cls=Train, epilog=epilog())
@click.argument("words", nargs=-1, metavar="[CASCADE.toml] [DATA]")
@click.option("-m", "--modality", metavar="NAME[/REPR]", help="The kind of data; difftool list modalities shows them.")
@click.option("--recipe", metavar="NAME|FILE", help="A named configuration to start from; difftool list recipes shows them.")
@click.option("--cascade", metavar="NAME", help="A named list of stages to train in turn; difftool list cascades shows them.")
@click.option(
    "--config",
    "configs",
    metavar="FILE",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A TOML file; may be repeated, later ones win.",
)
@click.option("--set", "sets", multiple=True, metavar="TABLE.KEY=VALUE", help="One setting; may be repeated.")
@click.option("--run", metavar="DIR", type=click.Path(path_type=Path), help="The folder of the run. [default: a new one in runs/]")
@click.option("--stage", metavar="NAME", help="Of a cascade, only this stage.")
@click.option("--dry-run", is_flag=True, help="Build everything, measure, and write nothing.")
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
    """Train a model on DATA, a folder or file of your own; without DATA, on the modality's built-in demo set.

    With CASCADE.toml or --cascade, train the stages listed there one after another, and go on where that was stopped.
    """
    from ..config import gather, resolve

    parts = registry(ctx)
    file, data = _file_and_data(words, ctx)
    flags = [flag for flag in given(ctx) if flag[1:] != ("train.batch", "auto")]
    fitting = len(flags) < len(given(ctx))
    flags += [("DATA", "data.path", str(data_path(data)))] if data else []
    if found := _listed(file, cascade, modality, data, parts):
        from .cascade import Work, refuse_files, refuse_own_file, train_cascade
        from .stages import stages_of

        refuse_files(recipe=recipe, config=configs)
        stages, root = stages_of(found[0], parts, modality, flags, sets), run or found[1]
        refuse_own_file(found[0], root, stages)
        train_cascade(Work(root, stages, stage, fitting, dry_run=dry_run, processes=processes), parts, as_json)
        return
    if stage is not None:
        raise UsageError("--stage names a stage of a cascade, and none is named: difftool train CASCADE.toml --stage NAME")

    def resolved(*over: Layer) -> Config:
        return resolve(modality, gather(parts, modality, recipe, configs, flags, sets, over=over), parts)

    config = started(resolved(), resolved)
    refuse_used(run)
    if dry_run:
        _plan(config, parts, run or Path("runs"), fitting, as_json)
        return
    given_run = run is not None
    run = run or _new_path(config)
    if launched(**processes, words=[] if given_run else ["--run", str(run)], before=lambda: _cached(config, parts)):
        return
    told(run_training(config, parts, run, fitting), as_json)


def _file_and_data(words: tuple[str, ...], ctx: click.Context) -> tuple[Path | None, str | None]:
    """The cascade's file and the data that a line names, either of which may not be there."""
    file = Path(words[0]) if words and is_cascade_file(words[0]) else None
    rest = words[1:] if file else words
    if len(rest) > 1:
        raise click.UsageError(f"Got {len(rest)} words where one folder or file, DATA, is meant: {' '.join(rest)}", ctx)
    return file, (rest[0] if rest else None)


def _listed(file: Path | None, cascade: str | None, modality: str | None, data: str | None, parts: Registry) -> tuple[Path, Path] | None:
    """The file that lists the stages, and where they go unless that is said, so that the same line again goes on with them."""
    from ..engine.folder import RUNS

    if cascade is None:
        return None if file is None else (file, RUNS / file.stem)
    if file is not None:
        raise UsageError(
            f"--cascade {cascade} and {file} both list stages. Give one; a file can build on the other by extends = {cascade!r}."
        )
    from .stages import cascade_path

    use, _, name = cascade.rpartition("/")
    if not (use := use or (modality or "").partition("/")[0]):
        known = ", ".join(parts.names("cascade")) or "none"
        raise UsageError(f"--cascade {name}: of which modality? Say it with -m, or as a part of the name. Installed are: {known}.")
    return cascade_path(f"{use}/{name}", parts), RUNS / f"{_data_name(data, use)}-{name}"


def _cached(config: Config, parts: Registry) -> None:
    """Decode the data, so that the processes to come find it done."""
    from ..assemble import open_dataset
    from .progress import Counter

    open_dataset(config, parts, progress=Counter())


def refuse_used(run: Path | None) -> None:
    """Before any work: the folder of a new run must be empty."""
    if run is not None and run.exists() and (not run.is_dir() or any(run.iterdir())):
        raise RunExistsError(
            f"{run} already exists and is not empty; nothing in it was changed. Choose another --run"
            + (f", or go on with that run: {command('resume', run)}" if (run / "config.toml").is_file() else ".")
        )


def announce(config: Config) -> None:
    """The first line of a run on the demo set says so; of several processes, the first one speaks."""
    rank = os.environ.get("RANK") or os.environ.get("SLURM_PROCID") or "0"
    if not config.data.path and rank == "0":
        say(f"No DATA was given: this is the {config.modality.use} modality's built-in demo set.")


def data_path(text: str) -> Path:
    """DATA as an absolute path. Links keep their names, except where ``..`` makes them matter."""
    path = Path(text).expanduser().absolute()
    return path.resolve() if ".." in path.parts else path


def _new_path(config: Config) -> Path:
    from ..engine.folder import new_run_path

    return new_run_path(_data_name(config.data.path, config.modality.use))


def _data_name(data: str | None, modality: str) -> str:
    """What to call what is made of data."""
    if not data:
        return f"{modality}-demo"
    path = data_path(data)
    return (path.stem if path.is_file() else path.name) or modality


def _plan(config: Config, parts: Registry, place: Path, fitting: bool, as_json: bool) -> None:
    from ..data.cache import trial_cache
    from .training import plan_lines

    with trial_cache():
        plan = planned(config, parts, place, fitting)
    if as_json:
        out_json(plan)
    else:
        out(table(plan_lines(plan)))


def planned(config: Config, parts: Registry, place: Path, fitting: bool) -> dict[str, Any]:
    """What training would take, for a run below ``place``; a little of it is done, and nothing written there."""
    announce(config)
    from ..engine.plan import dry_run
    from .training import built, opened, split_to_fit

    config, dataset = opened(config, parts)
    stage = built(config, parts, dataset)
    if fitting:
        config, stage = split_to_fit(stage, config, parts, dataset)
    return dry_run(stage, dataset, place)


def run_training(config: Config, parts: Registry, run: Path, fitting: bool = False) -> dict[str, Any]:
    """A new run in ``run``, to its end; ``fitting`` splits the batch so that it fits the memory."""
    announce(config)
    from ..engine.distributed import join, leave
    from ..engine.folder import RunFolder
    from .training import built, opened, split_to_fit, train_to_end

    world = join()
    if fitting and world.size > 1:
        raise UsageError("--batch auto measures one device's memory. With several devices, give the batch and --accumulate as numbers.")
    try:
        world.share(config.train.batch, config.train.accumulate)
        config, dataset = opened(config, parts, quiet=not world.leads)
        stage = built(config, parts, dataset, world.local_rank)
        if fitting:
            config, stage = split_to_fit(stage, config, parts, dataset)
        folder = _folder(world, run, config, dataset) if world.size > 1 else None
        folder = folder or RunFolder.create(run, config.to_toml(), dataset.description, dataset.source)
        if world.leads:
            say(f"Training in {folder.path}; stop with Ctrl-C and go on later with: {command('resume', folder.path)}")
        result = train_to_end(stage, dataset, folder, resume=False, world=world)
    finally:
        leave()
    return result if world.leads else {}


def _folder(world: World, run: Path, config: Config, dataset: Any) -> Any:
    """The run's folder, made by the process that leads; all processes go by its path."""
    import torch.distributed as dist

    from ..engine.folder import RunFolder

    agreed = [str(run)]
    if world.leads:
        RunFolder.create(run, config.to_toml(), dataset.description, dataset.source)
    dist.broadcast_object_list(agreed, src=0)
    return RunFolder(Path(agreed[0]))


def told(result: dict[str, Any], as_json: bool) -> None:
    """The result on stdout: the model's path, or everything as JSON."""
    if not result:
        return
    if as_json:
        out_json(result)
    else:
        from .experts import known_levels

        model = Path(result["model"])
        low, high = known_levels(model)
        words = ["--from", "FILES"] if refines(model) else []
        words = [result["run"], "--expert", f"RUN2@{low:g}", *words] if low else [result["run"], *words]
        if high:
            words = ["RUN", "--expert", f"{result['run']}@{high:g}", *words[1:]]
        say(f"Done. Sample from it with: {command('sample', *words)}")
        out(result["model"])
