"""Resolution: layers -> a Config. All faults are reported at once, each with its position.

Precedence is the order of the layers: default < recipe < project file < ``--config`` < ``--set``
and flags. An option belongs to the part that was in use where it was written. If a later layer
selects another part, the options of the earlier part are dropped. In the same way, a density,
weighting or schedule belongs to its process, and a representation to its modality.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import lru_cache
from typing import Any

from ..errors import ConfigError, PluginError, UsageError
from ..options import NoOptions, Options
from ..plugin.kinds import AUTO, NONE, Kind
from ..plugin.registry import Registry
from ..plugin.spec import load_object
from .combinations import impossible
from .config import ENGINE, PARTS, SEVERAL, TABLES, AutoConditionOptions, Config, Part
from .faults import validate
from .layers import Layer, Path, dict_layer
from .provenance import needed

Tag = tuple[str | None, ...]
"""The part in use, preceded by the part in use of the parent kind."""


@dataclass(frozen=True)
class Resolved:
    """A configuration and where its values were written; values without an origin are defaults."""

    config: Config
    origins: Mapping[Path, str]


def resolve(modality: str | None, layers: Sequence[Layer], registry: Registry) -> Config:
    """The configuration of these layers, which are ordered from the weakest.

    Args:
        modality: ``name`` or ``name/representation``; None if a layer names it.

    Raises:
        ConfigError: with all faults.
        PluginError: a plugin that the configuration uses is broken.
    """
    return trace(modality, layers, registry).config


def trace(modality: str | None, layers: Sequence[Layer], registry: Registry) -> Resolved:
    """``resolve``, with the origin of every value."""
    work = _Resolution(_with_modality(modality, layers), registry)
    work.rename_uses()
    for name in PARTS:
        work.part(name)
    several = {
        table: {name: work.named_part(table, name) for name in work.names_in(table)}
        for table in SEVERAL
    }
    engine = {
        name: work.table((name,), model, work.entries((name,))) for name, model in ENGINE.items()
    }
    work.check_tables()
    if work.faults:
        raise ConfigError(list(dict.fromkeys(work.faults)))
    for note in dict.fromkeys(work.notes):
        warnings.warn(note, FutureWarning, stacklevel=2)
    parts = {name: work.parts[name] for name in PARTS}
    config = Config(**parts, **several, **engine)  # type: ignore[arg-type]
    # what difftool saved has worked before
    if not all(layer.own for layer in layers) and (faults := list(impossible(config, registry))):
        raise ConfigError(faults)
    return Resolved(config, work.origins)


def config_from_dict(data: Mapping[str, Any], origin: str, registry: Registry) -> Config:
    """The configuration of a run folder or a model file; the same one for the same tables."""
    return _from_json(json.dumps(data), origin, registry)


@lru_cache(maxsize=64)
def _from_json(text: str, origin: str, registry: Registry) -> Config:
    return resolve(None, [dict_layer(json.loads(text), origin)], registry)


def _with_modality(modality: str | None, layers: Sequence[Layer]) -> list[Layer]:
    """The layers with the choice of ``--modality``, which applies from the first to the last."""
    if modality is None:
        return list(layers)
    use, _, representation = modality.partition("/")
    data: dict[str, Any] = {"modality": {"use": use}}
    if representation:
        data["representation"] = {"use": representation}
    choice = Layer("--modality", data)
    return [choice, *layers, choice]


def _common(kind: Kind) -> Collection[str]:
    """The options that all parts of a kind share; they are kept when another part is selected."""
    return load_object(kind.options).model_fields if kind.options else ()


def _as_key(name: str) -> str:
    """The full key of a bare name, such as ``train.steps`` for ``steps``; "" if there is none.

    Only keys that exist whichever parts are in use are considered.
    """
    keys = {table: model.model_fields for table, model in ENGINE.items()} | {
        table: _common(kind) for table, kind in PARTS.items()
    }
    return next((f"{table}.{name}" for table, known in keys.items() if name in known), "")


@dataclass
class _Entry:
    value: Any
    layer: Layer
    path: Path


@dataclass
class _Resolution:
    layers: list[Layer]
    registry: Registry
    faults: list[str] = field(default_factory=list)
    parts: dict[str, Part | None] = field(default_factory=dict)
    tags: dict[str, list[Tag]] = field(default_factory=dict)
    origins: dict[Path, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.faults += [fault for layer in self.layers for fault in layer.faults]

    def rename_uses(self) -> None:
        """Replace a former name of ``use`` (``Kind.former``) by ``use``."""
        for table, kind in PARTS.items():
            if kind.former:
                self.layers = [self._with_use(layer, table, kind.former) for layer in self.layers]

    def _with_use(self, layer: Layer, table: str, former: str) -> Layer:
        old = self._table(layer, (table,))
        if former not in old:
            return layer
        place = layer.where((table, former))
        if layer.places and not layer.own:
            self.notes.append(
                f"{place}: {table}.{former} is now called {table}.use. The old name works in this "
                "version only."
            )
        if "use" in old:
            self.faults.append(
                f"{place}: {table}.{former} is the old name of {table}.use, and both are set; "
                f"keep {table}.use"
            )
        new = {"use": old[former], **{key: value for key, value in old.items() if key != former}}
        return replace(
            layer,
            data={**layer.data, table: new},
            places={**layer.places, (table, "use"): place} if layer.places else {},
        )

    def part(self, name: str) -> None:
        """Resolve one kind: select the part, then validate its options."""
        self.tags[name] = list(self._tags(name))
        final = self.tags[name][-1] if self.tags[name] else (None,)
        use = final[-1]
        self.parts[name] = None
        if use is None:
            if name == "modality":
                known = ", ".join(self.registry.names("modality"))
                self.faults.append(
                    "no modality is selected: pass -m NAME, or write use = NAME in [modality]. "
                    f"Installed: {known}"
                )
            return
        kept = [tag == final for tag in self.tags[name]]
        model = self._model(PARTS[name], use, (name,), kept)
        if model is not None:
            entries = self.entries((name,), kept, _common(PARTS[name]))
            options = self.table((name,), model, entries)
            self.parts[name] = Part(use, options) if options is not None else None

    def _tags(self, name: str) -> Iterator[Tag]:
        """After each layer, the part in use and its parents.

        A choice applies only as long as the parent under which it was made is in use.
        """
        parent = PARTS[name].parent
        parents = self.tags[parent] if parent else [() for _ in self.layers]
        chosen: dict[Tag, str] = {}
        for layer, above in zip(self.layers, parents, strict=True):
            use = self._table(layer, (name,)).get("use")
            if isinstance(use, str):
                chosen[above] = use
            elif use is not None:
                self.faults.append(
                    f"{layer.where((name, 'use'))}: {name}.use = {use!r} is not text; write the "
                    f"name of a {name}"
                )
            yield (
                *above,
                chosen.get(above) or self._default(PARTS[name], above[-1] if above else None),
            )

    def _default(self, kind: Kind, parent: str | None) -> str | None:
        if not kind.parent:
            return kind.default or None
        if parent is None or parent not in self.registry.names(kind.parent):
            return None
        if kind.parent == "modality":
            return next(iter(self.registry.modality(parent).representations), None)
        return getattr(self.registry.process(parent), kind.name)

    def _layer_of_use(self, table: Path, kept: Sequence[bool]) -> Layer:
        """The layer that selected the part in use; also recorded as the origin of ``use``."""
        for layer, counts in zip(reversed(self.layers), reversed(kept), strict=True):
            if counts and "use" in self._table(layer, table):
                self.origins[(*table, "use")] = layer.where((*table, "use"))
                return layer
        return Layer("default")

    def _model(
        self, kind: Kind, use: str, table: Path, kept: Sequence[bool]
    ) -> type[Options] | None:
        layer = self._layer_of_use(table, kept)
        if use == kind.default == AUTO:
            return AutoConditionOptions if kind.name == "conditioner" else NoOptions
        if use == NONE and (kind.tables or kind.default == NONE):
            return NoOptions
        try:
            return self.registry.options(self.registry.get(kind.name, use))
        except UsageError as error:
            if layer.own:  # not a word that somebody has mistyped
                raise PluginError(needed(kind.name, use, layer.origin)) from None
            self.faults.append(f"{layer.where((*table, 'use'))}: {error}")
            return None

    def names_in(self, table: str) -> list[str]:
        """The names of the parts in a table, in the order of their first appearance."""
        return list(
            dict.fromkeys(name for layer in self.layers for name in self._table(layer, (table,)))
        )

    def named_part(self, group: str, name: str) -> Part | None:
        """One of several parts in a table; without ``use``, the kind's default."""
        table, kind = (group, name), SEVERAL[group]
        default = "" if kind.table else kind.default
        uses: list[str] = []
        for layer in self.layers:
            uses.append(str(self._table(layer, table).get("use", uses[-1] if uses else default)))
        if not uses[-1]:
            self.faults.append(
                f"{self._first_place(table)}: [{group}.{name}] does not name its {kind.name}; "
                "write use = NAME in it"
            )
            return None
        kept = [use == uses[-1] for use in uses]
        model = self._model(kind, uses[-1], table, kept)
        if model is None:
            return None
        options = self.table(table, model, self.entries(table, kept))
        return Part(uses[-1], options) if options is not None else None

    def _first_place(self, table: Path) -> str:
        return next(
            layer.where(table)
            for layer in self.layers
            if self._table(layer, table[:1]).get(table[1]) is not None
        )

    def entries(
        self, table: Path, kept: Sequence[bool] | None = None, common: Collection[str] = ()
    ) -> dict[str, _Entry]:
        """The last value of each key, from the layers with ``kept``, the strongest layer's last.

        Args:
            kept: whether each layer applies; None for all.
            common: keys that are taken from every layer.
        """
        found: dict[str, _Entry] = {}
        for n, layer in enumerate(self.layers):
            whole = kept is None or kept[n]
            for key, value in self._table(layer, table).items():
                if (whole or key in common) and (key != "use" or table[0] in ENGINE):
                    found.pop(key, None)  # the strongest come last
                    found[key] = _Entry(value, layer, (*table, key))
        return found

    def table(
        self, table: Path, model: type[Options], entries: dict[str, _Entry]
    ) -> Options | None:
        """Validate one table."""
        entries = self._migrated(model, self._by_new_names(table, model, entries))
        texts = {
            key: entry.layer.texts[entry.path]
            for key, entry in entries.items()
            if entry.path in entry.layer.texts
        }

        def where(key: str) -> str:
            entry = entries.get(key) or next(reversed(entries.values()), None)
            return entry.layer.where(entry.path) if entry else "default"

        options, faults = validate(
            model,
            {key: entry.value for key, entry in entries.items()},
            texts,
            where,
            ".".join(table),
        )
        self.faults += faults
        self.origins |= {entry.path: entry.layer.where(entry.path) for entry in entries.values()}
        return options

    def _migrated(self, model: type[Options], entries: dict[str, _Entry]) -> dict[str, _Entry]:
        """The entries of a run or a model of an earlier version (``Options.migrate``)."""
        own = {key: entry for key, entry in entries.items() if entry.layer.own}
        if not own or model.migrate.__func__ is Options.migrate.__func__:  # type: ignore[attr-defined]
            return entries
        somewhere = next(iter(own.values()))
        now = model.migrate({key: entry.value for key, entry in own.items()})
        return {key: entry for key, entry in entries.items() if key not in own} | {
            key: replace(own.get(key, somewhere), value=value) for key, value in now.items()
        }

    def _by_new_names(
        self, table: Path, model: type[Options], entries: dict[str, _Entry]
    ) -> dict[str, _Entry]:
        """The entries with former keys under their present names (``Options.renamed``)."""
        found = {
            key: entry
            for key, entry in entries.items()
            if key not in (*model.renamed, *model.obsolete)
        }
        for old in entries.keys() & set(model.obsolete):
            self._note(entries[old], "no longer has any effect. Remove it.")
        for old, new in model.renamed.items():
            if old not in entries:
                continue
            dotted = ".".join((*table, new))
            self._note(
                entries[old], f"is now called {dotted}. The old name works in this version only."
            )
            if new not in entries or self._later(entries[old], entries[new]):
                found[new] = entries[old]
            elif entries[old].layer is entries[new].layer:
                place, before = entries[old].layer.where(entries[old].path), ".".join((*table, old))
                self.faults.append(
                    f"{place}: {before} is the old name of {dotted}, and both are set; keep "
                    f"{dotted}"
                )
        return found

    def _later(self, one: _Entry, other: _Entry) -> bool:
        """Whether ``one`` was written in a later layer than ``other``, and so overrides it."""
        numbers = {id(layer): number for number, layer in enumerate(self.layers)}
        return numbers[id(one.layer)] > numbers[id(other.layer)]

    def _note(self, entry: _Entry, text: str) -> None:
        """Record a warning about an outdated key, unless difftool wrote the layer itself."""
        if entry.layer.places and not entry.layer.own:
            self.notes.append(f"{entry.layer.where(entry.path)}: {'.'.join(entry.path)} {text}")

    def check_tables(self) -> None:
        """Record faults of unknown tables, and of plain values in place of a table."""
        for layer in self.layers:
            for name, value in layer.data.items():
                if name == "recipe" and isinstance(value, str):
                    continue
                if name not in TABLES and not isinstance(value, Mapping) and (key := _as_key(name)):
                    self.faults.append(
                        f"{layer.where((name,))}: {name} is outside of any table. Did you mean "
                        f"{key}?"
                    )
                elif name not in TABLES:
                    close = get_close_matches(name, TABLES, n=1)
                    hint = (
                        f"Did you mean [{close[0]}]?"
                        if close
                        else f"The tables are: {', '.join(TABLES)}"
                    )
                    self.faults.append(f"{layer.where((name,))}: [{name}] is unknown. {hint}")
                elif not isinstance(value, Mapping):
                    self.faults.append(
                        f"{layer.where((name,))}: {name} = {value!r} is not a table; write "
                        f"[{name}] and its keys below it"
                    )
            for table in SEVERAL:
                self._flat_parts(layer, table)

    def _flat_parts(self, layer: Layer, table: str) -> None:
        for name, value in self._table(layer, (table,)).items():
            if not isinstance(value, Mapping):
                place = layer.where((table, name))
                self.faults.append(
                    f"{place}: {table}.{name} = {value!r} is not a table; write [{table}.{name}] "
                    "and its keys below it"
                )

    @staticmethod
    def _table(layer: Layer, path: Path) -> Mapping[str, Any]:
        node: Any = layer.data
        for name in path:
            node = node.get(name, {}) if isinstance(node, Mapping) else {}
        return node if isinstance(node, Mapping) else {}
