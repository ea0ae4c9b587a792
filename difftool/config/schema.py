"""JSON schema of a config file, for editors: completion and checking while one writes."""

from __future__ import annotations

from typing import Any

from ..errors import PluginError
from ..options import NoOptions, Options
from ..plugin.kinds import AUTO, KINDS, NONE
from ..plugin.registry import Registry
from ..plugin.spec import Spec
from .config import ENGINE, PARTS, SEVERAL, AutoConditionOptions

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema(registry: Registry, modality: str | None = None) -> dict[str, Any]:
    """The schema of every table; with a modality, of its own representations alone. Parts that cannot be imported are left out."""
    build = _Schema(registry)
    tables = {name: build.part_table(kind.name, build.specs(kind.name, modality)) for name, kind in PARTS.items()}
    tables |= {name: {"type": "object", "additionalProperties": build.named_parts(kind.name)} for name, kind in SEVERAL.items()}
    tables |= {name: build.model(model, name) for name, model in ENGINE.items()}
    tables["recipe"] = {"type": "string", "description": "the recipe this file builds on; none for no recipe"}
    return {
        "$schema": DIALECT,
        "title": "difftool",
        "type": "object",
        "additionalProperties": False,
        "properties": tables,
        "$defs": build.defs,
    }


class _Schema:
    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.defs: dict[str, Any] = {}

    def specs(self, kind: str, modality: str | None) -> list[Spec]:
        if modality is None or kind not in ("modality", "representation"):
            return self.registry.specs(kind)
        spec = self.registry.modality(modality)
        return [spec] if kind == "modality" else [self.registry.get(kind, name) for name in spec.representations]

    def part_table(self, kind: str, specs: list[Spec]) -> dict[str, Any]:
        arms = []
        for spec in specs:
            try:
                arms.append(self._named(self.registry.options(spec), kind, spec.name, spec.summary))
            except PluginError:
                continue
        if KINDS[kind].table and KINDS[kind].default in (NONE, AUTO):
            summary = "there is none" if KINDS[kind].default == NONE else "chosen when the data is seen"
            arms.append(self._named(NoOptions, kind, KINDS[kind].default, summary))
        return {"anyOf": arms} if arms else {"type": "object"}

    def named_parts(self, kind: str) -> dict[str, Any]:
        """Of one entry in a table that holds several parts."""
        arms = [*self.part_table(kind, self.registry.specs(kind)).get("anyOf", []), self._named(NoOptions, kind, NONE, "switched off")]
        if KINDS[kind].default == AUTO:
            arms.append(self._named(AutoConditionOptions, kind, AUTO, "chosen when the data is seen"))
        return {"anyOf": arms}

    def _named(self, model: type[Options], kind: str, name: str, summary: str) -> dict[str, Any]:
        found = self.model(model, f"{kind}.{name}")
        found["properties"] = {"use": {"const": name, "description": summary}, **found.get("properties", {})}
        return found

    def model(self, model: type[Options], name: str) -> dict[str, Any]:
        """One model's schema, its inner definitions moved to the top under names of their own."""
        found = model.model_json_schema(ref_template=f"#/$defs/{name}.{{model}}")
        self.defs |= {f"{name}.{inner}": definition for inner, definition in found.pop("$defs", {}).items()}
        return found
