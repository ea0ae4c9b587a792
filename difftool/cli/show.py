"""``difftool show``: one part, its options and their defaults."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, Any

import click

from ..plugin.spec import RecipeSpec, Spec
from .console import out, out_json, out_table
from .flags import _metavar, registry
from .list import kind_of, row

if TYPE_CHECKING:
    from ..plugin.registry import Registry


@click.command()
@click.argument("kind")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON on stdout.")
@click.pass_context
def show(ctx: click.Context, kind: str, name: str, as_json: bool) -> None:
    """Show one part: KIND is sampler, backbone, modality, …; NAME as in difftool list."""
    parts = registry(ctx)
    kind = kind_of(kind)
    spec = _recipe(parts, name) if kind == "recipe" else parts.get(kind, name)
    if as_json:
        out_json(_described(parts, spec))
    elif isinstance(spec, RecipeSpec):
        out(_recipe_text(spec))
    else:
        _print(parts, kind, spec)


def _recipe(parts: Registry, name: str) -> Spec:
    """A recipe by its full name, or by its own where only one modality has it."""
    matches = [key for key in parts.names("recipe") if key.endswith(f"/{name}")]
    return parts.get("recipe", matches[0] if len(matches) == 1 else name)


def _recipe_text(spec: RecipeSpec) -> str:
    package, _, path = spec.target.partition(":")
    return files(package).joinpath(path).read_text(encoding="utf-8").rstrip()


def _described(parts: Registry, spec: Spec) -> dict[str, Any]:
    if isinstance(spec, RecipeSpec):
        return {**row(parts, spec), "toml": _recipe_text(spec)}
    return {
        **row(parts, spec),
        "target": spec.target,
        "schema": parts.options(spec).model_json_schema(),
    }


def _print(parts: Registry, kind: str, spec: Spec) -> None:
    plugin, model = parts.provider(spec), parts.options(spec)
    head = [f"{kind} {spec.name}: {spec.summary}", f"from {plugin.package}"]
    if columns := [
        f"{name} {value}"
        for name in ("density", "weighting", "schedule")
        if (value := getattr(spec, name, ""))
    ]:
        head.append(f"comes with {', '.join(columns)}")
    if names := getattr(spec, "representations", ()):
        head.append(f"representations: {', '.join(names)}")
    if names := getattr(spec, "metrics", ()):
        head.append(f"metrics: {', '.join(names)}")
    rows = [
        (
            name,
            _metavar(field.annotation),
            "" if field.is_required() else _plain(field.get_default(call_default_factory=True)),
            field.description or "",
        )
        for name, field in model.model_fields.items()
    ]
    out("\n".join([*head, "" if rows else "\nIt has no options."]))
    out_table(rows, ("option", "takes", "default", ""))


def _plain(value: Any) -> str:
    if value is None or value == "":
        return "-"
    return (
        str(value).lower()
        if isinstance(value, bool)
        else str(list(value))
        if isinstance(value, tuple)
        else str(value)
    )
