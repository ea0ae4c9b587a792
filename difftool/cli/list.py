"""``difftool list``: the parts that are installed."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

import click

from ..errors import UsageError
from ..plugin.kinds import KINDS, find_kind
from ..plugin.spec import RecipeSpec, Spec
from .console import out, out_json, out_table
from .flags import registry

if TYPE_CHECKING:
    from ..plugin.registry import Registry


@click.command("list")
@click.argument("kinds", required=False, metavar="[KIND]")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON on stdout.")
@click.pass_context
def list_parts(ctx: click.Context, kinds: str | None, as_json: bool) -> None:
    """List what is installed: modalities, representations, backbones, processes, samplers, recipes,
    …
    """
    parts = registry(ctx)
    chosen = [kind_of(kinds)] if kinds else list(KINDS)
    if as_json:
        out_json(
            {
                KINDS[kind].plural: [row(parts, spec) for spec in parts.specs(kind)]
                for kind in chosen
            }
        )
        return
    for number, kind in enumerate(chosen):
        if number:
            out("")
        _print_listing(parts, kind, headed=not kinds)


def kind_of(text: str) -> str:
    """A kind by its name or its plural."""
    if (kind := find_kind(text)) is not None:
        return kind.name
    close = get_close_matches(
        text, [word for kind in KINDS.values() for word in (kind.name, kind.plural)], n=1
    )
    hint = f" Did you mean {close[0]!r}?" if close else ""
    raise UsageError(
        f"There is no kind of part {text!r}.{hint} The kinds are: "
        f"{', '.join(kind.plural for kind in KINDS.values())}."
    )


def full_name(spec: Spec) -> str:
    return f"{spec.modality}/{spec.name}" if isinstance(spec, RecipeSpec) else spec.name


def row(parts: Registry, spec: Spec) -> dict[str, str]:
    plugin = parts.provider(spec)
    return {
        "name": full_name(spec),
        "summary": spec.summary,
        "package": plugin.distribution,
        "version": plugin.version,
    }


def _print_listing(parts: Registry, kind: str, headed: bool) -> None:
    rows: list[tuple[str, ...]] = [
        (full_name(spec), _origin(parts, spec), spec.summary) for spec in parts.specs(kind)
    ]
    if not any(row[1] for row in rows):
        rows = [(row[0], row[2]) for row in rows]
    if headed:
        out(KINDS[kind].plural, style="bold")
    if headed and not rows:
        out("  none")
    out_table(rows, indent=2 * headed)


def _origin(parts: Registry, spec: Spec) -> str:
    distribution = parts.provider(spec).distribution
    return "" if distribution == "difftool" else distribution
