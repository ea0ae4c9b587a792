"""Validation of one table. Every fault becomes a message: the position, the fact, the fix."""

from __future__ import annotations

import json
import math
import re
import types
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Union, get_args, get_origin

from ..names import path_text

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

    from ..options import Options

_WANTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "string_type": "text",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a table",
    "model_type": "a table",
}

_SHAPE = {
    "too_short": "too few values",
    "too_long": "too many values",
}


def validate(
    model: type[Options],
    values: Mapping[str, Any],
    texts: Mapping[str, str],
    where: Callable[[str], str],
    name: str,
) -> tuple[Options | None, list[str]]:
    """Build ``model`` from one table.

    Args:
        values: the table.
        texts: the values that came as text from the command line.
        where: key -> where it was written ("" for the table itself).
        name: of the table, for messages.

    Returns:
        The options and no faults, or None and at least one.
    """
    from pydantic import ValidationError

    settled = {key: _settle(model, key, value, texts.get(key)) for key, value in values.items()}
    if beyond := [
        f"{where(key)}: {name}.{key} = {_show(value)} {fact}"
        for key, value in settled.items()
        if (fact := _beyond(value))
    ]:
        return None, beyond
    try:
        return model.model_validate_json(json.dumps(settled, default=str), strict=True), []
    except ValidationError as error:
        details = sorted(error.errors(include_url=False), key=_less_helpful)
        return None, _merge([_fault(model, name, settled, detail, where) for detail in details])


LARGEST, SMALLEST = 1e30, 1e-30
"""Sizes of numbers that single precision holds, and its products with a few others."""


def _beyond(value: Any) -> str:
    """What is wrong with the size of a number, or of one in a list; "" where nothing is."""
    if isinstance(value, list | tuple):
        return next(filter(None, map(_beyond, value)), "")
    if isinstance(value, bool) or not isinstance(value, int | float):
        return ""
    if isinstance(value, int):
        return "" if -(2**63) <= value < 2**63 else "is too large"
    if LARGEST < abs(value) < math.inf:
        return f"is too large; write at most {LARGEST:g}"
    return (
        f"is too close to 0; write 0, or at least {SMALLEST:g}" if 0 < abs(value) < SMALLEST else ""
    )


def _settle(model: type[Options], key: str, value: Any, text: str | None) -> Any:
    """Adapt a value to its field: 1e5 to a whole number, bare text to the field's type."""
    if isinstance(value, str):
        value = path_text(value)  # only the name of a file has bytes that are not UTF-8
        text = None if text is None else path_text(text)
    field = model.model_fields.get(key)
    if field is None:
        return value
    kinds = _kinds(field.annotation)
    if isinstance(value, float) and value.is_integer() and int in kinds and float not in kinds:
        return int(value)
    if text is None:
        return value
    if text.lower() == "none" and type(None) in kinds and str not in kinds:
        return None
    if kinds & {tuple, list} and kinds <= {tuple, list, type(None)} and not isinstance(value, list):
        return _listed(text)
    if kinds == {str} and not isinstance(value, str):
        return text
    return value


def _kinds(annotation: Any) -> set[Any]:
    """The plain types that a field can hold."""
    origin = get_origin(annotation)
    if origin in (Union, types.UnionType):
        return {kind for arm in get_args(annotation) for kind in _kinds(arm)}
    if hasattr(annotation, "__metadata__"):
        return _kinds(annotation.__origin__)
    return {origin or annotation}


def _listed(text: str) -> list[Any]:
    from .layers import parse_value

    return [parse_value(part.strip()) for part in text.split(",") if part.strip()]


def _fault(
    model: type[Options],
    name: str,
    values: Mapping[str, Any],
    detail: ErrorDetails,
    where: Callable[[str], str],
) -> str:
    loc = detail["loc"]
    key = str(loc[0]) if loc else ""
    dotted = f"{name}.{key}" if key else f"[{name}]"
    place = where(key or _mentioned(values, detail))
    return f"{place}: {_words(model, name, key, dotted, values, detail)}"


def _mentioned(values: Mapping[str, Any], detail: ErrorDetails) -> str:
    """The last key of a table that a fault between several of them mentions; "" if it names none."""
    text = str(detail.get("ctx", {}).get("error", detail["msg"]))
    keys = [key for key in values if re.search(rf"\b{re.escape(key)}\b", text)]
    return keys[-1] if keys else ""


def _words(
    model: type[Options],
    name: str,
    key: str,
    dotted: str,
    values: Mapping[str, Any],
    detail: ErrorDetails,
) -> str:
    kind, context, value = detail["type"], detail.get("ctx", {}), _show(detail["input"])
    if kind == "extra_forbidden" and len(detail["loc"]) == 1:
        return unknown_key(key, name, list(model.model_fields))
    if kind == "missing" and len(detail["loc"]) > 1:
        return f"{dotted} = {_show(values.get(key))} has too few values: {_description(model, key)}"
    if kind == "missing":
        return f"{dotted} is missing: {_description(model, key)}"
    if kind in ("value_error", "assertion_error"):
        return f"{dotted}: {context.get('error', detail['msg'])}"
    if kind == "literal_error":
        return (
            f"{dotted} = {value} is not one of "
            f"{context['expected']}{_close(detail['input'], context['expected'])}"
        )
    if kind in _WANTED:
        return f"{dotted} = {value} is {_type(detail['input'])}; it takes {_WANTED[kind]}"
    if kind in _SHAPE:
        return f"{dotted} = {value} has {_SHAPE[kind]}: {_lower(detail['msg'])}"
    return f"{dotted} = {value}: {_lower(detail['msg']).replace('input should', 'it should')}"


def _less_helpful(detail: ErrorDetails) -> bool:
    """Whether the error only says that a number is not one of some words.

    In a union, the error of the other arm (the allowed range) is more useful.
    """
    return detail["type"] == "literal_error" and not isinstance(detail["input"], str)


def _merge(faults: list[str]) -> list[str]:
    """One line per fault; if all arms of a union fail, only the first is kept."""
    seen: dict[str, str] = {}
    for fault in faults:
        seen.setdefault(fault.split(" = ")[0] if " = " in fault else fault, fault)
    return list(seen.values())


def unknown_key(key: str, table: str, known: list[str]) -> str:
    """A message that a key is unknown, with the closest key or all of them."""
    close = get_close_matches(key, known, n=1)
    if close:
        return f"{table}.{key} is unknown. Did you mean {table}.{close[0]}?"
    return f"{table}.{key} is unknown. " + (
        f"[{table}] takes: {', '.join(known)}" if known else f"[{table}] takes no options here"
    )


def _close(value: Any, expected: str) -> str:
    options = [word.strip("' ") for word in expected.replace(" or ", ",").split(",")]
    close = get_close_matches(str(value), options, n=1)
    return f". Did you mean {close[0]!r}?" if close else ""


def _description(model: type[Options], key: str) -> str:
    field = model.model_fields.get(key)
    return field.description if field and field.description else "it has no default"


def _show(value: Any) -> str:
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "…"


def _type(value: Any) -> str:
    if isinstance(value, bool):
        return "a truth value"
    names = {
        int: "a whole number",
        float: "a number with a fraction",
        str: "text",
        list: "a list",
        dict: "a table",
        type(None): "nothing",
    }
    return names.get(type(value), type(value).__name__)


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
