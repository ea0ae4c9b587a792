"""Flags made from options models: the declaration that validates a TOML key is the one that
documents its flag.
"""

from __future__ import annotations

import traceback
import types
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

import click

from ..plugin.registry import Registry
from .console import say

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from ..options import Options

DEBUG = "debug"
"""The object of the context where tracebacks are asked for."""

_FLAGS = "difftool.flags"
_GIVEN = "difftool.given"
_REGISTRY = "difftool.registry"

_NAMES = {bool: "true|false", int: "N", float: "X", str: "TEXT"}


def registry(ctx: click.Context) -> Registry:
    """The parts that are installed, found once per command line."""
    if _REGISTRY not in ctx.meta:
        ctx.meta[_REGISTRY] = found = Registry.load_all(say)
        if ctx.obj == DEBUG:
            for error in found.failures.values():
                traceback.print_exception(error)
    return ctx.meta[_REGISTRY]


def given(ctx: click.Context) -> list[tuple[str, str, Any]]:
    """The generated flags that stand in the command line: ``(flag, "table.key", value)``."""
    return ctx.meta.get(_GIVEN, [])


class Flag(click.Option):
    """An option that stands for a config key, shown in a section of its own."""

    def __init__(
        self, declarations: Sequence[str], dotted: str, section: str, **attributes: Any
    ) -> None:
        super().__init__(
            list(declarations), default=None, expose_value=False, callback=_remember, **attributes
        )
        self.dotted, self.section = dotted, section


def _remember(ctx: click.Context, option: click.Parameter, value: Any) -> None:
    if value is not None and isinstance(option, Flag):
        ctx.meta.setdefault(_GIVEN, []).append((option.opts[0], option.dotted, value))


class Sectioned(click.Command):
    """A command whose flags depend on its arguments, and whose help has sections."""

    def flags(self, ctx: click.Context, args: list[str]) -> list[Flag]:
        """The generated flags for this command line."""
        raise NotImplementedError

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta[_FLAGS] = self.flags(ctx, args)
        return super().parse_args(ctx, args)

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        return [*super().get_params(ctx), *ctx.meta.get(_FLAGS, [])]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        sections: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx) if isinstance(param, click.Option) else None
            if record is not None:
                sections.setdefault(getattr(param, "section", "Options"), []).append(record)
        for title, records in sections.items():
            with formatter.section(title):
                formatter.write_dl(records, col_max=32)


def flags_of(
    model: type[Options],
    table: str,
    section: str,
    *,
    values: Mapping[str, Any] | None = None,
    only: Iterable[str] | None = None,
    taken: set[str] | None = None,
    prefix: str = "",
) -> list[Flag]:
    """One flag per field of a model.

    Args:
        values: what the fields will be if the flag is not given, to show as defaults.
        only: names of the fields to take; all unless given.
        taken: flags that exist already; grows. A field of a taken name gets ``prefix`` before its
            flag.
    """
    taken = taken if taken is not None else set()
    made = []
    for name, field in model.model_fields.items():
        if only is not None and name not in only:
            continue
        flag = name.replace("_", "-")
        flag = f"{prefix}-{flag}" if flag in taken and prefix else flag
        if flag not in taken:
            taken.add(flag)
            shown = (
                values.get(name)
                if values is not None
                else field.get_default(call_default_factory=True)
            )
            made.append(_flag(flag, f"{table}.{name}", section, field, shown))
            made += [
                _old_flag(old, table, section, field)
                for old, new in model.renamed.items()
                if new == name and only is None
            ]
    return made


def _old_flag(name: str, table: str, section: str, field: FieldInfo) -> Flag:
    """The flag of an earlier version: it works, help does not show it, and whoever uses it is given
    the new name.
    """
    flag = _flag(name.replace("_", "-"), f"{table}.{name}", section, field, None)
    flag.hidden = True
    return flag


def _flag(flag: str, dotted: str, section: str, field: FieldInfo, default: Any) -> Flag:
    name = dotted.replace(".", "__").replace("-", "_")
    text = f"{field.description or ''}{_default(default)}"
    if field.annotation is bool:
        return Flag([name, f"--{flag}/--no-{flag}"], dotted, section, help=text)
    extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    metavar = str(extra.get("metavar") or _metavar(field.annotation))
    return Flag([name, f"--{flag}"], dotted, section, metavar=metavar, help=text)


def choice_flag(name: str, dotted: str, section: str, text: str, current: str) -> Flag:
    """A flag that names a part."""
    return Flag(
        [dotted.replace(".", "__"), f"--{name}"],
        dotted,
        section,
        metavar="NAME",
        help=text + _default(current),
    )


def _default(value: Any) -> str:
    if value is None or value == "" or value == ():
        return ""
    if isinstance(value, (tuple, list)):
        value = ",".join(str(part) for part in value)
    if isinstance(value, bool):
        value = "on" if value else "off"
    return f"  [default: {value}]"


def _metavar(annotation: Any) -> str:
    """What may be written after a flag."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _metavar(get_args(annotation)[0])
    if origin is Literal:
        return "|".join(str(value) for value in get_args(annotation) if value != "")
    if origin in (Union, types.UnionType):
        names = dict.fromkeys(
            _metavar(arm) for arm in get_args(annotation) if arm is not type(None)
        )
        return "|".join(name for name in names if name)
    if origin in (tuple, list):
        inner = [_metavar(arm) for arm in get_args(annotation) if arm is not Ellipsis]
        return ",".join(inner) + (",…" if Ellipsis in get_args(annotation) else "")
    return _NAMES.get(annotation, "VALUE")


def values_of(args: Sequence[str], *names: str) -> list[str]:
    """The values of an option in a raw command line, before it is parsed."""
    found = []
    for i, arg in enumerate(args):
        if arg == "--":
            break
        for name in names:
            if arg == name and i + 1 < len(args):
                found.append(args[i + 1])
            elif name.startswith("--") and arg.startswith(f"{name}="):
                found.append(arg.partition("=")[2])
            elif (
                not name.startswith("--")
                and arg.startswith(name)
                and len(arg) > 2
                and not arg.startswith("--")
            ):
                found.append(arg[2:])
    return found
