"""Layers to one Config: who wins, what falls away, and that a config is its own file."""

from __future__ import annotations

import pytest
from fakes import fake_registry

from difftool.config import (
    AUTO,
    NONE,
    config_from_dict,
    dict_layer,
    file_layer,
    flag_layer,
    gather,
    resolve,
    text_layer,
    trace,
)
from difftool.errors import ConfigError


@pytest.fixture(scope="module")
def registry():
    return fake_registry()


def made(registry, *texts, flags=(), sets=(), modality="ecg"):
    layers = [text_layer(text, f"layer{i}") for i, text in enumerate(texts)]
    return resolve(modality, [*layers, flag_layer(flags, sets)], registry)


def test_defaults(registry):
    config = made(registry)
    assert (config.modality.use, config.representation.use, config.backbone.use) == (
        "ecg",
        "raw",
        "unet",
    )
    assert (config.process.use, config.density.use, config.weighting.use, config.schedule.use) == (
        "edm",
        "lognormal",
        "edm",
        "karras",
    )
    assert config.conditions == {}


def test_later_layers_win(registry):
    config = made(
        registry, "[train]\nsteps = 1\nbatch = 2", "[train]\nsteps = 3", sets=["train.seed=7"]
    )
    assert (config.train.steps, config.train.batch, config.train.seed) == (3, 2, 7)


def test_options_of_another_part_fall_away(registry):
    config = made(
        registry,
        '[sampler]\nuse = "heun"\ns_churn = 5',
        sets=["sampler.use=ddim", "sampler.eta=0.5"],
    )
    assert config.sampler.to_dict() == {"use": "ddim", "eta": 0.5}
    again = made(
        registry,
        '[sampler]\nuse = "heun"\ns_churn = 5',
        '[sampler]\nuse = "ddim"',
        '[sampler]\nuse = "heun"',
    )
    assert again.sampler.options.s_churn == 5


def test_options_written_without_use_belong_to_the_part_then_in_use(registry):
    assert made(registry, "[schedule]\nrho = 5").schedule.options.rho == 5
    assert made(registry, "[schedule]\nrho = 5", sets=["process.use=flow"]).schedule.use == "flow"


@pytest.mark.parametrize(
    ("process", "columns"),
    [
        ("eps", ("uniform", "uniform", "linear")),
        ("v", ("uniform", "uniform", "cosine")),
        ("flow", ("logit-normal", "uniform", "flow")),
        ("x0", ("lognormal", "min-snr", "karras")),
    ],
)
def test_a_process_brings_its_own_columns(registry, process, columns):
    config = made(registry, '[density]\nuse = "stratified"', sets=[f"process.use={process}"])
    assert (config.density.use, config.weighting.use, config.schedule.use) == columns


def test_columns_given_with_the_process_stay(registry):
    config = made(registry, '[process]\nuse = "flow"\n[schedule]\nuse = "karras"\nrho = 3')
    assert config.schedule.to_dict() == {
        "use": "karras",
        "sigma_min": 0.002,
        "sigma_max": 80.0,
        "rho": 3.0,
    }


def test_modality_picks_its_representation(registry):
    assert (
        made(
            registry, modality="ecg/wave", sets=["representation.gain=2"]
        ).representation.options.gain
        == 2
    )
    assert made(registry, '[representation]\nuse = "wave"').representation.use == "wave"
    assert (
        made(
            registry,
            '[modality]\nuse = "tide"\nrate = 2',
            '[representation]\nuse = "wave"',
            modality="ecg",
        ).modality.use
        == "ecg"
    )


def test_modality_from_a_file(registry):
    assert (
        resolve(
            None, [text_layer('[modality]\nuse = "tide"\nrate = 3', "x")], registry
        ).modality.options.rate
        == 3
    )
    with pytest.raises(ConfigError, match="no modality is selected"):
        resolve(None, [], registry)


