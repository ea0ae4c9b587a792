"""Every fault at once, each with its place and a way out, before anything heavy is imported."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from fakes import fake_registry

from difftool.config import dict_layer, file_layer, flag_layer, gather, resolve, text_layer
from difftool.errors import ConfigError
from difftool.names import local_path
from difftool.plugin.registry import Registry

BAD = """\
[train]
stpes = 5
batch = "many"
log_every = 0
precision = "bf61"
[process]
use = "emd"
[trian]
[optimizer]
betas = [0.1]
lr = true
[modality]
length = 7.5
[conditions.class]
use = "lable"
[sampler]
use = 3
"""


@pytest.fixture(scope="module")
def registry():
    return fake_registry()


def faults(registry, *layers, modality="ecg"):
    with pytest.raises(ConfigError) as caught:
        resolve(modality, layers, registry)
    return caught.value.faults


@pytest.mark.parametrize(
    "expected",
    [
        "my.toml:2: train.stpes is unknown. Did you mean train.steps?",
        'my.toml:3: train.batch = "many" is text; it takes a whole number',
        "my.toml:4: train.log_every = 0: it should be greater than 0",
        "my.toml:5: train.precision = \"bf61\" is not one of 'auto', 'fp32', 'bf16' or 'fp16'. Did you mean 'bf16'?",
        "my.toml:7: There is no process 'emd'. Did you mean 'edm'? Known processes: cold, edm, eps, flow, score, v, x0.",
        "my.toml:8: [trian] is unknown. Did you mean [train]?",
        "my.toml:10: optimizer.betas = [0.1] has too few values: decay of the first and second moments",
        "my.toml:11: optimizer.lr = true is a truth value; it takes a number",
        "my.toml:13: modality.length = 7.5 is a number with a fraction; it takes a whole number",
        "my.toml:15: There is no conditioner 'lable'. Did you mean 'label'? Known conditioners: beside, channels, encoder, label, labels, number, reference, text, vector.",
        "my.toml:17: sampler.use = 3 is not text; write the name of a sampler",
    ],
)
def test_all_at_once(registry, expected):
    assert expected in faults(registry, text_layer(BAD, "my.toml"))


def test_nothing_is_said_twice_or_beside_the_point(registry):
    assert len(faults(registry, text_layer(BAD, "my.toml"))) == 11


def test_the_command_line_is_named(registry):
    found = faults(
        registry,
        flag_layer(
            [("--batch", "train.batch", "64"), ("--size", "modality.size", "3")],
            ["train.accumulate=7", "foo", "nn.x=3"],
        ),
    )
    assert (
        "--set foo: does not have the form table.key=value; write, for example, train.steps=1000"
        in found
    )
    assert any(
        fault.startswith("--set nn.x: [nn] is unknown. The tables are: modality,")
        for fault in found
    )
    assert any(
        fault.startswith("--size: modality.size is unknown. [modality] takes: length, leads")
        for fault in found
    )
    assert any(
        "batch 64 cannot be split into accumulate = 7 equal parts" in fault for fault in found
    )


def test_a_key_given_by_flag_and_set(registry):
    layer = flag_layer([("--steps", "train.steps", "5")], ["train.steps=6"])
    assert faults(registry, layer) == (
        "--set train.steps: --steps also sets train.steps; keep one of them",
    )


def test_syntax_errors_are_reported_with_the_rest(registry):
    found = faults(
        registry,
        text_layer("[train]\nsteps = \n", "a.toml"),
        text_layer("[train]\nsteps = 0", "b.toml"),
    )
    assert len(found) == 2
    assert found[0].startswith("a.toml:2: is not valid TOML at column")
    assert found[1].startswith("b.toml:2: train.steps = 0")


def test_files_that_cannot_be_read(registry, tmp_path):
    (tmp_path / "latin.toml").write_bytes(b"[data]\npath = '\xe9'")
    found = faults(
        registry,
        file_layer(tmp_path / "none.toml"),
        file_layer(tmp_path / "latin.toml"),
        file_layer(tmp_path),
    )
    assert "No such file" in found[0]
    assert "not UTF-8" in found[1]
    assert "directory" in found[2]


def test_values_where_tables_belong(registry):
    found = faults(registry, text_layer("train = 3\n[conditions]\nclass = 'label'", "x"))
    assert "x:1: train = 3 is not a table; write [train] and its keys below it" in found
    assert (
        "x:3: conditions.class = 'label' is not a table; write [conditions.class] and its keys below it"
        in found
    )


def test_numbers_that_are_not_finite(registry):
    assert "optimizer.lr" in faults(registry, text_layer("[optimizer]\nlr = nan", "x"))[0]


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("optimizer.lr=1e205", "is too large; write at most 1e+30"),
        ("optimizer.lr=1e-205", "is too close to 0"),
        ("train.steps=" + "9" * 30, "is too large"),
        ("train.steps=" + "9" * 5000, "it takes a whole number"),
        ("train.steps=99999999999", "less than or equal to 1000000000"),
        ("backbone.multipliers=[1,9999]", "less than or equal to 1024"),
        ("schedule.rho=5000", "less than or equal to 1000"),
        ("sample.steps=1000000", "less than or equal to 100000"),
    ],
)
def test_numbers_that_are_too_large_for_what_they_mean(registry, setting, words):
    (fault,) = faults(registry, flag_layer(sets=[setting]))
    assert words in fault
    assert len(fault) < 300


def test_unknown_modality_and_recipe(registry):
    assert "Did you mean 'ecg'" in faults(registry, modality="egc")[0]
    layers = gather(registry, "ecg", "tinny", project=None)
    assert faults(registry, *layers) == (
        "--recipe: There is no recipe 'tinny' for ecg. No recipes are installed.",
    )


def test_faults_are_told_before_torch_is_imported():
    program = f"""
