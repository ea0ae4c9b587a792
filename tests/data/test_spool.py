"""spooled: the same array whether it is small or large, and nothing left on the disk."""

from __future__ import annotations

import numpy as np
import pytest

from difftool.data import spool
from difftool.data.bound import bounded
from difftool.data.cache import trial_cache
from difftool.data.spool import spooled
from difftool.errors import DataError


def blocks(count: int = 5):
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (n, 3, 4), np.uint8) for n in range(1, count + 1)]


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("DIFFTOOL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.parametrize("held", [0, 30, 1 << 20])
def test_blocks_lie_one_after_another(cache, monkeypatch, held):
    monkeypatch.setattr(spool, "HELD", held)
    made = spooled(iter(blocks()))
    assert made.dtype == np.uint8
    assert np.array_equal(made, np.concatenate(blocks()))


@pytest.mark.parametrize("held", [0, 30, 1 << 20])
def test_rows_may_grow_instead(cache, monkeypatch, held):
    monkeypatch.setattr(spool, "HELD", held)
    rows = [block.swapaxes(0, 1) for block in blocks()]
    assert np.array_equal(spooled(iter(rows), axis=1), np.concatenate(rows, 1))
    with pytest.raises(ValueError, match=r"block|dimension"):
        spooled([np.zeros((2, 3), np.uint8), np.zeros((3, 3), np.uint8)], axis=1)


def test_what_is_large_is_a_map_of_a_file_without_a_name(cache, monkeypatch):
    monkeypatch.setattr(spool, "HELD", 10)
    made = spooled(blocks())
    assert isinstance(made.base, np.memmap)
    assert list(cache.iterdir()) == []


def test_no_more_than_a_block_is_asked_for_before_it_is_laid_down(cache, monkeypatch):
    monkeypatch.setattr(spool, "HELD", 10)
    alive = []

    def one_at_a_time():
        for block in blocks():
            alive.append(block.shape[0])
            yield block

    spooled(one_at_a_time())
    assert alive == [1, 2, 3, 4, 5]


def test_a_small_one_touches_no_disk(cache):
    spooled(blocks())
    assert not cache.exists()


def test_blocks_that_do_not_agree_are_refused(cache, monkeypatch):
    for held in (0, 1 << 20):
        monkeypatch.setattr(spool, "HELD", held)
        with pytest.raises(ValueError, match=r"block|dimension"):
            spooled([np.zeros((2, 3), np.uint8), np.zeros((2, 4), np.uint8)])


def test_nothing_is_refused():
    with pytest.raises(ValueError, match="concatenate"):
        spooled([])


def test_a_small_file_that_becomes_gigabytes_is_refused_and_named(cache, monkeypatch, tmp_path):
    monkeypatch.setattr("difftool.data.bound.ALWAYS", 100)
    monkeypatch.setattr("difftool.data.bound.RATIO", 10)
    path = tmp_path / "bomb.gif"
    path.write_bytes(bytes(20))
    blocks = [np.zeros(50, np.uint8)] * 5
    with bounded(path):
        assert len(spooled(blocks[:4])) == 200
        with pytest.raises(DataError, match=r"bomb\.gif becomes more than"):
            spooled(iter(blocks))
    assert len(spooled(blocks)) == 250


def test_in_a_trial_it_lies_in_the_trial_s_own_folder(cache, monkeypatch):
    monkeypatch.setattr(spool, "HELD", 10)
    with trial_cache():
        spooled(blocks())
    assert not cache.exists()