def test_conditions(registry):
    text = '[conditions.class]\ndropout = 0.2\n[conditions.age]\nuse = "number"\n[conditions.caption]\nuse = "none"'
    config = made(registry, text)
    assert config.conditions["class"].to_dict() == {"use": AUTO, "dropout": 0.2}
    assert config.conditions["age"].use == "number"
    assert config.conditions["caption"].to_dict() == {"use": NONE}
    other = made(registry, text, sets=["conditions.age.use=label", "conditions.age.dropout=0.3"])
    assert other.conditions["age"].options.dropout == 0.3


def test_a_model_stands_alone_unless_a_bridge_is_named(registry):
    assert made(registry).bridge.to_dict() == {"use": NONE}
    bridged = (
        '[bridge]\nuse = "resample"\nfactors = [1, 4]\ndown = ["area", "sinc"]\nrates = {rate = 1}'
    )
    config = made(registry, bridged, sets=["bridge.max_aug_level=0.5"])
    assert (
        config.bridge.options.factors,
        config.bridge.options.down,
        config.bridge.options.max_aug_level,
    ) == ((1, 4), ("area", "sinc"), 0.5)
    assert resolve(None, [text_layer(config.to_toml(), "saved")], registry) == config
    assert made(registry, bridged, sets=["bridge.use=none"]).bridge.to_dict() == {"use": NONE}


@pytest.mark.parametrize(
    ("sets", "said"),
    [
        (
            ["bridge.use=resampel", "bridge.factors=1,2"],
            "There is no bridge 'resampel'. Did you mean 'resample'?",
        ),
        (["bridge.use=resample"], "bridge.factors is missing"),
        (["bridge.factors=1,2"], "bridge.factors is unknown. [bridge] takes no options here"),
        (
            ["bridge.use=resample", "bridge.factors=1,2", "bridge.up=sinc"],
            "puts entries where down = area has none",
        ),
    ],
)
def test_faults_of_a_bridge(registry, sets, said):
    with pytest.raises(ConfigError) as caught:
        made(registry, sets=sets)
    assert said in str(caught.value)


def test_round_trip(registry):
    text = '[process]\nuse = "flow"\n[guidance]\nhigh = 3.5\n[conditions.class]\nuse = "label"\n[ema]\npower = [0.05, 0.1]'
    config = made(
        registry,
        text,
        sets=["modality.leads=3,4", "optimizer.eps=1e-9", 'modality.name="a \\"b\\""'],
    )
    assert resolve(None, [text_layer(config.to_toml(), "again")], registry) == config
    assert config_from_dict(config.to_dict(), "again", registry) == config
    assert "None" not in config.to_toml()


def test_a_saved_config_builds_on_no_recipe(registry, tmp_path):
    path = tmp_path / "saved.toml"
    path.write_text(made(registry, "[train]\nsteps = 5").to_toml())
    assert [layer.origin for layer in gather(registry, "ecg", configs=[path], project=None)] == [
        str(path),
        "the command line",
    ]


def test_replace(registry):
    config = made(registry)
    assert config.replace(conditions={"a": config.sampler}).conditions["a"] == config.sampler


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("train.steps=1e3", 1000),
        ("modality.leads=5", (5,)),
        ("modality.leads=[5, 6]", (5, 6)),
        ("modality.name=2024", "2024"),
        ("modality.cutoff=none", None),
        ("modality.cutoff=3", 3.0),
        ("modality.flip=true", True),
        ("train.device=cuda:1", "cuda:1"),
        ("data.path=/a = b", "/a = b"),
    ],
)
def test_text_from_the_command_line_means_what_its_field_holds(registry, text, value):
    config = made(registry, sets=[text])
    table, key = text.partition("=")[0].split(".")
    found = getattr(config, table)
    assert getattr(getattr(found, "options", found), key) == value


def test_origins(registry):
    found = trace(
        "ecg",
        [
            text_layer("[train]\nsteps = 4", "my.toml"),
            flag_layer([("--batch", "train.batch", "8")], ["train.seed=1"]),
        ],
        registry,
    )
    assert found.origins[("train", "steps")] == "my.toml:2"
    assert found.origins[("train", "batch")] == "--batch"
    assert found.origins[("train", "seed")] == "--set train.seed"
    assert ("train", "clip") not in found.origins


