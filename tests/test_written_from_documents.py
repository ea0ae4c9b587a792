"""A part that is written from ``docs/plugins.md`` alone keeps its contract."""

from __future__ import annotations

import re
from pathlib import Path

import difftool
from difftool.testing import objective_contract

DOCUMENT = Path(__file__).parents[1] / "docs" / "plugins.md"


class Power(difftool.Options):
    power: float = 1.0


def block(name: str) -> type:
    """The class of this name in a code block of the document, with only public names known."""
    blocks = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.S)
    (code,) = [block for block in blocks if f"class {name}(" in block]
    known = {word: getattr(difftool, word) for word in difftool.__all__}
    exec(compile(code, str(DOCUMENT), "exec"), known)
    return known[name]


TestPowered = objective_contract(block("Powered"), {"options": Power()})