import sys
from pathlib import Path
from difftool.config import resolve, text_layer
from difftool.errors import ConfigError
from difftool.names import local_path
from difftool.plugin.registry import Registry
try:
    resolve(None, [text_layer({BAD!r}, "my.toml")], Registry.load_all())
except ConfigError as error:
    assert len(error.faults) > 5
else:
    raise SystemExit("no fault found")
print(sorted({{"torch", "numpy", "rich"}} & set(sys.modules)))
"""
    assert (
        subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        ).stdout.strip()
        == "[]"
    )


@pytest.mark.parametrize("text", ["0x16", "0o7", " 0b1"])
def test_a_number_in_another_base_stays_text_on_the_command_line(text):
    assert flag_layer([("--size", "modality.size", text)]).data == {"modality": {"size": text}}


@pytest.mark.parametrize("where", ["flag", "set", "file"])
def test_a_path_that_is_not_utf8_is_kept_as_an_address(tmp_path, where):
    path = str(tmp_path / os.fsdecode(b"caf\xe9"))
    layer = {
        "flag": flag_layer([("DATA", "data.path", path)]),
        "set": flag_layer(sets=[f"data.path={path}"]),
        "file": dict_layer({"data": {"path": path}}, "model"),
    }[where]
    config = resolve("ecg", [layer], fake_registry())
    assert local_path(config.data.path) == Path(path)
    again = resolve(None, [text_layer(config.to_toml(), "config.toml")], fake_registry())
    assert again == config
    assert config.to_toml().encode()


def test_a_fault_between_settings_is_laid_at_the_last_of_them_that_was_set():
    """Not at another one of the same table that was written later."""
    recipe = text_layer(
        "[backbone]\nuse = 'unet'\nfactors = [4, 4]\nmultipliers = [1, 2, 4]", "recipe.toml"
    )
    flags = flag_layer([], ["backbone.multipliers=[1,2]", "backbone.embedding=32"])
    with pytest.raises(ConfigError) as caught:
        resolve("image", [recipe, flags], Registry.load_all())
    (fault,) = caught.value.faults
    assert fault.startswith("--set backbone.multipliers: [backbone]: 2 factors do not fit")
