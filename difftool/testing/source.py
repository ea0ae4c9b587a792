"""The contract of a source of data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ..data.locate import source_for
from ..errors import DataError
from .parts import load, named, needs_no_torch, registry


def source_contract(
    name: str,
    path: str,
    missing: str,
    *,
    options: dict[str, Any] | None = None,
    change: Callable[[], object] | None = None,
) -> type:
    """Tests that check a source against its contract.

    Args:
        path: a path of existing data that it accepts.
        missing: a path of the same form that does not exist.
        change: changes the data at ``path``, to test that the identity changes with them.
    """

    def built() -> Any:
        target, settings = load("source", name, **(options or {}))
        return target(settings)

    def filled(folder: Path) -> dict[str, bytes]:
        folder.mkdir()
        built().fill(path, folder)
        return {
            file.relative_to(folder).as_posix(): file.read_bytes()
            for file in folder.rglob("*")
            if file.is_file()
        }

    class SourceContract:
        def test_its_options_need_no_torch(self) -> None:
            """difftool imports them to print help."""
            assert needs_no_torch("source", name)

        def test_it_takes_such_paths(self) -> None:
            assert source_for(path, registry()).name == source_for(missing, registry()).name == name

        def test_its_identity_is_steady(self) -> None:
            identity = built().identity(path)
            assert identity, "identity is empty, which means that the path is used in place"
            assert built().identity(path) == identity

        def test_other_data_have_another_identity(self) -> None:
            """Otherwise the cache keeps the old files."""
            if change is None:
                pytest.skip("the contract was given no change")
            before = built().identity(path)
            change()
            assert built().identity(path) != before

        def test_it_gives_the_same_files_every_time(self, tmp_path: Path) -> None:
            files = filled(tmp_path / "one")
            assert files
            assert filled(tmp_path / "two") == files

        def test_it_writes_plain_files_into_the_folder_alone(self, tmp_path: Path) -> None:
            filled(tmp_path / "one")
            assert [entry.name for entry in tmp_path.iterdir()] == ["one"]
            assert not any(entry.is_symlink() for entry in tmp_path.rglob("*"))

        def test_data_that_is_not_there_is_a_fault_in_words(self, tmp_path: Path) -> None:
            with pytest.raises(DataError):
                built().identity(missing)

    return named(SourceContract, name)
