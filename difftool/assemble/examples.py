"""Files -> raw examples, decoded into the cache."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from ..conditioners.columns import text_of
from ..config import AUTO, NONE, Config, Part
from ..data.cache import Cache, Progress, cache_path, fingerprint, listing, open_cache
from ..data.file_values import found_files
from ..data.locate import absolute, locate
from ..data.remark import remarks
from ..errors import DataError
from ..files import building, write_text
from ..modality import Item, Modality
from ..plugin.registry import Registry
from .parts import make_modality
from .tuned import map_column


def open_examples(
    config: Config,
    registry: Registry,
    *,
    progress: Progress | None = None,
    before: Callable[[Modality, Sequence[Item]], None] = lambda modality, items: None,
) -> tuple[Path, Modality, Cache]:
    """The path of a config's data, the modality without ``auto`` values, and the cached examples.

    Args:
        before: called before examples are decoded, unless all of them are cached.

    Raises:
        DataError: nothing usable, or too much of it unreadable.
    """
    modality = make_modality(config, registry)
    with remarks() as texts:
        path = (
            data_folder(config, registry, config.data.path)
            if config.data.path
            else demo_folder(config.modality.use, modality).absolute()
        )
        items = _without_named(modality.scan(path), config, registry, path)
    listed = listing(items, path)
    modality = _fitted(config, registry, modality, items, listed)
    if lacking := _facts_wanted(config, items):
        items = [_with_facts(item, lacking, modality) for item in items]
        listed = listing(items, path)
    cache = open_cache(
        modality,
        items,
        path,
        config.modality.use,
        max_bad=config.data.max_bad,
        progress=progress,
        listed=listed,
        before=lambda: before(modality, items),
    )
    cache.remarks = [*((path, text) for text in texts), *cache.remarks]
    return path, modality, cache


def _facts_wanted(config: Config, items: Sequence[Item]) -> set[str]:
    """The conditions that no column of the data has: the files themselves may say them."""
    wanted = {name for name, part in config.conditions.items() if part.use not in (NONE, AUTO)}
    return wanted.difference(*(item.columns for item in items)) if wanted else wanted


def _with_facts(item: Item, names: set[str], modality: Modality) -> Item:
    """The example with what its file says under these names."""
    try:
        facts = modality.facts(item)
    except DataError:
        return item  # it will be named with the others that cannot be read
    known = {name: value for name, value in facts.items() if name in names}
    return replace(item, columns={**item.columns, **known})


def _without_named(
    items: Sequence[Item], config: Config, registry: Registry, root: Path
) -> Sequence[Item]:
    """The examples without files that only steer others: what is named in a column of files, and
    names none itself.
    """
    columns = _file_columns(config, registry)
    cells = [[text_of(item.columns.get(name, "")) for name in columns] for item in items]
    named = {
        path.resolve()
        for i, name in enumerate(columns)
        for path in found_files(name, (row[i] for row in cells), root)
    }
    if not named:
        return items
    return [
        item
        for item, row in zip(items, cells, strict=True)
        if any(row) or item.path.resolve() not in named
    ]


def _file_columns(config: Config, registry: Registry) -> list[str]:
    """The columns that name files."""
    own = [
        name
        for name, part in config.conditions.items()
        if part.use not in (NONE, AUTO) and registry.column(part.use).files
    ]
    return [*own, column] if (column := map_column(config)) else own


def data_folder(config: Config, registry: Registry, path: str) -> Path:
    """The local folder of the data at a path, by the config's source or the one for such paths."""
    return locate(path, registry, config.source.use, config.source.options)


def source_of(config: Config) -> str:
    """The name of a config's data in messages."""
    return absolute(config.data.path) if config.data.path else f"the {config.modality.use} demo set"


def missing_data(config: Config) -> Path | None:
    """The path of a config's data if nothing is there; None for data of another kind than files."""
    path = absolute(config.data.path or "")
    return None if not config.data.path or "://" in path or Path(path).exists() else Path(path)


def _fitted(
    config: Config, registry: Registry, modality: Modality, items: Sequence[Item], listed: str
) -> Modality:
    """The modality without ``auto`` values. They are cached: ``fit`` may open a million files."""
    use = config.modality.use
    note = cache_path(f"settled/{fingerprint(modality, use, listed)[:20]}.json")
    with suppress(FileNotFoundError, ValueError):  # an invalid file is written again
        options = registry.options(registry.modality(use)).model_validate_json(
            note.read_text(encoding="utf-8")
        )
        return make_modality(config.replace(modality=Part(use, options)), registry)
    fitted = modality.fit(items)
    if fitted.settings() != modality.settings():
        write_text(note, fitted.settings().model_dump_json())
    return fitted


def demo_folder(name: str, modality: Modality) -> Path:
    """The folder of the modality's demo set, written on first use."""
    folder = cache_path(f"demo/{name}")
    if not folder.exists():
        with building(folder) as partial:
            modality.demo(partial)
    return folder
