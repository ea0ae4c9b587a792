"""A name that must be free is given to a whole file, or to none."""

from __future__ import annotations

import pytest

from difftool.errors import UsageError
from difftool.files import creating


@pytest.mark.parametrize("links", [True, False])
def test_a_file_that_exists_stays_as_it_is(tmp_path, monkeypatch, links):
    def none(*_):
        raise OSError(1, "no links here")

    if not links:
        monkeypatch.setattr("difftool.files.os.link", none)
    path = tmp_path / "new" / "file"
    with creating(path) as partial:
        partial.write_text("first")
    with pytest.raises(UsageError, match="exists already"), creating(path) as partial:
        partial.write_text("second")
    assert path.read_text() == "first"
    assert list(path.parent.iterdir()) == [path]


def test_nothing_is_left_of_a_file_that_failed(tmp_path):
    with pytest.raises(ValueError, match="broken"), creating(tmp_path / "file") as partial:  # noqa: PT012
        partial.write_text("half")
        raise ValueError("broken")
    assert not list(tmp_path.iterdir())
