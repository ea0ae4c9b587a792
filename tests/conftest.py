"""What all tests share: one thread, a cache of their own, and nothing left behind."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")


if threading.current_thread() is threading.main_thread():
    # a shell in the background lets its commands ignore Ctrl-C, which some tests send
    signal.signal(signal.SIGINT, signal.default_int_handler)


STARTED = time.monotonic()


def pytest_addoption(parser):
    parser.addoption(
        "--minutes",
        type=float,
        help="skip the tests that have not begun after so many minutes, so that a run ends in time",
    )


def pytest_make_parametrize_id(val):
    """Bytes are named by their length: packed ones hold the time of day, so that every worker would name them otherwise."""
    return f"{len(val)} bytes" if isinstance(val, bytes) else None


def pytest_runtest_setup(item):
    minutes = item.config.getoption("--minutes")
    if minutes is not None and time.monotonic() - STARTED > 60 * minutes:
        pytest.skip(f"not begun within {minutes:g} minutes")


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
