"""``difftool list``, ``difftool show`` and ``difftool plugins``: what is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ..errors import UsageError
from ..plugin.kinds import KINDS, find_kind
from ..plugin.spec import RecipeSpec, Spec
from .console import out, out_json, table
from .flags import _metavar, registry
from .new import new

if TYPE_CHECKING:
    from ..plugin.registry import Registry


@click.command("list")
@click.argument("kinds", required=False, metavar="[KIND]")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON on stdout.")
@click.pass_context
def list_parts(ctx: click.Context, kinds: str | None, as_json: bool) -> None:
    """List what is installed: modalities, representations, backbones, processes, samplers, recipes, …"""
    parts = registry(ctx)
    chosen = [kind_of(kinds)] if kinds else list(KINDS)
    if as_json:
        out_json({KINDS[kind].plural: [_row(parts, spec) for spec in parts.specs(kind)] for kind in chosen})
        return
    out("\n\n".join(_listing(parts, kind, headed=not kinds) for kind in chosen))


def kind_of(text: str) -> str:
    """A kind by its name or its plural."""
    from difflib import get_close_matches

    if (kind := find_kind(text)) is not None:
        return kind.name
    close = get_close_matches(text, [word for kind in KINDS.values() for word in (kind.name, kind.plural)], n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    raise UsageError(f"There is no kind of part {text!r}.{hint} The kinds are: {', '.join(kind.plural for kind in KINDS.values())}.")


def full_name(spec: Spec) -> str:
    return f"{spec.modality}/{spec.name}" if isinstance(spec, RecipeSpec) else spec.name


def _row(parts: Registry, spec: Spec) -> dict[str, str]:
    plugin = parts.provider(spec)
    return {"name": full_name(spec), "summary": spec.summary, "package": plugin.distribution, "version": plugin.version}


def _listing(parts: Registry, kind: str, headed: bool) -> str:
    rows: list[tuple[str, ...]] = [(full_name(spec), _origin(parts, spec), spec.summary) for spec in parts.specs(kind)]
    if not any(row[1] for row in rows):
        rows = [(row[0], row[2]) for row in rows]
    body = table([(f"  {row[0]}", *row[1:]) for row in rows] if headed else rows)
    return f"{KINDS[kind].plural}\n{body or '  none'}" if headed else body


def _origin(parts: Registry, spec: Spec) -> str:
    distribution = parts.provider(spec).distribution
    return "" if distribution == "difftool" else distribution


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
        out(_shown(parts, kind, spec))


def _recipe(parts: Registry, name: str) -> Spec:
    """A recipe by its full name, or by its own where only one modality has it."""
    matches = [key for key in parts.names("recipe") if key.endswith(f"/{name}")]
    return parts.get("recipe", matches[0] if len(matches) == 1 else name)


def _recipe_text(spec: RecipeSpec) -> str:
    from importlib.resources import files

    package, _, path = spec.target.partition(":")
    return files(package).joinpath(path).read_text(encoding="utf-8").rstrip()


def _described(parts: Registry, spec: Spec) -> dict[str, Any]:
    if isinstance(spec, RecipeSpec):
        return {**_row(parts, spec), "toml": _recipe_text(spec)}
    return {**_row(parts, spec), "target": spec.target, "schema": parts.options(spec).model_json_schema()}


def _shown(parts: Registry, kind: str, spec: Spec) -> str:
    plugin, model = parts.provider(spec), parts.options(spec)
    head = [f"{kind} {spec.name}: {spec.summary}", f"from {plugin.package}"]
    if columns := [f"{name} {value}" for name in ("density", "weighting", "schedule") if (value := getattr(spec, name, ""))]:
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
    return "\n".join(head) + ("\n\n" + table(rows, ("option", "takes", "default", "")) if rows else "\n\nIt has no options.")


def _plain(value: Any) -> str:
    if value is None or value == "":
        return "-"
    return str(value).lower() if isinstance(value, bool) else str(list(value)) if isinstance(value, tuple) else str(value)


@click.group()
def plugins() -> None:
    """The plugins that are installed, and how to begin one."""


plugins.add_command(new)


@plugins.command("list", short_help="List plugins, their packages, and what they bring.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON on stdout.")
@click.pass_context
def plugins_list(ctx: click.Context, as_json: bool) -> None:
    """List plugins, their packages, and what they bring; broken ones with the reason."""
    parts = registry(ctx)
    if as_json:
        found = parts.plugins
        out_json(
            [
                {"name": p.name, "package": p.distribution, "version": p.version, "error": p.error, "provides": parts.provides(p)}
                for p in found
            ]
        )
        return
    rows = [(p.name, p.distribution, p.version, f"broken: {p.error}" if p.error else _counts(parts.provides(p))) for p in parts.plugins]
    out(table(rows, ("plugin", "package", "version", "provides")))


def _counts(provides: dict[str, list[str]]) -> str:
    return ", ".join(f"{len(names)} {KINDS[kind].plural if len(names) > 1 else kind}" for kind, names in provides.items()) or "nothing"
