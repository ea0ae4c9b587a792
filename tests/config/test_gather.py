"""Which layers a command has, and in which order."""

from __future__ import annotations

import json
import sys

import pytest
from fakes import fake_registry

from difftool.config import file_layer, gather, resolve, text_layer
from difftool.config.schema import schema
from difftool.errors import ConfigError, UsageError
from difftool.plugin.spec import RecipeSpec


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package with three recipes, importable."""
    folder = tmp_path / "recipes_for_a_test"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "tiny.toml").write_text("[train]\nsteps = 10\nbatch = 4\n")
    (folder / "small.toml").write_text("[train]\nsteps = 20\n")
    (folder / "wave.toml").write_text("[train]\nsteps = 30\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, folder.name, raising=False)  # that of the test before is gone
    return folder.name


@pytest.fixture
def registry(package):
    return fake_registry(
        [
            RecipeSpec("tiny", "", f"{package}:tiny.toml", modality="ecg"),
            RecipeSpec("small", "", f"{package}:small.toml", modality="ecg"),
            RecipeSpec("small", "", f"{package}:wave.toml", modality="ecg/wave"),
            RecipeSpec("gone", "", f"{package}:gone.toml", modality="ecg"),
        ]
    )


def test_the_default_recipe_comes_first(registry):
    layers = gather(registry, "ecg", project=None)
    assert [layer.origin for layer in layers] == ["recipe tiny", "the command line"]
    assert resolve("ecg", layers, registry).train.steps == 10


def test_precedence(registry, tmp_path):
    project, config = tmp_path / "difftool.toml", tmp_path / "mine.toml"
    project.write_text("[train]\nsteps = 11\nseed = 1\nlog_every = 1")
    config.write_text("[train]\nseed = 2\nlog_every = 2")
    layers = gather(
        registry, "ecg", None, [config], [("--log-every", "train.log_every", "3")], (), project
    )
    train = resolve("ecg", layers, registry).train
    assert (train.batch, train.steps, train.seed, train.log_every) == (4, 11, 2, 3)


def test_recipes_belong_to_a_modality_and_may_belong_to_a_representation(registry):
    def steps(modality, recipe):
        return resolve(
            modality, gather(registry, modality, recipe, project=None), registry
        ).train.steps

    assert steps("ecg", "small") == 20
    assert steps("ecg/wave", "small") == 30
    assert steps("ecg/wave", None) == 10
    assert steps("tide", None) == 10_000


@pytest.mark.parametrize("modality", [None, "ecg", "ecg/wave"])
@pytest.mark.parametrize("recipe", ["ecg/wave/small", "wave/small"])
def test_a_recipe_has_the_name_that_is_listed_wherever_it_is_named(registry, modality, recipe):
    if modality is None and recipe == "wave/small":
        return  # this name says no modality
    config = resolve(modality, gather(registry, modality, recipe, project=None), registry)
    chosen = (config.modality.use, config.representation.use, config.train.steps)
    assert chosen == ("ecg", "wave", 30)


def test_the_full_name_of_a_recipe_of_a_modality_leaves_the_representation_open(registry):
    for modality, representation in ((None, "raw"), ("ecg", "raw"), ("ecg/wave", "wave")):
        config = resolve(modality, gather(registry, modality, "ecg/tiny", project=None), registry)
        assert (config.representation.use, config.train.steps) == (representation, 10)


def test_a_file_may_name_the_recipe_in_full_and_no_modality(registry, tmp_path):
    path = tmp_path / "a.toml"
    path.write_text('recipe = "ecg/wave/small"')
    config = resolve(None, gather(registry, None, None, [path], project=None), registry)
    assert (config.modality.use, config.train.steps) == ("ecg", 30)


@pytest.mark.parametrize(
    ("modality", "recipe", "said"),
    [
        ("tide", "ecg/tiny", "is for ecg, but tide is selected"),
        ("ecg/raw", "ecg/wave/small", "is for ecg/wave, but ecg/raw is selected"),
        ("ecg", "ecg/tinny", "no recipe 'tinny' for ecg"),
        (None, "ecg/tinny", "no recipe 'tinny' for ecg"),
    ],
)
def test_a_recipe_of_something_else_is_a_fault(registry, modality, recipe, said):
    with pytest.raises(ConfigError, match=said):
        resolve(modality, gather(registry, modality, recipe, project=None), registry)


def test_a_recipe_file(registry, tmp_path):
    (tmp_path / "own.toml").write_text("[train]\nsteps = 77")
    assert (
        resolve(
            "ecg", gather(registry, "ecg", str(tmp_path / "own.toml"), project=None), registry
        ).train.steps
        == 77
    )


def test_a_file_names_the_recipe_it_builds_on(registry, tmp_path):
    path = tmp_path / "a.toml"
    path.write_text('recipe = "small"\n[modality]\nuse = "ecg"')
    assert (
        resolve(None, gather(registry, None, None, [path], project=None), registry).train.steps
        == 20
    )


def test_recipes_build_on_each_other(registry, tmp_path):
    (tmp_path / "mine.toml").write_text('recipe = "tiny"\n[train]\nbatch = 6\n')
    config = resolve(
        "ecg", gather(registry, "ecg", str(tmp_path / "mine.toml"), project=None), registry
    )
    assert (config.train.steps, config.train.batch) == (10, 6)
    (tmp_path / "circle.toml").write_text(f'recipe = "{tmp_path / "circle.toml"}"\n')
    with pytest.raises(ConfigError, match="in a circle"):
        resolve(
            "ecg", gather(registry, "ecg", str(tmp_path / "circle.toml"), project=None), registry
        )


def test_a_recipe_that_is_not_in_its_package(registry):
    with pytest.raises(UsageError, match=r"recipe gone: .* cannot be read"):
        resolve("ecg", gather(registry, "ecg", "gone", project=None), registry)


def test_schema_is_whole(registry):
    made = schema(registry, "ecg")
    text = json.dumps(made)
    assert set(made["properties"]) >= {"modality", "process", "conditions", "train", "recipe"}
    assert [
        arm["properties"]["use"]["const"] for arm in made["properties"]["modality"]["anyOf"]
    ] == ["ecg"]
    for reference in {part.split('"')[0] for part in text.split('"$ref": "#/$defs/')[1:]}:
        assert reference in made["$defs"]


def test_a_key_with_dots_or_spaces_is_quoted_as_in_toml(registry):
    layers = gather(
        registry,
        "ecg",
        sets=['conditions."heart. rate, rest".use=number', "conditions.other one.use=label"],
        project=None,
    )
    assert {
        name: part.use for name, part in resolve("ecg", layers, registry).conditions.items()
    } == {
        "heart. rate, rest": "number",
        "other one": "label",
    }


def test_a_file_may_begin_with_a_byte_order_mark(tmp_path):
    path = tmp_path / "a.toml"
    path.write_text("[train]\nsteps = 3\n", encoding="utf-8-sig")
    layer = file_layer(path)
    assert layer.faults == ()
    assert layer.data == {"train": {"steps": 3}}


@pytest.mark.parametrize("text", [f"[train]\nsteps = {'9' * 5000}", "x = " + "[" * 5000])
def test_numbers_of_many_digits_and_deep_values_are_faults(text):
    (fault,) = text_layer(text, "a.toml").faults
    assert fault.startswith("a.toml: is not valid TOML: it")
