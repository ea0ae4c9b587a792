"""JSON schema of a config file, so that editors can complete and check it."""

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
    """The schema of all tables; with a modality, only of its own representations.

    Parts that cannot be imported are omitted.
    """
    build = _Schema(registry)
    tables = {
        name: build.part_table(kind.name, build.specs(kind.name, modality))
        for name, kind in PARTS.items()
    }
    tables |= {
        name: {"type": "object", "additionalProperties": build.named_parts(kind.name)}
        for name, kind in SEVERAL.items()
    }
    tables |= {name: build.model(model, name) for name, model in ENGINE.items()}
    tables["recipe"] = {
        "type": "string",
        "description": "the recipe that this file extends; none for no recipe",
    }
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
        return (
            [spec]
            if kind == "modality"
            else [self.registry.get(kind, name) for name in spec.representations]
        )

    def part_table(self, kind: str, specs: list[Spec]) -> dict[str, Any]:
        arms = []
        for spec in specs:
            try:
                arms.append(self._named(self.registry.options(spec), kind, spec.name, spec.summary))
            except PluginError:
                continue
        if KINDS[kind].table and KINDS[kind].default in (NONE, AUTO):
            summary = "switched off" if KINDS[kind].default == NONE else "chosen from the data"
            arms.append(self._named(NoOptions, kind, KINDS[kind].default, summary))
        return {"anyOf": arms} if arms else {"type": "object"}

    def named_parts(self, kind: str) -> dict[str, Any]:
        """The schema of one entry in a table with several parts."""
        arms = [
            *self.part_table(kind, self.registry.specs(kind)).get("anyOf", []),
            self._named(NoOptions, kind, NONE, "switched off"),
        ]
        if KINDS[kind].default == AUTO:
            arms.append(self._named(AutoConditionOptions, kind, AUTO, "chosen from the data"))
        return {"anyOf": arms}

    def _named(self, model: type[Options], kind: str, name: str, summary: str) -> dict[str, Any]:
        found = self.model(model, f"{kind}.{name}")
        found["properties"] = {
            "use": {"const": name, "description": summary},
            **found.get("properties", {}),
        }
        return found

    def model(self, model: type[Options], name: str) -> dict[str, Any]:
        """The schema of one options model; its inner definitions move to the top, renamed."""
        found = model.model_json_schema(ref_template=f"#/$defs/{name}.{{model}}")
        self.defs |= {
            f"{name}.{inner}": definition for inner, definition in found.pop("$defs", {}).items()
        }
        return found
