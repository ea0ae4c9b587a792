"""The layers of a command: recipe, project file, ``--config`` files, and flags with ``--set``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..names import local_path
from ..plugin.kinds import NONE
from ..plugin.registry import Registry
from .layers import Layer, file_layer, flag_layer, recipe_layer

PROJECT_FILE = Path("difftool.toml")


def gather(
    registry: Registry,
    modality: str | None = None,
    recipe: str | None = None,
    configs: Sequence[Path] = (),
    flags: Iterable[tuple[str, str, Any]] = (),
    sets: Iterable[str] = (),
    project: Path | None = PROJECT_FILE,
    over: Sequence[Layer] = (),
    own: Sequence[Layer] = (),
) -> list[Layer]:
    """All layers, weakest first, for ``resolve``.

    A file may name the recipe that it extends: ``recipe = "small"``, or ``"none"``. A recipe that
    is named in full, ``MODALITY/NAME``, also selects the modality where nothing else does.

    Args:
        over: layers above the recipe and below everything that the user wrote.
        own: layers of a file that has been read already; they come above the project file.
    """
    files = [*map(file_layer, _existing(project)), *own, *map(file_layer, configs)]
    top = flag_layer(flags, sets)
    named = recipe or next(
        (str(layer.data["recipe"]) for layer in reversed(files) if "recipe" in layer.data), None
    )
    use, representation = _chosen(modality, [*files, top])
    kind = recipe_modality(registry, named or "", use)
    return [
        *_selection(named or "", kind, use, representation),
        *_recipe(registry, use, representation, named),
        *over,
        *files,
        top,
    ]


def recipe_modality(registry: Registry, recipe: str, modality: str = "") -> str:
    """``NAME`` or ``NAME/REPRESENTATION``, as far as the name of a recipe says it; else ``""``.

    Args:
        recipe: as ``difftool list recipes`` prints it, ``MODALITY/REPRESENTATION/NAME``, or
            without the modality or both.
    """
    return "/".join(filter(None, _parts(registry, recipe, modality)[:2])) if "/" in recipe else ""


def _parts(registry: Registry, recipe: str, modality: str) -> tuple[str, str, str]:
    """The modality, the representation and the name of a recipe; "" for what is not said."""
    if _is_file(recipe):
        return "", "", recipe
    words = recipe.split("/")
    use = words.pop(0) if len(words) > 1 and words[0] in registry.names("modality") else modality
    representation = words.pop(0) if len(words) > 1 else ""
    return use, representation, "/".join(words)


def _is_file(recipe: str) -> bool:
    return recipe.endswith(".toml") or "\\" in recipe or recipe.startswith((".", "/", "~"))


def _selection(recipe: str, kind: str, modality: str, representation: str) -> list[Layer]:
    """The layer of what the full name of a recipe selects.

    It has a fault where something else is selected explicitly.
    """
    use, _, own = kind.partition("/")
    if not use:
        return []
    if modality not in ("", use) or (own and representation not in ("", own)):
        given = "/".join(filter(None, (modality, representation if own else "")))
        return [
            Layer(
                "--recipe",
                faults=(
                    f"--recipe: the recipe {recipe} is for {kind}, but {given} is selected. Pass "
                    f"-m {kind}, or a recipe for {given}: a recipe holds settings of one kind of "
                    "data.",
                ),
            )
        ]
    tables = {"modality": {"use": use}} | ({"representation": {"use": own}} if own else {})
    return [Layer(f"the name of the recipe {recipe}", tables)]


def project_note(project: Path = PROJECT_FILE) -> str:
    """A line that says that the project file is used; empty if there is none."""
    return f"The settings in {project.absolute()} are used." if project.is_file() else ""


def _existing(project: Path | None) -> list[Path]:
    return [project] if project is not None and project.is_file() else []


def _chosen(modality: str | None, layers: list[Layer]) -> tuple[str, str]:
    """The modality and representation that are given explicitly; "" otherwise."""
    use, _, representation = (modality or "").partition("/")
    return use or _use(layers, "modality"), representation or _use(layers, "representation")


def _use(layers: list[Layer], table: str) -> str:
    tables = [layer.data.get(table) for layer in reversed(layers)]
    return next(
        (str(found["use"]) for found in tables if isinstance(found, dict) and "use" in found), ""
    )


def _recipe(
    registry: Registry,
    modality: str,
    representation: str,
    name: str | None,
    above: tuple[str, ...] = (),
) -> list[Layer]:
    """The layers of the recipe and of the recipes that it extends, weakest first.

    Empty for an unknown modality, which ``resolve`` reports together with all other faults.
    """
    if name == NONE:
        return []
    if name and _is_file(name):
        layer = file_layer(local_path(name))
    else:
        own, narrower, name = _parts(registry, name, modality) if name else ("", "", None)
        modality, representation = own or modality, narrower or representation
        if modality not in registry.names("modality"):
            return []
        spec = registry.modality(modality)
        representation = representation or next(iter(spec.representations), "")
        wanted, known = name or spec.recipe, registry.names("recipe")
        if name is None and not any(
            f"{prefix}/{wanted}" in known for prefix in (modality, f"{modality}/{representation}")
        ):
            return []
        try:
            layer = recipe_layer(registry.recipe(modality, representation, wanted))
        except UsageError as error:
            return [
                Layer(
                    "--recipe", faults=(f"{'--recipe' if name else 'the default recipe'}: {error}",)
                )
            ]
    base = layer.data.get("recipe")
    if not isinstance(base, str):
        return [layer]
    if base in above:
        return [
            Layer(
                layer.origin,
                faults=(
                    f"{layer.origin}: recipes extend each other in a circle: "
                    f"{' -> '.join((*above, base))}",
                ),
            )
        ]
    return [*_recipe(registry, modality, representation, base, (*above, base)), layer]
