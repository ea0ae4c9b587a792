"""Names of files: bytes, spellings, and paths as text."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from difftool import UsageError
from difftool.names import local_path, path_text, spelled

BYTES = os.fsdecode(b"caf\xe9")


@pytest.mark.parametrize("name", ["caf\u00e9", "cafe\u0301", BYTES])
def test_one_name_has_one_spelling(name):
    assert spelled(name) == "caf\u00e9"


@pytest.mark.parametrize("name", ["plain", "größe 100%", BYTES])
def test_a_path_goes_through_json_and_back(tmp_path, name):
    text = json.loads(json.dumps(path_text(tmp_path / name), ensure_ascii=False).encode())
    assert local_path(text) == tmp_path / name


def test_a_path_below_a_home_that_does_not_exist(monkeypatch):
    def homeless(path):
        raise RuntimeError

    monkeypatch.setattr(Path, "expanduser", homeless)
    with pytest.raises(UsageError, match="no home folder"):
        local_path("~/data")
