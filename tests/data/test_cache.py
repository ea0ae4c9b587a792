"""The cache: made once, whole or not at all, and never in the user's folder."""

from __future__ import annotations

import errno
import os
import shutil
import time
from collections.abc import Iterable

import numpy as np
import pytest

from difftool.data.cache import Cache, cache_path, cache_root, listing, open_cache
from difftool.data.remark import remark
from difftool.errors import DataError, DifftoolError, PluginError, UsageError
from difftool.modality import Item
from difftool.options import Options


class Settings(Options):
    scale: int = 1


class Numbers:
    """A modality of text files with numbers: just what the cache asks of one."""

    def __init__(self, scale: int = 1) -> None:
        self.scale, self.reads = scale, 0

    def settings(self) -> Settings:
        return Settings(scale=self.scale)

    def read(self, item: Item) -> np.ndarray:
        self.reads += 1
        text = item.path.read_text()
        if text == "bad":
            raise DataError(f"{item.path.name} is bad.")
        return self.scale * np.asarray([float(word) for word in text.split()], np.float32)


@pytest.fixture
def folder(tmp_path):
    def make(texts: Iterable[str]) -> list[Item]:
        items = []
        for i, text in enumerate(texts):
            (path := tmp_path / f"{i:03d}.txt").write_text(text)
            items.append(Item(path, {"class": str(i % 2)}))
        return items

    return make


def opened(modality: Numbers, items: list[Item], max_bad: float = 0.1) -> Cache:
    return open_cache(modality, items, items[0].path.parent, "numbers", max_bad=max_bad)  # type: ignore[arg-type]


def test_examples_come_back_in_order_and_are_decoded_once(folder):
    items, modality = folder(f"{i} {i + 1}" for i in range(200)), Numbers()
    cache = opened(modality, items)
    assert cache.shape == (2,)
    assert np.array_equal(cache.gather(np.array([7, 0, 199])), [[7, 8], [0, 1], [199, 200]])
    assert cache.columns[3] == {"class": "1"}
    again = opened(modality, items)
    assert again.folder == cache.folder
    assert modality.reads == 200


def test_examples_of_different_lengths(folder):
    cache = opened(Numbers(), folder(" ".join("1" * n) for n in range(1, 9)))
    assert cache.shape == (None,)
    assert [len(one) for one in cache.gather(np.array([0, 4, 2]))] == [1, 5, 3]


def test_large_examples_are_not_copied_before_a_part_of_them_is_taken(folder, monkeypatch):
    cache = opened(Numbers(), folder(f"{i} {i + 1}" for i in range(9)))
    monkeypatch.setattr("difftool.data.cache.LARGE", 7)
    views = cache.gather(np.array([7, 0, 8]))
    assert isinstance(views, list)
    assert np.array_equal(views, [[7, 8], [0, 1], [8, 9]])
    assert not any(view.flags.owndata for view in views)
    assert not any(view.flags.writeable for view in views)


def test_what_changes_makes_another_cache(folder):
    items = folder("1 2" for _ in range(4))
    first = opened(Numbers(), items)
    assert opened(Numbers(scale=2), items).folder != first.folder
    items[2].path.write_text("3 4 ")
    changed = opened(Numbers(), items)
    assert changed.folder != first.folder
    assert changed.gather(np.array([2]))[0].tolist() == [3, 4]


def test_one_file_more_does_not_decode_the_others_again(folder):
    items = folder(f"{i} {i + 1}" for i in range(20))
    first, modality = opened(Numbers(), items), Numbers()
    extra = items[0].path.with_name("000b.txt")
    extra.write_text("50 60")
    cache = opened(modality, [items[0], Item(extra, {"class": "x"}), *items[1:]])
    assert modality.reads == 1
    assert cache.folder != first.folder
    assert cache.gather(np.array([0, 1, 2, 20])).tolist() == [[0, 1], [50, 60], [1, 2], [19, 20]]
    assert cache.columns[1] == {"class": "x"}
    shutil.rmtree(first.folder)
    assert (
        opened(Numbers(), [items[0], Item(extra, {"class": "x"}), *items[1:]]).content
        == cache.content
    )


def test_a_file_that_changed_is_decoded_again_and_a_remark_is_kept(folder):
    class Remarking(Numbers):
        def read(self, item: Item) -> np.ndarray:
            remark(f"seen {item.path.name}")
            return super().read(item)

    items = folder("1 2" for _ in range(4))
    opened(Remarking(), items)
    items[2].path.write_text("3 4 ")
    modality = Remarking()
    cache = opened(modality, items)
    assert modality.reads == 1
    assert cache.gather(np.array([2]))[0].tolist() == [3, 4]
    assert sorted(text for _, text in cache.remarks) == [f"seen 00{i}.txt" for i in range(4)]


