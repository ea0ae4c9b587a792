"""A name that must be free is given to a whole file, or to none."""

from __future__ import annotations

import os
import time

import pytest

from difftool.description import Description
from difftool.errors import UsageError
from difftool.files import ABANDONED, contents, creating, found


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


# --- folders that are founded ---


def fill(partial):
    (partial / "a").write_text("1")


def test_a_founded_folder_is_there_whole(tmp_path):
    assert found(tmp_path / "x" / "run", fill) == tmp_path / "x" / "run"
    assert [path.name for path in (tmp_path / "x").iterdir()] == ["run"]
    assert (tmp_path / "x" / "run" / "a").read_text() == "1"


def test_a_failure_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError):
        found(tmp_path / "run", lambda partial: (fill(partial), exec("raise RuntimeError")))
    assert not list(tmp_path.iterdir())


def test_an_empty_folder_is_free_and_another_is_not(tmp_path):
    (tmp_path / "run").mkdir()
    found(tmp_path / "run", fill)
    with pytest.raises(FileExistsError):
        found(tmp_path / "run", fill)
    (tmp_path / "file").write_text("x")
    with pytest.raises(FileExistsError):
        found(tmp_path / "file", fill)
    assert (tmp_path / "file").read_text() == "x"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "run"]


def test_a_link_to_an_empty_folder_is_filled_where_it_leads(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "run").symlink_to(tmp_path / "disk")
    assert found(tmp_path / "run", fill) == tmp_path / "run"
    assert (tmp_path / "disk" / "a").read_text() == "1"
    with pytest.raises(FileExistsError):
        found(tmp_path / "run", fill)


def test_the_next_name_is_taken_where_nobody_chose_one(tmp_path):
    names = [found(tmp_path / "run", fill, or_next=True).name for _ in range(3)]
    assert names == ["run", "run-2", "run-3"]


def test_what_a_kill_left_is_removed_after_a_day(tmp_path):
    for name, age in ((".run.0.partial", 2 * ABANDONED), (".run.1.partial", 60)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a").write_text("1")
        then = time.time() - age
        os.utime(tmp_path / name / "a", (then, then))
        os.utime(tmp_path / name, (then, then))
    found(tmp_path / "run", fill)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".run.1.partial", "run"]


def test_a_file_that_is_too_large_is_not_read(tmp_path):
    path = tmp_path / "a"
    with open(path, "wb") as file:
        file.truncate(1 << 40)  # a sparse file takes no disk
    with pytest.raises(OSError, match="too large"):
        contents(path)
    path.write_bytes(b"12345")
    assert contents(path, 5) == b"12345"
    with pytest.raises(OSError, match="too large"):
        contents(path, 4)


@pytest.mark.parametrize(
    ("shape", "valid"), [([3, 1 << 20, 1 << 20], False), ([3, 4096, 4096], True), ([None, 9], True)]
)
def test_a_description_of_an_example_that_no_memory_holds_is_not_valid(shape, valid):
    data = {"shape": shape, "dtype": "uint8", "count": 1, "conditions": {}, "extra": {}}
    if valid:
        assert list(Description.from_json(data).shape) == shape
    else:
        with pytest.raises(ValueError, match=r"description\.shape.*no example is as large"):
            Description.from_json(data)
