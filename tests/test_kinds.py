"""A kind is declared once: what is derived from it is complete, and the documentation says the same."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from difftool.config.config import ENGINE, PARTS, SEVERAL, Config
from difftool.plugin import hookspecs
from difftool.plugin.kinds import KINDS

PLUGINS_PAGE = Path(__file__).parents[1] / "docs/plugins.md"


def documented() -> dict[str, list[str]]:
    """Hook -> the other cells of its row in docs/plugins.md."""
    rows = re.findall(
        r"^\| `(difftool_\w+)` \|(.*)\|$", PLUGINS_PAGE.read_text(encoding="utf-8"), re.MULTILINE
    )
    return {hook: [cell.strip() for cell in rest.split(" | ")] for hook, rest in rows}


def test_the_documentation_lists_every_hook_as_it_is_declared():
    assert documented() == {kind.hook: [kind.target, kind.arguments] for kind in KINDS.values()}


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_a_kind_has_a_hook_that_says_what_it_is(kind):
    assert kind.summary in getattr(hookspecs, kind.hook).__doc__


def test_a_kind_stands_after_its_parent():
    names = list(KINDS)
    assert all(
        names.index(kind.parent) < names.index(kind.name) for kind in KINDS.values() if kind.parent
    )


def test_the_configuration_has_a_field_for_every_table():
    assert {field.name for field in fields(Config)} == {*PARTS, *SEVERAL, *ENGINE}