def test_other_settings_take_nothing_from_an_earlier_cache(folder):
    items, modality = folder("1 2" for _ in range(4)), Numbers(scale=3)
    opened(Numbers(), items)
    assert opened(modality, items).gather(np.array([0])).tolist() == [[3, 6]]
    assert modality.reads == 4


def test_a_file_that_could_not_be_read_is_tried_again_when_it_can(folder, monkeypatch):
    items, shut = folder("1 2" for _ in range(4)), True

    class Guarded(Numbers):
        def read(self, item: Item) -> np.ndarray:
            if shut and item.path.name == "001.txt":
                raise DataError(f"{item.path.name} cannot be read.") from PermissionError(
                    errno.EACCES, "Permission denied"
                )
            return super().read(item)

    real = os.access
    monkeypatch.setattr(
        os,
        "access",
        lambda path, mode: not (shut and str(path).endswith("001.txt")) and real(path, mode),
    )
    assert len(opened(Guarded(), items)) == 3
    shut = False
    modality = Guarded()
    assert len(opened(modality, items)) == 4
    assert modality.reads == 1


@pytest.mark.parametrize("raised", ["itself", "in words"])
def test_a_fault_of_the_machine_is_not_cached(folder, raised):
    broken = True

    class Flaky(Numbers):
        def read(self, item: Item) -> np.ndarray:
            if broken and item.path.name == "001.txt":
                try:
                    raise OSError(errno.EIO, "Input/output error")
                except OSError:
                    if raised == "itself":
                        raise
                    raise DataError("It is damaged.") from None
            return super().read(item)

    items = folder("1 2" for _ in range(4))
    with pytest.raises(DataError, match=r"001\.txt could not be read.*Nothing was cached"):
        opened(Flaky(), items)
    broken = False
    assert len(opened(Flaky(), items)) == 4


def test_a_file_that_exhausts_the_memory_is_named_and_nothing_is_cached(folder):
    class Huge(Numbers):
        def read(self, item: Item) -> np.ndarray:
            if item.path.name == "001.txt":
                np.empty(1 << 55)
            return super().read(item)

    items = folder("1 2" for _ in range(4))
    with pytest.raises(DataError, match=r"001\.txt could not be read.*Nothing was cached"):
        opened(Huge(), items)
    assert len(opened(Numbers(), items)) == 4


def test_bad_files_are_skipped_and_named(folder):
    cache = opened(Numbers(), folder("bad" if i == 5 else "1" for i in range(30)))
    assert len(cache) == 29
    assert [(path.name, reason) for path, reason in cache.skipped] == [
        ("005.txt", "005.txt is bad.")
    ]


def test_too_many_bad_files_are_refused(folder):
    items = folder("bad" if i % 4 == 0 else "1" for i in range(44))
    with pytest.raises(DataError, match=r"More than 10% of the 44 files.*\n.*000.txt is bad"):
        opened(Numbers(), items)
    assert len(opened(Numbers(), items, max_bad=0.5)) == 33


def test_a_few_bad_files_are_never_fatal_unless_none_may_be_bad(folder):
    items = folder("bad" if i < 10 else "1" for i in range(12))
    assert len(opened(Numbers(), items)) == 2
    with pytest.raises(DataError, match="More than 0%"):
        opened(Numbers(), items, max_bad=0)


def test_nothing_readable_is_refused(folder):
    with pytest.raises(DataError, match=r"None of the 1 files can be used(.|\n)*000.txt is bad"):
        opened(Numbers(), folder(["bad"]), max_bad=1.0)


def test_a_failure_leaves_no_half_cache(folder, monkeypatch):
    import errno

    items = folder("1" for _ in range(5))
    monkeypatch.setattr(
        np,
        "save",
        lambda *_: (_ for _ in ()).throw(OSError(errno.ENOSPC, "No space left on device")),
    )
    before = set(cache_root().glob("*"))
    with pytest.raises(DifftoolError, match="full"):
        opened(Numbers(), items)
    assert set(cache_root().glob("*")) == before
    monkeypatch.undo()
    assert len(opened(Numbers(), items)) == 5


def test_the_user_s_folder_is_never_touched(folder):
    items = folder("1" for _ in range(5))
    before = sorted((p.name, p.stat().st_mtime_ns) for p in items[0].path.parent.iterdir())
    shutil.rmtree(opened(Numbers(), items).folder)
    assert sorted((p.name, p.stat().st_mtime_ns) for p in items[0].path.parent.iterdir()) == before


class Foreign(Numbers):
    """Numbers in another byte order, and of another type from the second file on where that is asked for."""

    def __init__(self, second: str = ">f4") -> None:
        super().__init__()
        self.second = second

    def read(self, item: Item) -> np.ndarray:
        return super().read(item).astype(self.second if item.path.name > "000.txt" else ">f4")


