"""What all tests share: one thread, a cache of their own, and nothing left behind."""

from __future__ import annotations

import os

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory):
    """Decoded data goes to a folder of this process, never to the user's or another worker's."""
    folder = tmp_path_factory.mktemp("cache")
    before = os.environ.get("DIFFTOOL_CACHE")
    os.environ["DIFFTOOL_CACHE"] = str(folder)
    yield folder
    os.environ.pop("DIFFTOOL_CACHE")
    if before is not None:
        os.environ["DIFFTOOL_CACHE"] = before
