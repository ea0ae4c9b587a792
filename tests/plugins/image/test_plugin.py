"""How the plugin's own options are written."""

from __future__ import annotations

import pytest

from difftool.config.gather import gather
from difftool.config.resolve import resolve
from difftool.plugin.registry import Registry


@pytest.mark.parametrize(("text", "size"), [("48x64", (48, 64)), ("32", 32), ("auto", "auto")])
def test_size_as_it_is_typed(text, size):
    registry = Registry.load_all()
    for given in (
        {"sets": [f"modality.size={text}"]},
        {"flags": [("--size", "modality.size", text)]},
    ):
        config = resolve("image", gather(registry, "image", project=None, **given), registry)
        assert config.modality.options.size == size