def test_a_path_in_a_file_counts_from_the_file(tmp_path):
    (tmp_path / "a.toml").write_text('[data]\npath = "files"')
    assert file_layer(tmp_path / "a.toml").data["data"]["path"] == str(tmp_path / "files")


# --- keys of an earlier version ---------------------------------------------------------------------------------------


def test_an_old_key_is_taken_and_the_new_name_is_reported(registry):
    with pytest.warns(
        FutureWarning, match=r"layer0:3: schedule\.steps is now called schedule\.levels"
    ):
        config = made(registry, '[schedule]\nuse = "linear"\nsteps = 20')
    assert config.schedule.to_dict()["levels"] == 20
    with pytest.warns(FutureWarning, match=r"--set schedule\.steps: .* schedule\.levels"):
        assert (
            made(
                registry, sets=["schedule.use=linear", "schedule.steps=30"]
            ).schedule.options.levels
            == 30
        )


def test_an_old_key_in_a_model_file_is_taken_in_silence(registry, recwarn):
    data = made(registry, sets=["schedule.use=linear"]).to_dict()
    data["schedule"]["steps"] = data["schedule"].pop("levels")
    assert config_from_dict(data, "model.safetensors", registry).schedule.options.levels == 1000
    assert not recwarn.list


def test_an_old_key_beside_its_new_one_is_a_fault(registry):
    with pytest.raises(
        ConfigError, match=r"schedule\.steps is the old name of schedule\.levels, and both are set"
    ):
        made(registry, '[schedule]\nuse = "linear"\nsteps = 20\nlevels = 20')


def test_a_fault_of_an_old_key_is_laid_at_its_place(registry):
    with pytest.raises(ConfigError, match=r"layer0:3: schedule\.levels = 0"):
        made(registry, '[schedule]\nuse = "linear"\nsteps = 0')


# --- what an earlier version called otherwise --------------------------------------------------------------------------


def test_the_old_name_of_use_is_accepted_and_whoever_wrote_it_is_given_the_new_one(registry):
    old = text_layer('[optimizer]\nmethod = "muon"\nmomentum = 0.9', "my.toml")
    with pytest.warns(
        FutureWarning, match=r"my.toml:2: optimizer.method is now called optimizer.use"
    ):
        config = resolve("ecg", [old], registry)
    assert config.optimizer.to_dict()["use"] == "muon"
    assert config.optimizer.options.momentum == 0.9


def test_what_an_old_model_says_of_an_optimizer_that_it_did_not_use_is_left_out(registry, recwarn):
    before = {"method": "adamw", "lr": 0.01, "momentum": 0.95, "betas": [0.9, 0.999]}
    config = resolve("ecg", [dict_layer({"optimizer": before}, "model.safetensors")], registry)
    assert config.optimizer.to_dict() == {
        **resolve("ecg", [], registry).optimizer.to_dict(),
        "lr": 0.01,
    }
    assert not recwarn.list


def test_the_old_name_beside_the_new_one_is_a_fault(registry):
    both = text_layer('[optimizer]\nuse = "adamw"\nmethod = "muon"', "my.toml")
    with pytest.raises(
        ConfigError,
        match=r"my.toml:3: optimizer.method is the old name of optimizer.use, and both are set",
    ):
        resolve("ecg", [both], registry)


def test_options_that_every_optimizer_has_stay_when_another_is_chosen(registry):
    recipe = text_layer("[optimizer]\nlr = 0.5\nbetas = [0.5, 0.6]", "recipe")
    config = resolve("ecg", [recipe, flag_layer(sets=["optimizer.use=muon"])], registry)
    assert (config.optimizer.options.lr, config.optimizer.options.betas) == (0.5, (0.9, 0.999))


def test_a_later_layer_wins_under_the_old_name_and_under_the_new(registry):
    old, new = '[schedule]\nuse = "linear"\nsteps = 20', "[schedule]\nlevels = 30"
    with pytest.warns(FutureWarning):
        assert made(registry, old, new).schedule.options.levels == 30
    with pytest.warns(FutureWarning):
        assert (
            made(
                registry, f'{new}\nuse = "linear"', "[schedule]\nsteps = 20"
            ).schedule.options.levels
            == 20
        )
