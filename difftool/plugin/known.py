"""Packages that are known to provide parts: data, which answers what to install for a name.

Nothing is installed by itself, and no network is asked.
"""

from __future__ import annotations

from functools import cache


@cache
def _known() -> dict[str, dict[str, list[str]]]:
    import tomllib  # only where a name is unknown
    from importlib.resources import files

    text = files(__package__).joinpath("known.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def provider_of(kind: str, name: str) -> str:
    """What to give to ``pip install`` for a part of this kind and name; empty if nothing is known.

    Args:
        name: a recipe or a cascade is named ``modality/name``.
    """
    return next((place for place, kinds in _known().items() if name in kinds.get(kind, [])), "")
