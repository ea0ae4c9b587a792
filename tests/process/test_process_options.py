"""Options are there without torch, and every one says what it is."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

from difftool.options import Options
from difftool.process import options as process
from difftool.samplers import options as samplers

MODELS = [
    m
    for module in (process, samplers)
    for _, m in inspect.getmembers(module, inspect.isclass)
    if issubclass(m, Options)
]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_field_is_described_and_every_default_is_valid(model):
    model()
    assert all(field.description for field in model.model_fields.values())


def test_options_import_neither_torch_nor_numpy():
    code = "import sys, difftool.process.options, difftool.samplers.options; sys.exit(bool({'torch', 'numpy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
