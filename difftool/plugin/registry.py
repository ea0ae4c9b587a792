"""Registry: all parts of difftool and of the installed plugins, by kind and name."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from contextlib import redirect_stdout
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..column import Column, announce, kind_of
from ..errors import PluginError, UsageError
from ..shell import quoted
from . import loose
from .containment import CONTAINED, HANGS_S, Watch, hook_remarks, imported
from .discovery import CHOSEN, Plugin, chosen, is_chosen, one_line, plugin_points, unmet
from .kinds import KINDS, Kind
from .known import provider_of
from .spec import (
    CheckSpec,
    ConditionerSpec,
    MetricSpec,
    ModalitySpec,
    ProcessSpec,
    RecipeSpec,
    Spec,
    load_object,
)

if TYPE_CHECKING:
    import pluggy

    from ..options import Options

CORE = "core"
BUILTIN = "difftool.plugin.builtin"


@dataclass(frozen=True, slots=True)
class _Entry:
    kind: Kind
    spec: Spec
    plugin: Plugin


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr)


class Registry:
    """Parts by kind and name. Build one with ``Registry.load_all()``; tests add to an empty one."""

    def __init__(self, report: Callable[[str], None] = _to_stderr) -> None:
        self._report = report
        self._entries: dict[str, dict[str, list[_Entry]]] = {kind: {} for kind in KINDS}
        self._owners: dict[int, _Entry] = {}
        self._plugins: list[Plugin] = []
        self._tried: dict[tuple[str, str], Spec] = {}
        self._remarks: dict[Plugin, list[str]] = {}
        self._failures: dict[Plugin, BaseException] = {}
        self._manager: pluggy.PluginManager | None = None

    @classmethod
    def load_all(cls, report: Callable[[str], None] = _to_stderr) -> Registry:
        """The parts of difftool and of all installed plugins; failures are passed to ``report``.

        The environment variable ``DIFFTOOL_PLUGINS`` can name the only plugins to load.
        """
        from importlib import import_module

        from .. import __version__

        registry = cls(report)
        registry.add(Plugin(CORE, BUILTIN, "difftool", __version__), lambda: import_module(BUILTIN))
        points = [
            (Plugin(point.name, point.target, *point.package(), api=level), point.load)
            for point, level in plugin_points()
        ]
        with Watch(registry._tell_hanging) as watch:
            for plugin, load in points:
                if is_chosen(plugin.name, plugin.distribution):
                    watch.importing(plugin)
                    registry.add(plugin, load)
        for path in loose.files():
            registry.add(loose.plugin_of(path), partial(loose.module_of, path))
        known = {name for plugin, _ in points for name in (plugin.name, plugin.distribution)}
        for name in sorted((chosen() or set()) - known):
            report(f"{CHOSEN} names {name!r}, but no plugin of that name is installed.")
        return registry

    def add(self, plugin: Plugin, load: Callable[[], object]) -> None:
        """Import one plugin and add its specs. A plugin that fails is reported and adds nothing."""
        try:
            if old := plugin.of_another_level():
                self._remark(plugin, old)
            module, remarks = imported(load)
            if plugin.name == CORE or plugin.version == loose.LOOSE:
                remarks = []  # ours is slow on a cold disk only; a file that is tried may be slow
            with redirect_stdout(sys.stderr):  # what hooks print must not mix with --json
                entries, more = self._collect(plugin, module)
            self._refuse_core_names(entries)
        except CONTAINED as error:
            plugin = plugin.failed(error)
            self._plugins.append(plugin)
            self._failures[plugin] = error
            self._report(plugin.complaint())
            return
        self._plugins.append(plugin)
        for text in (*remarks, *more):
            self._remark(plugin, text)
        for entry in entries:
            self._take(entry)

    def _remark(self, plugin: Plugin, text: str) -> None:
        self._remarks.setdefault(plugin, []).append(text)
        self._report(f"The plugin {plugin.name!r} of {plugin.package} {text}")

    def _tell_hanging(self, plugin: Plugin) -> None:
        self._report(
            f"The plugin {plugin.name!r} of {plugin.package} has been importing for "
            f"{HANGS_S:.0f} s, and everything waits for it. Leave it out with --no-plugins, or "
            f"name the others in {CHOSEN}."
        )

    def remarks(self, plugin: Plugin) -> list[str]:
        """What is wrong with a plugin that works all the same, such as a hook that is unknown."""
        return self._remarks.get(plugin, [])

    @property
    def failures(self) -> dict[Plugin, BaseException]:
        """What broken plugins raised."""
        return dict(self._failures)

    def _refuse_core_names(self, entries: Iterable[_Entry]) -> None:
        """Raises PluginError if a plugin provides a part under a name of difftool's own."""
        for entry in entries:
            own = self._entries[entry.kind.name].get(_key(entry.spec), [])
            if entry.plugin.name != CORE and any(one.plugin.name == CORE for one in own):
                raise PluginError(
                    f"it provides the {entry.kind.name} {entry.spec.name!r}, a name of difftool's "
                    "own. Its author must choose another"
                )

    def _take(self, entry: _Entry) -> None:
        self._owners[id(entry.spec)] = entry
        same = self._entries[entry.kind.name].setdefault(_key(entry.spec), [])
        same.append(entry)
        if len(same) > 1:
            self._report(self._clash(same))
        if isinstance(entry.spec, ConditionerSpec) and entry.spec.column:
            announce(entry.spec.name, entry.spec.column)

    def _collect(self, plugin: Plugin, module: object) -> tuple[list[_Entry], list[str]]:
        """All specs of one plugin, through pluggy, and remarks on its hooks.

        ``register`` is not atomic, so a plugin that fails half-way is unregistered again. A hook
        that is unknown is only remarked on: the plugin may serve newer versions of difftool too.
        """
        manager = self._pluggy()
        try:
            manager.register(module, name=f"{plugin.distribution}:{plugin.name}")
            entries = [
                _Entry(kind, spec, plugin)
                for kind in KINDS.values()
                for spec in _specs_of(manager, module, kind)
            ]
        except CONTAINED:
            if manager.is_registered(module):
                manager.unregister(module)
            raise
        hooks = [kind.hook for kind in KINDS.values()]
        return entries, hook_remarks(module, hooks, f"{manager.project_name}_impl")

    def _pluggy(self) -> pluggy.PluginManager:
        if self._manager is None:
            import pluggy

            from . import hookspecs

            self._manager = pluggy.PluginManager(hookspecs.PROJECT)
            self._manager.add_hookspecs(hookspecs)
        return self._manager

    @property
    def plugins(self) -> tuple[Plugin, ...]:
        """All plugins, the core first, including broken ones."""
        return tuple(self._plugins)

    def names(self, kind: str) -> list[str]:
        """The sorted names of a kind; recipes and cascades are named ``modality/name``."""
        return sorted(self._of(kind))

    def specs(self, kind: str) -> list[Spec]:
        """The specs of a kind, sorted by name, without names that two packages provide."""
        return [
            entries[0].spec for _, entries in sorted(self._of(kind).items()) if len(entries) == 1
        ]

    def clashes(self, plugin: Plugin) -> list[str]:
        """The parts of a plugin whose names another one claims too."""
        return [
            f"{kind} {name}"
            for kind, table in self._entries.items()
            for name, entries in table.items()
            if len(entries) > 1 and any(entry.plugin == plugin for entry in entries)
        ]

    def get(self, kind: str, name: str) -> Spec:
        """The part of this kind and name; recipes and cascades are named ``modality/name``.

        ``distribution:name`` tells apart parts of one name.

        Raises UsageError if it does not exist, PluginError if a plugin is the cause.
        """
        if loose.is_reference(name):
            return self._loose(kind, name)
        owner, _, bare = name.rpartition(":")
        entries = self._of(kind).get(bare, [])
        if owner:
            entries = [
                entry
                for entry in entries
                if owner in (entry.plugin.distribution, entry.plugin.name)
            ]
        if not entries:
            raise self._unknown(kind, name)
        if len(entries) > 1:
            raise PluginError(self._clash(entries))
        return entries[0].spec

    def _loose(self, kind: str, name: str) -> Spec:
        """The spec of a part in a file, the same one each time."""
        if (kind, name) not in self._tried:
            spec = loose.spec_of(KINDS[kind], name)
            plugin = loose.plugin_of(Path(name.partition(":")[0]))
            self._tried[kind, name] = spec
            self._owners[id(spec)] = _Entry(KINDS[kind], spec, plugin)
        return self._tried[kind, name]

    def modality(self, name: str) -> ModalitySpec:
        """``get`` for a modality, typed."""
        spec = self.get("modality", name)
        assert isinstance(spec, ModalitySpec)
        return spec

    def metrics(self, modality: str) -> list[str]:
        """The metrics of a modality: first those that it names, then those that name it."""
        own = list(self.modality(modality).metrics)
        more = [
            s.name
            for s in self.specs("metric")
            if isinstance(s, MetricSpec) and {modality, "*"} & set(s.modalities)
        ]
        return [*own, *(name for name in more if name not in own)]

    def checks(self, modality: str) -> list[str]:
        """The checks that apply to a modality."""
        return [
            s.name
            for s in self.specs("check")
            if isinstance(s, CheckSpec) and {modality, "*"} & set(s.modalities)
        ]

    def process(self, name: str) -> ProcessSpec:
        """``get`` for a process, typed."""
        spec = self.get("process", name)
        assert isinstance(spec, ProcessSpec)
        return spec

    def column(self, conditioner: str) -> type[Column]:
        """The class of columns that a conditioner accepts. Raises PluginError if it names none."""
        spec = self.get("conditioner", conditioner)
        if not getattr(spec, "column", ""):
            raise PluginError(
                f"The conditioner {conditioner!r} of {self.provider(spec).package} does not name its column class. "
                'Add column = "package.module:Class" to its ConditionerSpec: without it, no condition can use the conditioner.'
            )
        return kind_of(conditioner)

    def recipe(self, modality: str, representation: str, name: str) -> RecipeSpec:
        """The recipe ``name`` of a modality; a recipe for this representation comes first."""
        prefixes = (f"{modality}/{representation}/", f"{modality}/")
        key = next(
            (prefix + name for prefix in prefixes if prefix + name in self._entries["recipe"]), None
        )
        if key is None:
            known = sorted(
                {
                    k.removeprefix(p)
                    for k in self._entries["recipe"]
                    for p in prefixes
                    if k.startswith(p)
                }
                - {""}
            )
            known = [k for k in known if "/" not in k]
            others = [
                k.rpartition("/")[0]
                for k in self._entries["recipe"]
                if k.startswith(f"{modality}/") and k.endswith(f"/{name}")
            ]
            of = (
                f"{modality}/{representation}, only for {' and '.join(sorted(others))}"
                if others
                else modality
            )
            raise UsageError(
                f"There is no recipe {name!r} for {of}.{_hint(name, known)} "
                f"{_listing('recipes', known)}"
            )
        spec = self.get("recipe", key)
        assert isinstance(spec, RecipeSpec)
        return spec

    def options(self, spec: Spec) -> type[Options]:
        """The options model of a part; the part itself is not imported."""
        from ..options import NoOptions, Options

        if not spec.options:
            return base[0] if (base := self._base(spec)) else NoOptions
        model = self._import(spec, spec.options)
        model_of, name = self._base(spec) or (Options, "difftool.Options")
        if not (isinstance(model, type) and issubclass(model, model_of)):
            raise PluginError(
                f"{spec.options} of {self.provider(spec).package} is not a subclass of {name}."
            )
        return model

    def _base(self, spec: Spec) -> tuple[type[Options], str] | None:
        """The base class of the options of the spec's kind, and its public name."""
        entry = self._owners.get(id(spec))
        reference = entry.kind.options if entry is not None else ""
        return (
            (load_object(reference), f"difftool.{reference.partition(':')[2]}")
            if reference
            else None
        )

    def load(self, spec: Spec) -> Any:
        """Check the requirements of the part, then import it."""
        self._check_requirements(spec)
        return self._import(spec, spec.target)

    def inspection(self, spec: ModalitySpec) -> Any:
        """The class that inspects data of this modality; None if it names none."""
        return self._import(spec, spec.inspection) if spec.inspection else None

    def facts(self, spec: ModalitySpec) -> type[Options] | None:
        """The model of what a description says beside shapes and columns; None if it names none."""
        return self._import(spec, spec.facts) if spec.facts else None

    def provider(self, spec: Spec) -> Plugin:
        """The plugin that provides a spec."""
        if (entry := self._owners.get(id(spec))) is not None and entry.spec is spec:
            return entry.plugin
        return Plugin("?", spec.target, "an unregistered package", "")

    def provides(self, plugin: Plugin) -> dict[str, list[str]]:
        """The names of a plugin's parts by kind, without empty kinds."""
        found = {
            kind: sorted(
                name
                for name, entries in table.items()
                if any(entry.plugin == plugin for entry in entries)
            )
            for kind, table in self._entries.items()
        }
        return {kind: names for kind, names in found.items() if names}

    def _import(self, spec: Spec, reference: str) -> Any:
        try:
            with redirect_stdout(sys.stderr):
                return load_object(reference)
        except CONTAINED as error:
            plugin = self.provider(spec)
            reason = one_line(error, plugin.distribution)
            raise PluginError(
                f"{spec.name!r} of the plugin {plugin.name!r} ({plugin.package}) could not be "
                f"imported: {reason}"
            ) from error

    def _check_requirements(self, spec: Spec) -> None:
        missing = unmet(spec.requires) if spec.requires else []
        if missing:
            wanted = " ".join(f"'{requirement}'" for requirement, _ in missing)
            facts = "; ".join(f"{requirement} ({found})" for requirement, found in missing)
            plugin = self.provider(spec)
            raise PluginError(
                f"{spec.name!r} of {plugin.package} needs {facts}. Install it with: pip install "
                f"{wanted}"
            )

    def _of(self, kind: str) -> dict[str, list[_Entry]]:
        if kind not in self._entries:
            raise UsageError(
                f"There is no kind of part {kind!r}.{_hint(kind, list(KINDS))} "
                f"{_listing('kinds', list(KINDS))}"
            )
        return self._entries[kind]

    def _clash(self, entries: list[_Entry]) -> str:
        packages = " and ".join(entry.plugin.package for entry in entries)
        kind, name = entries[0].kind.name, entries[0].spec.name
        if len({entry.plugin.distribution for entry in entries}) == 1:
            return f"{packages} provide the {kind} {name!r} twice. Their author must rename one."
        return (
            f"The {kind} {name!r} is provided by {packages}. Write "
            f"{entries[0].plugin.distribution}:{name} for the first of them, or uninstall one: "
            "difftool does not guess which one you mean."
        )

    def _unknown(self, kind: str, name: str) -> UsageError | PluginError:
        known = self.names(kind)
        broken = [plugin for plugin in self._plugins if plugin.error]
        hint = _hint(name, known)
        fact = f"There is no {kind} {name!r}.{hint} {_listing(KINDS[kind].plural, known)}"
        if broken and (not hint or any(plugin.name == name for plugin in broken)):
            named = [plugin for plugin in broken if plugin.name == name] or broken
            return PluginError(
                "\n".join(
                    [fact, *(f"{plugin.complaint()}. It may provide {name!r}." for plugin in named)]
                )
            )
        if package := provider_of(kind, name):
            fact += f" {package} provides it: pip install {quoted(package)}"
        return UsageError(fact)


def _specs_of(manager: pluggy.PluginManager, module: object, kind: Kind) -> list[Spec]:
    """The specs that a plugin's hook yields. Raises TypeError for one of a wrong type."""
    caller = getattr(manager.hook, kind.hook)
    functions = [impl.function for impl in caller.get_hookimpls() if impl.plugin is module]
    specs = [spec for function in functions for spec in function() or ()]
    for spec in specs:
        if not isinstance(spec, kind.spec):
            raise TypeError(f"{kind.hook} yields {spec!r}, but must yield {kind.spec.__name__}")
        if not (isinstance(spec.name, str) and spec.name):
            raise TypeError(f"{kind.hook} yields {spec!r}, whose name is not a text")
    return specs


def _key(spec: Spec) -> str:
    """The registry key of a spec. Names of recipes and cascades are unique within a modality."""
    return f"{spec.modality}/{spec.name}" if isinstance(spec, RecipeSpec) else spec.name


def _hint(name: str, known: Iterable[str]) -> str:
    close = get_close_matches(name, known, n=1)
    return f" Did you mean {close[0]!r}?" if close else ""


def _listing(what: str, names: list[str]) -> str:
    return f"Known {what}: {', '.join(names)}." if names else f"No {what} are installed."