def test_another_byte_order_is_no_other_number(folder):
    assert np.array_equal(
        opened(Foreign(), folder(["1 2", "3 4"])).gather(np.array([0, 1])), [[1, 2], [3, 4]]
    )


def test_examples_of_another_type_are_refused_not_cut_to_fit(folder):
    with pytest.raises(PluginError, match=r"001\.txt as float64, but earlier examples as float32"):
        opened(Foreign(">f8"), folder(["1 2", "3 4"]))


@pytest.mark.parametrize("lost", ["cache.json", "examples.bin", "index.npy"])
def test_a_cache_that_a_cleaner_went_through_says_what_to_remove(folder, lost):
    items = folder(["1 2", "3"])
    cache = opened(Numbers(), items)
    (cache.folder / lost).unlink()
    with pytest.raises(DataError, match=r"damaged\. Remove this folder"):
        opened(Numbers(), items)
    shutil.rmtree(cache.folder)
    assert len(opened(Numbers(), items)) == 2


def test_what_a_kill_left_half_made_is_removed_after_a_day(folder):
    old, new = (cache_root() / f".numbers-{name}.0123456789ab.partial" for name in ("old", "new"))
    for path in (old, new):
        path.mkdir(parents=True)
        (path / "examples.bin").write_bytes(b"half")
    for path in (old / "examples.bin", old):
        os.utime(path, (time.time() - 2 * 24 * 3600,) * 2)
    opened(Numbers(), folder(["1 2", "3 4"]))
    assert (old.exists(), new.exists()) == (False, True)


def test_remarks_on_what_is_used_are_kept_with_the_cache(folder, tmp_path):
    class Remarking(Numbers):
        def read(self, item: Item) -> np.ndarray:
            if item.path.read_text()[0] in "3b":
                remark("begins with three")
            return super().read(item)

    items = folder(["1 2", "3 4", "bad", "3 5"])
    for _ in range(2):  # made, then opened
        cache = open_cache(Remarking(), items, tmp_path, "numbers", max_bad=0.5)
        assert cache.remarks == [
            (items[1].path, "begins with three"),
            (items[3].path, "begins with three"),
        ]
    remark("outside of any reading it goes nowhere")


@pytest.mark.parametrize("texts", [["1 2", "3 4"], ["1", "3 4 5"]])
def test_the_shapes_of_all_examples(folder, tmp_path, texts):
    cache = open_cache(Numbers(), folder(texts), tmp_path, "numbers", max_bad=0)
    assert cache.shapes.tolist() == [[len(text.split())] for text in texts]


def test_a_change_inside_a_folder_that_is_one_example_makes_another_cache(tmp_path):
    whole = tmp_path / "data" / "whole"
    whole.mkdir(parents=True)
    for name in "ab":
        (whole / name).write_text("1 2")
    before = listing([Item(whole)], tmp_path / "data")
    assert listing([Item(whole)], tmp_path / "data") == before
    stat = whole.stat()
    (whole / "a").write_text("1 2 3")
    os.utime(
        whole, ns=(stat.st_atime_ns, stat.st_mtime_ns)
    )  # a file that is written in place leaves its folder as it was
    assert listing([Item(whole)], tmp_path / "data") != before


def test_a_full_disk_is_never_a_file_s_fault(folder):
    """Reading may write, where an example is larger than memory: a cache that lacks it would be taken for whole for ever."""

    class Spooling(Numbers):
        def read(self, item: Item) -> np.ndarray:
            raise OSError(errno.ENOSPC, "No space left on device")

    before = set(cache_root().glob("*/cache.json"))
    with pytest.raises(DifftoolError, match=r"disk that holds .* is full"):
        opened(Spooling(), folder(["1 2", "3"]))
    assert set(cache_root().glob("*/cache.json")) == before


def test_a_link_that_leads_nowhere_in_a_folder_that_is_one_example_is_no_file(tmp_path):
    (tmp_path / "whole").mkdir()
    before = listing([Item(tmp_path / "whole")], tmp_path)
    (tmp_path / "whole" / "broken").symlink_to(tmp_path / "nowhere")
    assert listing([Item(tmp_path / "whole")], tmp_path) == before


def test_without_a_home_or_a_place_to_write_the_variable_is_named(tmp_path, monkeypatch):
    def homeless(*_, **__):
        raise RuntimeError("no home")

    (tmp_path / "file").write_text("")
    monkeypatch.setenv("DIFFTOOL_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(UsageError, match="Set DIFFTOOL_CACHE"):
        cache_path("a/b")
    monkeypatch.delenv("DIFFTOOL_CACHE")
    monkeypatch.setattr("platformdirs.user_cache_dir", homeless)
    with pytest.raises(UsageError, match="Set DIFFTOOL_CACHE"):
        cache_path("a/b")
